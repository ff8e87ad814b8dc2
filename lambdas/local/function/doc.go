// Package function is AWS Lambda on one machine: it runs the real binaries that would be deployed, each execution
// environment a process behind a Runtime API of its own.
//
// # What it provides
//
// [Service.Invoke] and [Service.InvokeAsync] run functions in process; [Service.Handler] serves the REST API to the AWS
// SDKs and CLI: Invoke (RequestResponse, Event, DryRun), ListFunctions, GetFunction, GetFunctionConfiguration,
// UpdateFunctionConfiguration (Timeout, MemorySize, Environment), Put-, Get- and DeleteFunctionConcurrency,
// GetAccountSettings. [Service.Logs] reads the log groups, [Options].Observe tells of every invocation what X-Ray and
// CloudWatch would have recorded of it.
//
// # Promises
//
//   - An environment handles one invocation at a time. An invocation takes the most recently used idle environment, or
//     starts one (a cold start) if concurrency allows; idle environments end after [Options].IdleAfter.
//   - An invocation ends when the function has answered it and asked for the next, so a caller that invokes again at
//     once meets a warm environment. It always ends: within the function's timeout after the hand-over, and INIT before
//     that takes at most 10 s and what is left of the timeout for its one retry.
//   - Concurrency is never above the account's, nor above a function's reservation; a reservation is kept free for its
//     function. What does not fit is refused with TooManyRequestsException and the Reason that AWS gives.
//   - A crash, a timeout, a response of more than 6 MB fail the invocation with Lambda's errorType and wording, and the
//     next one pays for a new environment.
//   - A function's lines are in its log group before its invocation's REPORT line, and the memory for them is bounded.
//   - [Service.Close] leaves no process, goroutine or listener. When this process is killed outright, Linux kills the
//     functions with it; elsewhere they end at their next call to the Runtime API, which fails.
//   - Function processes inherit PATH, HOME and TMPDIR and no other variable; payloads never reach a log.
//
// # Design
//
// The Runtime API (2018-06-01) listens on 127.0.0.1 with a port for each environment; the address is the identity, as on
// AWS. aws-lambda-go keeps one connection and waits for every answer, so a connection is a goroutine and a loop. The
// goroutine that waits in GET next carries the invocation through: there is no other hand-over on the warm path.
// Standard output and error are one pipe, read by a goroutine and, at the end of an invocation, on the spot.
//
// Processes are started from one locked thread, because Linux ties a child's death signal to the thread that made it.
// With an extension registered, as aws-lambda-go does for lambda.WithEnableSIGTERM, an environment ends with SIGTERM and
// 500 ms later SIGKILL; without one with SIGKILL, as on AWS.
//
// Rejected: handlers linked into this process (not the deployed artefact; one crash is everyone's), a container for each
// environment (a hundred times slower to start; asks for Docker), net/http's server for the Runtime API (see
// BenchmarkRuntimeAPI).
//
// # What differs from AWS
//
//   - MemorySize is told to the function, neither its memory nor its share of CPU is enforced. maxMemoryUsedMB is the
//     peak resident set, read at most once a second; 0 where the system has no /proc.
//   - An idle process is not frozen: its background goroutines go on.
//   - The file system is the machine's. The working directory is the binary's folder, which LAMBDA_TASK_ROOT and
//     LAMBDA_RUNTIME_DIR name; LD_LIBRARY_PATH is not set. HOME and PATH are the machine's, so the SDK could find a
//     profile there, but the credentials in the variables come first.
//   - Environments are added as fast as they start, not 1,000 every 10 seconds; the quota of requests a second
//     (ten times the concurrency) is not applied.
//   - $LATEST is the only version. No layers, no external extensions, no INVOKE events, no telemetry API, no response
//     streaming: the runtime that asks gets a clear refusal.
//   - On a timeout the process is killed at once, without the SIGTERM that a registered extension brings on AWS.
//   - A response that was posted stands, even if the process then crashes or never asks for the next event.
//   - Asynchronous events are kept in memory, 10,000 of them and 64 MB at most, above which callers are refused with
//     TooManyRequestsException. Dropped ones are counted and go to the program's log: there are no destinations. Retries
//     of throttled ones wait 1 s, 2 s, 4 s and so on up to 5 minutes, half of it random: AWS publishes the first and the
//     last. So with too little concurrency for a burst, some wait for minutes although there is room again, as there.
//   - Signatures are not asked for. Any process of this machine can reach the Runtime API of an environment.
package function
