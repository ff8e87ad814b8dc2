package template

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// messages takes joined errors apart.
func messages(err error) []string {
	if err == nil {
		return nil
	}
	var all []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, e.Error())
		}
		return all
	}
	return []string{err.Error()}
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{
			"a misspelt property gets a hint",
			"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimout: 30\n",
			[]string{"t.yaml:5:7: Resources.Q.Properties.VisibilityTimout: unknown property VisibilityTimout of AWS::SQS::Queue; did you mean VisibilityTimeout?"},
		},
		{
			"a misspelt property of an event gets a hint",
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Handler: bootstrap\n      Runtime: provided.al2023\n      Events:\n        E:\n          Type: SQS\n          Properties:\n            Queue: q\n            BatchSzie: 5\n",
			[]string{"t.yaml:14:13: Resources.F.Properties.Events.E.Properties.BatchSzie: unknown property BatchSzie of AWS::Serverless::Function event SQS; did you mean BatchSize?"},
		},
		{
			"a property that resembles none gets no hint",
			"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {Colour: red}\n",
			[]string{"t.yaml:4:18: Resources.Q.Properties.Colour: unknown property Colour of AWS::SQS::Queue"},
		},
		{
			"a property is looked for in both branches of a condition",
			"Conditions:\n  C: !Equals [a, b]\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      RedrivePolicy: !If [C, {deadLetterTargetArn: a, maxReceiveCount: 0}, {maxReceiveCount: 1}]\n",
			[]string{
				"t.yaml:7:72: Resources.Q.Properties.RedrivePolicy.Fn::If[1].maxReceiveCount: must be from 1 to 1000, not 0",
				"t.yaml:7:76: Resources.Q.Properties.RedrivePolicy.Fn::If[2]: the property deadLetterTargetArn of AWS::SQS::Queue RedrivePolicy is missing",
			},
		},
		{
			"several faults come in the order of the file",
			"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      DelaySeconds: 901\n      QueueName: a.fifo\n  R:\n    Type: AWS::SQS::Qeue\n",
			[]string{
				"t.yaml:5:21: Resources.Q.Properties.DelaySeconds: must be from 0 to 900, not 901",
				"t.yaml:6:18: Resources.Q.Properties.QueueName: \"a.fifo\" must be letters, digits, - and _ (only standard queues are supported)",
				"t.yaml:8:11: Resources.R.Type: the resource type AWS::SQS::Qeue is not supported; did you mean AWS::SQS::Queue?",
			},
		},
		{
			"a key that stands twice names both lines",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:3:3: Resources.Q: the key Q stands twice, first in line 2"},
		},
		{
			"an unknown section gets a hint",
			"Resorces: {}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:1:1: Resorces: unknown property Resorces of a template; did you mean Resources?"},
		},
		{"a template without resources is none", "Description: x\n", []string{"t.yaml:1:1: the property Resources of a template is missing"}},
		{"nor is one with an empty section", "Resources: {}\n", []string{"t.yaml:1:1: Resources: a template has at least one resource"}},
		{"a list is no template", "[1, 2]\n", []string{"t.yaml:1:1: must be a map, not a list"}},
		{"nor is a function", "!Ref x", []string{"t.yaml:1:1: must be a map, not a function"}},
		{
			"no function stands for a section or an entry of one",
			"Conditions: !Ref x\nResources:\n  Q: !If [a, b, c]\n",
			[]string{"t.yaml:1:13: Conditions: must be a map, not a function", "t.yaml:3:6: Resources.Q: must be a map, not a function"},
		},
		{"an empty file is no template", "", []string{"t.yaml:1:1: the template is empty"}},
		{"a second document is refused", "a: 1\n---\nb: 2\n", []string{"t.yaml:2:1: a second YAML document; a template is one"}},
		{"a fault of YAML has its line", "Resources:\n  Q: [\n", []string{"t.yaml:2:1: did not find expected node content"}},
		{"bytes that are no UTF-8 are refused", "Description: \xff\n", []string{"t.yaml:1:1: the template is not UTF-8"}},
		{
			"an anchor and its alias are refused",
			"Description: &a x\nMetadata: *a\n",
			[]string{
				"t.yaml:1:14: Description: YAML anchors and aliases are not supported: write the value out",
				"t.yaml:2:11: Metadata: YAML anchors and aliases are not supported: write the value out",
			},
		},
		{
			"a merge key is refused",
			"Metadata:\n  <<: {a: b}\n",
			[]string{"t.yaml:2:3: Metadata.<<: YAML merge keys are not supported: write the values out"},
		},
		{"null is refused", "Description:\n", []string{"t.yaml:1:13: Description: null is no value in a template: leave the key out, or write \"\""}},
		{"a number that JSON does not know is refused", "Metadata: {a: 0x10}\n", []string{"t.yaml:1:15: Metadata.a: write the number \"0x10\" as in JSON, or quote it if it is text"}},
		{"a list as key is refused", "Metadata: {[a]: b}\n", []string{"t.yaml:1:12: Metadata.?: a key must be plain text"}},
		{
			"an unknown tag gets a hint",
			"Metadata: !Reff a\n",
			[]string{"t.yaml:1:11: Metadata: the function !Reff is not supported; did you mean !Ref?"},
		},
		{
			"an unknown function gets a hint",
			"Metadata: {Fn::Jion: a}\n",
			[]string{"t.yaml:1:11: Metadata: the function Fn::Jion is not supported; did you mean Fn::Join?"},
		},
		{
			"a function does not stand beside other keys",
			"Metadata: {Fn::Sub: a, b: c}\n",
			[]string{"t.yaml:1:12: Metadata.Fn::Sub: the function Fn::Sub must stand alone, without other keys beside it"},
		},
		{"binary values are refused", "Metadata: !!binary aGk=\n", []string{"t.yaml:1:11: Metadata: values of type !!binary are not supported"}},
		{
			"the format's version is known",
			"AWSTemplateFormatVersion: 2010-09-10\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:1:27: AWSTemplateFormatVersion: must be one of 2010-09-09, not \"2010-09-10\"; did you mean 2010-09-09?"},
		},
		{
			"other transforms are refused",
			"Transform: AWS::LanguageExtensions\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:1:12: Transform: the only transform that is supported is AWS::Serverless-2016-10-31"},
		},
		{
			"SAM's types need SAM's transform",
			"Resources:\n  A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n",
			[]string{"t.yaml:2:13: Resources.A.Type: AWS::Serverless::Api needs the template to have Transform: AWS::Serverless-2016-10-31"},
		},
		{
			"a reference that leads nowhere gets a hint",
			"Parameters:\n  Name: {Type: String}\nResources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Nmae}}\n",
			[]string{"t.yaml:4:54: Resources.Q.Properties.QueueName.Ref: there is no parameter or resource Nmae; did you mean Name?"},
		},
		{
			"so does one within a text",
			"Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub \"${AWS::StackNam}-q\"}}\n",
			[]string{"t.yaml:2:54: Resources.Q.Properties.QueueName.Fn::Sub: there is no parameter or resource AWS::StackNam; did you mean AWS::StackName?"},
		},
		{
			"an attribute that is not there gets a hint",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !GetAtt Q.Arm}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Fn::GetAtt: AWS::SQS::Queue has no attribute Arm here; did you mean Arn?"},
		},
		{
			"an attribute of a resource that is not there gets a hint",
			"Resources:\n  Queue: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Sub \"${Qeue.Arn}\"}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Fn::Sub: there is no resource Qeue; did you mean Queue?"},
		},
		{
			"GetAtt takes two names",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !GetAtt Q}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Fn::GetAtt: Fn::GetAtt takes a resource and one of its attributes: Resource.Attribute or [Resource, Attribute]"},
		},
		{
			"notification ARNs are refused",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Ref AWS::NotificationARNs}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Ref: AWS::NotificationARNs is not supported"},
		},
		{
			"a variable of Sub that is not closed is refused",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Sub \"${Q\"}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Fn::Sub: Fn::Sub: a ${ is not closed"},
		},
		{
			"a variable of Sub has a name",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Sub \"${ Q }\"}\n",
			[]string{"t.yaml:4:14: Outputs.O.Value.Fn::Sub: Fn::Sub: \" Q \" is no name; write ${!...} for the text itself"},
		},
		{
			"a variable that Sub does not use is refused",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Sub [\"x\", {y: z}]}\n",
			[]string{"t.yaml:4:26: Outputs.O.Value.Fn::Sub[1].y: the text does not use the variable y"},
		},
		{
			"a function has its number of arguments",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !Join [\",\"]}\n  P: {Value: !Select 1}\n",
			[]string{
				"t.yaml:4:14: Outputs.O.Value.Fn::Join: Fn::Join takes a list of 2",
				"t.yaml:5:14: Outputs.P.Value.Fn::Select: Fn::Select takes a list of 2",
			},
		},
		{
			"a condition function gives no value",
			"Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Equals [a, b]}}\n",
			[]string{"t.yaml:2:54: Resources.Q.Properties.QueueName: Fn::Equals stands in the Conditions section only"},
		},
		{
			"a value gives no condition",
			"Conditions:\n  C: !Ref AWS::Region\n  D: true\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{
				"t.yaml:2:6: Conditions.C: Ref gives no condition; Condition, Fn::And, Fn::Equals, Fn::Not, Fn::Or do",
				"t.yaml:3:6: Conditions.D: must be a condition function: Condition, Fn::And, Fn::Equals, Fn::Not, Fn::Or",
			},
		},
		{
			"a condition does not depend on a resource",
			"Conditions:\n  C: !Equals [!Ref Q, !GetAtt Q.Arn]\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{
				"t.yaml:2:15: Conditions.C.Fn::Equals[0].Ref: a condition cannot depend on a resource: Q",
				"t.yaml:2:23: Conditions.C.Fn::Equals[1].Fn::GetAtt: a condition cannot depend on a resource: Q",
			},
		},
		{
			"a condition that is not there gets a hint, wherever it is named",
			"Conditions:\n  Live: !Not [!Condition Liv]\nResources:\n  Q: {Type: AWS::SQS::Queue, Condition: Lvie}\nOutputs:\n  O: {Condition: Life, Value: !If [Lie, a, b]}\n",
			[]string{
				"t.yaml:2:15: Conditions.Live.Fn::Not[0].Condition: there is no condition Liv; did you mean Live?",
				"t.yaml:4:41: Resources.Q.Condition: there is no condition Lvie; did you mean Live?",
				"t.yaml:6:18: Outputs.O.Condition: there is no condition Life; did you mean Live?",
				"t.yaml:6:36: Outputs.O.Value.Fn::If[0]: there is no condition Lie; did you mean Live?",
			},
		},
		{
			"a mapping that is not there gets a hint",
			"Mappings:\n  Sizes: {a: {b: c}}\nResources:\n  Q: {Type: AWS::SQS::Queue}\nOutputs:\n  O: {Value: !FindInMap [Size, a, b]}\n",
			[]string{"t.yaml:6:26: Outputs.O.Value.Fn::FindInMap[0]: there is no mapping Size; did you mean Sizes?"},
		},
		{
			"functions are not evaluated where CloudFormation evaluates none",
			"Description: !Sub x\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:1:14: Description: functions such as Fn::Sub are not evaluated here"},
		},
		{
			"a logical id is letters and digits",
			"Resources:\n  my-queue: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:2:3: Resources.my-queue: \"my-queue\" must be letters and digits"},
		},
		{
			"DependsOn names resources",
			"Resources:\n  Queue: {Type: AWS::SQS::Queue, DependsOn: Bsu}\n  Bus: {Type: AWS::Events::EventBus, Properties: {Name: b}, DependsOn: [Queue]}\n",
			[]string{"t.yaml:2:45: Resources.Queue.DependsOn: there is no resource Bsu; did you mean Bus?"},
		},
		{
			"DependsOn does not wait for what may not exist",
			"Conditions:\n  C: !Equals [a, b]\nResources:\n  Q: {Type: AWS::SQS::Queue, DependsOn: R}\n  R: {Type: AWS::SQS::Queue, Condition: C}\n",
			[]string{"t.yaml:4:41: Resources.Q.DependsOn: R is created under the condition C only: CloudFormation refuses to wait for what may not exist"},
		},
		{
			"a required property is missed at the resource",
			"Resources:\n  P:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: [a]\n",
			[]string{"t.yaml:4:5: Resources.P.Properties: the property PolicyDocument of AWS::SQS::QueuePolicy is missing"},
		},
		{
			"what SAM generates must not be declared too",
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: f, Handler: bootstrap, Runtime: provided.al2023}\n  FRole: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:6:3: Resources.FRole: SAM gives the name FRole to what it makes of F in line 3"},
		},
		{
			"an event names its API",
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Handler: bootstrap\n      Runtime: provided.al2023\n      Events:\n        A: {Type: Api, Properties: {Path: /, Method: ANY}}\n        B: {Type: Api, Properties: {Path: /, Method: ANY, RestApiId: !Ref F}}\n        C: {Type: S3, Properties: {}}\n",
			[]string{"t.yaml:12:19: Resources.F.Properties.Events.C.Type: must be one of Api, SQS, not \"S3\""},
		},
		{
			"an event without an API says so",
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Handler: bootstrap\n      Runtime: provided.al2023\n      Events:\n        A: {Type: Api, Properties: {Path: /, Method: ANY}}\n        B: {Type: Api, Properties: {Path: /, Method: ANY, RestApiId: !Ref F}}\n",
			[]string{
				"t.yaml:10:24: Resources.F.Properties.Events.A.Properties: the property RestApiId is missing: the API that SAM makes for events without one is not supported",
				"t.yaml:11:70: Resources.F.Properties.Events.B.Properties.RestApiId: must be !Ref to an AWS::Serverless::Api of this template",
			},
		},
		{
			"globals are for functions",
			"Globals:\n  Api: {Name: x}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:2:3: Globals.Api: unknown property Api of Globals (only Function is supported)"},
		},
		{
			"a fault in globals is told once",
			"Transform: AWS::Serverless-2016-10-31\nGlobals:\n  Function: {Handler: bootstrap, Runtime: provided.al2023, Environment: {Variables: {A: !Ref Nothing}}}\nResources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f}}\n  G: {Type: AWS::Serverless::Function, Properties: {CodeUri: g}}\n",
			[]string{"t.yaml:3:89: Globals.Function.Environment.Variables.A.Ref: there is no parameter or resource Nothing"},
		},
		{
			"parameters of other types are refused",
			"Parameters:\n  P: {Type: CommaDelimitedList}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{"t.yaml:2:13: Parameters.P.Type: must be one of String, Number, not \"CommaDelimitedList\""},
		},
		{
			"a default obeys the parameter's own rules",
			"Parameters:\n  P: {Type: Number, Default: 1, MinValue: 2}\n  R: {Type: String, Default: c, AllowedValues: [a, b], ConstraintDescription: an early letter}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{
				"t.yaml:2:30: Parameters.P.Default: the default is \"1\"; the least is 2",
				"t.yaml:3:30: Parameters.R.Default: the default is \"c\"; it must be one of a, b: an early letter",
			},
		},
		{
			"limits of numbers are not for text, and the other way round",
			"Parameters:\n  P: {Type: String, MinValue: 2}\n  R: {Type: Number, MaxLength: 2}\n  S: {Type: String, AllowedPattern: \"(\"}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{
				"t.yaml:2:21: Parameters.P.MinValue: MinValue limits numbers; the parameter is of type String",
				"t.yaml:3:21: Parameters.R.MaxLength: MaxLength limits text; the parameter is of type Number",
				"t.yaml:4:37: Parameters.S.AllowedPattern: not a regular expression: error parsing regexp: missing closing ): `^(?:()$`",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("t.yaml", []byte(c.src))
			if diff := cmp.Diff(c.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var e *Error
			if !errors.As(err, &e) || e.File != "t.yaml" {
				t.Errorf("%v is no *Error of t.yaml", err)
			}
		})
	}
}

func TestWhatATemplateMayMeasureIsBounded(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"size", "Description: " + strings.Repeat("x", MaxSize), "t.yaml:1:1: the template has 1048589 bytes; the most is 1048576"},
		{"depth", "Metadata: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "nested deeper than 64 levels"},
		{"values", "Metadata: [" + strings.Repeat("1,", maxNodes) + "]", "the template has more than 100000 values"},
		{"errors", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n" + repeat(2_000, func(i int) string { return fmt.Sprintf("      VisibilityTimeou%d: 1\n", i) }), "t.yaml: more than 50 errors; the others are not shown"},
		{"resources", "Resources:\n" + repeat(501, func(i int) string { return fmt.Sprintf("  Q%d: {Type: AWS::SQS::Queue}\n", i) }), "t.yaml:1:1: Resources: has 501 entries, with those that SAM generates; the most is 500"},
		{"names in messages", "Metadata: {" + strings.Repeat("x", 1_000) + ": !Nothing x}", `"...: the function !Nothing is not supported`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("t.yaml", []byte(c.src))
			all := messages(err)
			if len(all) == 0 || !strings.Contains(all[len(all)-1], c.want) {
				t.Errorf("got %.300q", all)
			}
			if len(all) > maxErrors+1 {
				t.Errorf("%d errors", len(all))
			}
		})
	}
}

func repeat(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func TestHintsAreNear(t *testing.T) {
	known := []string{"BatchSize", "Queue", "FilterCriteria"}
	for _, c := range []struct{ word, want string }{
		{"BatchSzie", "; did you mean BatchSize?"},
		{"batchsize", "; did you mean BatchSize?"},
		{"Queu", "; did you mean Queue?"},
		{"FilterCritera", "; did you mean FilterCriteria?"},
		{"Bath", ""},
		{"", ""},
		{strings.Repeat("Q", 100), ""},
	} {
		if got := hint(c.word, known); got != c.want {
			t.Errorf("hint(%q) = %q, not %q", c.word, got, c.want)
		}
	}
}
