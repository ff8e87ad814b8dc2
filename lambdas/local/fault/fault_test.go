package fault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/fault"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     fault.Rates
		err      string
	}{
		{"nothing asks for nothing", "", fault.Rates{}, ""},
		{"every fault can be asked for", "duplicate=0.05, kill=0.01,putevents=1,throttle=0,delay=500ms", fault.Rates{Duplicate: 0.05, Kill: 0.01, PutEvents: 1, Delay: 500 * time.Millisecond}, ""},
		{"an unknown fault is refused with the known ones", "dupe=1", fault.Rates{}, `no "dupe"; there are duplicate, kill`},
		{"a share above 1 is refused", "kill=2", fault.Rates{}, "kill=2: a share from 0 to 1"},
		{"a share that is no number is refused", "kill=NaN", fault.Rates{}, "kill=NaN: a share"},
		{"a fault without a value is refused", "kill", fault.Rates{}, `"kill" is not name=value`},
		{"a fault given twice is refused", "kill=1,kill=0", fault.Rates{}, "kill is given twice"},
		{"a delay without a unit is refused", "delay=5", fault.Rates{}, "delay=5: a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := fault.Parse(c.in)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestChanceKeepsItsShare(t *testing.T) {
	chance, n := fault.Chance(1, "kill", 0.05), 0
	for range 100_000 {
		if chance() {
			n++
		}
	}
	if n < 4_700 || n > 5_300 {
		t.Errorf("%d of 100000, want about 5000", n)
	}
}

func TestFaultsThatAreNotAskedForCostNothing(t *testing.T) {
	if fault.Chance(1, "kill", 0) != nil || fault.Delay(1, "delay", 0) != nil {
		t.Error("a share of 0 should give no function")
	}
}

func TestSequencesDependOnSeedAndName(t *testing.T) {
	first := func(seed uint64, name string) uint64 { return fault.Rand(seed, name).Uint64() }
	kill := first(1, "kill")
	if again := first(1, "kill"); again != kill {
		t.Error("the same seed and name should draw alike")
	}
	if kill == first(2, "kill") || kill == first(1, "throttle") {
		t.Error("another seed or name should draw otherwise")
	}
}

func ExampleParse() {
	r, err := fault.Parse("duplicate=0.05,delay=200ms")
	fmt.Println(r.Duplicate, r.Delay, err)
	// Output: 0.05 200ms <nil>
}
