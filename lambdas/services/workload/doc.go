// Package workload is the load test's probe: the service com.workload.simulate, which takes as long, computes as much,
// fails as often and says as much as it is told to.
//
//	com.workload.simulate   Simulate  ─▶ evt.workload.simulate.progress  Progress, fanout times
//	                                  ─▶ evt.workload.simulate.success   Result
//	                                  ─▶ sys.com.workload.simulate.error  drawn with probability fail
//
// All of [Simulate] is optional; the empty object is the cheapest request that goes the whole way, which makes it the
// probe for what the system itself costs.
//
// # Promises
//
// Sleeping stands for waiting on another system: it uses no CPU, and many sleep side by side. Burning stands for
// computing: cpu_ms is CPU time, not time on the clock, so that burns side by side share a core as real work does. See
// [Host].
//
// Whether an event fails is drawn from its id alone ([Draw]): a redelivery fails or succeeds as the first delivery did,
// and a load test knows beforehand which of its requests will fail. An event that is drawn to fail sleeps and burns as
// any other, and sends no progress.
//
// The progress events come first and in order. The contract marks them as progress, so that a requester who waits for
// the answer waits for the success.
package workload
