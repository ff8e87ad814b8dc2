package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

func TestASubjectTellsWhatBecameOfARequest(t *testing.T) {
	d := deploy(t)
	before := time.Now().UTC().Truncate(time.Millisecond)
	d.post(t, with(`"accesscontrol":"role:clerk"`))
	request := d.bus.last(t)
	answer := answerTo(t, request, "evt.payment.charge.success", "a1", map[string]any{"text": `"accesscontrol":null,`, "order_id": "<o-1>"})
	d.sink(t, answer, answer)
	a := d.get(t, "/subjects/"+pathOf(request.Subject))
	var view map[string]json.RawMessage
	a.into(t, http.StatusOK, &view)
	// What the answer is without its access control: the text above is data and stays.
	text, err := answer.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	public := strings.Replace(string(text), `"accesscontrol":"role:clerk",`, "", 1)
	for name, want := range map[string]string{
		"subject": `"` + request.Subject + `"`, "status": `"completed"`, "traceId": `"1-65647c1a-2b3c4d5e6f708192a3b4c5d6"`,
		"executionUnits": "1.5", "deliveries": "2", "events": "[" + public + "]",
	} {
		if got := string(view[name]); got != want {
			t.Errorf("%s is\n%s, want\n%s", name, got, want)
		}
	}
	for _, name := range []string{"acceptedAt", "completedAt"} {
		var at time.Time
		if err := json.Unmarshal(view[name], &at); err != nil || at.Before(before) || at.After(time.Now()) || len(view[name]) != len(`"2026-11-23T07:00:00.123Z"`) {
			t.Errorf("%s is %s, %v", name, view[name], err)
		}
	}
	if len(view) != 8 {
		t.Errorf("the answer has %d members: %s", len(view), a.Body)
	}
	if strings.Contains(a.Body, "clerk") {
		t.Errorf("the access control is shown: %s", a.Body)
	}
	if diff := cmp.Diff(http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}, a.MultiValueHeaders); diff != "" {
		t.Error(diff)
	}
}

func TestAnAccessControlLikeTextInDataStays(t *testing.T) {
	d := deploy(t)
	for i, accessControl := range []string{"", "role"} {
		request := arvo.Event{To: "com.nobody.knows", Subject: fmt.Sprint("order-", i), AccessControl: accessControl}
		ev := answerTo(t, request, "evt.nobody.knows.done", "e", map[string]any{"accesscontrol": nil, "z": "mine"})
		d.sink(t, ev)
		var view subjectView
		d.get(t, "/subjects/"+request.Subject).into(t, http.StatusOK, &view)
		var got struct {
			Data          json.RawMessage
			AccessControl json.RawMessage
		}
		if err := json.Unmarshal(view.Events[0], &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Data) != `{"accesscontrol":null,"z":"mine"}` || got.AccessControl != nil {
			t.Errorf("%s", view.Events[0])
		}
	}
}

func TestASubjectIsFound(t *testing.T) {
	d := deploy(t)
	var made string // until its base64 has a character of each kind
	for !strings.Contains(made, "+") || !strings.Contains(made, "/") {
		d.post(t, charge)
		made = d.bus.last(t).Subject
	}
	literal := pathOf(made) // somebody chose as a subject what another one is in base64url
	d.sink(t, answerTo(t, arvo.Event{To: "com.nobody.knows", Subject: "order-1"}, "evt.nobody.knows.done", "e", nil))
	for _, c := range []struct {
		name, target string
		want         string // the subject; "" for none
	}{
		{"by its path in base64url", "/subjects/" + pathOf(made), made},
		{"by its path percent-encoded", "/subjects/" + url.PathEscape(made), made},
		{"by its query percent-encoded", "/subjects?subject=" + url.QueryEscape(made), made},
		{"by its query with a + that the client forgot to encode", "/subjects?subject=" + made, made},
		{"by the literal name of one that is no orchestration", "/subjects/order-1", "order-1"},
		{"and by its query", "/subjects?subject=order-1", "order-1"},
		{"not by a query in base64url", "/subjects?subject=" + pathOf(made), ""},
		{"not when nobody has made it", "/subjects/order-2", ""},
		{"not when it is larger than any", "/subjects/" + strings.Repeat("x", 5000), ""},
		{"not with a slash in it", "/subjects/order%2F1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := d.get(t, c.target)
			if c.want == "" {
				a.problem(t, http.StatusNotFound, "unknown-subject")
				return
			}
			var view subjectView
			if a.into(t, http.StatusOK, &view); view.Subject != c.want {
				t.Errorf("found %s", view.Subject)
			}
		})
	}
	t.Run("literally first", func(t *testing.T) {
		d.sink(t, answerTo(t, arvo.Event{To: "com.nobody.knows", Subject: literal}, "evt.nobody.knows.done", "e", nil))
		var view subjectView
		if d.get(t, "/subjects/"+literal).into(t, http.StatusOK, &view); view.Subject != literal {
			t.Errorf("found %s", view.Subject)
		}
	})
}

func TestAQueryThatCannotBeUsed(t *testing.T) {
	d := deploy(t)
	d.post(t, charge)
	path := "/subjects/" + pathOf(d.bus.last(t).Subject)
	for _, c := range []struct {
		name, target string
		status       int
	}{
		{"no subject", "/subjects", 400},
		{"an empty subject", "/subjects?subject=", 400},
		{"two subjects", "/subjects?subject=a&subject=b", 400},
		{"a wait of 0", path + "?wait=0", 200},
		{"a wait below a second", path + "?wait=0.01", 200},
		{"an empty wait", path + "?wait=", 200},
		{"two waits", path + "?wait=0&wait=0", 400},
		{"two pages at once", path + "?after=&after=", 400},
		{"a wait of 11", path + "?wait=11", 400},
		{"a wait a little over 10", path + "?wait=10.001", 400},
		{"a negative wait", path + "?wait=-1", 400},
		{"a wait that is no number", path + "?wait=x", 400},
		{"a wait that is NaN", path + "?wait=NaN", 400},
		{"an infinite wait", path + "?wait=Inf", 400},
		{"a cursor that is not base64", path + "?after=*", 400},
		{"a cursor that is none", path + "?after=SEVBRA", 400},
		{"a cursor longer than any key", path + "?after=RVZFTlQj" + strings.Repeat("AAAA", 1000), 400},
		{"a cursor behind everything", path + "?after=RVZFTlQjfn4", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := d.get(t, c.target); c.status != 200 {
				a.problem(t, c.status, "bad-query")
			} else if a.StatusCode != 200 {
				t.Errorf("%d %s", a.StatusCode, a.Body)
			}
		})
	}
}

func TestACompletionDuringAWaitIsSeen(t *testing.T) {
	d := deploy(t)
	d.post(t, charge)
	request := d.bus.last(t)
	reads := make(chan struct{}, 1000)
	d.spy.before = func(operation string, _ any) error {
		if operation == "GetItem" {
			reads <- struct{}{}
		}
		return nil
	}
	payload := requestJSON(t, at(t, "GET /subjects/"+pathOf(request.Subject)+"?wait=10"))
	answered := make(chan []byte, 1)
	go func() {
		out, err := d.Invoke(t.Context(), payload)
		if err != nil {
			t.Error(err)
		}
		answered <- out
	}()
	<-reads
	<-reads // it has found the subject pending, and looks again
	d.sink(t, answerTo(t, request, "evt.payment.charge.success", "a1", nil))
	var a answer
	if err := json.Unmarshal(<-answered, &a); err != nil {
		t.Fatal(err)
	}
	var view subjectView
	if a.into(t, http.StatusOK, &view); view.Status != store.Completed || len(view.Events) != 1 {
		t.Errorf("%+v", view)
	}
}

// pendingTable holds one subject that is pending for ever, and notes when it is read.
type pendingTable struct {
	store.API
	began time.Time
	reads []time.Duration
}

func (p *pendingTable) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if in.ConsistentRead == nil || !*in.ConsistentRead {
		return nil, fmt.Errorf("HEAD is to be read consistently")
	}
	p.reads = append(p.reads, time.Since(p.began))
	return &dynamodb.GetItemOutput{Item: map[string]types.AttributeValue{"status": &types.AttributeValueMemberS{Value: "pending"}}}, nil
}

func TestAWaitReadsLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pendingTable{began: time.Now()}
		a := newAPI(api{responses: store.NewResponses(p, "t", time.Now)})
		head, err := a.await(t.Context(), []string{"s"}, 2*time.Second)
		if err != nil || head.Status != store.Pending {
			t.Fatal(head, err)
		}
		var want []time.Duration
		for _, ms := range []time.Duration{0, 5, 15, 35, 75, 155, 315, 635, 1135, 1635, 2000} {
			want = append(want, ms*time.Millisecond)
		}
		if diff := cmp.Diff(want, p.reads); diff != "" {
			t.Errorf("read at (-want +got):\n%s", diff)
		}
	})
}

func TestAWaitEndsWithItsInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(api{responses: store.NewResponses(&pendingTable{began: time.Now()}, "t", time.Now)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.await(ctx, []string{"s"}, 10*time.Second); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// A heap keeps what is put on one subject, without conditions, and answers queries by the page of 1 MB, as DynamoDB does.
type heap struct {
	store.API
	items []map[string]types.AttributeValue // in the order of the sort key
}

func (h *heap) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: map[string]types.AttributeValue{"status": &types.AttributeValueMemberS{Value: "completed"}}}, nil
}

func (h *heap) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	h.items = append(h.items, in.Item)
	return new(dynamodb.PutItemOutput), nil
}

func (h *heap) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return new(dynamodb.UpdateItemOutput), nil
}

func (h *heap) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, size, after := new(dynamodb.QueryOutput), 0, textOf(in.ExclusiveStartKey["sk"])
	for _, it := range h.items {
		if textOf(it["sk"]) <= after {
			continue
		}
		out.Items = append(out.Items, it)
		if size += len(textOf(it["event"])); size >= 1<<20 {
			out.LastEvaluatedKey = map[string]types.AttributeValue{"pk": it["pk"], "sk": it["sk"]}
			break
		}
	}
	return out, nil
}

// A Lambda may answer 6 MB. Within the answer the events stand in a JSON string, where they can be twice as long.
func TestPagesFitIntoAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name, pad string
		pages     int
	}{
		{"quotes", `"`, 2},
		{"characters that HTML escapes", "<", 1},
		{"line separators", "\u2028", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			responses := store.NewResponses(new(heap), storetest.ResponseTable, time.Now)
			ev := answerTo(t, arvo.Event{To: "com.nobody.knows", Subject: "order-1"}, "evt.nobody.knows.done", "e", map[string]any{"pad": strings.Repeat(c.pad, 100_000)})
			const n = 16
			for i := range n {
				ev.ID = fmt.Sprintf("e%02d", i)
				if _, err := responses.Record(t.Context(), store.Response{Event: ev, Outcome: store.Pending}); err != nil {
					t.Fatal(err)
				}
			}
			f := &function{api: newAPI(api{responses: responses})}
			seen, pages := map[string]bool{}, 0
			for after := ""; ; {
				out, err := f.Invoke(t.Context(), requestJSON(t, at(t, "GET /subjects/order-1?after="+after)))
				if err != nil {
					t.Fatal(err)
				}
				if len(out) > 6<<20 {
					t.Fatalf("a page of %d bytes", len(out))
				}
				var a answer
				if err := json.Unmarshal(out, &a); err != nil {
					t.Fatal(err)
				}
				var view subjectView
				a.into(t, http.StatusOK, &view)
				for _, raw := range view.Events {
					id := string(raw[:len(`{"id":"e00"`)])
					if seen[id] {
						t.Errorf("%s came again", id)
					}
					seen[id] = true
				}
				pages++
				if after = view.Next; after == "" {
					break
				}
			}
			if len(seen) != n || pages != c.pages {
				t.Errorf("%d events on %d pages, want %d on %d", len(seen), pages, n, c.pages)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	responses := store.NewResponses(new(heap), storetest.ResponseTable, time.Now)
	ev := answerTo(b, arvo.Event{To: "com.payment.charge", Subject: "order-1"}, "evt.payment.charge.success", "e", nil)
	if _, err := responses.Record(b.Context(), store.Response{Event: ev, Outcome: store.Completed}); err != nil {
		b.Fatal(err)
	}
	f, payload := &function{api: newAPI(api{responses: responses})}, requestJSON(b, at(b, "GET /subjects/order-1"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Invoke(b.Context(), payload); err != nil {
			b.Fatal(err)
		}
	}
}
