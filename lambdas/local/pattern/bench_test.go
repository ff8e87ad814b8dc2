package pattern_test

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/pattern"
)

// envelope is an event of 1 KB as the bus matches it.
var envelope = []byte(`{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"com.payment.charge","source":"com.example.shop",` +
	`"account":"000000000000","time":"2026-11-23T10:00:00Z","region":"us-east-1","resources":[],"detail":{"id":"0d7a8a1f2b3c","source":"com.example.shop",` +
	`"type":"com.payment.charge","subject":"` + strings.Repeat("c3ViamVjdA", 40) + `","to":"com.payment.charge","specversion":"1.0",` +
	`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","data":{"customer":"c-1042","amount":{"value":129.9,"currency":"EUR"},` +
	`"lines":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"leave at the \"back\" door"}}}`)

// BenchmarkSet matches an event against three rules such as the system has.
func BenchmarkSet(b *testing.B) {
	set := pattern.NewSet(
		compile(b, `{"detail":{"to":["com.payment.charge","com.payment.refund","com.inventory.reserve","com.shipping.book"]}}`),
		compile(b, `{"detail":{"to":["api.thin.lambda"]}}`),
		compile(b, `{"$or":[{"detail":{"to":[{"anything-but":["com.payment.charge","com.payment.refund","com.inventory.reserve","com.shipping.book","api.thin.lambda"]}]}},{"detail":{"to":[{"exists":false}]}}]}`),
	)
	var matched []int
	b.SetBytes(int64(len(envelope)))
	b.ReportAllocs()
	for b.Loop() {
		matched = set.Match(envelope, matched[:0])
	}
	if len(matched) != 1 || matched[0] != 0 {
		b.Errorf("matched %v", matched)
	}
}

// BenchmarkSetArrays is the same with a rule whose fields lie in array elements.
func BenchmarkSetArrays(b *testing.B) {
	set := pattern.NewSet(compile(b, `{"detail":{"data":{"lines":{"sku":["B-7"],"n":[1]}}}}`))
	var matched []int
	b.SetBytes(int64(len(envelope)))
	b.ReportAllocs()
	for b.Loop() {
		matched = set.Match(envelope, matched[:0])
	}
	if len(matched) != 1 {
		b.Errorf("matched %v", matched)
	}
}

// BenchmarkDecode is what it would cost only to decode the event first.
func BenchmarkDecode(b *testing.B) {
	b.SetBytes(int64(len(envelope)))
	b.ReportAllocs()
	for b.Loop() {
		var event map[string]any
		if err := json.Unmarshal(envelope, &event); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	src := []byte(`{"detail":{"to":["com.payment.charge","com.payment.refund"],"n":[{"numeric":[">",5]}]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pattern.Compile(src); err != nil {
			b.Fatal(err)
		}
	}
}
