package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
)

func textOf(v types.AttributeValue) string {
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return s.Value
}

// answerTo is an answer to a request, as federated_handler would send it.
func answerTo(t testing.TB, request arvo.Event, typ, id string, data any) arvo.Event {
	t.Helper()
	if data == nil {
		data = struct{}{}
	}
	ev, err := arvo.New(arvo.Draft{
		ID: id, Source: request.To, Type: typ, Subject: request.Subject, To: thinAPI, ParentID: request.ID, Data: data,
		ExecutionUnits: new(1.5), AccessControl: request.AccessControl, Traceparent: request.Traceparent,
	})
	if err != nil {
		t.Fatal(err)
	}
	if ev.Subject = request.Subject; request.Subject == "" { // New encodes it, and it is encoded
		t.Fatal("no subject")
	}
	return ev
}

// message is an event as the responses queue hands it out.
func message(t testing.TB, id string, ev arvo.Event) events.SQSMessage {
	t.Helper()
	detail, err := ev.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return events.SQSMessage{
		MessageId: id, ReceiptHandle: "handle-" + id,
		Body: fmt.Sprintf(`{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":%q,"source":%q,"account":"123456789012","time":"2026-11-23T07:00:00Z","region":"eu-central-1","resources":[],"detail":%s}`,
			ev.Type, ev.Source, detail),
		Attributes:  map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1795417200245", "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1795417200250"},
		EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:arvo-responses", AWSRegion: "eu-central-1",
	}
}

// batch invokes the function with messages and returns the ids of those that failed.
func (d deployment) batch(t testing.TB, messages ...events.SQSMessage) []string {
	t.Helper()
	payload, err := json.Marshal(events.SQSEvent{Records: messages})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal(out, &response); err != nil {
		t.Fatal(err)
	}
	failed := []string{}
	for _, f := range response.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	slices.Sort(failed)
	return failed
}

// sink delivers events, all of which must be kept.
func (d deployment) sink(t testing.TB, evs ...arvo.Event) {
	t.Helper()
	for i, ev := range evs {
		if failed := d.batch(t, message(t, fmt.Sprint("m", i), ev)); len(failed) > 0 {
			t.Fatalf("%s %s was not kept", ev.Type, ev.ID)
		}
	}
}

func TestOneMessageOfABatchNeverFailsAnother(t *testing.T) {
	d := deploy(t)
	d.post(t, charge)
	request := d.bus.last(t)
	good := answerTo(t, request, "evt.payment.charge.success", "good", nil)
	foreign := answerTo(t, request, "com.somebody.else.did.this", "foreign", nil)
	foreign.Source = "com.somebody.else"
	astray := answerTo(t, request, "evt.payment.charge.success", "astray", nil)
	astray.To = "com.payment.refund"
	panics := answerTo(t, request, "evt.payment.charge.success", "panics", nil)
	panics.Subject = "subject-of-panic"
	broken := message(t, "broken", good)
	broken.Body = "not an envelope"
	empty := message(t, "empty", good)
	empty.Body = `{"id":"1","detail":{"secret":"secret-3"}}`
	d.spy.before = func(operation string, in any) error {
		if put, ok := in.(*dynamodb.PutItemInput); ok && textOf(put.Item["pk"]) == "subject-of-panic" {
			panic("a defect")
		}
		return nil
	}
	failed := d.batch(t, broken, message(t, "good", good), message(t, "again", good), message(t, "panics", panics),
		message(t, "foreign", foreign), message(t, "astray", astray), empty)
	if diff := cmp.Diff([]string{"astray", "broken", "empty", "panics"}, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	var view subjectView
	d.get(t, "/subjects/"+pathOf(request.Subject)).into(t, http.StatusOK, &view)
	if view.Status != "completed" || view.Deliveries != 3 || len(view.Events) != 2 || view.ExecutionUnits != 3 {
		t.Errorf("%+v", view)
	}
	if strings.Contains(log.String(), "secret-3") {
		t.Errorf("data is in the log:\n%s", log.String())
	}
}

func TestTheTableFailingFailsTheMessage(t *testing.T) {
	d := deploy(t)
	d.post(t, charge)
	ev := answerTo(t, d.bus.last(t), "evt.payment.charge.success", "a1", nil)
	d.spy.before = func(string, any) error { return errors.New("no table") }
	if failed := d.batch(t, message(t, "m", ev)); len(failed) != 1 {
		t.Error("the message counts as done")
	}
	d.spy.before = nil
	d.sink(t, ev)
}

func TestStatus(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		name, request string
		answers       []string
		want          string
	}{
		{"without an answer it is pending", charge, nil, "pending"},
		{"an emitted type completes", charge, []string{"evt.payment.charge.success"}, "completed"},
		{"so does the other one", charge, []string{"evt.payment.charge.declined"}, "completed"},
		{"the system error fails", charge, []string{"sys.com.payment.charge.error"}, "failed"},
		{"the first answer counts", charge, []string{"sys.com.payment.charge.error", "evt.payment.charge.success"}, "failed"},
		{"progress completes nothing", `{"type":"com.workload.simulate","data":{}}`, []string{"evt.workload.simulate.progress"}, "pending"},
		{"what comes after progress completes", `{"type":"com.workload.simulate","data":{}}`, []string{"evt.workload.simulate.progress", "evt.workload.simulate.success"}, "completed"},
		{"another service's answer completes nothing", charge, []string{"evt.payment.refund.success"}, "pending"},
		{"another service's system error fails nothing", charge, []string{"sys.com.payment.refund.error"}, "pending"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.post(t, c.request)
			request := d.bus.last(t)
			for i, typ := range c.answers {
				d.sink(t, answerTo(t, request, typ, fmt.Sprint(i), nil))
			}
			var view subjectView
			d.get(t, "/subjects/"+pathOf(request.Subject)).into(t, http.StatusOK, &view)
			if string(view.Status) != c.want || (view.CompletedAt != nil) != (c.want != "pending") {
				t.Errorf("%s at %v, want %s", view.Status, view.CompletedAt, c.want)
			}
		})
	}
}

func TestAnAnswerNobodyAskedForMakesASubject(t *testing.T) {
	d := deploy(t)
	ev := answerTo(t, arvo.Event{To: "com.nobody.knows", Subject: "order-1", Traceparent: "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01"}, "sys.com.nobody.knows.error", "e1", nil)
	d.sink(t, ev)
	var view subjectView
	d.get(t, "/subjects/order-1").into(t, http.StatusOK, &view)
	if view.Status != "failed" || view.AcceptedAt != nil || view.TraceID != "1-65647c1a-2b3c4d5e6f708192a3b4c5d6" || len(view.Events) != 1 {
		t.Errorf("%+v", view)
	}
}

func TestTwoContractsMayNotEmitTheSameType(t *testing.T) {
	contracts := map[string]*arvo.Contract{}
	for _, typ := range []string{"com.a.one", "com.a.two"} {
		contracts[typ] = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{URI: "#/" + typ, Type: typ, Versions: map[string]arvo.VersionSpec{
			"1.0.0": {Accepts: arvo.SchemaFor[struct{}](), Emits: map[string]arvo.Schema{"evt.a.done": arvo.SchemaFor[struct{}]()}},
		}}))
	}
	if _, err := emittersOf(contracts); err == nil || !strings.Contains(err.Error(), "both emit evt.a.done") {
		t.Errorf("got %v", err)
	}
}
