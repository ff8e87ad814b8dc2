// Package bus is EventBridge (Classic): event buses, rules and targets of one account in one region, in this process.
//
//	s := bus.New(bus.Options{Region: "us-east-1", Account: "000000000000", Target: find})
//	s.CreateRule(bus.Rule{Name: "orders", Pattern: []byte(`{"source": ["com.example.shop"]}`), Enabled: true, Targets: ...})
//	s.Put(ctx, entries)    // in process
//	mux.Handle(s.Wire())   // the same over HTTP, AWS JSON 1.1, as SDKs and the aws CLI call it
//
// It answers PutEvents, TestEventPattern, the four operations on event buses, the seven on rules and the three on targets.
//
// # Events
//
// PutEvents takes 1 to 10 entries. One that has no Source, DetailType or Detail, or a TraceHeader that no target would take,
// is refused with InvalidArgument, one from "aws." with NotAuthorizedForSource, one whose Detail is no JSON object with MalformedDetail; the others are not affected.
// An entry over 1 MiB refuses the whole call with ValidationException. An accepted entry goes to each enabled rule of its
// bus that matches it, and from there to each target of the rule:
//
//	{"version":"0","id":"<EventId>","detail-type":"..","source":"..","account":"..","time":"2026-11-23T07:00:00Z",
//	 "region":"..","resources":[],"detail":{..}}
//
// without white space, which is all that is changed in detail: order, duplicate members, numbers and escapes are as given.
// The time is that of the entry, in whole seconds, or else of acceptance. The trace header is that of the entry, or else
// of the request (X-Amzn-Trace-Id). An entry for a bus that does not exist is accepted and dropped, as AWS does; the log
// says so once per name.
//
// A rule of the default bus may have a schedule, with or without a pattern. When its time comes, its targets, and nobody
// else, get the event
//
//	{"version":"0","id":"..","detail-type":"Scheduled Event","source":"aws.events","account":"..","time":"..","region":"..",
//	 "resources":["<ARN of the rule>"],"detail":{}}
//
// or what their Input, InputPath or InputTransformer makes of it, with all the promises below. The time is the one that
// the schedule names. A rate counts from when the rule got that schedule or was enabled, so it first fires one period
// later. Times that pass while the computer sleeps are not made up for: one event is sent for all of them.
//
// # Promises
//
// An accepted event is delivered at least once to each target, or is in the target's dead-letter queue, or is counted in
// [Stats] and named in the log if there is no such queue or it refuses the event. Only the end of the process, or a
// [Service.Close] that is cut short, loses what is still under way. There is no order.
//
// A target is an SQS queue or a Lambda function; the ARN of anything else is refused. A queue gets the event as the body of a
// message, with the trace header beside it. A function is invoked asynchronously, with the event as its payload and the
// trace header as that of the invocation, and for the bus the delivery has succeeded when Lambda's own queue has taken the
// event: what becomes of it there (Lambda's retries, a throttled function that answers minutes later or never) neither the
// target's RetryPolicy nor its dead-letter queue sees. That is the queue which a rule has even when it has none.
//
// An error of a target that may pass (see [Target]) is tried again under the target's RetryPolicy, after 0.5 to 1 s, 1 to
// 2 s, 2 to 4 s and so on up to 10 minutes. After that, and at once for other errors and for targets that do not exist, the
// event itself goes to the dead-letter queue, with the attributes RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE,
// RETRY_ATTEMPTS and, if the policy ended it, EXHAUSTED_RETRY_CONDITION.
//
// Memory is bounded: while Options.MaxBacklog deliveries, or MaxBacklogBytes of them, are delayed or tried again, entries
// that match a rule are refused with ThrottlingException, and a schedule's event is left out, which [Stats] and the log
// tell. Nothing runs in the background but one timer for each of these and one for each schedule; Close ends them all, and
// waits for no schedule.
//
// # Design
//
// Deliveries without simulated latency happen inside PutEvents, since the targets are queues in this process: no goroutine
// and no queue of its own. PutEvents takes no lock that another call could hold for long: the patterns of a bus are
// compiled into one [pattern.Set] when rules change, and swapped. Its request is read, and the envelope written, by hand
// (json.go): with encoding/json they took several times as long as everything else; see BenchmarkDecodeEntries. Control
// calls are rare and share one lock.
//
// # What differs from AWS
//
//   - Quotas are those of an account that never asked for more: 100 buses, 300 rules, 30 of them with wildcards, 5 targets,
//     patterns of 2,048 characters. The quotas of requests per second are not applied; Options.PutLatency and
//     Options.DeliveryLatency are the places for a model of them.
//   - Scheduled rules fire on the second, and once; EventBridge says within the minute, and at least once. Whether other
//     rules see a schedule's event on AWS is not documented; here none does.
//   - Tags, permissions, archives, managed rules, API destinations, and parameters for particular kinds of targets are
//     refused, not ignored. Roles are kept and reported; nobody is refused: neither the policy of a queue nor the resource policy
//     of a function (lambda:InvokeFunction for events.amazonaws.com), without which AWS delivers nothing, is asked for.
//   - All entries of a call have the same time of acceptance.
//   - An InputPath that leads nowhere sends the event to the dead-letter queue with ERROR_CODE INVALID_INPUT. What
//     EventBridge does then is not documented.
//   - How long EventBridge waits between attempts is not documented; only that it is exponential, with jitter.
package bus
