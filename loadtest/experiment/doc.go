// Package experiment asks questions of a system by putting loads on it.
//
//	E1   does MaximumConcurrency set the throughput?          a load below and above the capacity of each
//	E2   what does it do to a load that does not change?      one load, four limits
//	E3   what does the queue buy?                             a queue, Lambda's own queue, none
//	E4   how much does a larger batch buy?
//	E5   what if work outlives the visibility timeout?
//	E6   how long does it take to catch up after an outage?
//	E9   which rate can be kept up?                           a search
//	run  what does this load do?                              whatever is asked for
//
// [Run] asks some of them of a [System], which may be a deployed stack, a local one, or one that is pretended, and tells a
// [Watcher] what it does. What it finds is in the form of package results.
//
// # A cell
//
// A cell is one load on one setup. It is
//
//	set up      System.Apply; the setup is then read back, and what differs makes the cell contaminated
//	awaited     until the queues are empty
//	primed      with 2·C subjects that are in no result, when the setup is new: cold starts are over
//	predicted   capacity C·B/(o + ⌈B/P⌉·s), backlog and drain, from the setup as it is, and said before anything is sent
//	loaded      package attack; the oldest subjects are asked for twice a second, which is what Progress tells
//	drained     until all subjects have ended, or nothing is on its way, or twice the predicted time and some seconds are over
//	looked at   all subjects once more, and the dead-letter queues; who is nowhere is lost then. And how many items the tables have
//	judged      is it valid, and if not, why
//
// A stage of a load is measured or not: the first seconds of a load are a stage of their own, which is not. The completed rate of a
// cell is the number of completions within the measured stages over their length, by the client's clock; latencies are those
// of subjects that were due in them; counts and series are of the whole load.
//
// # The calibration
//
// The overhead o is not in any setting. It is measured in a first cell: four slots are kept busy, and what a slot needs beyond the
// work is o. That cell is used up by it. That a prediction for C=4 comes true in the same run shows only that the system did not
// change meanwhile; those for other concurrencies, batch sizes and loads are tests of the model, since o is all they have from
// it.
//
// # Validity
//
//	interrupted         the system died or the run was told to end; what was measured until then is there
//	contaminated        the system was not this cell's alone, not as it was set up, or stood still for more than a second
//	                    though there was something to do. Others are noticed by more messages than this cell can have in the
//	                    queues, and by more items than it can have made in the tables: three subjects, or one in a hundred
//	                    of its own, go unnoticed, and so does work that leaves no item there
//	generator-limited   one of a hundred subjects was sent 50 ms late or more, or some were never sent
//	target-limited      it fell behind with slots to spare (Little's ratio is below 0.9), or the work itself took 1.2 times what was
//	                    asked for: something else than what is varied was the limit
//
// A cell has the first of these that is true, and all reasons. Findings are made of valid and target-limited cells: the second say
// something true of the system, only not of the limit. That of a load of one's own is also made of a generator-limited one, with
// that reservation in words: there is no other cell to take. A lost subject does not make a cell invalid: it is a result.
//
// # Promises
//
//   - Whatever ends a run, the system is restored, and every subject that was scheduled is in exactly one count.
//   - "Lost" is said of subjects that were accepted and are nowhere, when all queues are empty and the tables and dead-letter
//     queues could be read. Of others it is said that they are open.
//   - Equal seeds give equal orders of cells. Cells of one setup stay together, in random order; so do setups. A search has no order
//     to be random.
//   - A run that cannot go on has what was measured. A failure before that is an error.
//
// # What was rejected
//
// Depths of queues as the measure of a backlog: on AWS they are approximate and a minute late; the ledger counts. They only
// tell when nothing is on its way, and when others use the system. The latter not on AWS, where tables too tell hours late how many
// items they have: there nobody notices others, and a load test wants a stack of its own. Purging between cells: a cell that was
// drained has told how long that takes; only what is left after the deadline is purged. Calibrating each experiment for itself: the
// overhead is the function's, and one measurement that is told beats five that are not.
package experiment
