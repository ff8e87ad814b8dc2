// Package broker carries Arvo events over EventBridge and SQS: out through a [Publisher], in through a [Consumer].
//
//	handler ──events──▶ Publisher ──PutEvents──▶ bus ──rule──▶ queue ──batch──▶ Consumer ──Delivery──▶ handler
//	                                              └───────rule, one event──────────▲
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
// rejected: it would add its wait to every request of an idle system. Events share a call only if their contexts have the
// same deadline, and an event whose own context has ended takes no other with it. Nor does one for which the bus refuses the
// call that it is in: such a call (a ValidationException) is made again in two halves.
//
// A client or an Observer that panics fails the publications it was at work for, and no later one.
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
//   - a message that the deadline kept from starting at once,
//   - all else after min(2^receives, 60) s; after the queue's maxReceiveCount it is in the dead-letter queue.
//
// Neither contention nor the slowness of others leads to the dead-letter queue. A changed visibility does not take back a
// receive, so a message that met contention or was not started, and is about to have too many receives
// ([ConsumerConfig].MaxReceives), is sent to its queue once more, with its body and its trace header, and the original is
// acknowledged: the copy's receives count from 0. A message that was started and did not finish is not spared. So a slow one
// ends in the dead-letter queue by itself, those behind it have their turn meanwhile, and no message goes round for ever
// unless more are sent for good than can be handled: then they wait, as in any queue that is too short of consumers, but the age
// of the oldest message no longer tells, for a copy is new. The log does. If the copy cannot be sent the
// original has failed like any other. If the original is not deleted after all there are two, which is safe for whoever
// deduplicates, as all must. The copy is a new message: its id and Delivery.SentAt are its own, and a queue must be a
// standard one, for FIFO queues know no delay of a message. The function needs sqs:SendMessage on its own queue.
//
// Shortly before the invocation's deadline ([ConsumerConfig].Margin) messages that are not finished are reported as
// failed, so that those that are finished are acknowledged. Those that have started ([ErrUnfinished]) keep the queue's
// visibility timeout, for their work may still be running; the others ([ErrNotStarted]) will not start any more, not even
// when the instance thaws and a slow handler before them ends.
//
// Each failure is logged once, here, without the message's body; that of a panic with its stack. The line is written in the
// message's own context if it was begun ([ConsumerConfig].Around), so that whoever knows of traces can say to which it belongs.
//
// # Without a queue
//
// A rule may also name the function as its target, and anybody who may invoke it can do so with an envelope.
// [Consumer.Invoke] takes both: a batch of messages, or one envelope, which is one [Delivery] without a message id. There is
// no list of failures then; the invocation itself succeeds with null, or fails with what the handler returned, a panic as a
// violation, an envelope that [ParseEnvelope] refuses with its error. So
//
//   - a synchronous caller sees the failure, and it is up to him to try again;
//   - after an asynchronous invocation, which is what a rule does, Lambda tries again twice, after one and two minutes,
//     contention or not, and then drops the event or gives it to the function's own failure destination. A throttled one it
//     keeps for up to six hours. The dead-letter queue of the rule sees none of that;
//   - an event that is not finished [ConsumerConfig].Margin before the deadline fails with [ErrUnfinished], and its handler
//     may still be at work when it comes again.
//
// Events of one subject have no order, and nothing but the function's concurrency limits how many are handled at a time. An
// event handled on both ways is handled twice: its outputs have the same derived ids, as after any second delivery.
// A payload that is neither, or that has both Records and a detail, fails the invocation.
//
// # Delivery
//
// Delivery is at least once, unordered: whoever handles a [Delivery] deduplicates on (subject, source, id).
//
// # Trust
//
// Whoever may put events on the bus is trusted with everything: an event says itself who sent it and what it answers, and
// nothing in it proves that. Subjects and ids are names, not secrets: ids are derived from one another, and all of them are
// in logs and traces. So events:PutEvents is for those who may speak for any service, or is narrowed down to those that a
// publisher speaks for, by the condition keys events:source and events:detail-type. These see the envelope, whose source
// and detail-type a publisher could make up; [ParseEnvelope] therefore refuses a message whose envelope says anything else
// than its event, and the condition holds for the event as well. A queue is for the rules to send to, and for the consumer
// that puts a message back: what anybody else puts there has been past no condition. Nor has what somebody invokes the
// function with who has lambda:InvokeFunction on it: that is for the bus, and for those who may speak for any service.
//
// # Observer
//
// The package knows no telemetry. An [Observer] is told of each event before it is sent, and of its outcome; what is around a
// [Consumer] sees each message. They can make of it what they like.
package broker
