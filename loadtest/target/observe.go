package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"example.com/arvo/loadtest/ledger"
)

const (
	batchKeys = 100 // of one BatchGetItem: what DynamoDB takes
	atOnce    = 4   // calls
)

// Observe asks the responses table for the subjects of records, and tells what it has on them, one at a time. Records
// of which it has nothing are left out.
//
// A subject that the client was told is not believed: something between client and API may have answered by itself. Once for
// each record the table is asked which subject its key has. If that is another or none, it is told in an observation by
// itself, which a ledger refuses, and what follows is about the subject that the key has.
//
// It ends at the first error, of its own or of tell. An answer may be delivered again
// after its subject has ended: who counts duplicates asks once more in the end.
func (s *Stack) Observe(ctx context.Context, l *ledger.Ledger, records []ledger.Record, tell func(seq uint64, o ledger.Observation) error) error {
	var mu sync.Mutex
	one := func(seq uint64, o ledger.Observation) error {
		mu.Lock()
		defer mu.Unlock()
		return tell(seq, o)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for len(records) > 0 && ctx.Err() == nil {
		part := records[:min(batchKeys, len(records))]
		records = records[len(part):]
		group.Go(func() error { return s.observe(ctx, l, part, one) })
	}
	return s.wrap("what became of subjects", group.Wait())
}

// An asked is a subject of which the table is asked.
type asked struct {
	seq     uint64
	subject string
	byKey   bool // the table has subject by the record's key
	head    item
	answers []item
}

// observe observes up to batchKeys records.
func (s *Stack) observe(ctx context.Context, l *ledger.Ledger, records []ledger.Record, tell func(uint64, ledger.Observation) error) error {
	subjects, err := s.subjects(ctx, l, records, tell)
	if err != nil || len(subjects) == 0 {
		return err
	}
	keys := make([]tableKey, len(subjects))
	for i := range subjects {
		keys[i] = tableKey{subjects[i].subject, "HEAD"}
	}
	heads, err := s.items(ctx, keys, headAttributes)
	if err != nil {
		return err
	}
	var answers []tableKey
	for i := range subjects {
		a := &subjects[i]
		if a.head = heads[tableKey{a.subject, "HEAD"}]; a.head.ended() {
			answers = append(answers, a.answerKey(l))
		}
	}
	found, err := s.items(ctx, answers, answerAttributes)
	if err != nil {
		return err
	}
	for i := range subjects {
		a := &subjects[i]
		if a.head == nil {
			continue
		}
		if a.head.ended() {
			if answer := found[a.answerKey(l)]; answer != nil {
				a.answers = []item{answer}
			} else if a.answers, err = s.answers(ctx, a.subject); err != nil {
				return err
			}
		}
		if err := tell(a.seq, a.observation()); err != nil {
			return err
		}
	}
	return nil
}

// subjects returns the records with their subjects. It looks by their keys for those that the client was not told, and for those
// that it was told and nobody has looked for before. It tells where the client was told otherwise.
func (s *Stack) subjects(ctx context.Context, l *ledger.Ledger, records []ledger.Record, tell func(uint64, ledger.Observation) error) ([]asked, error) {
	subjects := make([]asked, 0, len(records))
	taken := make(map[string]bool, len(records)) // no key may be asked for twice, whatever a stack says
	add := func(seq uint64, subject string, byKey bool) {
		if !taken[subject] {
			taken[subject] = true
			subjects = append(subjects, asked{seq: seq, subject: subject, byKey: byKey})
		}
	}
	var unsure []ledger.Record
	var keys []tableKey
	for _, r := range records {
		key := l.Key(r.Seq)
		if r.ByKey || r.Subject == key { // which is the subject of a request straight to the function, see Request
			add(r.Seq, r.Subject, r.ByKey)
			continue
		}
		unsure = append(unsure, r)
		keys = append(keys, requestKey(key))
	}
	found, err := s.items(ctx, keys, keyAttributes)
	if err != nil {
		return nil, err
	}
	for i, r := range unsure {
		subject := found[keys[i]].text("subject")
		if r.Subject != "" && r.Subject != subject {
			if err := tell(r.Seq, ledger.Observation{Subject: subject, ByKey: true}); err != nil {
				return nil, err
			}
		}
		switch {
		case subject != "":
			add(r.Seq, subject, true)
		case r.Subject == "":
			add(r.Seq, l.Key(r.Seq), false)
		}
	}
	return subjects, nil
}

// requestKey is where the API keeps which subject a request with an Idempotency-Key has.
func requestKey(key string) tableKey {
	sum := sha256.Sum256([]byte(key))
	return tableKey{"KEY#" + hex.EncodeToString(sum[:]), "KEY"}
}

// answerKey is where the answer of the probe is, if it is one.
func (a *asked) answerKey(l *ledger.Ledger) tableKey {
	var request struct{ ID, Source string }
	if text := a.head.text("request"); text == "" || json.Unmarshal([]byte(text), &request) != nil {
		request.ID, request.Source = l.Key(a.seq), sender // straight to the function
	}
	return tableKey{a.subject, "EVENT#" + probe + "#" + answerID(a.subject, request.Source, request.ID, probe)}
}

// answers returns what has answered a subject, by a query: of one that ended otherwise than by the one answer of the probe.
func (s *Stack) answers(ctx context.Context, subject string) ([]item, error) {
	out, err := s.tables.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.parts.responseTable, ConsistentRead: aws.Bool(true), Limit: aws.Int32(50),
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :event)"),
		ProjectionExpression:      aws.String(answerAttributes.projection),
		ExpressionAttributeNames:  answerAttributes.names,
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: subject}, ":event": &types.AttributeValueMemberS{Value: "EVENT#"}},
	})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", s.parts.responseTable, err)
	}
	found := make([]item, len(out.Items))
	for i, it := range out.Items {
		found[i] = it
	}
	return found, nil
}

// observation is what the items say.
func (a *asked) observation() ledger.Observation {
	o := ledger.Observation{
		Subject: a.subject, ByKey: a.byKey, TraceID: a.head.text("traceId"), Accepted: a.head.time("acceptedAt"),
		Deliveries: int(a.head.number("deliveries")), Events: a.head.count("seen"),
	}
	if !a.head.ended() {
		return o
	}
	o.Status = ledger.Status(a.head.text("status"))
	completed := a.head.time("completedAt")
	o.Stored = completed
	// The answer is the one that was stored when the subject ended; others came before.
	for _, answer := range a.answers {
		stored := answer.time("storedAt")
		if !stored.Equal(completed) && len(a.answers) > 1 {
			continue
		}
		o.Delivered = answer.time("receivedAt")
		if !stored.IsZero() {
			o.Stored = stored
		}
		var event struct {
			Time       time.Time `json:"time"`
			ReceivedAt int64     `json:"receivedat"`
		}
		if json.Unmarshal([]byte(answer.text("event")), &event) == nil {
			o.Answered = event.Time
			if event.ReceivedAt > 0 {
				o.Received = time.UnixMilli(event.ReceivedAt)
			}
		}
		break
	}
	return o
}

// A tableKey is the key of an item of the responses table.
type tableKey struct{ pk, sk string }

// A projection is what is read of items.
type projection struct {
	projection string
	names      map[string]string
}

var (
	headAttributes   = projection{"pk, sk, #status, #request, acceptedAt, completedAt, traceId, seen, deliveries", map[string]string{"#status": "status", "#request": "request"}}
	answerAttributes = projection{"pk, sk, event, receivedAt, storedAt", nil}
	keyAttributes    = projection{"pk, sk, subject", nil}
)

// items reads items by their keys, consistently, until all are read: DynamoDB leaves some out when they are too many
// bytes or it is throttled.
func (s *Stack) items(ctx context.Context, keys []tableKey, p projection) (map[tableKey]item, error) {
	found := make(map[tableKey]item, len(keys))
	table := s.parts.responseTable
	var next []map[string]types.AttributeValue
	for _, k := range keys {
		next = append(next, map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: k.pk}, "sk": &types.AttributeValueMemberS{Value: k.sk}})
	}
	pause := 50 * time.Millisecond
	for len(next) > 0 {
		now := next[:min(batchKeys, len(next))]
		next = next[len(now):]
		out, err := s.tables.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			table: {Keys: now, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String(p.projection), ExpressionAttributeNames: p.names},
		}})
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table, err)
		}
		for _, it := range out.Responses[table] {
			found[tableKey{item(it).text("pk"), item(it).text("sk")}] = it
		}
		left := out.UnprocessedKeys[table].Keys
		next = append(next, left...)
		if len(left) == 0 {
			pause = 50 * time.Millisecond
			continue
		}
		if err := sleep(ctx, pause/2+rand.N(pause/2)); err != nil {
			return nil, fmt.Errorf("table %s: %d of %d items are not read: %w", table, len(next), len(keys), err)
		}
		pause = min(2*pause, 2*time.Second)
	}
	return found, nil
}

// Items returns how many items the responses table has: of a subject its HEAD, the item of its key, and one for each different
// answer. AWS counts them every six hours or so, and is not asked.
func (s *Stack) Items(ctx context.Context) (n int, now bool, err error) {
	if !s.local {
		return 0, false, nil
	}
	out, err := s.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.parts.responseTable})
	if err == nil && (out.Table == nil || out.Table.ItemCount == nil) {
		err = errors.New("the answer does not tell")
	}
	if err != nil {
		return 0, false, s.wrap("how many items table "+s.parts.responseTable+" has", err)
	}
	return int(*out.Table.ItemCount), true, nil
}

// An item is one of DynamoDB; its readers return the zero value for an attribute that is absent or of another type.
type item map[string]types.AttributeValue

// ended reports whether a HEAD is of a subject that has its answer.
func (it item) ended() bool {
	switch ledger.Status(it.text("status")) {
	case ledger.Completed, ledger.Failed:
		return !it.time("completedAt").IsZero()
	}
	return false
}

func (it item) text(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (it item) number(name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// count is how many texts a set has.
func (it item) count(name string) int {
	if v, ok := it[name].(*types.AttributeValueMemberSS); ok {
		return len(v.Value)
	}
	return 0
}

// time reads epoch milliseconds.
func (it item) time(name string) time.Time {
	if ms := it.number(name); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
