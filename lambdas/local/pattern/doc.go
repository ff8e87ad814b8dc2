// Package pattern is the event pattern language of EventBridge: which events a rule, or a filter of an event source
// mapping, is about.
//
//	p, err := pattern.Compile([]byte(`{"detail": {"to": ["com.example.billing"], "total": [{"numeric": [">", 100]}]}}`))
//	p.Match(event) // true or false
//
// Many patterns are matched in one pass over an event by a [Set].
//
// # The language
//
// A pattern is a JSON object shaped like the events it is about. Its leaves are arrays: a field matches if its value
// fits any element of the array, and a pattern matches if all its fields do.
//
//	"x", 1, true, null                          this value; "1" is not 1, but 1.0 is
//	{"prefix": "a"}, {"suffix": "a"}            a string; also {"prefix": {"equals-ignore-case": "a"}}
//	{"equals-ignore-case": "a"}                 a string
//	{"wildcard": "a*b"}                         a string; \* and \\ are the characters themselves
//	{"anything-but": v}                         any value but v: a string, a number, or an array of one kind of them
//	{"anything-but": {"prefix": v}}             also suffix, wildcard, equals-ignore-case; v a string or an array
//	{"numeric": [">=", 0, "<", 5]}              a number; =, <, <=, >, >= or a range
//	{"cidr": "10.0.0.0/8"}                      a string that is an IPv4 or IPv6 address in that block
//	{"exists": true}, {"exists": false}         there is a leaf, whatever its value; there is none
//	"$or": [{...}, {...}]                       instead of a field: at least one of these patterns
//
// The reference is Ruler, the library that EventBridge runs, where its documentation leaves room. In particular:
//
//   - Names are joined by dots before they are compared: {"a.b": [1]} and {"a": {"b": [1]}} are the same pattern, and
//     the events {"a.b": 1} and {"a": {"b": 1}} are the same to it.
//   - Arrays of an event have no place in names: {"a": [1]} matches {"a": [0, 1]}, and {"a": {"b": [1]}} matches
//     {"a": [{"b": 1}]}. But all fields of a pattern must match in the same elements: {"a": {"b": [1], "c": [2]}} does
//     not match {"a": [{"b": 1}, {"c": 2}]}.
//   - "exists" is about leaves: {"a": [{"exists": true}]} matches neither {"a": {"b": 1}} nor {"a": []}. Fields are
//     looked at in the order of their names; "exists": false asks that no leaf of that name lies in the elements in
//     which the fields before it matched.
//   - "anything-but" wants a value: a missing field does not match, null does. In an array one fitting element is
//     enough.
//   - Numbers are compared as decimals between -5e9 and 5e9 with at most six digits after the point. A number in an
//     event beyond that fits no "numeric" and is equal only to a number spelled alike.
//   - A string that is an IP address is equal to any other spelling of the same address.
//   - Of two fields with the same name in a pattern the last counts, across branches of "$or" too. In an event, both do.
//   - "$or" is always the operator, never a field; operators' names cannot be field names inside it.
//   - {"exactly": "x"} is Ruler's long form of "x" and is accepted as well.
//
// # Promises
//
// Compile accepts at most [MaxSize] bytes and at most [MaxBranches] combinations of "$or" branches, and refuses wildcards
// that are costly to match; see [ErrTooComplex]. It never panics. An error is an [*Error] with Ruler's words and the place.
//
// Matching never panics either, on any bytes. It allocates nothing for ordinary events, follows arrays at most [MaxDepth]
// deep, and takes time in proportion to the event. Only to find elements in which all fields match together may it have
// to search; it gives up, and does not match, after a quarter of a million steps, more than any event needs that is not
// made to be slow. Events are expected to be valid JSON, since the callers check that anyway. On anything else the answer
// means nothing, because what no pattern looks at is skipped and not checked.
//
// Patterns and sets are immutable and safe for concurrent use.
//
// # Design
//
// Ruler merges the patterns of all rules into one automaton over an event's fields, sorted, so that time does not grow
// with the number of rules. Here the names of all patterns form one tree. One walk over an event's bytes, guided by the
// tree, collects the raw values that any pattern looks at and skips the rest at the speed of [bytes.IndexByte]; then each
// pattern compares a handful of values. For the few rules of one system that is enough, and a good deal simpler. To decode
// an event with encoding/json first would alone take ten times as long as all of this, or more; see the benchmarks.
//
// What differs from Ruler: text after the pattern's object is refused; a CIDR block that is no string is not called a
// prefix; letters whose other case has more than one code point (ß) have no other case; and the limit on wildcards is
// computed in another way, since EventBridge does not publish its own.
package pattern
