// Package mapping is Lambda's event source mappings from SQS queues to functions: what polls a queue, makes batches of
// its messages, invokes a function with them, and deletes the messages that it succeeded with.
//
//	s := mapping.New(mapping.Options{Invoker: functions})
//	m, err := s.Create(mapping.Config{ID: uuid, Queue: orders, Function: "handler", MaxConcurrency: 10})
//	...
//	err = s.Stop(ctx)
//
// [Service.Handler] serves the part of Lambda's REST API by which mappings are listed and updated. They are created by
// the template only.
//
// # Promises
//
//   - A poller receives a batch, invokes, deletes, and only then receives again. So no message is received that cannot
//     be invoked at once, and the number of pollers is the concurrency: MaxConcurrency is a hard limit.
//   - With a backlog, C concurrent invocations of d each complete C/d batches per second. Nothing else takes time.
//   - A message is deleted only after the function has succeeded with it, or when the filter does not let it pass. What
//     failed comes back after the queue's visibility timeout, with a higher receive count.
//   - An update holds at once for all that is received after it, also by pollers that were waiting; a lower MaxConcurrency
//     holds when the invocations that are too many have ended. It loses no message and delivers none twice. A mapping that
//     is disabled receives no more, lets what is running end, and refuses updates until then; when it is enabled it polls.
//   - Stop waits for the invocations that are running. What was received is invoked, or stays in the queue.
//   - An event is at most 6 MB long. A batch that would be longer becomes several events.
//
// # Pollers and the ramp
//
// A mapping starts with five pollers, each of which waits in a long poll of 20 s. Whenever the last poller that was
// waiting gets a batch, another poller is started, up to the limit:
//
//	limit = min(MaxConcurrency, Ramp.Max, Ramp.Initial + Ramp.PerMinute × minutes of backlog)
//
// With the zero Ramp there is only MaxConcurrency, or 1,250. A long poll that ends without a message means that the
// queue is quiet: the ramp begins anew, and pollers end until two are left, or five with MaxConcurrency, which AWS does
// not let save calls. While all others are busy, one stays, or the ramp's next step follows when a message comes.
//
// As on AWS, messages that come slowly spread over the pollers, so that batches are seldom full when there is no
// backlog, even with a window: the window belongs to a poller, and five pollers have one each.
//
// # Throttles
//
// When the function has no concurrency left, the poller tries the same batch again, after up to 100 ms, then up to twice as
// long each time, up to 10 s, until the batch's visibility timeout ends. Then it gives the batch up, and the messages
// come back with one more receive. In this way messages reach a dead-letter queue without the function having seen
// them, if its concurrency is only limited by a reserve. With MaxConcurrency there is nothing to throttle, and the
// backlog stays in the queue where it can be seen.
//
// # Filters
//
// A pattern sees {"body": ...}: an object or array if the body is one in JSON, else a text. A pattern that looks into
// the body does not match texts, and one about a text does not match JSON; such messages are deleted like any other that
// does not pass.
//
// # Differences from AWS
//
//   - One Receive takes a whole batch; Lambda makes several calls of ten messages for a batch over ten.
//   - Functions that fail do not slow their mapping down. Lambda is said to reduce its concurrency then, by numbers that
//     are not published. Those of the backoff after throttles are assumptions, too.
//   - Creating, Enabling and Updating take no time, where AWS takes up to a minute. They are seen in answers to updates only.
//   - Every update compares the function's timeout with the queue's visibility timeout. Nothing does when one of these two
//     is changed later: a visibility timeout may then be shorter than an invocation, whose messages come a second time while
//     it runs.
//   - Provisioned pollers, tumbling windows, failure destinations, and sources other than standard SQS queues do not
//     exist; updates that ask for such a thing are refused by name. Patterns over other keys than body are refused.
//   - A mapping whose queue is deleted becomes Disabled.
//
// # Design
//
// One goroutine for each poller, because a poller is what the rules are about, and an idle one costs a few kilobytes. A central
// dispatcher with a pool would receive ahead of the invocations, which is just what MaximumConcurrency is there to
// avoid. The rules were read in the Lambda developer guide ("Using Lambda with Amazon SQS", 2026); the form of records
// and the reading of partial failures were recorded on AWS.
package mapping
