package bus

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

// An idSource makes event ids, UUIDs of version 4, and the jitter of retries.
type idSource struct {
	mu     sync.Mutex
	random rand.Source
}

func (s *idSource) init(random rand.Source) {
	if random == nil {
		var seed [32]byte
		crand.Read(seed[:]) // never fails, by its documentation
		random = rand.NewChaCha8(seed)
	}
	s.random = random
}

// id is a UUID as text.
type id [36]byte

// fill makes ids, for the price of one lock.
func (s *idSource) fill(ids []id) {
	var raw [16]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ids {
		binary.BigEndian.PutUint64(raw[:8], s.random.Uint64())
		binary.BigEndian.PutUint64(raw[8:], s.random.Uint64())
		raw[6] = raw[6]&0x0f | 0x40
		raw[8] = raw[8]&0x3f | 0x80
		out := &ids[i]
		hex.Encode(out[0:8], raw[0:4])
		hex.Encode(out[9:13], raw[4:6])
		hex.Encode(out[14:18], raw[6:8])
		hex.Encode(out[19:23], raw[8:10])
		hex.Encode(out[24:36], raw[10:16])
		out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	}
}

// float returns a number in [0, 1).
func (s *idSource) float() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.random.Uint64()>>11) / (1 << 53)
}
