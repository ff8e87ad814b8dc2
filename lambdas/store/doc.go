// Package store keeps on DynamoDB what outlives an invocation: the responses of a subject ([Responses]) and the
// effects of services ([Effects]).
//
// # Responses
//
// All items of a subject share its partition key, so one query reads them:
//
//	pk                sk                    what
//	<subject>         HEAD                  status, request, acceptedAt, completedAt, traceId, seen, deliveries, units
//	<subject>         EVENT#<source>#<id>   one response as it was delivered first, receivedAt, storedAt
//	KEY#<sha256>      KEY                   subject and body hash of a request that came with an Idempotency-Key
//
// Every item has expiresAt (epoch seconds), the table's TTL attribute. Times are epoch milliseconds.
//
// Promises: a request is accepted once per key ([Responses.Accept]); a response is kept once, the first, however
// often it is delivered and at whichever line the sink was killed ([Responses.Record] puts the event, then updates
// HEAD, on every delivery; both are idempotent); status goes from pending to completed or failed and never back.
// A response to a subject that nobody has accepted creates its HEAD: events may be put on the bus from anywhere.
//
// Cost: a plain request is three writes (HEAD, EVENT, HEAD again) of one write unit each. To stay below 1 KB an event
// is stored without its subject, which is the partition key already, and HEAD remembers the events it has counted by
// a 64-bit hash each. A time in the sort key was rejected: a second delivery would then be a second item.
//
// # Effects
//
// An effect is recorded under <operation>#<key> before anybody hears of it, by a conditional put. Who repeats the
// operation gets the recorded result. [Once].Unless names a record that forbids the effect: a refund forbids the charge
// that comes late. Both are checked and written in one transaction.
//
// # Contention
//
// A transaction that collides with another is tried again inside the call, under full jitter, until four fifths of
// the time to the deadline are gone; then the error has Contended() bool, which package broker understands.
package store
