package template

import (
	"slices"
	"strings"
)

// A Template is a template that was parsed and found right as far as it can be without its parameters' values. It is
// not changed by use: several goroutines may resolve it at once.
type Template struct {
	file       string
	parameters *node // maps by name; nil when the section is absent
	mappings   *node
	conditions *node
	outputs    *node
	declared   []*parameter
	resources  []*resource // in the order of the template, each followed by what SAM makes of it
	byID       map[string]*resource
}

// A resource is a declared or generated resource, before anything has a value.
type resource struct {
	id         string
	kind       *kind
	at         *node // the declaration, or for a generated one what it comes from
	properties *node // a map
	metadata   *node // may be nil
	condition  *node // names one; may be nil
	dependsOn  []*node
	owner      *resource // the function or API that this was generated from; nil for declared ones
}

// A kind is a type of resource that this package knows.
type kind struct {
	name       string // in the template, and in messages: "AWS::SQS::Queue"
	expanded   string // the type SAM makes of it; "" means the same
	properties object
	attributes []string                                                  // for Fn::GetAtt; AWS has more of some
	identify   func(r *resolver, x *instance)                            // sets x.physical and x.attributes
	build      func(r *resolver, x *instance)                            // adds x to the stack; nil: only AWS makes something of it
	owns       func(t *Template, p *problems, res *resource) []*resource // generates what SAM does; nil: nothing
}

// kinds are the types of resources that a template may declare. What is not here is refused, not ignored.
var kinds = byName(
	serverlessFunction, serverlessAPI,
	eventBus, eventRule,
	queueKind, queuePolicy,
	tableKind,
	logGroup,
	samplingRule, traceGroup,
	alarmKind, dashboardKind,
	apiAccount, iamRole, iamManagedPolicy, invokePermission,
)

func byName(all ...*kind) map[string]*kind {
	m := map[string]*kind{}
	for _, k := range all {
		m[k.name] = k
	}
	return m
}

var (
	logicalID = matching(`[A-Za-z0-9]+`, "letters and digits", 255)

	templateShape = object{name: "a template", required: []string{"Resources"}, fields: fields{
		"AWSTemplateFormatVersion": oneOf{"2010-09-09"},
		"Transform":                anything{}, // checked by transform
		"Description":              text{max: 1024, empty: true},
		"Metadata":                 anything{}, // for tools; nothing in it runs
		"Parameters":               anything{}, // checked by parameter.go
		"Mappings":                 dictionary{dictionary{anything{}}},
		"Conditions":               dictionary{anything{}},
		"Globals": object{name: "Globals (only Function is supported)", fields: fields{
			"Function": globalFunction,
		}},
		"Resources": dictionary{object{name: "a resource", required: []string{"Type"}, fields: fields{
			"Type":                text{},
			"Properties":          anything{}, // checked by the resource's kind
			"Metadata":            dictionary{anything{}},
			"DependsOn":           anything{},
			"Condition":           text{},
			"DeletionPolicy":      oneOf{"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}, // what a stack leaves behind: a local one leaves nothing
			"UpdateReplacePolicy": oneOf{"Delete", "Retain", "Snapshot"},                         // likewise
		}}},
		"Outputs": dictionary{object{name: "an output", required: []string{"Value"}, fields: fields{
			"Value":       anything{},
			"Description": text{max: 1024, empty: true},
			"Condition":   text{},
		}}},
	}}
)

// What CloudFormation allows in one template.
const (
	maxResources  = 500
	maxParameters = 200
	maxOutputs    = 200
	maxMappings   = 200
)

// Parse reads a template. The name stands in errors, as the file's name; nothing is read but src.
//
// Checked here are the YAML, the sections, every resource's type and properties by name, and that every function has
// its arguments and names something that exists. Values are checked where they are literal; the rest is for
// [Template.Resolve]. The error is an [*Error], or several joined, in the order of the file.
func Parse(name string, src []byte) (*Template, error) {
	p := &problems{file: name}
	top := load(p, src)
	if len(p.found) > 0 {
		return nil, p.err() // what follows would repeat it
	}
	writtenOut(p, top)
	for _, section := range top.list() {
		switch section.label {
		case "Conditions", "Mappings", "Parameters":
			writtenOut(p, section)
		case "Globals", "Outputs", "Resources":
			writtenOut(p, section)
			for _, entry := range section.items {
				writtenOut(p, entry)
			}
		}
	}
	if len(p.found) > 0 {
		return nil, p.err()
	}
	check(p, templateShape, top)
	if len(p.found) > 0 {
		return nil, p.err()
	}
	t := &Template{
		file:       name,
		parameters: top.get("Parameters"),
		mappings:   top.get("Mappings"),
		conditions: top.get("Conditions"),
		outputs:    top.get("Outputs"),
		byID:       map[string]*resource{},
	}
	for _, section := range []string{"AWSTemplateFormatVersion", "Transform", "Description", "Parameters", "Mappings"} {
		if n := top.get(section); n != nil {
			n.refuseCalls(p)
		}
	}
	for section, most := range map[string]int{"Parameters": maxParameters, "Outputs": maxOutputs, "Mappings": maxMappings} {
		if n := top.get(section); len(n.list()) > most {
			p.addKey(n, "has %d entries; the most is %d", len(n.items), most)
		}
	}
	if n := top.get("Resources"); len(n.items) == 0 {
		p.addKey(n, "a template has at least one resource")
	}
	if len(p.found) > 0 {
		return nil, p.err()
	}
	t.declareParameters(p)
	transformed := transforms(p, top.get("Transform"))
	t.declareResources(p, top.get("Resources"), top.get("Globals", "Function"), transformed)
	if len(p.found) > 0 {
		return nil, p.err()
	}
	t.checkReferences(p)
	if err := p.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// writtenOut refuses what is no map, or not one yet: a shape lets a function stand for any value, but none can stand for
// a part of the template itself.
func writtenOut(p *problems, n *node) {
	if n.kind != mapNode {
		p.add(n, "must be a map, not %s", n.kind)
	}
}

const samTransform = "AWS::Serverless-2016-10-31"

// transforms tells whether SAM's transform is asked for, and refuses others.
func transforms(p *problems, n *node) bool {
	if n == nil {
		return false
	}
	asked := []*node{n}
	if n.kind == listNode {
		asked = n.items
	}
	for _, a := range asked {
		if a.text != samTransform {
			p.add(a, "the only transform that is supported is %s", samTransform)
		}
	}
	return len(asked) > 0
}

// declareResources takes the Resources section over, with SAM's globals merged in and what SAM generates beside it.
func (t *Template) declareResources(p *problems, section, globals *node, transformed bool) {
	var apis, others []*resource // functions generate permissions, which are named after the stages of APIs
	for i, id := range section.keys {
		n := section.items[i]
		check(p, logicalID, n.key())
		for _, part := range []string{"Type", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy"} {
			if v := n.get(part); v != nil {
				v.refuseCalls(p)
			}
		}
		typ := n.get("Type")
		k := kinds[typ.text]
		if k == nil {
			p.add(typ, "the resource type %s is not supported%s", name(typ.text), p.hint(typ.text, keysOf(kinds)))
			continue
		}
		if strings.HasPrefix(k.name, "AWS::Serverless::") && !transformed {
			p.add(typ, "%s needs the template to have Transform: %s", k.name, samTransform)
		}
		res := &resource{id: id, kind: k, at: n, metadata: n.get("Metadata"), condition: n.get("Condition")}
		res.dependsOn = dependencies(p, n.get("DependsOn"))
		if res.properties = n.get("Properties"); res.properties == nil {
			res.properties = n.emptied(mapNode)
		} else if res.properties.kind != mapNode {
			p.add(res.properties, "must be a map, not %s", res.properties.kind)
			continue
		}
		if k == serverlessFunction && globals != nil {
			res.properties = merge(globals, res.properties)
		}
		t.byID[id] = res
		if k == serverlessAPI {
			apis = append(apis, res)
		} else {
			others = append(others, res)
		}
	}
	owned := map[*resource][]*resource{}
	for _, res := range slices.Concat(apis, others) {
		if res.kind.owns != nil {
			owned[res] = res.kind.owns(t, p, res)
		}
	}
	for _, id := range section.keys {
		res := t.byID[id]
		if res == nil {
			continue
		}
		t.resources = append(t.resources, res)
		for _, made := range owned[res] {
			made.owner, made.condition = res, res.condition
			if other := t.byID[made.id]; other != nil {
				p.addKey(other.at, "SAM gives the name %s to what it makes of %s in line %d", made.id, res.id, res.at.keyLine)
				continue
			}
			t.byID[made.id] = made
			t.resources = append(t.resources, made)
		}
	}
	if len(t.resources) > maxResources {
		p.addKey(section, "has %d entries, with those that SAM generates; the most is %d", len(t.resources), maxResources)
		return
	}
	for _, res := range t.resources {
		check(p, res.kind.properties, res.properties)
	}
}

// dependencies reads DependsOn: a name or a list of names.
func dependencies(p *problems, n *node) []*node {
	if n == nil {
		return nil
	}
	all := []*node{n}
	if n.kind == listNode {
		all = n.items
	}
	for _, d := range all {
		if !d.scalar() {
			p.add(d, "DependsOn takes names of resources")
			return nil
		}
	}
	return all
}

// merge puts SAM's globals under a resource's own properties: maps are merged, lists appended to the global ones, all
// else is the resource's own where it has one. A function counts as a single value.
func merge(global, own *node) *node {
	if global.kind != own.kind || global.kind != mapNode && global.kind != listNode {
		return own
	}
	c := own.emptied(own.kind)
	if own.kind == listNode {
		c.items = slices.Concat(global.items, own.items)
		return c
	}
	for i, key := range global.keys {
		v := global.items[i]
		if o := own.get(key); o != nil {
			v = merge(v, o)
		}
		c.put(key, v)
	}
	for i, key := range own.keys {
		if global.get(key) == nil {
			c.put(key, own.items[i])
		}
	}
	return c
}

// checkReferences checks every function in the template, and every name outside of functions.
func (t *Template) checkReferences(p *problems) {
	if t.conditions != nil {
		for _, n := range t.conditions.items {
			t.checkCalls(p, n, inConditions)
		}
	}
	for _, res := range t.resources {
		if res.condition != nil {
			t.checkCondition(p, res.condition)
		}
		for _, d := range res.dependsOn {
			switch on := t.byID[d.text]; {
			case on == nil:
				p.add(d, "there is no resource %s%s", name(d.text), p.hint(d.text, keysOf(t.byID)))
			case on.condition != nil && (res.condition == nil || res.condition.text != on.condition.text):
				p.add(d, "%s is created under the condition %s only: CloudFormation refuses to wait for what may not exist", on.id, name(on.condition.text))
			}
		}
		if res.metadata != nil {
			t.checkCalls(p, res.metadata, inValues)
		}
		t.checkCalls(p, res.properties, inValues)
	}
	if t.outputs != nil {
		for _, n := range t.outputs.items {
			check(p, logicalID, n.key())
			if c := n.get("Condition"); c != nil {
				t.checkCondition(p, c)
			}
			t.checkCalls(p, n.get("Value"), inValues)
			if d := n.get("Description"); d != nil {
				d.refuseCalls(p)
			}
		}
	}
}

// referable lists what Ref may name.
func (t *Template) referable() []string {
	return slices.Concat(pseudo, t.parameters.names(), keysOf(t.byID))
}

// names are the keys of a map.
func (n *node) names() []string {
	if n == nil || n.kind != mapNode {
		return nil
	}
	return n.keys
}

// refuseCalls notes every function where CloudFormation evaluates none.
func (n *node) refuseCalls(p *problems) {
	if n.kind == callNode {
		p.add(n, "functions such as %s are not evaluated here", n.text)
		return
	}
	for _, item := range n.items {
		item.refuseCalls(p)
	}
}
