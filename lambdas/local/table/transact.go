package table

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/wire"
)

const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
)

type transactWriteItem struct {
	ConditionCheck, Put, Update, Delete *writeInput
}

type transactWriteInput struct {
	TransactItems               []transactWriteItem
	ClientRequestToken          string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

// one returns the part that the item has.
func (i transactWriteItem) one() (*writeInput, writeKind, error) {
	var in *writeInput
	var kind writeKind
	parts := 0
	for k, part := range map[writeKind]*writeInput{put: i.Put, update: i.Update, deletion: i.Delete, check: i.ConditionCheck} {
		if part != nil {
			in, kind = part, k
			parts++
		}
	}
	if parts != 1 {
		return nil, 0, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return in, kind, nil
}

// A place is where an item stands.
type place struct {
	table *table
	at    string
}

func checkTransactionLength(n int) error {
	if n < 1 {
		return invalid("1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if n > maxTransaction {
		return invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", maxTransaction)
	}
	return nil
}

func (s *Service) transactWriteItems(_ context.Context, in *transactWriteInput) (wire.Raw, error) {
	consumed, err := checkConsumed(in.ReturnConsumedCapacity)
	if err != nil {
		return nil, err
	}
	if _, err := oneOf("returnItemCollectionMetrics", in.ReturnItemCollectionMetrics, "NONE", "SIZE"); err != nil {
		return nil, err
	}
	if len(in.ClientRequestToken) > 36 {
		return nil, invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36", in.ClientRequestToken)
	}
	writes, err := s.parseTransaction(in.TransactItems)
	if err != nil {
		return nil, err
	}
	if in.ClientRequestToken == "" {
		return transact(writes, consumed)
	}
	done, err := s.tokens.begin(in.ClientRequestToken, digest(in.TransactItems), time.Now())
	if err != nil {
		return nil, err
	}
	if done {
		return repeated(writes, consumed)
	}
	out, err := transact(writes, consumed)
	s.tokens.end(in.ClientRequestToken, err == nil)
	return out, err
}

// parseTransaction checks what the schemas alone decide. Keys and items that do not fit cancel the transaction.
func (s *Service) parseTransaction(items []transactWriteItem) ([]*write, error) {
	if err := checkTransactionLength(len(items)); err != nil {
		return nil, err
	}
	writes := make([]*write, len(items))
	for n, item := range items {
		in, kind, err := item.one()
		if err != nil {
			return nil, err
		}
		if kind == update && in.UpdateExpression == nil {
			return nil, missing(fmt.Sprintf("transactItems.%d.member.update.updateExpression", n+1))
		}
		if writes[n], err = in.parse(kind); err != nil {
			return nil, err
		}
		if writes[n].table, err = s.table(in.TableName); err != nil {
			return nil, err
		}
	}
	reasons := make([]reason, len(writes))
	failed := false
	seen := map[place]bool{}
	for n, w := range writes {
		if err := w.resolve(w.table); err != nil {
			reasons[n], failed = explain(err), true
			continue
		}
		if seen[place{w.table, w.at}] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[place{w.table, w.at}] = true
	}
	if failed {
		return nil, cancelled(reasons)
	}
	return writes, nil
}

// checkTransactionSize bounds the items of a transaction together.
func checkTransactionSize(size int) error {
	if size > maxTransactionBytes {
		return invalid("The aggregate size of the items in the transaction exceeds %d bytes", maxTransactionBytes)
	}
	return nil
}

// lock takes the locks of all tables concerned, in the order of their names so that no two transactions wait for each
// other, and returns what gives them back.
func lock(tables []*table, acquire, release func(*sync.RWMutex)) (unlock func()) {
	slices.SortFunc(tables, func(a, b *table) int {
		if c := strings.Compare(a.schema.Name, b.schema.Name); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id) // a table deleted and made again meanwhile
	})
	tables = slices.Compact(tables)
	for _, t := range tables {
		acquire(&t.mu)
	}
	return func() {
		for _, t := range tables {
			release(&t.mu)
		}
	}
}

// transact carries all writes out, or none.
func transact(writes []*write, consumed string) (wire.Raw, error) {
	meters := newMeters(consumed, true)
	tables := make([]*table, len(writes))
	for n, w := range writes {
		tables[n] = w.table
	}
	err := func() error {
		defer lock(tables, (*sync.RWMutex).Lock, (*sync.RWMutex).Unlock)()
		outcomes, reasons, failed, size := make([]outcome, len(writes)), make([]reason, len(writes)), false, 0
		for n, w := range writes {
			var err error
			if outcomes[n], err = w.evaluate(); err != nil {
				reasons[n], failed = explain(err), true
			}
			if w.kind == put || w.kind == update {
				size += outcomes[n].after.size
			} else {
				size += outcomes[n].before.size
			}
		}
		if err := checkTransactionSize(size); err != nil {
			return err
		}
		if failed {
			return cancelled(reasons)
		}
		for n, w := range writes {
			w.commit(outcomes[n], meters.of(w.table))
		}
		return nil
	}()
	if err != nil {
		return nil, err
	}
	return finish(answer{}, meters.consumed())
}

// repeated answers a transaction that its token shows to have been carried out before: with what reading the items costs.
func repeated(writes []*write, consumed string) (wire.Raw, error) {
	meters := newMeters(consumed, false)
	for _, w := range writes {
		w.table.mu.RLock()
		r, _ := w.table.rows.Get(w.at)
		w.table.mu.RUnlock()
		meters.of(w.table).read(nil, readUnits(r.size, true))
	}
	return finish(answer{}, meters.consumed())
}

// meters are the meters of a transaction's tables, in the order of their first use.
type meters struct {
	wanted string
	write  bool
	list   []*meter
}

func newMeters(wanted string, write bool) *meters { return &meters{wanted: wanted, write: write} }

func (ms *meters) of(t *table) *meter {
	for _, m := range ms.list {
		if m.table == t.schema.Name {
			return m
		}
	}
	m := newMeter(t, ms.wanted)
	if m != nil {
		m.transactional, m.write = true, ms.write
		ms.list = append(ms.list, m)
	}
	return m
}

func (ms *meters) consumed() []capacity {
	var all []capacity
	for _, m := range ms.list {
		all = append(all, m.consumed())
	}
	return all
}

// A reason tells what became of one part of a cancelled transaction. The zero reason stands for a part that was fine.
type reason struct {
	Code    string          `json:",omitempty"`
	Message string          `json:",omitempty"`
	Item    json.RawMessage `json:",omitempty"`
}

func explain(err error) reason {
	var e *wire.Error
	if !errors.As(err, &e) {
		return reason{Code: "InternalServerError", Message: err.Error()}
	}
	switch e.Code {
	case "ConditionalCheckFailedException":
		item, _ := e.Members["Item"].(json.RawMessage)
		return reason{Code: "ConditionalCheckFailed", Message: e.Message, Item: item}
	case "ValidationException":
		return reason{Code: "ValidationError", Message: e.Message}
	}
	return reason{Code: e.Code, Message: e.Message}
}

func cancelled(reasons []reason) error {
	codes := make([]string, len(reasons))
	for n := range reasons {
		if reasons[n].Code == "" {
			reasons[n].Code = "None"
		}
		codes[n] = reasons[n].Code
	}
	return &wire.Error{
		Code:    "TransactionCanceledException",
		Message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
		Status:  http.StatusBadRequest,
		Members: map[string]any{"CancellationReasons": reasons},
	}
}

type transactGetInput struct {
	TransactItems          []struct{ Get *getInput }
	ReturnConsumedCapacity string
}

func (s *Service) transactGetItems(_ context.Context, in *transactGetInput) (wire.Raw, error) {
	consumed, err := checkConsumed(in.ReturnConsumedCapacity)
	if err != nil {
		return nil, err
	}
	if err := checkTransactionLength(len(in.TransactItems)); err != nil {
		return nil, err
	}
	gets, tables := make([]get, len(in.TransactItems)), make([]*table, len(in.TransactItems))
	seen := map[place]bool{}
	for n, item := range in.TransactItems {
		if item.Get == nil {
			return nil, missing(fmt.Sprintf("transactItems.%d.member.get", n+1))
		}
		if gets[n], err = s.parseGet(item.Get); err != nil {
			return nil, err
		}
		tables[n] = gets[n].table
		if seen[place{gets[n].table, gets[n].at}] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[place{gets[n].table, gets[n].at}] = true
	}
	rows, size := make([]row, len(gets)), 0
	func() {
		defer lock(tables, (*sync.RWMutex).RLock, (*sync.RWMutex).RUnlock)()
		for n, g := range gets {
			rows[n], _ = g.table.rows.Get(g.at)
			size += rows[n].size
		}
	}()
	if err := checkTransactionSize(size); err != nil {
		return nil, err
	}
	meters := newMeters(consumed, false)
	var a answer
	a.member("Responses")
	a.b = append(a.b, '[')
	for n, r := range rows {
		if n > 0 {
			a.b = append(a.b, ',')
		}
		a.b = append(a.b, '{')
		if r.json != "" {
			a.b = append(a.b, `"Item":`...)
			a.b = show(a.b, r.json, gets[n].parts)
		}
		a.b = append(a.b, '}')
		meters.of(gets[n].table).read(nil, readUnits(r.size, true))
	}
	a.b = append(a.b, ']')
	return finish(a, meters.consumed())
}

// tokenLife is how long a ClientRequestToken makes a transaction idempotent.
const tokenLife = 10 * time.Minute

// tokens remembers the transactions of the last ten minutes by their ClientRequestToken. The zero value is ready.
type tokens struct {
	mu    sync.Mutex
	known map[string]*token
	queue []expiringToken // of those that have succeeded, the oldest first
}

type token struct {
	request [sha256.Size]byte
	done    bool
}

type expiringToken struct {
	name string
	at   time.Time
}

// begin reports whether the transaction has been done before. If not, and without an error, end must follow.
func (ts *tokens) begin(name string, request [sha256.Size]byte, now time.Time) (done bool, err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.forget(now)
	known := ts.known[name]
	switch {
	case known == nil:
		if ts.known == nil {
			ts.known = map[string]*token{}
		}
		ts.known[name] = &token{request: request}
		return false, nil
	case known.request != request:
		return false, wire.Errorf("IdempotentParameterMismatchException", "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical")
	case !known.done:
		return false, wire.Errorf("TransactionInProgressException", "The transaction with the given request token is already in progress.")
	}
	return true, nil
}

// sweep forgets tokens also when no transaction comes any more: SDKs give each one a token.
func (ts *tokens) sweep(now time.Time) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.forget(now)
}

// forget lets go of the tokens that are too old. The caller holds mu.
func (ts *tokens) forget(now time.Time) {
	for len(ts.queue) > 0 && now.Sub(ts.queue[0].at) >= tokenLife {
		delete(ts.known, ts.queue[0].name)
		ts.queue = ts.queue[1:]
	}
	if len(ts.known) == 0 {
		ts.known, ts.queue = nil, nil // a map and a slice keep the memory of what they held once
	}
}

// end notes how the transaction went. One that was cancelled may be tried again.
func (ts *tokens) end(name string, succeeded bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !succeeded {
		delete(ts.known, name)
		return
	}
	ts.known[name].done = true
	ts.queue = append(ts.queue, expiringToken{name, time.Now()})
}

// digest identifies a transaction's parameters, however its JSON was written.
func digest(items []transactWriteItem) [sha256.Size]byte {
	h := sha256.New()
	for _, item := range items {
		in, kind, err := item.one()
		if err != nil {
			continue // cannot be: parsing comes first
		}
		// Maps are printed by fmt in the order of their keys, and a hash never refuses to be written to.
		_, _ = fmt.Fprintf(h, "%d %q %q %q %q %q", kind, in.TableName, text(in.UpdateExpression), text(in.ConditionExpression),
			in.ExpressionAttributeNames, in.ReturnValuesOnConditionCheckFailure)
		for _, raw := range []json.RawMessage{in.Item, in.Key, in.ExpressionAttributeValues} {
			if !given(raw) {
				h.Write([]byte{0}) // as above
				continue
			}
			m, err := attribute.ParseMap(string(raw))
			if err != nil {
				continue // as above
			}
			h.Write(m.AppendJSON(nil)) // as above
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
