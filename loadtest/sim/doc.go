// Package sim shows what the system does at rates that no laptop and few accounts reach: which limit binds, how long subjects
// take, how far behind it falls, what to raise next, and what a million subjects cost.
//
//	c := sim.Config{
//		System: sim.Template(50 * time.Millisecond), Quotas: quotas, // sim.QuotasOf("us-east-1")
//		Latencies: sim.AWS2026(), Prices: sim.USEast1(), Load: load, // a schedule.Schedule
//	}
//	result, err := sim.Run(ctx, c)          // by simulation
//	ceilings, err := c.Ceilings(100_000)    // by arithmetic
//
// It is a discrete-event simulation of the graph of template.yaml:
//
//	API Gateway ─▶ api_lambda ─▶ table, PutEvents ─▶ bus ─▶ requests queue ─▶ mapping ─▶ handler ─▶ PutEvents ─┐
//	  throttle      concurrency      quotas         quota                     ramp, maximum                    │
//	                                  table ◀─ sink in api_lambda ◀─ mapping ◀─ responses queue ◀─ bus ◀───────┘
//
// # Promises
//
//   - Conservation: at any time each subject that was sent is done, rejected, dead-lettered or somewhere in the system, once.
//   - Equal configs, seed included, have equal results, event by event.
//   - A leg with a backlog completes what the formula of [stats.Capacity] says, within 1 %.
//   - A run takes memory for what is on its way and for its series, not for what it has done.
//   - Inputs are checked, and an error names what is wrong. Run ends when its context does.
//
// # What is simulated
//
// API Gateway has a token bucket; who finds it empty gets 429. Lambda starts an environment for each invocation that finds no
// warm one, at most 1,000 of a function in 10 s (the rest after that is refilled continuously), within the concurrency of the
// account and ten invocations a second for each unit of it. API requests that get none are refused; batches that get none are
// tried again after 0.1 to 10 s, until their messages are about to be visible again.
//
// A mapping begins with 5 pollers and has 300 more a minute as long as messages come, up to its MaximumConcurrency or 1,250. A
// poller that waits takes its share of what is visible, so batches are full only when there is a backlog. With a batching
// window each poller that waits gathers its batch until that is full or the window ends. A function with reserved concurrency has
// so many environments and no more, and nobody else has them. Messages that are received count as in flight until they are deleted: 120,000 at most.
//
// PutEvents and the table have token buckets of a second's worth. A call that is throttled is made again after up to 1 s
// and up to 2 s, as the SDK does; then the API answers 503, and a message comes back after 2^receives seconds, up to a
// minute, and goes to the dead-letter queue after maxReceiveCount. The bus delivers late what is above its quota, in order, and
// loses nothing. An on-demand table takes 4,000 write units a second when it is new, and after each half hour twice the
// highest rate that it has seen. Subjects are spread over its partitions, so the 1,000 units of one are no limit.
//
// # Cohorts
//
// A token stands for k subjects, that are due in a row and go through the system together until a limit lets only some of
// them on; then it is split. So a minute of a million subjects a second takes as many events as one of a thousand. Where k
// would show, it is accounted for:
//
//   - Pollers go in groups of at most k, and of at most a 32nd of all, so that the batches of a mapping do not begin and end
//     together.
//   - A batch ends when the slowest of its calls is answered. That of m calls is drawn as the greatest of m, whatever the number of
//     tokens that they are in.
//   - When more is asked of a bucket than it has, calls have equal chances, not tokens.
//
// At 10,000/s, k = 1 and k = 100 agree within 1 % on what is completed and refused, on mean latencies and on cost, whether
// the system keeps up, falls behind at a mapping or at the bus, or refuses at the API. They agree within 2 % on what is
// completed while a mapping ramps, and within 3 % while both functions make throttled calls again and again. What they do not agree on is what chance does to few
// draws: a quantile of 500 cohorts is one of 500 draws. And in an account whose environments are all busy, pollers get one
// more easily when API requests come in hundreds.
//
// # What is not simulated
//
//   - Duplicates. SQS and the bus deliver some messages twice; how many is not published.
//   - Slower mappings after errors: Lambda is said to do that, by numbers that are not published.
//   - A message that is visible again while it is handled: as Lambda does, a mapping is refused whose queue has a
//     visibility below the timeout of the function.
//   - The tables of workflows and effects: the handler is one that only works and answers.
//   - CPU. A function that computes for itself takes as long as Work says, however many there are.
//   - Environments that are idle for so long that they are taken away; reads of clients who wait; polls of empty queues.
//
// # Design
//
// One goroutine, one heap of events, and slices of pieces that are used again: some million events a second. What was rejected: a
// goroutine for each token (simple, and a hundred times slower), and differential equations for the rates (faster still, but
// they know no latencies, no batches and no dead letters, and nothing could be compared with a real run subject by subject).
package sim
