// Package arvotest tests what is built on package arvo, in process: without a bus, a queue or a table, and in
// milliseconds.
//
//	Memory       keeps workflows in process; LockingMemory locks as well
//	TestMemory   the suite that every arvo.Memory has to pass, be it a map or a table of AWS
//	Bus          carries events between services and workflows, with the faults that a bus, a queue and a host have
//	Replay       takes the recorded steps of a workflow again with the code as it is now
//
// Package vectors, beneath, is for package arvo itself: it holds it against recordings of the original.
//
// # How to test a service
//
// Call its Handle with an event: a service is a function. What is here is for services and workflows together.
//
// # How to test a workflow
//
// Put it on a [Bus] with the services that it calls, publish the event that begins it, [Bus.Run], and look at what has
// arrived at the client with [Bus.At] and at what the services have done to the fake world behind their ports. Then do it
// again with every event twice and three times, in any order, with the host killed between the write of the state and the
// publishing of the events, for some dozen seeds: the outcome has to be the same, one answer and each effect once. If it is
// not, the seed and the order of all deliveries are printed, and the seed makes them happen again.
//
//	b := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: 2, Kill: 0.3}
//	memory := arvotest.NewMemory()
//	b.Explain(t, memory)
//	b.Host(arvo.MustResumable(New(memory)))
//	b.Host(services...)
//	b.Publish(first)
//	if err := b.Run(ctx); err != nil {
//		t.Fatal(err)
//	}
//	if idle := memory.Idle(); len(idle) > 0 {
//		t.Errorf("%d workflows wait for nothing", len(idle))
//	}
//
// A workflow that has no case for an answer does not fail, it stops: [Memory.Idle] lists those. manual_test.go does all of
// this for the workflow in the package comment of arvo, with each service refusing, failing and silent.
//
// A service that never answers is one whose answers are withheld; [Bus.Timeouts] then lets the time of its calls run out,
// and [Bus.Release] lets the answers come too late. A memory that fails, and one that has done its work but does not live
// to say so, is a [Memory] with Before and After.
//
// # What the bus does, and does not
//
// It keeps the promises of the real way and breaks as much as that does: an event that was published is delivered at
// least once, in no certain order; one that its handler answers with an error comes again and at last is a dead letter; one
// that was handled but whose outputs are lost comes again, so a handler has to give the same outputs again. Events to
// an address that no handler has, and events with a domain, have left the bus and are there to be looked at.
//
// It makes one delivery at a time, on the goroutine that calls it. That is what lets a seed repeat a run, and it is why
// a bus does not find what needs two steps to be taken at once: for that run handlers on goroutines, and see the suite of
// the memories, which does. It does not keep the events of one subject in order (as a host does within a batch) when it
// shuffles. It knows no time: nothing is delayed, and timeouts come when the test says so.
//
// # What a replay shows, and does not
//
// The history of a workflow, its inputs with what each of them produced, is kept by every memory for the sake of
// redeliveries. It is a test as well: a workflow is a function of its inputs, so a new release that is handed the inputs
// of an old run must produce what that produced, ids and data, or else a workflow that is under way when the release goes
// live will do something that neither release would. [Replay] says where, with both sides:
//
//	arvotest: record 2, produced event 1, com.payment.charge 6431c60a-… from arvo.orc.order to com.payment.charge: /data/amount
//	  recorded: 1999
//	  replayed: 2000
//
// A difference is no verdict: a release may be meant to act otherwise. For that a contract has versions; both are then
// there, and old histories still replay.
//
// The services are functions too, but for what they do to the world. Their results, effect by effect, are for whoever
// builds the services on a port that looks them up; a service that asks for an effect that is not recorded should get an
// error, which shows as a difference. What is replayed is the history of one subject. A nested workflow has its own; what
// it answered is taken as recorded.
//
// The text of a difference shows data, and is for the eyes of those who may see the history. The access control of an event
// is never shown.
package arvotest
