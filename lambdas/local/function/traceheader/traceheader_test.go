package traceheader_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/function/traceheader"
)

func TestParse(t *testing.T) {
	const root = "1-5759e988-bd862e3fe1be46a994272793"
	tests := []struct {
		name, in string
		want     traceheader.Header
		ok       bool
	}{
		{"all three parts", "Root=" + root + ";Parent=53995c3f42cd8ad8;Sampled=1", traceheader.Header{Root: root, Parent: "53995c3f42cd8ad8", Decision: traceheader.Sampled}, true},
		{"any order and blanks", " Sampled=0; Parent=53995c3f42cd8ad8 ;Root=" + root, traceheader.Header{Root: root, Parent: "53995c3f42cd8ad8", Decision: traceheader.NotSampled}, true},
		{"a root alone", "Root=" + root, traceheader.Header{Root: root}, true},
		{"a decision that is asked for", "Root=" + root + ";Sampled=?", traceheader.Header{Root: root}, true},
		{"unknown keys are left out", "Self=1-67891233-abcdef012345678912345678;Root=" + root + ";Lineage=a87bd80c:1|68fd508a:5", traceheader.Header{Root: root}, true},
		{"a malformed parent counts as absent", "Root=" + root + ";Parent=53995C3F42CD8AD8", traceheader.Header{Root: root}, true},
		{"no root", "Parent=53995c3f42cd8ad8;Sampled=1", traceheader.Header{Parent: "53995c3f42cd8ad8", Decision: traceheader.Sampled}, false},
		{"a root that is too short", "Root=1-5759e988-bd86", traceheader.Header{}, false},
		{"a root of another version", "Root=2-5759e988-bd862e3fe1be46a994272793", traceheader.Header{}, false},
		{"a line break in the root", "Root=1-5759e988-bd862e3fe1be46a9942727\r\n", traceheader.Header{}, false},
		{"nothing", "", traceheader.Header{}, false},
		{"far too much", "Root=" + root + strings.Repeat(";x=y", 1000), traceheader.Header{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := traceheader.Parse(tt.in)
			if got != tt.want || ok != tt.ok {
				t.Errorf("%+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.Uint64().AsAny()
		draw := func() uint64 { return random.Draw(t, "random").(uint64) }
		h := traceheader.Header{
			Root:     traceheader.NewRoot(time.Unix(int64(rapid.Uint32().Draw(t, "time")), 0), draw),
			Decision: traceheader.Decision(rapid.IntRange(0, 2).Draw(t, "decision")),
		}
		if rapid.Bool().Draw(t, "parent") {
			h.Parent = traceheader.NewID(draw)
		}
		if got, ok := traceheader.Parse(h.String()); !ok || got != h {
			t.Errorf("%+v was written as %q and read as %+v", h, h, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := traceheader.Parse(s)
		if !ok {
			return
		}
		if again, ok := traceheader.Parse(h.String()); !ok || again != h {
			t.Errorf("%q read as %+v, then as %+v", s, h, again)
		}
	})
}

func ExampleParse() {
	h, ok := traceheader.Parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=1:a:0")
	fmt.Println(h, ok)
	// Output: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1 true
}
