package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
)

// API is the part of the DynamoDB client that this package uses.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// A Status is how far a subject has come.
type Status string

// The life of a subject: Pending, then one of the others for ever.
const (
	Pending   Status = "pending"
	Completed Status = "completed"
	Failed    Status = "failed"
)

// Errors of [Responses].
var (
	ErrNotFound  = errors.New("no such subject")
	ErrKeyReused = errors.New("the idempotency key was used with another body")
	ErrInFlight  = errors.New("the first request with this idempotency key is still in flight")
)

// Retention is how long a subject, its responses and its key are kept: as long as X-Ray keeps its trace.
const Retention = 30 * 24 * time.Hour

// maxPage is how many bytes of events one page of [Responses.Events] holds, as they stand in the JSON string that a Lambda
// answers: below the 6 MB that it may.
const maxPage = 4 << 20

// Responses keeps what was asked and what was answered on a subject. It may be used by many goroutines.
type Responses struct {
	client API
	table  string
	now    func() time.Time
}

// NewResponses returns Responses on the given table.
func NewResponses(client API, table string, now func() time.Time) *Responses {
	return &Responses{client: client, table: table, now: now}
}

// A Request is what a client asked for.
type Request struct {
	Event    arvo.Event
	TraceID  string        // 1-8hex-24hex; may be empty
	Key      string        // Idempotency-Key; empty for none
	BodyHash string        // of the request body; compared when the key comes again
	Flight   time.Duration // with a key: how long this request may stay in flight
}

// A Head is the state of a subject.
type Head struct {
	Subject        string
	Status         Status
	Request        *arvo.Event // nil when the first event of the subject was put from outside
	TraceID        string
	AcceptedAt     time.Time // zero when never accepted
	CompletedAt    time.Time // zero while pending
	ExecutionUnits float64   // summed over the distinct responses
	Deliveries     int       // of responses, duplicates included
	Events         int       // distinct responses
}

// Accept makes a subject of a request and returns its head. When the request's key was used before with the same
// body, it returns the subject of that time instead, with its stored request, which the caller publishes again while
// it is pending.
//
// Errors: [ErrKeyReused] and [ErrInFlight]. The caller calls [Responses.Landed] when a request with a key is no
// longer in flight, whatever became of it; if it never does, the key is free again after Flight.
func (r *Responses) Accept(ctx context.Context, req Request) (Head, error) {
	now := r.now()
	event, err := elide(req.Event)
	if err != nil {
		return Head{}, err
	}
	head := item{
		"pk": text(req.Event.Subject), "sk": text("HEAD"),
		"status": text(string(Pending)), "request": text(event), "requestType": text(req.Event.Type),
		"acceptedAt": number(now.UnixMilli()), "expiresAt": number(now.Add(Retention).Unix()),
	}
	if req.TraceID != "" {
		head["traceId"] = text(req.TraceID)
	}
	accepted := Head{Subject: req.Event.Subject, Status: Pending, Request: &req.Event, TraceID: req.TraceID, AcceptedAt: time.UnixMilli(now.UnixMilli())}
	const absent = "attribute_not_exists(pk)"
	if req.Key == "" {
		_, err := r.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &r.table, Item: head, ConditionExpression: aws.String(absent)})
		if err != nil {
			return Head{}, fmt.Errorf("store: accept %s: %w", req.Event.ID, err)
		}
		return accepted, nil
	}
	key := item{
		"pk": text(keyOf(req.Key)), "sk": text("KEY"),
		"subject": text(req.Event.Subject), "bodyHash": text(req.BodyHash),
		"flightUntil": number(now.Add(req.Flight).UnixMilli()), "expiresAt": number(now.Add(Retention).Unix()),
	}
	// An expired key counts as gone: DynamoDB takes its time to delete it.
	free, expired := absent+" OR expiresAt <= :now", item{":now": number(now.Unix())}
	var old item
	err = retryContention(ctx, func() error {
		_, err := r.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: &r.table, Item: key, ConditionExpression: &free, ExpressionAttributeValues: expired, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
			{Put: &types.Put{TableName: &r.table, Item: head, ConditionExpression: aws.String(absent)}},
		}})
		var cancelled *types.TransactionCanceledException
		if errors.As(err, &cancelled) && len(cancelled.CancellationReasons) == 2 && aws.ToString(cancelled.CancellationReasons[0].Code) == conditionFailed {
			old = cancelled.CancellationReasons[0].Item
			return nil
		}
		return err
	})
	if err != nil {
		return Head{}, fmt.Errorf("store: accept %s: %w", req.Event.ID, err)
	}
	if old == nil {
		return accepted, nil
	}
	return r.acceptedBefore(ctx, req, old, now)
}

// acceptedBefore answers a request whose key is known. Two retries of a request whose first sender died may both find the key
// free: both then publish the same event, which is harmless.
func (r *Responses) acceptedBefore(ctx context.Context, req Request, key item, now time.Time) (Head, error) {
	if key.text("bodyHash") != req.BodyHash {
		return Head{}, ErrKeyReused
	}
	if now.UnixMilli() < key.number("flightUntil") {
		return Head{}, ErrInFlight
	}
	return r.Head(ctx, key.text("subject"))
}

// Landed says that the request with this key is no longer in flight.
func (r *Responses) Landed(ctx context.Context, key string) error {
	_, err := r.update(ctx, &dynamodb.UpdateItemInput{
		Key:              item{"pk": text(keyOf(key)), "sk": text("KEY")},
		UpdateExpression: aws.String("REMOVE flightUntil"), ConditionExpression: aws.String("attribute_exists(pk)"),
	})
	if err != nil {
		return fmt.Errorf("store: landed: %w", err)
	}
	return nil
}

// update updates one item, again if a transaction was just at it.
func (r *Responses) update(ctx context.Context, in *dynamodb.UpdateItemInput) (returned item, err error) {
	in.TableName = &r.table
	err = retryContention(ctx, func() error {
		out, err := r.client.UpdateItem(ctx, in)
		if err == nil {
			returned = out.Attributes
		}
		return err
	})
	return returned, err
}

// Head returns the state of a subject, read consistently, or [ErrNotFound].
func (r *Responses) Head(ctx context.Context, subject string) (Head, error) {
	out, err := r.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &r.table, Key: item{"pk": text(subject), "sk": text("HEAD")}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return Head{}, fmt.Errorf("store: head: %w", err)
	}
	it := item(out.Item)
	if it == nil || it.expired(r.now()) {
		return Head{}, ErrNotFound
	}
	h := Head{
		Subject: subject, Status: Status(it.text("status")), TraceID: it.text("traceId"),
		AcceptedAt: it.time("acceptedAt"), CompletedAt: it.time("completedAt"),
		ExecutionUnits: it.float("units"), Deliveries: int(it.number("deliveries")), Events: len(it.texts("seen")),
	}
	if s := it.text("request"); s != "" {
		ev, err := restore(s, subject)
		if err != nil {
			return Head{}, fmt.Errorf("store: head: request: %w", err)
		}
		h.Request = &ev
	}
	return h, nil
}

// A Response is an event that a service addressed to the client.
type Response struct {
	Event      arvo.Event
	ReceivedAt time.Time // by the sink
	TraceID    string    // 1-8hex-24hex; may be empty
	// Outcome is what the event means for a request of type RequestType: Completed, Failed, or Pending for an event
	// that completes nothing. An empty RequestType fits any request that is not known here.
	Outcome     Status
	RequestType string
}

// A Recording is what became of a response.
type Recording struct {
	Duplicate  bool      // it was delivered before: a success
	Ended      bool      // it is the one that completed its subject, or failed it
	AcceptedAt time.Time // of the subject that it ended; zero when nobody has accepted it
}

// Record keeps a response; the first delivery wins.
func (r *Responses) Record(ctx context.Context, resp Response) (Recording, error) {
	event, err := elide(resp.Event)
	if err != nil {
		return Recording{}, err
	}
	now := r.now()
	_, err = r.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.table, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		Item: item{
			"pk": text(resp.Event.Subject), "sk": text(sortKey("EVENT#", resp.Event.Key())), "event": text(event),
			"receivedAt": number(resp.ReceivedAt.UnixMilli()), "storedAt": number(now.UnixMilli()), "expiresAt": number(now.Add(Retention).Unix()),
		},
	})
	var exists *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &exists) {
		return Recording{}, fmt.Errorf("store: record %s: %w", resp.Event.ID, err)
	}
	// HEAD is updated after a duplicate too: the first delivery may have died in between.
	id := seenID(resp.Event)
	ends := resp.Outcome != Pending
	old, head, err := r.count(ctx, resp, id, ends, now)
	if err == nil && old != nil && !slices.Contains(old.texts("seen"), id) {
		// Completed by another event, or this one does not answer the request: it counts, and completes nothing.
		ends = false
		old, head, err = r.count(ctx, resp, id, ends, now)
	}
	if err != nil {
		return Recording{}, fmt.Errorf("store: record %s: %w", resp.Event.ID, err)
	}
	if old != nil {
		return Recording{Duplicate: true}, r.countAgain(ctx, resp.Event.Subject)
	}
	recording := Recording{Ended: ends}
	if at := head.number("acceptedAt"); ends && at != 0 {
		recording.AcceptedAt = time.UnixMilli(at)
	}
	return recording, nil
}

// count adds an event to HEAD unless HEAD has it already, or, for a terminal one, is completed or belongs to another
// type of request; then it returns HEAD as it is, old. Of a terminal one that is added it returns HEAD as it became, head.
func (r *Responses) count(ctx context.Context, resp Response, id string, terminal bool, now time.Time) (old, head item, err error) {
	names := map[string]string{"#status": "status"}
	values := item{
		":id": text(id), ":ids": &types.AttributeValueMemberSS{Value: []string{id}}, ":one": number(1),
		":expires": number(now.Add(Retention).Unix()), ":units": &types.AttributeValueMemberN{Value: units(resp.Event)},
	}
	condition := "NOT contains(seen, :id)"
	set := "SET expiresAt = :expires"
	var want types.ReturnValue
	if terminal {
		condition += " AND (attribute_not_exists(#status) OR #status = :pending) AND (attribute_not_exists(requestType) OR requestType = :type)"
		set += ", #status = :status, completedAt = :now"
		want = types.ReturnValueAllNew
		values[":status"], values[":now"], values[":type"] = text(string(resp.Outcome)), number(now.UnixMilli()), text(resp.RequestType)
	} else {
		set += ", #status = if_not_exists(#status, :pending)"
	}
	values[":pending"] = text(string(Pending))
	if resp.TraceID != "" {
		set += ", traceId = if_not_exists(traceId, :trace)"
		values[":trace"] = text(resp.TraceID)
	}
	head, err = r.update(ctx, &dynamodb.UpdateItemInput{
		Key:                      item{"pk": text(resp.Event.Subject), "sk": text("HEAD")},
		ReturnValues:             want,
		UpdateExpression:         aws.String(set + " ADD seen :ids, deliveries :one, units :units"),
		ConditionExpression:      aws.String(condition),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return failed.Item, nil, nil
	}
	return nil, head, err
}

// countAgain counts the delivery of an event that HEAD has.
func (r *Responses) countAgain(ctx context.Context, subject string) error {
	_, err := r.update(ctx, &dynamodb.UpdateItemInput{
		Key:                       item{"pk": text(subject), "sk": text("HEAD")},
		UpdateExpression:          aws.String("ADD deliveries :one"),
		ExpressionAttributeValues: item{":one": number(1)},
	})
	if err != nil {
		return fmt.Errorf("store: count a delivery: %w", err)
	}
	return nil
}

// Events returns the responses of a subject in the order in which they were stored, within a page of some 4 MB.
// after is the cursor of the page before, empty for the first; next is empty on the last page. Pages follow the order
// of the keys, so an event that is stored while a client pages through may be missed: read again when completed.
func (r *Responses) Events(ctx context.Context, subject, after string) (evs []arvo.Event, next string, err error) {
	in := &dynamodb.QueryInput{
		TableName: &r.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :event)"),
		ExpressionAttributeValues: item{":pk": text(subject), ":event": text("EVENT#")},
	}
	if after != "" {
		sk, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil || !strings.HasPrefix(string(sk), "EVENT#") || len(sk) > maxSortKey {
			return nil, "", ErrCursor
		}
		in.ExclusiveStartKey = item{"pk": text(subject), "sk": text(string(sk))}
	}
	type stored struct {
		at    int64
		event arvo.Event
	}
	var page []stored
	size, last := 0, "" // of the page: its bytes, the sort key of its last event
	for next == "" {
		out, err := r.client.Query(ctx, in)
		if err != nil {
			return nil, "", fmt.Errorf("store: events: %w", err)
		}
		for _, it := range out.Items {
			it := item(it)
			event := it.text("event")
			more := quoted(event) + len(subject)
			if size+more > maxPage && last != "" {
				next = cursorOf(last)
				break
			}
			ev, err := restore(event, subject)
			if err != nil {
				return nil, "", fmt.Errorf("store: events: %s: %w", it.text("sk"), err)
			}
			page = append(page, stored{it.number("storedAt"), ev})
			size, last = size+more, it.text("sk")
		}
		if out.LastEvaluatedKey == nil {
			break
		}
		if size > maxPage-1<<20 && last != "" { // another query would answer 1 MB, most of it for nothing
			next = cursorOf(last)
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	slices.SortStableFunc(page, func(a, b stored) int { return cmp.Compare(a.at, b.at) })
	evs = make([]arvo.Event, len(page))
	for i, s := range page {
		evs[i] = s.event
	}
	return evs, next, nil
}

func cursorOf(sortKey string) string { return base64.RawURLEncoding.EncodeToString([]byte(sortKey)) }

// quoted is the length of an event's JSON within a JSON string, where a quote and a backslash take two bytes, and U+2028
// and U+2029 (E2 80 A8, E2 80 A9) six. Never too little.
func quoted(event string) int {
	return len(event) + strings.Count(event, `"`) + strings.Count(event, `\`) + 3*strings.Count(event, "\xe2\x80")
}

// ErrCursor says that a cursor did not come from [Responses.Events].
var ErrCursor = errors.New("not a cursor of this subject")

func keyOf(idempotencyKey string) string {
	sum := sha256.Sum256([]byte(idempotencyKey))
	return "KEY#" + hex.EncodeToString(sum[:])
}

// seenID names an event within its subject's HEAD.
func seenID(ev arvo.Event) string {
	sum := sumOf(ev.Key())
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}

// units are an event's execution units as HEAD sums them up: DynamoDB fails a sum of more than 38 digits, so of what is
// beyond a trillion millions, or finer than a millionth of a millionth, the sum has no more than that. The event keeps all.
func units(ev arvo.Event) string {
	if ev.ExecutionUnits == nil {
		return "0"
	}
	const most = 1e18
	sum := strconv.FormatFloat(max(-most, min(*ev.ExecutionUnits, most)), 'f', 12, 64)
	return strings.TrimSuffix(strings.TrimRight(sum, "0"), ".")
}

// elide returns the event's JSON without its subject, and restore puts it back, in what was elided and in nothing else: no
// subject is empty. The text `"subject":"` cannot come earlier than the attribute: in the strings that stand before it a
// quote is escaped.
func elide(ev arvo.Event) (string, error) {
	b, err := ev.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("store: event %s: %w", ev.ID, err)
	}
	s := string(b)
	subject := subjectText(ev.Subject)
	if !strings.Contains(s, subject) {
		return "", fmt.Errorf("store: event %s: its JSON does not show its subject", ev.ID)
	}
	return strings.Replace(s, subject, noSubject, 1), nil
}

func restore(s, subject string) (arvo.Event, error) {
	if before, after, ok := strings.Cut(s, noSubject[:len(noSubject)-1]); ok && strings.HasPrefix(after, `"`) {
		s = before + subjectText(subject) + after[1:]
	}
	return arvo.Parse([]byte(s))
}

const noSubject = `"subject":""`

// subjectText is the attribute as it stands in the event's JSON: a subject is URI-encoded, so nothing in it is escaped.
func subjectText(subject string) string { return `"subject":"` + subject + `"` }
