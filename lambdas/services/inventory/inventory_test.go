package inventory_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
)

func TestReserve(t *testing.T) {
	for _, test := range []struct {
		name      string
		data      string
		decide    error
		wantType  string
		wantData  string
		wantLamps int // set aside
	}{
		{
			name:      "a reservation sets all items aside and has the event's id",
			data:      `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2},{"sku":"bulb","quantity":6}]}`,
			wantType:  inventory.ReserveSuccess,
			wantData:  `{"reservation_id":"evt-1","order_id":"order-1","items":[{"sku":"lamp","quantity":2},{"sku":"bulb","quantity":6}]}`,
			wantLamps: 2,
		},
		{
			name:     "what is out of stock is rejected by name",
			data:     `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`,
			decide:   &inventory.RejectedError{Reason: "out of stock", SKU: "lamp"},
			wantType: inventory.ReserveRejected,
			wantData: `{"order_id":"order-1","reason":"out of stock","sku":"lamp"}`,
		},
		{
			name:     "an article that is listed twice is rejected, for its quantity is in doubt",
			data:     `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2},{"sku":"bulb","quantity":6},{"sku":"lamp","quantity":1}]}`,
			wantType: inventory.ReserveRejected,
			wantData: `{"order_id":"order-1","reason":"listed twice","sku":"lamp"}`,
		},
		{
			name:     "an unexpected failure of the stock is a system error",
			data:     `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`,
			decide:   errors.New("no such warehouse"),
			wantType: "sys.com.inventory.reserve.error",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			stock := &inventorytest.Stock{Decide: func(string, inventory.Reserve) error { return test.decide }}
			service := arvo.MustService(inventory.NewReserve(stock))
			out, err := service.Handle(t.Context(), event(t, inventory.ReserveContract, "evt-1", test.data))
			checkAnswer(t, out, err, test.wantType, test.wantData)
			if lamps := stock.Aside("lamp"); lamps != test.wantLamps {
				t.Errorf("%d lamps are set aside, want %d", lamps, test.wantLamps)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	reserve := event(t, inventory.ReserveContract, "evt-1", `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`)
	release := event(t, inventory.ReleaseContract, "evt-2", `{"reservation_id":"evt-1"}`)
	again := event(t, inventory.ReleaseContract, "evt-3", `{"reservation_id":"evt-1"}`)
	const (
		aside   = `{"reservation_id":"evt-1","order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`
		back    = `{"reservation_id":"evt-1","released":true}`
		nothing = `{"reservation_id":"evt-1","released":false}`
		refused = `{"order_id":"order-1","reason":"released"}`
	)
	type step struct {
		in        arvo.Event
		wantType  string
		wantData  string
		wantLamps int // set aside
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{
			"a release puts back what was set aside",
			[]step{{reserve, inventory.ReserveSuccess, aside, 2}, {release, inventory.ReleaseSuccess, back, 0}},
		},
		{
			"a redelivery of either moves nothing and answers alike",
			[]step{
				{reserve, inventory.ReserveSuccess, aside, 2}, {reserve, inventory.ReserveSuccess, aside, 2},
				{release, inventory.ReleaseSuccess, back, 0}, {release, inventory.ReleaseSuccess, back, 0},
			},
		},
		{
			"a second release of one reservation puts nothing back",
			[]step{{reserve, inventory.ReserveSuccess, aside, 2}, {release, inventory.ReleaseSuccess, back, 0}, {again, inventory.ReleaseSuccess, back, 0}},
		},
		{
			"a release that overtakes its reservation stops it",
			[]step{{release, inventory.ReleaseSuccess, nothing, 0}, {reserve, inventory.ReserveRejected, refused, 0}, {again, inventory.ReleaseSuccess, nothing, 0}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stock inventorytest.Stock
			services := map[string]*arvo.Service{
				inventory.ReserveContract.Type(): arvo.MustService(inventory.NewReserve(&stock)),
				inventory.ReleaseContract.Type(): arvo.MustService(inventory.NewRelease(&stock)),
			}
			for i, step := range test.steps {
				out, err := services[step.in.Type].Handle(t.Context(), step.in)
				checkAnswer(t, out, err, step.wantType, step.wantData)
				if lamps := stock.Aside("lamp"); lamps != step.wantLamps {
					t.Errorf("after step %d %d lamps are set aside, want %d", i, lamps, step.wantLamps)
				}
			}
		})
	}
}

func TestProducersThatChoseTheSameIDDoNotShareAReservation(t *testing.T) {
	var stock inventorytest.Stock
	service := arvo.MustService(inventory.NewReserve(&stock))
	for _, test := range []struct{ data, wantType string }{
		{`{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`, inventory.ReserveSuccess},
		{`{"order_id":"order-2","items":[{"sku":"lamp","quantity":2}]}`, "sys.com.inventory.reserve.error"},
		{`{"order_id":"order-1","items":[{"sku":"lamp","quantity":3}]}`, "sys.com.inventory.reserve.error"},
	} {
		out, err := service.Handle(t.Context(), event(t, inventory.ReserveContract, "1", test.data))
		checkAnswer(t, out, err, test.wantType, "")
	}
	if lamps := stock.Aside("lamp"); lamps != 2 {
		t.Errorf("%d lamps are set aside, want 2", lamps)
	}
}

func TestAStockOutOfReachIsTriedAgain(t *testing.T) {
	outage := error(&arvo.Violation{Kind: arvo.KindExecution, Message: "stock out of reach"})
	stock := &inventorytest.Stock{Decide: func(string, inventory.Reserve) error { return outage }}
	service := arvo.MustService(inventory.NewReserve(stock))
	reserve := event(t, inventory.ReserveContract, "evt-1", `{"order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}`)

	out, err := service.Handle(t.Context(), reserve)
	if !errors.Is(err, arvo.ErrExecution) || len(out) != 0 {
		t.Fatalf("got %v, %v; want no event and an execution violation", out, err)
	}
	outage = nil
	out, err = service.Handle(t.Context(), reserve)
	checkAnswer(t, out, err, inventory.ReserveSuccess, "")
}

func TestContracts(t *testing.T) {
	items := func(n int) string {
		return `{"order_id":"o","items":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"lamp","quantity":1},`, n), ",") + `]}`
	}
	for _, test := range []struct {
		name     string
		contract *arvo.Contract
		data     string
		wantPath string
	}{
		{"a reservation names its order", inventory.ReserveContract, `{"items":[{"sku":"lamp","quantity":1}]}`, "order_id"},
		{"a reservation has items", inventory.ReserveContract, `{"order_id":"o"}`, "items"},
		{"a reservation has one item at least", inventory.ReserveContract, items(0), "items"},
		{"a reservation has a hundred items at most", inventory.ReserveContract, items(101), "items"},
		{"null is no list of items", inventory.ReserveContract, `{"order_id":"o","items":null}`, "items"},
		{"an item names its article", inventory.ReserveContract, `{"order_id":"o","items":[{"quantity":1}]}`, "sku"},
		{"an article's name is not empty", inventory.ReserveContract, `{"order_id":"o","items":[{"sku":"","quantity":1}]}`, "sku"},
		{"an item is one piece at least", inventory.ReserveContract, `{"order_id":"o","items":[{"sku":"lamp","quantity":0}]}`, "quantity"},
		{"an item is a thousand pieces at most", inventory.ReserveContract, `{"order_id":"o","items":[{"sku":"lamp","quantity":1001}]}`, "quantity"},
		{"a release names its reservation", inventory.ReleaseContract, `{}`, "reservation_id"},
		{"a reservation's id is not empty", inventory.ReleaseContract, `{"reservation_id":""}`, "reservation_id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stock inventorytest.Stock
			service := arvo.MustService(inventory.NewReserve(&stock))
			if test.contract == inventory.ReleaseContract {
				service = arvo.MustService(inventory.NewRelease(&stock))
			}
			out, err := service.Handle(t.Context(), unchecked(t, test.contract, "evt-1", test.data))
			if !errors.Is(err, arvo.ErrContract) || len(out) != 0 {
				t.Fatalf("got %v, %v; want no event and a contract violation", out, err)
			}
			if !strings.Contains(err.Error(), test.wantPath) {
				t.Errorf("%q does not name %s", err, test.wantPath)
			}
			if lamps := stock.Aside("lamp"); lamps != 0 {
				t.Errorf("%d lamps are set aside", lamps)
			}
		})
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

// checkAnswer checks that a service answered with one event, of the type and, unless it is empty, with the data.
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
}
