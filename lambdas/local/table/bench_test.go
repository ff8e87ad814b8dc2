package table_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/wire"
)

// loaded returns a service with the table "responses": 1,000 partitions of 4 items of 1 KB.
func loaded(b *testing.B) wire.Service {
	b.Helper()
	s := table.New(table.Options{})
	b.Cleanup(s.Close)
	if err := s.Create(table.Schema{Name: "responses", Key: table.Key{Hash: "pk", Range: "sk"}, Attributes: map[string]string{"pk": "S", "sk": "S"}, TTLAttribute: "expiresAt"}); err != nil {
		b.Fatal(err)
	}
	w := s.Wire()
	for i := range 4000 {
		run(b, w, "PutItem", body(fmt.Sprint("s", i/4), fmt.Sprint("e", i%4)))
	}
	return w
}

func run(tb testing.TB, w wire.Service, operation, body string) string {
	out, err := w.Operations[operation](context.Background(), []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	raw, ok := out.(wire.Raw)
	if !ok {
		tb.Fatalf("%s answered a %T", operation, out)
	}
	return string(raw)
}

const event = `{\"specversion\":\"1.0\",\"id\":\"0199f3a2\",\"source\":\"com.payment.charge\",\"type\":\"evt.payment.charge.success\",\"data\":{\"amount\":1250,\"currency\":\"EUR\",\"note\":\"` +
	`0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789` +
	`0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"}}`

func body(pk, sk string) string {
	return `{"TableName":"responses","Item":{"pk":{"S":"` + pk + `"},"sk":{"S":"` + sk + `"},"status":{"S":"pending"},"acceptedAt":{"N":"1795428000000"},"deliveries":{"N":"1"},` +
		`"expiresAt":{"N":"1795999999"},"seen":{"SS":["a","b"]},"traceId":{"S":"1-12345678-123456789012345678901234"},"event":{"S":"` + event + `"}}}`
}

func benchmark(b *testing.B, operation string, body func(i int) string) {
	op := loaded(b).Operations[operation]
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := op(context.Background(), []byte(body(i))); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkPutItem(b *testing.B) {
	benchmark(b, "PutItem", func(i int) string { return body(fmt.Sprint("n", i), "HEAD") })
}

func BenchmarkPutItemIfAbsent(b *testing.B) {
	const condition = `,"ConditionExpression":"attribute_not_exists(pk)"}`
	benchmark(b, "PutItem", func(i int) string {
		put := body(fmt.Sprint("n", i), "HEAD")
		return put[:len(put)-1] + condition
	})
}

func BenchmarkUpdateItem(b *testing.B) {
	benchmark(b, "UpdateItem", func(i int) string {
		return fmt.Sprintf(`{"TableName":"responses","Key":{"pk":{"S":"s%d"},"sk":{"S":"e%d"}},"UpdateExpression":"SET #s = :s, completedAt = :t ADD deliveries :one, seen :seen",`+
			`"ConditionExpression":"attribute_exists(pk)","ExpressionAttributeNames":{"#s":"status"},"ExpressionAttributeValues":{":s":{"S":"completed"},":t":{"N":"1795428000001"},":one":{"N":"1"},":seen":{"SS":["c"]}}}`, i%1000, i%4)
	})
}

func BenchmarkGetItem(b *testing.B) {
	benchmark(b, "GetItem", func(i int) string {
		return fmt.Sprintf(`{"TableName":"responses","ConsistentRead":true,"Key":{"pk":{"S":"s%d"},"sk":{"S":"e%d"}}}`, i%1000, i%4)
	})
}

func BenchmarkQuery(b *testing.B) {
	benchmark(b, "Query", func(i int) string {
		return fmt.Sprintf(`{"TableName":"responses","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{":pk":{"S":"s%d"}}}`, i%1000)
	})
}

func BenchmarkTransactWriteItems(b *testing.B) {
	benchmark(b, "TransactWriteItems", func(i int) string {
		return fmt.Sprintf(`{"ClientRequestToken":"%d","TransactItems":[{"Put":%s},{"Update":{"TableName":"responses","Key":{"pk":{"S":"s%d"},"sk":{"S":"e0"}},"UpdateExpression":"ADD deliveries :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}]}`,
			i, body(fmt.Sprint("t", i), "HEAD"), i%1000)
	})
}

// BenchmarkItems tells how many bytes of memory an item takes, beyond its JSON.
func BenchmarkItems(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		s := table.New(table.Options{})
		if err := s.Create(table.Schema{Name: "responses", Key: table.Key{Hash: "pk", Range: "sk"}, Attributes: map[string]string{"pk": "S", "sk": "S"}}); err != nil {
			b.Fatal(err)
		}
		w := s.Wire()
		runtime.GC()
		runtime.ReadMemStats(&before)
		const n = 50_000
		for i := range n {
			run(b, w, "PutItem", fmt.Sprintf(`{"TableName":"responses","Item":{"pk":{"S":"subject-%08d"},"sk":{"S":"HEAD"},"status":{"S":"pending"}}}`, i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/item")
		runtime.KeepAlive(w)
		s.Close()
	}
}
