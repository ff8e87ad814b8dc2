package pattern

import "sync"

// A Set matches an event against several patterns in one pass.
type Set struct {
	root     name
	slots    int
	patterns []slotted
	scanners sync.Pool
}

// A slotted pattern knows where the values of its fields are.
type slotted struct {
	*Pattern
	slots []int // by field
}

// NewSet returns the set of these patterns, which are numbered in the order given.
func NewSet(patterns ...*Pattern) *Set {
	s := &Set{root: name{slot: -1}}
	for _, p := range patterns {
		slots := make([]int, len(p.fields))
		for i, f := range p.fields {
			slots[i] = s.root.insert(f.name, s.slots).slot
			if slots[i] == s.slots {
				s.slots++
			}
		}
		s.patterns = append(s.patterns, slotted{p, slots})
	}
	s.scanners.New = func() any { return new(scanner) }
	return s
}

// Match appends the numbers of the patterns that match an event, a JSON object, to matched, in ascending order.
func (s *Set) Match(event []byte, matched []int) []int {
	if len(s.patterns) == 0 {
		return matched
	}
	sc := s.scan(event)
	if sc == nil {
		return matched
	}
	for i := range s.patterns {
		if s.patterns[i].matches(sc) {
			matched = append(matched, i)
		}
	}
	s.release(sc)
	return matched
}

func (s *Set) matchFirst(event []byte) bool {
	sc := s.scan(event)
	if sc == nil {
		return false
	}
	ok := s.patterns[0].matches(sc)
	s.release(sc)
	return ok
}

// scan returns nil if the event is no object.
func (s *Set) scan(event []byte) *scanner {
	sc := s.scanners.Get().(*scanner)
	sc.data = event
	sc.reset(s.slots)
	if !sc.event(&s.root) {
		s.release(sc)
		return nil
	}
	return sc
}

// release keeps a scanner for the next event, unless a huge one made it grow.
func (s *Set) release(sc *scanner) {
	sc.data = nil
	size := cap(sc.elements)
	for _, v := range sc.values {
		size += cap(v)
	}
	if size < 4096 {
		s.scanners.Put(sc)
	}
}

func (p *slotted) matches(sc *scanner) bool {
	for _, branch := range p.branches {
		if p.branchMatches(branch, sc) {
			return true
		}
	}
	return false
}

func (p *slotted) branchMatches(branch []int, sc *scanner) bool {
	inArrays := false
	for _, f := range branch {
		test, values := &p.fields[f].test, sc.values[p.slots[f]]
		ok := false
		for i := range values {
			if !ok && test.fits(&values[i]) {
				ok = true
			}
			inArrays = inArrays || values[i].element != 0
		}
		if !ok && !test.absent || !ok && len(values) > 0 && !inArrays {
			return false
		}
	}
	return !inArrays || p.together(branch, sc)
}
