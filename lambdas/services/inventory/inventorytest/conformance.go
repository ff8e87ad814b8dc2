package inventorytest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
)

// TestStock holds an implementation to what [inventory.Stock] promises. open returns a stock without any reservation
// that has the goods of order; it is called once for each promise.
func TestStock(t *testing.T, open func(t *testing.T) inventory.Stock) {
	items := []inventory.Item{{SKU: "lamp", Quantity: 2}, {SKU: "bulb", Quantity: 6}}
	order := inventory.Reserve{OrderID: "order-1", Items: items}
	aside := inventory.Reservation{ReservationID: "key-1", OrderID: "order-1", Items: items}
	back := inventory.Released{ReservationID: "key-1", Released: true}
	nothing := inventory.Released{ReservationID: "key-1"}

	for _, test := range []struct {
		promise string
		hold    func(t *testing.T, s session)
	}{
		{"a reservation has the id of its key", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
		}},
		{"a reservation that is repeated answers as the first one did", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			s.reserves("key-1", order, aside)
		}},
		{"a key that has reserved keeps its reservation, whatever is asked of it later", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			s.reserves("key-1", inventory.Reserve{OrderID: "order-2", Items: items[:1]}, aside)
		}},
		{"two keys are two reservations, even of one order", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			second := aside
			second.ReservationID = "key-2"
			s.reserves("key-2", order, second)
		}},
		{"a release puts back what was set aside", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			s.releases("key-1", back)
		}},
		{"a release that is repeated answers as the first one did", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			s.releases("key-1", back)
			s.releases("key-1", back)
		}},
		{"a release of nothing puts nothing back", func(t *testing.T, s session) {
			s.releases("key-1", nothing)
			s.releases("key-1", nothing)
		}},
		{"a reservation that comes after its release is rejected", func(t *testing.T, s session) {
			s.releases("key-1", nothing)
			s.rejects("key-1", order, inventory.ReasonReleased)
			s.rejects("key-1", order, inventory.ReasonReleased)
			s.releases("key-1", nothing)
		}},
		{"a release touches no other reservation", func(t *testing.T, s session) {
			s.releases("key-0", inventory.Released{ReservationID: "key-0"})
			s.reserves("key-1", order, aside)
		}},
		{"a reservation that is redelivered after its release answers as it first did and sets nothing aside", func(t *testing.T, s session) {
			s.reserves("key-1", order, aside)
			s.releases("key-1", back)
			s.reserves("key-1", order, aside)
			s.releases("key-1", back)
		}},
		{"a call without time left asks to be repeated and leaves nothing behind", func(t *testing.T, s session) {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.stock.Reserve(ended, "key-1", order); !heals(err) {
				t.Errorf("reserve: got error %v, want one that a retry may heal", err)
			}
			if _, err := s.stock.Release(ended, "key-1"); !heals(err) {
				t.Errorf("release: got error %v, want one that a retry may heal", err)
			}
			s.reserves("key-1", order, aside)
		}},
		{"of reservations and releases at the same time one comes first, and what was set aside is put back", func(t *testing.T, s session) {
			type answer struct {
				reservation inventory.Reservation
				rejected    bool
				released    inventory.Released
				err         error
			}
			answers := make([]answer, 8)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() {
					a := &answers[i]
					if i%2 == 0 {
						a.reservation, a.err = s.stock.Reserve(t.Context(), "key-1", order)
						if rejected := (*inventory.RejectedError)(nil); errors.As(a.err, &rejected) {
							a.rejected, a.err = true, nil
						}
					} else {
						a.released, a.err = s.stock.Release(t.Context(), "key-1")
					}
				})
			}
			all.Wait()

			wantReserve, wantRelease := answer{reservation: aside}, answer{released: back}
			if answers[0].rejected {
				wantReserve, wantRelease = answer{rejected: true}, answer{released: nothing}
			}
			for i, got := range answers {
				want := wantReserve
				if i%2 == 1 {
					want = wantRelease
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("call %d: got %+v, want %+v, as the first reservation was answered", i, got, want)
				}
			}
		}},
	} {
		t.Run(test.promise, func(t *testing.T) { test.hold(t, session{t, open(t)}) })
	}
}

// A session puts calls to one stock and checks the answers.
type session struct {
	t     *testing.T
	stock inventory.Stock
}

func (s session) reserves(key string, r inventory.Reserve, want inventory.Reservation) {
	s.t.Helper()
	if got, err := s.stock.Reserve(s.t.Context(), key, r); err != nil || !reflect.DeepEqual(got, want) {
		s.t.Errorf("reserve %s: got %+v, %v; want %+v", key, got, err, want)
	}
}

func (s session) rejects(key string, r inventory.Reserve, reason string) {
	s.t.Helper()
	got, err := s.stock.Reserve(s.t.Context(), key, r)
	if rejected := (*inventory.RejectedError)(nil); !errors.As(err, &rejected) || rejected.Reason != reason {
		s.t.Errorf("reserve %s: got %+v, %v; want a RejectedError with reason %q", key, got, err, reason)
	}
}

func (s session) releases(reservationID string, want inventory.Released) {
	s.t.Helper()
	if got, err := s.stock.Release(s.t.Context(), reservationID); err != nil || got != want {
		s.t.Errorf("release %s: got %+v, %v; want %+v", reservationID, got, err, want)
	}
}

// heals tells whether the service lets the queue retry after err.
func heals(err error) bool {
	return errors.Is(err, arvo.ErrExecution) || errors.Is(err, context.Canceled)
}
