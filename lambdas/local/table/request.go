package table

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

// given reports whether a member of the request is there and not null.
func given(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] != 'n' }

// legacy are the parameters that expressions have replaced. They are refused by name rather than ignored, which would
// make a conditional write unconditional. They are left out of UnprocessedKeys, which is a request again.
type legacy struct {
	Expected            json.RawMessage `json:",omitempty"`
	AttributeUpdates    json.RawMessage `json:",omitempty"`
	AttributesToGet     json.RawMessage `json:",omitempty"`
	ConditionalOperator json.RawMessage `json:",omitempty"`
	KeyConditions       json.RawMessage `json:",omitempty"`
	QueryFilter         json.RawMessage `json:",omitempty"`
	ScanFilter          json.RawMessage `json:",omitempty"`
}

func (l *legacy) refuse() error {
	for _, p := range []struct {
		name  string
		value json.RawMessage
		use   string
	}{
		{"Expected", l.Expected, "ConditionExpression"},
		{"AttributeUpdates", l.AttributeUpdates, "UpdateExpression"},
		{"AttributesToGet", l.AttributesToGet, "ProjectionExpression"},
		{"ConditionalOperator", l.ConditionalOperator, "an expression"},
		{"KeyConditions", l.KeyConditions, "KeyConditionExpression"},
		{"QueryFilter", l.QueryFilter, "FilterExpression"},
		{"ScanFilter", l.ScanFilter, "FilterExpression"},
	} {
		if given(p.value) {
			return invalid("The legacy parameter %s is not supported here: use %s", p.name, p.use)
		}
	}
	return nil
}

// substitutions are the parameters that go with expressions.
type substitutions struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues json.RawMessage
}

// parse reads the parameters for expressions of the kinds that the request may have; given are those it has.
func (s *substitutions) parse(kinds []expression.Kind, has func(expression.Kind) bool) (*expression.Substitutions, error) {
	any, valued, absent := false, false, []string{}
	for _, kind := range kinds {
		any = any || has(kind)
		if kind != expression.Projection {
			valued = valued || has(kind)
			absent = append(absent, string(kind))
		}
	}
	if s.ExpressionAttributeNames != nil && !any {
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	var values attribute.Map
	if given(s.ExpressionAttributeValues) {
		if !valued {
			verb := "is"
			if len(absent) > 1 {
				verb = "are"
			}
			return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(absent, " and "), verb)
		}
		var err error
		if values, err = attribute.ParseMap(string(s.ExpressionAttributeValues)); err != nil {
			return nil, describeValue(err)
		}
	}
	return expression.NewSubstitutions(s.ExpressionAttributeNames, values)
}

// describeValue says of an invalid value that it is one of ExpressionAttributeValues.
func describeValue(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "ValidationException" {
		return invalid("ExpressionAttributeValues contains invalid value: %s", e.Message)
	}
	return err
}

// oneOf checks an enumerated parameter; empty stands for the first.
func oneOf(parameter, value string, allowed ...string) (string, error) {
	if value == "" {
		return allowed[0], nil
	}
	for _, a := range allowed {
		if value == a {
			return a, nil
		}
	}
	return "", invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		value, parameter, strings.Join(allowed, ", "))
}

func missing(parameter string) error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", parameter)
}

// An answer builds the JSON of a response. Items are held as JSON, so they are copied, not encoded.
type answer struct{ b []byte }

// member begins a member; its value has to be appended to b.
func (a *answer) member(name string) {
	if len(a.b) == 0 {
		a.b = append(a.b, '{')
	} else {
		a.b = append(a.b, ',')
	}
	a.b = append(a.b, '"')
	a.b = append(a.b, name...)
	a.b = append(a.b, '"', ':')
}

// json adds a member that is JSON already.
func (a *answer) json(name, value string) {
	a.member(name)
	a.b = append(a.b, value...)
}

// item adds an item.
func (a *answer) item(name string, item attribute.Map) {
	a.member(name)
	a.b = item.AppendJSON(a.b)
}

// int adds a number.
func (a *answer) int(name string, n int) {
	a.member(name)
	a.b = strconv.AppendInt(a.b, int64(n), 10)
}

// value adds a member by encoding/json.
func (a *answer) value(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	a.json(name, string(b))
	return nil
}

func (a *answer) done() wire.Raw {
	if len(a.b) == 0 {
		return wire.Raw("{}")
	}
	return append(a.b, '}')
}
