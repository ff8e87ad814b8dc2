package expression

import (
	"slices"

	"example.com/arvo/lambdas/local/table/attribute"
)

// A Change is a parsed update expression.
type Change struct {
	sets    []action // sorted by path
	adds    []action
	deletes []action
	removes []Path // sorted by path
	touched Selection
}

// An action changes one path.
type action struct {
	path   Path
	update *term           // of SET
	value  attribute.Value // of ADD and DELETE
}

type termKind uint8

const (
	termPath termKind = iota
	termValue
	termPlus
	termMinus
	termIfNotExists
	termListAppend
	termMistake // a function with a mistake, which has been noted
)

// A term is the right-hand side of SET or a part of it.
type term struct {
	kind  termKind
	path  Path
	value attribute.Value
	args  []*term
}

// ParseUpdate reads SET path = value …, REMOVE path …, ADD path value …, DELETE path value …, each at most once.
func ParseUpdate(text string, subs *Substitutions) (*Change, error) {
	p, err := newParser(Update, text, subs)
	if err != nil {
		return nil, err
	}
	c := &Change{}
	seen := map[string]bool{}
	for p.peek().text != "" || len(seen) == 0 {
		var section string
		var one func(Path) error
		switch t := p.peek(); {
		case t.is("SET"):
			section, one = "SET", func(path Path) error { return p.set(c, path) }
		case t.is("REMOVE"):
			section, one = "REMOVE", func(path Path) error { c.removes = append(c.removes, path); return nil }
		case t.is("ADD"):
			section, one = "ADD", func(path Path) error { return p.merge(&c.adds, "ADD", path) }
		case t.is("DELETE"):
			section, one = "DELETE", func(path Path) error { return p.merge(&c.deletes, "DELETE", path) }
		default:
			return nil, p.syntax()
		}
		p.next++
		if seen[section] {
			p.mistake(faultSection, "The \"%s\" section can only be used once in an update expression;", section)
		}
		seen[section] = true
		for {
			path, err := p.path()
			if err != nil {
				return nil, err
			}
			c.touched = append(c.touched, path)
			p.operators++
			if err := one(path); err != nil {
				return nil, err
			}
			if !p.accept(",") {
				break
			}
		}
	}
	p.distinct(c.touched)
	if err := p.finish(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.sets, func(a, b action) int { return a.path.compare(b.path) })
	slices.SortFunc(c.removes, Path.compare)
	return c, nil
}

func (p *parser) set(c *Change, path Path) error {
	if err := p.expect("="); err != nil {
		return err
	}
	t, err := p.sum()
	c.sets = append(c.sets, action{path: path, update: t})
	return err
}

// sum reads operand [(+ | -) operand].
func (p *parser) sum() (*term, error) {
	left, err := p.term()
	if err != nil {
		return nil, err
	}
	name, kind := p.peek().text, termPlus
	switch name {
	case "+":
	case "-":
		kind = termMinus
	default:
		return left, nil
	}
	p.next++
	p.operators++
	right, err := p.term()
	if err != nil {
		return nil, err
	}
	n := &term{kind: kind, args: []*term{left, right}}
	p.checkTerms(n, name, attribute.N)
	return n, nil
}

// checkTerms notes constants of another type than the operator or function takes.
func (p *parser) checkTerms(n *term, name string, wanted attribute.Type) {
	for _, arg := range n.args {
		if arg.kind == termValue && arg.value.Exists() && arg.value.Type != wanted {
			p.mistake(faultOperandType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name, arg.value.Type)
		}
	}
}

func (p *parser) term() (*term, error) {
	switch t := p.peek(); {
	case p.accept("("):
		n, err := p.sum()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case p.startsValue():
		v, err := p.value()
		return &term{kind: termValue, value: v}, err
	case t.word() && p.peekSecond().text == "(":
		return p.updateFunction()
	default:
		path, err := p.path()
		return &term{kind: termPath, path: path}, err
	}
}

func (p *parser) updateFunction() (*term, error) {
	name := p.peek().text
	p.next += 2
	p.operators++
	n := &term{kind: termMistake}
	for {
		arg, err := p.sum()
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, arg)
		if !p.accept(",") {
			break
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	kind := termMistake
	switch name {
	case "if_not_exists":
		kind = termIfNotExists
	case "list_append":
		kind = termListAppend
	default:
		if _, ok := functions[name]; ok {
			p.mistake(faultUnknownUpdateFunction, "The function is not allowed in an update expression; function: %s", name)
		} else {
			p.mistake(faultUnknownUpdateFunction, "Invalid function name; function: %s", name)
		}
		return n, nil
	}
	switch {
	case len(n.args) != 2:
		p.mistake(faultOperandType, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", name, len(n.args))
		return n, nil
	case kind == termIfNotExists && n.args[0].kind != termPath:
		p.mistake(faultOperandType, "Operator or function requires a document path; operator or function: %s", name)
		return n, nil
	case kind == termListAppend:
		p.checkTerms(n, name, attribute.L)
	}
	n.kind = kind
	return n, nil
}

var operandNames = map[attribute.Type]string{
	attribute.S: "STRING", attribute.N: "NUMBER", attribute.B: "BINARY", attribute.NULL: "NULL",
	attribute.BOOL: "BOOLEAN", attribute.L: "LIST", attribute.M: "MAP",
}

// merge reads the value of ADD or DELETE.
func (p *parser) merge(to *[]action, section string, path Path) error {
	v, err := p.value()
	if err != nil {
		return err
	}
	if name, refused := operandNames[v.Type]; refused && !(section == "ADD" && v.Type == attribute.N) {
		p.mistake(faultOperator, "Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", section, name, section)
	}
	*to = append(*to, action{path: path, value: v})
	return nil
}

// Paths returns the paths that the update changes.
func (c *Change) Paths() Selection { return c.touched }

// Adds reports whether the update gives attributes to an item that has none: SET and ADD do.
func (c *Change) Adds() bool { return len(c.sets)+len(c.adds) > 0 }

// Apply changes the item in place and returns it. Operands are taken from the item as it was before. After an error the
// item is in an undefined state.
func (c *Change) Apply(item attribute.Map) (attribute.Map, error) {
	values := make([]attribute.Value, len(c.sets))
	for i, set := range c.sets {
		v, err := set.update.get(item)
		if err != nil {
			return nil, err
		}
		values[i] = v.Clone() // it may be a part of the item, which is about to change
	}
	emptied := slices.Clone(c.removes)
	for _, remove := range c.removes {
		if _, _, err := parent(&item, remove); err != nil {
			return nil, err
		}
	}
	// Removals come last and from the end, so that the indexes of all actions mean the list as it was.
	for _, a := range c.deletes {
		now := a.path.ref(item)
		if now == nil {
			if _, _, err := parent(&item, a.path); err != nil {
				return nil, err
			}
			continue
		}
		if now.Type != a.value.Type {
			return nil, wrongOperand()
		}
		if *now = attribute.Difference(*now, a.value); len(now.List) == 0 {
			emptied = append(emptied, a.path)
		}
	}
	for _, a := range c.adds {
		v := a.value
		if now := a.path.get(item); now.Exists() {
			if now.Type != v.Type {
				return nil, wrongOperand()
			}
			if v.Type == attribute.N {
				var err error
				if v, err = attribute.Add(now, v); err != nil {
					return nil, err
				}
			} else {
				v = attribute.Union(now, v)
			}
		}
		if err := put(&item, a.path, v); err != nil {
			return nil, err
		}
	}
	for i, set := range c.sets {
		if err := put(&item, set.path, values[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(emptied, Path.compare)
	for _, path := range slices.Backward(emptied) {
		remove(&item, path)
	}
	return item, nil
}

func wrongOperand() error {
	return invalid("An operand in the update expression has an incorrect data type")
}

// parent returns the map or list that the path's last step is a place in, the other one being nil.
func parent(item *attribute.Map, path Path) (*attribute.Map, *[]attribute.Value, error) {
	last := path[len(path)-1]
	if len(path) == 1 {
		return item, nil, nil
	}
	v := path[:len(path)-1].ref(*item)
	switch {
	case v != nil && v.Type == attribute.M && !last.isIndex():
		return &v.Map, nil, nil
	case v != nil && v.Type == attribute.L && last.isIndex():
		return nil, &v.List, nil
	}
	return nil, nil, invalid("The document path provided in the update expression is invalid for update")
}

// put stores a value at a path. Behind a list's end it is appended.
func put(item *attribute.Map, path Path, v attribute.Value) error {
	fields, list, err := parent(item, path)
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	switch {
	case fields != nil:
		fields.Set(last.Name, v)
	case last.Index < len(*list):
		(*list)[last.Index] = v
	default:
		*list = append(*list, v)
	}
	return nil
}

// remove takes away what the path leads to, if it is there.
func remove(item *attribute.Map, path Path) {
	fields, list, err := parent(item, path)
	if err != nil {
		return // removed along with what it was in
	}
	last := path[len(path)-1]
	switch {
	case fields != nil:
		fields.Delete(last.Name)
	case last.Index < len(*list):
		*list = slices.Delete(*list, last.Index, last.Index+1)
	}
}

// get evaluates a term on an item.
func (t *term) get(item attribute.Map) (attribute.Value, error) {
	switch t.kind {
	case termValue:
		return t.value, nil
	case termPath:
		if v := t.path.get(item); v.Exists() {
			return v, nil
		}
		return attribute.Value{}, invalid("The provided expression refers to an attribute that does not exist in the item")
	case termIfNotExists:
		if v := t.args[0].path.get(item); v.Exists() {
			return v, nil
		}
		return t.args[1].get(item)
	}
	a, err := t.args[0].get(item)
	if err != nil {
		return a, err
	}
	b, err := t.args[1].get(item)
	if err != nil {
		return b, err
	}
	switch {
	case t.kind == termListAppend && a.Type == attribute.L && b.Type == attribute.L:
		return attribute.Value{Type: attribute.L, List: slices.Concat(a.List, b.List)}, nil
	case t.kind == termPlus && a.Type == attribute.N && b.Type == attribute.N:
		return attribute.Add(a, b)
	case t.kind == termMinus && a.Type == attribute.N && b.Type == attribute.N:
		return attribute.Subtract(a, b)
	}
	return attribute.Value{}, wrongOperand()
}
