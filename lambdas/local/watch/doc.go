// Package watch is X-Ray and CloudWatch Logs on one machine: it takes the segments that functions send, adds those that AWS adds by
// itself, and answers the questions that people and tools ask about both, in AWS's own protocols.
//
//	functions ──UDP──▶ daemon ──▶ traces ◀── native ◀── gateway, function: what they did
//	                                │
//	aws CLI, SDKs ──HTTP──▶ xray ───┤                   logs ◀── function: what was written
//	                                ▼
//	                      filter, telemetry/tracetree
//
// # Rooms
//
//   - daemon: the UDP port of the X-Ray daemon, and its TCP port at which SDKs ask for sampling rules.
//   - traces: the documents, in bounded memory.
//   - native: the segments of API Gateway and Lambda.
//   - sampling: rules and their decisions.
//   - filter: filter expressions.
//   - xray: the X-Ray API.
//   - logs: the CloudWatch Logs API, over the log groups of package function; beneath it pattern, filter patterns, and
//     insights, queries.
//
// # Promises
//
// A trace is readable as soon as its documents have arrived. Nothing that arrives, from wherever, ends the process or makes
// its memory grow beyond what is configured. What is lost is counted, by whom and where: [Service.Stats].
//
// # What differs from AWS
//
// Each room's package comment lists it. Above all: everything is in memory and gone with the process, answers are
// complete and exact where AWS samples and settles in time, and nobody is asked for credentials.
package watch
