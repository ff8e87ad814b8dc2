package table

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Each transaction of an SDK has a token; when they end, what was kept of them ends ten minutes later.
func TestTokensTakeNoMemoryForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		for i := range 1000 {
			name := fmt.Sprint(i)
			if _, err := s.tokens.begin(name, [32]byte{}, time.Now()); err != nil {
				t.Fatal(err)
			}
			s.tokens.end(name, true)
		}
		time.Sleep(tokenLife + 2*sweepInterval)
		synctest.Wait()
		s.tokens.mu.Lock()
		defer s.tokens.mu.Unlock()
		if s.tokens.known != nil || s.tokens.queue != nil {
			t.Errorf("%d tokens are still there", len(s.tokens.known))
		}
	})
}
