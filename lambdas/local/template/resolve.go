package template

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Inputs are what a template is resolved with. Only StackName must be given.
type Inputs struct {
	StackName    string
	Region       string // default "us-east-1"
	Account      string // default "000000000000"
	Partition    string // default "aws"
	URLSuffix    string // default "amazonaws.com"
	QueueURLBase string // before /<account>/<queue> in queue URLs; default as on AWS, "https://sqs.<region>.<suffix>"

	// APIURL, when given, replaces the address of the API's stage, https://<id>.execute-api.<region>.<suffix>/<stage>,
	// in outputs and in the functions' environment, so that a template needs no word of where it runs. It ends without
	// a slash. A template with several APIs cannot have it.
	APIURL string

	Parameters map[string]string
}

// maxMade bounds the bytes that all functions of a template make together.
const maxMade = 32 << 20

// An instance is a resource whose properties have their values.
type instance struct {
	*resource
	done       bool
	values     *node             // the properties, without functions
	about      *node             // the metadata, likewise; may be nil
	physical   string            // what Ref gives
	attributes map[string]string // what Fn::GetAtt gives
}

// A resolver is the state of one call of Resolve.
type resolver struct {
	t          *Template
	p          *problems
	in         Inputs
	values     map[string]string // of parameters
	pseudo     map[string]string
	conditions map[string]truth
	instances  map[string]*instance // begun or done
	path       []string             // resources being evaluated, outermost first
	budget     int
	stack      *Stack
}

// errNoted stands for a fault that was noted where it is: what depends on it adds nothing.
var errNoted = errors.New("noted")

var stackName = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]{0,127}$`)

// Resolve gives the stack that the template makes with these inputs. Equal inputs give equal stacks: names and ids
// that AWS would draw are derived from the stack's and the resource's names.
//
// Checked here are parameters, the values of all properties, references to resources that are not created, circular
// ones, and the rules of AWS that hold between resources. The error is an [*Error], or several joined.
func (t *Template) Resolve(in Inputs) (*Stack, error) {
	setDefault(&in.Region, "us-east-1")
	setDefault(&in.Account, "000000000000")
	setDefault(&in.Partition, "aws")
	setDefault(&in.URLSuffix, "amazonaws.com")
	setDefault(&in.QueueURLBase, "https://sqs."+in.Region+"."+in.URLSuffix)
	r := &resolver{
		t: t, p: &problems{file: t.file}, in: in, budget: maxMade,
		values:     map[string]string{},
		conditions: map[string]truth{},
		instances:  map[string]*instance{},
	}
	if !stackName.MatchString(in.StackName) {
		return nil, &Error{File: t.file, Msg: "the stack name " + shown(in.StackName) + " must be a letter and up to 127 letters, digits and -"}
	}
	id := r.arn("cloudformation", "stack/"+in.StackName+"/"+uuid.NewSHA1(uuid.NameSpaceOID, []byte(in.Account+in.Region+in.StackName)).String())
	r.stack = &Stack{Name: in.StackName, ID: id, Region: in.Region, Account: in.Account}
	r.pseudo = map[string]string{
		"AWS::AccountId": in.Account,
		"AWS::Partition": in.Partition,
		"AWS::Region":    in.Region,
		"AWS::StackId":   id,
		"AWS::StackName": in.StackName,
		"AWS::URLSuffix": in.URLSuffix,
	}
	r.resolveParameters()
	if len(r.p.found) > 0 {
		return nil, r.p.err()
	}
	for _, n := range t.conditions.list() {
		if _, err := r.condition(n.key()); err != nil {
			r.note(err)
		}
	}
	if len(r.p.found) > 0 {
		return nil, r.p.err()
	}
	var created []*instance
	for _, res := range t.resources {
		if !r.active(res.condition) {
			continue
		}
		x, err := r.instance(res.at, res.id)
		if err != nil {
			r.note(err)
			continue
		}
		created = append(created, x)
	}
	if len(r.p.found) > 0 {
		return nil, r.p.err()
	}
	r.refuseSameNames(created)
	for _, x := range created {
		typ := x.kind.expanded
		setDefault(&typ, x.kind.name)
		r.stack.Resources = append(r.stack.Resources, Resource{LogicalID: x.id, PhysicalID: x.physical, Type: typ, Line: x.at.keyLine})
		if x.kind.build != nil {
			x.kind.build(r, x)
		}
	}
	r.resolveOutputs()
	r.replaceAPIURL()
	if err := r.p.err(); err != nil {
		return nil, err
	}
	return r.stack, nil
}

func setDefault(s *string, absent string) {
	if *s == "" {
		*s = absent
	}
}

// note takes over what an evaluation answered.
func (r *resolver) note(err error) {
	var e *Error
	if errors.As(err, &e) {
		r.p.note(e)
	}
}

func (r *resolver) resolveParameters() {
	for _, given := range slices.Sorted(maps.Keys(r.in.Parameters)) {
		if r.parameter(given) == nil {
			r.p.note(&Error{Path: "Parameters", Msg: "the template has no parameter " + name(given) + hint(given, r.t.parameters.names())})
		}
	}
	for _, d := range r.t.declared {
		value, given := r.in.Parameters[d.Name]
		switch {
		case given:
			if reason := d.refuse(value); reason != "" {
				r.p.addKey(d.at, "the value %s", reason)
			}
		case d.absent != nil:
			value = d.absent.text
		default:
			r.p.addKey(d.at, "the parameter has no default: a value must be given")
		}
		r.values[d.Name] = value
		visible := d.Parameter
		visible.Value = value
		if d.NoEcho {
			visible.Value = "****"
		}
		r.stack.Parameters = append(r.stack.Parameters, visible)
	}
}

func (r *resolver) parameter(name string) *parameter {
	for _, d := range r.t.declared {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// active tells whether something under this condition exists.
func (r *resolver) active(condition *node) bool {
	return condition == nil || r.conditions[condition.text] == isTrue
}

// instance evaluates a resource, after those that it refers to. The node is the place that asks for it.
func (r *resolver) instance(at *node, id string) (*instance, error) {
	x := r.instances[id]
	if x != nil && x.done {
		if x.values == nil {
			return nil, errNoted
		}
		return x, nil
	}
	if x != nil {
		circle := slices.Clone(r.path[slices.Index(r.path, id):])
		return nil, fault(at, "circular reference: %s", strings.Join(append(circle, id), " -> "))
	}
	res := r.t.byID[id]
	if !r.active(res.condition) {
		return nil, fault(at, "%s is not created here, since its condition %s is false", id, name(res.condition.text))
	}
	x = &instance{resource: res, attributes: map[string]string{}}
	r.instances[id] = x
	r.path = append(r.path, id)
	err := r.fill(x)
	r.path = r.path[:len(r.path)-1]
	x.done = true
	if err != nil {
		r.note(err)
		return nil, errNoted
	}
	res.kind.identify(r, x)
	return x, nil
}

// fill evaluates what a resource has. Its values stay nil when there is a fault.
func (r *resolver) fill(x *instance) error {
	for _, d := range x.dependsOn {
		if _, err := r.instance(d, d.text); err != nil {
			return err
		}
	}
	if x.metadata != nil { // what it refers to comes first, like what a property refers to
		about, err := r.eval(x.metadata)
		if err != nil {
			return err
		}
		x.about = about
	}
	values, err := r.eval(x.properties)
	if err != nil {
		return err
	}
	before := len(r.p.found)
	check(r.p, x.kind.properties, values)
	if len(r.p.found) > before {
		return errNoted
	}
	x.values = values
	return nil
}

// refuseSameNames refuses two resources of a type with one name, which AWS would refuse at the second.
func (r *resolver) refuseSameNames(created []*instance) {
	first := map[string]*instance{}
	for _, x := range created {
		if x.owner != nil {
			continue // named within its owner, or by a drawn id
		}
		key := x.kind.name + " " + x.physical
		if other := first[key]; other != nil {
			r.p.addKey(x.at, "has the same name as %s in line %d", other.id, other.at.keyLine)
			continue
		}
		first[key] = x
	}
}

func (r *resolver) resolveOutputs() {
	for i, n := range r.t.outputs.list() {
		if !r.active(n.get("Condition")) {
			continue
		}
		value, err := r.text(n.get("Value"))
		if err != nil {
			r.note(err)
			continue
		}
		r.stack.Outputs = append(r.stack.Outputs, Output{
			Name:        r.t.outputs.keys[i],
			Value:       value.text,
			Description: n.get("Description").str(""),
		})
	}
}

// replaceAPIURL puts Inputs.APIURL in the place of the address that the API would have on AWS.
func (r *resolver) replaceAPIURL() {
	if r.in.APIURL == "" || len(r.stack.APIs) == 0 {
		return
	}
	if len(r.stack.APIs) > 1 {
		r.p.note(&Error{Path: "Resources", Msg: "the template has several APIs: one address cannot stand for them all"})
		return
	}
	onAWS := r.stack.APIs[0].InvokeURL
	for i := range r.stack.Outputs {
		o := &r.stack.Outputs[i]
		o.Value = strings.ReplaceAll(o.Value, onAWS, r.in.APIURL)
	}
	for _, f := range r.stack.Functions {
		for k, v := range f.Environment {
			f.Environment[k] = strings.ReplaceAll(v, onAWS, r.in.APIURL)
		}
	}
}

// arn makes the ARN of something in this stack's account and region.
func (r *resolver) arn(service, name string) string {
	return "arn:" + r.in.Partition + ":" + service + ":" + r.in.Region + ":" + r.in.Account + ":" + name
}

// named gives the resource's name: the given property, or what CloudFormation would make up.
func (r *resolver) named(x *instance, property string) string {
	return x.values.get(property).str(r.in.StackName + "-" + x.id + "-" + r.derive(x.id, 12))
}

// derive makes an id of n capital letters and digits, as CloudFormation draws them, of the stack and a name.
func (r *resolver) derive(id string, n int) string {
	sum := sha256.Sum256([]byte(r.stack.ID + "\x00" + id))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

// uuid makes an id in the form of a UUID of the stack and a name.
func (r *resolver) uuid(id string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(r.stack.ID+"\x00"+id)).String()
}

// find gives the instance of a type whose attribute has a value; nil when there is none.
func (r *resolver) find(kind, attribute, value string) *instance {
	for _, res := range r.t.resources {
		if x := r.instances[res.id]; res.kind.name == kind && x != nil && x.attributes[attribute] == value {
			return x
		}
	}
	return nil
}
