package table_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/wire"
)

var modelSchema = table.Schema{
	Name: "model", Key: table.Key{Hash: "pk", Range: "sk"}, Attributes: map[string]string{"pk": "S", "sk": "N", "g": "S"},
	Indexes: []table.Index{
		{Name: "sparse", Key: table.Key{Hash: "g"}, Projection: "ALL"},
		{Name: "local", Key: table.Key{Hash: "pk", Range: "g"}, Local: true, Projection: "KEYS_ONLY"},
	},
}

// A modelItem is what the naive model keeps of an item.
type modelItem struct {
	pk string
	sk int
	g  string // "" for none
	n  int
}

func (i modelItem) json() string {
	g := ""
	if i.g != "" {
		g = fmt.Sprintf(`"g":{"S":%s},`, quote(i.g))
	}
	return fmt.Sprintf(`{%s"n":{"N":"%d"},"pk":{"S":%s},"sk":{"N":"%d"}}`, g, i.n, quote(i.pk), i.sk)
}

func (i modelItem) key() string {
	return fmt.Sprintf(`{"pk":{"S":%s},"sk":{"N":"%d"}}`, quote(i.pk), i.sk)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// items runs a Query or Scan page by page and returns the items as JSON, in order.
func items(t *rapid.T, w wire.Service, operation, parameters string, limit int) []string {
	var all []string
	start := ""
	for {
		var page struct {
			Items            []json.RawMessage
			LastEvaluatedKey json.RawMessage
		}
		out := must(t, w, operation, fmt.Sprintf(`{"TableName":"model","Limit":%d,%s%s}`, limit, parameters, start))
		if err := json.Unmarshal([]byte(out), &page); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		for _, i := range page.Items {
			all = append(all, string(i))
		}
		if page.LastEvaluatedKey == nil {
			return all
		}
		start = `,"ExclusiveStartKey":` + string(page.LastEvaluatedKey)
	}
}

func must(t *rapid.T, w wire.Service, operation, body string) string {
	out, err := w.Operations[operation](t.Context(), []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", operation, body, err)
	}
	return string(out.(wire.Raw))
}

// Any sequence of puts, updates and deletions leaves what a Go map would have, in the table and in its indexes, whatever
// the size of pages and the direction.
func TestATableIsAGoMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := table.New(table.Options{})
		defer s.Close()
		if err := s.Create(modelSchema); err != nil {
			t.Fatal(err)
		}
		w := s.Wire()
		model := map[string]modelItem{}
		draw := func(t *rapid.T) modelItem {
			return modelItem{
				pk: rapid.SampledFrom([]string{"a", "b", "ab", "a\x00"}).Draw(t, "pk"), sk: rapid.IntRange(-12, 12).Draw(t, "sk"),
				g: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "g"), n: rapid.IntRange(0, 3).Draw(t, "n"),
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i := draw(t)
				out := must(t, w, "PutItem", fmt.Sprintf(`{"TableName":"model","ReturnValues":"ALL_OLD","Item":%s}`, i.json()))
				want := `{}`
				if old, ok := model[i.key()]; ok {
					want = `{"Attributes":` + old.json() + `}`
				}
				if out != want {
					t.Fatalf("put returned %s, want %s", out, want)
				}
				model[i.key()] = i
			},
			"update": func(t *rapid.T) {
				i := draw(t)
				change, values := "ADD n :n REMOVE g", ""
				if i.g != "" {
					change, values = "ADD n :n SET g = :g", fmt.Sprintf(`,":g":{"S":%q}`, i.g)
				}
				out := must(t, w, "UpdateItem", fmt.Sprintf(`{"TableName":"model","ReturnValues":"ALL_NEW","Key":%s,"UpdateExpression":%q,"ExpressionAttributeValues":{":n":{"N":"%d"}%s}}`, i.key(), change, i.n, values))
				i.n += model[i.key()].n
				model[i.key()] = i
				if want := `{"Attributes":` + i.json() + `}`; out != want {
					t.Fatalf("update returned %s, want %s", out, want)
				}
			},
			"delete": func(t *rapid.T) {
				i := draw(t)
				must(t, w, "DeleteItem", fmt.Sprintf(`{"TableName":"model","Key":%s}`, i.key()))
				delete(model, i.key())
			},
			"": func(t *rapid.T) {
				limit := rapid.SampledFrom([]int{1, 2, 7, 30}).Draw(t, "limit")
				forward := rapid.Bool().Draw(t, "forward")
				pk, from := rapid.SampledFrom([]string{"a", "b", "ab", "a\x00"}).Draw(t, "pk"), rapid.IntRange(-13, 13).Draw(t, "from")
				var inRange, sparse, local, all []modelItem
				for _, i := range model {
					all = append(all, i)
					if i.pk == pk && i.sk >= from {
						inRange = append(inRange, i)
					}
					if i.g == "x" {
						sparse = append(sparse, i)
					}
					if i.pk == pk && i.g != "" {
						local = append(local, i)
					}
				}
				slices.SortFunc(inRange, func(a, b modelItem) int {
					if forward {
						return a.sk - b.sk
					}
					return b.sk - a.sk
				})
				sets := func(got []string, items []modelItem, show func(modelItem) string) {
					want := []string{}
					for _, i := range items {
						want = append(want, show(i))
					}
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("%q, want %q", got, want)
					}
				}
				// One look a step: all of them would take most of the test's time.
				switch rapid.SampledFrom([]string{"query", "scan", "sparse index", "local index"}).Draw(t, "look at") {
				case "query":
					want := []string{}
					for _, i := range inRange {
						want = append(want, i.json())
					}
					got := items(t, w, "Query", fmt.Sprintf(`"KeyConditionExpression":"pk = :pk AND sk >= :from","ExpressionAttributeValues":{":pk":{"S":%s},":from":{"N":"%d"}},"ScanIndexForward":%t`, quote(pk), from, forward), limit)
					if !slices.Equal(got, want) {
						t.Fatalf("%q, want %q", got, want)
					}
				case "scan":
					sets(items(t, w, "Scan", `"Select":"ALL_ATTRIBUTES"`, limit), all, modelItem.json)
				case "sparse index":
					sets(items(t, w, "Query", fmt.Sprintf(`"IndexName":"sparse","KeyConditionExpression":"g = :g","ExpressionAttributeValues":{":g":{"S":"x"}},"ScanIndexForward":%t`, forward), limit), sparse, modelItem.json)
				case "local index":
					sets(items(t, w, "Query", fmt.Sprintf(`"IndexName":"local","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{":pk":{"S":%s}}`, quote(pk)), limit), local,
						func(i modelItem) string {
							return fmt.Sprintf(`{"g":{"S":%s},"pk":{"S":%s},"sk":{"N":"%d"}}`, quote(i.g), quote(i.pk), i.sk)
						})
				}
				if got := s.Items("model"); got != int64(len(model)) {
					t.Fatalf("%d items, want %d", got, len(model))
				}
			},
		})
	})
}

// state is everything that can be seen of the model table: its items, and the counts and sizes of its indexes.
func state(t *rapid.T, w wire.Service) string {
	out, err := w.Operations["DescribeTable"](t.Context(), []byte(`{"TableName":"model"}`))
	if err != nil {
		t.Fatal(err)
	}
	described, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return must(t, w, "Scan", `{"TableName":"model"}`) + must(t, w, "Scan", `{"TableName":"model","IndexName":"sparse"}`) + must(t, w, "Scan", `{"TableName":"model","IndexName":"local"}`) + string(described)
}

// A transaction of writes that would succeed, and one part that fails somewhere among them, changes nothing.
func TestACancelledTransactionChangesNothing(t *testing.T) {
	failures := []string{
		`{"ConditionCheck":{"TableName":"model","Key":{"pk":{"S":"fails"},"sk":{"N":"0"}},"ConditionExpression":"attribute_exists(pk)"}}`,
		`{"Put":{"TableName":"model","Item":{"pk":{"S":"fails"},"sk":{"N":"0"}},"ConditionExpression":"attribute_exists(pk)"}}`,
		`{"Delete":{"TableName":"model","Key":{"pk":{"S":"fails"},"sk":{"N":"0"}},"ConditionExpression":"n = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}}`,
		`{"Update":{"TableName":"model","Key":{"pk":{"S":"fails"},"sk":{"N":"0"}},"UpdateExpression":"SET n = absent"}}`,
		`{"Update":{"TableName":"model","Key":{"pk":{"S":"fails"},"sk":{"N":"0"}},"UpdateExpression":"SET g = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		s := table.New(table.Options{})
		defer s.Close()
		if err := s.Create(modelSchema); err != nil {
			t.Fatal(err)
		}
		w := s.Wire()
		for i := range 5 {
			must(t, w, "PutItem", fmt.Sprintf(`{"TableName":"model","Item":%s}`, modelItem{pk: "a", sk: i, g: "x", n: i}.json()))
		}
		before := state(t, w)
		var parts []string
		for _, sk := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 6, rapid.ID).Draw(t, "items") {
			i := modelItem{pk: "a", sk: sk, g: "y", n: 9}
			parts = append(parts, rapid.SampledFrom([]string{
				fmt.Sprintf(`{"Put":{"TableName":"model","Item":%s}}`, i.json()),
				fmt.Sprintf(`{"Delete":{"TableName":"model","Key":%s}}`, i.key()),
				fmt.Sprintf(`{"Update":{"TableName":"model","Key":%s,"UpdateExpression":"ADD n :n","ExpressionAttributeValues":{":n":{"N":"1"}}}}`, i.key()),
			}).Draw(t, "part"))
		}
		parts = slices.Insert(parts, rapid.IntRange(0, len(parts)).Draw(t, "place"), rapid.SampledFrom(failures).Draw(t, "failure"))
		_, err := w.Operations["TransactWriteItems"](t.Context(), []byte(`{"TransactItems":[`+strings.Join(parts, ",")+`]}`))
		if err == nil || !strings.HasPrefix(err.Error(), "TransactionCanceledException") {
			t.Fatalf("the transaction: %v", err)
		}
		if after := state(t, w); after != before {
			t.Fatalf("before %s\nafter %s", before, after)
		}
	})
}

// Transfers between accounts in two tables keep the sum, and no transaction waits for another one for ever.
func TestConcurrentTransactionsAreSerialised(t *testing.T) {
	s := table.New(table.Options{})
	defer s.Close()
	names := []string{"one", "two"}
	w := s.Wire()
	for _, name := range names {
		if err := s.Create(table.Schema{Name: name, Key: table.Key{Hash: "id"}, Attributes: map[string]string{"id": "S"}}); err != nil {
			t.Fatal(err)
		}
		run(t, w, "PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"id":{"S":"x"},"n":{"N":"1000"}}}`, name))
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for range 100 {
				from, to := names[worker%2], names[1-worker%2]
				run(t, w, "TransactWriteItems", fmt.Sprintf(`{"TransactItems":[
					{"Update":{"TableName":%q,"Key":{"id":{"S":"x"}},"UpdateExpression":"SET n = n - :n","ExpressionAttributeValues":{":n":{"N":"1"}}}},
					{"Update":{"TableName":%q,"Key":{"id":{"S":"x"}},"UpdateExpression":"SET n = n + :n","ExpressionAttributeValues":{":n":{"N":"1"}}}}]}`, from, to))
				var got struct {
					Responses []struct {
						Item struct{ N struct{ N json.Number } }
					}
				}
				out := run(t, w, "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"two","Key":{"id":{"S":"x"}}}},{"Get":{"TableName":"one","Key":{"id":{"S":"x"}}}}]}`)
				if err := json.Unmarshal([]byte(out), &got); err != nil {
					t.Error(err)
					return
				}
				a, errA := got.Responses[0].Item.N.N.Int64()
				b, errB := got.Responses[1].Item.N.N.Int64()
				if errA != nil || errB != nil || a+b != 2000 {
					t.Errorf("a transaction is seen half done: %s", out)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestExpiredItemsAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(table.Options{})
		defer s.Close()
		schema := modelSchema
		schema.TTLAttribute = "expiresAt"
		if err := s.Create(schema); err != nil {
			t.Fatal(err)
		}
		w := s.Wire()
		now := time.Now()
		for name, expires := range map[string]string{
			"soon":      fmt.Sprintf(`{"N":"%d"}`, now.Add(90*time.Second).Unix()),
			"late":      fmt.Sprintf(`{"N":"%d"}`, now.Add(time.Hour).Unix()),
			"ancient":   fmt.Sprintf(`{"N":"%d"}`, now.AddDate(-6, 0, 0).Unix()),
			"recent":    fmt.Sprintf(`{"N":"%d"}`, now.AddDate(-4, 0, 0).Unix()),
			"string":    fmt.Sprintf(`{"S":"%d"}`, now.Unix()),
			"negative":  `{"N":"-1"}`,
			"huge":      `{"N":"1E100"}`,
			"fraction":  fmt.Sprintf(`{"N":"%d.5"}`, now.Unix()),
			"millis":    fmt.Sprintf(`{"N":"%d"}`, now.UnixMilli()),
			"noExpires": "",
		} {
			if expires != "" {
				expires = `,"expiresAt":` + expires
			}
			run(t, w, "PutItem", fmt.Sprintf(`{"TableName":"model","Item":{"pk":{"S":%q},"sk":{"N":"0"},"g":{"S":"x"}%s}}`, name, expires))
		}
		left := func() []string {
			left := map[string]bool{}
			for _, index := range []string{``, `,"IndexName":"sparse"`} {
				var page struct {
					Items []struct{ PK struct{ S string } }
				}
				if err := json.Unmarshal([]byte(run(t, w, "Scan", `{"TableName":"model"`+index+`}`)), &page); err != nil {
					t.Fatal(err)
				}
				for _, i := range page.Items {
					left[i.PK.S] = true
				}
			}
			return slices.Sorted(maps.Keys(left))
		}
		stay := []string{"ancient", "huge", "late", "millis", "negative", "noExpires", "string"}
		time.Sleep(61 * time.Second) // fake time, of the bubble
		synctest.Wait()
		if got, want := left(), slices.Sorted(slices.Values(append([]string{"soon"}, stay...))); !slices.Equal(got, want) {
			t.Errorf("after a minute there are %q, want %q", got, want)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := left(); !slices.Equal(got, stay) {
			t.Errorf("after three minutes there are %q, want %q", got, stay)
		}
		// TTL turned off, nothing is deleted any more; turned on again, it is.
		run2 := func(enabled bool) {
			if _, err := w.Operations["UpdateTimeToLive"](t.Context(), fmt.Appendf(nil, `{"TableName":"model","TimeToLiveSpecification":{"AttributeName":"expiresAt","Enabled":%t}}`, enabled)); err != nil {
				t.Fatal(err)
			}
		}
		run2(false)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := left(); !slices.Equal(got, stay) {
			t.Errorf("without TTL there are %q, want %q", got, stay)
		}
		run2(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := left(); slices.Contains(got, "late") {
			t.Errorf("with TTL again there are %q", got)
		}
	})
}

func TestATokenIsForgottenAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(table.Options{})
		defer s.Close()
		if err := s.Create(modelSchema); err != nil {
			t.Fatal(err)
		}
		w := s.Wire()
		add := func() string {
			return run(t, w, "TransactWriteItems", `{"ClientRequestToken":"t","ReturnConsumedCapacity":"TOTAL","TransactItems":[{"Update":{"TableName":"model","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"ADD n :n","ExpressionAttributeValues":{":n":{"N":"1"}}}}]}`)
		}
		n := func() string {
			return run(t, w, "GetItem", `{"TableName":"model","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"ProjectionExpression":"n"}`)
		}
		if got, want := add(), `{"ConsumedCapacity":[{"TableName":"model","CapacityUnits":2,"WriteCapacityUnits":2}]}`; got != want {
			t.Errorf("the first: %s", got)
		}
		time.Sleep(10*time.Minute - time.Second)
		if got, want := add(), `{"ConsumedCapacity":[{"TableName":"model","CapacityUnits":2,"ReadCapacityUnits":2}]}`; got != want {
			t.Errorf("a repetition, which only reads: %s", got)
		}
		if got := n(); got != `{"Item":{"n":{"N":"1"}}}` {
			t.Errorf("within ten minutes: %s", got)
		}
		time.Sleep(time.Second)
		add()
		if got := n(); got != `{"Item":{"n":{"N":"2"}}}` {
			t.Errorf("after ten minutes: %s", got)
		}
	})
}

func TestHooksDelayAndRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := false
		s := table.New(table.Options{Latency: func() time.Duration { return 3 * time.Millisecond }, Throttle: func() bool { return throttle }})
		defer s.Close()
		if err := s.Create(modelSchema); err != nil {
			t.Fatal(err)
		}
		w := s.Wire()
		start := time.Now()
		run(t, w, "Scan", `{"TableName":"model"}`)
		if took := time.Since(start); took != 3*time.Millisecond {
			t.Errorf("a call took %v", took)
		}
		throttle = true
		if _, err := w.Operations["Scan"](t.Context(), []byte(`{"TableName":"model"}`)); err == nil || !strings.HasPrefix(err.Error(), "ThrottlingException") {
			t.Errorf("an injected fault: %v", err)
		}
	})
}

func Example() {
	s := table.New(table.Options{Region: "us-east-1", Account: "000000000000"})
	defer s.Close()
	if err := s.Create(table.Schema{Name: "orders", Key: table.Key{Hash: "pk"}, Attributes: map[string]string{"pk": "S"}}); err != nil {
		fmt.Println(err)
		return
	}
	mux := &wire.Mux{} // an http.Handler: give it to a server, and the SDK its address
	mux.Handle(s.Wire())
	put := s.Wire().Operations["PutItem"]
	for range 2 {
		_, err := put(nil, []byte(`{"TableName":"orders","Item":{"pk":{"S":"1"}},"ConditionExpression":"attribute_not_exists(pk)"}`))
		fmt.Println(err, s.Items("orders"))
	}
	// Output:
	// <nil> 1
	// ConditionalCheckFailedException: The conditional request failed 1
}

// A batch answers at most 16 MB; the keys beyond come back as they were, to be asked for again.
func TestABatchGetEndsAtSixteenMegabytes(t *testing.T) {
	s := table.New(table.Options{})
	defer s.Close()
	if err := s.Create(modelSchema); err != nil {
		t.Fatal(err)
	}
	w := s.Wire()
	big := strings.Repeat("x", 399<<10)
	var keys []string
	for i := range 45 {
		run(t, w, "PutItem", fmt.Sprintf(`{"TableName":"model","Item":{"pk":{"S":"a"},"sk":{"N":"%d"},"big":{"S":"%s"}}}`, i, big))
		keys = append(keys, modelItem{pk: "a", sk: i}.key())
	}
	got, calls := 0, 0
	request := fmt.Sprintf(`{"model":{"Keys":[%s],"ProjectionExpression":"#s","ExpressionAttributeNames":{"#s":"sk"}}}`, strings.Join(keys, ","))
	for ; request != "{}" && calls < 5; calls++ {
		var out struct {
			Responses       map[string][]map[string]struct{ N string }
			UnprocessedKeys json.RawMessage
		}
		if err := json.Unmarshal([]byte(run(t, w, "BatchGetItem", `{"RequestItems":`+request+`}`)), &out); err != nil {
			t.Fatal(err)
		}
		for _, i := range out.Responses["model"] {
			if len(i) != 1 || i["sk"].N == "" { // the whole item counts, whatever is shown of it
				t.Fatalf("an item shows as %v", i)
			}
		}
		got += len(out.Responses["model"])
		request = string(out.UnprocessedKeys)
		if strings.Contains(request, "null") {
			t.Errorf("the keys come back with more than was there: %s", request)
		}
	}
	if got != 45 || calls != 2 {
		t.Errorf("%d items in %d calls, want 45 in 2", got, calls)
	}
}
