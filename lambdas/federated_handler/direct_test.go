package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"example.com/arvo/lambdas/arvo"
)

// invoke gives the function one event as a rule does that has it as a target.
func (d deployment) invoke(t testing.TB, ev arvo.Event) (published []arvo.Event, err error) {
	t.Helper()
	_, err = d.Invoke(t.Context(), []byte(message(t, "", ev).Body))
	return d.bus.take(), err
}

// said is what outputs say to whoever tells them apart.
func said(evs []arvo.Event) []string {
	var list []string
	for _, ev := range evs {
		list = append(list, ev.ID+" "+ev.Type+" "+ev.To+" "+ev.Subject+" "+string(ev.Data))
	}
	slices.Sort(list)
	return list
}

func TestAnEventComesToTheSameByEitherWay(t *testing.T) {
	for _, c := range []struct {
		name string
		ev   arvo.Event
	}{
		{"a service that succeeds", charge(t, "e-1")},
		{"a service that answers with a system error", request(t, "com.workload.simulate", "e-2", `{"fail":1}`)},
		{"a workflow's first step", order(t, "1.0.0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, other := deploy(t, nil), deploy(t, nil)
			queued, failed := one.deliver(t, c.ev)
			if failed || len(queued) == 0 {
				t.Fatalf("by the queue: failed %v, published %v", failed, queued)
			}
			direct, err := other.invoke(t, c.ev)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(said(queued), said(direct)) {
				t.Errorf("by the queue\n%s\nand directly\n%s", said(queued), said(direct))
			}
			// Both ways in one deployment: a second delivery repeats nothing.
			again, err := one.invoke(t, c.ev)
			if err != nil || !slices.Equal(said(queued), said(again)) {
				t.Errorf("by the queue\n%s\nand then directly\n%s, %v", said(queued), said(again), err)
			}
			for _, ev := range direct {
				if _, stamped := ev.Extension("receivedat"); ev.To == thinAPI && !stamped {
					t.Error("an answer to a client does not tell when its cause was received")
				}
			}
		})
	}
}

func TestWhatCannotBeHandledFailsTheInvocation(t *testing.T) {
	d := deploy(t, nil)
	elsewhere := request(t, "com.nobody.here", "e-1", `{}`)
	published, err := d.invoke(t, elsewhere)
	if err == nil || !strings.Contains(err.Error(), `no service "com.nobody.here" is hosted here`) || len(published) > 0 {
		t.Errorf("%v, %v", published, err)
	}
	if published, err = d.invoke(t, request(t, "com.payment.charge", "e-3", `{"order_id":1}`)); !errors.Is(err, arvo.ErrContract) || len(published) > 0 {
		t.Errorf("data against the contract: %v, %v", published, err)
	}
	d.bus.fail = errors.New("the bus is down")
	if published, err = d.invoke(t, charge(t, "e-2")); err == nil || len(published) > 0 {
		t.Errorf("the bus is down, and the invocation has published %v and failed with %v", published, err)
	}
	d.bus.fail = nil
	if published, err = d.invoke(t, charge(t, "e-2")); err != nil || len(published) != 1 {
		t.Errorf("the bus is up again: %v, %v", published, err)
	}
	for _, payload := range []string{``, `{}`, `[]`, `{"Records":null}`, `{"detail":null}`, `{"httpMethod":"GET"}`} {
		if out, err := d.Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%q was answered %s", payload, out)
		}
	}
	if published := d.bus.take(); len(published) > 0 {
		t.Errorf("published %v", published)
	}
}

func TestABatchIsAnsweredAsBefore(t *testing.T) {
	d := deploy(t, nil)
	payload, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{message(t, "m1", charge(t, "e-1")), message(t, "m2", request(t, "com.nobody.here", "e-2", `{}`))}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Invoke(t.Context(), payload)
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m2"}]}` || len(d.bus.take()) != 1 {
		t.Errorf("%s, %v", out, err)
	}
}
