package table

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/ordered"
)

// A table is its rows in the order of their keys, and the same for each index. Every write holds mu, so an item and its
// index entries change together.
type table struct {
	schema  Schema // without TTLAttribute, which changes: see ttl
	id      string
	created time.Time

	mu      sync.RWMutex
	rows    ordered.Map[row] // by primaryKey
	bytes   int64            // sizes of all items
	ttl     string           // attribute of expiry, or ""
	indexes []*index
}

// A row is an item as it is kept: the JSON that goes over the wire, immutable, and what is asked of it without decoding.
type row struct {
	json    string
	size    int   // attribute.Map.Size
	expires int64 // epoch second of the TTL attribute, 0 for none
}

// An index holds the rows of the items that it covers. The JSON is the table's; it is projected when read.
type index struct {
	Index
	rows  ordered.Map[row] // by index.key; size is the projected size
	bytes int64
}

func newTable(schema Schema, now time.Time) *table {
	schema.Attributes = maps.Clone(schema.Attributes)
	t := &table{schema: schema, id: uuid.NewString(), created: now, ttl: schema.TTLAttribute}
	for _, i := range schema.Indexes {
		i.NonKey = slices.Clone(i.NonKey)
		t.indexes = append(t.indexes, &index{Index: i})
	}
	return t
}

// index finds an index by name, or nil.
func (t *table) index(name string) *index {
	for _, i := range t.indexes {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// primaryKey is where an item stands in the table. The item has its key attributes, of the right types.
func (t *table) primaryKey(item attribute.Map) string {
	b := appendPartition(make([]byte, 0, 96), item.Get(t.schema.Key.Hash))
	if t.schema.Key.Range != "" {
		b = attribute.AppendOrdered(b, item.Get(t.schema.Key.Range))
	}
	return string(b)
}

// key is where an item with that primary key stands in the index, or "" when the index does not cover it.
func (i *index) key(item attribute.Map, primary string) string {
	hash := item.Get(i.Key.Hash)
	if !hash.Exists() {
		return ""
	}
	b := appendPartition(make([]byte, 0, 192), hash)
	if i.Key.Range != "" {
		sort := item.Get(i.Key.Range)
		if !sort.Exists() {
			return ""
		}
		b = attribute.AppendOrdered(b, sort)
	}
	return string(append(b, primary...))
}

// appendPartition begins a key: a hash of the partition key value, which spreads partitions over scan segments as
// DynamoDB does, and the value itself.
func appendPartition(dst []byte, hash attribute.Value) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = attribute.AppendOrdered(dst, hash)
	// FNV-1a, then the finaliser of MurmurHash3: FNV's upper bits alone are poor on short values.
	h := uint64(14695981039346656037)
	for _, c := range dst[start+8:] {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	for i := range 8 {
		dst[start+i] = byte(h >> (56 - 8*i))
	}
	return dst
}

// shows reports whether an attribute can be read from the index.
func (i *index) shows(name string, table Key) bool {
	return i.Projection == "ALL" || table.has(name) || i.Key.has(name) || slices.Contains(i.NonKey, name)
}

// project returns the part of an item that the index shows. The item is not changed.
func (i *index) project(item attribute.Map, table Key) attribute.Map {
	if i.Projection == "ALL" {
		return item
	}
	seen := make(attribute.Map, 0, 4+len(i.NonKey))
	for _, f := range item {
		if i.shows(f.Name, table) {
			seen = append(seen, f)
		}
	}
	return seen
}

// encode makes a row of an item.
func encode(item attribute.Map) row {
	size := item.Size()
	return row{json: string(item.AppendJSON(make([]byte, 0, size+16+12*len(item)))), size: size}
}

// replace puts an item, with its row, in the place of another one under a primary key; a nil item stands for none. Old
// may be nil if the table has no indexes. It returns what was written to each index, in the order of t.indexes. The caller
// holds mu.
func (t *table) replace(key string, old, item attribute.Map, after row) []indexWrite {
	before, existed := t.rows.Get(key)
	if existed {
		t.bytes -= int64(before.size)
	}
	if item != nil {
		after.expires = t.expiry(item)
		t.rows.Set(key, after)
		t.bytes += int64(after.size)
	} else if existed {
		t.rows.Delete(key)
	}
	if len(t.indexes) == 0 {
		return nil
	}
	writes := make([]indexWrite, len(t.indexes))
	for n, i := range t.indexes {
		writes[n] = i.replace(key, old, item, after, t.schema.Key)
	}
	return writes
}

// An indexWrite is what a write to a table wrote to an index: the sizes of an entry taken away and of one put there, -1
// for none.
type indexWrite struct{ deleted, put int }

func (i *index) replace(primary string, old, item attribute.Map, after row, table Key) indexWrite {
	oldKey, newKey := i.key(old, primary), i.key(item, primary)
	w := indexWrite{deleted: -1, put: -1}
	var oldSeen attribute.Map
	if oldKey != "" {
		oldSeen = i.project(old, table)
		size := oldSeen.Size()
		i.bytes -= int64(size)
		if oldKey != newKey {
			i.rows.Delete(oldKey)
			w.deleted = size
		}
	}
	if newKey == "" {
		return w
	}
	seen := i.project(item, table)
	after.size = seen.Size()
	i.rows.Set(newKey, after)
	i.bytes += int64(after.size)
	if oldKey != newKey || !attribute.Equal(attribute.Value{Type: attribute.M, Map: seen}, attribute.Value{Type: attribute.M, Map: oldSeen}) {
		w.put = after.size
	}
	return w
}

// expiry reads the TTL attribute of an item: seconds since 1970 as N. Anything else never expires.
func (t *table) expiry(item attribute.Map) int64 {
	if t.ttl == "" {
		return 0
	}
	v := item.Get(t.ttl)
	if v.Type != attribute.N {
		return 0
	}
	seconds, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || seconds <= 0 || seconds > math.MaxInt64/2 {
		return 0 // not a time: the item stays
	}
	return int64(seconds)
}
