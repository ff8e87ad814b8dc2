package inventorytest

import (
	"testing"

	"example.com/arvo/lambdas/services/inventory"
)

func TestTheStockInMemoryKeepsThePromises(t *testing.T) {
	TestStock(t, func(*testing.T) inventory.Stock { return new(Stock) })
}
