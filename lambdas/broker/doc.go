// Package broker carries Arvo events over EventBridge and SQS: out through a [Publisher], in through a [Consumer].
//
//	handler ──events──▶ Publisher ──PutEvents──▶ bus ──rule──▶ queue ──batch──▶ Consumer ──Delivery──▶ handler
//
// # Publisher
//
// An event becomes one entry: Detail is its exact JSON, DetailType its type, Source its source, and Time stays unset,
// so that the envelope's time is when the bus took it in. TraceHeader is written from the event's own traceparent:
// the trace is the event's, not the caller's.
//
// [Publisher.Publish] returns nil only when the bus has accepted every event it was given. Entries that the bus
// refuses for a passing reason (throttling, an internal failure) are sent again, those alone, with backoff under full
// jitter, until four fifths of the time to the deadline are gone. What is still refused comes back as a
// [*RefusedError]; errors.Is(err, [ErrRefused]) tells it from a call that failed as a whole.
//
// Publishers of one invocation share their calls: events that arrive while a PutEvents call is under way leave
// together in the next one, ten entries and [MaxRequest] bytes at most. A batch of ten messages that are handled in
// parallel so costs two calls, not ten, and a lone event still leaves at once. A timer that waits for company was
// rejected: it would add its wait to every request of an idle system.
//
// # Consumer
//
// [Consumer.Batch] takes a batch from an event source mapping and answers with the messages that failed, by message
// id. Messages of one subject are handled in the order of the batch, subjects in parallel. One message never fails
// another: neither with an error, nor with a panic, nor with a body that is no event.
//
// A failed message comes back after a time that says why it failed:
//
//   - contention (an error with Contended() bool) after 1 to 5 s,
//   - all else after min(2^receives, 60) s; after the queue's maxReceiveCount it is in the dead-letter queue.
//
// Shortly before the invocation's deadline ([ConsumerConfig].Margin) messages that are not finished are reported as
// failed, so that those that are finished are acknowledged. They keep the queue's visibility timeout, for their work may
// still be running.
//
// Delivery is at least once, unordered: whoever handles a [Delivery] deduplicates on (subject, source, id).
//
// # Observer
//
// The package knows no telemetry. An [Observer] is told each entry's outcome and can make of it what it likes.
package broker
