// Package jsonschema holds JSON text against a JSON Schema, and can make the text fit it: drop members that the schema
// does not know, fill in defaults. It reads the text once, builds no value of it and copies it only to change it.
//
// # Keywords
//
// A schema is a document of draft-07 or 2020-12. These keywords are understood, with the meaning that both drafts share:
//
//	type enum const $ref (to the same document) $defs definitions
//	allOf anyOf oneOf not if then else
//	minLength maxLength pattern (RE2 syntax)
//	minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
//	items (one schema) prefixItems minItems maxItems uniqueItems
//	properties required additionalProperties minProperties maxProperties
//	default (see Clean)
//
// Annotations (title, description, examples, format, deprecated, readOnly, ...) are carried and have no effect. Any other
// keyword is an error of Compile that names it and its place: a rule that is written and not enforced is worse than none.
//
// # Objects
//
// An object schema with properties describes all members that matter. A member that it does not list is no failure:
// Clean drops it, unless additionalProperties is true or a schema. So additionalProperties: false and its
// absence mean the same here, and either is what zod, the validator of the original Arvo, means by an object. An object
// schema without properties is a map and keeps everything. A listed member that appears twice is a failure, because two
// readers of such a text see different values.
//
// Dropping and filling reach through $ref, through the alternative of anyOf or oneOf that fits, and into items. They do
// not reach beneath allOf, not, if, then or else, and an object schema beside one of those, or beside an anyOf, oneOf or
// $ref, keeps members that it does not list.
//
// # Bounds
//
// Nesting is bounded by jsontext.MaxDepth, patterns run in linear time, and a failing text gives at most maxIssues issues.
// Where several schemas apply to one value, a recursive schema may double the work with each level of a text: at most
// maxSteps values are held against one of them, where a long value counts once more for each longStep of its bytes.
// Numbers are compared as float64; one that is no finite float64 is a failure.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
)

const (
	maxIssues = 32
	maxSteps  = 1 << 18
	longStep  = 256 // bytes
)

// errSteps ends a run.
var errSteps = errors.New("too many alternatives to try")

// A Schema is a compiled document. It is safe for concurrent use.
type Schema struct {
	doc  json.RawMessage
	root *node
}

// JSON is the document.
func (s *Schema) JSON() json.RawMessage { return s.doc }

// An Issue is one place where a text breaks the schema.
type Issue struct {
	Path    []string
	Code    string
	Message string
}

// A Mode says what to do with a text that is right.
type Mode uint8

const (
	// Check only checks.
	Check Mode = iota
	// Clean drops members that the schema does not list and adds the default of each listed property that is missing.
	Clean
)

// Apply holds data against the schema. It returns data itself where nothing was to be changed. With issues, or with an
// error because data is not JSON, the text is nil.
func (s *Schema) Apply(data []byte, mode Mode) ([]byte, []Issue, error) {
	r := runs.Get().(*run)
	defer r.release()
	r.text, r.mode = data, mode
	end, err := r.value(s.root, jsontext.Space(data, 0), 0)
	if err == nil {
		err = jsontext.End(data, end)
	}
	switch {
	case err == errSteps:
		return nil, []Issue{{[]string{}, "custom", errSteps.Error()}}, nil
	case err != nil:
		return nil, nil, err
	case r.failures > 0:
		return nil, slices.Clone(r.issues), nil
	case len(r.edits) == 0:
		return data, nil, nil
	}
	return r.edited(), nil, nil
}

// A node is one schema of the document.
type node struct {
	types   types // what type allows; zero when anything is
	integer bool  // numbers must be whole
	never   bool  // the schema "false"
	enum    []constant

	minLength, maxLength int // -1: no bound
	pattern              *regexp.Regexp

	minimum, maximum, above, below *float64
	multipleOf                     *big.Rat

	prefix             []*node
	items              *node
	minItems, maxItems int
	unique             bool

	properties                   []property
	additional                   *node // schema of unlisted members
	open                         bool  // unlisted members are kept
	required                     []string
	minProperties, maxProperties int

	ref                 *node
	allOf, anyOf, oneOf []*node
	not                 *node
	when, then, or      *node // if, then, else
}

type property struct {
	name     string
	node     *node
	required bool
	filling  []byte // the default; nil for none
}

// inPlace reports whether further schemas apply to the same value.
func (n *node) inPlace() bool {
	return n.ref != nil || n.allOf != nil || n.anyOf != nil || n.oneOf != nil || n.not != nil || n.when != nil
}

// types is a set of JSON types.
type types uint8

func (t types) has(k jsontext.Kind) bool { return t == 0 || t&(1<<k) != 0 }

func (t types) String() string {
	var names []string
	for _, k := range [...]jsontext.Kind{jsontext.String, jsontext.Number, jsontext.Bool, jsontext.Object, jsontext.Array, jsontext.Null} {
		if t&(1<<k) != 0 {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, " or ")
}

// A constant is a member of enum in a form in which equal values are equal.
type constant string

// constantOf is the form of a JSON text: numbers by value, members sorted.
func constantOf(text []byte) (constant, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "", err
	}
	canonical, err := json.Marshal(v)
	return constant(canonical), err
}

// A step is one element of the path to the current value.
type step struct {
	name  string
	index int
	list  bool
}

// An edit replaces text[from:to].
type edit struct {
	from, to int
	with     []byte
}

// A run is one application of a schema.
type run struct {
	text     []byte
	mode     Mode
	path     []step
	issues   []Issue
	failures int // issues is cut off at maxIssues
	edits    []edit
	muted    int // edits are not wanted
	silent   int // nor are issues, only how many there are
	steps    int
}

var runs = sync.Pool{New: func() any { return new(run) }}

func (r *run) release() {
	clear(r.issues)
	clear(r.path[:cap(r.path)])
	*r = run{path: r.path[:0], issues: r.issues[:0], edits: r.edits[:0]}
	runs.Put(r)
}

func (r *run) fail(code, message string) {
	r.failures++
	if r.silent > 0 || len(r.issues) >= maxIssues {
		return
	}
	path := make([]string, len(r.path))
	for i, s := range r.path {
		if path[i] = s.name; s.list {
			path[i] = strconv.Itoa(s.index)
		}
	}
	r.issues = append(r.issues, Issue{path, code, message})
}

func (r *run) failAt(name, code, message string) {
	r.path = append(r.path, step{name: name})
	r.fail(code, message)
	r.path = r.path[:len(r.path)-1]
}

// bill counts that text[from:to] is held against one of several schemas.
func (r *run) bill(from, to int) error {
	if r.steps += 1 + (to-from)/longStep; r.steps > maxSteps {
		return errSteps
	}
	return nil
}

func (r *run) edit(from, to int, with []byte) {
	if r.muted == 0 && r.mode != Check {
		r.edits = append(r.edits, edit{from, to, with})
	}
}

func (r *run) edited() []byte {
	out := make([]byte, 0, len(r.text)+64)
	at := 0
	for _, e := range r.edits {
		out = append(out, r.text[at:e.from]...)
		out = append(out, e.with...)
		at = e.to
	}
	return append(out, r.text[at:]...)
}

// value holds the value at i, nested in depth containers, against n and returns the position behind it. The error, one
// of syntax or errSteps, ends the run.
func (r *run) value(n *node, i, depth int) (int, error) {
	if !n.inPlace() {
		return r.own(n, i, depth)
	}
	structural := n.properties != nil || n.items != nil || n.prefix != nil || n.additional != nil
	end, err := r.own(n, i, depth)
	if err != nil {
		return end, err
	}
	quiet := func(sub *node) (failures int, err error) { // neither issues nor edits
		if err := r.bill(i, end); err != nil {
			return 0, err
		}
		failed := r.failures
		r.muted++
		r.silent++
		_, err = r.value(sub, i, depth)
		r.muted--
		r.silent--
		failures, r.failures = r.failures-failed, failed
		return failures, err
	}
	applied := structural || n.allOf != nil || n.when != nil // who may edit is decided: not the schemas below
	if applied {
		if err := r.bill(i, end); err != nil {
			return end, err
		}
	}
	if n.ref != nil {
		if applied {
			r.muted++
		}
		_, err = r.value(n.ref, i, depth)
		if applied {
			r.muted--
		}
		if applied = true; err != nil {
			return end, err
		}
	}
	for _, sub := range n.allOf {
		r.muted++
		_, err = r.value(sub, i, depth)
		r.muted--
		if err != nil {
			return end, err
		}
	}
	for _, group := range [...]struct {
		alternatives []*node
		one          bool // exactly one must fit
	}{{n.anyOf, false}, {n.oneOf, true}} {
		if group.alternatives == nil {
			continue
		}
		var fit *node // the first that does
		fits := 0
		for _, sub := range group.alternatives {
			failures, err := quiet(sub)
			if err != nil {
				return end, err
			}
			if failures > 0 {
				continue
			}
			if fits++; fit == nil {
				fit = sub
			}
			if !group.one {
				break
			}
		}
		switch {
		case fits == 0:
			if err := r.noAlternative(group.alternatives, i, depth); err != nil {
				return end, err
			}
		case fits > 1:
			r.fail("invalid_union", "fits more than one alternative")
		case !applied && r.mode != Check && r.muted == 0:
			applied = true
			if _, err := r.value(fit, i, depth); err != nil {
				return end, err
			}
		}
	}
	if n.not != nil {
		failures, err := quiet(n.not)
		if err != nil {
			return end, err
		}
		if failures == 0 {
			r.fail("custom", "is of a form that is excluded")
		}
	}
	if n.when != nil {
		failures, err := quiet(n.when)
		if err != nil {
			return end, err
		}
		branch := n.then
		if failures > 0 {
			branch = n.or
		}
		if branch != nil {
			r.muted++
			_, err = r.value(branch, i, depth)
			r.muted--
		}
		if err != nil {
			return end, err
		}
	}
	return end, nil
}

// noAlternative reports a value that fits none: with the issues of the only alternative of its type, if there is one and
// somebody reads them. To look for them costs another run, of which each level would make two.
func (r *run) noAlternative(alternatives []*node, i, depth int) error {
	if r.silent > 0 {
		r.fail("invalid_union", "fits none of the alternatives")
		return nil
	}
	kind := jsontext.KindAt(r.text, i)
	var candidate *node
	var all types
	candidates := 0
	for _, sub := range alternatives {
		t := sub.typesOf()
		if t.has(kind) {
			candidate = sub
			candidates++
		}
		all |= t
	}
	switch candidates {
	case 0:
		r.fail("invalid_type", "Expected "+all.String()+", received "+kind.String())
	case 1:
		r.muted++
		_, err := r.value(candidate, i, depth)
		r.muted--
		return err
	default:
		r.fail("invalid_union", "fits none of the alternatives")
	}
	return nil
}

// typesOf is the set of types that n allows at the first look.
func (n *node) typesOf() types {
	for range jsontext.MaxDepth { // a chain of references; its length is the document's
		if n.types != 0 || n.ref == nil {
			break
		}
		n = n.ref
	}
	return n.types
}

// own holds the value at i against n's own keywords.
func (r *run) own(n *node, i, depth int) (end int, err error) {
	kind := jsontext.KindAt(r.text, i)
	if kind == jsontext.Invalid || n.never || !n.types.has(kind) {
		if end, err = jsontext.Value(r.text, i, depth); err != nil {
			return end, err
		}
		if n.never {
			r.fail("custom", "must not be there")
		} else {
			r.fail("invalid_type", "Expected "+n.types.String()+", received "+kind.String())
		}
		return end, nil
	}
	switch kind {
	case jsontext.String:
		end, err = r.string(n, i)
	case jsontext.Number:
		end, err = r.number(n, i, depth)
	case jsontext.Array:
		end, err = r.array(n, i, depth)
	case jsontext.Object:
		end, err = r.object(n, i, depth)
	default:
		end, err = jsontext.Value(r.text, i, depth)
	}
	if err == nil && n.enum != nil {
		r.oneOfConstants(n, r.text[i:end])
	}
	return end, err
}

func (r *run) oneOfConstants(n *node, text []byte) {
	c, err := constantOf(text)
	if err == nil && slices.Contains(n.enum, c) {
		return
	}
	list := make([]string, len(n.enum))
	for i, c := range n.enum {
		list[i] = string(c)
	}
	r.fail("invalid_enum_value", "Expected one of "+strings.Join(list, ", "))
}

func (r *run) string(n *node, i int) (int, error) {
	end, escaped, err := jsontext.StringEnd(r.text, i)
	if err != nil || n.minLength < 0 && n.maxLength < 0 && n.pattern == nil {
		return end, err
	}
	s := r.text[i+1 : end-1]
	if escaped {
		unquoted, err := jsontext.Unquote(r.text[i:end])
		if err != nil {
			r.fail("invalid_string", err.Error())
			return end, nil
		}
		s = []byte(unquoted)
	}
	if n.minLength > 0 || n.maxLength >= 0 {
		length := utf8.RuneCount(s)
		if length < n.minLength {
			r.fail("too_small", "must have at least "+strconv.Itoa(n.minLength)+" characters")
		}
		if n.maxLength >= 0 && length > n.maxLength {
			r.fail("too_big", "must have at most "+strconv.Itoa(n.maxLength)+" characters")
		}
	}
	if n.pattern != nil && !n.pattern.Match(s) {
		r.fail("invalid_string", "must match "+n.pattern.String())
	}
	return end, nil
}

func (r *run) number(n *node, i, depth int) (int, error) {
	end, err := jsontext.Value(r.text, i, depth)
	if err != nil {
		return end, err
	}
	if n.anyNumber() && surelyFinite(r.text[i:end]) {
		return end, nil
	}
	f, err := strconv.ParseFloat(string(r.text[i:end]), 64)
	if err != nil {
		r.fail("invalid_type", "Expected a finite number")
		return end, nil
	}
	if n.integer && f != math.Trunc(f) {
		r.fail("invalid_type", "Expected integer, received number")
	}
	bound := func(limit *float64, broken bool, code, words string) {
		if broken {
			r.fail(code, "must be "+words+" "+string(jsontext.AppendNumber(nil, *limit)))
		}
	}
	bound(n.minimum, n.minimum != nil && f < *n.minimum, "too_small", "at least")
	bound(n.above, n.above != nil && f <= *n.above, "too_small", "greater than")
	bound(n.maximum, n.maximum != nil && f > *n.maximum, "too_big", "at most")
	bound(n.below, n.below != nil && f >= *n.below, "too_big", "less than")
	if n.multipleOf != nil && !isMultiple(string(r.text[i:end]), f, n.multipleOf) {
		m, _ := n.multipleOf.Float64()
		r.fail("not_multiple_of", "must be a multiple of "+string(jsontext.AppendNumber(nil, m)))
	}
	return end, nil
}

// anyNumber reports whether nothing is asked of a number but that it is finite.
func (n *node) anyNumber() bool {
	return !n.integer && n.minimum == nil && n.maximum == nil && n.above == nil && n.below == nil && n.multipleOf == nil
}

// surelyFinite reports whether a number is a finite float64 by the look of it: the largest has 309 digits.
func surelyFinite(literal []byte) bool {
	return len(literal) <= 300 && bytes.IndexByte(literal, 'e') < 0 && bytes.IndexByte(literal, 'E') < 0
}

// isMultiple divides in decimal, where 0.3 is a multiple of 0.1. A number with an exponent so large that its decimal
// form would be, is taken as the float64 that it is.
func isMultiple(text string, f float64, of *big.Rat) bool {
	x := new(big.Rat)
	if math.Abs(f) > 1e30 || f != 0 && math.Abs(f) < 1e-30 || len(text) > 64 {
		x.SetFloat64(f)
	} else if _, ok := x.SetString(text); !ok {
		return false
	}
	return x.Quo(x, of).IsInt()
}

func (r *run) array(n *node, i, depth int) (int, error) {
	if n.items == nil && n.prefix == nil && n.minItems < 0 && n.maxItems < 0 && !n.unique {
		return jsontext.Value(r.text, i, depth)
	}
	var seen map[constant]bool
	if n.unique {
		seen = make(map[constant]bool)
	}
	r.path = append(r.path, step{list: true})
	e, err := jsontext.OpenArray(r.text, i, depth)
	count := 0
	for err == nil && e.Next() {
		count++
		r.path[len(r.path)-1].index = e.Index
		item := n.items
		if e.Index < len(n.prefix) {
			item = n.prefix[e.Index]
		}
		if item == nil {
			e.End, err = jsontext.Value(r.text, e.Value, depth+1)
		} else {
			e.End, err = r.value(item, e.Value, depth+1)
		}
		if err == nil && n.unique {
			c, cerr := constantOf(r.text[e.Value:e.End])
			if cerr == nil && seen[c] {
				r.fail("custom", "appears twice")
			}
			seen[c] = true
		}
	}
	r.path = r.path[:len(r.path)-1]
	end, err := e.Close(err)
	if err != nil {
		return end, err
	}
	if count < n.minItems {
		r.fail("too_small", "must have at least "+strconv.Itoa(n.minItems)+" items")
	}
	if n.maxItems >= 0 && count > n.maxItems {
		r.fail("too_big", "must have at most "+strconv.Itoa(n.maxItems)+" items")
	}
	return end, nil
}

// A bitset remembers which properties were there.
type bitset struct {
	low  uint64
	high []uint64 // for the properties from the 65th on
}

func (s *bitset) has(i int) bool {
	if i < 64 {
		return s.low&(1<<i) != 0
	}
	return i/64-1 < len(s.high) && s.high[i/64-1]&(1<<(i%64)) != 0
}

func (s *bitset) add(i int) {
	if i < 64 {
		s.low |= 1 << i
		return
	}
	for i/64-1 >= len(s.high) {
		s.high = append(s.high, 0)
	}
	s.high[i/64-1] |= 1 << (i % 64)
}

// find is the index of the property called key, or -1. Members mostly come in the order of the properties, so the one
// after the last found is tried first.
func (n *node) find(key []byte, next int) int {
	if next < len(n.properties) && n.properties[next].name == string(key) {
		return next
	}
	return slices.IndexFunc(n.properties, func(p property) bool { return p.name == string(key) })
}

func (r *run) object(n *node, i, depth int) (int, error) {
	if n.properties == nil && n.additional == nil && n.open && n.required == nil && n.minProperties < 0 && n.maxProperties < 0 {
		return jsontext.Value(r.text, i, depth)
	}
	var (
		seen     bitset
		extra    map[string]bool // required members that are not properties
		count    int
		kept     bool    // a member before this one stays
		dropFrom = -1    // begin of the members to drop, as long as none is kept
		last     = i + 1 // behind the last member
		next     = 0
	)
	r.path = append(r.path, step{})
	m, err := jsontext.OpenObject(r.text, i, depth)
	for err == nil && m.Next() {
		count++
		key := m.RawKey()
		if m.Escaped {
			name, kerr := m.Key()
			if kerr != nil {
				err = kerr
				break
			}
			key = []byte(name)
		}
		p := n.find(key, next)
		drop := false
		switch {
		case p >= 0 && seen.has(p):
			r.path[len(r.path)-1].name = n.properties[p].name
			r.fail("custom", "appears twice")
			m.End, err = jsontext.Value(r.text, m.Value, depth+1)
		case p >= 0:
			next = p + 1
			seen.add(p)
			r.path[len(r.path)-1].name = n.properties[p].name
			m.End, err = r.value(n.properties[p].node, m.Value, depth+1)
		default:
			drop = !n.open && n.additional == nil && !n.inPlace()
			if n.additional != nil {
				r.path[len(r.path)-1].name = string(key)
				m.End, err = r.value(n.additional, m.Value, depth+1)
			} else {
				m.End, err = jsontext.Value(r.text, m.Value, depth+1)
			}
		}
		if err != nil {
			break
		}
		if n.required != nil && slices.Contains(n.required, string(key)) {
			if extra == nil {
				extra = make(map[string]bool)
			}
			extra[string(key)] = true
		}
		switch {
		case drop && kept:
			r.edit(last, m.End, nil)
		case drop && dropFrom < 0:
			dropFrom = m.Start
		case !drop && dropFrom >= 0:
			// Edits inside the member came first: put this one before them.
			r.editBefore(dropFrom, m.Start)
			dropFrom = -1
		}
		kept = kept || !drop
		last = m.End
	}
	r.path = r.path[:len(r.path)-1]
	end, err := m.Close(err)
	if err != nil {
		return end, err
	}
	if dropFrom >= 0 {
		r.edit(dropFrom, end-1, nil)
	}
	for p := range n.properties {
		property := &n.properties[p]
		switch {
		case seen.has(p):
		case property.required:
			r.failAt(property.name, "invalid_type", "Required")
		case property.filling != nil && r.mode == Clean:
			text := make([]byte, 0, len(property.name)+len(property.filling)+4)
			if kept {
				text = append(text, ',')
			}
			text = append(jsontext.AppendString(text, property.name), ':')
			r.edit(end-1, end-1, append(text, property.filling...))
			kept = true
		}
	}
	for _, name := range n.required {
		if !extra[name] {
			r.failAt(name, "invalid_type", "Required")
		}
	}
	if count < n.minProperties {
		r.fail("too_small", "must have at least "+strconv.Itoa(n.minProperties)+" members")
	}
	if n.maxProperties >= 0 && count > n.maxProperties {
		r.fail("too_big", "must have at most "+strconv.Itoa(n.maxProperties)+" members")
	}
	return end, nil
}

// editBefore drops text[from:to], which lies before the edits of the member that follows it.
func (r *run) editBefore(from, to int) {
	if r.muted > 0 || r.mode == Check {
		return
	}
	at := len(r.edits)
	for at > 0 && r.edits[at-1].from >= to {
		at--
	}
	r.edits = slices.Insert(r.edits, at, edit{from: from, to: to})
}
