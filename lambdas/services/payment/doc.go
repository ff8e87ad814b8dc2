// Package payment takes money and gives it back: the services com.payment.charge and com.payment.refund.
//
//	com.payment.charge   Charge  ─▶ evt.payment.charge.success   Payment
//	                             ─▶ evt.payment.charge.declined  Declined
//	com.payment.refund   Refund  ─▶ evt.payment.refund.success   Refunded
//
// Each file is one service, from top to bottom: its contract, the shapes of its data, its handler. A handler is pure
// but for its port, [Gateway]: it reads the event, asks the gateway, and says what came of it. It knows neither AWS nor
// a bus nor a trace, and a test calls it with an event. A service of your own would look like these.
//
// # Promises
//
// Delivery is at least once; money moves once. The id of the charging event is the idempotency key of the charge, and
// it is the payment's id too: whoever asked for the charge can name the payment before an answer has come, or when none
// ever comes. A refund therefore needs no answer to undo: refunding a payment that does not exist (yet) leaves a
// tombstone in its place, and a charge that arrives late finds it and is declined with [ReasonRefunded]. A refund has
// no key of its own; it derives from the payment, so that two refunds of one payment give the money back once.
//
// # Errors
//
// What the business may answer is an event: a declined card is evt.payment.charge.declined, not an error. Errors are
// for what the business has no word for, and there are two kinds:
//
//   - The gateway cannot tell now (unreachable, throttled): an error that matches [arvo.ErrExecution], or the context's
//     own when the invocation ends. It goes back to the queue, and the same key is tried again.
//   - Anything else (refused credentials, a nonsensical answer): one system error event. The requester does not know
//     then whether money has moved, and need not: it refunds.
//
// It is the gateway that tells them apart, for only it knows its protocol. That is why neither service has a retry.
package payment
