package vectors_test

import (
	"encoding/json"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/jsontext"
)

// draftOf is what the original's authors write, an object of attributes, as a Draft. Attributes that a flavor does not
// know are dropped, as it drops them. What a Go author has no words for, because a field has another type, is returned in
// unsayable.
func draftOf(flavor string, input, extensions json.RawMessage) (d arvo.Draft, unsayable map[string]json.RawMessage, err error) {
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(input, &attributes); err != nil {
		return d, nil, err
	}
	if flavor == "v2" {
		delete(attributes, "parentid")
		delete(attributes, "domain")
	}
	fields := map[string]*string{
		"id": &d.ID, "time": &d.Time, "source": &d.Source, "type": &d.Type, "subject": &d.Subject,
		"specversion": &d.SpecVersion, "datacontenttype": &d.DataContentType, "dataschema": &d.DataSchema, "to": &d.To,
		"accesscontrol": &d.AccessControl, "redirectto": &d.RedirectTo, "traceparent": &d.Traceparent,
		"tracestate": &d.Tracestate, "parentid": &d.ParentID, "domain": &d.Domain,
	}
	for name, text := range attributes {
		field, known := fields[name]
		switch {
		case name == "data":
			d.Data, err = asJavaScriptWrites(text)
		case name == "executionunits" && json.Unmarshal(text, &d.ExecutionUnits) == nil:
		case known && text[0] == '"':
			*field = textOf(text)
		case known || name == "executionunits":
			if unsayable == nil {
				unsayable = make(map[string]json.RawMessage)
			}
			unsayable[name] = text
		}
		if err != nil {
			return d, nil, err
		}
	}
	d.Extensions, err = extensionsOf(extensions)
	return d, unsayable, err
}

// textOf is a JSON string. JavaScript's may be no Unicode, with half a character in it; Go's counterpart is one that is
// not UTF-8.
func textOf(text json.RawMessage) string {
	s, err := jsontext.Unquote(text)
	if err != nil {
		return "\xed\xa0\x80"
	}
	return s
}

// extensionsOf are the members of an object, in their order; text may be empty.
func extensionsOf(text json.RawMessage) (list []arvo.Extension, err error) {
	if text == nil {
		return nil, nil
	}
	m, err := jsontext.OpenObject(text, 0, 0)
	for err == nil && m.Next() {
		var name string
		if name, err = m.Key(); err != nil {
			break
		}
		if m.End, err = jsontext.Value(text, m.Value, 0); err != nil {
			break
		}
		list = append(list, arvo.Extension{Name: name, Value: text[m.Value:m.End]})
	}
	_, err = m.Close(err)
	return list, err
}

// asJavaScriptWrites is a JSON value as JSON.stringify writes it. The input of a case was a value in JavaScript; the file
// holds some JSON of it, and package arvo does not touch the numbers and escapes that it is given.
func asJavaScriptWrites(text json.RawMessage) (json.RawMessage, error) {
	out, _, err := appendAsJavaScript(nil, text, jsontext.Space(text, 0))
	return out, err
}

func appendAsJavaScript(dst, text []byte, i int) (out []byte, end int, err error) {
	switch jsontext.KindAt(text, i) {
	case jsontext.Object:
		dst = append(dst, '{')
		m, err := jsontext.OpenObject(text, i, 0)
		for err == nil && m.Next() {
			var name string
			if name, err = m.Key(); err != nil {
				break
			}
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(jsontext.AppendString(dst, name), ':')
			dst, m.End, err = appendAsJavaScript(dst, text, m.Value)
		}
		end, err = m.Close(err)
		return append(dst, '}'), end, err
	case jsontext.Array:
		dst = append(dst, '[')
		a, err := jsontext.OpenArray(text, i, 0)
		for err == nil && a.Next() {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst, a.End, err = appendAsJavaScript(dst, text, a.Value)
		}
		end, err = a.Close(err)
		return append(dst, ']'), end, err
	}
	if end, err = jsontext.Value(text, i, 0); err != nil {
		return dst, end, err
	}
	switch v := value(text[i:end]).(type) {
	case string:
		return jsontext.AppendString(dst, v), end, nil
	case float64:
		return jsontext.AppendNumber(dst, v), end, nil
	}
	return append(dst, text[i:end]...), end, nil
}

// asV2Writes is the text of an event as the line v2 writes it, which knows neither parent nor domain.
func asV2Writes(text string) string {
	return strings.TrimSuffix(text, `,"parentid":null,"domain":null}`) + "}"
}
