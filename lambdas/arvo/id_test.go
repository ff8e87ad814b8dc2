package arvo_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
)

// Derived ids are on the wire and in tables. These values were computed by another program from DeriveID's comment; a
// change that breaks this test would make every input that is delivered again look like a new one.
func TestDerivedIDsNeverChange(t *testing.T) {
	for _, c := range []struct {
		fields [6]string // subject, input source, input id, handler source, index, domain
		want   string
	}{
		{[6]string{"", "", "", "", "", ""}, "f53bf92c-e73d-8cf3-882e-9bdc85f71e5e"},
		{[6]string{"order/1", "api.thin.lambda", "evt-1", "com.payment.charge", "0", ""}, "d2887d18-253e-84da-abb2-0222cab35f65"},
		{[6]string{"order/1", "api.thin.lambda", "evt-1", "com.payment.charge", "1", ""}, "a18d723b-880a-8487-a139-bb030145d0c8"},
		{[6]string{"order/1", "api.thin.lambda", "evt-1", "com.payment.charge", "error", ""}, "694044ea-61de-8368-80b1-58b5765fb60d"},
		{[6]string{"order/1", "api.thin.lambda", "evt-1", "com.payment.charge", "0", "external.human"}, "3890ace8-818b-82a6-ae08-ffab60b3b0e8"},
		{[6]string{"order/1a", "pi.thin.lambda", "evt-1", "com.payment.charge", "0", ""}, "90e8a9c7-0481-85a5-8e85-becbed6acb7a"},
		{[6]string{"bestellung/ü", "api.thin.lambda", "ü", "com.payment.charge", "10", ""}, "2e48a62e-74e1-85f4-9baf-c3d591749a45"},
	} {
		f := c.fields
		if got := arvo.DeriveID(f[0], f[1], f[2], f[3], f[4], f[5]); got != c.want {
			t.Errorf("%q: got %s, want %s", f, got, c.want)
		}
	}
}

func TestDerivedIDsAreUUIDsOfVersion8AndDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SliceOfN(rapid.StringN(0, 4, -1), 6, 6).Draw(t, "fields")
		g := rapid.SliceOfN(rapid.StringN(0, 4, -1), 6, 6).Draw(t, "others")
		id := arvo.DeriveID(f[0], f[1], f[2], f[3], f[4], f[5])
		u, err := uuid.Parse(id)
		if err != nil || u.Version() != 8 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%s: version %d, variant %s, %v", id, u.Version(), u.Variant(), err)
		}
		same := strings.Join(f, "\x00") == strings.Join(g, "\x00")
		if other := arvo.DeriveID(g[0], g[1], g[2], g[3], g[4], g[5]); (other == id) != same {
			t.Fatalf("%q and %q: %s and %s", f, g, id, other)
		}
	})
}

func TestManagedIDsCarryAValue(t *testing.T) {
	id, err := arvo.ManagedID("  order-1 ")
	if err != nil {
		t.Fatal(err)
	}
	unique, value, err := arvo.ParseManagedID(id)
	if err != nil || value != "order-1" || uuid.Validate(unique) != nil {
		t.Errorf("got %q %q, %v", unique, value, err)
	}
	if again, err := arvo.ManagedID("order-1"); err != nil || again == id {
		t.Errorf("two managed ids are the same: %s, %v", again, err)
	}
	blank, err := arvo.ManagedID(" ")
	if err != nil || uuid.Validate(blank) != nil {
		t.Errorf("a blank value gives %q, %v", blank, err)
	}
	for _, id := range []string{blank, "", "my-id", "eJzLSM3JyQcABiwCFQ=="} {
		if _, _, err := arvo.ParseManagedID(id); err == nil {
			t.Errorf("%q is taken for a managed id", id)
		}
	}
}
