package jsonschema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A misspelt constraint would be a rule that is written and not enforced: reflect.StructTag finds no minLength in
// `minLenght:"1"` or in `minLength:1`, and nobody hears of it. Tags belong to everyone, though, so what is no near miss of
// ours is somebody else's.

// checkTag fails when a tag cannot be read to its end, or has a key that is nearly one of ours.
func checkTag(tag reflect.StructTag) error {
	rest := strings.TrimLeft(string(tag), " ")
	for rest != "" {
		key, value, ok := strings.Cut(rest, ":")
		quoted, err := strconv.QuotedPrefix(value)
		if !ok || err != nil || key == "" || strings.ContainsAny(key, " \"") {
			return fmt.Errorf("the tag cannot be read from here on: %s", rest)
		}
		if meant := nearMiss(key); meant != "" {
			return fmt.Errorf("the tag %s means nothing; %s does", key, meant)
		}
		rest = strings.TrimLeft(value[len(quoted):], " ")
	}
	return nil
}

// nearMiss is the key that was probably meant, "" if key is one or means something else.
func nearMiss(key string) string {
	if slices.Contains(tagKeys, key) {
		return ""
	}
	meant := ""
	for _, known := range tagKeys {
		typos := 1
		switch {
		case known == "json":
			typos = 0 // bson is another package's
		case len(known) >= 8:
			typos = 2
		}
		// In short words two letters make another one: env is no enum, form no format.
		if strings.EqualFold(known, key) || distance(known, key) <= typos {
			meant = known
		}
	}
	return meant
}

var tagKeys = func() []string {
	keys := []string{"json", "jsonschema"}
	for _, k := range tagKeywords {
		keys = append(keys, k.name)
	}
	return keys
}()

// distance is how many letters have to be added, dropped, changed or swapped with the next one to get from a to b (optimal
// string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
