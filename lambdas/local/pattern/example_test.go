package pattern_test

import (
	"errors"
	"fmt"

	"example.com/arvo/lambdas/local/pattern"
)

func Example() {
	p, err := pattern.Compile([]byte(`{"source": [{"prefix": "com.example."}], "detail": {"total": [{"numeric": [">", 100]}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Match([]byte(`{"source": "com.example.shop", "detail": {"total": 129.90}}`)))
	fmt.Println(p.Match([]byte(`{"source": "com.example.shop", "detail": {"total": 12.99}}`)))
	// Output:
	// true
	// false
}

func ExampleCompile_error() {
	_, err := pattern.Compile([]byte(`{"source": [{"prefix": 5}]}`))
	fmt.Println(err)
	var e *pattern.Error
	fmt.Println(errors.As(err, &e), e.Line, e.Column)
	// Output:
	// prefix match pattern must be a string at line 1, column 25
	// true 1 25
}

func ExampleSet() {
	var patterns []*pattern.Pattern
	for _, src := range []string{`{"to": ["billing"]}`, `{"to": ["shipping"]}`, `{"to": [{"exists": true}]}`} {
		p, err := pattern.Compile([]byte(src))
		if err != nil {
			fmt.Println(err)
			return
		}
		patterns = append(patterns, p)
	}
	fmt.Println(pattern.NewSet(patterns...).Match([]byte(`{"to": "shipping"}`), nil))
	// Output: [1 2]
}
