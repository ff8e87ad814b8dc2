package pattern

import (
	"bytes"
	"slices"
)

const (
	maxWildcardStates = 10   // how many positions of a wildcard pattern may be open at once
	maxWildcardSets   = 2048 // how many sets of open positions are looked at to find out
)

// star is the token for * in a wildcard pattern; other tokens are bytes.
const star = -1

// matchesWildcard compiles the operand of "wildcard".
func (c *compiler) matchesWildcard(text string) (predicate, error) {
	c.wildcard = true
	var tokens []int
	for i := 0; i < len(text); i++ {
		switch b := text[i]; b {
		case '*':
			if i+1 < len(text) && text[i+1] == '*' {
				return nil, c.errorf("Consecutive wildcard characters at pos %d", i+1) // Ruler counts the opening quote
			}
			tokens = append(tokens, star)
		case '\\':
			if i++; i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, c.errorf("Invalid escape character at pos %d", i)
			}
			tokens = append(tokens, int(text[i]))
		default:
			tokens = append(tokens, int(b))
		}
	}
	if tooComplex(tokens) {
		return nil, &Error{
			Reason: "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
			cause:  ErrTooComplex,
		}
	}

	parts := [][]byte{nil} // between the stars
	for _, t := range tokens {
		if t == star {
			parts = append(parts, nil)
		} else {
			parts[len(parts)-1] = append(parts[len(parts)-1], byte(t))
		}
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return func(v *value) bool { return v.kind == stringValue && bytes.Equal(v.text, first) }, nil
	}
	middle := parts[1 : len(parts)-1]
	return func(v *value) bool {
		if v.kind != stringValue || len(v.text) < len(first)+len(last) ||
			!bytes.HasPrefix(v.text, first) || !bytes.HasSuffix(v.text, last) {
			return false
		}
		// Each part may take the first place where it fits: that leaves most to those after it.
		rest := v.text[len(first) : len(v.text)-len(last)]
		for _, part := range middle {
			i := bytes.Index(rest, part)
			if i < 0 {
				return false
			}
			rest = rest[i+len(part):]
		}
		return true
	}, nil
}

// tooComplex tells whether reading a value byte by byte, as Ruler's automaton does, could keep more than
// maxWildcardStates positions of the pattern open at once. It looks at the sets of positions that values can lead to.
//
// Our own matcher does not work that way and would not mind; the limit is there so that a pattern accepted here is
// accepted by EventBridge. Its own limit is not published; this one agrees with the examples in its documentation.
func tooComplex(tokens []int) bool {
	alphabet := slices.Clone(tokens)
	slices.Sort(alphabet)
	alphabet = slices.Compact(alphabet)

	open := func(set []int, position int) []int { // a star may stand for nothing
		for {
			if !slices.Contains(set, position) {
				set = append(set, position)
			}
			if position == len(tokens) || tokens[position] != star {
				return set
			}
			position++
		}
	}
	key := func(set []int) string {
		slices.Sort(set)
		var k []byte
		for _, position := range set {
			k = append(k, byte(position>>8), byte(position)) // patterns are shorter than 1<<16
		}
		return string(k)
	}
	todo := [][]int{open(nil, 0)}
	seen := map[string]bool{key(todo[0]): true}
	for len(todo) > 0 {
		set := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, b := range alphabet { // star among them: a byte that is nowhere in the pattern
			var after []int
			for _, position := range set {
				switch {
				case position == len(tokens):
				case tokens[position] == star:
					after = open(after, position)
				case tokens[position] == b:
					after = open(after, position+1)
				}
			}
			if len(after) > maxWildcardStates || len(seen) > maxWildcardSets {
				return true
			}
			if k := key(after); !seen[k] {
				seen[k] = true
				todo = append(todo, after)
			}
		}
	}
	return false
}
