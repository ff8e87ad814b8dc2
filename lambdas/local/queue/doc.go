// Package queue is Amazon SQS with standard queues, in memory.
//
//	s := queue.New(queue.Options{})
//	defer s.Close()
//	q, err := s.Create(queue.Config{Name: "orders"})
//	id, err := q.Send(ctx, queue.Message{Body: "hello"})
//	messages, err := q.Receive(ctx, queue.ReceiveRequest{Max: 10, Wait: 20 * time.Second})
//	err = q.Delete(messages[0].ReceiptHandle)
//
// The methods of [Service] and [Queue] are for what runs in the same process. [Service.Wire] gives the same queues to
// SDKs and the aws CLI, as SQS's protocol AWS JSON 1.0. Errors are [*wire.Error] with SQS's codes either way.
//
// # Promises
//
//   - No message is lost or made up: [Counts] is an equation that holds at every moment, also while messages move
//     between queues. Tests do random operations to prove it.
//   - Delivery is at least once. A message is hidden from its receive until its visibility timeout ends; the receipt
//     handle is another one for each receive, and only that of the last one deletes the message.
//   - A long poll returns at the moment when a message becomes visible, whatever made it so. Nothing polls inside. The
//     receiver that waits longest comes first, and one that goes away takes no message with it.
//   - A message moves to the dead-letter queue when a receive finds that it was received maxReceiveCount times before:
//     not by time alone. There it keeps its id, contents, timestamps and receive count, but its age begins anew, and so
//     does the count that this queue's own redrive policy looks at. The retention period goes on from the first send.
//   - A move task gives messages a new life: a new id, sent now, never received.
//   - A queue that is empty holds no memory for the messages that it has carried.
//
// # States
//
//	          ┌─────────┐ delay, latency   ┌─────────┐     receive      ┌───────────┐
//	send ────▶│ delayed │─────────────────▶│ visible │─────────────────▶│ in flight │────▶ deleted
//	   └─────────────────────────────────▶ └─────────┘◀─────────────────└───────────┘
//	                                            │      timeout, or 0 s
//	                                            └────▶ dead-letter queue
//
// All of them end by expiry, a purge, or a deleted queue. A handle also deletes a message that is visible again.
//
// # Differences from AWS
//
//   - Counts and attributes are exact at once; on AWS they take up to a minute, and changed attributes as long.
//   - Messages come in the order in which they became visible, and a short poll looks everywhere. [Options.Shuffle] and
//     [Options.Duplicate] bring back some of what makes a standard queue hard to use. A message that returns stands at the
//     end, from the first time on; AWS says so from the third.
//   - MessageGroupId is kept and shown, but noisy groups do not wait for quiet ones.
//   - Access policies are kept, not applied; there is no KMS; there are no FIFO queues. Asking for KMS or FIFO is an
//     error, and so are AddPermission and RemovePermission.
//   - The deletion of a queue and of its messages is done at once; the name is free again after a minute, as on AWS.
//   - A dead-letter queue that was deleted takes nothing: the messages are received on in their queue.
//   - A receive that was overtaken by another one of the same message cannot change its visibility (MessageNotInflight).
//     AWS leaves that open.
//
// The shapes of answers, error codes and MD5 sums follow recordings of the real service and the SQS API reference. Where
// moto differs, the reference has the last word: moto takes empty and illegal bodies, unknown attributes and
// deduplication ids on standard queues, for example, and knows neither DeadLetterQueueSourceArn nor
// StartMessageMoveTask. The conformance suite in this package runs against any endpoint in ARVO_CONFORMANCE_SQS.
//
// # Design
//
// A message is in two or three structures at once: the ready list or the heap of what is due (delays and timeouts),
// the heap for retention, and the list that the age is read from. All of them let it go in O(log n) or O(1) from anywhere. Time is
// looked at when an operation begins: what has become due since then is done first. So no goroutine watches a queue,
// and one timer exists only while a receiver waits.
//
// One lock guards all queues of a Service. That makes a move between queues one step, and queues that are each other's
// dead-letter queues harmless. It is held for about a microsecond a message; checks, checksums and JSON are outside.
// A lock for each queue would need an order among queues for every redrive, to save what HTTP costs five times over.
//
// The answer of ReceiveMessage is written by hand, the rest by encoding/json.
package queue
