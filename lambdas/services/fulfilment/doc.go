// Package fulfilment leads an order through the services: the workflow arvo.orc.fulfilment.
//
//	1.0.0   Order ─▶ reserve ─▶ charge ─▶ book ─▶ Outcome: fulfilled
//	                    │          │        │
//	                    ▼          ▼        ▼
//	                 release, refund of what was done or may yet be ─▶ Outcome: declined, rejected, failed
//	                    ▲          ▲        ▲
//	                    │          │        │
//	2.0.0           ┌▶ reserve ────┼─┐      │
//	        Order ──┤              │ ├──▶ book ──▶ Outcome: fulfilled
//	                └───────▶ charge ┘
//
// It calls com.inventory.reserve and .release, com.payment.charge and .refund, and com.shipping.book, and ends with one
// event arvo.orc.fulfilment.done that says what became of the order, as a whole and in each part. A declined card is an
// answer of the business and no error, and so is a service that never answered. Both versions are live: a client names
// the one that it wants, and a workflow that has begun stays with its own.
//
// 2.0.0 is faster by one round trip. The price is why it is another version: a card may be charged, and the money given
// back, for goods that turn out not to be there.
//
// The package reads like one of a service. contract.go says what goes in and comes out. workflow.go has the two versions,
// each a switch from what is known to what is asked for next. state.go is what is known.
//
// # Design
//
// A step takes note of what its event says, and then looks only at what it knows. That is what keeps 2.0.0 honest:
// whichever of two answers comes first, and whatever else is on its way, the same knowledge leads to the same next step.
// The first answer to a call stands. The first obstacle gives the order its status and reason; those that come after it are
// told with their part.
//
// What stands in the way is followed by undoing, at once. The id of the event that asked for a charge is the payment's id,
// and of one that asked for goods the reservation's (see packages payment and inventory). So undoing waits for no answer:
// a charge that is declined while the reservation is still out is followed by a release right away, and if that overtakes
// the reservation, no goods are set aside at all. The answer to the undoing settles what became of the part, so that is what a
// fulfilment waits for before it completes. What is certain not to have happened, a declined charge, is not undone.
//
// # Promises
//
//   - Each service is asked once, under one id: however often and in whatever order messages arrive, there is at most one
//     charge, one reservation, one booking, and one Outcome.
//   - An order that is not fulfilled keeps neither money nor goods, unless its Outcome says that nobody knows.
//   - Once the Outcome is out, no answer changes anything. An answer to a call that has timed out never does.
//
// # Time
//
// Reserve and charge have [ReversibleTimeout]: twice what the queue's retries take, less than a killed invocation's
// message is away. An order rather fails than holds a client up for that, since undoing makes it safe to. Book has
// [FinalTimeout], longer than both together: there is no service that calls a carrier off, and a booking that is made
// after its order was given up is a parcel that nobody pays for. Release and refund have it too: when they time out, the
// Outcome has to say "unknown".
//
// A deadline is looked after once a minute, so a workflow acts on it up to a minute late.
//
// # What nobody knows
//
// When a booking fails with a system error or times out, the order is undone and its shipment is "unknown": the carrier may
// have it. When a release or a refund does, its part is "unknown", and the message that asked for it is still in a queue or a
// dead-letter queue, from where it takes effect when it is handled: it is safe to redrive. These are for people to look into;
// nothing else is.
package fulfilment
