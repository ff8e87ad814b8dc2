// Package inventorytest helps to test what uses an [inventory.Stock]: [Stock] is one in memory, and [TestStock] holds
// any implementation to the promises of the port, this one among them.
package inventorytest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"example.com/arvo/lambdas/services/inventory"
)

// A Stock keeps its reservations in memory. The zero value has enough of everything. It is safe for concurrent use.
type Stock struct {
	// Decide, if set, is asked before goods are set aside. An [*inventory.RejectedError] is recorded as the
	// reservation's answer; any other error is returned and not recorded, like that of a stock that is out of reach.
	Decide func(key string, r inventory.Reserve) error

	mu           sync.Mutex
	reservations map[string]record // by reservation id
	aside        map[string]int    // pieces by SKU
}

// A record is what a reservation id has come to.
type record struct {
	reservation inventory.Reservation
	rejected    *inventory.RejectedError
	released    bool
}

var _ inventory.Stock = (*Stock)(nil)

// Reserve implements [inventory.Stock].
func (s *Stock) Reserve(ctx context.Context, key string, r inventory.Reserve) (inventory.Reservation, error) {
	if err := ctx.Err(); err != nil {
		return inventory.Reservation{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.reservations[key]; ok {
		return known.answer()
	}
	made := record{reservation: inventory.Reservation{ReservationID: key, OrderID: r.OrderID, Items: slices.Clone(r.Items)}}
	if s.Decide != nil {
		err := s.Decide(key, r)
		if rejected := (*inventory.RejectedError)(nil); errors.As(err, &rejected) {
			made = record{rejected: rejected}
		} else if err != nil {
			return inventory.Reservation{}, err
		}
	}
	s.put(key, made)
	s.move(made.reservation.Items, 1)
	return made.answer()
}

// Release implements [inventory.Stock].
func (s *Stock) Release(ctx context.Context, reservationID string) (inventory.Released, error) {
	if err := ctx.Err(); err != nil {
		return inventory.Released{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.reservations[reservationID]
	if !ok {
		known.rejected = &inventory.RejectedError{Reason: inventory.ReasonReleased}
		s.put(reservationID, known)
	}
	if known.rejected != nil {
		return inventory.Released{ReservationID: reservationID}, nil
	}
	if !known.released {
		known.released = true
		s.put(reservationID, known)
		s.move(known.reservation.Items, -1)
	}
	return inventory.Released{ReservationID: reservationID, Released: true}, nil
}

// Aside returns how many pieces of an article are set aside.
func (s *Stock) Aside(sku string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aside[sku]
}

func (s *Stock) put(id string, r record) {
	if s.reservations == nil {
		s.reservations = make(map[string]record)
	}
	s.reservations[id] = r
}

func (s *Stock) move(items []inventory.Item, sign int) {
	if s.aside == nil {
		s.aside = make(map[string]int)
	}
	for _, item := range items {
		s.aside[item.SKU] += sign * item.Quantity
	}
}

func (r record) answer() (inventory.Reservation, error) {
	if r.rejected != nil {
		return inventory.Reservation{}, r.rejected
	}
	answer := r.reservation
	answer.Items = slices.Clone(answer.Items)
	return answer, nil
}
