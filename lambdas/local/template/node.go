package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// What a template may measure, beside its [MaxSize].
const (
	maxNodes = 100_000
	maxDepth = 64
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode // text is a JSON number, as written
	textNode
	listNode
	mapNode
	callNode // an intrinsic function: text is its long name, items[0] its argument
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a boolean", "a number", "text", "a list", "a map", "a function"}[k]
}

// A node is a value of the template, with its place in the file. Both spellings of a function, !Sub and Fn::Sub, are
// the same call. Nodes are never changed once they are loaded: evaluation makes new ones with the old places.
type node struct {
	kind   nodeKind
	text   string
	keys   []string       // of a map, in the order of the file
	items  []*node        // of a map its values; of a list its items; of a call its one argument
	parent *node          // where the path goes on; nil at the top
	label  string         // last element of the path: a key, "[2]" or a function's name
	secret bool           // made of a NoEcho parameter: no message shows it
	index  map[string]int // of a large map: where its keys stand

	line, column       int // of the value
	keyLine, keyColumn int // of its key, when it stands in a map
}

// path names the place of a node, as in "Resources.Bus.Properties.Name".
func (n *node) path() string {
	var labels []string
	for ; n != nil && n.parent != nil; n = n.parent {
		labels = append(labels, n.label)
	}
	slices.Reverse(labels)
	var b strings.Builder
	for _, l := range labels {
		if b.Len() > 0 && !strings.HasPrefix(l, "[") {
			b.WriteByte('.')
		}
		b.WriteString(name(l))
	}
	return b.String()
}

// get walks into maps by key. It is nil where the way ends.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		if n == nil || n.kind != mapNode {
			return nil
		}
		i, ok := n.index[key]
		if n.index == nil {
			i = slices.Index(n.keys, key)
			ok = i >= 0
		}
		if !ok {
			return nil
		}
		n = n.items[i]
	}
	return n
}

// hint proposes the word that was probably meant, but does not give a secret away.
func (n *node) hint(known []string) string {
	if n.secret {
		return ""
	}
	return hint(n.text, known)
}

// emptied is a list or map with nothing in it yet, in the place of n.
func (n *node) emptied(kind nodeKind) *node {
	c := *n
	c.kind, c.text, c.keys, c.items, c.index = kind, "", nil, nil, nil
	return &c
}

// put adds an entry to a map that is being made.
func (n *node) put(key string, item *node) {
	n.keys, n.items = append(n.keys, key), append(n.items, item)
}

// without is a map less one key.
func (n *node) without(key string) *node {
	c := n.emptied(mapNode)
	for i, k := range n.keys {
		if k != key {
			c.put(k, n.items[i])
		}
	}
	return c
}

// as is text in the place of n.
func (n *node) as(text string, secret bool) *node {
	c := n.emptied(textNode)
	c.text, c.secret = text, secret
	return c
}

// key is the key that n stands under, as text in the key's place.
func (n *node) key() *node {
	c := n.as(n.label, false)
	c.line, c.column = n.keyLine, n.keyColumn
	return c
}

// shown makes a scalar's text fit for a message.
func (n *node) shown() string {
	if n.secret {
		return "****"
	}
	if n.kind == numberNode || n.kind == boolNode {
		return name(n.text)
	}
	return shown(n.text)
}

func (n *node) scalar() bool { return n.kind <= textNode && n.kind != nullNode }

// The following read nodes that a shape has checked already; what is absent gives the default.

func (n *node) str(absent string) string {
	if n == nil {
		return absent
	}
	return n.text
}

func (n *node) float() float64 {
	if n == nil {
		return 0
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil {
		return 0 // not reached: the shape took it for a number
	}
	return f
}

func (n *node) whole(absent int) int {
	if n == nil {
		return absent
	}
	return int(n.float())
}

func (n *node) seconds(absent time.Duration) time.Duration {
	return time.Duration(n.whole(int(absent/time.Second))) * time.Second
}

func (n *node) truth(absent bool) bool {
	if n == nil {
		return absent
	}
	return n.text == "true"
}

func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

func (n *node) strs() []string {
	var all []string
	for _, item := range n.list() {
		all = append(all, item.text)
	}
	return all
}

func (n *node) dictionary() map[string]string {
	all := map[string]string{}
	if n != nil {
		for i, key := range n.keys {
			all[key] = n.items[i].text
		}
	}
	return all
}

// json renders an evaluated node, compact and in the order of the file.
func (n *node) json() json.RawMessage {
	if n == nil {
		return nil
	}
	var b bytes.Buffer
	n.writeJSON(&b)
	return b.Bytes()
}

func (n *node) writeJSON(b *bytes.Buffer) {
	switch n.kind {
	case nullNode:
		b.WriteString("null")
	case boolNode, numberNode:
		b.WriteString(n.text)
	case textNode:
		writeText(b, n.text)
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.writeJSON(b)
		}
		b.WriteByte(']')
	case mapNode:
		b.WriteByte('{')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, n.keys[i])
			b.WriteByte(':')
			item.writeJSON(b)
		}
		b.WriteByte('}')
	case callNode:
		panic("template: a function that was not evaluated: " + n.path())
	}
}

func writeText(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string and a buffer: cannot fail
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
}

// load parses YAML into nodes. It gives nil when the source is not one YAML document, and notes every fault.
func load(p *problems, src []byte) *node {
	top := &node{line: 1, column: 1}
	if len(src) > MaxSize {
		p.add(top, "the template has %d bytes; the most is %d", len(src), MaxSize)
		return nil
	}
	if !utf8.Valid(src) {
		p.add(top, "the template is not UTF-8")
		return nil
	}
	doc, err := parseYAML(src)
	if err != nil {
		p.note(yamlFault(err))
		return nil
	}
	l := loader{p: p}
	return l.node(doc, nil, "", 0)
}

// parseYAML parses one document. The parser is known to report errors by panicking; one that gets past its own
// recovery must not end a process that was given a bad file.
func parseYAML(src []byte) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	doc = new(yaml.Node)
	if err := dec.Decode(doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the template is empty")
	} else if err != nil {
		return nil, err
	}
	second := new(yaml.Node)
	if err := dec.Decode(second); err == nil {
		return nil, fmt.Errorf("line %d: a second YAML document; a template is one", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// yamlFault takes the line out of the parser's message.
func yamlFault(err error) *Error {
	msg, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = msg[len(m[0]):]
		if l, err := strconv.Atoi(m[1]); err == nil {
			line = l
		}
	}
	return &Error{Line: line, Column: 1, Msg: strings.TrimPrefix(msg, "yaml: ")}
}

type loader struct {
	p     *problems
	count int
}

// shortForms are the tags of functions, and the long names they stand for.
var shortForms = map[string]string{
	"!And":       "Fn::And",
	"!Condition": "Condition",
	"!Equals":    "Fn::Equals",
	"!FindInMap": "Fn::FindInMap",
	"!GetAtt":    "Fn::GetAtt",
	"!If":        "Fn::If",
	"!Join":      "Fn::Join",
	"!Not":       "Fn::Not",
	"!Or":        "Fn::Or",
	"!Ref":       "Ref",
	"!Select":    "Fn::Select",
	"!Split":     "Fn::Split",
	"!Sub":       "Fn::Sub",
}

// functions are the long names.
var functions = func() []string {
	var all []string
	for _, long := range shortForms {
		all = append(all, long)
	}
	slices.Sort(all)
	return all
}()

// jsonNumber is what a number looks like in JSON, and so in what AWS makes of the template.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// node converts one node and all beneath it. A fault is noted and stands as null, so that others are found too.
func (l *loader) node(y *yaml.Node, parent *node, label string, depth int) *node {
	n := &node{parent: parent, label: label, line: y.Line, column: y.Column}
	l.count++
	switch {
	case l.count == maxNodes:
		l.p.add(n, "the template has more than %d values", maxNodes)
		return n
	case l.count > maxNodes:
		return n
	case depth > maxDepth:
		l.p.add(n, "nested deeper than %d levels", maxDepth)
		return n
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		l.p.add(n, "YAML anchors and aliases are not supported: write the value out")
		return n
	}
	if tag := y.Tag; strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		long, ok := shortForms[tag]
		if !ok {
			l.p.add(n, "the function %s is not supported%s", name(tag), l.p.hint(tag, keysOf(shortForms)))
			return n
		}
		plain := *y
		plain.Tag = ""
		if plain.Kind == yaml.ScalarNode {
			plain.Tag = "!!str" // !Ref 1 names something called 1
		}
		return l.call(n, long, &plain, depth)
	}
	switch y.Kind {
	case yaml.ScalarNode:
		l.scalar(n, y)
	case yaml.SequenceNode:
		n.kind = listNode
		for i, item := range y.Content {
			n.items = append(n.items, l.node(item, n, fmt.Sprintf("[%d]", i), depth+1))
		}
	case yaml.MappingNode:
		return l.mapping(n, y, depth)
	default:
		l.p.add(n, "this is not a value")
	}
	return n
}

func (l *loader) call(n *node, long string, argument *yaml.Node, depth int) *node {
	n.kind, n.text = callNode, long
	n.items = []*node{l.node(argument, n, long, depth+1)}
	return n
}

func (l *loader) scalar(n *node, y *yaml.Node) {
	n.text = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp": // a date, such as the format's version, is the text it is written as
		n.kind = textNode
	case "!!null":
		n.kind = nullNode
		l.p.add(n, "null is no value in a template: leave the key out, or write \"\"")
	case "!!bool":
		n.kind = boolNode
		n.text = strings.ToLower(y.Value)
		if n.text != "true" && n.text != "false" {
			l.p.add(n, "write true or false, not %s", shown(y.Value))
		}
	case "!!int", "!!float":
		n.kind = numberNode
		if !jsonNumber.MatchString(y.Value) {
			l.p.add(n, "write the number %s as in JSON, or quote it if it is text", shown(y.Value))
		}
	default:
		l.p.add(n, "values of type %s are not supported", name(tag))
	}
}

func (l *loader) mapping(n *node, y *yaml.Node, depth int) *node {
	n.kind = mapNode
	if len(y.Content) == 2 && y.Content[0].Kind == yaml.ScalarNode {
		// {Condition: x} is a function only among conditions, and is told apart there.
		if key := y.Content[0].Value; key == "Ref" || strings.HasPrefix(key, "Fn::") {
			if !slices.Contains(functions, key) {
				l.p.add(n, "the function %s is not supported%s", name(key), l.p.hint(key, functions))
				return n
			}
			return l.call(n, key, y.Content[1], depth)
		}
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		at := &node{parent: n, label: key.Value, line: key.Line, column: key.Column}
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || strings.HasPrefix(key.Tag, "!") && !strings.HasPrefix(key.Tag, "!!"):
			at.label = "?"
			l.p.add(at, "a key must be plain text")
			continue
		case key.ShortTag() == "!!merge":
			l.p.add(at, "YAML merge keys are not supported: write the values out")
			continue
		case strings.HasPrefix(key.Value, "Fn::"):
			l.p.add(at, "the function %s must stand alone, without other keys beside it", name(key.Value))
			continue
		case lines[key.Value] > 0:
			l.p.add(at, "the key %s stands twice, first in line %d", name(key.Value), lines[key.Value])
			continue
		}
		lines[key.Value] = key.Line
		item := l.node(value, n, key.Value, depth+1)
		item.keyLine, item.keyColumn = key.Line, key.Column
		n.put(key.Value, item)
	}
	if len(n.keys) > 8 {
		n.index = make(map[string]int, len(n.keys))
		for i, key := range n.keys {
			n.index[key] = i
		}
	}
	return n
}

func keysOf[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}
