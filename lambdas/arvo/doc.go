// Package arvo is Arvo: services that know nothing of each other but contracts, and speak in events. It is a port of the
// TypeScript packages arvo-core and arvo-event-handler 3.x; events of their 2.x line are read as well. It knows no
// transport, no store and no telemetry, and imports nothing besides the standard library, google/uuid and jsontext, this
// module's reader and writer of JSON.
//
// # Events
//
// An [Event] is a CloudEvent with a destination, To. Its Subject names the process that it belongs to; its ID is unique
// within (Subject, Source). [Parse] reads one from the wire, [Event.AppendJSON] writes it, [New] makes one by hand; mostly
// they are made by a contract, a service or a workflow, which fill in what follows from the event that is handled.
//
// # Contracts
//
// A [Contract] names what a handler accepts and emits, in versions, each with a [Schema] of the data. The type that it
// accepts is the address of the handler as well. There are three ways to write one: [NewSimpleContract] for a service with
// one kind of answer, [NewContract] for any other, [NewOrchestratorContract] for a workflow. An answer that leaves its
// request unfinished is marked as progress. [SchemaFor] derives a schema from a Go type and its tags, [SchemaJSON] takes
// a document. Every event says in its dataschema which contract and version it keeps.
//
// # Services
//
// A [Service] is a contract with one implementation for each version:
//
//	type Charge struct {
//		Order  string  `json:"order" minLength:"1"`
//		Amount float64 `json:"amount" exclusiveMinimum:"0"`
//	}
//	type Charged struct {
//		Receipt string `json:"receipt"`
//	}
//
//	var Contract = arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
//		URI: "#/services/payment/charge", Type: "payment.charge",
//		Versions: map[string]arvo.SimpleVersion{
//			"1.0.0": {Accepts: arvo.SchemaFor[Charge](), Emits: arvo.SchemaFor[Charged]()},
//		},
//	}))
//
//	func New(gateway Gateway) (*arvo.Service, error) {
//		return arvo.NewService(Contract, arvo.Implement("1.0.0",
//			func(ctx context.Context, in arvo.Input[Charge]) ([]arvo.Output, error) {
//				receipt, err := gateway.Charge(ctx, in.Event.ID, in.Data.Order, in.Data.Amount)
//				if err != nil {
//					return nil, err // answered with sys.com.payment.charge.error
//				}
//				return []arvo.Output{{Type: "evt.payment.charge.success", Data: Charged{receipt}}}, nil
//			}))
//	}
//
// The service accepts events of type com.payment.charge. An event may come more than once, so what a service does to the
// world is keyed by the event's id, here at the gateway. Whoever wants something of it makes an event with the contract,
// here as a new process, and the answer finds its way back:
//
//	v, _ := Contract.Version("latest")
//	event, err := v.Accepts(arvo.Draft{Source: "api.thin.lambda", Data: Charge{"order-7", 12.5}})
//	...
//	answers, err := service.Handle(ctx, event) // answers[0].To == "api.thin.lambda"
//
// A host reads events with Parse, finds the handler whose Source is the event's To, and sends what it returns. Middleware
// wraps handlers: see [Chain].
//
// # Workflows
//
// A [Resumable] is a workflow: it calls services and other workflows, remembers what they answer, and in the end answers
// itself. Its implementation is a function that is called once for each event and never blocks. This one reserves goods and
// then charges for them, with the contracts of the packages inventory and payment:
//
//	type Order struct {
//		ID     string           `json:"id" minLength:"1" maxLength:"128"`
//		Items  []inventory.Item `json:"items" minItems:"1" maxItems:"100"`
//		Amount int64            `json:"amount" minimum:"1"`
//		Method string           `json:"method" minLength:"1"`
//	}
//	type Outcome struct {
//		OK        bool   `json:"ok"`
//		PaymentID string `json:"payment_id,omitempty"`
//	}
//
//	var Contract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
//		URI: "#/workflows/purchase", Name: "purchase", // accepts arvo.orc.purchase, emits arvo.orc.purchase.done
//		Versions: map[string]arvo.OrchestratorVersion{
//			"1.0.0": {Init: arvo.SchemaFor[Order](), Complete: arvo.SchemaFor[Outcome]()},
//		},
//	}))
//
//	type state struct { // what is remembered between two events, as JSON
//		Order       Order  `json:"order"`
//		Reservation string `json:"reservation"`
//		Payment     string `json:"payment"`
//	}
//
//	func New(memory arvo.Memory, options ...arvo.ResumableOption) (*arvo.Resumable, error) {
//		var calls []*arvo.Version // all whom it calls and hears
//		for _, c := range []*arvo.Contract{
//			inventory.ReserveContract, inventory.ReleaseContract, payment.ChargeContract, payment.RefundContract,
//		} {
//			v, err := c.Version("1.0.0")
//			if err != nil {
//				return nil, err
//			}
//			calls = append(calls, v)
//		}
//		return arvo.NewResumable(Contract, memory, append([]arvo.ResumableOption{
//			arvo.Calls(calls...), arvo.Resume("1.0.0", buy),
//		}, options...)...)
//	}
//
//	func buy(_ context.Context, s *arvo.Step[state, Order]) error {
//		st := s.State
//		switch s.Event.Type {
//		case Contract.Type(): // it begins
//			st.Order = *s.Init
//			st.Reservation = s.Call(arvo.Call{
//				Type: inventory.ReserveContract.Type(), Timeout: time.Minute,
//				Data: inventory.Reserve{OrderID: st.Order.ID, Items: st.Order.Items},
//			})
//		case inventory.ReserveSuccess:
//			st.Payment = s.Call(arvo.Call{
//				Type: payment.ChargeContract.Type(), Timeout: time.Minute,
//				Data: payment.Charge{OrderID: st.Order.ID, Amount: st.Order.Amount, Currency: "EUR", Method: st.Order.Method},
//			})
//		case payment.ChargeSuccess:
//			var paid payment.Payment
//			if err := s.Data(&paid); err != nil {
//				return err
//			}
//			s.Complete(arvo.Completion{Data: Outcome{OK: true, PaymentID: paid.PaymentID}})
//		case inventory.ReserveRejected: // there is nothing to undo
//			s.Complete(arvo.Completion{Data: Outcome{}})
//		case inventory.ReserveContract.SystemErrorType(), payment.ChargeContract.SystemErrorType(), payment.ChargeDeclined:
//			// Undo what was done, or may yet be: it may be that no answer has come in time.
//			s.Call(arvo.Call{
//				Type: inventory.ReleaseContract.Type(), Timeout: time.Hour,
//				Data: inventory.Release{ReservationID: st.Reservation},
//			})
//			if st.Payment != "" {
//				s.Call(arvo.Call{
//					Type: payment.RefundContract.Type(), Timeout: time.Hour,
//					Data: payment.Refund{PaymentID: st.Payment},
//				})
//			}
//		case inventory.ReleaseSuccess, payment.RefundSuccess:
//			if s.Awaited() == 0 { // the other one has come as well
//				s.Complete(arvo.Completion{Data: Outcome{}})
//			}
//		case inventory.ReleaseContract.SystemErrorType(), payment.RefundContract.SystemErrorType():
//			return errors.New("it is not known whether all was undone") // the workflow has failed: somebody has to look
//		default:
//			return fmt.Errorf("%s is not expected", s.Event.Type)
//		}
//		return nil
//	}
//
// Each event that it hears is a [Step]. The function looks at the event and at the state, changes the state, and asks for
// calls and for the completion; nothing is done before it returns. It may run several times for one event, so it has to be
// pure: it does nothing to the world but by calls, and takes time and chance from its events.
//
//   - A call of a type of [Calls] is awaited until an answer comes: an event whose parent is the call and whose type is not
//     progress. s.Awaited counts; where several calls are made at once, the last answer is the one with s.Awaited() == 0.
//     s.Replies lists all that was heard.
//   - A step that neither completes nor leaves a call awaited is the last: nothing wakes the workflow, and whoever began it
//     waits for ever. So handle every type that the contracts of Calls emit; a default that returns an error turns a
//     forgotten one into a failure that the client sees. [Workflow.Idle] tells of such workflows, and arvotest in tests.
//   - A system error, sys.<type>.error, is an answer. The workflow decides what it means.
//   - A call with a Timeout that has no answer then gets a system error with the errorName Timeout. A call without one waits
//     for as long as it takes, for ever if its service says nothing. What the callee says after the time is up is ignored, so
//     what the call may have done has to be undone by a call that the late one cannot overtake: services should key the
//     undoing by what it undoes. The id that s.Call returned names that. The undoing has to be answered before s.Complete,
//     or nobody hears how it went: what comes after the end is ignored.
//   - An error that the function returns, other than a violation, is the end: the workflow has failed, and says so to
//     whoever began it.
//   - A workflow calls another like a service. The child's answer comes on the parent's subject. Data of the call need not
//     name its parent; the data of an event that a client makes with [Version.Init] does: {"parentSubject$$": null, …}.
//   - A child that times out is not stopped: it goes on, and its answer comes too late. So the Timeout of a child should be
//     longer than those of its own calls in a row, for then it ends by itself, undoes what it has done, and says so, be it
//     with its answer or with a system error. A Timeout then means that the child is stuck: its events are in a dead-letter
//     queue, and what it has done is in its own history. The parent undoes its own part and tells whoever began it that the
//     child's is unknown, or calls a service that undoes the child's, keyed by the id that s.Call returned: that is the
//     child's Step.Event.ID when it begins.
//   - The version that runs is the one in the subject, for the life of the workflow. A new release keeps the old versions
//     for as long as workflows of theirs live, and reads the states that they have left.
//
// What a workflow remembers is kept in a [Memory], its one port. A host makes one, gives it to all workflows, sends what
// Handle returns, and from time to time sends the [Timeouts] of the workflows that have calls overdue. Package arvotest has
// a memory in process, the suite that every memory has to pass, and a bus to test workflows on.
//
// # Subjects
//
// A subject made by [NewSubject] tells who leads the process, in which version, who is to hear of its end, and on whose
// behalf it runs. Services take any text for a subject and copy it to what they emit. A workflow needs such a subject, and
// remembers under it.
//
// # Errors
//
// What goes wrong in an implementation is an answer, the event sys.<type>.error, unless it is a [Violation]: a failure of
// the system rather than an answer, which the host retries and at last puts where somebody looks, with the event.
//
//	Contract     an event and a contract do not fit, on the way in or out       errors.Is(err, ErrContract)
//	Config       the event reached a handler that does not serve it             ErrConfig
//	Execution    the handler could not run to its end: a panic, the deadline    ErrExecution
//	Transaction  the memory of a workflow failed, see [MemoryError]             ErrTransaction
//
// Authors may make their own kinds. What was wrong with an event or its data is a [ValidationError], with the path and the
// code of each issue. A Transaction violation whose cause has Contended() true says that nothing is wrong: many steps of
// one workflow met, and the event should come again soon.
//
// # Trust
//
// Whoever can send events is trusted with everything. An event says itself who sent it, on whose behalf and in answer to what;
// subjects and ids are names, which logs and traces are full of, and no secrets: an id can be derived by whoever knows
// the event before it. Contracts keep mistakes out, not liars. That a workflow takes an answer only from whom it has called is
// worth what the source of an event is worth, which is for the way to vouch for: see package broker for EventBridge. What
// a request may do, by its AccessControl, is for each service to decide.
//
// # Promises
//
//   - What New, Parse and the factories return is valid. Parse and AppendJSON are inverse: nothing is encoded again,
//     reordered or rounded on the way through.
//   - A Service never emits what its contract does not allow, nor answers what the contract does not accept. Nor does a
//     Resumable, and its calls are held against the contracts of [Calls]. A call of a type that none of these accepts is a
//     valid event, and that is all: nobody has said what its data is.
//   - The same input handled again gives events with the same ids (see [DeriveID]): delivery may be at least once, in any
//     order, and whoever deduplicates on (subject, source, id) sees each event once.
//   - A step of a workflow is taken whole or not at all. State first, then the events: what an input has led to is kept with
//     it, stamps of the host included, so that when it comes again exactly that is returned, and the function does not run.
//   - Of an answer and its timeout a workflow takes the one that comes first, whatever comes how often. It completes once.
//   - No panic leaves Handle; no message of an error of this package holds data or access control, but for the names of
//     members. (What an implementation puts into its own errors is sent to the requester.)
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
//   - The errorStack of a system error is null: a Go error has no stack, and a requester no use for one. A name of more than
//     1 KiB and a message of more than 32 KiB are cut off, or the answer might be larger than the way carries.
//   - A subject made here is at most 1,000 bytes, and a missing domain in one is read as null, as older writers mean it.
//   - Time is true UTC. The original writes local time and calls it +00:00.
//   - The type of a simple contract that begins with com. or evt. already is refused. The original puts them before it again.
//   - The wildcard version 0.0.0 written 00.0.0 is refused for contracts, like 0.0.0 itself.
//   - Spans and the router are not here: the first is a decorator's business, the second a map's. Nor are orchestrators
//     that are state machines of XState, a JavaScript library; their workflows are written as functions.
//
// And these of workflows:
//
//   - An input that comes again, an init too, gives what it gave, from its record. The original runs its handler once more
//     for each, and sends once more, under new ids; nothing there tells copies from news.
//   - A second init of a workflow is ignored. The original begins again, and forgets what it had begun.
//   - Replies are read from the history, all of them. The original collects the replies to the last batch of events only;
//     those to an earlier one are lost to it as soon as another goes out.
//   - What has an awaited call for its parent and another source than whom the call went to, by its type or its To, is a
//     Contract violation. The original takes the word of anybody for that of the service that was called.
//   - A failure is kept like any step, by revision, with its system error. The original writes it over whatever is there,
//     with a condition that its DynamoDB memory can never meet past the first step: the mark is lost, and the workflow goes
//     on after it has said that it failed.
//   - An init in another version than its subject's is a Contract violation, and one of the wildcard version is accepted,
//     as in the original's state machines. In its resumables either is a failure for ever.
//   - A parentSubject$$ that is no orchestration subject is refused with the init. The original finds out when it answers.
//   - [Version.Init] sends the completion of a child to its parent. The original's factory sends it to whoever began the
//     parent, who knows nothing of it and waits for something else; the original's own runtime does not do that.
//   - A call to another workflow need not name its parent in its data, and the child's execution has a derived id: the child
//     is the same one however often the step is taken. The original's are random.
//   - Calls time out. The original waits for ever.
//   - A child whose subject would be too long is a failure, SubjectTooLarge, and so is an event or a step too large: it would be so
//     again at each retry. The original's subjects have no limit, its events are lost on the bus.
//   - A step does not need a lock: of two that meet, the one whose revision is taken is taken again. The original's lock is
//     not waited for, and is given back by whoever has lost it, too; a [Locker] is used where a memory is one.
//   - An event to a workflow that is over, begun already or gone is not written; the original writes its state anew.
//   - Two contracts of [Calls] may not accept or emit one type. The original takes the first that fits.
//   - The state holds what is awaited, and the author's. What was consumed, produced and expected is not in it but in the
//     records, one for each step, so that a state stays small however long its workflow gets.
package arvo
