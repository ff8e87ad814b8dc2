package vectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"example.com/arvo/lambdas/arvo"
)

// The workflows and services that the recordings of orchestration are of.

// orderState is what the recorder's workflow calls its context.
type orderState struct {
	Order    string  `json:"order,omitempty"`
	Amount   float64 `json:"amount,omitempty"`
	Fan      bool    `json:"fan,omitempty"` // both services are called at once
	Reserved *bool   `json:"reserved,omitempty"`
}

type orderStep = arvo.Step[orderState, orderInput]

// orderWorkflow is the recorder's workflow "resumable": it reserves and charges, one after the other. The member mode of
// the data says what it does otherwise.
func orderWorkflow(flavor string, memory arvo.Memory) (*arvo.Resumable, error) {
	return arvo.NewResumable(recordedContracts(flavor)["order"], memory, arvo.ExecutionUnits(1),
		arvo.Calls(contractVersion(flavor, "reserve"), contractVersion(flavor, "charge")),
		arvo.Resume("1.0.0", resumeOrder))
}

func resumeOrder(ctx context.Context, s *orderStep) error {
	switch {
	case s.Init != nil:
		return beginOrder(s)
	case s.State.Fan:
		return collect(ctx, s)
	case s.Event.Type == reserveSuccess:
		var answer reserved
		if err := s.Data(&answer); err != nil {
			return err
		}
		s.State.Reserved = &answer.Reserved
		s.Call(arvo.Call{Type: chargeType, Data: chargeInput{s.State.Order, s.State.Amount}})
	case s.Event.Type == chargeSuccess:
		var answer charged
		if err := s.Data(&answer); err != nil {
			return err
		}
		s.Complete(arvo.Completion{Data: orderDone{OK: true, Receipt: &answer.Receipt}})
	case strings.HasPrefix(s.Event.Type, "sys."):
		s.Complete(arvo.Completion{Data: orderDone{}})
	}
	return nil
}

func beginOrder(s *orderStep) error {
	in := s.Init
	switch in.Mode {
	case "throw":
		return errors.New("init boom")
	case "fanout":
		s.State.Order, s.State.Fan = in.Order, true
		s.Call(arvo.Call{Type: reserveType, Data: reserveInput{in.Order, in.SKU}})
		s.Call(arvo.Call{Type: chargeType, Data: chargeInput{in.Order, in.Amount}})
	case "bad-emit":
		s.Call(arvo.Call{Type: reserveType, Data: json.RawMessage(`{"order":5}`)})
	case "raw-emit":
		s.Call(arvo.Call{Type: "com.unknown.service", Data: json.RawMessage(`{"anything":true}`)})
	case "immediate":
		now := "now"
		s.Complete(arvo.Completion{Data: orderDone{OK: true, Receipt: &now}})
	case "nothing":
	case "domain":
		s.State.Order, s.State.Amount = in.Order, 1
		s.Call(arvo.Call{
			Type: reserveType, Data: reserveInput{in.Order, "s"}, Domains: []string{arvo.DomainFromEventContract, arvo.DomainLocal},
		})
	default:
		s.State.Order, s.State.Amount = in.Order, in.Amount
		s.Call(arvo.Call{Type: reserveType, Data: reserveInput{in.Order, in.SKU}})
	}
	return nil
}

// collect waits for the answers of both services.
func collect(ctx context.Context, s *orderStep) error {
	replies, err := s.Replies(ctx)
	if err != nil {
		return err
	}
	answers := make(map[string]arvo.Event)
	for _, e := range replies {
		answers[e.Type] = e
	}
	_, isReserved := answers[reserveSuccess]
	charge, isCharged := answers[chargeSuccess]
	if !isReserved || !isCharged {
		return nil
	}
	var answer charged
	if err := json.Unmarshal(charge.Data, &answer); err != nil {
		return err
	}
	s.Complete(arvo.Completion{Data: orderDone{OK: true, Receipt: &answer.Receipt}})
	return nil
}

// batchWorkflow is the recorder's parent of an order.
func batchWorkflow(flavor string, memory arvo.Memory) (*arvo.Resumable, error) {
	return arvo.NewResumable(recordedContracts(flavor)["batch"], memory, arvo.ExecutionUnits(1),
		arvo.Calls(contractVersion(flavor, "order")),
		arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[struct{}, batchInput]) error {
			if s.Init == nil {
				s.Complete(arvo.Completion{Data: batchDone{s.Event.Type == orderType+".done"}})
				return nil
			}
			var parent any = s.Event.Subject
			switch s.Init.Order {
			case "noparent":
				parent = nil
			case "badparent":
				parent = "x"
			}
			s.Call(arvo.Call{Type: orderType, Data: map[string]any{arvo.ParentSubject: parent, "order": "o", "amount": 1, "sku": "s"}})
			return nil
		}))
}

// orderServices are the services that an order calls.
func orderServices(flavor string) ([]*arvo.Service, error) {
	contracts := recordedContracts(flavor)
	charge, err := arvo.NewService(contracts["charge"], arvo.ExecutionUnits(2),
		arvo.Implement("1.0.0", func(_ context.Context, in arvo.Input[chargeInput]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: chargeSuccess, Data: charged{"r-" + in.Data.Order}}}, nil
		}))
	if err != nil {
		return nil, err
	}
	reserve, err := arvo.NewService(contracts["reserve"], arvo.ExecutionUnits(2),
		arvo.Implement("1.0.0", func(context.Context, arvo.Input[reserveInput]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: reserveSuccess, Data: reserved{true}}}, nil
		}))
	if err != nil {
		return nil, err
	}
	return []*arvo.Service{charge, reserve}, nil
}
