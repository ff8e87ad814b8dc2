package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/jsontext"
)

// annotations are the keywords that say nothing about what is right.
var annotations = []string{
	"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default", "examples",
	"deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType",
}

// Compile reads a document. The error names the keyword and its place as a JSON Pointer.
func Compile(doc []byte) (*Schema, error) {
	if err := jsontext.Valid(doc); err != nil {
		return nil, fmt.Errorf("schema is not JSON: %w", err)
	}
	doc = bytes.Clone(doc) // the nodes keep parts of it
	c := compiler{doc: doc, nodes: make(map[string]*node)}
	root, err := c.at("")
	if err != nil {
		return nil, err
	}
	if err := c.cycles(); err != nil {
		return nil, err
	}
	s := &Schema{doc: doc, root: root}
	for _, at := range slices.Sorted(maps.Keys(c.nodes)) {
		for _, p := range c.nodes[at].properties {
			if p.filling == nil {
				continue
			}
			_, issues, err := (&Schema{root: p.node}).Apply(p.filling, Check)
			if err == nil && len(issues) > 0 {
				err = errors.New(issues[0].Message)
			}
			if err != nil {
				return nil, fmt.Errorf("schema at %q: the default does not fit: %w", at+"/properties/"+p.name, err)
			}
		}
	}
	return s, nil
}

// A compiler keeps the node of each place of the document, so that references, recursive ones too, meet.
type compiler struct {
	doc   []byte
	nodes map[string]*node
}

// at is the node of the schema at a JSON Pointer.
func (c *compiler) at(pointer string) (*node, error) {
	if n, ok := c.nodes[pointer]; ok {
		return n, nil
	}
	raw := c.doc
	if pointer != "" {
		for token := range strings.SplitSeq(pointer[1:], "/") {
			token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
			var ok bool
			if raw, ok = child(raw, token); !ok {
				return nil, fmt.Errorf("schema has nothing at %q", pointer)
			}
		}
	}
	return c.make(pointer, raw)
}

// make is at for who has the text at the pointer at hand: looking for it from the root costs the square of a schema's depth.
func (c *compiler) make(pointer string, raw []byte) (*node, error) {
	if n, ok := c.nodes[pointer]; ok {
		return n, nil
	}
	n := &node{minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minProperties: -1, maxProperties: -1}
	c.nodes[pointer] = n
	if err := c.fill(n, pointer, bytes.TrimSpace(raw)); err != nil {
		return nil, err
	}
	return n, nil
}

// child is the member or the element of a container that token names.
func child(raw []byte, token string) ([]byte, bool) {
	start := jsontext.Space(raw, 0)
	switch jsontext.KindAt(raw, start) {
	case jsontext.Object:
		for _, m := range members(raw) {
			if m.name == token {
				return m.raw, true
			}
		}
	case jsontext.Array:
		index, err := strconv.Atoi(token)
		if items := elements(raw); err == nil && index >= 0 && index < len(items) {
			return items[index], true
		}
	}
	return nil, false
}

type member struct {
	name string
	raw  []byte
}

// members lists an object in order; raw is known to be JSON.
func members(raw []byte) (list []member) {
	m, err := jsontext.OpenObject(raw, jsontext.Space(raw, 0), 0)
	for err == nil && m.Next() {
		var name string
		if name, err = m.Key(); err != nil {
			break
		}
		if m.End, err = jsontext.Value(raw, m.Value, 0); err == nil {
			list = append(list, member{name, raw[m.Value:m.End]})
		}
	}
	return list
}

func elements(raw []byte) (list [][]byte) {
	e, err := jsontext.OpenArray(raw, jsontext.Space(raw, 0), 0)
	for err == nil && e.Next() {
		if e.End, err = jsontext.Value(raw, e.Value, 0); err == nil {
			list = append(list, raw[e.Value:e.End])
		}
	}
	return list
}

func escape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}

// fill sets n from the schema raw at pointer.
func (c *compiler) fill(n *node, pointer string, raw []byte) error {
	switch string(raw) {
	case "true":
		n.open = true
		return nil
	case "false":
		n.never = true
		return nil
	}
	if jsontext.KindAt(raw, 0) != jsontext.Object {
		return fmt.Errorf("schema at %q: Expected object or boolean, received %s", pointer, jsontext.KindAt(raw, 0))
	}
	var properties, additional bool
	for _, m := range members(raw) {
		here := pointer + "/" + escape(m.name)
		err := c.keyword(n, here, m)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "schema ") {
				err = fmt.Errorf("schema at %q: %w", here, err)
			}
			return err
		}
		properties = properties || m.name == "properties"
		additional = additional || m.name == "additionalProperties"
	}
	if !properties && !additional {
		n.open = true
	}
	// A required member is a flag of its property; only the others are looked up by name.
	n.required = slices.DeleteFunc(n.required, func(name string) bool {
		p := n.find([]byte(name), 0)
		if p >= 0 {
			n.properties[p].required = true
		}
		return p >= 0
	})
	if len(n.required) == 0 {
		n.required = nil
	}
	return nil
}

func (c *compiler) keyword(n *node, here string, m member) (err error) {
	switch m.name {
	case "type":
		return n.setTypes(m.raw)
	case "enum":
		if jsontext.KindAt(m.raw, 0) != jsontext.Array {
			return errors.New("must be an array")
		}
		for _, e := range elements(m.raw) {
			k, err := constantOf(e)
			if err != nil {
				return err
			}
			n.enum = append(n.enum, k)
		}
		if n.enum == nil {
			return errors.New("must not be empty")
		}
	case "const":
		k, err := constantOf(m.raw)
		if err != nil {
			return err
		}
		n.enum = []constant{k}
	case "minLength":
		n.minLength, err = count(m.raw)
	case "maxLength":
		n.maxLength, err = count(m.raw)
	case "minItems":
		n.minItems, err = count(m.raw)
	case "maxItems":
		n.maxItems, err = count(m.raw)
	case "minProperties":
		n.minProperties, err = count(m.raw)
	case "maxProperties":
		n.maxProperties, err = count(m.raw)
	case "uniqueItems":
		err = json.Unmarshal(m.raw, &n.unique)
	case "pattern":
		var p string
		if err = json.Unmarshal(m.raw, &p); err == nil {
			n.pattern, err = regexp.Compile(p)
		}
	case "minimum":
		n.minimum, err = limit(m.raw)
	case "maximum":
		n.maximum, err = limit(m.raw)
	case "exclusiveMinimum":
		n.above, err = limit(m.raw)
	case "exclusiveMaximum":
		n.below, err = limit(m.raw)
	case "multipleOf":
		f, err := limit(m.raw)
		if err != nil {
			return err
		}
		if *f <= 0 {
			return errors.New("must be above zero")
		}
		n.multipleOf = new(big.Rat)
		if _, ok := n.multipleOf.SetString(string(m.raw)); !ok || len(m.raw) > 32 || *f > 1e30 || *f < 1e-30 {
			return errors.New("must be a number of usual size")
		}
	case "required":
		err = json.Unmarshal(m.raw, &n.required)
	case "properties":
		if jsontext.KindAt(m.raw, 0) != jsontext.Object {
			return errors.New("must be an object")
		}
		n.properties = []property{}
		for _, p := range members(m.raw) {
			node, err := c.make(here+"/"+escape(p.name), p.raw)
			if err != nil {
				return err
			}
			filling, _ := child(p.raw, "default")
			n.properties = append(n.properties, property{name: p.name, node: node, filling: filling})
		}
	case "additionalProperties":
		switch string(m.raw) {
		case "true":
			n.open = true
		case "false":
		default:
			n.open = true
			n.additional, err = c.make(here, m.raw)
		}
	case "items":
		if jsontext.KindAt(m.raw, 0) == jsontext.Array {
			return errors.New("must be one schema; write a tuple with prefixItems")
		}
		n.items, err = c.make(here, m.raw)
	case "prefixItems":
		n.prefix, err = c.list(here, m.raw)
	case "allOf":
		n.allOf, err = c.list(here, m.raw)
	case "anyOf":
		n.anyOf, err = c.list(here, m.raw)
	case "oneOf":
		n.oneOf, err = c.list(here, m.raw)
	case "not":
		n.not, err = c.make(here, m.raw)
	case "if":
		n.when, err = c.make(here, m.raw)
	case "then":
		n.then, err = c.make(here, m.raw)
	case "else":
		n.or, err = c.make(here, m.raw)
	case "$ref":
		var ref string
		if err := json.Unmarshal(m.raw, &ref); err != nil {
			return err
		}
		if ref != "#" && !strings.HasPrefix(ref, "#/") {
			return fmt.Errorf("%q is not in this document", ref)
		}
		target, err := url.PathUnescape(ref[1:])
		if err != nil {
			return err
		}
		n.ref, err = c.at(target)
		return err
	default:
		if !slices.Contains(annotations, m.name) {
			return fmt.Errorf("keyword %q is not supported", m.name)
		}
	}
	return err
}

func (n *node) setTypes(raw []byte) error {
	names := [][]byte{raw}
	if jsontext.KindAt(raw, 0) == jsontext.Array {
		names = elements(raw)
	}
	number := false
	for _, name := range names {
		var kind jsontext.Kind
		switch string(name) {
		case `"string"`:
			kind = jsontext.String
		case `"number"`:
			kind, number = jsontext.Number, true
		case `"integer"`:
			kind, n.integer = jsontext.Number, true
		case `"boolean"`:
			kind = jsontext.Bool
		case `"object"`:
			kind = jsontext.Object
		case `"array"`:
			kind = jsontext.Array
		case `"null"`:
			kind = jsontext.Null
		default:
			return fmt.Errorf("unknown type %s", name)
		}
		n.types |= 1 << kind
	}
	if n.types == 0 {
		return errors.New("must not be empty")
	}
	n.integer = n.integer && !number
	return nil
}

func (c *compiler) list(here string, raw []byte) (list []*node, err error) {
	for i, element := range elements(raw) {
		n, err := c.make(here+"/"+strconv.Itoa(i), element)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if list == nil {
		return nil, errors.New("must be an array that is not empty")
	}
	return list, nil
}

func count(raw []byte) (int, error) {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is not a count", raw)
	}
	return n, nil
}

func limit(raw []byte) (*float64, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return nil, fmt.Errorf("%s is not a number", raw)
	}
	return &f, nil
}

// cycles refuses a schema that refers to itself for the same value: no value could ever be told right or wrong.
func (c *compiler) cycles() error {
	const visiting, done = 1, 2
	state := make(map[*node]int)
	var visit func(n *node) bool
	visit = func(n *node) bool {
		switch state[n] {
		case visiting:
			return false
		case done:
			return true
		}
		state[n] = visiting
		for _, sub := range slices.Concat(n.allOf, n.anyOf, n.oneOf, []*node{n.ref, n.not, n.when, n.then, n.or}) {
			if sub != nil && !visit(sub) {
				return false
			}
		}
		state[n] = done
		return true
	}
	for _, at := range slices.Sorted(maps.Keys(c.nodes)) {
		if !visit(c.nodes[at]) {
			return fmt.Errorf("schema at %q refers to itself for the same value", at)
		}
	}
	return nil
}
