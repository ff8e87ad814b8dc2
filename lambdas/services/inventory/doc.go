// Package inventory sets goods aside for an order and puts them back: the services com.inventory.reserve and
// com.inventory.release.
//
//	com.inventory.reserve   Reserve  ─▶ evt.inventory.reserve.success   Reservation
//	                                 ─▶ evt.inventory.reserve.rejected  Rejected
//	com.inventory.release   Release  ─▶ evt.inventory.release.success   Released
//
// The handlers are pure but for their port, [Stock]. Package payment has the same build and says more about it.
//
// # Promises
//
// Delivery is at least once; goods move once. A reservation is all of its items or none. Its id is the id of the event
// that asked for it, so that whoever asked can release it before an answer has come, or when none ever comes: releasing
// a reservation that does not exist (yet) leaves a tombstone in its place, and a reservation that arrives late finds it
// and is rejected with [ReasonReleased]. Two releases of one reservation put the goods back once.
//
// # Errors
//
// Goods that are not there are an answer of the business: evt.inventory.reserve.rejected names the first item that
// falls short. An error of the port that matches [arvo.ErrExecution], or is the context's, goes back to the queue; any
// other becomes a system error event, after which the requester releases.
package inventory
