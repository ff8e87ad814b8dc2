package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pseudo are the parameters that CloudFormation itself gives.
var pseudo = []string{"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}

// conditionFunctions stand in the Conditions section only, and only the other functions give values.
var conditionFunctions = []string{"Condition", "Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"}

// arity says how many arguments each function takes; max 0 means that its argument is no list.
var arity = map[string]struct{ min, max int }{
	"Fn::And":       {2, 10},
	"Fn::Equals":    {2, 2},
	"Fn::FindInMap": {3, 3},
	"Fn::If":        {3, 3},
	"Fn::Join":      {2, 2},
	"Fn::Not":       {1, 1},
	"Fn::Or":        {2, 10},
	"Fn::Select":    {2, 2},
	"Fn::Split":     {2, 2},
}

// A scope says what functions may name at a place.
type scope int

const (
	inConditions scope = iota // parameters and mappings, and the results are conditions
	inCondition               // a value within a condition
	inValues                  // all but condition functions
)

// checkCalls checks every function in a value, as far as it can be checked before anything has a value: its
// arguments' form, and that what it names exists.
func (t *Template) checkCalls(p *problems, n *node, in scope) {
	if n.kind == mapNode && in == inConditions && len(n.keys) == 1 && n.keys[0] == "Condition" {
		t.checkCondition(p, n.items[0])
		return
	}
	if n.kind != callNode {
		if in == inConditions {
			p.add(n, "must be a condition function: %s", strings.Join(conditionFunctions, ", "))
			return
		}
		for _, item := range n.items {
			t.checkCalls(p, item, in)
		}
		return
	}
	isCondition := slices.Contains(conditionFunctions, n.text)
	switch {
	case in == inConditions && !isCondition:
		p.add(n, "%s gives no condition; %s do", n.text, strings.Join(conditionFunctions, ", "))
		return
	case in != inConditions && isCondition:
		p.add(n, "%s stands in the Conditions section only", n.text)
		return
	case in == inCondition && n.text == "Fn::If":
		p.add(n, "Fn::If does not stand in the Conditions section")
		return
	}
	arg := n.items[0]
	args := arg.items
	if want, ok := arity[n.text]; ok {
		if arg.kind != listNode || len(args) < want.min || len(args) > want.max {
			count := strconv.Itoa(want.min)
			if want.max > want.min {
				count += " to " + strconv.Itoa(want.max)
			}
			p.add(arg, "%s takes a list of %s", n.text, count)
			return
		}
	}
	values := args
	switch n.text {
	case "Ref":
		t.checkRef(p, arg, in)
		return
	case "Fn::GetAtt":
		t.checkGetAtt(p, arg, in)
		return
	case "Condition":
		t.checkCondition(p, arg)
		return
	case "Fn::Sub":
		t.checkSub(p, arg, in)
		return
	case "Fn::And", "Fn::Or", "Fn::Not":
		for _, a := range args {
			t.checkCalls(p, a, inConditions)
		}
		return
	case "Fn::Equals":
		in = inCondition
	case "Fn::If":
		t.checkCondition(p, args[0])
		values = args[1:]
	case "Fn::Join", "Fn::Split":
		if !args[0].scalar() {
			p.add(args[0], "the delimiter of %s must be text", n.text)
		}
		if k := args[1].kind; n.text == "Fn::Join" && k != listNode && k != callNode {
			p.add(args[1], "Fn::Join joins a list, not %s", k)
		}
	case "Fn::Select":
		if k := args[1].kind; k != listNode && k != callNode {
			p.add(args[1], "Fn::Select selects from a list, not %s", k)
		}
	case "Fn::FindInMap":
		if m := args[0]; m.scalar() && t.mappings.get(m.text) == nil {
			p.add(m, "there is no mapping %s%s", name(m.text), p.hint(m.text, t.mappings.names()))
		}
	}
	for _, v := range values {
		t.checkCalls(p, v, in)
	}
}

func (t *Template) checkCondition(p *problems, n *node) {
	if !n.scalar() {
		p.add(n, "a condition's name must be text, not %s", n.kind)
	} else if t.conditions.get(n.text) == nil {
		p.add(n, "there is no condition %s%s", name(n.text), p.hint(n.text, t.conditions.names()))
	}
}

func (t *Template) checkRef(p *problems, n *node, in scope) {
	switch {
	case !n.scalar():
		p.add(n, "Ref takes a name, not %s", n.kind)
	case n.text == "AWS::NotificationARNs":
		p.add(n, "AWS::NotificationARNs is not supported")
	case slices.Contains(pseudo, n.text) || t.parameters.get(n.text) != nil:
	case t.byID[n.text] == nil:
		p.add(n, "there is no parameter or resource %s%s", name(n.text), p.hint(n.text, t.referable()))
	case in != inValues:
		p.add(n, "a condition cannot depend on a resource: %s", n.text)
	}
}

func (t *Template) checkGetAtt(p *problems, n *node, in scope) {
	id, attribute, ok := attributeOf(n)
	if !ok {
		p.add(n, "Fn::GetAtt takes a resource and one of its attributes: Resource.Attribute or [Resource, Attribute]")
		return
	}
	t.checkAttribute(p, n, id, attribute, in)
}

func (t *Template) checkAttribute(p *problems, n *node, id, attribute string, in scope) {
	switch res := t.byID[id]; {
	case res == nil:
		p.add(n, "there is no resource %s%s", name(id), p.hint(id, keysOf(t.byID)))
	case in != inValues:
		p.add(n, "a condition cannot depend on a resource: %s", id)
	case !slices.Contains(res.kind.attributes, attribute):
		p.add(n, "%s has no attribute %s here%s", res.kind.name, name(attribute), p.hint(attribute, res.kind.attributes))
	}
}

// attributeOf takes the argument of Fn::GetAtt apart.
func attributeOf(n *node) (id, attribute string, ok bool) {
	if n.scalar() {
		return strings.Cut(n.text, ".")
	}
	if n.kind != listNode || len(n.items) != 2 || !n.items[0].scalar() || !n.items[1].scalar() {
		return "", "", false
	}
	return n.items[0].text, n.items[1].text, true
}

func (t *Template) checkSub(p *problems, n *node, in scope) {
	format, variables := n, (*node)(nil)
	if n.kind == listNode && len(n.items) == 2 && n.items[1].kind == mapNode {
		format, variables = n.items[0], n.items[1]
		for _, v := range variables.items {
			t.checkCalls(p, v, in)
		}
	}
	if !format.scalar() {
		p.add(n, "Fn::Sub takes text, or a list of text and a map of variables")
		return
	}
	parts, err := substitutions(format.text)
	if err != nil {
		p.add(format, "%v", err)
		return
	}
	used := map[string]bool{}
	for _, part := range parts {
		if part.name == "" {
			continue
		}
		used[part.name] = true
		if variables.get(part.name) != nil {
			continue
		}
		at := format.as(part.name, false)
		if id, attribute, ok := strings.Cut(part.name, "."); ok {
			t.checkAttribute(p, at, id, attribute, in)
		} else {
			t.checkRef(p, at, in)
		}
	}
	for _, v := range variables.names() {
		if !used[v] {
			p.addKey(variables.get(v), "the text does not use the variable %s", name(v))
		}
	}
}

// A substitution is a piece of the text of Fn::Sub: literal text, or a name to be replaced.
type substitution struct{ literal, name string }

var subName = regexp.MustCompile(`^[A-Za-z0-9_.:]+$`)

// substitutions takes the text of Fn::Sub apart: ${Name} is replaced, ${!Name} stands for ${Name} itself.
func substitutions(s string) ([]substitution, error) {
	var parts []substitution
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			return append(parts, substitution{literal: s}), nil
		}
		end := strings.IndexByte(s[start:], '}')
		if end < 0 {
			return nil, errors.New("Fn::Sub: a ${ is not closed")
		}
		inner := s[start+2 : start+end]
		parts = append(parts, substitution{literal: s[:start]})
		if literal, ok := strings.CutPrefix(inner, "!"); ok {
			parts = append(parts, substitution{literal: "${" + literal + "}"})
		} else if subName.MatchString(inner) {
			parts = append(parts, substitution{name: inner})
		} else {
			return nil, fmt.Errorf("Fn::Sub: %s is no name; write ${!...} for the text itself", shown(inner))
		}
		s = s[start+end+1:]
	}
}

// eval gives the value of a node, with every function in it replaced by its result; nil for AWS::NoValue, which takes
// the place away from the list or map it stands in.
func (r *resolver) eval(n *node) (*node, error) {
	switch n.kind {
	case callNode:
		return r.call(n)
	case listNode, mapNode:
		c := n.emptied(n.kind)
		for i, item := range n.items {
			v, err := r.eval(item)
			if err != nil {
				return nil, err
			}
			if v == nil {
				continue
			}
			if n.kind == mapNode {
				c.put(n.keys[i], v)
			} else {
				c.items = append(c.items, v)
			}
		}
		return c, nil
	default:
		return n, nil
	}
}

func (r *resolver) call(n *node) (*node, error) {
	arg := n.items[0]
	switch n.text {
	case "Ref":
		if arg.text == "AWS::NoValue" {
			return nil, nil
		}
		return r.ref(arg, arg.text)
	case "Fn::GetAtt":
		id, attribute, _ := attributeOf(arg)
		return r.attribute(arg, id, attribute)
	case "Fn::If":
		yes, err := r.condition(arg.items[0])
		if err != nil {
			return nil, err
		}
		if yes {
			return r.eval(arg.items[1])
		}
		return r.eval(arg.items[2])
	case "Fn::Sub":
		return r.sub(arg)
	case "Fn::Join":
		items, err := r.items(arg.items[1], n.text)
		if err != nil {
			return nil, err
		}
		var texts []string
		secret := false
		for _, item := range items {
			if !item.scalar() {
				return nil, fault(item, "Fn::Join joins text, not %s", item.kind)
			}
			texts, secret = append(texts, item.text), secret || item.secret
		}
		return r.made(n, secret, texts, arg.items[0].text)
	case "Fn::Split":
		source, err := r.text(arg.items[1])
		if err != nil {
			return nil, err
		}
		delimiter := arg.items[0].text
		if delimiter == "" {
			return nil, fault(arg.items[0], "Fn::Split takes a delimiter that is not empty")
		}
		if strings.Count(source.text, delimiter) >= maxNodes {
			return nil, fault(n, "Fn::Split makes more than %d values", maxNodes)
		}
		c := n.emptied(listNode)
		for _, part := range strings.Split(source.text, delimiter) {
			item, err := r.made(n, source.secret, []string{part}, "")
			if err != nil {
				return nil, err
			}
			c.items = append(c.items, item)
		}
		return c, nil
	case "Fn::Select":
		index, err := r.text(arg.items[0])
		if err != nil {
			return nil, err
		}
		items, err := r.items(arg.items[1], n.text)
		if err != nil {
			return nil, err
		}
		i, err := strconv.Atoi(index.text)
		if err != nil || i < 0 || i >= len(items) {
			return nil, fault(arg.items[0], "Fn::Select: the index %s is not from 0 to %d", index.shown(), len(items)-1)
		}
		return items[i], nil
	case "Fn::FindInMap":
		return r.findInMap(arg)
	}
	return nil, fault(n, "%s gives no value", n.text) // not reached: checkCalls has been here
}

// text evaluates what must be text.
func (r *resolver) text(n *node) (*node, error) {
	v, err := r.eval(n)
	if err != nil {
		return nil, err
	}
	if v == nil || !v.scalar() {
		return nil, fault(n, "must be text")
	}
	return v, nil
}

// items evaluates what must be a list.
func (r *resolver) items(n *node, function string) ([]*node, error) {
	v, err := r.eval(n)
	if err != nil {
		return nil, err
	}
	if v == nil || v.kind != listNode {
		return nil, fault(n, "%s takes a list", function)
	}
	return v.items, nil
}

// made makes text of parts. The sum of what one Resolve makes is bounded, so that a small template cannot become a
// large stack.
func (r *resolver) made(n *node, secret bool, parts []string, delimiter string) (*node, error) {
	size := 1
	for _, part := range parts {
		size += len(part) + len(delimiter)
	}
	if err := r.spend(n, size); err != nil {
		return nil, err
	}
	return n.as(strings.Join(parts, delimiter), secret), nil
}

func (r *resolver) spend(n *node, size int) error {
	if r.budget -= size; r.budget < 0 {
		return fault(n, "the template's functions make more than %d MB of text", maxMade>>20)
	}
	return nil
}

func (r *resolver) sub(n *node) (*node, error) {
	format, variables := n, (*node)(nil)
	if n.kind == listNode {
		format, variables = n.items[0], n.items[1]
	}
	parts, err := substitutions(format.text)
	if err != nil {
		return nil, fault(format, "%v", err) // not reached: checkSub has been here
	}
	var texts []string
	secret := false
	for _, part := range parts {
		if part.name == "" {
			texts = append(texts, part.literal)
			continue
		}
		var v *node
		if variable := variables.get(part.name); variable != nil {
			v, err = r.text(variable)
		} else if id, attribute, ok := strings.Cut(part.name, "."); ok {
			v, err = r.attribute(format, id, attribute)
		} else if part.name == "AWS::NoValue" {
			err = fault(format, "AWS::NoValue has no text")
		} else {
			v, err = r.ref(format, part.name)
		}
		if err != nil {
			return nil, err
		}
		texts, secret = append(texts, v.text), secret || v.secret
	}
	return r.made(n, secret, texts, "")
}

func (r *resolver) findInMap(n *node) (*node, error) {
	at := r.t.mappings
	for i, what := range []string{"mapping", "key", "key"} {
		key, err := r.text(n.items[i])
		if err != nil {
			return nil, err
		}
		next := at.get(key.text)
		if next == nil {
			return nil, fault(n.items[i], "Fn::FindInMap: there is no %s %s%s", what, key.shown(), key.hint(at.names()))
		}
		at = next
	}
	// The value is told from others by the place that asks for it, not by where the mapping stands.
	c := *at
	c.line, c.column, c.parent, c.label = n.line, n.column, n.parent, n.label
	return &c, r.spend(n, len(at.json()))
}

// ref evaluates Ref to anything but AWS::NoValue.
func (r *resolver) ref(n *node, target string) (*node, error) {
	if p := r.parameter(target); p != nil {
		return r.made(n, p.NoEcho, []string{r.values[target]}, "")
	}
	if v, ok := r.pseudo[target]; ok {
		return r.made(n, false, []string{v}, "")
	}
	x, err := r.instance(n, target)
	if err != nil {
		return nil, err
	}
	return r.made(n, false, []string{x.physical}, "")
}

func (r *resolver) attribute(n *node, id, attribute string) (*node, error) {
	x, err := r.instance(n, id)
	if err != nil {
		return nil, err
	}
	return r.made(n, false, []string{x.attributes[attribute]}, "")
}

// condition gives the value of the condition that n names.
func (r *resolver) condition(n *node) (bool, error) {
	switch r.conditions[n.text] {
	case isTrue:
		return true, nil
	case isFalse:
		return false, nil
	case inProgress:
		return false, fault(n, "the condition %s depends on itself", n.text)
	}
	r.conditions[n.text] = inProgress
	yes, err := r.decide(r.t.conditions.get(n.text))
	r.conditions[n.text] = isFalse // after an error, too: the stack fails, and its users would only repeat the fault
	if err != nil {
		return false, err
	}
	if yes {
		r.conditions[n.text] = isTrue
	}
	return yes, nil
}

type truth int

const (
	isUnknown truth = iota
	inProgress
	isTrue
	isFalse
)

// decide evaluates a condition function.
func (r *resolver) decide(n *node) (bool, error) {
	if n.kind == mapNode { // {Condition: x}
		return r.condition(n.items[0])
	}
	arg := n.items[0]
	switch n.text {
	case "Condition":
		return r.condition(arg)
	case "Fn::Equals":
		a, err := r.text(arg.items[0])
		if err != nil {
			return false, err
		}
		b, err := r.text(arg.items[1])
		if err != nil {
			return false, err
		}
		return a.text == b.text, nil
	}
	any, all := false, true
	for _, item := range arg.items {
		yes, err := r.decide(item)
		if err != nil {
			return false, err
		}
		any, all = any || yes, all && yes
	}
	switch n.text {
	case "Fn::Not":
		return !all, nil
	case "Fn::Or":
		return any, nil
	default:
		return all, nil
	}
}
