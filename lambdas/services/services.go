// Package services lists the business: one contract for each service that this system hosts. The services themselves
// are in the folders beneath, one for each domain; a host makes them from their ports.
package services

import (
	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/workload"
)

// Contracts returns the contracts of all services, by type.
func Contracts() []*arvo.Contract {
	return []*arvo.Contract{
		fulfilment.Contract,
		inventory.ReleaseContract,
		inventory.ReserveContract,
		payment.ChargeContract,
		payment.RefundContract,
		shipping.BookContract,
		workload.SimulateContract,
	}
}
