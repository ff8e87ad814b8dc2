package jsonschema

import (
	"reflect"
	"strings"
	"testing"
)

func TestMisspeltTagsAreErrors(t *testing.T) {
	for _, c := range []struct {
		name, tag, want string
	}{
		{"nothing", ``, ""},
		{"all that there is", `json:"a,omitempty" minLength:"1" maxLength:"2" pattern:"a\"b: c" format:"x" jsonschema:"minLenght: of \"it\"" default:""`, ""},
		{"tags of other packages", `yaml:"a" xml:"a,attr" db:"a" bson:"a" toml:"a" env:"A" form:"a" query:"a" header:"a" validate:"min=1" mapstructure:"a" dynamodbav:"a" binding:"required" gorm:"a" protobuf:"a" min:"1" max:"2" len:"3" uri:"a" param:"a"`, ""},
		{"two letters swapped", `json:"a" minLenght:"1"`, "minLenght means nothing; minLength does"},
		{"a letter in another case", `MinLength:"1"`, "minLength does"},
		{"all letters in another case", `exclusiveminimum:"1"`, "exclusiveMinimum does"},
		{"a letter too few", `patern:"a"`, "pattern does"},
		{"a letter too many", `enums:"a,b"`, "enum does"},
		{"another letter", `mininum:"1"`, "minimum does"},
		{"two wrong in a long word", `exclusivMinimun:"1"`, "exclusiveMinimum does"},
		{"the key of encoding/json", `Json:"a"`, "json does"},
		{"the description", `jsonSchema:"a"`, "jsonschema does"},
		{"a value without quotes", `json:"a" minLength:1`, "cannot be read from here on: minLength:1"},
		{"a space before the value", `minLength: "1"`, "cannot be read"},
		{"a comma between", `json:"a",minLength:"1"`, ",minLength means nothing; minLength does"},
		{"a key alone", `json:"a" uniqueItems`, "cannot be read"},
	} {
		switch err := checkTag(reflect.StructTag(c.tag)); {
		case err == nil && c.want != "", err != nil && c.want == "":
			t.Errorf("%s: got %v", c.name, err)
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "xbc", 1}, {"abc", "bc", 1},
		{"enum", "env", 2}, {"format", "form", 2}, {"minimum", "maximum", 2}, {"ca", "abc", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
