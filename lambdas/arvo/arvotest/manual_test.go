package arvotest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
)

// The workflow that the package comment of arvo shows, with the contracts that this system has. TestTheManualShowsWhatRuns
// holds the two together.

type Order struct {
	ID     string           `json:"id" minLength:"1" maxLength:"128"`
	Items  []inventory.Item `json:"items" minItems:"1" maxItems:"100"`
	Amount int64            `json:"amount" minimum:"1"`
	Method string           `json:"method" minLength:"1"`
}
type Outcome struct {
	OK        bool   `json:"ok"`
	PaymentID string `json:"payment_id,omitempty"`
}

var Contract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/workflows/purchase", Name: "purchase", // accepts arvo.orc.purchase, emits arvo.orc.purchase.done
	Versions: map[string]arvo.OrchestratorVersion{
		"1.0.0": {Init: arvo.SchemaFor[Order](), Complete: arvo.SchemaFor[Outcome]()},
	},
}))

type state struct { // what is remembered between two events, as JSON
	Order       Order  `json:"order"`
	Reservation string `json:"reservation"`
	Payment     string `json:"payment"`
}

func New(memory arvo.Memory, options ...arvo.ResumableOption) (*arvo.Resumable, error) {
	var calls []*arvo.Version // all whom it calls and hears
	for _, c := range []*arvo.Contract{
		inventory.ReserveContract, inventory.ReleaseContract, payment.ChargeContract, payment.RefundContract,
	} {
		v, err := c.Version("1.0.0")
		if err != nil {
			return nil, err
		}
		calls = append(calls, v)
	}
	return arvo.NewResumable(Contract, memory, append([]arvo.ResumableOption{
		arvo.Calls(calls...), arvo.Resume("1.0.0", buy),
	}, options...)...)
}

func buy(_ context.Context, s *arvo.Step[state, Order]) error {
	st := s.State
	switch s.Event.Type {
	case Contract.Type(): // it begins
		st.Order = *s.Init
		st.Reservation = s.Call(arvo.Call{
			Type: inventory.ReserveContract.Type(), Timeout: time.Minute,
			Data: inventory.Reserve{OrderID: st.Order.ID, Items: st.Order.Items},
		})
	case inventory.ReserveSuccess:
		st.Payment = s.Call(arvo.Call{
			Type: payment.ChargeContract.Type(), Timeout: time.Minute,
			Data: payment.Charge{OrderID: st.Order.ID, Amount: st.Order.Amount, Currency: "EUR", Method: st.Order.Method},
		})
	case payment.ChargeSuccess:
		var paid payment.Payment
		if err := s.Data(&paid); err != nil {
			return err
		}
		s.Complete(arvo.Completion{Data: Outcome{OK: true, PaymentID: paid.PaymentID}})
	case inventory.ReserveRejected: // there is nothing to undo
		s.Complete(arvo.Completion{Data: Outcome{}})
	case inventory.ReserveContract.SystemErrorType(), payment.ChargeContract.SystemErrorType(), payment.ChargeDeclined:
		// Undo what was done, or may yet be: it may be that no answer has come in time.
		s.Call(arvo.Call{
			Type: inventory.ReleaseContract.Type(), Timeout: time.Hour,
			Data: inventory.Release{ReservationID: st.Reservation},
		})
		if st.Payment != "" {
			s.Call(arvo.Call{
				Type: payment.RefundContract.Type(), Timeout: time.Hour,
				Data: payment.Refund{PaymentID: st.Payment},
			})
		}
	case inventory.ReleaseSuccess, payment.RefundSuccess:
		if s.Awaited() == 0 { // the other one has come as well
			s.Complete(arvo.Completion{Data: Outcome{}})
		}
	case inventory.ReleaseContract.SystemErrorType(), payment.RefundContract.SystemErrorType():
		return errors.New("it is not known whether all was undone") // the workflow has failed: somebody has to look
	default:
		return fmt.Errorf("%s is not expected", s.Event.Type)
	}
	return nil
}

// shopping is the workflow of the manual on a bus, with the services that it calls.
func shopping(t *testing.T, bus *arvotest.Bus, decline, reject error) (*arvotest.Memory, *inventorytest.Stock, *paymenttest.Gateway) {
	t.Helper()
	memory := arvotest.NewMemory()
	stock := &inventorytest.Stock{Decide: func(string, inventory.Reserve) error { return reject }}
	gateway := &paymenttest.Gateway{Decide: func(string, payment.Charge) error { return decline }}
	bus.Host(
		arvo.MustResumable(New(memory)),
		arvo.MustService(inventory.NewReserve(stock)), arvo.MustService(inventory.NewRelease(stock)),
		arvo.MustService(payment.NewCharge(gateway)), arvo.MustService(payment.NewRefund(gateway)),
	)
	v, err := Contract.Version("latest")
	if err != nil {
		t.Fatal(err)
	}
	first, err := v.Init(arvo.Draft{Source: "api.thin.lambda", Data: struct {
		Parent *string `json:"parentSubject$$"`
		Order
	}{nil, Order{ID: "o-1", Items: []inventory.Item{{SKU: "lamp", Quantity: 2}}, Amount: 1999, Method: "pm_card"}}})
	if err != nil {
		t.Fatal(err)
	}
	bus.Publish(first)
	return memory, stock, gateway
}

// Whatever the services say, or do not say, the workflow of the manual comes to its end, and keeps neither the goods nor
// the money of an order that failed.
func TestTheWorkflowOfTheManual(t *testing.T) {
	for _, c := range []struct {
		name            string
		decline, reject error
		silent          string // the service that never answers
		want            string // in the answer
	}{
		{"all goes well", nil, nil, "", `{"ok":true,"payment_id":"`},
		{"nothing is in stock", nil, &inventory.RejectedError{Reason: "out of stock"}, "", `{"ok":false}`},
		{"the stock fails", nil, errors.New("fire"), "", `{"ok":false}`},
		{"the stock never answers", nil, nil, "com.inventory.reserve", `{"ok":false}`},
		{"the card is declined", &payment.DeclinedError{Reason: "no money"}, nil, "", `{"ok":false}`},
		{"the gateway fails", errors.New("fire"), nil, "", `{"ok":false}`},
		{"the gateway never answers", nil, nil, "com.payment.charge", `{"ok":false}`},
		{"the undoing is never answered", &payment.DeclinedError{Reason: "no money"}, nil, "com.inventory.release", `"errorMessage":"it is not known whether all was undone"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bus := &arvotest.Bus{Shuffle: true, Copies: 2, Kill: 0.3, Withhold: func(e arvo.Event) bool {
				return e.Source == c.silent && strings.HasPrefix(e.Type, "evt.")
			}}
			memory, stock, gateway := shopping(t, bus, c.decline, c.reject)
			bus.Explain(t, memory)
			now := time.Now()
			for range 3 { // until nothing is left that could time out
				if err := bus.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				now = now.Add(2 * time.Hour)
				if _, err := bus.Timeouts(t.Context(), memory, now); err != nil {
					t.Fatal(err)
				}
			}
			if idle := memory.Idle(); len(idle) > 0 {
				t.Errorf("%d workflows wait for nothing", len(idle))
			}
			answers := bus.At("api.thin.lambda")
			if len(answers) != 1 || !strings.Contains(string(answers[0].Data), c.want) {
				t.Fatalf("the answers are %v, want one with %s", answers, c.want)
			}
			kept := 0
			for _, p := range gateway.Moved() {
				kept += int(p.Amount)
			}
			if bought := c.want[:10] == `{"ok":true`; bought != (kept == 1999) || bought != (stock.Aside("lamp") == 2) {
				t.Errorf("%d cents are kept and %d lamps set aside", kept, stock.Aside("lamp"))
			}
		})
	}
}

// The code in the package comment is this file's, line by line, but for what is left out there as "...".
func TestTheManualShowsWhatRuns(t *testing.T) {
	manual, err := os.ReadFile("../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("manual_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n// # Workflows\n")
	section, _, _ = strings.Cut(section, "\n// # ")
	rest := string(source)
	shown := 0
	for line := range strings.SplitSeq(section, "\n") {
		code, ok := strings.CutPrefix(line, "//\t")
		if !ok || strings.TrimSpace(code) == "" || strings.HasPrefix(strings.TrimSpace(code), "...") {
			continue
		}
		var found bool
		if _, rest, found = strings.Cut(rest, "\n"+code+"\n"); !found {
			t.Fatalf("the package comment of arvo has a line that manual_test.go has not, or not after the one before it:\n%s", code)
		}
		rest = "\n" + rest // two lines in a row share their line break
		shown++
	}
	if shown < 50 {
		t.Errorf("the package comment shows %d lines", shown)
	}
}
