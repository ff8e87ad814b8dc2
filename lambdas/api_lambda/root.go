package main

import (
	"bytes"
	"encoding/json"
	"slices"

	"example.com/arvo/lambdas/arvo"
)

// A client's request begins a process of its own. A workflow can also be begun on behalf of another, whose subject is
// then the parent in its data (arvo.ParentSubject), and its answer goes to that subject. So a parent is not for clients
// to name: it would put an answer that they have chosen into somebody else's process.

// asRoot is the data of a client's request to begin a workflow, a JSON object, with the parent that it has: none.
func asRoot(data json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, wrongField("/data", "it is required and must be an object")
	}
	parent, named := members[arvo.ParentSubject]
	switch {
	case !named:
		with := []byte(`{"` + arvo.ParentSubject + `":null`)
		if len(members) > 0 {
			with = append(with, ',')
		}
		return append(with, data[1:]...), nil
	case string(parent) != "null":
		return nil, wrongField("/data/"+arvo.ParentSubject, "a client begins a process of its own: leave it out, or null")
	}
	return data, nil
}

// askOfClients is a document of JSON Schemas without what clients leave out: the parent, as a property and as one that
// is required.
func askOfClients(doc json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber() // limits stay as they are written
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return withoutParent(v), nil
}

func withoutParent(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, arvo.ParentSubject)
		for name, member := range v {
			v[name] = withoutParent(member)
		}
	case []any:
		v = slices.DeleteFunc(v, func(element any) bool { return element == arvo.ParentSubject })
		for i, element := range v {
			v[i] = withoutParent(element)
		}
		return v
	}
	return v
}
