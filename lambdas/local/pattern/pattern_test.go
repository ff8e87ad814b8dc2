package pattern_test

import (
	"testing"

	"example.com/arvo/lambdas/local/pattern"
)

func TestSmoke(t *testing.T) {
	p, err := pattern.Compile([]byte(`{"detail": {"to": ["com.example.billing"], "total": [{"numeric": [">", 100]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match([]byte(`{"id":"x","detail":{"a":[1,{"b":"\""}],"to":"com.example.billing","total":101.5}}`)) {
		t.Error("no match")
	}
}
