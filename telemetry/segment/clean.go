package segment

import (
	"strings"
	"unicode/utf8"
)

// Limits of X-Ray, in characters unless said otherwise.
const (
	MaxName            = 200
	MaxString          = 250 // user and the strings of http.request
	MaxAnnotationKey   = 500
	MaxAnnotationValue = 1000
	MaxAnnotations     = 50 // indexed, in a whole trace
	MaxLinks           = 20

	// MaxMessage is the one limit that is not X-Ray's: an error's text has none, and a document has.
	MaxMessage = 2000
)

// Unnamed is what [Name] makes of a text of which nothing may stay.
const Unnamed = "unnamed"

// Name is s as the name of a segment: without the characters that X-Ray refuses, and at most [MaxName] of the others.
// Letters, digits and spaces of any script may stay, and _ . : / % & # = + - @. If nothing may, it is [Unnamed].
func Name(s string) string {
	if len(s) <= MaxName { // the common case, which allocates nothing
		clean := s != ""
		for _, r := range s {
			if !nameRune(r) {
				clean = false
				break
			}
		}
		if clean {
			return s
		}
	}
	b, n := make([]byte, 0, min(len(s), 4*MaxName)), 0
	for _, r := range s {
		if nameRune(r) {
			if n++; n > MaxName {
				break
			}
			b = utf8.AppendRune(b, r)
		}
	}
	if n == 0 {
		return Unnamed
	}
	return string(b)
}

// AnnotationKey is s as the key of an annotation: each character other than A-Z a-z 0-9 _ becomes _, and at most
// [MaxAnnotationKey] stay.
func AnnotationKey(s string) string {
	s = cut(s, MaxAnnotationKey)
	for i := range len(s) {
		if !keyByte(s[i]) {
			b := []byte(s[:i])
			for _, r := range s[i:] {
				if r < utf8.RuneSelf && keyByte(byte(r)) {
					b = append(b, byte(r))
				} else {
					b = append(b, '_')
				}
			}
			return string(b)
		}
	}
	return s
}

func keyByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// AnnotationText is s as the text of an annotation that is searched for: cut between characters to at most [MaxAnnotationValue] bytes, then
// without control characters. Whoever writes one and whoever searches for it must do the same to it.
func AnnotationText(s string) string {
	if len(s) > MaxAnnotationValue {
		n := MaxAnnotationValue
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// cut is the first n characters of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// Clean brings the document within the limits of X-Ray, so that no text in it, wherever it comes from, makes the service
// refuse the document or forget a part: names and keys lose what they may not hold, texts are cut, annotations that are
// no scalars or too many are dropped, of two with one key the first. It changes the document in place; a document that is
// clean already costs no allocation.
func (d *Document) Clean() {
	d.Name = Name(d.Name)
	d.User = cut(d.User, MaxString)
	if d.HTTP != nil {
		r := &d.HTTP.Request
		r.Method, r.URL, r.UserAgent, r.ClientIP = cut(r.Method, MaxString), cut(r.URL, MaxString), cut(r.UserAgent, MaxString), cut(r.ClientIP, MaxString)
	}
	if d.Cause != nil {
		for i := range d.Cause.Exceptions {
			e := &d.Cause.Exceptions[i]
			e.Message, e.Type = cut(e.Message, MaxMessage), cut(e.Type, MaxString)
		}
	}
	d.Annotations = cleanAnnotations(d.Annotations)
	if len(d.Links) > MaxLinks {
		d.Links = d.Links[:MaxLinks]
	}
	for i := range d.Subsegments {
		d.Subsegments[i].Clean()
	}
}

func cleanAnnotations(list []Attribute) []Attribute {
	kept := list[:0]
	for _, a := range list {
		if len(kept) == MaxAnnotations {
			break
		}
		if a.Key = AnnotationKey(a.Key); a.Key == "" || !a.Value.Scalar() {
			continue
		}
		a.Value.text = cut(a.Value.text, MaxAnnotationValue)
		duplicate := false
		for i := range kept {
			if kept[i].Key == a.Key {
				kept[i] = a
				duplicate = true
			}
		}
		if !duplicate {
			kept = append(kept, a)
		}
	}
	return kept
}
