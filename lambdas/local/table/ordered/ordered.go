// Package ordered provides a map sorted by its keys, for ranges, pages and stable walks over millions of small entries.
//
// # Design
//
// A [Map] is a sorted list of sorted chunks of at most 512 entries. A lookup is two searches by halves, an insertion moves
// half a chunk, and only a split touches the list of chunks. There are no nodes and no pointers per entry: an entry costs
// its key, its value and some room to grow beside it. A B-tree has more levels and more code; a skip list costs pointers;
// a Go map with sorting on demand cannot page.
//
// A Map is not safe for concurrent use. Its zero value is empty and ready.
package ordered

import (
	"slices"
	"sort"
)

const (
	full = 512
	half = full / 2
)

type entry[V any] struct {
	key   string
	value V
}

// A Map is sorted by the bytes of its keys.
type Map[V any] struct {
	chunks [][]entry[V] // none empty; keys ascend within and across
	length int
}

// Len is the number of entries.
func (m *Map[V]) Len() int { return m.length }

// chunk returns the index of the chunk that has key or would take it.
func (m *Map[V]) chunk(key string) int {
	// The first chunk that begins above key comes right after the one that is wanted.
	i := sort.Search(len(m.chunks), func(i int) bool { return m.chunks[i][0].key > key })
	return max(i-1, 0)
}

func search[V any](c []entry[V], key string) (int, bool) {
	lo, hi := 0, len(c)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c[mid].key < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(c) && c[lo].key == key
}

// Get returns the value of a key.
func (m *Map[V]) Get(key string) (V, bool) {
	if m.length > 0 {
		c := m.chunks[m.chunk(key)]
		if i, ok := search(c, key); ok {
			return c[i].value, true
		}
	}
	var zero V
	return zero, false
}

// Set puts a value under a key.
func (m *Map[V]) Set(key string, value V) {
	if len(m.chunks) == 0 {
		m.chunks = append(m.chunks, nil)
	}
	at := 0
	if m.length > 0 {
		at = m.chunk(key)
	}
	i, ok := search(m.chunks[at], key)
	if ok {
		m.chunks[at][i].value = value
		return
	}
	m.length++
	if len(m.chunks[at]) == full {
		// Keys that arrive in order would leave every chunk half full, so at the very end a new chunk begins instead.
		if at == len(m.chunks)-1 && i == full {
			m.chunks = append(m.chunks, []entry[V]{{key, value}})
			return
		}
		upper := slices.Clone(m.chunks[at][half:])
		clear(m.chunks[at][half:])
		m.chunks[at] = m.chunks[at][:half]
		m.chunks = slices.Insert(m.chunks, at+1, upper)
		if i > half {
			at, i = at+1, i-half
		}
	}
	m.chunks[at] = slices.Insert(m.chunks[at], i, entry[V]{key, value})
}

// Delete removes a key and reports whether it was there.
func (m *Map[V]) Delete(key string) bool {
	if m.length == 0 {
		return false
	}
	at := m.chunk(key)
	i, ok := search(m.chunks[at], key)
	if !ok {
		return false
	}
	m.length--
	m.chunks[at] = slices.Delete(m.chunks[at], i, i+1)
	switch size := len(m.chunks[at]); {
	case size == 0:
		m.chunks = slices.Delete(m.chunks, at, at+1)
	case size < half/2 && at+1 < len(m.chunks) && size+len(m.chunks[at+1]) <= half:
		// Two that have become small are joined, so that deletions give memory back.
		m.chunks[at] = append(m.chunks[at], m.chunks[at+1]...)
		m.chunks = slices.Delete(m.chunks, at+1, at+2)
	}
	return true
}

// Ascend calls yield for the entries with from <= key < to, in order, until it returns false. An empty to means no end.
// The map must not change meanwhile.
func (m *Map[V]) Ascend(from, to string, yield func(key string, value V) bool) {
	if m.length == 0 {
		return
	}
	at := m.chunk(from)
	i, _ := search(m.chunks[at], from)
	for ; at < len(m.chunks); at, i = at+1, 0 {
		for _, e := range m.chunks[at][i:] {
			if to != "" && e.key >= to || !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Descend is [Map.Ascend] in the opposite order, over the same range.
func (m *Map[V]) Descend(from, to string, yield func(key string, value V) bool) {
	if m.length == 0 {
		return
	}
	at := len(m.chunks) - 1
	i := len(m.chunks[at])
	if to != "" {
		at = m.chunk(to)
		i, _ = search(m.chunks[at], to)
	}
	for {
		for ; i > 0; i-- {
			e := m.chunks[at][i-1]
			if e.key < from || !yield(e.key, e.value) {
				return
			}
		}
		if at--; at < 0 {
			return
		}
		i = len(m.chunks[at])
	}
}
