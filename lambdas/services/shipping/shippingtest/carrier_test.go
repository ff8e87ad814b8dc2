package shippingtest

import (
	"testing"

	"example.com/arvo/lambdas/services/shipping"
)

func TestTheCarrierInMemoryKeepsThePromises(t *testing.T) {
	TestCarrier(t, func(*testing.T) shipping.Carrier { return new(Carrier) })
}
