// Command trace shows where the time of a subject went and where it failed.
//
//	go run ./telemetry/trace SUBJECT
//	go run ./telemetry/trace --endpoint-url http://127.0.0.1:4566 SUBJECT    of the local stack
//
// The argument is a subject, as events and answers have it, or a link to one, as the API answers a POST with; a repeated
// request with its Idempotency-Key gives the same link. It may be a trace id too, in X-Ray's form or in W3C's, the value of a header
// X-Amzn-Trace-Id or traceparent, or a link to a trace in the console. What nobody can have meant, such as nothing or half of a subject, is
// refused. Flags may stand before and after it.
//
// What it shows:
//
//	1-386d4380-000000000000000000000001  258 ms
//	█ work 104 ms (40 %)   ░ queues 96.5 ms (37 %)   ┄ buses 56.0 ms (22 %)   untraced 1.50 ms (1 %)
//
//	    start      took  0            258 ms
//	        0   68.0 ms  █████                 arvo-api/live POST /live/events 202
//	  2.00 ms   64.0 ms  ████                    arvo-api_lambda com.payment.charge [cold start 39.5 ms]
//	  45.0 ms   6.50 ms     █                      DynamoDB PutItem arvo-responses
//	  52.0 ms   27.0 ms     ┄┄                   arvo-bus bus
//	  79.0 ms   55.5 ms       ░░░░               arvo-requests queue
//	   135 ms   46.0 ms           ████           arvo-federated_handler com.payment.charge
//	   137 ms   31.0 ms            ██              com.payment.charge
//	   142 ms   14.0 ms            █                 DynamoDB PutItem arvo-effects
//	   169 ms   29.0 ms              ┄┄          arvo-bus bus
//	   198 ms   41.0 ms                ░░░       arvo-responses queue
//	   240 ms   18.0 ms                   ██     arvo-api_lambda evt.payment.charge.success
//	   242 ms   7.00 ms                   █        DynamoDB PutItem arvo-responses
//	   249 ms   7.00 ms                    █       DynamoDB UpdateItem arvo-responses
//
// How long it took (and, where the trace goes on after it, when whoever took the request had the first answer), and which part of it the last event to arrive was worked on, waited in queues or was on its way over a bus, and of which
// nothing is known. Where one event leads to the next, these are the sums of the lines of queues and buses, whatever a sender did after it
// had sent; of branches it is the one that came back last. No moment counts twice. Then, if there are any, what the subject still waits for, and the
// failures with their causes. Then the hops: when each began after the first, how long it took, its bar. ✗ marks faults, ! errors that the
// caller made, ? what is known to have happened and was not reported. Log lines of a hop stand beneath it. At the end: the subject, the
// console's address, and the traces that this one is linked to. Rows put together what several documents tell of one thing; --json has all
// of them.
//
// What the documents leave open is not made up:
//
//	delivery 1 of 2: not reported     the queue counted it, and the receiver was killed, or its documents were lost
//	in progress: its process ended    what a process announced before it sent an event, and never completed
//	cold start, 40 ms of the queue's time
//	                                  the queue had given the message out, and Lambda kept it until the function had started
//	2 messages, times of the last     the event was published twice; bus and queue tell of the last time only
//	began elsewhere, in span ...      the parent is a span of the client, or of a foreign producer, who does not report to X-Ray
//	≤ 79.0 ms                         the bus had the event by then; it was made earlier, and nobody knows when it was published
//	no answer yet                     nothing has come back to the function that took the request, and why: an event is on its way, was
//	                                  given out and not answered, or fails each time
//
// # Flags
//
//	--endpoint-url   whom to ask instead of AWS; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_XRAY do the same
//	--region         of AWS; default: as the AWS CLI has it
//	--wait           how long to wait for the answer of a subject that has none yet, as 30s
//	--logs           log lines beneath each hop, from the log groups that the segments name: those with the trace's id, and what Lambda
//	                 says of the invocations; of a group that has very many, the first ones, and a note that there are more
//	--check          is the trace whole? See below
//	--json           for programs. See below
//
// Output is coloured on a terminal, unless NO_COLOR is set, and fits its width: from 40 columns on there are bars, from 60 on start times.
// Elsewhere it is plain, rows have 100 columns, and texts stand in one line. What may come from strangers is shown without control
// characters.
//
// It exits 0; 1 if there is no such trace, X-Ray cannot be asked, --check found something or --wait waited in vain; 2 for wrong usage; 130
// after Ctrl-C.
//
// # How the trace is found
//
// A subject of Arvo's form names its trace in meta.trace, so that one call answers. Any other subject is searched for by the
// annotation "subject", back from now in windows of six hours, until a window beyond the last find has nothing or thirty days
// are over, which is how long X-Ray keeps traces. X-Ray bills for the traces that a search looks at. A request that was not
// sampled left nothing: nobody can tell it from one that never was, and the message says so.
//
// A trace id of which X-Ray has nothing may be that of a client's own trace, which it sent in traceparent: the last day's requests that name it
// are searched for. One is shown; of several, the ids are told.
//
// Within one trace, a client may send the requests for several subjects. Of these, the one that was asked for is shown, counted and checked, in
// --json as well, and how many others there are is said; by the trace's id, all are shown.
//
// X-Ray throttles, and leaves ids of BatchGetTraces unprocessed: both are tried again, a bounded number of times. Documents arrive one by
// one, mostly within seconds.
//
// Only X-Ray's API is asked, and with --logs that of CloudWatch Logs, so it is the same on AWS and on one machine. Where
// Transaction Search is on, BatchGetTraces knows indexed traces only.
//
// # --json
//
//	{"traceId": "1-…", "subject": "…", "start": "2026-…Z", "durationMs": 258, "waitMs": 124.5, "workMs": 132,
//	 "nodes": [{"name": "arvo-bus", "type": "AWS::Events"}, …],
//	 "edges": [{"from": {"name": …, "type": …}, "to": {"name": …, "type": …}}, …],
//	 "segments": [the documents as X-Ray has them, inferred ones included],
//	 "logs":  [{"time": …, "logGroup": …, "message": …}],                            with --logs
//	 "check": {"whole": true, "pending": "…", "path": [nodes], "problems": […], "notes": […], "questions": […]}}   with --check
//
// An edge names its ends with their types, as a function and the Lambda service have one name. waitMs is queues and buses, as the summary has them;
// what is left of durationMs after waitMs and workMs is untraced. "pending": true is there while there is no answer. Of several traces, traceId is the first.
//
// # --check
//
// It waits up to ten seconds for a trace that is still arriving: until nothing is missing, and nothing has come for half a second. It finds fault with a subject of several traces, a parent that
// is not there, a hop that is missing, and a part that never ended. A failed request may well have a whole trace. It tells two
// kinds of holes apart: "lost", where the ids show that the trace is sound and a document did not arrive, which the next
// trace may do better; and "broken", where something was not sent, or with the wrong parent, which will happen again. The
// names of queues on the service map of that hour help with this, when the trace itself has lost them.
//
// "pending" is neither: the trace is sound, and ends where an event waits in a queue, for its first delivery or for another after one that
// failed or was killed, or where a delivery is at work. The verdict says what the subject waits for. It exits 1 even so, because nobody can
// vouch for the rest, unless all that there is by now is whole; --wait waits for the answer. When nothing has happened for a quarter of an hour, a
// hop that is missing is broken.
//
// X-Ray takes no more of a trace than its limit of size allows. Whatever is missing from such a trace counts as lost ("cut"), and the verdict
// is that nobody can tell; it exits 1.
//
// Notes tell what is strange and breaks nothing: a parent elsewhere, a delivery that nobody reported, a report that was never completed, an
// event that was given up because the answer of a timeout was sent in its stead.
//
// Then it settles what no documentation of AWS says and only a running X-Ray can answer, once for whoever deploys first:
//
//   - Does the daemon of a function take segments of another trace than the invocation's? All that follows an event is built
//     on it.
//   - Do segments of buses and queues, which receivers report, draw as nodes and edges? Else deploy with TraceHops=off.
//   - Does a PutEvents subsegment that no segment follows draw as the node Events?
//   - Does the sampling decision of the REST stage reach the function?
//   - Do messages that a rule puts in a queue carry AWSTraceHeader? A link that Lambda made shows it.
//   - Are links kept that functions send?
//
// Each answer is yes, no or cannot tell, with its evidence; where this trace cannot tell, it says which one could. The map is X-Ray's own (GetTraceGraph), not this command's.
//
// # Design
//
// Packages telemetry/segment and telemetry/tracetree read the documents and know what is missing. Here: ask.go reads the
// argument, read.go asks X-Ray, standing.go says what a subject waits for, rows.go makes rows of the tree, draw.go draws them on a
// screen (screen.go), logs.go reads log lines, check.go judges, failure.go says in words what went wrong.
//
// Rejected: the system's own API as a source (it knows subjects, and nothing of foreign ones or of AWS's other traces), and
// CloudWatch Insights over spans (it needs Transaction Search, which is a setting of the account).
package main
