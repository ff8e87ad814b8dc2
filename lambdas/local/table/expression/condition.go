package expression

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/arvo/lambdas/local/table/attribute"
)

// A Test is a parsed condition or filter.
type Test struct{ root *node }

// ParseTest reads a condition of the kind [Condition] or [Filter].
func ParseTest(kind Kind, text string, subs *Substitutions) (*Test, error) {
	root, err := parseCondition(kind, text, subs)
	if err != nil {
		return nil, err
	}
	return &Test{root}, nil
}

// Holds reports whether the item, which is empty if there is none, satisfies the condition. An operand that the item does
// not have, or has with another type, makes a comparison false, except <>.
func (t *Test) Holds(item attribute.Map) bool { return t.root.holds(item) }

// Paths returns the document paths of the condition in the order of their appearance.
func (t *Test) Paths() []Path { return t.root.paths(nil) }

type operator uint8

const (
	opPath operator = iota
	opValue
	opSize
	opAnd
	opOr
	opNot
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opBetween
	opIn
	opExists
	opNotExists
	opType
	opBeginsWith
	opContains
	opMistake // a function with a mistake, which has been noted
)

var comparators = map[string]operator{"=": opEqual, "<>": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual}

// operatorNames are as in messages.
var operatorNames = map[operator]string{
	opSize: "size", opAnd: "AND", opOr: "OR", opNot: "NOT", opEqual: "=", opNotEqual: "<>", opLess: "<", opLessEqual: "<=",
	opGreater: ">", opGreaterEqual: ">=", opBetween: "BETWEEN", opIn: "IN", opExists: "attribute_exists",
	opNotExists: "attribute_not_exists", opType: "attribute_type", opBeginsWith: "begins_with", opContains: "contains",
}

var functions = map[string]struct {
	op       operator
	operands int
}{
	"attribute_exists":     {opExists, 1},
	"attribute_not_exists": {opNotExists, 1},
	"attribute_type":       {opType, 2},
	"begins_with":          {opBeginsWith, 2},
	"contains":             {opContains, 2},
	"size":                 {opSize, 1},
}

// A node is an operand (opPath, opValue, opSize) or a condition.
type node struct {
	op    operator
	path  Path            // of opPath
	value attribute.Value // of opValue
	args  []*node         // of all others
	name  string          // of a function
	inner bool            // it stands in parentheses
}

// operand reports whether the node can be compared; a mistaken function passes for anything.
func (n *node) operand() bool { return n.op <= opSize || n.op == opMistake }

func (n *node) condition() bool { return n.op > opSize }

func parseCondition(kind Kind, text string, subs *Substitutions) (*node, error) {
	p, err := newParser(kind, text, subs)
	if err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.logical(root); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return root, nil
}

// logical makes sure that a node stands for true or false: a path or value alone is refused at the token after it.
func (p *parser) logical(n *node) error {
	if n.condition() {
		return nil
	}
	if n.op == opSize {
		p.mistake(faultMisusedFunction, "The function is not allowed to be used this way in an expression; function: size")
		return nil
	}
	return p.syntax()
}

func (p *parser) or() (*node, error) {
	return p.chain("OR", opOr, func() (*node, error) { return p.chain("AND", opAnd, p.not) })
}

// chain reads part {keyword part}.
func (p *parser) chain(keyword string, op operator, part func() (*node, error)) (*node, error) {
	left, err := part()
	if err != nil {
		return nil, err
	}
	for p.peek().is(keyword) {
		if err := p.logical(left); err != nil {
			return nil, err
		}
		p.next++
		p.operators++
		right, err := part()
		if err != nil {
			return nil, err
		}
		if err := p.logical(right); err != nil {
			return nil, err
		}
		left = &node{op: op, args: []*node{left, right}}
	}
	return left, nil
}

func (p *parser) not() (*node, error) {
	if !p.peek().is("NOT") {
		return p.comparison()
	}
	p.next++
	p.operators++
	n, err := p.not()
	if err != nil {
		return nil, err
	}
	if err := p.logical(n); err != nil {
		return nil, err
	}
	return &node{op: opNot, args: []*node{n}}, nil
}

// comparison reads an operand and what it is compared with; or a condition in parentheses or of a function.
func (p *parser) comparison() (*node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	op, compared := comparators[t.text]
	switch {
	case t.is("BETWEEN"):
		op, compared = opBetween, true
	case t.is("IN"):
		op, compared = opIn, true
	}
	if !compared || !left.operand() && left.inner {
		return left, nil
	}
	p.next++
	p.operators++
	args := []*node{left}
	next := func() error {
		n, err := p.operand()
		args = append(args, n)
		return err
	}
	switch op {
	case opBetween:
		if err := next(); err != nil {
			return nil, err
		}
		if !p.acceptWord("AND") {
			return nil, p.syntax()
		}
		if err := next(); err != nil {
			return nil, err
		}
	case opIn:
		if err := p.expect("("); err != nil {
			return nil, err
		}
		for {
			if err := next(); err != nil {
				return nil, err
			}
			if !p.accept(",") {
				break
			}
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	default:
		if err := next(); err != nil {
			return nil, err
		}
	}
	for _, arg := range args {
		if arg.operand() {
			continue
		}
		if arg.name == "" {
			return nil, p.syntax() // a condition in parentheses
		}
		p.mistake(faultMisusedFunction, "The function is not allowed to be used this way in an expression; function: %s", arg.name)
	}
	n := &node{op: op, args: args}
	p.check(n)
	return n, nil
}

// operand reads a path, a value, a function's call, or something in parentheses.
func (p *parser) operand() (*node, error) {
	switch t := p.peek(); {
	case p.accept("("):
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		if n.inner {
			p.mistake(faultParentheses, "The expression has redundant parentheses;")
		}
		n.inner = true
		return n, nil
	case p.startsValue():
		v, err := p.value()
		return &node{op: opValue, value: v}, err
	case t.word() && p.peekSecond().text == "(":
		return p.function()
	default:
		path, err := p.path()
		return &node{op: opPath, path: path}, err
	}
}

// function reads name(operand {, operand}).
func (p *parser) function() (*node, error) {
	name := p.peek().text
	p.next += 2
	p.operators++
	n := &node{op: opMistake, name: name}
	for {
		arg, err := p.operand()
		if err != nil {
			return nil, err
		}
		if !arg.operand() {
			if arg.name == "" {
				return nil, p.syntax()
			}
			p.mistake(faultMisusedFunction, "The function is not allowed to be used this way in an expression; function: %s", arg.name)
		}
		n.args = append(n.args, arg)
		if !p.accept(",") {
			break
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	f, ok := functions[name]
	switch {
	case ok && len(n.args) != f.operands:
		p.mistake(faultOperands, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(n.args))
	case ok:
		n.op = f.op
		p.check(n)
	case name == "if_not_exists" || name == "list_append":
		p.mistake(faultMisusedFunction, "The function is not allowed in a condition expression; function: %s", name)
	default:
		p.mistake(faultUnknownFunction, "Invalid function name; function: %s", name)
	}
	return n, nil
}

// constant returns the type of a :value, None of anything else.
func (n *node) constant() attribute.Type {
	if n.op == opValue {
		return n.value.Type
	}
	return attribute.None
}

// check notes the mistakes in an operation's operands that do not depend on an item.
func (p *parser) check(n *node) {
	name := operatorNames[n.op]
	operandType := func(t attribute.Type) {
		p.mistake(faultOperandType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name, t)
	}
	if n.op != opBetween && n.op != opIn && len(n.args) == 2 && n.args[0].op == opPath && n.args[1].op == opPath && n.args[0].path.compare(n.args[1].path) == 0 {
		p.mistake(faultDistinct, "The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", name, n.args[0].path)
	}
	switch n.op {
	case opExists, opNotExists:
		if n.args[0].op != opPath {
			p.mistake(faultOperandType, "Operator or function requires a document path; operator or function: %s", name)
		}
	case opSize:
		switch t := n.args[0].constant(); t {
		case attribute.N, attribute.BOOL, attribute.NULL:
			operandType(t)
		}
	case opType:
		switch t := n.args[1].constant(); t {
		case attribute.S:
			if _, ok := attribute.ParseType(n.args[1].value.Text); !ok {
				p.mistake(faultOperandType, "Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", n.args[1].value.Text)
			}
		case attribute.None:
			p.mistake(faultOperandType, "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
		default:
			operandType(t)
		}
	case opBeginsWith:
		for _, arg := range n.args {
			if t := arg.constant(); t != attribute.None && t != attribute.S && t != attribute.B {
				operandType(t)
			}
		}
	case opLess, opLessEqual, opGreater, opGreaterEqual, opBetween:
		for _, arg := range n.args {
			switch t := arg.constant(); t {
			case attribute.None, attribute.S, attribute.N, attribute.B:
			default:
				operandType(t)
			}
		}
		if n.op == opBetween {
			p.checkBounds(n.args[1], n.args[2])
		}
	case opIn:
		if operands := len(n.args) - 1; operands > maxIn {
			p.mistake(faultOperands, "The IN operator is provided with too many operands; number of operands: %d", operands)
		}
	}
}

func (p *parser) checkBounds(low, high *node) {
	if low.constant() == attribute.None || high.constant() == attribute.None {
		return
	}
	order, comparable := attribute.Compare(low.value, high.value)
	problem := "upper bound to be greater than or equal to lower bound"
	switch {
	case low.value.Type != high.value.Type:
		problem = "same data type for lower and upper bounds"
	case !comparable || order <= 0:
		return
	}
	p.mistake(faultOperandType, "The BETWEEN operator requires %s; lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}",
		problem, low.value.Type, low.value.Text, high.value.Type, high.value.Text)
}

func (n *node) paths(to []Path) []Path {
	if n.op == opPath {
		return append(to, n.path)
	}
	for _, arg := range n.args {
		to = arg.paths(to)
	}
	return to
}

// get returns an operand's value, the zero Value if the item has none.
func (n *node) get(item attribute.Map) attribute.Value {
	switch n.op {
	case opPath:
		return n.path.get(item)
	case opValue:
		return n.value
	case opSize:
		if size, ok := measure(n.args[0].get(item)); ok {
			return attribute.Value{Type: attribute.N, Text: strconv.Itoa(size)}
		}
	}
	return attribute.Value{}
}

// measure is the function size: characters of a string, bytes of a binary, elements of everything that has some.
func measure(v attribute.Value) (int, bool) {
	switch v.Type {
	case attribute.S:
		return utf8.RuneCountInString(v.Text), true
	case attribute.B:
		return len(v.Text), true
	case attribute.M:
		return len(v.Map), true
	case attribute.L, attribute.SS, attribute.NS, attribute.BS:
		return len(v.List), true
	}
	return 0, false
}

func (n *node) holds(item attribute.Map) bool {
	switch n.op {
	case opAnd:
		return n.args[0].holds(item) && n.args[1].holds(item)
	case opOr:
		return n.args[0].holds(item) || n.args[1].holds(item)
	case opNot:
		return !n.args[0].holds(item)
	}
	first := n.args[0].get(item)
	switch n.op {
	case opExists:
		return first.Exists()
	case opNotExists:
		return !first.Exists()
	case opNotEqual:
		return !attribute.Equal(first, n.args[1].get(item))
	}
	if !first.Exists() {
		return false
	}
	second := n.args[1].get(item)
	switch n.op {
	case opEqual:
		return attribute.Equal(first, second)
	case opBetween:
		low, ok1 := attribute.Compare(first, second)
		high, ok2 := attribute.Compare(first, n.args[2].get(item))
		return ok1 && ok2 && low >= 0 && high <= 0
	case opIn:
		for _, arg := range n.args[1:] {
			if attribute.Equal(first, arg.get(item)) {
				return true
			}
		}
		return false
	case opType:
		return first.Type.String() == second.Text
	case opBeginsWith:
		return first.Type == second.Type && (first.Type == attribute.S || first.Type == attribute.B) && strings.HasPrefix(first.Text, second.Text)
	case opContains:
		switch first.Type {
		case attribute.S, attribute.B:
			return first.Type == second.Type && strings.Contains(first.Text, second.Text)
		case attribute.L, attribute.SS, attribute.NS, attribute.BS:
			return second.Exists() && attribute.Contains(first, second)
		}
		return false
	}
	order, comparable := attribute.Compare(first, second)
	if !comparable {
		return false
	}
	switch n.op {
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	default:
		return order >= 0
	}
}
