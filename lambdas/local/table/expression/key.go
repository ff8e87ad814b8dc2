package expression

import (
	"example.com/arvo/lambdas/local/table/attribute"
)

// A KeyTest is one comparison of a key condition: attribute operator values.
type KeyTest struct {
	Attribute string
	Operator  string            // "=", "<", "<=", ">", ">=", "BETWEEN" or "begins_with"
	Values    []attribute.Value // two for BETWEEN, else one
}

// ParseKeyCondition reads a key condition: one or two comparisons, joined by AND, of different attributes. Whether they fit
// a table's key is not looked at.
func ParseKeyCondition(text string, subs *Substitutions) ([]KeyTest, error) {
	root, err := parseCondition(KeyCondition, text, subs)
	if err != nil {
		return nil, err
	}
	return keyTests(root, nil)
}

// mirrored are the operators for operands in exchanged places.
var mirrored = map[operator]operator{opEqual: opEqual, opLess: opGreater, opLessEqual: opGreaterEqual, opGreater: opLess, opGreaterEqual: opLessEqual}

func keyTests(n *node, tests []KeyTest) ([]KeyTest, error) {
	switch n.op {
	case opAnd:
		for _, arg := range n.args {
			var err error
			if tests, err = keyTests(arg, tests); err != nil {
				return nil, err
			}
		}
		return tests, nil
	case opOr, opNot, opIn, opNotEqual, opExists, opNotExists, opType, opContains:
		return nil, invalid("Invalid operator used in KeyConditionExpression: %s", operatorNames[n.op])
	}
	op, args := n.op, n.args
	name := operatorNames[op]
	for _, arg := range args {
		if arg.op == opSize {
			return nil, invalid("KeyConditionExpressions cannot contain nested operations")
		}
	}
	switch {
	case args[0].op == opPath:
	case op == opBetween || op == opBeginsWith:
		return nil, invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", name)
	case args[1].op == opPath:
		op, args = mirrored[op], []*node{args[1], args[0]}
	default:
		return nil, invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	test := KeyTest{Attribute: args[0].path[0].Name, Operator: operatorNames[op]}
	if len(args[0].path) > 1 {
		return nil, invalid("KeyConditionExpressions cannot have conditions on nested attributes")
	}
	for _, arg := range args[1:] {
		if arg.op == opPath {
			return nil, invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		test.Values = append(test.Values, arg.value)
	}
	for _, other := range tests {
		if other.Attribute == test.Attribute {
			return nil, invalid("KeyConditionExpressions must only contain one condition per key")
		}
	}
	return append(tests, test), nil
}
