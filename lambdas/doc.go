// Package lambdas holds an Arvo system on AWS Lambda: two functions that exchange Arvo events over EventBridge, the
// business that they host, and a way to run the whole of it on one machine. The package itself has no code; this page
// is the map.
//
// # The flow
//
// An event's life, from the request that starts it to the response that is read back:
//
//	client ── POST /events, GET /subjects/{subject}
//	  │
//	  ▼
//	REST API ─▶ api_lambda ── HEAD ─▶ ResponseTable ◀─ EVENT ── api_lambda, the response sink
//	                │                                               ▲
//	                │ PutEvents                                     │
//	                ▼                                               │
//	   ┌─────────▶ bus ── detail.to = api.thin.lambda ───────▶ responses queue ───▶ responses DLQ
//	   │            │
//	   │            ├──── detail.to = anything else ─────────▶ unroutable queue
//	   │            │
//	   │            └──── detail.to = a hosted service ──────▶ requests queue ────▶ requests DLQ
//	   │                                                            │
//	   │ PutEvents                                                  ▼
//	   └─────────────────────────────────────────────────── federated_handler
//	                                                                │ gives each event to the service that its `to` names
//	                                                                ├─ payment     charge, refund
//	                                                                ├─ inventory   reserve, release
//	                                                                ├─ shipping    book
//	                                                                ├─ workload    simulate
//	                                                                └─ fulfilment  the workflow: reserve, charge, book
//	                                                                │
//	                                                                ▼
//	                                                         WorkflowTable, EffectTable
//
// In words, for one request:
//
//  1. api_lambda checks the request against the contract of its type, writes the subject's HEAD to the ResponseTable,
//     puts the event on the bus and answers 202 with the subject.
//  2. A rule that matches detail.to sends the event to the requests queue. Lambda's event source mapping hands batches
//     of the queue to federated_handler.
//  3. federated_handler gives each event to the service whose source is event.to, and puts what the service emits on
//     the bus. A service answers to whoever asked: to the workflow that called it, or to api.thin.lambda.
//  4. What is addressed to api.thin.lambda goes through the responses queue to api_lambda's other half, the response
//     sink, which files it under the subject.
//  5. GET /subjects/{subject} reads the file.
//
// Nothing is dropped in silence. Each queue has a dead-letter queue for the record that keeps failing; each rule has
// one for the event that it cannot deliver; an event that is addressed to nobody ends in the unroutable queue. The
// trace context travels inside each event, so all of this is one trace.
//
// # The rooms
//
//	arvo               Arvo itself: event, subject, contract, handler, violation. Knows no AWS and no OpenTelemetry
//	jsontext           JSON text, walked and written without building values of it
//	services/*         the business, one folder each: pure handlers behind contracts, effects through a declared port
//	services           the list of their contracts
//	broker             Arvo event <-> EventBridge and SQS
//	sdkhttp            the HTTP client under the AWS SDK's clients
//	store              the three DynamoDB tables
//	api_lambda         package main: REST API in front, response sink behind
//	federated_handler  package main: hosts the services
//	local              package main: template.yaml on one machine, with the real Lambda binaries
//
// Begin with the package comment of lambdas/arvo; then read services/payment, which is what a service of your own
// would look like.
//
// # Who may import whom
//
// Imports point one way, towards what knows less:
//
//	api_lambda, federated_handler ──▶ services, broker, store, telemetry, sdkhttp
//	telemetry/trace, loadtest ──▶ sdkhttp
//	services, broker, store, telemetry ──▶ arvo ──▶ nothing of ours but jsontext
//	services/fulfilment ──▶ the contracts of the services that it calls
//	local ──▶ telemetry/segment, telemetry/tracetree, dashboards/body, dashboards/draw
//
// jsontext is a leaf: it imports the standard library only, and every package may import it. Apart from that, a service
// imports arvo and the standard library, nothing else. arvo reaches neither AWS nor OpenTelemetry, not even
// through another package; broker and store do not reach OpenTelemetry. local imports none of arvo, the services, the
// adapters or the functions: it builds their binaries, starts them as Lambda does and looks at them through the public
// API, so what passes there has gone through the wire. The table in imports_test.go states the rules for every folder
// of the module and fails when an arrow points back.
package lambdas
