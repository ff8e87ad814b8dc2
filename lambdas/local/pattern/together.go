package pattern

import "slices"

// maxSteps bounds the search for elements in which all fields match. Only events with many elements, of which many match
// some fields and few match all, need more than a few steps.
const maxSteps = 1 << 18

// together tells whether the fields of a branch match in the same array elements, given that some values may lie in
// arrays.
//
// It assigns to each field, in the order of their names, an element in which it matches, such that no two of them lie in
// different elements of one array; it goes back when a field finds none. Where it goes back to is decided by what stood
// in the way (conflict-directed backjumping), so that choices in unrelated arrays do not multiply.
func (p *slotted) together(branch []int, sc *scanner) bool {
	s := search{elements: sc.elements, steps: maxSteps, chosen: make([]int32, len(branch))}
	for _, f := range branch {
		var c choice
		test := &p.fields[f].test
		c.mayLack = test.absent
		for _, v := range sc.values[p.slots[f]] {
			if test.absent {
				c.present = append(c.present, v.element)
			}
			if (len(c.elements) == 0 || c.elements[len(c.elements)-1] != v.element) && test.fits(&v) {
				c.elements = append(c.elements, v.element)
			}
		}
		s.fields = append(s.fields, c)
	}
	return s.assign(0, make([]bool, len(branch)))
}

// A choice is what a field can be assigned.
type choice struct {
	elements []int32 // in which it matches
	mayLack  bool    // it also matches where it is in none of:
	present  []int32
}

type search struct {
	elements []element
	fields   []choice
	chosen   []int32 // an element for each field so far
	steps    int
}

// lacking is chosen for a field that is not there. It goes with everything, as the root does.
const lacking = 0

// assign finds elements for field i and those after it. If there are none, blame has those before that caused it.
func (s *search) assign(i int, blame []bool) bool {
	if i == len(s.fields) {
		return true
	}
	field := &s.fields[i]
	try := func(e int32) (done, ok bool) {
		s.chosen[i] = e
		below := make([]bool, len(s.fields))
		if s.assign(i+1, below) {
			return true, true
		}
		for j := range i {
			blame[j] = blame[j] || below[j]
		}
		return !below[i] || s.steps <= 0, false // another choice here changes nothing
	}

	if field.mayLack {
		inTheWay := slices.IndexFunc(field.present, func(e int32) bool { return s.conflict(e, i) < 0 })
		if inTheWay < 0 {
			if done, ok := try(lacking); done {
				return ok
			}
		}
		for j := range i {
			blame[j] = true // other choices before might leave out other elements
		}
	}
	for _, e := range field.elements {
		if j := s.conflict(e, i); j >= 0 {
			blame[j] = true
			continue
		}
		if done, ok := try(e); done {
			return ok
		}
	}
	return false
}

// conflict returns the first field before i whose element excludes e, or -1.
func (s *search) conflict(e int32, i int) int {
	for j, chosen := range s.chosen[:i] {
		s.steps--
		if !s.compatible(chosen, e) {
			return j
		}
	}
	return -1
}

// compatible tells whether two elements can both be looked at: no array holds them in different elements of it.
func (s *search) compatible(a, b int32) bool {
	for s.elements[a].depth > s.elements[b].depth {
		a = s.elements[a].parent
	}
	for s.elements[b].depth > s.elements[a].depth {
		b = s.elements[b].parent
	}
	for a != b {
		if s.elements[a].parent == s.elements[b].parent {
			return s.elements[a].array != s.elements[b].array
		}
		a, b = s.elements[a].parent, s.elements[b].parent
	}
	return true
}
