package template

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The rules that hold between resources, and those of one resource that a shape cannot say.
func TestResourcesThatDoNotFit(t *testing.T) {
	const function = "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Handler: bootstrap\n      Runtime: provided.al2023\n"
	const mapping = function + "      Timeout: 40\n      Events:\n        E:\n          Type: SQS\n          Properties:\n"
	const route = function + "      Events:\n        E:\n          Type: Api\n          Properties: {RestApiId: !Ref A, Path: /x, Method: get}\n"
	for _, c := range []struct {
		name, resources string
		want            []string
	}{
		{
			"a redrive to a queue that is not there",
			"  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: arn, maxReceiveCount: 5}}}\n",
			[]string{`t.yaml:3:80: Resources.Q.Properties.RedrivePolicy.deadLetterTargetArn: no queue of this template has the ARN "arn"`},
		},
		{
			"a redrive to a queue that takes none",
			"  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 5}}}\n" +
				"  D: {Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: denyAll}}}\n",
			[]string{"t.yaml:3:80: Resources.Q.Properties.RedrivePolicy.deadLetterTargetArn.Fn::GetAtt: D lets no queue move messages to it: its RedriveAllowPolicy is denyAll"},
		},
		{
			"a redrive to a queue that takes another's",
			"  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 5}}}\n" +
				"  D: {Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: byQueue, sourceQueueArns: [other]}}}\n",
			[]string{"t.yaml:3:80: Resources.Q.Properties.RedrivePolicy.deadLetterTargetArn.Fn::GetAtt: D does not let Q move messages to it: it is not in its sourceQueueArns"},
		},
		{
			"sources without byQueue",
			"  D: {Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: denyAll, sourceQueueArns: [other]}}}\n",
			[]string{"t.yaml:3:63: Resources.D.Properties.RedriveAllowPolicy: sourceQueueArns goes with redrivePermission byQueue, and with no other"},
		},
		{
			"a policy for a queue that is not there",
			"  P: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [url], PolicyDocument: {}}}\n",
			[]string{`t.yaml:3:58: Resources.P.Properties.Queues[0]: no queue of this template has the URL "url"`},
		},
		{
			"a permission for a function that is not there",
			"  P: {Type: AWS::Lambda::Permission, Properties: {Action: lambda:InvokeFunction, FunctionName: f, Principal: events.amazonaws.com}}\n",
			[]string{`t.yaml:3:96: Resources.P.Properties.FunctionName: no function of this template has the name or ARN "f"`},
		},
		{
			"two queues of one name",
			"  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}\n  R: {Type: AWS::SQS::Queue, Properties: {QueueName: !Join ['', [q]]}}\n",
			[]string{"t.yaml:4:3: Resources.R: has the same name as Q in line 3"},
		},
		{
			"a mapping whose queue shows messages again before the function times out",
			"  Q: {Type: AWS::SQS::Queue}\n" + mapping + "            Queue: !GetAtt Q.Arn\n",
			[]string{"t.yaml:15:20: Resources.F.Properties.Events.E.Properties.Queue.Fn::GetAtt: the VisibilityTimeout of Q, 30s, is less than the Timeout of F, 40s: a batch would return while it is handled, and Lambda refuses that"},
		},
		{
			"a mapping from a queue that is not there",
			mapping + "            Queue: arn\n",
			[]string{`t.yaml:14:20: Resources.F.Properties.Events.E.Properties.Queue: no queue of this template has the ARN "arn"`},
		},
		{
			"a large batch without a window",
			"  Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 240}}\n" + mapping + "            Queue: !GetAtt Q.Arn\n            BatchSize: 11\n",
			[]string{"t.yaml:16:24: Resources.F.Properties.Events.E.Properties.BatchSize: more than 10 records need a MaximumBatchingWindowInSeconds of at least 1"},
		},
		{
			"a concurrency of one",
			"  Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 240}}\n" + mapping + "            Queue: !GetAtt Q.Arn\n            ScalingConfig: {MaximumConcurrency: 1}\n",
			[]string{"t.yaml:16:49: Resources.F.Properties.Events.E.Properties.ScalingConfig.MaximumConcurrency: must be from 2 to 1000, not 1"},
		},
		{
			"a rule on a bus that is not there",
			"  R: {Type: AWS::Events::Rule, Properties: {EventBusName: b, EventPattern: {a: [b]}}}\n",
			[]string{`t.yaml:3:59: Resources.R.Properties.EventBusName: no event bus of this template has the name "b"`},
		},
		{
			"a rule that waits for nothing",
			"  R: {Type: AWS::Events::Rule}\n",
			[]string{"t.yaml:3:3: Resources.R: a rule needs an EventPattern or a ScheduleExpression"},
		},
		{
			"a schedule on a bus of one's own",
			"  B: {Type: AWS::Events::EventBus, Properties: {Name: b}}\n  R: {Type: AWS::Events::Rule, Properties: {EventBusName: !Ref B, ScheduleExpression: rate(1 minute)}}\n",
			[]string{"t.yaml:4:87: Resources.R.Properties.ScheduleExpression: only rules on the default bus run on a schedule"},
		},
		{
			"a rule with six targets",
			"  R: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minute), Targets: [{Id: a, Arn: a}, {Id: b, Arn: a}, {Id: c, Arn: a}, {Id: d, Arn: a}, {Id: e, Arn: a}, {Id: f, Arn: a}]}}\n",
			[]string{"t.yaml:3:90: Resources.R.Properties.Targets: has 6; the most is 5"},
		},
		{
			"targets that are not there, twice the same, with two inputs",
			"  R: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minute), Targets: [{Id: a, Arn: a}, {Id: a, Arn: !GetAtt Q.Arn, Input: x, InputPath: $.a, DeadLetterConfig: {Arn: b}}]}}\n  Q: {Type: AWS::SQS::Queue}\n",
			[]string{
				`t.yaml:3:104: Resources.R.Properties.Targets[0].Arn: no queue or function of this template has the ARN "a"`,
				"t.yaml:3:108: Resources.R.Properties.Targets[1]: a target has one of Input, InputPath, not several",
				`t.yaml:3:113: Resources.R.Properties.Targets[1].Id: two targets of the rule have the id "a"`,
				"t.yaml:3:143: Resources.R.Properties.Targets[1].Input: Input must be JSON",
				`t.yaml:3:186: Resources.R.Properties.Targets[1].DeadLetterConfig.Arn: no queue of this template has the ARN "b"`,
			},
		},
		{
			"the default bus, declared",
			"  B: {Type: AWS::Events::EventBus, Properties: {Name: default}}\n",
			[]string{"t.yaml:3:55: Resources.B.Properties.Name: the default bus is there already: every account has it"},
		},
		{
			"keys without a definition, and a definition without a key",
			"  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: b, KeyType: HASH}]}}\n",
			[]string{
				`t.yaml:3:100: Resources.T.Properties.AttributeDefinitions: no key uses the attribute "a": only key attributes are defined`,
				`t.yaml:3:168: Resources.T.Properties.KeySchema[0].AttributeName: the key attribute "b" is not among the AttributeDefinitions`,
			},
		},
		{
			"keys in the wrong order",
			"  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: RANGE}]}}\n",
			[]string{"t.yaml:3:152: Resources.T.Properties.KeySchema[0]: key 1 must be the HASH key: HASH first, then RANGE"},
		},
		{
			"indexes of one name, an idle projection, a local index with another hash key",
			"  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST,\n" +
				"    AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}],\n" +
				"    GlobalSecondaryIndexes: [{IndexName: one, KeySchema: [{AttributeName: b, KeyType: HASH}], Projection: {ProjectionType: ALL, NonKeyAttributes: [c]}}],\n" +
				"    LocalSecondaryIndexes: [{IndexName: one, KeySchema: [{AttributeName: b, KeyType: HASH}], Projection: {ProjectionType: ALL}}]}}\n",
			[]string{
				"t.yaml:5:107: Resources.T.Properties.GlobalSecondaryIndexes[0].Projection: NonKeyAttributes goes with ProjectionType INCLUDE, and with no other",
				`t.yaml:6:41: Resources.T.Properties.LocalSecondaryIndexes[0].IndexName: two indexes have the name "one"`,
				"t.yaml:6:57: Resources.T.Properties.LocalSecondaryIndexes[0].KeySchema: a local index has the table's HASH key and a RANGE key of its own",
			},
		},
		{
			"a time to live without its attribute",
			"  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}], TimeToLiveSpecification: {Enabled: true}}}\n",
			[]string{"t.yaml:3:213: Resources.T.Properties.TimeToLiveSpecification: AttributeName is missing: which attribute says when an item expires?"},
		},
		{
			"code outside of the template's folder",
			"  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ../f, Handler: bootstrap, Runtime: provided.al2023}}\n  G: {Type: AWS::Serverless::Function, Properties: {CodeUri: \"s3://b/k\", Handler: bootstrap, Runtime: provided.al2023}}\n",
			[]string{
				"t.yaml:3:62: Resources.F.Properties.CodeUri: must be a folder beneath the template's, as a relative path",
				"t.yaml:4:62: Resources.G.Properties.CodeUri: must be a folder beneath the template's, as a relative path",
			},
		},
		{
			"variables that Lambda sets, or could not",
			function + "      Environment: {Variables: {AWS_REGION: x, 1A: y}}\n",
			[]string{
				"t.yaml:9:33: Resources.F.Properties.Environment.Variables.AWS_REGION: Lambda sets AWS_REGION itself",
				"t.yaml:9:48: Resources.F.Properties.Environment.Variables.1A: a variable's name must be a letter and then one or more letters, digits and _",
			},
		},
		{
			"an environment of more than 4 KB",
			function + "      Environment: {Variables: {BIG: " + strings.Repeat("x", 4094) + "}}\n",
			[]string{"t.yaml:9:32: Resources.F.Properties.Environment.Variables: has 4097 bytes; the most is 4096"},
		},
		{
			"a pattern of more than 2 KB",
			"  R: {Type: AWS::Events::Rule, Properties: {EventPattern: {a: [" + strings.Repeat("x", 2040) + "]}}}\n",
			[]string{"t.yaml:3:59: Resources.R.Properties.EventPattern: the pattern has 2050 bytes; the most is 2048"},
		},
		{
			"log levels without JSON",
			function + "      LoggingConfig: {SystemLogLevel: INFO}\n",
			[]string{"t.yaml:9:22: Resources.F.Properties.LoggingConfig: log levels go with LogFormat JSON"},
		},
		{
			"a route that the API's definition lacks, and one that has no event",
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionBody: {paths: {/y: {get: {x-amazon-apigateway-integration: {uri: u}}}}}}}\n" + route,
			[]string{
				"t.yaml:3:95: Resources.A.Properties.DefinitionBody.paths./y.get: no function has an event for this route, so API Gateway may not invoke one",
				"t.yaml:11:9: Resources.F.Properties.Events.E: the DefinitionBody of A has no integration for GET /x",
			},
		},
		{
			"a route that goes to another function",
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionBody: {paths: {/x: {get: {x-amazon-apigateway-integration: {uri: u}}}}}}}\n" + route,
			[]string{"t.yaml:3:140: Resources.A.Properties.DefinitionBody.paths./x.get.x-amazon-apigateway-integration.uri: the event E sends GET /x to another function"},
		},
		{
			"a route with two events",
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n" + route + "        D:\n          Type: Api\n          Properties: {RestApiId: !Ref A, Path: /x, Method: GET}\n",
			[]string{"t.yaml:14:9: Resources.F.Properties.Events.D: another event has the route GET /x already"},
		},
		{
			"an access log without a log group",
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: live, AccessLogSetting: {DestinationArn: arn, Format: x}}}\n",
			[]string{`t.yaml:3:100: Resources.A.Properties.AccessLogSetting.DestinationArn: no log group of this template has the ARN "arn"`},
		},
		{
			"a stage's name that is computed",
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref AWS::StackName}}\n",
			[]string{"t.yaml:3:59: Resources.A.Properties.StageName: StageName must be written out: SAM names resources after it"},
		},
		{
			"an alarm of no statistic, an odd period, more datapoints than periods",
			"  A: {Type: AWS::CloudWatch::Alarm, Properties: {Namespace: n, MetricName: m, Period: 90, EvaluationPeriods: 1, DatapointsToAlarm: 2, Threshold: 0, ComparisonOperator: GreaterThanThreshold}}\n",
			[]string{
				"t.yaml:3:37: Resources.A.Properties: an alarm needs Statistic or ExtendedStatistic, one of them",
				"t.yaml:3:87: Resources.A.Properties.Period: must be 10, 20, 30 or a multiple of 60, not 90",
				"t.yaml:3:132: Resources.A.Properties.DatapointsToAlarm: is more than EvaluationPeriods: the alarm would never be raised",
			},
		},
		{
			"a dashboard that is no JSON",
			"  D: {Type: AWS::CloudWatch::Dashboard, Properties: {DashboardBody: \"{\"}}\n",
			[]string{"t.yaml:3:69: Resources.D.Properties.DashboardBody: DashboardBody must be JSON"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := Parse("t.yaml", []byte("Transform: AWS::Serverless-2016-10-31\nResources:\n"+c.resources))
			if err == nil {
				_, err = tmpl.Resolve(Inputs{StackName: "s"})
			}
			if diff := cmp.Diff(c.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What a template leaves out has the value it has on AWS.
func TestDefaults(t *testing.T) {
	tmpl, err := Parse("t.yaml", []byte(`
Transform: AWS::Serverless-2016-10-31
Resources:
  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
  A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: f
      CodeUri: f
      Handler: bootstrap
      Runtime: provided.al2023
      Events:
        E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}
        R: {Type: Api, Properties: {RestApiId: !Ref A, Path: /x, Method: get}}
  R:
    Type: AWS::Events::Rule
    Properties: {Name: r, ScheduleExpression: rate(1 minute), Targets: [{Id: q, Arn: !GetAtt Q.Arn}]}
  L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: l}}
`))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "us-east-1:000000000000:"
	for _, c := range []struct{ got, want any }{
		{stack.Queues[0], Queue{
			LogicalID: "Q", Name: "q", ARN: "arn:aws:sqs:" + arn + "q", URL: "https://sqs.us-east-1.amazonaws.com/000000000000/q",
			VisibilityTimeout: 30 * time.Second, Retention: 96 * time.Hour, MaximumMessageSize: 1 << 20, SSE: true, RedrivePermission: "allowAll",
		}},
		{stack.Functions[0], Function{
			LogicalID: "F", Name: "f", ARN: "arn:aws:lambda:" + arn + "function:f", CodeURI: "f", Runtime: "provided.al2023", Handler: "bootstrap",
			Architecture: "x86_64", Timeout: 3 * time.Second, MemoryMB: 128, Environment: map[string]string{}, Tracing: "PassThrough",
			LogFormat: "Text", LogGroup: "/aws/lambda/f", RoleARN: stack.Functions[0].RoleARN,
		}},
		{stack.Mappings[0], Mapping{
			LogicalID: "FE", ID: stack.Mappings[0].ID, ARN: "arn:aws:lambda:" + arn + "event-source-mapping:" + stack.Mappings[0].ID,
			FunctionARN: "arn:aws:lambda:" + arn + "function:f", QueueARN: "arn:aws:sqs:" + arn + "q", BatchSize: 10, Enabled: true,
		}},
		{stack.APIs[0].Routes, []Route{{Method: "GET", Path: "/x", FunctionARN: "arn:aws:lambda:" + arn + "function:f"}}},
		{stack.Rules[0], Rule{
			LogicalID: "R", Name: "r", ARN: "arn:aws:events:" + arn + "rule/r", Bus: "default", Schedule: "rate(1 minute)", Enabled: true,
			Targets: []Target{{ID: "q", ARN: "arn:aws:sqs:" + arn + "q", MaximumRetries: 185, MaximumAge: 24 * time.Hour}},
		}},
		{stack.LogGroups[0], LogGroup{LogicalID: "L", Name: "l", ARN: "arn:aws:logs:" + arn + "log-group:l:*"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if stack.Functions[0].RoleARN == "" {
		t.Error("a function without a role has the one that SAM makes")
	}
}

// What a template may say of a target, of filters and of an index, and nothing else tests.
func TestWhatTheSystemDoesNotUse(t *testing.T) {
	tmpl, err := Parse("t.yaml", []byte(`
Transform: AWS::Serverless-2016-10-31
Resources:
  Q: {Type: AWS::SQS::Queue}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Handler: bootstrap
      Runtime: provided.al2023
      ReservedConcurrentExecutions: 0
      Events:
        E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, Enabled: "false", FilterCriteria: {Filters: [{Pattern: '{"body":{"a":[1]}}'}]}}}
  R:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 minute)
      State: DISABLED
      Targets:
        - {Id: a, Arn: !GetAtt Q.Arn, Input: '{"tick":true}'}
        - {Id: b, Arn: !GetAtt F.Arn, InputPath: $.detail, RetryPolicy: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60}}
        - {Id: c, Arn: !GetAtt Q.Arn, InputTransformer: {InputPathsMap: {x: $.id}, InputTemplate: '"<x>"'}}
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: B}]
      KeySchema: [{AttributeName: a, KeyType: HASH}]
      LocalSecondaryIndexes:
        - IndexName: local
          KeySchema: [{AttributeName: a, KeyType: HASH}, {AttributeName: b, KeyType: RANGE}]
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [c]}
  L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: l}}
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      AccessLogSetting: {DestinationArn: !Sub "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:l", Format: <$context.status>}
  P: {Type: AWS::Lambda::Permission, Properties: {Action: lambda:InvokeFunction, FunctionName: !GetAtt F.Arn, Principal: events.amazonaws.com, SourceArn: !GetAtt R.Arn}}
  P2: {Type: AWS::Lambda::Permission, Properties: {Action: lambda:InvokeFunction, FunctionName: !Ref F, Principal: events.amazonaws.com, SourceAccount: "000000000000"}}
  E: {Type: AWS::Events::Rule, Properties: {EventPattern: {detail: {to: ["a<b&c>"], n: [1.50, true]}}}}
  D: {Type: AWS::CloudWatch::Dashboard, Properties: {DashboardName: d, DashboardBody: !Sub '{"widgets":["${AWS::Region}"]}'}}
`))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	queue, function := stack.Queues[0].ARN, stack.Functions[0].ARN
	for _, c := range []struct{ got, want any }{
		{*stack.Functions[0].ReservedConcurrency, 0},
		{stack.Mappings[0].Enabled, false},
		{stack.Mappings[0].Filters, []json.RawMessage{json.RawMessage(`{"body":{"a":[1]}}`)}},
		{stack.Rules[0].Enabled, false},
		{stack.Rules[0].Targets, []Target{
			{ID: "a", ARN: queue, Input: `{"tick":true}`, MaximumRetries: 185, MaximumAge: 24 * time.Hour},
			{ID: "b", ARN: function, InputPath: "$.detail", MaximumAge: time.Minute},
			{ID: "c", ARN: queue, Transformer: &Transformer{Paths: map[string]string{"x": "$.id"}, Template: `"<x>"`}, MaximumRetries: 185, MaximumAge: 24 * time.Hour},
		}},
		{stack.APIs[0].AccessLogGroup, "l"},
		{string(stack.Rules[1].Pattern), `{"detail":{"to":["a<b&c>"],"n":[1.50,true]}}`},
		{stack.Tables[0].Indexes, []Index{{Name: "local", Key: Key{Hash: "a", Range: "b"}, Projection: "INCLUDE", Include: []string{"c"}}}},
		{stack.Dashboards, []Dashboard{{LogicalID: "D", Name: "d", Body: `{"widgets":["us-east-1"]}`}}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// Every attribute that Fn::GetAtt may name has a value in the end.
func TestAttributesHaveValues(t *testing.T) {
	tmpl, err := Parse("template.yaml", system(t))
	if err != nil {
		t.Fatal(err)
	}
	src := string(system(t))
	var ids []string
	for _, res := range tmpl.resources {
		for _, a := range res.kind.attributes {
			id := "X" + res.id + a
			ids = append(ids, id)
			src += "  " + id + ": {Value: !GetAtt " + res.id + "." + a + ", Condition: HasOwnLambda}\n"
		}
	}
	if tmpl, err = Parse("template.yaml", []byte(src)); err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{StackName: "s", Parameters: map[string]string{"OwnLambda": "com.payment.charge"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		i := slices.IndexFunc(stack.Outputs, func(o Output) bool { return o.Name == id })
		if i < 0 || stack.Outputs[i].Value == "" {
			t.Errorf("%s has no value", id)
		}
	}
}
