package shipping_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
)

const (
	address = `{"name":"A. Lindgren","street":"Dalagatan 46","city":"Stockholm","postcode":"113 24","country":"SE"}`
	order   = `{"order_id":"order-1","address":` + address + `,"parcels":2}`
)

func TestBook(t *testing.T) {
	for _, test := range []struct {
		name        string
		data        string
		decide      error
		wantType    string
		wantData    string
		wantParcels int
	}{
		{
			name:        "a booking has the event's id and a tracking number",
			data:        order,
			wantType:    shipping.BookSuccess,
			wantData:    `{"booking_id":"evt-1","order_id":"order-1","carrier":"test","tracking":"TEST-1"}`,
			wantParcels: 2,
		},
		{
			name:        "an order is one parcel unless it says otherwise",
			data:        `{"order_id":"order-1","address":` + address + `}`,
			wantType:    shipping.BookSuccess,
			wantData:    `{"booking_id":"evt-1","order_id":"order-1","carrier":"test","tracking":"TEST-1"}`,
			wantParcels: 1,
		},
		{
			name:     "a country that is not served is an answer and not an error",
			data:     order,
			decide:   &shipping.RejectedError{Reason: "country not served"},
			wantType: shipping.BookRejected,
			wantData: `{"order_id":"order-1","reason":"country not served"}`,
		},
		{
			name:     "an unexpected failure of the carrier is a system error",
			data:     order,
			decide:   errors.New("account closed"),
			wantType: "sys.com.shipping.book.error",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			carrier := &shippingtest.Carrier{Decide: func(string, shipping.Book) error { return test.decide }}
			service := arvo.MustService(shipping.NewBook(carrier))
			// As anyone may put it on the bus: nobody has filled in a default.
			out, err := service.Handle(t.Context(), unchecked(t, "evt-1", test.data))
			checkAnswer(t, out, err, test.wantType, test.wantData)
			if parcels := carrier.Parcels(); parcels != test.wantParcels {
				t.Errorf("%d parcels are booked, want %d", parcels, test.wantParcels)
			}
		})
	}
}

func TestARedeliveryBooksNothing(t *testing.T) {
	var carrier shippingtest.Carrier
	service := arvo.MustService(shipping.NewBook(&carrier))
	for range 3 {
		out, err := service.Handle(t.Context(), unchecked(t, "evt-1", order))
		checkAnswer(t, out, err, shipping.BookSuccess, `{"booking_id":"evt-1","order_id":"order-1","carrier":"test","tracking":"TEST-1"}`)
	}
	if parcels := carrier.Parcels(); parcels != 2 {
		t.Errorf("%d parcels are booked, want 2", parcels)
	}
}

func TestProducersThatChoseTheSameIDDoNotShareABooking(t *testing.T) {
	var carrier shippingtest.Carrier
	service := arvo.MustService(shipping.NewBook(&carrier))
	out, err := service.Handle(t.Context(), unchecked(t, "1", order))
	checkAnswer(t, out, err, shipping.BookSuccess, "")
	out, err = service.Handle(t.Context(), unchecked(t, "1", strings.Replace(order, "order-1", "order-2", 1)))
	checkAnswer(t, out, err, "sys.com.shipping.book.error", "")
}

func TestACarrierOutOfReachIsTriedAgain(t *testing.T) {
	outage := error(&arvo.Violation{Kind: arvo.KindExecution, Message: "carrier out of reach"})
	carrier := &shippingtest.Carrier{Decide: func(string, shipping.Book) error { return outage }}
	service := arvo.MustService(shipping.NewBook(carrier))

	out, err := service.Handle(t.Context(), unchecked(t, "evt-1", order))
	if !errors.Is(err, arvo.ErrExecution) || len(out) != 0 {
		t.Fatalf("got %v, %v; want no event and an execution violation", out, err)
	}
	outage = nil
	out, err = service.Handle(t.Context(), unchecked(t, "evt-1", order))
	checkAnswer(t, out, err, shipping.BookSuccess, "")
}

func TestContract(t *testing.T) {
	without := func(field string) string {
		var fields map[string]any
		if err := json.Unmarshal([]byte(order), &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, field)
		delete(fields["address"].(map[string]any), strings.TrimPrefix(field, "address."))
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, test := range []struct {
		name     string
		data     string
		wantPath string
	}{
		{"a booking names its order", without("order_id"), "order_id"},
		{"an address has a name", without("address.name"), "name"},
		{"an address has a street", without("address.street"), "street"},
		{"an address has a city", without("address.city"), "city"},
		{"an address has a postcode", without("address.postcode"), "postcode"},
		{"an address has a country", without("address.country"), "country"},
		{"a country is two capitals", strings.Replace(order, `"SE"`, `"se"`, 1), "country"},
		{"a country is two capitals and nothing more", strings.Replace(order, `"SE"`, `"SWE"`, 1), "country"},
		{"an order is one parcel at least", strings.Replace(order, `"parcels":2`, `"parcels":0`, 1), "parcels"},
		{"an order is a hundred parcels at most", strings.Replace(order, `"parcels":2`, `"parcels":101`, 1), "parcels"},
		{"parcels are not cut", strings.Replace(order, `"parcels":2`, `"parcels":1.5`, 1), "parcels"},
		{"a name has an end", strings.Replace(order, "A. Lindgren", strings.Repeat("A", 201), 1), "name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var carrier shippingtest.Carrier
			service := arvo.MustService(shipping.NewBook(&carrier))
			out, err := service.Handle(t.Context(), unchecked(t, "evt-1", test.data))
			if !errors.Is(err, arvo.ErrContract) || len(out) != 0 {
				t.Fatalf("got %v, %v; want no event and a contract violation", out, err)
			}
			if !strings.Contains(err.Error(), test.wantPath) {
				t.Errorf("%q does not name %s", err, test.wantPath)
			}
			if strings.Contains(err.Error(), "Dalagatan") {
				t.Errorf("%q tells the address", err)
			}
			if parcels := carrier.Parcels(); parcels != 0 {
				t.Errorf("%d parcels are booked", parcels)
			}
		})
	}
}

// unchecked returns an event that says it accords with the contract, as anyone may put one on the bus.
func unchecked(t testing.TB, id, data string) arvo.Event {
	t.Helper()
	e, err := arvo.New(arvo.Draft{
		ID: id, Source: "api.thin.lambda", Subject: "order/1",
		Type: shipping.BookContract.Type(), DataSchema: shipping.BookContract.URI() + "/1.0.0", Data: json.RawMessage(data),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkAnswer checks that the service answered with one event, of the type and, unless it is empty, with the data; and
// that the answer keeps the address to itself.
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
	if strings.Contains(string(out[0].Data), "Dalagatan") {
		t.Errorf("the answer tells the address: %s", out[0].Data)
	}
}
