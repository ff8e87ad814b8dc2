package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// one is the template with which intrinsic functions are tried: the value of its only output.
const one = `
Parameters:
  Stage: {Type: String, Default: test}
  Rate: {Type: Number, Default: 0.50}
  Secret: {Type: String, NoEcho: true, Default: hush}
Mappings:
  Sizes:
    test: {memory: 128, zones: [a, b]}
    live: {memory: 512, zones: [c, d]}
Conditions:
  IsTest: !Equals [!Ref Stage, test]
  IsLive: {Fn::Not: [{Condition: IsTest}]}
  Both: !And [!Condition IsTest, !Condition IsLive]
  Either: !Or [!Condition IsTest, !Condition IsLive]
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-q"}}
  Unnamed: {Type: AWS::SQS::Queue}
  Live: {Type: AWS::SQS::Queue, Condition: IsLive}
Outputs:
  O:
    Value: `

func TestFunctions(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"Ref gives a parameter", "!Ref Stage", "test"},
		{"in its long form too", "{Ref: Stage}", "test"},
		{"Ref gives a number as it is written", "!Ref Rate", "0.50"},
		{"Ref gives a queue's URL", "!Ref Queue", "https://sqs.eu-west-1.amazonaws.com/111122223333/s-q"},
		{"a resource without a name gets one", "!GetAtt Unnamed.QueueName", "s-Unnamed-TDPKN6MJQX3Z"},
		{"the account", "!Ref AWS::AccountId", "111122223333"},
		{"the region", "!Ref AWS::Region", "eu-west-1"},
		{"the partition", "!Ref AWS::Partition", "aws"},
		{"the domain", "!Ref AWS::URLSuffix", "amazonaws.com"},
		{"the stack's name", "!Ref AWS::StackName", "s"},
		{"the stack's ARN", "!Select [5, !Split [\":\", !Ref AWS::StackId]]", "stack/s/33b9c359-b5a0-54b7-841f-000f5659058a"},
		{"GetAtt takes a dotted name", "!GetAtt Queue.Arn", "arn:aws:sqs:eu-west-1:111122223333:s-q"},
		{"GetAtt takes a list", "!GetAtt [Queue, QueueName]", "s-q"},
		{"GetAtt takes its long form", "{Fn::GetAtt: [Queue, QueueUrl]}", "https://sqs.eu-west-1.amazonaws.com/111122223333/s-q"},
		{"Sub replaces names and attributes", "!Sub \"${Stage}/${Queue.QueueName}/${AWS::Region}\"", "test/s-q/eu-west-1"},
		{"Sub takes variables", "!Sub [\"${a}-${Stage}\", {a: !Ref Rate}]", "0.50-test"},
		{"a variable hides a parameter", "!Sub [\"${Stage}\", {Stage: mine}]", "mine"},
		{"Sub leaves ${!x} as ${x}", "!Sub \"${!Stage} $Stage $ ${Stage}\"", "${Stage} $Stage $ test"},
		{"Join joins", "!Join [\"-\", [a, !Ref Stage, 7]]", "a-test-7"},
		{"Join leaves NoValue out", "!Join [\",\", [a, !If [IsLive, b, !Ref AWS::NoValue], c]]", "a,c"},
		{"Join takes what Split gives", "!Join [\".\", !Split [\"-\", \"a-b-c\"]]", "a.b.c"},
		{"Select takes a number or text", "!Select [\"1\", [a, b]]", "b"},
		{"If takes the first branch", "!If [IsTest, a, b]", "a"},
		{"or the second", "!If [IsLive, a, b]", "b"},
		{"And", "!If [Both, a, b]", "b"},
		{"Or", "!If [Either, a, b]", "a"},
		{"FindInMap", "!FindInMap [Sizes, !Ref Stage, memory]", "128"},
		{"FindInMap gives lists too", "!Select [1, !FindInMap [Sizes, !Ref Stage, zones]]", "b"},
		{"a branch that is not taken may refer to what is not created", "!If [IsTest, a, !GetAtt Live.Arn]", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := Parse("t.yaml", []byte(one+c.value))
			if err != nil {
				t.Fatal(err)
			}
			stack, err := tmpl.Resolve(Inputs{StackName: "s", Region: "eu-west-1", Account: "111122223333"})
			if err != nil {
				t.Fatal(err)
			}
			if got := stack.Outputs[0].Value; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFunctionsFail(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"Select beyond the list", "!Select [2, [a, b]]", "t.yaml:21:21: Outputs.O.Value.Fn::Select[0]: Fn::Select: the index 2 is not from 0 to 1"},
		{"Select from what is no list", "!Select [0, !Ref Stage]", "t.yaml:21:24: Outputs.O.Value.Fn::Select[1]: Fn::Select takes a list"},
		{"Split at nothing", "!Select [0, !Split [\"\", a]]", "t.yaml:21:32: Outputs.O.Value.Fn::Select[1].Fn::Split[0]: Fn::Split takes a delimiter that is not empty"},
		{"Join of lists", "!Join [\"\", [[a]]]", "t.yaml:21:24: Outputs.O.Value.Fn::Join[1][0]: Fn::Join joins text, not a list"},
		{"FindInMap without the key", "!FindInMap [Sizes, !Ref Stage, memroy]", "t.yaml:21:43: Outputs.O.Value.Fn::FindInMap[2]: Fn::FindInMap: there is no key \"memroy\"; did you mean memory?"},
		{"FindInMap does not give a secret away", "!FindInMap [Sizes, !Ref Secret, memory]", "t.yaml:21:31: Outputs.O.Value.Fn::FindInMap[1]: Fn::FindInMap: there is no key ****"},
		{"a list as text", "!FindInMap [Sizes, test, zones]", "t.yaml:21:12: Outputs.O.Value: must be text"},
		{"NoValue as text", "!Sub \"${AWS::NoValue}\"", "t.yaml:21:12: Outputs.O.Value.Fn::Sub: AWS::NoValue has no text"},
		{"NoValue as a whole value", "!Ref AWS::NoValue", "t.yaml:21:12: Outputs.O.Value: must be text"},
		{"a reference to what is not created", "!GetAtt Live.Arn", "t.yaml:21:12: Outputs.O.Value.Fn::GetAtt: Live is not created here, since its condition IsLive is false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := Parse("t.yaml", []byte(one+c.value))
			if err != nil {
				t.Fatal(err)
			}
			_, err = tmpl.Resolve(Inputs{StackName: "s"})
			if diff := cmp.Diff([]string{c.want}, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The value of a NoEcho parameter is in no error, wherever it is used.
func TestSecretsAreInNoError(t *testing.T) {
	const secret = "Hush"
	const function = "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Handler: bootstrap\n      Runtime: provided.al2023\n      Events:\n" +
		"        E: {Type: Api, Properties: {RestApiId: !Ref A, Path: !Ref Path, Method: get}}\n"
	for _, c := range []struct{ name, resources, want string }{
		{"an attribute without a key", "  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: !Ref Secret, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}\n", "no key uses the attribute ****"},
		{"a route that the API's definition lacks", "  A: {Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionBody: {paths: {}}}}\n" + function, "no integration for GET ****"},
		{"a route with two events", "  A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n" + function + "        D: {Type: Api, Properties: {RestApiId: !Ref A, Path: !Ref Path, Method: get}}\n", "has the route GET **** already"},
		{"a word that is none of those", "  Q: {Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: !Ref Secret}}}\n", "not ****"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := Parse("t.yaml", []byte("Transform: AWS::Serverless-2016-10-31\nParameters:\n  Secret: {Type: String, NoEcho: true}\n  Path: {Type: String, NoEcho: true}\nResources:\n"+c.resources))
			if err != nil {
				t.Fatal(err)
			}
			_, err = tmpl.Resolve(Inputs{StackName: "s", Parameters: map[string]string{"Secret": secret, "Path": "/" + secret}})
			if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	const src = `
Parameters:
  Size: {Type: Number, MinValue: 2, MaxValue: 10, ConstraintDescription: two to ten}
  Days: {Type: Number, Default: 7, AllowedValues: [1, 7]}
  Name: {Type: String, Default: abc, MinLength: 2, MaxLength: 4, AllowedPattern: "[a-z]+", Description: a name}
  Secret: {Type: String, Default: hush, NoEcho: true, AllowedPattern: "[a-z]*"}
Resources:
  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "q-${Name}", DelaySeconds: !Ref Size}}
  R: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "q-${Secret}"}}
`
	tmpl, err := Parse("t.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		given map[string]string
		want  []string
	}{
		{"a value that is missing", nil, []string{"t.yaml:3:3: Parameters.Size: the parameter has no default: a value must be given"}},
		{"one that is too large", map[string]string{"Size": "11"}, []string{`t.yaml:3:3: Parameters.Size: the value is "11"; the most is 10: two to ten`}},
		{"one that is no number", map[string]string{"Size": "0x5"}, []string{`t.yaml:3:3: Parameters.Size: the value is "0x5"; it must be a number: two to ten`}},
		{"a number among those that are allowed, written otherwise", map[string]string{"Size": "2", "Days": "7.0"}, nil},
		{"a number that is not among them", map[string]string{"Size": "2", "Days": "2"}, []string{`t.yaml:4:3: Parameters.Days: the value is "2"; it must be one of 1, 7`}},
		{"text that is too short", map[string]string{"Size": "2", "Name": "a"}, []string{`t.yaml:5:3: Parameters.Name: the value is "a"; it must have at least 2 bytes`}},
		{"text that is too long", map[string]string{"Size": "2", "Name": "abcde"}, []string{`t.yaml:5:3: Parameters.Name: the value is "abcde"; it must have at most 4 bytes`}},
		{"text of another form", map[string]string{"Size": "2", "Name": "ab1"}, []string{`t.yaml:5:3: Parameters.Name: the value is "ab1"; it must match [a-z]+`}},
		{"a name that is unknown", map[string]string{"Size": "2", "Nmae": "ab"}, []string{"t.yaml: Parameters: the template has no parameter Nmae; did you mean Name?"}},
		{"a secret is not repeated", map[string]string{"Size": "2", "Secret": "HUSH"}, []string{"t.yaml:6:3: Parameters.Secret: the value is ****; it must match [a-z]*"}},
		{"not even in a property", map[string]string{"Size": "2", "Secret": strings.Repeat("hush", 50)}, []string{"t.yaml:9:54: Resources.R.Properties.QueueName.Fn::Sub: **** has 202 bytes; the most is 80"}},
		{"a value is checked where it is used, too", map[string]string{"Size": "2.5"}, []string{`t.yaml:8:86: Resources.Q.Properties.DelaySeconds.Ref: must be a whole number, not "2.5"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tmpl.Resolve(Inputs{StackName: "s", Parameters: c.given})
			if diff := cmp.Diff(c.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s", Parameters: map[string]string{"Size": "3"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Parameter{
		{Name: "Size", Type: "Number", Value: "3"},
		{Name: "Days", Type: "Number", Value: "7"},
		{Name: "Name", Type: "String", Value: "abc", Description: "a name"},
		{Name: "Secret", Type: "String", Value: "****", NoEcho: true},
	}, stack.Parameters); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnOutputGoesWithItsCondition(t *testing.T) {
	tmpl, err := Parse("t.yaml", []byte(one+"x\n  P: {Condition: IsLive, Value: !GetAtt Live.Arn}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stage string
		want  int
	}{{"test", 1}, {"live", 2}} {
		stack, err := tmpl.Resolve(Inputs{StackName: "s", Parameters: map[string]string{"Stage": c.stage}})
		if err != nil {
			t.Fatal(err)
		}
		if len(stack.Outputs) != c.want {
			t.Errorf("%s: %+v", c.stage, stack.Outputs)
		}
	}
}

func TestStackName(t *testing.T) {
	tmpl, err := Parse("t.yaml", []byte("Resources:\n  Q: {Type: AWS::SQS::Queue}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "1a", "a_b", strings.Repeat("a", 129)} {
		if _, err := tmpl.Resolve(Inputs{StackName: name}); err == nil || !strings.Contains(err.Error(), "the stack name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestCircles(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{
			"of resources, through all kinds of references",
			"Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref B}}\n  B: {Type: AWS::SQS::Queue, DependsOn: C}\n  C: {Type: AWS::SQS::Queue, Metadata: {x: !Sub \"${A.Arn}\"}}\n",
			[]string{"t.yaml:4:44: Resources.C.Metadata.x.Fn::Sub: circular reference: A -> B -> C -> A"},
		},
		{
			"of a resource with itself",
			"Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt A.Arn}}\n",
			[]string{"t.yaml:2:54: Resources.A.Properties.QueueName.Fn::GetAtt: circular reference: A -> A"},
		},
		{
			"of conditions",
			"Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n  C: !And [!Condition A, !Condition B]\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:3:12: Conditions.B.Fn::Not[0].Condition: the condition A depends on itself"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := Parse("t.yaml", []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			_, err = tmpl.Resolve(Inputs{StackName: "s"})
			if diff := cmp.Diff(c.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A template that doubles its text over and over is stopped, not computed.
func TestWhatFunctionsMakeIsBounded(t *testing.T) {
	big := strings.Repeat("x", 4000)
	src := "Parameters:\n  P: {Type: String, Default: " + big + "}\nResources:\n  Q: {Type: AWS::SQS::Queue, Metadata: {x: [" + strings.Repeat("!Ref P,", 20_000) + "]}}\n"
	tmpl, err := Parse("t.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tmpl.Resolve(Inputs{StackName: "s"}); err == nil || !strings.Contains(err.Error(), "make more than 32 MB of text") {
		t.Error(err)
	}
}

func TestGlobalsAreMergedAsSAMDoes(t *testing.T) {
	const src = `
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 10
    MemorySize: 256
    Environment: {Variables: {AA: global, BB: global}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Timeout: 20
      Environment: {Variables: {BB: own, CC: own}}
`
	tmpl, err := Parse("t.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	f := stack.Functions[0]
	if f.Timeout.Seconds() != 20 || f.MemoryMB != 256 {
		t.Errorf("timeout %s, memory %d: a function's own value wins, a global one stays", f.Timeout, f.MemoryMB)
	}
	if diff := cmp.Diff(map[string]string{"AA": "global", "BB": "own", "CC": "own"}, f.Environment); diff != "" {
		t.Errorf("maps are merged (-want +got)\n%s", diff)
	}
	lists := func(items ...string) *node {
		n := &node{kind: listNode}
		for _, i := range items {
			n.items = append(n.items, &node{kind: textNode, text: i})
		}
		return n
	}
	if diff := cmp.Diff([]string{"a", "b"}, merge(lists("a"), lists("b")).strs()); diff != "" {
		t.Errorf("lists are appended to the global ones (-want +got)\n%s", diff)
	}
}

func TestTheAddressOfTheAPICanBeReplaced(t *testing.T) {
	const api = "Transform: AWS::Serverless-2016-10-31\nResources:\n  A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n"
	const f = "  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Handler: bootstrap, Runtime: provided.al2023, Environment: {Variables: {API: !Sub \"https://${A}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live/x\"}}}}\n"
	const out = "Outputs:\n  ApiUrl: {Value: !Sub \"https://${A}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live\"}\n"
	tmpl, err := Parse("t.yaml", []byte(api+f+out))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stack.Outputs[0].Value, "https://"+stack.APIs[0].ID+".execute-api.us-east-1.amazonaws.com/live"; got != want || got != stack.APIs[0].InvokeURL {
		t.Errorf("as on AWS: %q, want %q", got, want)
	}
	stack, err = tmpl.Resolve(Inputs{StackName: "s", APIURL: "http://127.0.0.1:3000"})
	if err != nil {
		t.Fatal(err)
	}
	if got := stack.Outputs[0].Value; got != "http://127.0.0.1:3000" {
		t.Errorf("in an output: %q", got)
	}
	if got := stack.Functions[0].Environment["API"]; got != "http://127.0.0.1:3000/x" {
		t.Errorf("in the environment: %q", got)
	}
	tmpl, err = Parse("t.yaml", []byte(api+"  B: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Resolve(Inputs{StackName: "s", APIURL: "http://127.0.0.1:3000"})
	if diff := cmp.Diff([]string{"t.yaml: Resources: the template has several APIs: one address cannot stand for them all"}, messages(err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What is written in JSON, or in YAML, comes out as the same JSON: patterns and policies are not bent.
func TestDocumentsComeOutAsTheyAre(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		scalars := []*rapid.Generator[any]{
			rapid.Bool().AsAny(),
			rapid.Custom(func(t *rapid.T) any {
				return json.Number(rapid.StringMatching(`-?(0|[1-9]\d{0,12})(\.\d{1,6})?(e[+-]?\d)?`).Draw(t, "number"))
			}),
			rapid.StringMatching(`[ -~é漢<>&\n\t]{0,12}`).AsAny(),
		}
		if depth == 0 {
			return rapid.OneOf(scalars...)
		}
		return rapid.OneOf(append(scalars,
			rapid.SliceOfN(value(depth-1), 0, 4).AsAny(),
			rapid.MapOfN(rapid.StringMatching(`[a-z$.-]{1,6}`), value(depth-1), 0, 4).AsAny(),
		)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		want, err := json.Marshal(value(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		src := `{"Resources":{"R":{"Type":"AWS::Events::Rule","Properties":{"EventPattern":{"detail":` + string(want) + `}}}}}`
		tmpl, err := Parse("t.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		stack, err := tmpl.Resolve(Inputs{StackName: "s"})
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal([]byte(`{"detail":`+string(want)+`}`), &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(stack.Rules[0].Pattern, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
