package payment_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
)

const token = "pm_4f1c" // the payment method of all tests: it must never come out again

func TestCharge(t *testing.T) {
	for _, test := range []struct {
		name     string
		data     string
		decide   error
		wantType string
		wantData string
	}{
		{
			name:     "an accepted charge answers with the payment, which has the event's id",
			data:     `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`,
			wantType: payment.ChargeSuccess,
			wantData: `{"payment_id":"evt-1","order_id":"order-1","amount":1999,"currency":"EUR"}`,
		},
		{
			name:     "one minor unit is an amount",
			data:     `{"order_id":"order-1","amount":1,"currency":"JPY","method":"pm_4f1c"}`,
			wantType: payment.ChargeSuccess,
			wantData: `{"payment_id":"evt-1","order_id":"order-1","amount":1,"currency":"JPY"}`,
		},
		{
			name:     "a declined charge is an answer and not an error",
			data:     `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`,
			decide:   &payment.DeclinedError{Reason: "insufficient funds"},
			wantType: payment.ChargeDeclined,
			wantData: `{"order_id":"order-1","reason":"insufficient funds"}`,
		},
		{
			name:     "an unexpected failure of the gateway is a system error",
			data:     `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`,
			decide:   errors.New("credentials refused"),
			wantType: "sys.com.payment.charge.error",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			gateway := &paymenttest.Gateway{Decide: func(string, payment.Charge) error { return test.decide }}
			service := arvo.MustService(payment.NewCharge(gateway))
			out, err := service.Handle(t.Context(), event(t, payment.ChargeContract, "evt-1", test.data))
			checkAnswer(t, out, err, test.wantType, test.wantData)
		})
	}
}

func TestRefund(t *testing.T) {
	charge := event(t, payment.ChargeContract, "evt-1", `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`)
	refund := event(t, payment.RefundContract, "evt-2", `{"payment_id":"evt-1","reason":"out of stock"}`)
	again := event(t, payment.RefundContract, "evt-3", `{"payment_id":"evt-1"}`)
	const (
		taken   = `{"payment_id":"evt-1","order_id":"order-1","amount":1999,"currency":"EUR"}`
		given   = `{"payment_id":"evt-1","amount":1999,"currency":"EUR","refunded":true}`
		nothing = `{"payment_id":"evt-1","amount":0,"refunded":false}`
		refused = `{"order_id":"order-1","reason":"refunded"}`
	)
	type step struct {
		in       arvo.Event
		wantType string
		wantData string
	}
	for _, test := range []struct {
		name  string
		steps []step
		moved int // movements of money
	}{
		{
			"a refund gives back what the charge took",
			[]step{{charge, payment.ChargeSuccess, taken}, {refund, payment.RefundSuccess, given}},
			2,
		},
		{
			"a redelivery of either moves nothing and answers alike",
			[]step{
				{charge, payment.ChargeSuccess, taken}, {charge, payment.ChargeSuccess, taken},
				{refund, payment.RefundSuccess, given}, {refund, payment.RefundSuccess, given},
			},
			2,
		},
		{
			"a second refund of one payment moves nothing",
			[]step{{charge, payment.ChargeSuccess, taken}, {refund, payment.RefundSuccess, given}, {again, payment.RefundSuccess, given}},
			2,
		},
		{
			"a refund that overtakes its charge stops it",
			[]step{{refund, payment.RefundSuccess, nothing}, {charge, payment.ChargeDeclined, refused}, {again, payment.RefundSuccess, nothing}},
			0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var gateway paymenttest.Gateway
			services := map[string]*arvo.Service{
				payment.ChargeContract.Type(): arvo.MustService(payment.NewCharge(&gateway)),
				payment.RefundContract.Type(): arvo.MustService(payment.NewRefund(&gateway)),
			}
			for _, step := range test.steps {
				out, err := services[step.in.Type].Handle(t.Context(), step.in)
				checkAnswer(t, out, err, step.wantType, step.wantData)
			}
			if moved := gateway.Moved(); len(moved) != test.moved {
				t.Errorf("money moved %d times, want %d: %+v", len(moved), test.moved, moved)
			}
		})
	}
}

func TestProducersThatChoseTheSameIDDoNotShareAPayment(t *testing.T) {
	var gateway paymenttest.Gateway
	service := arvo.MustService(payment.NewCharge(&gateway))
	for _, test := range []struct{ data, wantType string }{
		{`{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`, payment.ChargeSuccess},
		{`{"order_id":"order-2","amount":1999,"currency":"EUR","method":"pm_4f1c"}`, "sys.com.payment.charge.error"},
		{`{"order_id":"order-1","amount":2000,"currency":"EUR","method":"pm_4f1c"}`, "sys.com.payment.charge.error"},
		{`{"order_id":"order-1","amount":1999,"currency":"USD","method":"pm_4f1c"}`, "sys.com.payment.charge.error"},
	} {
		out, err := service.Handle(t.Context(), event(t, payment.ChargeContract, "1", test.data))
		checkAnswer(t, out, err, test.wantType, "")
	}
	if moved := gateway.Moved(); len(moved) != 1 {
		t.Errorf("money moved %d times, want once: %+v", len(moved), moved)
	}
}

func TestAGatewayOutOfReachIsTriedAgain(t *testing.T) {
	outage := error(&arvo.Violation{Kind: arvo.KindExecution, Message: "gateway out of reach"})
	gateway := &paymenttest.Gateway{Decide: func(string, payment.Charge) error { return outage }}
	service := arvo.MustService(payment.NewCharge(gateway))
	charge := event(t, payment.ChargeContract, "evt-1", `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`)

	out, err := service.Handle(t.Context(), charge)
	if !errors.Is(err, arvo.ErrExecution) || len(out) != 0 {
		t.Fatalf("got %v, %v; want no event and an execution violation", out, err)
	}
	outage = nil
	out, err = service.Handle(t.Context(), charge)
	checkAnswer(t, out, err, payment.ChargeSuccess, `{"payment_id":"evt-1","order_id":"order-1","amount":1999,"currency":"EUR"}`)
}

func TestContracts(t *testing.T) {
	for _, test := range []struct {
		name     string
		contract *arvo.Contract
		data     string
		wantPath string
	}{
		{"an amount is at least one minor unit", payment.ChargeContract, `{"order_id":"o","amount":0,"currency":"EUR","method":"pm_4f1c"}`, "amount"},
		{"an amount is not negative", payment.ChargeContract, `{"order_id":"o","amount":-5,"currency":"EUR","method":"pm_4f1c"}`, "amount"},
		{"an amount has no fraction", payment.ChargeContract, `{"order_id":"o","amount":19.99,"currency":"EUR","method":"pm_4f1c"}`, "amount"},
		{"an amount is one that every JSON reader keeps exactly", payment.ChargeContract, `{"order_id":"o","amount":9007199254740992,"currency":"EUR","method":"pm_4f1c"}`, "amount"},
		{"an amount is a number", payment.ChargeContract, `{"order_id":"o","amount":"1999","currency":"EUR","method":"pm_4f1c"}`, "amount"},
		{"a currency is three capitals", payment.ChargeContract, `{"order_id":"o","amount":1,"currency":"eur","method":"pm_4f1c"}`, "currency"},
		{"a currency is three capitals and nothing more", payment.ChargeContract, `{"order_id":"o","amount":1,"currency":"EURO","method":"pm_4f1c"}`, "currency"},
		{"a charge names its order", payment.ChargeContract, `{"amount":1,"currency":"EUR","method":"pm_4f1c"}`, "order_id"},
		{"an order's id is not empty", payment.ChargeContract, `{"order_id":"","amount":1,"currency":"EUR","method":"pm_4f1c"}`, "order_id"},
		{"an order's id has an end", payment.ChargeContract, `{"order_id":"` + strings.Repeat("o", 129) + `","amount":1,"currency":"EUR","method":"pm_4f1c"}`, "order_id"},
		{"a charge names a payment method", payment.ChargeContract, `{"order_id":"o","amount":1,"currency":"EUR"}`, "method"},
		{"a payment method has an end", payment.ChargeContract, `{"order_id":"o","amount":1,"currency":"EUR","method":"` + strings.Repeat(token, 64) + `"}`, "method"},
		{"a refund names its payment", payment.RefundContract, `{"reason":"r"}`, "payment_id"},
		{"a payment's id is not empty", payment.RefundContract, `{"payment_id":""}`, "payment_id"},
		{"a reason has an end", payment.RefundContract, `{"payment_id":"p","reason":"` + strings.Repeat("r", 501) + `"}`, "reason"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var gateway paymenttest.Gateway
			service := arvo.MustService(payment.NewCharge(&gateway))
			if test.contract == payment.RefundContract {
				service = arvo.MustService(payment.NewRefund(&gateway))
			}
			out, err := service.Handle(t.Context(), unchecked(t, test.contract, "evt-1", test.data))
			if !errors.Is(err, arvo.ErrContract) || len(out) != 0 {
				t.Fatalf("got %v, %v; want no event and a contract violation", out, err)
			}
			if !strings.Contains(err.Error(), test.wantPath) {
				t.Errorf("%q does not name %s", err, test.wantPath)
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("%q tells the payment method", err)
			}
			if moved := gateway.Moved(); len(moved) != 0 {
				t.Errorf("money moved: %+v", moved)
			}
		})
	}
}

// BenchmarkCharge is what a service costs without the world behind its port: two validations and an id.
func BenchmarkCharge(b *testing.B) {
	service := arvo.MustService(payment.NewCharge(new(paymenttest.Gateway)))
	charge := event(b, payment.ChargeContract, "evt-1", `{"order_id":"order-1","amount":1999,"currency":"EUR","method":"pm_4f1c"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := service.Handle(b.Context(), charge); err != nil {
			b.Fatal(err)
		}
	}
}

// event returns an event that accords with the contract.
func event(t testing.TB, c *arvo.Contract, id, data string) arvo.Event {
	t.Helper()
	version, err := c.Version("1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := version.Accepts(arvo.Draft{ID: id, Source: "api.thin.lambda", Subject: "order/1", Data: json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// unchecked returns an event that says it accords with the contract, as anyone may put one on the bus.
func unchecked(t testing.TB, c *arvo.Contract, id, data string) arvo.Event {
	t.Helper()
	e, err := arvo.New(arvo.Draft{
		ID: id, Source: "api.thin.lambda", Subject: "order/1",
		Type: c.Type(), DataSchema: c.URI() + "/1.0.0", Data: json.RawMessage(data),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkAnswer checks that a service answered with one event, of the type and, unless it is empty, with the data; and
// that the answer keeps the payment method to itself.
func checkAnswer(t *testing.T, out []arvo.Event, err error, wantType, wantData string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 || out[0].Type != wantType || wantData != "" && string(out[0].Data) != wantData {
		t.Fatalf("got %v, want one event %s with %s", out, wantType, wantData)
	}
	if units := out[0].ExecutionUnits; units == nil || *units != 1 {
		t.Errorf("the answer does not cost one execution unit: %v", out[0])
	}
	if text, err := json.Marshal(out[0]); err != nil || strings.Contains(string(text), token) {
		t.Errorf("the answer tells the payment method: %s, %v", text, err)
	}
}
