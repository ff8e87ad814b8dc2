package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/services"
)

// sources are those of all services, sorted.
func sources() []string {
	var all []string
	for _, c := range services.Contracts() {
		all = append(all, c.Type())
	}
	slices.Sort(all)
	return all
}

func TestHostedNamesServices(t *testing.T) {
	for _, c := range []struct {
		name, hosted string
		want         []string
		fault        string
	}{
		{"empty means all", "", sources(), ""},
		{"all means all", "all", sources(), ""},
		{"one", "com.payment.charge", []string{"com.payment.charge"}, ""},
		{"a list", "com.payment.charge,com.shipping.book", []string{"com.payment.charge", "com.shipping.book"}, ""},
		{"a list with spaces", " com.shipping.book , com.payment.charge ", []string{"com.payment.charge", "com.shipping.book"}, ""},
		{"one twice", "com.payment.charge,com.payment.charge", []string{"com.payment.charge"}, ""},
		{"one that there is not", "com.payment.charge,com.payment.refnud", nil, `HOSTED names "com.payment.refnud"`},
		{"a comma too many", "com.payment.charge,", nil, `HOSTED names ""`},
		{"nothing but spaces", "  ", nil, `HOSTED names ""`},
		{"all within a list", "all,com.payment.charge", nil, `HOSTED names "all"`},
		{"a name in another case", "com.payment.Charge", nil, `HOSTED names "com.payment.Charge"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := host(c.hosted, sandbox{}, arvotest.NewMemory(), silent(t))
			if c.fault != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.fault) {
					t.Errorf("got %v, want %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func pattern(t *testing.T, stack *template.Stack, rule string, into any) {
	t.Helper()
	for _, r := range stack.Rules {
		if r.Name != rule {
			continue
		}
		if err := json.Unmarshal(r.Pattern, into); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("template.yaml has no rule %s", rule)
}

// hostedBy are the sources of what a function of the template hosts.
func hostedBy(t *testing.T, stack *template.Stack, function string) ([]string, error) {
	t.Helper()
	for _, f := range stack.Functions {
		if f.Name == function {
			handlers, err := host(f.Environment["HOSTED"], sandbox{}, arvotest.NewMemory(), silent(t))
			return slices.Collect(maps.Keys(handlers)), err
		}
	}
	t.Fatalf("template.yaml has no function %s", function)
	return nil, nil
}

// A list of services that is not what it should be is an error, said once, however many ways to deploy have it.
type lists struct {
	t    *testing.T
	said map[string]bool
}

func (l lists) say(format string, args ...any) {
	l.t.Helper()
	if text := fmt.Sprintf(format, args...); !l.said[text] {
		l.said[text] = true
		l.t.Error(text)
	}
}

// hold says what the list in a place lacks and what it should not have. The order of a list does not matter.
func (l lists) hold(place string, want, got []string) {
	l.t.Helper()
	for _, source := range want {
		if !slices.Contains(got, source) {
			l.say("%s lacks %s", place, source)
		}
	}
	for i, source := range got {
		if !slices.Contains(want, source) || slices.Contains(got[:i], source) {
			l.say("%s has %s too much", place, source)
		}
	}
}

// TestTheTemplateRoutesToWhatIsHosted holds template.yaml, host.go and the list of contracts together: with all services
// in federated_handler, and with each of them in a Lambda of its own.
func TestTheTemplateRoutesToWhatIsHosted(t *testing.T) {
	l := lists{t, map[string]bool{}}
	all, err := host("all", sandbox{}, arvotest.NewMemory(), silent(t))
	if err != nil {
		t.Fatal(err)
	}
	l.hold("host in host.go", sources(), slices.Collect(maps.Keys(all)))

	const path = "../../template.yaml"
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := template.Parse("template.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	type to struct {
		Detail struct{ To []string }
	}
	for _, own := range append([]string{"none"}, sources()...) {
		stack, err := tmpl.Resolve(template.Inputs{
			StackName: "arvo", QueueURLBase: "http://127.0.0.1:4566", APIURL: "http://127.0.0.1:3000",
			Parameters: map[string]string{"OwnLambda": own},
		})
		if err != nil { // it is not among the AllowedValues
			l.say("OwnLambda=%s: %v", own, err)
			continue
		}
		here := slices.DeleteFunc(sources(), func(s string) bool { return s == own })
		var hosted to
		pattern(t, stack, "arvo-hosted", &hosted)
		l.hold("HostedRule in template.yaml", here, hosted.Detail.To)
		if own != "none" { // HOSTED is "all" otherwise
			switch in, err := hostedBy(t, stack, "arvo-federated_handler"); {
			case err != nil:
				l.say("HOSTED of FederatedHandler in template.yaml: %v", err)
			default:
				l.hold("HOSTED of FederatedHandler in template.yaml", here, in)
			}
			var rule to
			pattern(t, stack, "arvo-own", &rule)
			l.hold("OwnRule in template.yaml with OwnLambda="+own, []string{own}, rule.Detail.To)
			switch in, err := hostedBy(t, stack, "arvo-own_handler"); {
			case err != nil:
				l.say("HOSTED of OwnHandler in template.yaml: %v", err)
			default:
				l.hold("HOSTED of OwnHandler in template.yaml with OwnLambda="+own, []string{own}, in)
			}
		}
		var unroutable struct {
			Or []struct {
				Detail struct {
					To []map[string]json.RawMessage
				}
			} `json:"$or"`
		}
		pattern(t, stack, "arvo-unroutable", &unroutable)
		var known []string
		for _, or := range unroutable.Or {
			for _, to := range or.Detail.To {
				if list := to["anything-but"]; list != nil {
					if err := json.Unmarshal(list, &known); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		l.hold("UnroutableRule in template.yaml", append(sources(), thinAPI), known)
	}
}

// handler is an arvo.Handler in one function.
type handler func(context.Context, arvo.Event) ([]arvo.Event, error)

func (h handler) Handle(ctx context.Context, ev arvo.Event) ([]arvo.Event, error) { return h(ctx, ev) }

func TestAnEventGoesToWhomItIsAddressedTo(t *testing.T) {
	var got []string
	note := func(name string) arvo.Handler {
		return handler(func(_ context.Context, ev arvo.Event) ([]arvo.Event, error) {
			got = append(got, name)
			return nil, nil
		})
	}
	d := deploy(t, map[string]arvo.Handler{"com.one.service": note("one"), "com.other.service": note("other")})
	ev := request(t, "com.one.service", "e1", "{}")
	ev.To = "com.other.service" // its type does not matter
	if _, failed := d.deliver(t, ev); failed || len(got) != 1 || got[0] != "other" {
		t.Errorf("it went to %q, failed %v", got, failed)
	}
	ev.To = "com.nobody.home"
	if _, failed := d.deliver(t, ev); !failed || len(got) != 1 {
		t.Errorf("an event for nobody here must come to the dead-letter queue")
	}
	if !strings.Contains(d.log.String(), `no service \"com.nobody.home\" is hosted here`) {
		t.Errorf("the log does not say why:\n%s", d.log)
	}
}

func TestAnswersToClientsTellWhenTheirInputWasReceived(t *testing.T) {
	answer := request(t, "evt.one.service.done", "a1", "{}")
	answer.To, answer.Traceparent, answer.Tracestate = thinAPI, "", ""
	command := request(t, "com.other.service", "a2", "{}")
	command.Traceparent = strings.Replace(traceparent, "5399", "ffff", 1) // someone stamped it
	d := deploy(t, map[string]arvo.Handler{"com.one.service": handler(func(context.Context, arvo.Event) ([]arvo.Event, error) {
		return []arvo.Event{answer, command}, nil
	})})
	before := time.Now().UnixMilli()
	out, failed := d.deliver(t, request(t, "com.one.service", "e1", "{}"))
	if failed || len(out) != 2 {
		t.Fatalf("%d events, failed %v", len(out), failed)
	}
	received, ok := out[0].Extension("receivedat")
	if at, err := strconv.ParseInt(string(received), 10, 64); !ok || err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("receivedat is %s", received)
	}
	if _, ok := out[1].Extension("receivedat"); ok {
		t.Error("an event for a service has receivedat")
	}
	if out[0].Traceparent != traceparent || out[0].Tracestate != "vendor=1" {
		t.Errorf("the trace breaks off: %q %q", out[0].Traceparent, out[0].Tracestate)
	}
	if out[1].Traceparent != command.Traceparent {
		t.Errorf("a stamped trace was replaced by %q", out[1].Traceparent)
	}
}

func TestWhatBecomesOfAnEvent(t *testing.T) {
	d := deploy(t, nil)
	for _, c := range []struct {
		name, typ, data string
		want            string // the type of the only event; "" for a violation
	}{
		{"a charge is taken", "com.payment.charge", `{"order_id":"o","amount":1,"currency":"EUR","method":"pm"}`, "evt.payment.charge.success"},
		{"a refusal is an answer", "com.payment.charge", `{"order_id":"o","amount":1,"currency":"EUR","method":"pm_declined"}`, "evt.payment.charge.declined"},
		{"a failure of a service is a system error", "com.workload.simulate", `{"fail":1}`, "sys.com.workload.simulate.error"},
		{"data that breaks the contract is a violation", "com.payment.charge", `{"order_id":"secret"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, failed := d.deliver(t, request(t, c.typ, c.name, c.data))
			if c.want == "" {
				if !failed || len(out) > 0 {
					t.Errorf("published %d events, failed %v", len(out), failed)
				}
				return
			}
			if failed || len(out) != 1 || out[0].Type != c.want || out[0].To != thinAPI || out[0].ParentID != c.name {
				t.Errorf("failed %v: %+v", failed, out)
			}
		})
	}
	if !strings.Contains(d.log.String(), "ViolationError<Contract>") || strings.Contains(d.log.String(), "secret") {
		t.Errorf("the log:\n%s", d.log)
	}
}

// To the queue a system error is a success: without this line the log has nothing of a failure.
func TestASystemErrorIsAWarningInItsTrace(t *testing.T) {
	answer := func(typ, data string) map[string]arvo.Handler {
		ev := request(t, typ, "a1", data)
		ev.To = thinAPI
		return map[string]arvo.Handler{"com.one.service": handler(func(context.Context, arvo.Event) ([]arvo.Event, error) {
			return []arvo.Event{ev}, nil
		})}
	}
	for _, c := range []struct {
		name     string
		handlers map[string]arvo.Handler
		in       arvo.Event
		want     map[string]string // nil: there is no line
	}{
		{"a service that fails", nil, request(t, "com.workload.simulate", "e1", `{"fail":1,"pad":"secret"}`), map[string]string{
			"level": "WARN", "service": "com.workload.simulate", "type": "com.workload.simulate", "source": thinAPI, "answer": "sys.com.workload.simulate.error",
			"error_name": "SimulatedFailure", "subject": "order-1", "event_id": "e1",
			"trace_id": "65647c1a2b3c4d5e6f708192a3b4c5d6", "xray_trace_id": "1-65647c1a-2b3c4d5e6f708192a3b4c5d6",
		}},
		{"a service that succeeds", nil, charge(t, "e1"), nil},
		{"a service that refuses", nil, request(t, "com.payment.charge", "e1", `{"order_id":"o","amount":1,"currency":"EUR","method":"pm_declined"}`), nil},
		{"a text without end is cut, between characters", answer("sys.com.one.service.error", `{"errorName":"Long","errorMessage":"x`+strings.Repeat("é", 5000)+`","errorStack":"secret"}`),
			request(t, "com.one.service", "e1", "{}"), map[string]string{"error_name": "Long", "error": "x" + strings.Repeat("é", 499) + "…"}},
		{"data that is no system error's is kept out", answer("sys.com.one.service.error", `{"errorName":7,"errorMessage":["secret"]}`),
			request(t, "com.one.service", "e1", "{}"), map[string]string{"level": "WARN", "error_name": "", "error": "the system error's data is none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t, c.handlers)
			// The trace of a message is in its context, which is what a log line takes it from.
			d.Consumer = d.around(silent(t).Delivery)
			if out, failed := d.deliver(t, c.in); failed || len(out) != 1 {
				t.Fatalf("failed %v, %d events", failed, len(out))
			}
			if c.want == nil {
				if d.log.Len() > 0 {
					t.Errorf("the log:\n%s", d.log)
				}
				return
			}
			var line map[string]any
			if err := json.Unmarshal([]byte(d.log.String()), &line); err != nil {
				t.Fatalf("one line is due: %v:\n%s", err, d.log)
			}
			for key, want := range c.want {
				if line[key] != want {
					t.Errorf("%s is %q, want %q", key, line[key], want)
				}
			}
			if id, _ := line["span_id"].(string); len(id) != 16 || strings.Contains(d.log.String(), "secret") {
				t.Errorf("the log:\n%s", d.log)
			}
		})
	}
}

func TestAnOutputThatNoBusCarriesIsASystemError(t *testing.T) {
	pad := strings.Repeat("é", 200_000) // 200,000 characters in 400,000 bytes
	out, failed := deploy(t, nil).deliver(t, request(t, "com.workload.simulate", "e1", `{"pad":"`+pad+`"}`))
	if failed || len(out) != 1 || out[0].Type != "sys.com.workload.simulate.error" {
		t.Fatalf("failed %v, %d events", failed, len(out))
	}
	var data struct{ ErrorName, ErrorMessage string }
	if err := json.Unmarshal(out[0].Data, &data); err != nil || data.ErrorName != "EventTooLarge" || !strings.Contains(data.ErrorMessage, "bytes, over the limit of") {
		t.Errorf("%s", out[0].Data)
	}
}

// A function that is killed after the effect and before the publication has its message delivered again.
func TestAnEffectThatWasNotPublishedIsPublishedLater(t *testing.T) {
	for name, ev := range map[string]arvo.Event{
		"a charge":    charge(t, "e1"),
		"a refusal":   request(t, "com.payment.charge", "e2", `{"order_id":"o","amount":1,"currency":"EUR","method":"pm_declined"}`),
		"a booking":   request(t, "com.shipping.book", "e3", `{"order_id":"o","address":{"name":"A","street":"S 1","city":"C","postcode":"1","country":"DE"}}`),
		"a release":   request(t, "com.inventory.release", "e4", `{"reservation_id":"r-1"}`),
		"a simulated": request(t, "com.workload.simulate", "e5", `{"fanout":12}`),
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, nil)
			d.bus.fail = errors.New("killed")
			if out, failed := d.deliver(t, ev); !failed || len(out) > 0 {
				t.Fatalf("failed %v, %d events", failed, len(out))
			}
			d.bus.fail = nil
			again, failed := d.deliver(t, ev)
			third, _ := d.deliver(t, ev)
			control, _ := deploy(t, nil).deliver(t, ev) // the same without the failure
			if failed || len(again) == 0 || strings.HasPrefix(again[0].Type, "sys.") {
				t.Fatalf("failed %v: %+v", failed, again)
			}
			for _, evs := range [][]arvo.Event{again, third, control} {
				for i := range evs { // the only thing that is new
					evs[i].Time, evs[i].Extensions = "", nil
				}
			}
			if diff := cmp.Diff(again, third); diff != "" {
				t.Errorf("the third delivery gave other events:\n%s", diff)
			}
			if diff := cmp.Diff(control, again); diff != "" {
				t.Errorf("the failure changed the events:\n%s", diff)
			}
		})
	}
}
