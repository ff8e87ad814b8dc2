package jsontext

import (
	"strings"
	"testing"
)

// texts are strings as they come by: a subject (base64), an event inside a message, and prose beyond ASCII.
var texts = []struct{ name, text string }{
	{"base64", strings.Repeat("c3ViamVjdA", 30)},
	{"json", strings.Repeat(`{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","type":"com.payment.charge","amount":1250}`, 10)},
	{"prose", strings.Repeat("Größenordnung – naïve façade, 東京, ", 20)},
}

func BenchmarkAppendString(b *testing.B) {
	for _, c := range texts {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			var dst []byte
			for b.Loop() {
				dst = AppendString(dst[:0], c.text)
			}
		})
	}
}

func BenchmarkStringEnd(b *testing.B) {
	for _, c := range texts {
		literal := AppendString(nil, c.text)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(literal)))
			for b.Loop() {
				if _, _, err := StringEnd(literal, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnquote(b *testing.B) {
	for _, c := range texts {
		literal := AppendString(nil, c.text)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(literal)))
			for b.Loop() {
				if _, err := Unquote(literal); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
