package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

// charge is a good body.
const charge = `{"type":"com.payment.charge","data":{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_ok"}}`

// with puts members behind those of charge.
func with(members string) string { return strings.TrimSuffix(charge, "}") + "," + members + "}" }

// data puts other data into charge.
func data(data string) string { return `{"type":"com.payment.charge","data":` + data + `}` }

func TestPostEventsAccepts(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		name, body string
		changes    []change
	}{
		{"a type and its data", charge, nil},
		{"white space around it", " \n" + charge + "\n ", nil},
		{"the version that there is", with(`"version":"1.0.0"`), nil},
		{"null for what may be absent", with(`"version":null,"accesscontrol":null`), nil},
		{"a body in base64", base64.StdEncoding.EncodeToString([]byte(charge)), []change{member("isBase64Encoded", true)}},
		{"members of data that the contract does not know", data(`{"order_id":"o-1","amount":1,"currency":"EUR","method":"pm","note":1}`), nil},
		{"data of 63 levels, the body is the 64th", data(`{"order_id":"o-1","amount":1,"currency":"EUR","method":"pm","x":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}`), nil},
		{"4 KB of access control", with(`"accesscontrol":"` + strings.Repeat("<", 4<<10) + `"`), nil},
		{"200 KB", charge + strings.Repeat(" ", maxBody-len(charge)), nil},
		{"one key in two objects", data(`{"order_id":"o-1","amount":1,"currency":"EUR","method":"pm","a":[{"x":1},{"x":1}]}`), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got accepted
			d.post(t, c.body, c.changes...).into(t, http.StatusAccepted, &got)
			if on := d.bus.last(t); on.ID != got.ID || on.Subject != got.Subject {
				t.Errorf("answered %+v, on the bus is %s of %s", got, on.ID, on.Subject)
			}
		})
	}
}

func TestPostEventsRefuses(t *testing.T) {
	d := deploy(t)
	d.spy.before = func(operation string, _ any) error {
		t.Errorf("%s: bad input must leave nothing behind", operation)
		return errors.New("no")
	}
	for _, c := range []struct {
		name, body   string
		status       int
		kind, detail string // of the problem
		issues       []issue
	}{
		{"nothing", "", 400, "not-json", "it ends too early", nil},
		{"white space", " ", 400, "not-json", "", nil},
		{"text", "hello", 400, "not-json", "at byte 1: invalid character 'h' looking for beginning of value", nil},
		{"an array", "[" + charge + "]", 400, "not-json", `it must be an object, {"type": ..., "data": {...}}`, nil},
		{"null", "null", 400, "not-json", `it must be an object, {"type": ..., "data": {...}}`, nil},
		{"half an object", charge[:40], 400, "not-json", "unexpected EOF", nil},
		{"bytes that are no UTF-8", data("{\"order_id\":\"\xff\"}"), 400, "not-json", "it is not valid UTF-8", nil},
		{"a member that comes twice", with(`"type":"com.payment.refund"`), 400, "not-json", `at byte 109: the key "type" comes twice`, nil},
		{"a member that comes twice, once escaped", with(`"t\u0079pe":"com.payment.refund"`), 400, "not-json", `at byte 114: the key "type" comes twice`, nil},
		{"a key that comes twice in data", data(`{"amount":1,"amount":2}`), 400, "not-json", `at byte 56: the key "amount" comes twice`, nil},
		{"a key that comes twice far inside", data(`{"x":[{"y":{"z":1,"z":2}}]}`), 400, "not-json", `at byte 57: the key "z" comes twice`, nil},
		{"text behind it", charge + "x", 400, "not-json", "at byte 103: something follows the value", nil},
		{"another object behind it", charge + charge, 400, "not-json", "at byte 103: something follows the value", nil},
		{"65 levels", data(`{"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`), 400, "not-json", "at byte 104: it is nested deeper than 64 levels", nil},
		{"100,000 levels", data(`{"x":` + strings.Repeat("[", 100_000)), 400, "not-json", "at byte 104: it is nested deeper than 64 levels", nil},
		{"200 KB and a byte", charge + strings.Repeat(" ", maxBody-len(charge)+1), 413, "too-large", "a body may have 204800 bytes", nil},
		{"5 MB", charge + strings.Repeat(" ", 5<<20), 413, "too-large", "a body may have 204800 bytes", nil},
		{"a member that nobody reads", with(`"vesion":"1.0.0"`), 422, "contract", "see issues", []issue{{"/vesion", "", "no such member; there are type, data, version and accesscontrol"}}},
		{"a member whose name is a path", with(`"a/b~c":1`), 422, "contract", "see issues", []issue{{"/a~1b~0c", "", "no such member; there are type, data, version and accesscontrol"}}},
		{"the first of two members that nobody reads", with(`"b":1,"a":1`), 422, "contract", "see issues", []issue{{"/a", "", "no such member; there are type, data, version and accesscontrol"}}},
		{"a name in another case", `{"Type":"com.payment.charge","data":{}}`, 422, "contract", "see issues", []issue{{"/Type", "", "no such member; there are type, data, version and accesscontrol"}}},
		{"no type", `{"data":{}}`, 422, "contract", "see issues", []issue{{"/type", "", "it is required: the type of a service's event, such as com.payment.charge"}}},
		{"an empty type", `{"type":"","data":{}}`, 422, "contract", "see issues", []issue{{"/type", "", "it is required: the type of a service's event, such as com.payment.charge"}}},
		{"a type that is a number", `{"type":7,"data":{}}`, 422, "contract", "see issues", []issue{{"/type", "", "it must be a string"}}},
		{"a type that nobody accepts", `{"type":"com.nobody.home","data":{}}`, 404, "unknown-type", `type "com.nobody.home" is not in GET /contracts`, nil},
		{"a type that is an answer", `{"type":"evt.payment.charge.success","data":{}}`, 404, "unknown-type", `type "evt.payment.charge.success" is not in GET /contracts`, nil},
		{"a type that nobody accepts, without data", `{"type":"com.nobody.home"}`, 404, "unknown-type", `type "com.nobody.home" is not in GET /contracts`, nil},
		{"a long type comes back clipped between characters", `{"type":"` + strings.Repeat("é", 500) + `x","data":{}}`, 404, "unknown-type", `type "` + strings.Repeat("é", 50) + `…" is not in GET /contracts`, nil},
		{"no data", `{"type":"com.payment.charge"}`, 422, "contract", "see issues", []issue{{"/data", "", "it is required and must be an object"}}},
		{"data that is an array", data(`[]`), 422, "contract", "see issues", []issue{{"/data", "", "it is required and must be an object"}}},
		{"data that is null", data(`null`), 422, "contract", "see issues", []issue{{"/data", "", "it is required and must be an object"}}},
		{"data that is text", data(`"{}"`), 422, "contract", "see issues", []issue{{"/data", "", "it is required and must be an object"}}},
		{"a version that there is not", with(`"version":"9.9.9"`), 422, "contract", "see issues", []issue{{"/version", "", `com.payment.charge has no version "9.9.9"`}}},
		{"a version that is a number", with(`"version":1`), 422, "contract", "see issues", []issue{{"/version", "", "it must be a string"}}},
		{"an empty access control", with(`"accesscontrol":""`), 422, "contract", "see issues", []issue{{"/accesscontrol", "", "it must not be empty"}}},
		{"an access control of 4 KB and a byte", with(`"accesscontrol":"` + strings.Repeat("é", 2<<10) + `x"`), 422, "contract", "see issues", []issue{{"/accesscontrol", "", "it has 4097 bytes and may have 4096"}}},
		{"an access control that is an object", with(`"accesscontrol":{}`), 422, "contract", "see issues", []issue{{"/accesscontrol", "", "it must be a string"}}},
		{"data that breaks its contract, every fault with its place", data(`{"amount":0,"currency":"secret-1","method":77}`), 422, "contract", "see issues", []issue{
			{"/data/amount", "too_small", "must be at least 1"},
			{"/data/currency", "invalid_string", "must match ^[A-Z]{3}$"},
			{"/data/method", "invalid_type", "Expected string, received number"},
			{"/data/order_id", "invalid_type", "Required"},
		}},
		{"an item of a list that breaks its contract", `{"type":"com.inventory.reserve","data":{"order_id":"o-1","items":[{"sku":"a","quantity":1},{"sku":"secret-2","quantity":-77}]}}`, 422, "contract", "see issues", []issue{
			{"/data/items/1/quantity", "too_small", "must be at least 1"},
		}},
		{"a number beyond every float", data(`{"order_id":"o-1","amount":7e777,"currency":"EUR","method":"pm"}`), 422, "contract", "see issues", []issue{{"/data/amount", "", ""}}},
		{"half a surrogate pair", data(`{"order_id":"\ud800","amount":1,"currency":"EUR","method":"pm"}`), 422, "contract", "see issues", []issue{{"/data/order_id", "", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes := []change{member("body", c.body)}
			if !utf8.ValidString(c.body) { // JSON could not hold it
				changes = []change{member("body", base64.StdEncoding.EncodeToString([]byte(c.body))), member("isBase64Encoded", true)}
			}
			a := d.do(t, changes...)
			p := a.problem(t, c.status, c.kind)
			if c.detail != "" && p.Detail != c.detail {
				t.Errorf("detail %q, want %q", p.Detail, c.detail)
			}
			if len(c.issues) == 1 && c.issues[0].Reason == "" { // any reason will do
				for i := range p.Issues {
					p.Issues[i] = issue{Path: p.Issues[i].Path}
				}
			}
			if diff := cmp.Diff(c.issues, p.Issues); diff != "" {
				t.Errorf("issues (-want +got):\n%s", diff)
			}
			for _, value := range []string{"secret-1", "secret-2", "77"} {
				if strings.Contains(a.Body, value) && !strings.Contains(c.name, "type") {
					t.Errorf("the answer shows a value of the data: %s", a.Body)
				}
			}
			if len(a.Body) > 10_000 {
				t.Errorf("an answer of %d bytes", len(a.Body))
			}
		})
	}
	if strings.Contains(log.String(), "secret-1") || strings.Contains(log.String(), "secret-2") {
		t.Errorf("data is in the log:\n%s", log.String())
	}
	if len(d.bus.accepted) > 0 {
		t.Errorf("%d events are on the bus", len(d.bus.accepted))
	}
}

func TestManyFaultsMakeASmallAnswer(t *testing.T) {
	body := `{"type":"com.inventory.reserve","data":{"order_id":"o","items":[0` + strings.Repeat(",0", 100_000) + `]}}`
	a := deploy(t).post(t, body)
	if a.problem(t, http.StatusUnprocessableEntity, "contract"); len(a.Body) > 10_000 {
		t.Errorf("%d bytes", len(a.Body))
	}
}

var (
	idPattern   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	timePattern = regexp.MustCompile(`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"`)
)

// TestTheAnswerAndTheEvent pins a 202 and the event on the bus to the letter, but for what is new each time.
func TestTheAnswerAndTheEvent(t *testing.T) {
	d := deploy(t)
	a := d.post(t, with(`"accesscontrol":"role:clerk"`))
	if a.StatusCode != http.StatusAccepted {
		t.Fatal(a)
	}
	ev := d.bus.last(t)
	masked := func(s string) string {
		s = strings.NewReplacer(
			ev.Subject, "<subject>", pathOf(ev.Subject), "<subject in base64url>", ev.Traceparent, "<traceparent of the event's creation>",
		).Replace(s)
		return timePattern.ReplaceAllString(idPattern.ReplaceAllString(s, "<id>"), `"time":"<time>"`)
	}
	golden(t, "accepted.json", masked(a.Body))
	golden(t, "event.json", masked(d.bus.details[0])+"\n")
	want := http.Header{"Content-Type": {"application/json"}, "Location": {"/live/subjects/" + pathOf(ev.Subject)}}
	if diff := cmp.Diff(want, a.MultiValueHeaders); diff != "" {
		t.Error(diff)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTheSubjectLeadsToTheTrace(t *testing.T) {
	d := deploy(t)
	d.post(t, charge)
	ev := d.bus.last(t)
	if prefix, state := "00-65647c1a2b3c4d5e6f708192a3b4c5d6-", "arvo=53995c3f42cd8ad8"; !strings.HasPrefix(ev.Traceparent, prefix) || ev.Tracestate != state {
		t.Errorf("the trace is %q %q, want the REST API's, %q %q: a client's traceparent is never adopted", ev.Traceparent, ev.Tracestate, prefix, state)
	}
	s, err := arvo.ParseSubject(ev.Subject)
	if err != nil {
		t.Fatal(err)
	}
	s.Execution.ID, s.Content = "", ""
	want := arvo.Subject{
		Orchestrator: arvo.Orchestrator{Name: "com.payment.charge", Version: "1.0.0"}, Execution: arvo.Execution{Initiator: thinAPI},
		Meta: map[string]string{"trace": "1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	if len(ev.Subject) > arvo.MaxSubject {
		t.Errorf("%d bytes", len(ev.Subject))
	}
}

func TestTheAnswerLinksTheTraceInTheConsole(t *testing.T) {
	const trace = "1-65647c1a-2b3c4d5e6f708192a3b4c5d6"
	for _, c := range []struct{ name, region, trace, want string }{
		{"of a region", "eu-central-1", trace, "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#xray:traces/" + trace},
		{"of a region of China", "cn-north-1", trace, "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#xray:traces/" + trace},
		{"which no region shows", "", trace, ""},
		{"where there is none", "eu-central-1", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newAPI(api{region: c.region}).traceURL(c.trace); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	var a accepted
	deploy(t).post(t, charge).into(t, http.StatusAccepted, &a)
	if !strings.HasSuffix(a.Links.Trace, "#xray:traces/"+trace) {
		t.Errorf("the answer links %+v", a.Links)
	}
}

// Who invokes the function by himself sends no trace header.
func TestARequestWithoutATraceBeginsOne(t *testing.T) {
	d := deploy(t)
	out, err := d.Invoke(t.Context(), requestJSON(t))
	var a answer
	if err != nil || json.Unmarshal(out, &a) != nil || a.StatusCode != http.StatusAccepted {
		t.Fatal(string(out), err)
	}
	ev := d.bus.last(t)
	id := broker.TraceID(ev.Traceparent)
	if s, err := arvo.ParseSubject(ev.Subject); err != nil || id == "" || s.Meta["trace"] != id || !strings.Contains(a.Body, `"traceId":"`+id+`"`) {
		t.Errorf("the trace of %s is %q, the answer is %s", ev.Subject, ev.Traceparent, a.Body)
	}
}

func TestWithoutAStageTheLocationBeginsAtTheRoot(t *testing.T) {
	d := deploy(t)
	a := d.do(t, func(event map[string]any) { event["requestContext"].(map[string]any)["path"] = "/events" })
	if got, want := a.MultiValueHeaders.Get("Location"), "/subjects/"+pathOf(d.bus.last(t).Subject); got != want {
		t.Errorf("Location is %q, want %q", got, want)
	}
}

func TestABadKeyIsRefused(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		name   string
		values []string
		detail string
	}{
		{"empty", []string{""}, "it must have 1 to 255 characters"},
		{"256 characters", []string{strings.Repeat("k", 256)}, "it must have 1 to 255 characters"},
		{"twice", []string{"a", "a"}, "the header comes 2 times"},
		{"a control character", []string{"a\x01"}, "it must be printable ASCII"},
		{"a line break", []string{"a\nb"}, "it must be printable ASCII"},
		{"letters beyond ASCII", []string{"schlüssel"}, "it must be printable ASCII"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := d.post(t, charge, header("Idempotency-Key", c.values...)).problem(t, http.StatusBadRequest, "bad-key"); p.Detail != c.detail {
				t.Errorf("detail %q, want %q", p.Detail, c.detail)
			}
		})
	}
	if len(d.bus.accepted) > 0 {
		t.Error("an event is on the bus")
	}
}

func TestAKeyMakesRetriesOneRequest(t *testing.T) {
	d := deploy(t)
	key := header("idempotency-key", strings.Repeat("k", 255)) // a header's name has no case
	var first, second accepted
	d.post(t, charge, key).into(t, http.StatusAccepted, &first)
	d.post(t, charge, key).into(t, http.StatusAccepted, &second)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the retry was answered otherwise (-first +second):\n%s", diff)
	}
	if len(d.bus.details) != 2 || d.bus.details[0] != d.bus.details[1] {
		t.Errorf("while it is pending the very same event is published once more; on the bus are %q", d.bus.details)
	}
	d.post(t, data(`{"order_id":"o-2","amount":1,"currency":"EUR","method":"pm"}`), key).problem(t, http.StatusUnprocessableEntity, "key-reused")
	d.sink(t, answerTo(t, d.bus.last(t), "evt.payment.charge.success", "a1", nil))
	d.post(t, charge, key).into(t, http.StatusAccepted, &second)
	if second.Status != store.Completed || second.ID != first.ID || len(d.bus.details) != 2 {
		t.Errorf("completed: %+v, %d events on the bus", second, len(d.bus.details))
	}
}

func TestARequestInFlightIsNotRepeated(t *testing.T) {
	d := deploy(t)
	key := header("Idempotency-Key", "k")
	d.bus.during = func() {
		a := d.post(t, charge, key)
		if a.problem(t, http.StatusConflict, "in-flight"); a.MultiValueHeaders.Get("Retry-After") != "1" {
			t.Errorf("headers %v", a.MultiValueHeaders)
		}
	}
	var got accepted
	d.post(t, charge, key).into(t, http.StatusAccepted, &got)
}

func TestWhatTheBusDoesNotTakeIsNotAccepted(t *testing.T) {
	for name, refuse := range map[string]func(*bus){
		"an entry that is refused": func(b *bus) { b.refuse = true },
		"a call that fails":        func(b *bus) { b.fail = errors.New("no connection") },
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			var subject, id string
			d.spy.before = nil
			refuse(d.bus)
			key := header("Idempotency-Key", "k")
			a := d.post(t, charge, key)
			if a.problem(t, http.StatusServiceUnavailable, "unavailable"); a.MultiValueHeaders.Get("Retry-After") != "1" {
				t.Errorf("headers %v", a.MultiValueHeaders)
			}
			subject, id = d.onlyHead(t)
			d.bus.set(func() { d.bus.refuse, d.bus.fail = false, nil })
			var got accepted
			d.post(t, charge, key).into(t, http.StatusAccepted, &got)
			if got.Subject != subject || got.ID != id || d.bus.last(t).ID != id {
				t.Errorf("the retry is %+v, the first was %s of %s", got, id, subject)
			}
		})
	}
}

// A request whose time runs out while it is published still lands: who tries again need not wait for its flight to end.
func TestARequestThatRunsOutOfTimeLands(t *testing.T) {
	d := deploy(t)
	ctx, cancel := context.WithCancel(traced(t))
	d.bus.during, d.bus.fail = cancel, context.Canceled
	key := header("Idempotency-Key", "k")
	d.within(t, ctx, member("body", charge), key).problem(t, http.StatusServiceUnavailable, "unavailable")
	if ctx.Err() == nil {
		t.Fatal("its time has not run out")
	}
	d.bus.set(func() { d.bus.during, d.bus.fail = nil, nil })
	var got accepted
	d.post(t, charge, key).into(t, http.StatusAccepted, &got)
}

// onlyHead returns the subject of the only HEAD in the table, which is pending, and the id of its request.
func (d deployment) onlyHead(t *testing.T) (subject, id string) {
	t.Helper()
	name := storetest.ResponseTable
	out, err := d.spy.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range out.Items {
		pk, sk := fmt.Sprint(textOf(it["pk"])), textOf(it["sk"])
		if sk != "HEAD" {
			continue
		}
		if subject != "" {
			t.Fatal("there are two")
		}
		h, err := d.responses.Head(context.WithoutCancel(t.Context()), pk)
		if err != nil || h.Status != store.Pending || h.Request == nil {
			t.Fatalf("%+v, %v", h, err)
		}
		subject, id = pk, h.Request.ID
	}
	return subject, id
}

func FuzzReadEnvelope(f *testing.F) {
	f.Add([]byte(charge))
	f.Add([]byte(with(`"version":"1.0.0","accesscontrol":"x"`)))
	f.Add([]byte(`{"type":"a","data":{"x":[1,{"x":1e999}]}} `))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := readEnvelope(body)
		var p *problem
		if err != nil {
			if !errors.As(err, &p) || p.Status != 400 && p.Status != 422 {
				t.Errorf("%v", err)
			}
			return
		}
		if in.Type == "" || in.Data != nil && !json.Valid(in.Data) || !json.Valid(body) {
			t.Errorf("%q gave %+v", body, in)
		}
	})
}
