// Package target is the system that a load test is done on: a stack of template.yaml, in an AWS account or on this machine.
//
//	Local   builds ./lambdas/local and starts it as a child process, on free ports
//	Open    finds the parts of a stack by what CloudFormation says of it     ──▶ [Stack], an experiment.System
//
// Both places are used by the same calls: only the address differs. CloudFormation tells names and addresses, Lambda and
// SQS how the stack is set up and let it be changed, DynamoDB what became of subjects, SQS what was given up.
//
// # Promises
//
//   - What [Stack.Apply] changes, [Stack.Restore] puts back. What was there before is written to a file before the first
//     change, so that the next [Open] undoes what a killed run has left, and says so ([Stack.Notes]). A child has no such file:
//     nobody else knows it, and on Linux it dies with this process.
//   - One run at a time: a stack that another load test of this machine and user has open is refused, by whatever address
//     either of them found it.
//   - Nothing is deleted but messages of the queues for requests and responses, and these by [Stack.Purge] only. Dead
//     letters are read and left where they are; their receive counts grow.
//   - To observe is cheap and no load on what is measured: tables are read by known keys, a hundred at a call, not
//     through the API under test. Reads are consistent: what has ended is seen to have ended.
//   - What the stack says is not believed to be well-formed or small: answers are limited ([MaxAnswer]), times and counts are
//     checked by the ledger.
//
// # How subjects are found
//
// A request through the API is known by its subject, which the 202 tells, and which the item KEY#<sha256 of the
// Idempotency-Key> of the responses table names as well. That item is read once for each request: it finds the subject when
// the 202 was lost, and finds out a 202 of something in between that names the subject of another request. A request straight to the function has the key
// itself as its subject. The table's HEAD of the subject says whether it has ended. The times of its answer are in an item
// whose key ends in the answer's id, and that id is a published formula of the request (see answerID), so it can be read a
// hundred at a call, too. What is not found under it, such as a system error, is asked for by a query of its own.
//
// # What differs between AWS and the local stack
//
//   - A change is waited for until the service shows it. On AWS it then has [Settle] to reach the pollers and hosts, which no
//     call tells of; the local stack obeys at once.
//   - Rules that invoke the function need a permission that template.yaml does not give. Such a route is refused on AWS.
//   - SQS on AWS answers counts that are approximate. The end of a load is what the ledger says, not an empty queue.
//   - DynamoDB on AWS tells how many items a table had hours ago, so what others do there is not noticed ([Stack.Items]).
//
// # Design
//
// CloudFormation is asked by two calls of its Query protocol (cloudformation.go); an SDK module for them alone would be
// the largest dependency of the load test. What was rejected besides: finding the parts by name (names are the template's
// affair), and reading completions from logs or metrics (late on AWS, and neither per subject nor complete).
package target
