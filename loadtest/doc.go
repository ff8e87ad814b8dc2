// Command loadtest shows how queueing limits what the system gets done: it predicts, puts a load on a stack, measures, and
// says what held it.
//
//	go run ./loadtest                              about a minute, on a stack of its own that it builds and starts
//	go run ./loadtest --full                       every experiment, whole: most of an hour
//	go run ./loadtest --experiment E4,E6           some of them
//	go run ./loadtest --stages 20@10s,20..160@20s  a load of your own
//	go run ./loadtest --endpoint-url http://127.0.0.1:4566      on a local stack that runs already
//	go run ./loadtest --target aws --stack arvo --yes           on a deployed one
//	go run ./loadtest --target sim                 what the architecture does at rates that no laptop reaches
//
// # Results
//
// Everything is written to a new folder, whose name is printed (or --out):
//
//	report.html       pictures and tables, in one file without references
//	results.json      all numbers; the schema is committed in package results
//	timeseries.csv    offered, accepted, completed and backlog of each cell, step by step
//	subjects.csv.gz   every subject with all its times: what the numbers are made of (package ledger)
//	bench.txt         for benchstat, which compares two runs
//
// The files are written before the command ends, however it ends: interrupted by Ctrl-C, it stops sending, puts the stack
// back as it was and writes what it has. A second Ctrl-C, half a second later or more, leaves at once; what a stack is to be
// restored to is kept on disk, and the next run does it.
//
// # Exit codes
//
//	0   measured, and every --assert holds
//	1   it could not be done: wrong arguments, no stack, no room on the disk
//	2   it was measured, and may not be believed: a cell is not valid, or the run was interrupted
//	99  an --assert does not hold
//
// # Design
//
// What the words mean is in the packages beneath, each a noun:
//
//	schedule     when each subject is due                    attack      sends them (vegeta)
//	ledger       one record for each of them                 stats       what may be said about the numbers
//	experiment   what to ask, cell by cell                   target      the stack under test, through AWS calls
//	sim          the architecture as a discrete-event model  forecast    what it says, rate by rate
//	results      what was found, as files                    report      the page
//
// Stacks on AWS and on this machine are driven by the same calls; only addresses differ. Load is sent by one process: some
// 2,000 subjects a second leave most of two cores to the stack. For more there is the simulation, or a tool that sends from
// many machines.
package main
