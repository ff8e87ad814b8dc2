package arvotest

import (
	"testing"

	"example.com/arvo/lambdas/arvo"
)

// A service may answer a call several times, and its release may give other ids: what is compared has to be what stands for
// the recorded answer now.
func TestTheAnswerThatIsComparedIsTheNearest(t *testing.T) {
	answer := func(id, kind, parent, domain string) arvo.Event {
		return arvo.Event{ID: id, Source: "com.test.service", Type: kind, Subject: "order/1", ParentID: parent, Domain: domain}
	}
	in := answer("1", "evt.test.done", "call-1", "")
	for _, test := range []struct {
		name string
		sent []arvo.Event
		want int // index in sent; -1: none
	}{
		{"nothing was sent", nil, -1},
		{"the same event in the same domain", []arvo.Event{answer("2", "evt.test.done", "call-1", ""), answer("1", "evt.test.done", "call-1", "desk"), answer("1", "evt.test.done", "call-1", "")}, 2},
		{"the same id in another domain", []arvo.Event{answer("2", "evt.test.done", "call-1", ""), answer("1", "evt.test.other", "call-1", "desk")}, 1},
		{"the same id for another call", []arvo.Event{answer("1", "evt.test.done", "call-2", "desk")}, 0},
		{"another id and the same type", []arvo.Event{answer("2", "evt.test.progress", "call-1", ""), answer("3", "evt.test.done", "call-1", "")}, 1},
		{"another id and another type", []arvo.Event{answer("2", "evt.test.failed", "call-1", "")}, 0},
		{"an answer that is recorded stands for itself", []arvo.Event{answer("recorded", "evt.test.done", "call-1", ""), answer("3", "evt.test.failed", "call-1", "")}, 1},
		{"answers to other calls are none", []arvo.Event{answer("2", "evt.test.done", "call-2", "")}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &playback{bus: &Bus{published: test.sent}, inputs: map[arvo.Key]bool{in.Key(): true, {Source: in.Source, ID: "recorded"}: true}}
			got, ok := p.answer(in)
			if ok != (test.want >= 0) || ok && identify(got) != identify(test.sent[test.want]) {
				t.Errorf("got %+v (%v)", got, ok)
			}
		})
	}
}
