// Package telemetry makes a Lambda function visible: spans that leave as X-Ray segment documents, metrics as lines of the
// log, and log lines that name their trace. OpenTelemetry is the instrumentation: its API, its context, its conventions.
// X-Ray is a format to export. There is no collector, no layer and no extension: a document is one UDP datagram to the daemon that
// every Lambda has beside it, and it has left before the function returns.
//
// # What a host does
//
// [Setup] once, then one decorator for each border: [Telemetry.Lambda] around the function, [Telemetry.Delivery] around the
// handling of a message, [Telemetry.Handler] around each service, [Telemetry.AWS] on the configuration of the SDK,
// [Telemetry.HTTP] around an API, [Telemetry] itself as the observer of a broker.Publisher, [Logs] around the handler of slog.
// Services see none of it. The example of the package is a whole host.
//
// What is kept before it is sent has to be stamped before it is kept, see [Telemetry.Create]: the request at the intake, the outputs
// of workflows (arvo.Stamp), the timeouts of a clock. Outputs of services are stamped by Handler.
//
// # One subject, one trace
//
//	arvo-api/live               AWS::ApiGateway::Stage    made by AWS, which decides about sampling
//	└ arvo-api_lambda           AWS::Lambda               made by AWS
//	  └ arvo-api_lambda         AWS::Lambda::Function     made by AWS; the parent in X-Amzn-Trace-Id, "the facade"
//	    └ POST /events          subsegment                Lambda, HTTP: annotations subject, event_type, client_trace_id
//	      ├ DynamoDB            subsegment, aws           AWS
//	      └ Events              subsegment, aws           Published: one for each event, its id is in the event's traceparent
//	        └ arvo-bus          AWS::Events               Delivery, by whoever received the event
//	          └ arvo-requests   AWS::SQS::Queue           Delivery; its length is the wait
//	            └ arvo-federated_handler  AWS::Lambda::Function  Delivery: annotations subject, event_type, handler, outcome
//	              ├ com.payment.charge    subsegment, remote     Handler
//	              │ └ DynamoDB            subsegment, aws        AWS
//	              └ Events                subsegment, aws        Published; and so on, bus, responses queue, api_lambda
//
// The trace that Lambda makes of a batch is another one: it holds the invocation, which is linked to its messages and they to it. X-Ray shows
// links of its own services only, so nothing depends on these.
//
// The trace travels in the event: traceparent names the span that sends it. A queue may deliver it twice, a step may be kept
// and sent hours later by another process, or its process may die in between; so the ids of that span ([CreationID]) and of bus and queue
// ([segment.HopID]) are derived, not drawn, and whoever reports a hop again overwrites it. Who sends an event that another
// invocation has created, as when a request is repeated, reports its span by itself: beneath the parent that the member
// "arvo" of the event's tracestate names. That is never a span which dies with its process, but what that hangs on: the facade, or the
// creation of the event that was being handled. The repeated request itself has a trace of its own, with a link to the subject's and
// without its annotation: a search for a subject finds one trace.
//
// A process may also die between the bus's taking of an event and the report of what sent it, and nobody need repeat its work. So what
// sends an event is reported before the event is on its way ([Telemetry.Publishing]): the request or the message, as it is by then, with the
// subsegment "Events" within it, all in progress. X-Ray takes one such document and has the whole one overwrite it. What stays in progress
// says that its process ended before it could say more.
//
// An event that a rule hands to the function itself crosses a bus and no queue. What cannot be handled, because it holds no event that
// may be, fails in the trace that it names, if it names one.
//
// A bus does not tell to the receiver when it took an event in, but for the second. The segment of a bus begins at the event's own
// time, if that is within that second or later. Else the begin is not known: the segment begins at the latest time that it can have been,
// often at its end, and says so in its metadata (arvo.bus.begin_unknown). A queue that has given a message out more than once tells how often
// (arvo.message.receives, arvo.message.first_received_at): of a delivery that died nothing else may be known. So does one whose message came with the first invocation
// of a process, and the message says faas.coldstart: it shows how long Lambda kept the message until the function had started.
//
// With ARVO_TRACE_HOPS=off a message hangs on the creation of its event, without bus and queue between. That is for an X-Ray that should
// not like segments which a stranger sends of a bus.
//
// # Sampling
//
// Who begins a trace decides: API Gateway by its rule, or else Lambda. From then on the flag in the event's traceparent
// decides for its messages, whatever Lambda has decided of their batch. What is not sampled costs a look at the flag; trace
// ids still go on and stand in log lines. Metrics are counted of everything.
//
// # What becomes what
//
//	local root                                  document
//	an invocation, parent the facade            subsegment beneath the facade, no node of its own
//	a message, parent a queue or a creation     segment, name and node of the function, linked to the invocation, with its request id
//	a bus, a queue                              segment with a derived id; from a span only for a collector
//	an entry in another trace                   subsegment by itself
//	any other span without a local parent       segment of the function
//
//	span within                                 subsegment
//	a call of AWS                               namespace aws, named as the service; operation, region, request id, retries, table or queue
//	an entry of PutEvents                       namespace aws, name Events; the bus
//	a hosted service                            namespace remote, name of the service
//	CLIENT, PRODUCER                            namespace remote, name of the peer
//	any other                                   no namespace
//
// Attributes become members, annotations, or metadata by the one table in attributes.go. A document that is over 60 KB
// loses its metadata, then its stacks, then its last subsegments, which go by themselves.
//
// A failure is X-Ray's error if who asked is to blame (4xx, a broken contract), a throttle as well if nobody is (429, a lost race),
// and a fault otherwise. That a condition of DynamoDB does not hold is the answer to a question (was this done before?)
// and no failure at all. A service that answers with a system error is at fault, on its own node; the function that
// delivered the answer is not.
//
// # When it leaves
//
// A document leaves when its local root ends; bus and queue leave on receipt; what sends an event leaves before that, as in progress.
// [Telemetry.Lambda] sends what else is open 200 ms before the deadline and when the function returns, as in progress. What is in progress is
// sent once, and overwritten if it ever ends. A panic of the function is
// recorded and passed on. Metrics of an invocation are one write at its end. What cannot be sent is lost, and told once in the log.
//
// # Environment
//
// What Lambda sets: AWS_XRAY_DAEMON_ADDRESS (none: no documents), AWS_LAMBDA_FUNCTION_NAME and its kin, AWS_REGION,
// _X_AMZN_TRACE_ID where the context has no trace header. BUS_NAME. ARVO_TRACE_HOPS: segments (default) or off. OTEL_SERVICE_NAME.
// OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _TIMEOUT, and the same with TRACES_: spans go to a collector too, in JSON over HTTP, in one
// request at the end of each invocation, which waits for it. Spans then also have the attributes of a handler's events
// that other Arvo implementations write (consumable.0.*, emittables.0.*); without a collector nobody could read those.
//
// # Privacy and bounds
//
// Data, access control and idempotency keys never become part of a span, metric or log line. Error messages do. Of a
// value that somebody panicked with only the type is told. Texts of strangers are cut to 1,000 bytes, trace headers to 1 KB, a local root
// to 1,000 spans, the process to 10,000 that have not ended; EventType in metrics to what contracts know, and "other".
//
// # Costs
//
// Measured by the benchmarks of this package on a 2-core AMD EPYC with neighbours, GOGC=200 as in template.yaml, in CPU time:
//
//	a call of a service, bare                    0.02 µs
//	decorated, not sampled                       1.1 µs    its metric line
//	decorated, sampled                          19   µs    its metric line, span, document and datagram
//	a message, not sampled                       2.3 µs
//	a message, sampled                          75   µs    bus, queue, message and service: three datagrams
//	a message with an answer, sampled          139   µs    the span that sends it, and before that a datagram in progress
//	the binary, arm64, stripped                 +0.98 MB
//	process start to the first /next            +0.1 ms   (median of 100 starts; package initialisation takes 0.3 ms)
//
// A datagram is some 6 µs of each, in the kernel. So a local root is one document, and bus and queue make no span unless a
// collector asks for it: that took 15 µs of a message.
//
// # What was rejected
//
//   - aws-xray-sdk-go/xray: 12 MB of binary, 4.5 ms of start-up, and it marks each expected conditional failure as a
//     fault. Its header package is used, by package broker.
//   - otelaws and the propagator of X-Ray: deprecated upstream, and otelaws does not know the queue. What is used of them is 120 lines.
//   - A collector or layer: 200 ms of cold start, and a process that is frozen with what it holds.
//   - Batching of spans across invocations: what waits is frozen with the function, or lost.
//   - The creation as a document of its own, in progress and then whole: two datagrams more instead of one, and the request that it is part of
//     would be lost with its process all the same.
//   - Announcing only where nobody repeats the work, as at the API: a message may also die as often as its queue delivers it.
//   - OTLP in protobuf: as large as all the rest of a Lambda.
//   - Registration as OpenTelemetry's global provider: a host hands [Telemetry.TracerProvider] to who needs it.
//   - Links instead of parents between sender and receiver, messaging's default in the conventions: X-Ray draws no edge for them.
package telemetry
