package arvo

import "unicode/utf8"

// Attributes that name something (source, subject, to, redirectto, dataschema) are "URI-encoded" in the sense of
// ECMAScript's encodeURI and decodeURI (ECMA-262 §19.2.6). No scheme and no grammar is asked for: com.test.source,
// #/a/1.0.0 and order/1 are all fine.

// uriByte is 1 for what encodeURI leaves alone: the reserved and the unreserved characters and the hash.
var uriByte = func() (t [256]uint8) {
	const keep = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + ";,/?:@&=+$" + "-_.!~*'()" + "#"
	for i := range len(keep) {
		t[keep[i]] = 1
	}
	return t
}()

// kept is the length of the part of s, from its beginning, that encodeURI leaves alone: all of it, as a rule. A subject is
// hundreds of bytes, so eight are looked at without a branch between them.
func kept(s string) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		c := s[i : i+8]
		if uriByte[c[0]]&uriByte[c[1]]&uriByte[c[2]]&uriByte[c[3]]&uriByte[c[4]]&uriByte[c[5]]&uriByte[c[6]]&uriByte[c[7]] == 0 {
			break
		}
	}
	for i < len(s) && uriByte[s[i]] != 0 {
		i++
	}
	return i
}

// encodeURI escapes every byte of s that uriByte does not keep, the percent sign included: it encodes once more what is
// encoded already. ok is false when s is not UTF-8, the counterpart of ECMAScript's URIError.
func encodeURI(s string) (encoded string, ok bool) {
	from := kept(s)
	if from == len(s) {
		return s, true
	}
	if !utf8.ValidString(s) {
		return "", false
	}
	escapes := 0
	for i := from; i < len(s); i++ {
		if uriByte[s[i]] == 0 {
			escapes++
		}
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+2*escapes)
	for i := range len(s) {
		if c := s[i]; uriByte[c] != 0 {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out), true
}

// uriEncoded reports encodeURI(decodeURI(s)) == s: s holds only kept characters and escapes that encodeURI would write,
// that is with upper-case digits, of valid UTF-8, and not of a character that needs no escape or is reserved.
func uriEncoded(s string) bool {
	for i := kept(s); i < len(s); i += kept(s[i:]) {
		var char [utf8.UTFMax]byte
		n, want := 0, 1
		for n < want {
			c, ok := escapedByte(s, i)
			if !ok {
				return false
			}
			i += 3
			if n == 0 {
				switch {
				case c >= 0xF0:
					want = 4
				case c >= 0xE0:
					want = 3
				case c >= 0x80:
					want = 2
				case uriByte[c] != 0:
					return false
				}
			}
			char[n] = c
			n++
		}
		if !utf8.Valid(char[:n]) {
			return false
		}
	}
	return true
}

// escapedByte reads a %XX with upper-case digits at i.
func escapedByte(s string, i int) (c byte, ok bool) {
	if i+3 > len(s) || s[i] != '%' {
		return 0, false
	}
	for _, d := range []byte(s[i+1 : i+3]) {
		switch {
		case '0' <= d && d <= '9':
			c = c<<4 | (d - '0')
		case 'A' <= d && d <= 'F':
			c = c<<4 | (d - 'A' + 10)
		default:
			return 0, false
		}
	}
	return c, true
}
