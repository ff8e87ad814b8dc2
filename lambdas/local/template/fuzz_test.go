package template

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse gives the package hostile templates: whatever comes, it answers with a stack or with errors that have a
// place, and the same twice.
func FuzzParse(f *testing.F) {
	src := string(system(f))
	for _, part := range strings.SplitAfter(src, "\n\n") {
		if strings.HasPrefix(part, "  ") {
			f.Add("Transform: AWS::Serverless-2016-10-31\nResources:\n" + part)
		}
	}
	for _, value := range []string{"!Sub \"${AWS::StackName}${!x}\"", "!Join [a, !Split [b, c]]", "!Select [0, [a]]", "!If [IsTest, a, !Ref AWS::NoValue]", "!FindInMap [Sizes, test, zones]"} {
		f.Add(one + value)
	}
	f.Add("a: &a [*a]\n<<: *a")
	f.Add("Resources: {Q: {Type: AWS::SQS::Queue, Properties: !If [a, {}, {}]}}")
	f.Fuzz(func(t *testing.T, src string) {
		tmpl, err := Parse("t.yaml", []byte(src))
		if err != nil {
			checkErrors(t, err)
			return
		}
		stack, err := tmpl.Resolve(Inputs{StackName: "s"})
		if err != nil {
			checkErrors(t, err)
			return
		}
		again, err := tmpl.Resolve(Inputs{StackName: "s"})
		if err != nil || !reflect.DeepEqual(stack, again) {
			t.Errorf("resolved twice: %v\n%+v\n%+v", err, stack, again)
		}
	})
}

func checkErrors(t *testing.T, err error) {
	t.Helper()
	for _, line := range messages(err) {
		if !strings.HasPrefix(line, "t.yaml:") {
			t.Errorf("an error without its place: %q", line)
		}
	}
	var e *Error
	if !errors.As(err, &e) || e.Msg == "" {
		t.Errorf("%v is no *Error", err)
	}
}
