// Package arvo is Arvo: services that know nothing of each other but contracts, and speak in events. It is a port of the
// TypeScript packages arvo-core and arvo-event-handler 3.x; events of their 2.x line are read as well. It knows no
// transport, no store and no telemetry, and imports nothing besides the standard library and google/uuid.
//
// # A service
//
// A [Contract] names what a service accepts and emits, in versions, each with a [Schema] of the data. A [Service] is a
// contract with one implementation for each version:
//
//	type Charge struct {
//		Order  string  `json:"order" minLength:"1"`
//		Amount float64 `json:"amount" exclusiveMinimum:"0"`
//	}
//	type Charged struct {
//		Receipt string `json:"receipt"`
//	}
//
//	var contract = arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
//		URI: "#/services/payment/charge", Type: "payment.charge",
//		Versions: map[string]arvo.SimpleVersion{
//			"1.0.0": {Accepts: arvo.SchemaFor[Charge](), Emits: arvo.SchemaFor[Charged]()},
//		},
//	}))
//
//	func New(gateway Gateway) (*arvo.Service, error) {
//		return arvo.NewService(contract, arvo.Implement("1.0.0",
//			func(ctx context.Context, in arvo.Input[Charge]) ([]arvo.Output, error) {
//				receipt, err := gateway.Charge(ctx, in.Event.ID, in.Data.Order, in.Data.Amount)
//				if err != nil {
//					return nil, err // answered with sys.com.payment.charge.error
//				}
//				return []arvo.Output{{Type: "evt.payment.charge.success", Data: Charged{receipt}}}, nil
//			}))
//	}
//
// The service accepts events of type com.payment.charge. Whoever wants something of it makes one with the contract, here
// as a new process, and the answer finds its way back:
//
//	v, _ := contract.Version("latest")
//	event, err := v.Accepts(arvo.Draft{Source: "api.thin.lambda", Data: Charge{"order-7", 12.5}})
//	...
//	answers, err := service.Handle(ctx, event) // answers[0].To == "api.thin.lambda"
//
// A host reads events with [Parse], finds the handler whose Source is the event's To, and sends what it returns.
//
// # The nouns
//
// An [Event] is a CloudEvent with a destination, To. Its Subject names the process that it belongs to; handlers copy it
// to what they emit. A subject made by [NewSubject] tells who leads the process and who is to hear of its end. A
// [Handler] turns an event into events; a [Middleware] wraps one. A [Violation] is a failure of the system rather than an
// answer: the host retries it. Everything else that goes wrong in an implementation is an answer, the event
// sys.<type>.error.
//
// # Promises
//
//   - What New, Parse and the factories return is valid. Parse and AppendJSON are inverse: nothing is encoded again,
//     reordered or rounded on the way through.
//   - A Service never emits what its contract does not allow, nor answers what the contract does not accept.
//   - The same input handled again gives events with the same ids (see [DeriveID]): delivery may be at least once.
//   - No panic leaves Handle; no message of an error of this package holds data or access control. (What an
//     implementation puts into its own errors is sent to the requester.)
//   - Texts from outside are bounded in size, depth and time before they are looked into.
//
// # Schemas
//
// Data is held against JSON Schema by internal/jsonschema, which reads the text itself, once. Two libraries were measured
// against it on a 150-byte order of nine members, in µs of CPU for validating the text: ours 1.1,
// santhosh-tekuri/jsonschema 10.4 (4.2 of them in building the value that it wants), google/jsonschema-go 20.8. Neither
// drops unknown members, and google's stops at the first failure with a text instead of a path. What was given up is the
// rare keywords, which are refused by name. The first of the libraries is the referee of the tests.
//
// # Differences from the original
//
// Wire data is the same, with these exceptions; each is listed with its reason.
//
//   - Ids of outputs are derived instead of random: a redelivered input must not look like news.
//   - What an output takes over from the input (subject, destination, parent id) is not URI-encoded again. The original
//     encodes it, so an escape in a subject grows with every hop and a parent id differs from the id it means.
//   - The names of attributes are refused as names of custom extensions. In the original such an extension overwrites the
//     attribute in the JSON, or is overwritten.
//   - Parse refuses an attribute that appears twice, more than 64 custom extensions, broken UTF-8 and lone surrogates:
//     the readers along the way would disagree about such a text.
//   - An infinite executionunits is refused. The original accepts it and writes null.
//   - In a [Draft] and an [Output] the empty string means "not given", for accesscontrol, domain and the trace context
//     as well, where the original fails. On the wire it is still an error.
//   - Numbers and the order of members in data stay as they are written. The original, a JavaScript program, rounds the
//     one to doubles, and its validator puts the other into the schema's order.
//   - Of two members of one name in data, the original sees the last. Here it is a failure where the schema lists it.
//   - A panic, the counterpart of a thrown value that is no error, is an Execution violation: see Handle.
//   - An implementation that fails because its context has ended causes an Execution violation too: the host stopping is
//     nothing to answer a request with.
//   - An output too large for the way is answered with a system error EventTooLarge (see MaxEvent).
//   - The errorStack of a system error is null: a Go error has no stack, and a requester no use for one.
//   - A subject made here is at most 1,000 bytes, and a missing domain in one is read as null, as older writers mean it.
//   - Time is true UTC. The original writes local time and calls it +00:00.
//   - The wildcard version 0.0.0 written 00.0.0 is refused for contracts, like 0.0.0 itself.
//   - Spans, the router and orchestration are not here: the first is a decorator's business, the second a map's.
package arvo
