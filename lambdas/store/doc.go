// Package store keeps on DynamoDB what outlives an invocation: the responses of a subject ([Responses]), the workflows that
// lead to them ([Workflows]) and the effects of services ([Effects]).
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
// # Workflows
//
// A workflow's items share its subject as partition key:
//
//	pk          sk                    what
//	<subject>   STATE                 rev, workflow, state, taken; dueShard and dueAt while it awaits a call with a deadline
//	<subject>   IN#<source>#<id>      the step that an event led to: rev, at, input, produced
//	<subject>   OUT#<rev>#<nn>        what that step produced beyond the room of one item
//
// [Workflows.Commit] writes all items of a step in one transaction: STATE if its rev is still the one that was recalled, IN
// and OUT if they are not there. DynamoDB says which condition failed, so a step that comes second ([arvo.ErrRevision]) is told
// from one that could not be kept. The IN items are the workflow's history, in full and as JSON: what a step did can be read
// in the console.
//
// [Workflows.Recall] has to see STATE and IN as of one moment: if it saw the new STATE without the IN that came with it, a
// second delivery would find a workflow that is over, be content, and what the first had not published yet would be lost. A
// consistent BatchGetItem or Query promises no such moment for its items; TransactGetItems does, at twice the read units and
// with conflicts of its own. So STATE itself remembers, by four bytes each, which inputs were taken. An input that STATE does
// not know is new, after one consistent GetItem; one that it may know is read by a second, and is there because it was
// written with STATE. Only redeliveries need the second call.
//
// Cost: a step is one GetItem (1 read unit) and one transaction, whose units count double: 4 write units where STATE and IN
// stay below 1 KB each, more often 6 to 8, and 2 for a change of the deadline in the index; an order of arvo.orc.fulfilment
// takes 36 for its 4 steps. An event is stored without its own subject. To deflate the items would save 2 to 4 units of a
// step's 9 and was rejected: nobody could read them.
//
// Size: an item holds 400 KB, one transaction 100 items and 4 MB. A STATE beyond that, an event, or a step with all that it
// sends gives a [*TooLargeError] before anything is sent. The same step would be too large for ever, so the workflow fails, as
// StepTooLarge, and says so to whoever began it; for that the STATE of a workflow that goes on leaves 4 KB free. Only an input
// that is too large by itself cannot be kept as the cause of a failure either: the queue gives it up after its receives.
//
// Deadlines: the index is by dueShard, a hash of the subject, and dueAt, in milliseconds; a workflow without deadlines, or that
// is over, is not in it. [Workflows.Overdue] queries each shard, and lets STATE decide, since an index lags behind its
// table. A workflow that was told is put off in the index by changing its dueAt, not its rev, so a step that is being
// taken is not disturbed.
//
// Expiry: a workflow is forgotten when nothing has happened on it for [Retention] since its last step or the last deadline
// that it awaits. One that has expired counts until DynamoDB deletes it. Its records do not wait for it: each is kept for
// Retention from its own step, or from the last deadline awaited then. So a workflow that needs its history (arvo's Step.Replies)
// or depends on inputs that come again being known has to end within Retention: after that History fails for a step that is
// gone, and an input whose record is gone is taken once more. To renew the records with every step was rejected: it would
// write all of them each time.
//
// # Effects
//
// An effect is recorded under <operation>#<key>, or a hash of a key that is too long for that, before anybody hears of it, by
// a conditional put. Who repeats the operation gets the recorded result. The unless of [Effects.Once] names a record that
// forbids the effect: a refund forbids the charge that comes late. Both are checked and written in one transaction.
//
// # Contention
//
// A transaction that collides with another is tried again inside the call, under full jitter, until four fifths of
// the time to the deadline are gone; then the error has Contended() bool, which package broker understands.
package store
