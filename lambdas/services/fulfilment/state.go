package fulfilment

import (
	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
)

// state is what a fulfilment has asked for and what it was told. What it does next follows from it alone, and not from the
// order in which the answers came.
type state struct {
	Order   Order  `json:"order"`
	Stopped *cause `json:"stopped,omitempty"` // nil while nothing stands in the way

	Reserve call `json:"reserve,omitzero"`
	Release call `json:"release,omitzero"`
	Charge  call `json:"charge,omitzero"`
	Refund  call `json:"refund,omitzero"`
	Book    call `json:"book,omitzero"`
}

// A cause is the first thing that stood in the way of an order.
type cause struct {
	Status Status `json:"status"`
	Reason string `json:"reason"`
}

// A call is what one service was asked for. The zero value was not.
type call struct {
	ID     string `json:"id,omitempty"` // of the event, and so of the reservation, the payment or the booking
	Answer answer `json:"answer,omitempty"`

	Reason   string `json:"reason,omitempty"` // of a no, or why nobody can tell
	SKU      string `json:"sku,omitempty"`
	Carrier  string `json:"carrier,omitempty"`
	Tracking string `json:"tracking,omitempty"`
}

// An answer is what came of a call.
type answer string

const (
	none answer = ""     // none yet
	yes  answer = "yes"  // it is done
	no   answer = "no"   // it is not done, and will not be
	lost answer = "lost" // nobody can tell: the service failed, or did not answer in time
)

// stands reports whether a call has done something, or may yet: it has to be undone if the order is.
func (c call) stands() bool { return c.ID != "" && c.Answer != no }

// take notes what the event says. The first answer to a call stands, and a reply to a call that is not this workflow's
// says nothing.
func take(s *step) error {
	st := s.State
	if s.Init != nil {
		st.Order = *s.Init
		return nil
	}
	c, a := st.heard(s.Event.Type)
	if c == nil || c.ID != s.Event.ParentID || c.Answer != none {
		return nil
	}
	var said struct {
		Reason    string `json:"reason"` // of a refusal
		SKU       string `json:"sku"`
		Carrier   string `json:"carrier"` // of a booking
		Tracking  string `json:"tracking"`
		Released  bool   `json:"released"`
		Refunded  bool   `json:"refunded"`
		ErrorName string `json:"errorName"` // of a system error
	}
	if err := s.Data(&said); err != nil {
		return err
	}
	if c == &st.Release && a == yes && !said.Released || c == &st.Refund && a == yes && !said.Refunded {
		a = no // there was nothing to undo
	}
	*c = call{ID: c.ID, Answer: a, Reason: said.Reason, SKU: said.SKU, Carrier: said.Carrier, Tracking: said.Tracking}
	if a == lost {
		// What the error says is for whoever runs the service: it stays in the history.
		c.Reason = "the service failed"
		if said.ErrorName == arvo.ErrorTimeout {
			c.Reason = "no answer in time"
		}
	}
	if st.Stopped == nil {
		st.Stopped = st.obstacle()
	}
	return nil
}

// heard tells what an event type says of which call. The call is nil for a type that says nothing.
func (st *state) heard(eventType string) (*call, answer) {
	switch eventType {
	case inventory.ReserveSuccess:
		return &st.Reserve, yes
	case inventory.ReserveRejected:
		return &st.Reserve, no
	case inventory.ReserveContract.SystemErrorType():
		return &st.Reserve, lost
	case inventory.ReleaseSuccess:
		return &st.Release, yes
	case inventory.ReleaseContract.SystemErrorType():
		return &st.Release, lost
	case payment.ChargeSuccess:
		return &st.Charge, yes
	case payment.ChargeDeclined:
		return &st.Charge, no
	case payment.ChargeContract.SystemErrorType():
		return &st.Charge, lost
	case payment.RefundSuccess:
		return &st.Refund, yes
	case payment.RefundContract.SystemErrorType():
		return &st.Refund, lost
	case shipping.BookSuccess:
		return &st.Book, yes
	case shipping.BookRejected:
		return &st.Book, no
	case shipping.BookContract.SystemErrorType():
		return &st.Book, lost
	}
	return nil, none
}

// obstacle is what stands in the way of the order, nil for nothing.
func (st *state) obstacle() *cause {
	switch {
	case st.Reserve.Answer == no:
		return &cause{Rejected, st.Reserve.Reason}
	case st.Charge.Answer == no:
		return &cause{Declined, st.Charge.Reason}
	case st.Book.Answer == no:
		return &cause{Rejected, st.Book.Reason}
	case st.Reserve.Answer == lost:
		return &cause{Failed, "reservation: " + st.Reserve.Reason}
	case st.Charge.Answer == lost:
		return &cause{Failed, "payment: " + st.Charge.Reason}
	case st.Book.Answer == lost:
		return &cause{Failed, "shipment: " + st.Book.Reason}
	}
	return nil
}

// outcome is what has become of the order.
func (st *state) outcome() Outcome {
	o := Outcome{OrderID: st.Order.OrderID, Status: Fulfilled, Reservation: st.reservation(), Payment: st.payment(), Shipment: st.shipment()}
	if st.Stopped != nil {
		o.Status, o.Reason = st.Stopped.Status, st.Stopped.Reason
	}
	return o
}

func (st *state) reservation() Reservation {
	r := Reservation{ReservationID: st.Reserve.ID, Status: "none"}
	switch asked, undone := st.Reserve, st.Release; {
	case asked.Answer == no && undone.ID != "" && asked.Reason == inventory.ReasonReleased: // the release was first
	case asked.Answer == no:
		r.Status, r.Reason, r.SKU = "rejected", asked.Reason, asked.SKU
	case undone.Answer == yes:
		r.Status = "released"
	case undone.Answer == lost:
		r.Status, r.Reason = "unknown", "release: "+undone.Reason
	case undone.ID == "" && asked.Answer == yes:
		r.Status = "reserved"
	}
	return r
}

func (st *state) payment() Payment {
	p := Payment{PaymentID: st.Charge.ID, Status: "none"}
	switch asked, undone := st.Charge, st.Refund; {
	case asked.Answer == no && undone.ID != "" && asked.Reason == payment.ReasonRefunded: // the refund was first
	case asked.Answer == no:
		p.Status, p.Reason = "declined", asked.Reason
	case undone.Answer == yes:
		p.Status = "refunded"
	case undone.Answer == lost:
		p.Status, p.Reason = "unknown", "refund: "+undone.Reason
	case undone.ID == "" && asked.Answer == yes:
		p.Status = "charged"
	}
	return p
}

func (st *state) shipment() Shipment {
	s := Shipment{BookingID: st.Book.ID, Status: "none"}
	switch asked := st.Book; asked.Answer {
	case yes:
		s.Status, s.Carrier, s.Tracking = "booked", asked.Carrier, asked.Tracking
	case no:
		s.Status, s.Reason = "rejected", asked.Reason
	case lost:
		s.Status, s.Reason = "unknown", asked.Reason
	}
	return s
}
