package table_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

// The tests in this file use a table as a workflow does: a state and a journal under one partition key, in one transaction,
// and a sparse index of what is due.

func (e *endpoint) createWorkflows(t *testing.T) string {
	return e.create(t, &dynamodb.CreateTableInput{
		TableName:            aws.String("workflows"),
		AttributeDefinitions: definition("pk:S sk:S dueShard:S dueAt:N"),
		KeySchema:            keySchema("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("deadlines"), KeySchema: keySchema("dueShard", "dueAt"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	})
}

// step takes a workflow from one revision to the next, as an input does. A due of 0 takes it out of the index.
func (e *endpoint) step(t *testing.T, table, subject, input string, revision, due int) error {
	state := &types.Update{
		TableName: &table, Key: key(subject, "STATE"), ExpressionAttributeNames: map[string]string{"#state": "state"},
		UpdateExpression:                    aws.String("SET rev = :rev, #state = :state, dueShard = :shard, dueAt = :due ADD taken :taken"),
		ExpressionAttributeValues:           item{":rev": num(revision), ":state": str("{}"), ":shard": str("0"), ":due": num(due), ":taken": strs(input)},
		ConditionExpression:                 aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if due == 0 {
		state.UpdateExpression = aws.String("SET rev = :rev, #state = :state REMOVE dueShard, dueAt ADD taken :taken")
		delete(state.ExpressionAttributeValues, ":shard")
		delete(state.ExpressionAttributeValues, ":due")
	}
	if revision > 1 {
		state.ConditionExpression = aws.String("rev = :before")
		state.ExpressionAttributeValues[":before"] = num(revision - 1)
	}
	_, err := e.client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: state},
		{Put: &types.Put{TableName: &table, Item: with(key(subject, "IN#"+input), item{"rev": num(revision)}), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
	}})
	return err
}

func TestAStepIsKeptWholeOrNotAtAll(t *testing.T) {
	e := newEndpoint(t)
	table := e.createWorkflows(t)
	for _, c := range []struct {
		name, input string
		revision    int
		codes       string
	}{
		{"the first step", "a", 1, ""},
		{"the second", "b", 2, ""},
		{"an input that was taken", "a", 3, "None ConditionalCheckFailed"},
		{"a revision that was taken", "c", 2, "ConditionalCheckFailed None"},
		{"a beginning that is none", "c", 1, "ConditionalCheckFailed None"},
		{"an input that was taken, at a revision that was taken", "b", 1, "ConditionalCheckFailed ConditionalCheckFailed"},
	} {
		err := e.step(t, table, "s", c.input, c.revision, 100)
		var cancelled *types.TransactionCanceledException
		if c.codes == "" {
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.As(err, &cancelled) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var codes []string
		for _, r := range cancelled.CancellationReasons {
			codes = append(codes, aws.ToString(r.Code))
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: %s, want %s", c.name, got, c.codes)
		}
		if strings.HasPrefix(c.codes, "Cond") {
			same(t, c.name, cancelled.CancellationReasons[0].Item["rev"], num(2))
		}
	}
	same(t, "the state", e.get(t, table, key("s", "STATE")), with(key("s", "STATE"), item{
		"rev": num(2), "state": str("{}"), "dueShard": str("0"), "dueAt": num(100), "taken": strs("a", "b"),
	}))
	if i := e.get(t, table, key("s", "IN#c")); i != nil {
		t.Errorf("a step that failed has left %v", i)
	}

	both, err := e.client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: &table, Key: key("s", "STATE"), ProjectionExpression: aws.String("rev")}},
		{Get: &types.Get{TableName: &table, Key: key("s", "IN#b"), ProjectionExpression: aws.String("rev")}},
		{Get: &types.Get{TableName: &table, Key: key("s", "IN#none")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "read in one transaction", []item{both.Responses[0].Item, both.Responses[1].Item, both.Responses[2].Item}, []item{{"rev": num(2)}, {"rev": num(2)}, nil})
	batch, err := e.client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: {
		ConsistentRead: aws.Bool(true), Keys: []map[string]types.AttributeValue{key("s", "IN#a"), key("s", "IN#none")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "read in one batch", batch.Responses[table], []map[string]types.AttributeValue{with(key("s", "IN#a"), item{"rev": num(1)})})
	journal, err := e.client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :in)"),
		ExpressionAttributeValues: item{":pk": str("s"), ":in": str("IN#")},
	})
	if err != nil || sorts(journal.Items, "sk") != "IN#a IN#b" {
		t.Errorf("the journal: %v, %v", journal, err)
	}
}

func TestWhatIsDueIsRead(t *testing.T) {
	e := newEndpoint(t)
	table := e.createWorkflows(t)
	for n, due := range []int{1000, 9, -5, 0, 200, 30, 9} { // numbers, not strings, of which two are the same and one is none
		if err := e.step(t, table, fmt.Sprint("s", n), "a", 1, due); err != nil {
			t.Fatal(err)
		}
	}
	due := func(condition string, forward bool, limit int32, values item) (subjects []string) {
		t.Helper()
		in := &dynamodb.QueryInput{
			TableName: &table, IndexName: aws.String("deadlines"), KeyConditionExpression: &condition, Limit: &limit, ScanIndexForward: &forward,
			ExpressionAttributeValues: with(item{":shard": str("0")}, values),
		}
		for {
			out, err := e.client.Query(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range out.Items {
				if len(i) != 4 || i["dueAt"] == nil || i["dueShard"] == nil || i["sk"] == nil {
					t.Errorf("more or less than the keys of table and index: %v", i)
				}
				subjects = append(subjects, i["pk"].(*types.AttributeValueMemberS).Value)
			}
			if out.LastEvaluatedKey == nil {
				return subjects
			}
			if len(out.LastEvaluatedKey) != 4 || len(out.Items) != int(limit) {
				t.Errorf("a page of %d items ends at %v", len(out.Items), out.LastEvaluatedKey)
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
	now := item{":now": num(200)}
	for name, c := range map[string]struct {
		condition string
		forward   bool
		values    item
		want      string
	}{
		"all":                       {"dueShard = :shard", true, nil, "s2 s1 s6 s5 s4 s0"},
		"what is due":               {"dueShard = :shard AND dueAt <= :now", true, now, "s2 s1 s6 s5 s4"},
		"what is due, latest first": {"dueShard = :shard AND dueAt <= :now", false, now, "s4 s5 s6 s1 s2"},
		"what is overdue":           {"dueShard = :shard AND dueAt < :now", true, now, "s2 s1 s6 s5"},
		"what is not":               {"dueShard = :shard AND dueAt > :now", true, now, "s0"},
		"between":                   {"dueShard = :shard AND dueAt BETWEEN :then AND :now", true, item{":then": num(9), ":now": num(200)}, "s1 s6 s5 s4"},
	} {
		for _, limit := range []int32{1, 2, 3, 50} {
			got := strings.Join(due(c.condition, c.forward, limit, c.values), " ")
			swapped := strings.NewReplacer("s1", "s6", "s6", "s1").Replace(c.want) // nothing orders what is due at the same time
			if got != c.want && got != swapped {
				t.Errorf("%s, %d at a time: %s, want %s", name, limit, got, c.want)
			}
		}
	}

	if err := e.step(t, table, "s2", "b", 2, 0); err != nil { // answered: it leaves the index
		t.Fatal(err)
	}
	if err := e.step(t, table, "s1", "b", 2, 300); err != nil { // awaits another
		t.Fatal(err)
	}
	if got := strings.Join(due("dueShard = :shard", true, 50, nil), " "); got != "s6 s5 s4 s1 s0" {
		t.Errorf("after two steps: %s", got)
	}
	_, err := e.client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, IndexName: aws.String("deadlines"), ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("dueShard = :shard"),
		ExpressionAttributeValues: item{":shard": str("0")},
	})
	wantCode(t, "a consistent read of a global index", err, "ValidationException")
}

func TestHowMuchATransactionHolds(t *testing.T) {
	e := newEndpoint(t)
	table := e.createWorkflows(t)
	const size = 350 << 10
	big := str(strings.Repeat("x", size))
	puts := func(n int) (writes []types.TransactWriteItem) {
		for i := range n {
			writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: with(key("big", fmt.Sprint(i)), item{"data": big})}})
		}
		return writes
	}
	update := func(n int, value types.AttributeValue) types.TransactWriteItem {
		return types.TransactWriteItem{Update: &types.Update{TableName: &table, Key: key("big", fmt.Sprint(n)), UpdateExpression: aws.String("SET more = :more"), ExpressionAttributeValues: item{":more": value}}}
	}
	transact := func(writes ...types.TransactWriteItem) error {
		_, err := e.client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: writes, ClientRequestToken: aws.String(uuid.NewString())})
		return err
	}
	wantCode(t, "12 puts of 350 KB", transact(puts(12)...), "ValidationException")
	if err := transact(puts(11)...); err != nil {
		t.Errorf("11 puts of 350 KB: %v", err)
	}
	wantReason := func(what string, err error) {
		t.Helper()
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) || aws.ToString(cancelled.CancellationReasons[0].Code) != "ValidationError" ||
			!strings.Contains(aws.ToString(cancelled.CancellationReasons[0].Message), "exceeded the maximum allowed size") {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantReason("an update to more than 400 KB", transact(update(0, str(strings.Repeat("x", 51<<10)))))
	if i := e.get(t, table, key("big", "0")); i["more"] != nil {
		t.Error("an update that was refused has happened")
	}
	if !e.own() {
		return // what follows is as AWS documents it, and in nobody else's code
	}
	if err := transact(append(puts(12)[11:], update(0, num(1)))...); err != nil {
		t.Errorf("a put and an update: %v", err)
	}
	var updates, longer, deletes []types.TransactWriteItem
	var gets []types.TransactGetItem
	for n := range 12 {
		updates = append(updates, update(n, num(2)))
		longer = append(longer, update(n, str(strings.Repeat("x", 30<<10))))
		deletes = append(deletes, types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: key("big", fmt.Sprint(n))}})
		gets = append(gets, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: key("big", fmt.Sprint(n)), ProjectionExpression: aws.String("sk")}})
	}
	wantCode(t, "small updates of 12 items of 350 KB", transact(updates...), "ValidationException")
	wantCode(t, "updates of 11 items from 350 to 380 KB", transact(longer[:11]...), "ValidationException")
	wantCode(t, "deletion of 12 items of 350 KB", transact(deletes...), "ValidationException")
	_, err := e.client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets})
	wantCode(t, "parts of 12 items of 350 KB", err, "ValidationException")
	if _, err := e.client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: gets[:11]}); err != nil {
		t.Errorf("11 items of 350 KB: %v", err)
	}
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}
