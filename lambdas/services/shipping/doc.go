// Package shipping hands an order to a carrier: the service com.shipping.book.
//
//	com.shipping.book   Book  ─▶ evt.shipping.book.success   Booking
//	                          ─▶ evt.shipping.book.rejected  Rejected
//
// The handler is pure but for its port, [Carrier]. Package payment has the same build and says more about it.
//
// # Promises
//
// Delivery is at least once; parcels leave once. The booking's id is the id of the event that asked for it, so that a
// redelivery finds the booking it made.
//
// # Errors
//
// An address that the carrier does not serve is an answer of the business: evt.shipping.book.rejected. An error of the
// port that matches [arvo.ErrExecution], or is the context's, goes back to the queue; any other becomes a system error
// event.
package shipping
