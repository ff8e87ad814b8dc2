package table

// Capacity units by
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: a write unit per 1 KB, a
// read unit per 4 KB, half of it for an eventually consistent read, the double in a transaction.

func writeUnits(size int) float64 { return float64(max(1, (size+1023)/1024)) }

func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// capacity is the answer to ReturnConsumedCapacity for one table.
type capacity struct {
	TableName              string
	CapacityUnits          float64
	ReadCapacityUnits      float64           `json:",omitempty"` // in transactions
	WriteCapacityUnits     float64           `json:",omitempty"` // in transactions
	Table                  *units            `json:",omitempty"` // with INDEXES
	LocalSecondaryIndexes  map[string]*units `json:",omitempty"` // with INDEXES
	GlobalSecondaryIndexes map[string]*units `json:",omitempty"` // with INDEXES
}

type units struct {
	CapacityUnits      float64
	ReadCapacityUnits  float64 `json:",omitempty"`
	WriteCapacityUnits float64 `json:",omitempty"`
}

// A meter adds up what a request consumes of one table. The nil meter, for requests that do not ask, does nothing.
type meter struct {
	table         string
	indexes       bool
	transactional bool
	write         bool
	own           float64
	local, global map[string]float64
}

// newMeter returns a meter for ReturnConsumedCapacity, nil for NONE.
func newMeter(t *table, wanted string) *meter {
	if wanted == "NONE" {
		return nil
	}
	return &meter{table: t.schema.Name, indexes: wanted == "INDEXES", local: map[string]float64{}, global: map[string]float64{}}
}

func (m *meter) factor() float64 {
	if m.transactional {
		return 2
	}
	return 1
}

// wrote counts a write to the table that had the size before and after, and what it wrote to the indexes.
func (m *meter) wrote(t *table, before, after int, writes []indexWrite) {
	if m == nil {
		return
	}
	m.own += m.factor() * writeUnits(max(before, after))
	for n, w := range writes {
		var u float64
		if w.deleted >= 0 {
			u += writeUnits(w.deleted)
		}
		if w.put >= 0 {
			u += writeUnits(w.put)
		}
		if u > 0 {
			m.index(t.indexes[n], m.factor()*u)
		}
	}
}

// index counts units of an index.
func (m *meter) index(i *index, u float64) {
	if i.Local {
		m.local[i.Name] += u
	} else {
		m.global[i.Name] += u
	}
}

// read counts units read from the table, or from an index if it is not nil.
func (m *meter) read(i *index, u float64) {
	switch {
	case m == nil:
	case i != nil:
		m.index(i, m.factor()*u)
	default:
		m.own += m.factor() * u
	}
}

func (m *meter) units(u float64) *units {
	shown := &units{CapacityUnits: u}
	switch {
	case !m.transactional:
	case m.write:
		shown.WriteCapacityUnits = u
	default:
		shown.ReadCapacityUnits = u
	}
	return shown
}

func (m *meter) consumed() capacity {
	c := capacity{TableName: m.table, CapacityUnits: m.own}
	show := func(of map[string]float64) map[string]*units {
		shown := map[string]*units{}
		for name, u := range of {
			c.CapacityUnits += u
			shown[name] = m.units(u)
		}
		return shown
	}
	local, global := show(m.local), show(m.global)
	total := m.units(c.CapacityUnits)
	c.ReadCapacityUnits, c.WriteCapacityUnits = total.ReadCapacityUnits, total.WriteCapacityUnits
	if m.indexes {
		c.Table, c.LocalSecondaryIndexes, c.GlobalSecondaryIndexes = m.units(m.own), local, global
	}
	return c
}

// answer adds ConsumedCapacity.
func (m *meter) answer(a *answer) error {
	if m == nil {
		return nil
	}
	return a.value("ConsumedCapacity", m.consumed())
}

// checkConsumed reads ReturnConsumedCapacity.
func checkConsumed(wanted string) (string, error) {
	return oneOf("returnConsumedCapacity", wanted, "NONE", "TOTAL", "INDEXES")
}
