// Command trace shows where the time of a subject went and where it failed.
//
//	go run ./telemetry/trace SUBJECT
//	go run ./telemetry/trace --endpoint-url http://127.0.0.1:4566 SUBJECT    of the local stack
//
// The argument is a subject, as events and answers have it, or a link to one, as the API answers a POST with; a repeated
// request with its Idempotency-Key gives the same link. It may be a trace id too, in X-Ray's form or in W3C's, or a link to a
// trace in the console. Flags may stand before and after it.
//
// What it shows:
//
//	1-386d4380-000000000000000000000001  258 ms
//	█ work 132 ms (51 %)   ░ queues 96.5 ms (37 %)   ┄ buses 28.0 ms (11 %)   untraced 1.50 ms (1 %)
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
// How long it took, and which part of it some function worked, events waited in queues or were on their way over a bus
// while nothing worked, and nothing is known; no moment counts twice. Then, if there are any, the failures with their
// causes. Then the hops: when each began after the first, how long it took, its bar. ✗ marks faults, ! errors that the
// caller made. Log lines of a hop stand beneath it. At the end: the subject, the console's address, and the traces that this
// one is linked to. Rows put together what several documents tell of one thing; --json has all of them.
//
// # Flags
//
//	--endpoint-url   whom to ask instead of AWS; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_XRAY do the same
//	--region         of AWS; default: as the AWS CLI has it
//	--logs           log lines with the trace's id beneath each hop, from the log groups that the segments name
//	--check          is the trace whole? See below
//	--json           for programs. See below
//
// Output is coloured on a terminal, unless NO_COLOR is set, and cut to its width; elsewhere it is plain and whole. What may
// come from strangers is shown without control characters.
//
// It exits 0; 1 if there is no such trace, X-Ray cannot be asked or --check found something; 2 for wrong usage; 130 after
// Ctrl-C.
//
// # How the trace is found
//
// A subject of Arvo's form names its trace in meta.trace, so that one call answers. Any other subject is searched for by the
// annotation "subject", back from now in windows of six hours, until a window beyond the last find has nothing or thirty days
// are over, which is how long X-Ray keeps traces. X-Ray bills for the traces that a search looks at. A request that was not
// sampled left nothing: nobody can tell it from one that never was, and the message says so.
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
//	 "check": {"whole": true, "path": [nodes], "problems": […], "questions": […]}}   with --check
//
// An edge names its ends with their types, as a function and the Lambda service have one name. waitMs is queues and buses;
// what is left of durationMs after waitMs and workMs is untraced. Of several traces, traceId is the first.
//
// # --check
//
// It waits up to ten seconds for a trace that is still arriving. It finds fault with a subject of several traces, a parent that
// is not there, a hop that is missing, and a part that never ended. A failed request may well have a whole trace. It tells two
// kinds of holes apart: "lost", where the ids show that the trace is sound and a document did not arrive, which the next
// trace may do better; and "broken", where something was not sent, or with the wrong parent, which will happen again. The
// names of queues on the service map of that hour help with this, when the trace itself has lost them.
//
// Then it settles what no documentation of AWS says and only a running X-Ray can answer, once for whoever deploys first:
//
//   - Does the daemon of a function take segments of another trace than the invocation's? All that follows an event is built
//     on it.
//   - Do segments of buses and queues, which receivers report, draw as nodes and edges? Else ARVO_TRACE_HOPS=off.
//   - Does a PutEvents subsegment that no segment follows draw as the node Events?
//   - Does the sampling decision of the REST stage reach the function?
//   - Do messages that a rule puts in a queue carry AWSTraceHeader? A link that Lambda made shows it.
//   - Are links kept that functions send?
//
// Each answer is yes, no or cannot tell, with its evidence. The map is X-Ray's own (GetTraceGraph), not this command's.
//
// # Design
//
// Packages telemetry/segment and telemetry/tracetree read the documents and know what is missing. Here: ask.go reads the
// argument, read.go asks X-Ray, rows.go makes rows of the tree, draw.go draws them, logs.go reads log lines, check.go judges,
// failure.go says in words what went wrong.
//
// Rejected: the system's own API as a source (it knows subjects, and nothing of foreign ones or of AWS's other traces), and
// CloudWatch Insights over spans (it needs Transaction Search, which is a setting of the account).
package main
