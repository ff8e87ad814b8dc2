package target

import (
	"testing"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
)

// TestAnswerID holds the load test's own reading of the formula against Arvo.
func TestAnswerID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.String()
		subject, source, id, handler := field.Draw(t, "subject"), field.Draw(t, "source"), field.Draw(t, "id"), field.Draw(t, "handler")
		if got, want := answerID(subject, source, id, handler), arvo.DeriveID(subject, source, id, handler, "0", ""); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
