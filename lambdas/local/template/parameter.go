package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A parameter is a declared parameter.
type parameter struct {
	Parameter
	at         *node
	absent     *node // Default; may be nil
	allowed    []string
	pattern    *regexp.Regexp
	minLength  int
	maxLength  int
	minValue   *float64
	maxValue   *float64
	constraint string // ConstraintDescription
}

// maxValueSize bounds a parameter's value, as CloudFormation does.
const maxValueSize = 4096

var parameterShape = dictionary{object{name: "a parameter", required: []string{"Type"}, fields: fields{
	"Type":                  oneOf{"String", "Number"},
	"Default":               text{empty: true, max: maxValueSize},
	"AllowedValues":         list{of: text{empty: true, max: maxValueSize}, min: 1},
	"AllowedPattern":        text{},
	"MinLength":             whole(0, maxValueSize),
	"MaxLength":             whole(0, maxValueSize),
	"MinValue":              number{min: -1e15, max: 1e15},
	"MaxValue":              number{min: -1e15, max: 1e15},
	"Description":           text{max: 4000, empty: true},
	"ConstraintDescription": text{max: 4000},
	"NoEcho":                boolean{},
}}}

func (t *Template) declareParameters(p *problems) {
	if t.parameters == nil {
		return
	}
	check(p, parameterShape, t.parameters)
	if len(p.found) > 0 {
		return
	}
	for i, id := range t.parameters.keys {
		n := t.parameters.items[i]
		check(p, logicalID, n.key())
		d := &parameter{
			Parameter: Parameter{
				Name:        id,
				Type:        n.get("Type").text,
				Description: n.get("Description").str(""),
				NoEcho:      n.get("NoEcho").truth(false),
			},
			at:         n,
			absent:     n.get("Default"),
			allowed:    n.get("AllowedValues").strs(),
			minLength:  n.get("MinLength").whole(0),
			maxLength:  n.get("MaxLength").whole(maxValueSize),
			constraint: n.get("ConstraintDescription").str(""),
		}
		if pattern := n.get("AllowedPattern"); pattern != nil {
			re, err := regexp.Compile(`^(?:` + pattern.text + `)$`)
			if err != nil {
				p.add(pattern, "not a regular expression: %v", err)
			}
			d.pattern = re
		}
		if v := n.get("MinValue"); v != nil {
			f := v.float()
			d.minValue = &f
		}
		if v := n.get("MaxValue"); v != nil {
			f := v.float()
			d.maxValue = &f
		}
		for _, limit := range []string{"MinValue", "MaxValue"} {
			if v := n.get(limit); v != nil && d.Type != "Number" {
				p.addKey(v, "%s limits numbers; the parameter is of type %s", limit, d.Type)
			}
		}
		for _, limit := range []string{"MinLength", "MaxLength", "AllowedPattern"} {
			if v := n.get(limit); v != nil && d.Type != "String" {
				p.addKey(v, "%s limits text; the parameter is of type %s", limit, d.Type)
			}
		}
		if d.absent != nil {
			if reason := d.refuse(d.absent.text); reason != "" {
				p.add(d.absent, "the default %s", reason)
			}
		}
		t.declared = append(t.declared, d)
	}
}

// refuse says why a value is refused, in words that follow "the value of X"; "" when it is not. Values of NoEcho
// parameters are not repeated.
func (d *parameter) refuse(value string) string {
	reason := d.broken(value)
	if reason != "" && d.constraint != "" {
		reason += ": " + d.constraint
	}
	return reason
}

func (d *parameter) broken(value string) string {
	says := shown(value)
	if d.NoEcho {
		says = "****"
	}
	if len(value) > maxValueSize {
		return fmt.Sprintf("has %d bytes; the most is %d", len(value), maxValueSize)
	}
	if len(d.allowed) > 0 && !slices.ContainsFunc(d.allowed, func(a string) bool { return d.same(a, value) }) {
		return fmt.Sprintf("is %s; it must be one of %s", says, strings.Join(d.allowed, ", "))
	}
	if d.Type == "Number" {
		f, err := parseNumber(value)
		switch {
		case err != nil:
			return fmt.Sprintf("is %s; it must be a number", says)
		case d.minValue != nil && f < *d.minValue:
			return fmt.Sprintf("is %s; the least is %s", says, decimal(*d.minValue))
		case d.maxValue != nil && f > *d.maxValue:
			return fmt.Sprintf("is %s; the most is %s", says, decimal(*d.maxValue))
		}
		return ""
	}
	switch {
	case len(value) < d.minLength:
		return fmt.Sprintf("is %s; it must have at least %d bytes", says, d.minLength)
	case len(value) > d.maxLength:
		return fmt.Sprintf("is %s; it must have at most %d bytes", says, d.maxLength)
	case d.pattern != nil && !d.pattern.MatchString(value):
		return fmt.Sprintf("is %s; it must match %s", says, d.at.get("AllowedPattern").text)
	}
	return ""
}

// same compares values: numbers by their value, 0.50 is 0.5.
func (d *parameter) same(a, b string) bool {
	if d.Type == "Number" {
		x, errX := parseNumber(a)
		y, errY := parseNumber(b)
		return errX == nil && errY == nil && x == y
	}
	return a == b
}
