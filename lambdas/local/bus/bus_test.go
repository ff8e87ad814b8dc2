package bus_test

import (
	"context"
	"encoding/json"
	"testing"

	"example.com/arvo/lambdas/local/bus"
)

type recorder struct{ bodies []string }

func (r *recorder) Deliver(_ context.Context, body []byte, _ string, _ map[string]string) error {
	r.bodies = append(r.bodies, string(body))
	return nil
}

func TestSmoke(t *testing.T) {
	r := &recorder{}
	s := bus.New(bus.Options{Region: "us-east-1", Account: "000000000000", Target: func(string) (bus.Target, bool) { return r, true }})
	if err := s.CreateRule(bus.Rule{Name: "r", Pattern: []byte(`{"source":["a"]}`), Enabled: true, Targets: []bus.TargetConfig{{ID: "1", ARN: "arn:aws:sqs:us-east-1:000000000000:q"}}}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Wire().Operations["PutEvents"](context.Background(), []byte(`{"Entries":[{"Source":"a","DetailType":"t","Detail":"{\"x\": [1, {}, \"\\u00e9 \\\"\"]}"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", out)
	if len(r.bodies) != 1 || !json.Valid([]byte(r.bodies[0])) {
		t.Fatal(r.bodies)
	}
	t.Log(r.bodies[0])
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
