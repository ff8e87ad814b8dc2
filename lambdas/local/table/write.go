package table

import (
	"context"
	"encoding/json"
	"net/http"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

// writeInput is the shape of PutItem, UpdateItem, DeleteItem, and of the four parts of a transaction.
type writeInput struct {
	TableName                           string
	Item                                json.RawMessage // of a put
	Key                                 json.RawMessage // of all others
	UpdateExpression                    *string
	ConditionExpression                 *string
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
	ReturnConsumedCapacity              string
	ReturnItemCollectionMetrics         string
	substitutions
	legacy
}

type writeKind int

const (
	put writeKind = iota
	update
	deletion
	check // ConditionCheck of a transaction
)

// A write is a request that has been checked against its table and waits to be carried out.
type write struct {
	kind      writeKind
	table     *table
	item      attribute.Map // of a put
	encoded   row           // of a put
	key       attribute.Map // of all others: the primary key as given
	at        string        // where the item stands in the table
	condition *expression.Test
	change    *expression.Change
	showOld   bool // ReturnValuesOnConditionCheckFailure is ALL_OLD
	needOld   bool // ReturnValues is UPDATED_OLD
}

// parse checks what can be checked without the table.
func (in *writeInput) parse(kind writeKind) (*write, error) {
	w := &write{kind: kind}
	if err := in.legacy.refuse(); err != nil {
		return nil, err
	}
	failure, err := oneOf("returnValuesOnConditionCheckFailure", in.ReturnValuesOnConditionCheckFailure, "NONE", "ALL_OLD")
	if err != nil {
		return nil, err
	}
	w.showOld = failure == "ALL_OLD"
	if kind == put {
		if !given(in.Item) {
			return nil, missing("item")
		}
		w.item, err = attribute.ParseMap(string(in.Item))
	} else {
		if !given(in.Key) {
			return nil, missing("key")
		}
		w.key, err = attribute.ParseMap(string(in.Key))
	}
	if err != nil {
		return nil, err
	}
	return w, in.parseExpressions(w)
}

func (in *writeInput) parseExpressions(w *write) error {
	kinds := []expression.Kind{expression.Condition}
	if w.kind == update {
		kinds = []expression.Kind{expression.Update, expression.Condition}
	}
	subs, err := in.substitutions.parse(kinds, func(kind expression.Kind) bool {
		return kind == expression.Update && in.UpdateExpression != nil || kind == expression.Condition && in.ConditionExpression != nil
	})
	if err != nil {
		return err
	}
	if w.kind == update && in.UpdateExpression != nil {
		if w.change, err = expression.ParseUpdate(*in.UpdateExpression, subs); err != nil {
			return err
		}
	}
	if in.ConditionExpression != nil {
		if w.condition, err = expression.ParseTest(expression.Condition, *in.ConditionExpression, subs); err != nil {
			return err
		}
	} else if w.kind == check {
		return missing("conditionExpression")
	}
	return subs.Unused()
}

// resolve checks the write against the table and finds its place.
func (w *write) resolve(t *table) error {
	w.table = t
	if w.condition != nil {
		if err := t.checkPaths(w.condition.Paths()); err != nil {
			return err
		}
	}
	if w.kind == put {
		if err := t.checkItem(w.item); err != nil {
			return err
		}
		w.encoded = encode(w.item)
		if w.encoded.size > maxItem {
			return invalid("Item size has exceeded the maximum allowed size")
		}
		w.at = t.primaryKey(w.item)
		return nil
	}
	if err := t.checkKey(w.key); err != nil {
		return err
	}
	w.at = t.primaryKey(w.key)
	if w.change != nil {
		for _, path := range w.change.Paths() {
			if t.schema.Key.has(path[0].Name) {
				return parameter("Cannot update attribute %s. This attribute is part of the key", path[0].Name)
			}
		}
		return t.checkPaths(w.change.Paths())
	}
	return nil
}

// An outcome is what a write would do, or did.
type outcome struct {
	before   row           // without JSON when there was no item
	old      attribute.Map // of before, if anything has asked for it
	item     attribute.Map // nil when there is none afterwards
	after    row
	skip     bool // nothing changes
	showDiff expression.Selection
}

// evaluate finds out what the write would do, without doing it. The caller holds the table's lock.
func (w *write) evaluate() (outcome, error) {
	var o outcome
	var existed bool
	if o.before, existed = w.table.rows.Get(w.at); existed && (w.condition != nil || w.needOld || len(w.table.indexes) > 0) {
		o.old = attribute.MustParse(o.before.json)
	}
	if w.condition != nil && !w.condition.Holds(o.old) {
		return o, w.failed(o.before)
	}
	switch w.kind {
	case put:
		o.item, o.after = w.item, w.encoded
	case deletion:
		o.skip = !existed
	case check:
		o.skip = true
	case update:
		return o, w.apply(&o, existed)
	}
	return o, nil
}

// apply evaluates an update.
func (w *write) apply(o *outcome, existed bool) error {
	if o.item = w.key.Clone(); existed {
		o.item = attribute.MustParse(o.before.json) // not o.old: it changes in place
	}
	if w.change != nil {
		var err error
		if o.item, err = w.change.Apply(o.item); err != nil {
			return err
		}
		// Taking attributes from an item that does not exist makes none.
		if !existed && !w.change.Adds() {
			o.item, o.skip = nil, true
			return nil
		}
		o.showDiff = w.change.Paths()
		if err := w.table.checkIndexKeys(o.item); err != nil {
			return err
		}
		if o.item.Depth() > attribute.MaxDepth {
			return invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
		}
	}
	if o.after = encode(o.item); o.after.size > maxItem {
		return invalid("Item size to update has exceeded the maximum allowed size")
	}
	return nil
}

func (w *write) failed(before row) error {
	e := &wire.Error{Code: "ConditionalCheckFailedException", Message: "The conditional request failed", Status: http.StatusBadRequest}
	if w.showOld && before.json != "" {
		e.Members = map[string]any{"Item": json.RawMessage(before.json)}
	}
	return e
}

// commit does what evaluate has found. The caller still holds the lock.
func (w *write) commit(o outcome, m *meter) {
	var writes []indexWrite
	if !o.skip {
		writes = w.table.replace(w.at, o.old, o.item, o.after)
	}
	m.wrote(w.table, o.before.size, o.after.size, writes)
}

// returnValues adds Attributes as ReturnValues asks.
func (o *outcome) returnValues(a *answer, wanted string) {
	var chosen attribute.Map
	switch wanted {
	case "ALL_OLD":
		if o.before.json != "" {
			a.json("Attributes", o.before.json)
		}
		return
	case "ALL_NEW":
		if o.after.json != "" {
			a.json("Attributes", o.after.json)
		}
		return
	case "UPDATED_OLD":
		chosen = o.showDiff.Apply(o.old)
	case "UPDATED_NEW":
		chosen = o.showDiff.Apply(o.item)
	}
	if len(chosen) > 0 {
		a.item("Attributes", chosen)
	}
}

// write carries out PutItem, UpdateItem or DeleteItem.
func (s *Service) write(kind writeKind) func(context.Context, *writeInput) (wire.Raw, error) {
	return func(_ context.Context, in *writeInput) (wire.Raw, error) {
		returned, err := oneOf("returnValues", in.ReturnValues, "NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")
		if err != nil {
			return nil, err
		}
		if kind != update && returned != "NONE" && returned != "ALL_OLD" {
			return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
		}
		consumed, err := checkConsumed(in.ReturnConsumedCapacity)
		if err != nil {
			return nil, err
		}
		if _, err := oneOf("returnItemCollectionMetrics", in.ReturnItemCollectionMetrics, "NONE", "SIZE"); err != nil {
			return nil, err
		}
		w, err := in.parse(kind)
		if err != nil {
			return nil, err
		}
		t, err := s.table(in.TableName)
		if err != nil {
			return nil, err
		}
		if err := w.resolve(t); err != nil {
			return nil, err
		}
		w.needOld = returned == "UPDATED_OLD"
		m := newMeter(t, consumed)
		o, err := w.run(m)
		if err != nil {
			return nil, err
		}
		var a answer
		o.returnValues(&a, returned)
		if err := m.answer(&a); err != nil {
			return nil, err
		}
		return a.done(), nil
	}
}

// run evaluates and commits under the lock.
func (w *write) run(m *meter) (outcome, error) {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	o, err := w.evaluate()
	if err == nil {
		w.commit(o, m)
	}
	return o, err
}
