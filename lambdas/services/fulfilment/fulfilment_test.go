package fulfilment_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
)

const (
	token = "pm_4f1c" // the payment method of all tests: no outcome tells it
	order = `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}],"amount":1999,"currency":"EUR","method":"pm_4f1c",` +
		`"address":{"name":"A. Lindgren","street":"Dalagatan 46","city":"Stockholm","postcode":"113 24","country":"SE"}}`
)

// A turn is an event that a fulfilment is told, by its word in [words] or as "<call> times out", and what it sends then:
// its calls by name, or done.
type turn struct{ told, sends string }

// words are the replies by what they say, each with the call that it answers.
var words = map[string]struct{ call, eventType, data string }{
	"reserved":          {"reserve", inventory.ReserveSuccess, `{"reservation_id":"<reserve>","order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`},
	"sold out":          {"reserve", inventory.ReserveRejected, `{"order_id":"order-1","reason":"out of stock","sku":"lamp"}`},
	"released before":   {"reserve", inventory.ReserveRejected, `{"order_id":"order-1","reason":"released"}`},
	"reserve fails":     {"reserve", inventory.ReserveContract.SystemErrorType(), failure},
	"released":          {"release", inventory.ReleaseSuccess, `{"reservation_id":"<reserve>","released":true}`},
	"nothing released":  {"release", inventory.ReleaseSuccess, `{"reservation_id":"<reserve>","released":false}`},
	"release fails":     {"release", inventory.ReleaseContract.SystemErrorType(), failure},
	"charged":           {"charge", payment.ChargeSuccess, `{"payment_id":"<charge>","order_id":"order-1","amount":1999,"currency":"EUR"}`},
	"declined":          {"charge", payment.ChargeDeclined, `{"order_id":"order-1","reason":"card declined"}`},
	"refunded before":   {"charge", payment.ChargeDeclined, `{"order_id":"order-1","reason":"refunded"}`},
	"charge fails":      {"charge", payment.ChargeContract.SystemErrorType(), failure},
	"refunded":          {"refund", payment.RefundSuccess, `{"payment_id":"<charge>","amount":1999,"currency":"EUR","refunded":true}`},
	"nothing refunded":  {"refund", payment.RefundSuccess, `{"payment_id":"<charge>","amount":0,"refunded":false}`},
	"refund fails":      {"refund", payment.RefundContract.SystemErrorType(), failure},
	"booked":            {"book", shipping.BookSuccess, `{"booking_id":"<book>","order_id":"order-1","carrier":"test","tracking":"TEST-1"}`},
	"not served":        {"book", shipping.BookRejected, `{"order_id":"order-1","reason":"country not served"}`},
	"book fails":        {"book", shipping.BookContract.SystemErrorType(), failure},
	"booked for others": {"other", shipping.BookSuccess, `{"booking_id":"other","order_id":"order-2","carrier":"test","tracking":"TEST-2"}`},
}

const failure = `{"errorName":"Error","errorMessage":"stack trace and secrets","errorStack":null}`

// callees are the contracts of the calls, by name.
var callees = map[string]*arvo.Contract{
	"reserve": inventory.ReserveContract, "release": inventory.ReleaseContract,
	"charge": payment.ChargeContract, "refund": payment.RefundContract, "book": shipping.BookContract,
}

// The parts of outcomes that many tests have in common.
const (
	noGoods    = `"reservation":{"status":"none","reservation_id":"<reserve>"}`
	released   = `"reservation":{"status":"released","reservation_id":"<reserve>"}`
	soldOut    = `"reservation":{"status":"rejected","reservation_id":"<reserve>","reason":"out of stock","sku":"lamp"}`
	noMoney    = `"payment":{"status":"none","payment_id":"<charge>"}`
	notCharged = `"payment":{"status":"none"}`
	declined   = `"payment":{"status":"declined","payment_id":"<charge>","reason":"card declined"}`
	refunded   = `"payment":{"status":"refunded","payment_id":"<charge>"}`
	notBooked  = `"shipment":{"status":"none"}`
)

func fulfilled() string {
	return outcome("fulfilled", "", `"reservation":{"status":"reserved","reservation_id":"<reserve>"}`, `"payment":{"status":"charged","payment_id":"<charge>"}`,
		`"shipment":{"status":"booked","booking_id":"<book>","carrier":"test","tracking":"TEST-1"}`)
}

func outcome(status, reason string, parts ...string) string {
	if reason != "" {
		parts = append([]string{fmt.Sprintf(`"reason":%q`, reason)}, parts...)
	}
	return fmt.Sprintf(`{"order_id":"order-1","status":%q,%s}`, status, strings.Join(parts, ","))
}

func TestInSequence(t *testing.T) {
	begun := []turn{{"order", "reserve"}}
	withGoods := then(begun, turn{"reserved", "charge"})
	paid := then(withGoods, turn{"charged", "book"})
	follow(t, "1.0.0", []course{
		{"each part follows the one before", then(paid, turn{"booked", "done"}), fulfilled()},
		{"what is sold out ends it, and nothing is undone", then(begun, turn{"sold out", "done"}),
			outcome("rejected", "out of stock", soldOut, notCharged, notBooked)},
		{"a stock that fails may have set goods aside: they are released", then(begun, turn{"reserve fails", "release"}, turn{"released", "done"}),
			outcome("failed", "reservation: the service failed", released, notCharged, notBooked)},
		{"a stock that does not answer in time is stopped", then(begun, turn{"reserve times out", "release"}, turn{"nothing released", "done"}),
			outcome("failed", "reservation: no answer in time", noGoods, notCharged, notBooked)},
		{"a declined charge releases the goods and refunds nothing", then(withGoods, turn{"declined", "release"}, turn{"released", "done"}),
			outcome("declined", "card declined", released, declined, notBooked)},
		{"a charge that fails may have taken money: it is refunded", then(withGoods, turn{"charge fails", "release refund"}, turn{"released", ""}, turn{"refunded", "done"}),
			outcome("failed", "payment: the service failed", released, refunded, notBooked)},
		{"a charge without an answer is refunded before it happens", then(withGoods, turn{"charge times out", "release refund"}, turn{"nothing refunded", ""}, turn{"released", "done"}),
			outcome("failed", "payment: no answer in time", released, noMoney, notBooked)},
		{"a rejected booking undoes both", then(paid, turn{"not served", "release refund"}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("rejected", "country not served", released, refunded, `"shipment":{"status":"rejected","booking_id":"<book>","reason":"country not served"}`)},
		{"a booking that fails undoes both, and the carrier may come", then(paid, turn{"book fails", "release refund"}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("failed", "shipment: the service failed", released, refunded, `"shipment":{"status":"unknown","booking_id":"<book>","reason":"the service failed"}`)},
		{"a booking without an answer undoes both, and the carrier may come", then(paid, turn{"book times out", "release refund"}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("failed", "shipment: no answer in time", released, refunded, `"shipment":{"status":"unknown","booking_id":"<book>","reason":"no answer in time"}`)},
		{"what is not confirmed to be undone is unknown", then(withGoods, turn{"charge fails", "release refund"}, turn{"release fails", ""}, turn{"refund times out", "done"}),
			outcome("failed", "payment: the service failed", `"reservation":{"status":"unknown","reservation_id":"<reserve>","reason":"release: the service failed"}`,
				`"payment":{"status":"unknown","payment_id":"<charge>","reason":"refund: no answer in time"}`, notBooked)},
		{"the first answer to a call stands", then(begun, turn{"reserved", "charge"}, turn{"sold out", ""}, turn{"charged", "book"}, turn{"declined", ""}, turn{"booked", "done"}), fulfilled()},
		{"an answer after the failure of its service does not bring the order back", then(withGoods, turn{"charge fails", "release refund"}, turn{"charged", ""}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("failed", "payment: the service failed", released, refunded, notBooked)},
		{"an answer after its time is none", then(withGoods, turn{"charge times out", "release refund"}, turn{"charged", ""}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("failed", "payment: no answer in time", released, refunded, notBooked)},
		{"an answer to a call of another's is none", then(begun, turn{"booked for others", ""}, turn{"reserved", "charge"}, turn{"charged", "book"}, turn{"booked for others", ""}, turn{"booked", "done"}), fulfilled()},
		{"nothing changes what is done", then(paid, turn{"booked", "done"}, turn{"not served", ""}, turn{"declined", ""}, turn{"order", ""}), fulfilled()},
	})
}

func TestInParallel(t *testing.T) {
	begun := []turn{{"order", "reserve charge"}}
	paid := then(begun, turn{"reserved", ""}, turn{"charged", "book"})
	follow(t, "2.0.0", []course{
		{"goods first, then money", then(paid, turn{"booked", "done"}), fulfilled()},
		{"money first, then goods", then(begun, turn{"charged", ""}, turn{"reserved", "book"}, turn{"booked", "done"}), fulfilled()},
		{"a decline before the goods releases them without waiting", then(begun, turn{"declined", "release"}, turn{"nothing released", "done"}, turn{"released before", ""}),
			outcome("declined", "card declined", noGoods, declined, notBooked)},
		{"a decline before the goods, whose release was first", then(begun, turn{"declined", "release"}, turn{"released before", "done"}),
			outcome("declined", "card declined", noGoods, declined, notBooked)},
		{"a decline before the goods, which were set aside", then(begun, turn{"declined", "release"}, turn{"reserved", ""}, turn{"released", "done"}),
			outcome("declined", "card declined", released, declined, notBooked)},
		{"a decline before the goods, which are sold out: there is nothing left to wait for", then(begun, turn{"declined", "release"}, turn{"sold out", "done"}),
			outcome("declined", "card declined", soldOut, declined, notBooked)},
		{"a decline before the stock fails", then(begun, turn{"declined", "release"}, turn{"reserve fails", ""}, turn{"released", "done"}),
			outcome("declined", "card declined", released, declined, notBooked)},
		{"a decline before the stock times out", then(begun, turn{"declined", "release"}, turn{"reserve times out", ""}, turn{"nothing released", "done"}),
			outcome("declined", "card declined", noGoods, declined, notBooked)},
		{"a decline after the goods", then(begun, turn{"reserved", ""}, turn{"declined", "release"}, turn{"released", "done"}),
			outcome("declined", "card declined", released, declined, notBooked)},
		{"sold out before the money refunds it without waiting", then(begun, turn{"sold out", "refund"}, turn{"nothing refunded", "done"}, turn{"refunded before", ""}),
			outcome("rejected", "out of stock", soldOut, noMoney, notBooked)},
		{"sold out before the money, whose refund was first", then(begun, turn{"sold out", "refund"}, turn{"refunded before", "done"}),
			outcome("rejected", "out of stock", soldOut, noMoney, notBooked)},
		{"sold out before the money, which was taken", then(begun, turn{"sold out", "refund"}, turn{"charged", ""}, turn{"refunded", "done"}),
			outcome("rejected", "out of stock", soldOut, refunded, notBooked)},
		{"sold out before the money, which is declined: both are told, the first is the reason", then(begun, turn{"sold out", "refund"}, turn{"declined", "done"}),
			outcome("rejected", "out of stock", soldOut, declined, notBooked)},
		{"sold out after the money", then(begun, turn{"charged", ""}, turn{"sold out", "refund"}, turn{"refunded", "done"}),
			outcome("rejected", "out of stock", soldOut, refunded, notBooked)},
		{"a stock that fails before the money undoes both", then(begun, turn{"reserve fails", "release refund"}, turn{"charged", ""}, turn{"released", ""}, turn{"refunded", "done"}),
			outcome("failed", "reservation: the service failed", released, refunded, notBooked)},
		{"a charge that times out after the goods undoes both", then(begun, turn{"reserved", ""}, turn{"charge times out", "release refund"}, turn{"nothing refunded", ""}, turn{"released", "done"}),
			outcome("failed", "payment: no answer in time", released, noMoney, notBooked)},
		{"both time out", then(begun, turn{"reserve times out", "release refund"}, turn{"charge times out", ""}, turn{"nothing released", ""}, turn{"nothing refunded", "done"}),
			outcome("failed", "reservation: no answer in time", noGoods, noMoney, notBooked)},
		{"a rejected booking undoes both", then(paid, turn{"not served", "release refund"}, turn{"refunded", ""}, turn{"released", "done"}),
			outcome("rejected", "country not served", released, refunded, `"shipment":{"status":"rejected","booking_id":"<book>","reason":"country not served"}`)},
		{"a booking without an answer undoes both, and the carrier may come", then(paid, turn{"book times out", "release refund"}, turn{"refunded", ""}, turn{"released", "done"}, turn{"booked", ""}),
			outcome("failed", "shipment: no answer in time", released, refunded, `"shipment":{"status":"unknown","booking_id":"<book>","reason":"no answer in time"}`)},
		{"what is not confirmed to be undone is unknown", then(begun, turn{"reserve fails", "release refund"}, turn{"release times out", ""}, turn{"refund fails", "done"}, turn{"refunded", ""}),
			outcome("failed", "reservation: the service failed", `"reservation":{"status":"unknown","reservation_id":"<reserve>","reason":"release: no answer in time"}`,
				`"payment":{"status":"unknown","payment_id":"<charge>","reason":"refund: the service failed"}`, notBooked)},
	})
}

// A child's data that breaks its contract would stop the workflow for ever, so an order is checked as strictly as its
// parts will be.
func TestAnOrderIsCheckedLikeItsParts(t *testing.T) {
	properties := func(c *arvo.Contract, version string) map[string]map[string]any {
		v, err := c.Version(version)
		if err != nil {
			t.Fatal(err)
		}
		schema, _ := v.Schema(c.Type())
		var doc struct {
			Properties map[string]map[string]any
			Required   []string
		}
		if err := json.Unmarshal(schema.JSON(), &doc); err != nil {
			t.Fatal(err)
		}
		for name, p := range doc.Properties {
			delete(p, "description")
			p["required"] = slices.Contains(doc.Required, name)
		}
		return doc.Properties
	}
	for _, version := range fulfilment.Contract.Versions() {
		order := properties(fulfilment.Contract, version)
		for name, callee := range map[string]*arvo.Contract{
			"reserve": inventory.ReserveContract, "charge": payment.ChargeContract, "book": shipping.BookContract,
		} {
			for property, want := range properties(callee, "1.0.0") {
				if property == "parcels" { // an order says nothing of it: it has a default
					continue
				}
				if diff := cmp.Diff(want, order[property]); diff != "" {
					t.Errorf("%s: %s of %s (-service +order):\n%s", version, property, name, diff)
				}
			}
		}
	}
}

// A course is the turns that an order takes, and what it is said to have come to.
type course struct {
	name  string
	turns []turn
	want  string
}

// then is turns with more behind them.
func then(turns []turn, more ...turn) []turn { return slices.Concat(turns, more) }

// follow takes a workflow of a version along each course.
func follow(t *testing.T, version string, courses []course) {
	for _, c := range courses {
		t.Run(c.name, func(t *testing.T) {
			w := begin(t, version)
			for i, turn := range c.turns {
				if got := w.tell(turn.told); got != turn.sends {
					t.Fatalf("turn %d, %s: it sends %q, want %q", i, turn.told, got, turn.sends)
				}
			}
			if w.outcome != c.want {
				t.Errorf("the outcome is\n%s, want\n%s", w.outcome, c.want)
			}
		})
	}
}

// A workflow is a fulfilment whose services are the test.
type workflow struct {
	t       *testing.T
	handler *arvo.Resumable
	memory  *arvotest.Memory
	init    arvo.Event
	events  int
	calls   map[string]arvo.Event // by name
	outcome string                // with the ids of calls by name
}

func begin(t *testing.T, version string) *workflow {
	t.Helper()
	memory := arvotest.NewMemory()
	handler, err := fulfilment.NewFulfilment(memory)
	if err != nil {
		t.Fatal(err)
	}
	return &workflow{t: t, handler: handler, memory: memory, init: request(t, version, order), calls: map[string]arvo.Event{}}
}

// tell hands the workflow an event and returns the names of what it sends, with spaces between them.
func (w *workflow) tell(told string) string {
	w.t.Helper()
	w.events++
	var in arvo.Event
	if call, ok := strings.CutSuffix(told, " times out"); ok {
		in = w.timeout(call)
	} else if told == "order" {
		in = w.init
		in.ID = fmt.Sprint("order-", w.events)
	} else {
		word := words[told]
		in = w.answer(word.call, word.eventType, word.data)
	}
	out, err := w.handler.Handle(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("%s: %v", told, err)
	}
	var names []string
	for _, e := range out {
		names = append(names, w.note(e))
	}
	return strings.Join(names, " ")
}

// note keeps what the workflow has sent, and returns its name.
func (w *workflow) note(e arvo.Event) string {
	w.t.Helper()
	if e.Type == fulfilment.Done {
		if w.outcome != "" {
			w.t.Errorf("it completes again: %s", e.Data)
		}
		w.outcome = string(e.Data)
		for name, call := range w.calls {
			w.outcome = strings.ReplaceAll(w.outcome, call.ID, "<"+name+">")
		}
		if strings.Contains(w.outcome, token) || strings.Contains(w.outcome, "Dalagatan") || strings.Contains(w.outcome, "secrets") {
			w.t.Errorf("the outcome tells too much: %s", w.outcome)
		}
		if e.To != "api.thin.lambda" || e.ParentID != "order-1" || e.Subject != w.init.Subject {
			w.t.Errorf("the outcome goes to %s for %s on %s", e.To, e.ParentID, e.Subject)
		}
		return "done"
	}
	for name, contract := range callees {
		if e.Type == contract.Type() {
			if _, ok := w.calls[name]; ok {
				w.t.Errorf("it calls %s again", name)
			}
			w.calls[name] = e
			return name
		}
	}
	return e.Type
}

// answer is a reply to a call, or to one that another has made.
func (w *workflow) answer(call, eventType, data string) arvo.Event {
	w.t.Helper()
	asked, ok := w.calls[call]
	contract := callees[call]
	if !ok {
		asked, contract = arvo.Event{ID: "other"}, shipping.BookContract
	}
	for name, e := range w.calls {
		data = strings.ReplaceAll(data, "<"+name+">", e.ID)
	}
	schema := contract.URI() + "/1.0.0"
	if eventType == contract.SystemErrorType() {
		schema = contract.URI() + "/" + arvo.WildcardVersion
	}
	e, err := arvo.New(arvo.Draft{
		ID: fmt.Sprint("reply-", w.events), Source: contract.Type(), Type: eventType, DataSchema: schema, Subject: w.init.Subject,
		To: w.handler.Source(), ParentID: asked.ID, Data: json.RawMessage(data),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// timeout is the missing reply to a call.
func (w *workflow) timeout(call string) arvo.Event {
	w.t.Helper()
	kept, _, err := w.memory.Recall(w.t.Context(), w.init.Subject, arvo.Key{})
	if err != nil || kept == nil {
		w.t.Fatal(kept, err)
	}
	missing, err := arvo.Timeouts(w.init.Subject, *kept, time.Now().Add(time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range missing {
		if e.ParentID == w.calls[call].ID {
			return e
		}
	}
	w.t.Fatalf("%s does not time out: %v", call, missing)
	return arvo.Event{}
}

// request is a client's event that begins a fulfilment.
func request(t tester, version, data string) arvo.Event {
	t.Helper()
	v, err := fulfilment.Contract.Version(version)
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Init(arvo.Draft{
		ID: "order-1", Source: "api.thin.lambda", Data: json.RawMessage(`{"parentSubject$$":null,` + strings.TrimPrefix(data, "{")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
}
