package paymenttest

import (
	"testing"

	"example.com/arvo/lambdas/services/payment"
)

func TestTheGatewayInMemoryKeepsThePromises(t *testing.T) {
	TestGateway(t, func(*testing.T) payment.Gateway { return new(Gateway) })
}
