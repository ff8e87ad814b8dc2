package table_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// same compares SDK values, sets in any order.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var options = []cmp.Option{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(
		types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{},
		types.AttributeValueMemberNULL{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{}, types.AttributeValueMemberSS{},
		types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{}, types.ConsumedCapacity{}, types.Capacity{}),
	cmp.Transformer("strings", func(v types.AttributeValueMemberSS) []string { return slices.Sorted(slices.Values(v.Value)) }),
	cmp.Transformer("numbers", func(v types.AttributeValueMemberNS) []string { return slices.Sorted(slices.Values(v.Value)) }),
}

func (e *endpoint) put(t *testing.T, table string, i item) {
	t.Helper()
	if _, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: i}); err != nil {
		t.Fatal(err)
	}
}

func (e *endpoint) get(t *testing.T, table string, key item) item {
	t.Helper()
	out, err := e.client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func key(pk, sk string) item { return item{"pk": str(pk), "sk": str(sk)} }

func with(base item, more item) item {
	all := item{}
	for k, v := range base {
		all[k] = v
	}
	for k, v := range more {
		all[k] = v
	}
	return all
}

func TestItemsComeBackAsTheyWerePut(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	everything := with(key("a", "all types"), item{
		"s": str("häß \"quoted\" \\ \n\t\u0000\u2028 <&> 🎈"), "empty": str(""), "n": num("-12.5"), "b": bin("\x00\xff"), "noBytes": bin(""),
		"t": boolean(true), "f": boolean(false), "null": null(), "ss": strs("b", "a"), "ns": nums("2", "10", "-1"),
		"bs":   &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		"list": list(num(1), str("x"), list(), doc(item{})), "map": doc(item{"deep": list(doc(item{"er": null()}))}),
	})
	e.put(t, main, everything)
	same(t, "item", e.get(t, main, key("a", "all types")), everything)
	if got := e.get(t, main, key("a", "none")); got != nil {
		t.Errorf("an item that does not exist: %v", got)
	}
	out, err := e.client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &main, Key: key("a", "all types"),
		ProjectionExpression: aws.String("#m.deep[0].er, #l[3], #l[0], s2"), ExpressionAttributeNames: map[string]string{"#m": "map", "#l": "list"}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "projection", out.Item, item{"map": doc(item{"deep": list(doc(item{"er": null()}))}), "list": list(num(1), doc(item{}))})
}

func TestNumbersAreNormalised(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "007": "7", "1.50": "1.5", "1E3": "1000", "1e-3": "0.001", "+5": "5", ".5": "0.5", "5.": "5",
		"-1.20E+2": "-120", "12345678901234567890123456789012345678": "12345678901234567890123456789012345678",
		"1E125": "1" + strings.Repeat("0", 125), "1E-130": "0." + strings.Repeat("0", 129) + "1",
	} {
		e.put(t, main, with(key("n", in), item{"n": num(in)}))
		same(t, in, e.get(t, main, key("n", in))["n"], num(want))
	}
}

func TestConditions(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	subject := with(key("a", "a"), item{
		"n": num(5), "s": str("hello"), "b": bin("\x01\x02\x03"), "flag": boolean(true), "nothing": null(),
		"l": list(num(1), str("x"), list(num(2))), "m": doc(item{"x": num(1), "y": doc(item{"z": str("deep")})}),
		"ss": strs("a", "b"), "ns": nums("1", "2"), "same": num("5.0"),
	})
	e.put(t, main, subject)
	values := item{
		":5": num(5), ":4": num(4), ":6": num(6), ":hello": str("hello"), ":he": str("he"), ":x": str("x"), ":a": str("a"), ":zz": str("zz"),
		":1": num(1), ":one": str("1"), ":S": str("S"), ":N": str("N"), ":NULL": str("NULL"), ":true": boolean(true), ":deep": str("deep"), ":b": bin("\x02\x03"),
		":ba": strs("b", "a"), ":l2": list(num(2)), ":10": num(10),
	}
	for condition, want := range map[string]bool{
		"n = :5": true, "n = same": true, "n <> :5": false, "n <> :4": true, "n < :6": true, "n < :5": false, "n <= :5": true, "n > :4": true, "n >= :6": false,
		"n < :10": true, "n = :one": false, "n <> :one": true, "n < :hello": false, "s < :x": true, ":4 < n": true, "flag = :true": true,
		"absent = :5": false, "absent <> :5": true, "absent < :5": false, "NOT absent = :5": true, "ss = :ba": true,
		"n BETWEEN :4 AND :6": true, "n BETWEEN :5 AND :5": true, "n between :6 and :10": false, "absent BETWEEN :4 AND :6": false,
		"n IN (:4, :5)": true, "n IN (:4)": false, "s in (:5, :hello)": true, "absent IN (:4)": false,
		"attribute_exists(n)": true, "attribute_exists(absent)": false, "attribute_exists(m.y.z)": true, "attribute_exists(l[2][0])": true, "attribute_exists(l[3])": false, "attribute_exists(n.x)": false,
		"attribute_not_exists(absent)": true, "attribute_not_exists(n)": false,
		"attribute_type(s, :S)": true, "attribute_type(s, :N)": false, "attribute_type(nothing, :NULL)": true, "attribute_type(absent, :S)": false,
		"begins_with(s, :he)": true, "begins_with(s, :x)": false, "begins_with(n, :he)": false,
		"contains(s, :he)": true, "contains(s, :zz)": false, "contains(ss, :a)": true, "contains(ss, :zz)": false, "contains(ns, :1)": true, "contains(l, :x)": true, "contains(l, :1)": true, "contains(l, :l2)": true, "contains(l, :5)": false, "contains(b, :b)": true, "contains(n, :5)": false,
		"size(s) = :5": true, "size(ss) < :5": true, "size(m) = :5": false, "size(b) < :4": true, "size(l) <= :1": false, "size(absent) = :5": false, ":5 = size(s)": true,
		"m.x = :1": true, "m.y.z = :deep": true, "l[0] = :1": true, "l[1] = :x": true, "l[9] = :1": false,
		"n = :5 AND s = :hello": true, "n = :4 AND s = :hello": false, "n = :4 OR s = :hello": true, "n = :4 OR s = :zz": false, "NOT n = :4": true,
		"n = :5 OR n = :4 AND s = :zz": true, "(n = :5 OR n = :4) AND s = :zz": false, "NOT n = :4 AND s = :hello": true, "NOT (n = :4 OR s = :zz)": true, "not not n = :5": true,
		"(n) = (:5)": true,
	} {
		used := item{}
		for v := range values {
			if strings.Contains(condition+" ", v+" ") || strings.Contains(condition, v+")") || strings.Contains(condition, v+",") {
				used[v] = values[v]
			}
		}
		if len(used) == 0 {
			used = nil
		}
		_, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &main, Item: subject, ConditionExpression: &condition, ExpressionAttributeValues: used})
		var failed *types.ConditionalCheckFailedException
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := err == nil; got != want {
			t.Errorf("%s is %t, want %t", condition, got, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	before := item{
		"n": num(5), "s": str("text"), "l": list(num(1), num(2), num(3)), "m": doc(item{"x": num(1), "y": doc(item{"z": str("deep")})}),
		"ss": strs("a", "b"), "ns": nums("1", "2"),
	}
	for _, c := range []struct {
		name   string
		update string
		values item
		want   item // attributes that differ; nil: gone
	}{
		{"SET replaces and adds attributes", "SET n = :a, fresh = :b", item{":a": num(1), ":b": str("x")}, item{"n": num(1), "fresh": str("x")}},
		{"SET adds and subtracts", "SET n = n + :a, d = n - :b", item{":a": num("0.5"), ":b": num(7)}, item{"n": num("5.5"), "d": num(-2)}},
		{"SET copies the value from before the update", "SET a = n, n = :a", item{":a": num(1)}, item{"a": num(5), "n": num(1)}},
		{"SET exchanges attributes", "SET n = s, s = n", nil, item{"n": str("text"), "s": num(5)}},
		{"SET copies documents, not references", "SET c = m, m.x = :a", item{":a": num(9)}, item{"c": before["m"], "m": doc(item{"x": num(9), "y": doc(item{"z": str("deep")})})}},
		{"if_not_exists keeps what is there", "SET n = if_not_exists(n, :a), fresh = if_not_exists(fresh, :a)", item{":a": num(0)}, item{"fresh": num(0)}},
		{"a counter that may not exist", "SET hits = if_not_exists(hits, :zero) + :one", item{":zero": num(0), ":one": num(1)}, item{"hits": num(1)}},
		{"list_append at the end", "SET l = list_append(l, :a)", item{":a": list(num(4))}, item{"l": list(num(1), num(2), num(3), num(4))}},
		{"list_append at the front", "SET l = list_append(:a, l)", item{":a": list(num(0))}, item{"l": list(num(0), num(1), num(2), num(3))}},
		{"list_append to what may not exist", "SET q = list_append(if_not_exists(q, :none), :a)", item{":none": list(), ":a": list(num(1))}, item{"q": list(num(1))}},
		{"an element is replaced", "SET l[1] = :a", item{":a": str("x")}, item{"l": list(num(1), str("x"), num(3))}},
		{"elements behind the end are appended in order", "SET l[9] = :b, l[7] = :a", item{":a": str("a"), ":b": str("b")}, item{"l": list(num(1), num(2), num(3), str("a"), str("b"))}},
		{"a nested attribute", "SET m.y.w = :a, m.y.z = :a", item{":a": num(1)}, item{"m": doc(item{"x": num(1), "y": doc(item{"z": num(1), "w": num(1)})})}},
		{"REMOVE takes attributes, and ignores those that are not there", "REMOVE n, absent, m.y.z, m.q", nil, item{"n": nil, "m": doc(item{"x": num(1), "y": doc(item{})})}},
		{"REMOVE takes elements by their old indexes", "REMOVE l[0], l[1], l[9]", nil, item{"l": list(num(3))}},
		{"SET and REMOVE in one list mean old indexes", "SET l[2] = :a REMOVE l[0]", item{":a": str("x")}, item{"l": list(num(2), str("x"))}},
		{"ADD to a number", "ADD n :a, fresh :a", item{":a": num(3)}, item{"n": num(8), "fresh": num(3)}},
		{"ADD to a set", "ADD ss :a, fresh :a", item{":a": strs("b", "c")}, item{"ss": strs("a", "b", "c"), "fresh": strs("b", "c")}},
		{"ADD to a nested number", "ADD m.x :a", item{":a": num(1)}, item{"m": doc(item{"x": num(2), "y": doc(item{"z": str("deep")})})}},
		{"DELETE from a set", "DELETE ss :a, absent :a", item{":a": strs("b", "c")}, item{"ss": strs("a")}},
		{"DELETE of all elements takes the attribute", "DELETE ss :a", item{":a": strs("a", "b")}, item{"ss": nil}},
		{"all sections, in any case and order", "remove s add n :n delete ns :ns set fresh = :f", item{":n": num(1), ":ns": nums("1"), ":f": str("f")}, item{"s": nil, "n": num(6), "ns": nums("2"), "fresh": str("f")}},
		{"large numbers add exactly", "SET n = :a + :b", item{":a": num("12345678901234567890123456789012345678"), ":b": num("-12345678901234567890123456789012345677")}, item{"n": num(1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.put(t, main, with(key("u", "u"), before))
			if _, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("u", "u"), UpdateExpression: &c.update, ExpressionAttributeValues: c.values}); err != nil {
				t.Fatal(err)
			}
			want := with(with(key("u", "u"), before), c.want)
			for name, v := range want {
				if v == nil {
					delete(want, name)
				}
			}
			same(t, c.update, e.get(t, main, key("u", "u")), want)
		})
	}
	t.Run("an update makes an item", func(t *testing.T) {
		if _, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("u", "new"), UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: item{":one": num(1)}}); err != nil {
			t.Fatal(err)
		}
		same(t, "new item", e.get(t, main, key("u", "new")), with(key("u", "new"), item{"n": num(1)}))
	})
	t.Run("an update without expression makes an item of its key", func(t *testing.T) {
		if _, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("u", "bare")}); err != nil {
			t.Fatal(err)
		}
		same(t, "bare item", e.get(t, main, key("u", "bare")), key("u", "bare"))
	})
	t.Run("taking an attribute from no item makes none", func(t *testing.T) {
		if _, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("u", "no"), UpdateExpression: aws.String("REMOVE n")}); err != nil {
			t.Fatal(err)
		}
		if got := e.get(t, main, key("u", "no")); got != nil {
			t.Errorf("an item has come to be: %v", got)
		}
	})
}

func TestReturnValues(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	old := with(key("r", "r"), item{"n": num(1), "s": str("x"), "m": doc(item{"a": num(1), "b": num(2)})})
	fresh := with(key("r", "r"), item{"n": num(2), "s": str("x"), "m": doc(item{"a": num(9), "b": num(2)}), "new": null()})
	for returned, want := range map[types.ReturnValue]item{
		types.ReturnValueNone:       nil,
		types.ReturnValueAllOld:     old,
		types.ReturnValueAllNew:     fresh,
		types.ReturnValueUpdatedOld: {"n": num(1), "m": doc(item{"a": num(1)})},
		types.ReturnValueUpdatedNew: {"n": num(2), "m": doc(item{"a": num(9)}), "new": null()},
	} {
		e.put(t, main, old)
		out, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("r", "r"), ReturnValues: returned,
			UpdateExpression: aws.String("SET n = n + :one, m.a = :nine, #new = :null"), ExpressionAttributeNames: map[string]string{"#new": "new"},
			ExpressionAttributeValues: item{":one": num(1), ":nine": num(9), ":null": null()}})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "update "+string(returned), out.Attributes, want)
	}
	put, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &main, Item: old, ReturnValues: types.ReturnValueAllOld})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "put", put.Attributes, fresh)
	deleted, err := e.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &main, Key: key("r", "r"), ReturnValues: types.ReturnValueAllOld})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "delete", deleted.Attributes, old)
	deleted, err = e.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &main, Key: key("r", "r"), ReturnValues: types.ReturnValueAllOld})
	if err != nil || deleted.Attributes != nil {
		t.Errorf("deleting what is not there: %v, %v", deleted, err)
	}
}

func TestAFailedConditionShowsTheItem(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	winner := with(key("c", "c"), item{"owner": str("first")})
	e.put(t, main, winner)
	_, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &main, Item: key("c", "c"),
		ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	same(t, "item", failed.Item, winner)
	failed = nil
	_, err = e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &main, Item: key("c", "c"), ConditionExpression: aws.String("attribute_not_exists(pk)")})
	if !errors.As(err, &failed) || failed.Item != nil {
		t.Errorf("without being asked: %v, %v", failed.Item, err)
	}

	_, err = e.client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &main, Item: key("c", "other")}},
		{Update: &types.Update{TableName: &main, Key: key("c", "c"), UpdateExpression: aws.String("SET x = :x"), ExpressionAttributeValues: item{":x": str("second")},
			ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
	}})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != 2 {
		t.Fatalf("got %v", err)
	}
	none, reason := cancelled.CancellationReasons[0], cancelled.CancellationReasons[1]
	if *none.Code != "None" || none.Message != nil || *reason.Code != "ConditionalCheckFailed" || *reason.Message != "The conditional request failed" {
		t.Errorf("reasons: %v %v", *none.Code, *reason.Code)
	}
	same(t, "reason's item", reason.Item, winner)
	if got := e.get(t, main, key("c", "other")); got != nil {
		t.Error("a cancelled transaction has put an item")
	}
}

// sorts reads the sort keys of items.
func sorts(items []map[string]types.AttributeValue, name string) string {
	var keys []string
	for _, i := range items {
		switch v := i[name].(type) {
		case *types.AttributeValueMemberS:
			keys = append(keys, v.Value)
		case *types.AttributeValueMemberN:
			keys = append(keys, v.Value)
		case *types.AttributeValueMemberB:
			keys = append(keys, fmt.Sprintf("%x", v.Value))
		}
	}
	return strings.Join(keys, " ")
}

func TestQueriesReadRangesInOrder(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	for _, sk := range []string{"b", "a", "ab", "c", "ba", "a\x00b", "a\x00"} {
		e.put(t, main, with(key("q", sk), item{"len": num(len(sk))}))
	}
	e.put(t, main, key("other", "a"))
	for _, c := range []struct{ condition, want string }{
		{"pk = :pk", "a a\x00 a\x00b ab b ba c"},
		{"pk = :pk AND sk = :a", "a"},
		{"sk = :a AND pk = :pk", "a"},
		{"pk = :pk AND sk < :b", "a a\x00 a\x00b ab"},
		{"pk = :pk AND sk <= :b", "a a\x00 a\x00b ab b"},
		{"pk = :pk AND sk > :a", "a\x00 a\x00b ab b ba c"},
		{"pk = :pk AND sk >= :b", "b ba c"},
		{"pk = :pk AND :b <= sk", "b ba c"},
		{"pk = :pk AND sk BETWEEN :a AND :b", "a a\x00 a\x00b ab b"},
		{"pk = :pk AND begins_with(sk, :a)", "a a\x00 a\x00b ab"},
		{"(pk = :pk) AND (begins_with(sk, :b))", "b ba"},
	} {
		values := item{":pk": str("q")}
		if strings.Contains(c.condition, ":a") {
			values[":a"] = str("a")
		}
		if strings.Contains(c.condition, ":b") {
			values[":b"] = str("b")
		}
		for _, forward := range []bool{true, false} {
			out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: &c.condition, ExpressionAttributeValues: values, ScanIndexForward: &forward})
			if err != nil {
				t.Fatalf("%s: %v", c.condition, err)
			}
			if !forward {
				slices.Reverse(out.Items)
			}
			if got := sorts(out.Items, "sk"); got != c.want || int(out.Count) != len(out.Items) {
				t.Errorf("%s (forward %t): %q, want %q", c.condition, forward, got, c.want)
			}
		}
	}
	out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :pk"),
		FilterExpression: aws.String("len = :two"), ProjectionExpression: aws.String("sk"), ExpressionAttributeValues: item{":pk": str("q"), ":two": num(2)}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "filtered and projected", out.Items, []map[string]types.AttributeValue{{"sk": str("a\x00")}, {"sk": str("ab")}, {"sk": str("ba")}})
	if out.Count != 3 || out.ScannedCount != 7 {
		t.Errorf("count %d of %d, want 3 of 7", out.Count, out.ScannedCount)
	}
	out, err = e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :pk"), Select: types.SelectCount, ExpressionAttributeValues: item{":pk": str("q")}})
	if err != nil || out.Count != 7 || out.Items != nil {
		t.Errorf("counting: %v, %v", out, err)
	}
}

func TestNumbersAndBinariesSortByValue(t *testing.T) {
	e := newEndpoint(t)
	numbers := e.create(t, &dynamodb.CreateTableInput{TableName: aws.String("numbers"), AttributeDefinitions: definition("pk:N sk:N"), KeySchema: keySchema("pk", "sk")})
	for _, n := range []string{"10", "9", "-10", "-9", "0", "0.5", "0.25", "-0.5", "1E100", "-1E100", "1E-100", "99.5", "100", "-1E-100", "-9.5"} {
		e.put(t, numbers, item{"pk": num(1), "sk": num(n)})
	}
	out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &numbers, KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": num("1.0")}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer("1"+strings.Repeat("0", 100), "1E100", "0."+strings.Repeat("0", 99)+"1", "1E-100").Replace(sorts(out.Items, "sk"))
	if want := "-1E100 -10 -9.5 -9 -0.5 -1E-100 0 1E-100 0.25 0.5 9 10 99.5 100 1E100"; got != want {
		t.Errorf("numbers: %s\n    want %s", got, want)
	}
	out, err = e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &numbers, KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :a AND :b"),
		ExpressionAttributeValues: item{":pk": num(1), ":a": num(-9), ":b": num("9.0")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(sorts(out.Items, "sk"), " ") + 1; got != 8 {
		t.Errorf("between -9 and 9: %d items, want 8", got)
	}
	binaries := e.create(t, &dynamodb.CreateTableInput{TableName: aws.String("binaries"), AttributeDefinitions: definition("pk:B sk:B"), KeySchema: keySchema("pk", "sk")})
	for _, b := range []string{"\xff", "\x00", "\x00\x01", "\x7f", "\x80", "\x00\xff", "\xff\xff"} {
		e.put(t, binaries, item{"pk": bin("p\xff"), "sk": bin(b)})
	}
	out, err = e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &binaries, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :b)"),
		ExpressionAttributeValues: item{":pk": bin("p\xff"), ":b": bin("\xff")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := sorts(out.Items, "sk"); got != "ff ffff" {
		t.Errorf("binaries that begin with ff: %s", got)
	}
	out, err = e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &binaries, KeyConditionExpression: aws.String("pk = :pk"), ExpressionAttributeValues: item{":pk": bin("p\xff")}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sorts(out.Items, "sk"), "00 0001 00ff 7f 80 ff ffff"; got != want {
		t.Errorf("binaries: %s, want %s", got, want)
	}
}

func TestPagesFollowOneAnother(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	const n = 23
	for i := range n {
		e.put(t, main, with(key("p", fmt.Sprintf("%02d", i)), item{"gpk": str("g"), "gsk": num(i / 3)}))
		e.put(t, main, key(fmt.Sprint("q", i), "x"))
	}
	for _, index := range []*string{nil, aws.String("global")} {
		for _, forward := range []bool{true, false} {
			in := &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :v"), ExpressionAttributeValues: item{":v": str("p")}, Limit: aws.Int32(5), ScanIndexForward: &forward}
			if index != nil {
				in.IndexName, in.KeyConditionExpression, in.ExpressionAttributeValues = index, aws.String("gpk = :v"), item{":v": str("g")}
			}
			var all []string
			pages := 0
			for p := dynamodb.NewQueryPaginator(e.client, in); p.HasMorePages(); pages++ {
				out, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(out.Items) > 5 {
					t.Errorf("a page of %d", len(out.Items))
				}
				all = append(all, strings.Fields(sorts(out.Items, "sk"))...)
			}
			if index == nil && !slices.IsSortedFunc(all, func(a, b string) int {
				if forward {
					return strings.Compare(a, b)
				}
				return strings.Compare(b, a)
			}) {
				t.Errorf("out of order: %v", all)
			}
			slices.Sort(all)
			if all = slices.Compact(all); len(all) != n || pages != 5 {
				t.Errorf("index %v forward %t: %d different items on %d pages, want %d on 5", index, forward, len(all), pages, n)
			}
		}
	}
	seen, segments := map[string]int{}, map[int32]bool{}
	for segment := range int32(4) {
		p := dynamodb.NewScanPaginator(e.client, &dynamodb.ScanInput{TableName: &main, Limit: aws.Int32(3), Segment: aws.Int32(segment), TotalSegments: aws.Int32(4)})
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range out.Items {
				segments[segment] = true
				seen[sorts([]map[string]types.AttributeValue{i}, "pk")+"/"+sorts([]map[string]types.AttributeValue{i}, "sk")]++
			}
		}
	}
	if len(seen) != 2*n {
		t.Errorf("a parallel scan has seen %d items, want %d", len(seen), 2*n)
	}
	if len(segments) < 2 { // of 24 partitions
		t.Errorf("only segment %v has items", segments)
	}
	for k, times := range seen {
		if times != 1 {
			t.Errorf("%s was scanned %d times", k, times)
		}
	}
}

func TestAPageEndsAtOneMegabyte(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	for i := range 5 {
		e.put(t, main, with(key("big", fmt.Sprint(i)), item{"x": str(strings.Repeat("x", 300<<10))}))
	}
	out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :v"), ExpressionAttributeValues: item{":v": str("big")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Items) != 4 { // the item that crosses the limit is the page's last
		t.Fatalf("%d items of 300 KB on a page", len(out.Items))
	}
	same(t, "LastEvaluatedKey", out.LastEvaluatedKey, key("big", "3"))
	out, err = e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :v"), ExpressionAttributeValues: item{":v": str("big")}, ExclusiveStartKey: out.LastEvaluatedKey})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Items) != 1 || out.LastEvaluatedKey != nil {
		t.Errorf("the second page: %d items, %v", len(out.Items), out.LastEvaluatedKey)
	}
}

func TestIndexesFollowTheTable(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	query := func(index, condition string, values item) []map[string]types.AttributeValue {
		t.Helper()
		out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, IndexName: &index, KeyConditionExpression: &condition, ExpressionAttributeValues: values})
		if err != nil {
			t.Fatal(err)
		}
		return out.Items
	}
	full := with(key("i", "1"), item{"gpk": str("g"), "gsk": num(2), "lsk": str("l"), "shown": str("s"), "unseen": str("h")})
	e.put(t, main, full)
	e.put(t, main, with(key("i", "2"), item{"gpk": str("g"), "gsk": num(10)}))
	e.put(t, main, with(key("i", "3"), item{"gpk": str("g")})) // without gsk: not in "global"
	g := item{":g": str("g")}
	if got := sorts(query("global", "gpk = :g", g), "sk"); got != "1 2" {
		t.Errorf("global: %s", got)
	}
	if got := sorts(query("global", "gpk = :g AND gsk > :n", item{":g": str("g"), ":n": num(2)}), "sk"); got != "2" {
		t.Errorf("global above 2: %s", got)
	}
	same(t, "a projection of everything", query("global", "gpk = :g AND gsk = :n", item{":g": str("g"), ":n": num(2)})[0], full)
	keys := query("keys", "gpk = :g", g)
	if len(keys) != 3 {
		t.Errorf("keys: %v", keys)
	}
	for _, k := range keys {
		if len(k) != 3 {
			t.Errorf("more than keys: %v", k)
		}
	}
	local := query("local", "pk = :pk AND lsk = :l", item{":pk": str("i"), ":l": str("l")})
	same(t, "local", local, []map[string]types.AttributeValue{{"pk": str("i"), "sk": str("1"), "lsk": str("l"), "shown": str("s")}})
	out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, IndexName: aws.String("local"), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: item{":pk": str("i")}, ProjectionExpression: aws.String("unseen"), ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a local index reads on in the table", out.Items, []map[string]types.AttributeValue{{"unseen": str("h")}})

	if _, err := e.client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &main, Key: key("i", "1"), UpdateExpression: aws.String("SET gsk = :n REMOVE lsk"), ExpressionAttributeValues: item{":n": num(20)}}); err != nil {
		t.Fatal(err)
	}
	if got := sorts(query("global", "gpk = :g", g), "sk"); got != "2 1" {
		t.Errorf("after an update: %s", got)
	}
	if got := query("local", "pk = :pk", item{":pk": str("i")}); len(got) != 0 {
		t.Errorf("after lsk has gone: %v", got)
	}
	if _, err := e.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &main, Key: key("i", "1")}); err != nil {
		t.Fatal(err)
	}
	if got := sorts(query("global", "gpk = :g", g), "sk"); got != "2" {
		t.Errorf("after a deletion: %s", got)
	}
	scan, err := e.client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &main, IndexName: aws.String("keys")})
	if err != nil || scan.Count != 2 {
		t.Errorf("scanning an index: %v, %v", scan, err)
	}
}

func TestBatches(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	var writes []types.WriteRequest
	var keys []map[string]types.AttributeValue
	for i := range 25 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: with(key("b", fmt.Sprintf("%02d", i)), item{"n": num(i)})}})
		keys = append(keys, key("b", fmt.Sprintf("%02d", i)))
	}
	out, err := e.client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{main: writes}})
	if err != nil || len(out.UnprocessedItems) != 0 {
		t.Fatalf("%v, %v", out, err)
	}
	got, err := e.client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{main: {
		Keys: append(keys, key("b", "none")), ProjectionExpression: aws.String("n")}}})
	if err != nil || len(got.Responses[main]) != 25 || len(got.UnprocessedKeys) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	_, err = e.client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{main: {
		{DeleteRequest: &types.DeleteRequest{Key: keys[0]}}, {DeleteRequest: &types.DeleteRequest{Key: key("b", "none")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if i := e.get(t, main, keys[0]); i != nil {
		t.Errorf("still there: %v", i)
	}
	// One bad request spoils the batch before anything is written.
	_, err = e.client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{main: {
		{PutRequest: &types.PutRequest{Item: keys[0]}}, {PutRequest: &types.PutRequest{Item: item{"pk": str("b")}}}}}})
	if err == nil || e.get(t, main, keys[0]) != nil {
		t.Errorf("a batch with a bad item: %v", err)
	}
}

func TestTransactions(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	other := e.create(t, &dynamodb.CreateTableInput{TableName: aws.String("other"), AttributeDefinitions: definition("id:S"), KeySchema: keySchema("id")})
	e.put(t, main, with(key("t", "state"), item{"rev": num(1)}))
	e.put(t, main, key("t", "old"))
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: aws.String(uuid.NewString()),
		TransactItems: []types.TransactWriteItem{
			{Update: &types.Update{TableName: &main, Key: key("t", "state"), UpdateExpression: aws.String("SET rev = rev + :one"), ConditionExpression: aws.String("rev = :one"), ExpressionAttributeValues: item{":one": num(1)}}},
			{Put: &types.Put{TableName: &main, Item: key("t", "in"), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
			{Delete: &types.Delete{TableName: &main, Key: key("t", "old")}},
			{ConditionCheck: &types.ConditionCheck{TableName: &other, Key: item{"id": str("x")}, ConditionExpression: aws.String("attribute_not_exists(id)")}},
		},
	}
	if _, err := e.client.TransactWriteItems(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		got, err := e.client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
			{Get: &types.Get{TableName: &main, Key: key("t", "state"), ProjectionExpression: aws.String("rev")}},
			{Get: &types.Get{TableName: &main, Key: key("t", "in")}},
			{Get: &types.Get{TableName: &main, Key: key("t", "old")}},
			{Get: &types.Get{TableName: &other, Key: item{"id": str("x")}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []item{{"rev": num(2)}, key("t", "in"), nil, nil} {
			same(t, fmt.Sprint(when, " item ", i), got.Responses[i].Item, want)
		}
	}
	check("after the transaction")
	if _, err := e.client.TransactWriteItems(t.Context(), in); err != nil {
		t.Errorf("the same transaction with its token again: %v", err)
	}
	check("after its repetition")
	changed := *in
	changed.TransactItems = in.TransactItems[:1]
	var mismatch *types.IdempotentParameterMismatchException
	if _, err := e.client.TransactWriteItems(t.Context(), &changed); !errors.As(err, &mismatch) {
		t.Errorf("another transaction with that token: %v", err)
	}
	again := *in
	again.ClientRequestToken = aws.String(uuid.NewString())
	var cancelled *types.TransactionCanceledException
	if _, err := e.client.TransactWriteItems(t.Context(), &again); !errors.As(err, &cancelled) {
		t.Errorf("the same transaction with another token: %v", err)
	} else if got := cancelled.ErrorMessage(); got != "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, ConditionalCheckFailed, None, None]" {
		t.Error(got)
	}
	check("after a cancelled one")
}

func TestConsumedCapacity(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	body := func(kb float64) types.AttributeValue { return str(strings.Repeat("x", int(kb*1024))) }
	indexed := with(key("c", "i"), item{"gpk": str("g"), "gsk": num(1), "lsk": str("l")})
	for _, c := range []struct {
		name  string
		do    func() (*types.ConsumedCapacity, error)
		total float64
	}{
		{"a put of less than 1 KB", func() (*types.ConsumedCapacity, error) { return e.consumedByPut(t, main, key("c", "a")) }, 1},
		{"a put of 1.5 KB", func() (*types.ConsumedCapacity, error) {
			return e.consumedByPut(t, main, with(key("c", "a"), item{"x": body(1.5)}))
		}, 2},
		{"a smaller put over a larger item", func() (*types.ConsumedCapacity, error) { return e.consumedByPut(t, main, key("c", "a")) }, 2},
		{"a put into all three indexes", func() (*types.ConsumedCapacity, error) { return e.consumedByPut(t, main, indexed) }, 4},
		{"the same put again, which changes no index", func() (*types.ConsumedCapacity, error) { return e.consumedByPut(t, main, indexed) }, 1},
		{"a put that moves an index entry", func() (*types.ConsumedCapacity, error) {
			return e.consumedByPut(t, main, with(indexed, item{"gsk": num(2)}))
		}, 3},
		{"a put that takes entries out of indexes", func() (*types.ConsumedCapacity, error) { return e.consumedByPut(t, main, key("c", "i")) }, 4},
		{"a consistent get of nothing", func() (*types.ConsumedCapacity, error) { return e.consumedByGet(t, main, key("c", "none"), true) }, 1},
		{"an eventually consistent get", func() (*types.ConsumedCapacity, error) { return e.consumedByGet(t, main, key("c", "a"), false) }, 0.5},
		{"a put of 9 KB", func() (*types.ConsumedCapacity, error) {
			return e.consumedByPut(t, main, with(key("c", "a"), item{"x": body(9)}))
		}, 10},
		{"a consistent get of 9 KB", func() (*types.ConsumedCapacity, error) { return e.consumedByGet(t, main, key("c", "a"), true) }, 3},
		{"an eventually consistent get of 9 KB", func() (*types.ConsumedCapacity, error) { return e.consumedByGet(t, main, key("c", "a"), false) }, 1.5},
		{"a query of 9 KB and a bit", func() (*types.ConsumedCapacity, error) {
			out, err := e.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &main, KeyConditionExpression: aws.String("pk = :v"), ExpressionAttributeValues: item{":v": str("c")}, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
			return out.ConsumedCapacity, err
		}, 1.5},
		{"a transactional put", func() (*types.ConsumedCapacity, error) {
			out, err := e.client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
				TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: &main, Item: key("c", "t")}}, {Put: &types.Put{TableName: &main, Item: key("c", "u")}}}})
			if err != nil {
				return nil, err
			}
			return &out.ConsumedCapacity[0], nil
		}, 4},
	} {
		got, err := c.do()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got == nil || got.CapacityUnits == nil || *got.CapacityUnits != c.total {
			t.Errorf("%s: %+v, want %v units", c.name, got, c.total)
		}
	}
	out, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &main, Item: indexed, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
	if err != nil {
		t.Fatal(err)
	}
	one := types.Capacity{CapacityUnits: aws.Float64(1)}
	same(t, "by index", *out.ConsumedCapacity, types.ConsumedCapacity{TableName: &main, CapacityUnits: aws.Float64(4), Table: &one,
		LocalSecondaryIndexes: map[string]types.Capacity{"local": one}, GlobalSecondaryIndexes: map[string]types.Capacity{"global": one, "keys": one}})
}

func (e *endpoint) consumedByPut(t *testing.T, table string, i item) (*types.ConsumedCapacity, error) {
	out, err := e.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: i, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return nil, err
	}
	return out.ConsumedCapacity, nil
}

func (e *endpoint) consumedByGet(t *testing.T, table string, key item, consistent bool) (*types.ConsumedCapacity, error) {
	out, err := e.client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: &consistent, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		return nil, err
	}
	return out.ConsumedCapacity, nil
}

func TestTablesAreDescribed(t *testing.T) {
	e := newEndpoint(t)
	main := e.createMain(t)
	e.put(t, main, with(key("d", "d"), item{"gpk": str("g"), "gsk": num(1)}))
	out, err := e.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &main})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Table
	if d.TableStatus != types.TableStatusActive || d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest || len(d.AttributeDefinitions) != 5 ||
		len(d.GlobalSecondaryIndexes) != 2 || len(d.LocalSecondaryIndexes) != 1 || !strings.HasSuffix(*d.TableArn, ":table/"+main) || d.CreationDateTime == nil {
		t.Errorf("%+v", d)
	}
	if e.own() && (*d.ItemCount != 1 || *d.TableSizeBytes != int64(len("pkdskdgpkggsk"))+2) { // AWS counts every six hours
		t.Errorf("%d items, %d bytes", *d.ItemCount, *d.TableSizeBytes)
	}
	list, err := e.client.ListTables(t.Context(), &dynamodb.ListTablesInput{ExclusiveStartTableName: aws.String(e.prefix), Limit: aws.Int32(1)})
	if err != nil || !slices.Equal(list.TableNames, []string{main}) {
		t.Errorf("tables: %v, %v", list, err)
	}
	ttl := func(name string, enabled bool) error {
		_, err := e.client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &main, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &name, Enabled: &enabled}})
		return err
	}
	if err := ttl("expiresAt", true); err != nil {
		t.Fatal(err)
	}
	described, err := e.client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &main})
	if err != nil || *described.TimeToLiveDescription.AttributeName != "expiresAt" {
		t.Errorf("TTL: %v, %v", described, err)
	}
	if err := ttl("expiresAt", true); err == nil {
		t.Error("TTL could be turned on twice")
	}
}
