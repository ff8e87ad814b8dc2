package traces

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"example.com/arvo/telemetry/segment"
)

const (
	blockText = 256 << 10 // bytes of documents that are packed together, about
	blockCost = 128       // of a block, besides its bytes
)

// A block is the compressed text of several traces. Each document in it is its id, whether it is in progress, its length and its text.
type block struct {
	compressed []byte
	text       int // bytes when inflated
	traces     int // of which the block is still the place
}

// A packer makes blocks. Its buffers are used again and again.
type packer struct {
	text   bytes.Buffer
	writer *flate.Writer
}

const documentHead = 8 + 1 + 4

// pack compresses the traces that are quiet for longest until what is plain is at most a quarter of the memory. A
// trace on which something is still written is seldom among them.
func (s *Store) pack(last *trace) {
	if s.quiet == nil { // nothing has been packed yet
		s.quiet = s.order.Front()
	}
	for s.plain > s.options.Memory/4 && s.plain > blockText {
		var members []*trace
		s.packer.text.Reset()
		for s.packer.text.Len() < blockText && s.quiet != nil {
			t := s.quiet.Value.(*trace)
			if t == last {
				break
			}
			s.quiet = s.quiet.Next()
			t.offset = s.packer.text.Len()
			for _, d := range t.documents {
				var head [documentHead]byte
				copy(head[:], d.id[:])
				if d.inProgress {
					head[8] = 1
				}
				binary.BigEndian.PutUint32(head[9:], uint32(len(d.text)))
				s.packer.text.Write(head[:])
				s.packer.text.WriteString(d.text)
			}
			t.text = s.packer.text.Len() - t.offset
			members = append(members, t)
		}
		if len(members) == 0 {
			return
		}
		b := &block{compressed: s.packer.compress(), text: s.packer.text.Len(), traces: len(members)}
		for _, t := range members {
			s.plain -= int64(t.size + documentCost*len(t.documents))
			t.documents, t.block = nil, b
		}
		s.packed += int64(len(b.compressed) + blockCost)
		s.stats.Packed += len(members)
	}
}

// compress returns the packer's text, compressed.
func (p *packer) compress() []byte {
	var out bytes.Buffer
	if p.writer == nil {
		w, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			panic(fmt.Sprintf("traces: %v", err)) // the level is a constant that flate has
		}
		p.writer = w
	} else {
		p.writer.Reset(&out)
	}
	// A bytes.Buffer refuses nothing, so neither does the writer.
	_, writeErr := p.writer.Write(p.text.Bytes())
	if err := p.writer.Close(); err != nil || writeErr != nil {
		panic(fmt.Sprintf("traces: %v, %v", writeErr, err))
	}
	return bytes.Clone(out.Bytes())
}

// inflate returns the text of the block.
func (b *block) inflate() []byte {
	text := make([]byte, b.text)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(b.compressed)), text); err != nil {
		panic(fmt.Sprintf("traces: a block of our own does not inflate: %v", err))
	}
	return text
}

// recentTexts are the texts of the blocks that were read last, the latest first. It has a lock of its own, for readers share
// that of the store.
type recentTexts struct {
	mu   sync.Mutex
	list []recentText
}

type recentText struct {
	of   *block
	text []byte
}

const maxRecent = 4 // blocks: a search goes by when traces began, which is not quite the order in which they were packed

// text returns the text of a block, which is not to be changed.
func (r *recentTexts) text(b *block) []byte {
	if text := r.find(b); text != nil {
		return text
	}
	text := b.inflate() // outside of the lock: two readers may both do it, but none waits
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.Insert(r.list[:min(len(r.list), maxRecent-1)], 0, recentText{b, text})
	return text
}

func (r *recentTexts) find(b *block) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.list, func(t recentText) bool { return t.of == b })
	if i < 0 {
		return nil
	}
	found := r.list[i]
	copy(r.list[1:i+1], r.list[:i])
	r.list[0] = found
	return found.text
}

// documentsIn reads the documents of a trace in the text of a block.
func documentsIn(text []byte) []document {
	var docs []document
	for len(text) > 0 {
		n := int(binary.BigEndian.Uint32(text[9:]))
		docs = append(docs, document{segment.ID(text[:8]), text[8] == 1, string(text[documentHead : documentHead+n])})
		text = text[documentHead+n:]
	}
	return docs
}

// unpack makes a trace plain again.
func (s *Store) unpack(t *trace) {
	if t.block == nil {
		return
	}
	t.documents = documentsIn(s.recent.text(t.block)[t.offset:][:t.text])
	s.plain += int64(t.size + documentCost*len(t.documents))
	s.leave(t)
}

// leave takes a trace out of its block.
func (s *Store) leave(t *trace) {
	b := t.block
	t.block = nil
	s.stats.Packed--
	if b.traces--; b.traces == 0 {
		s.packed -= int64(len(b.compressed) + blockCost)
	}
}
