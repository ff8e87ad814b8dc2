package bus_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/wire"
)

// The patterns are those of the API's model, as botocore and the SDKs have it. An event for a bus that cannot exist is a
// mistake that AWS tells at once; one for a bus that might exist is accepted and dropped.
func TestNamesThatCannotBe(t *testing.T) {
	const (
		bad     = " failed to satisfy constraint: Member must satisfy regular expression pattern: "
		arn     = `(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?`
		unknown = "ResourceNotFoundException"
	)
	entry := func(bus string) string {
		return `{"EventBusName":"` + bus + `","Source":"shop","DetailType":"sold","Detail":"{}"}`
	}
	for _, c := range []struct{ name, operation, body, want string }{
		{"a bus with a space", "PutEvents", `{"Entries":[` + entry("bad name!") + `]}`, "1 validation error detected: Value 'bad name!' at 'entries.1.member.eventBusName'" + bad + arn},
		{"an ARN of nothing, in the second entry", "PutEvents", `{"Entries":[` + entry("default") + `,` + entry("arn:junk") + `]}`, "Value 'arn:junk' at 'entries.2.member.eventBusName'" + bad},
		{"a name that is longer than any", "PutEvents", `{"Entries":[` + entry(strings.Repeat("n", 1601)) + `]}`, "Member must have length less than or equal to 1600"},
		{"a bus that might exist", "PutEvents", `{"Entries":[` + entry("nowhere") + `]}`, `"FailedEntryCount":0`},
		{"an ARN that might exist", "PutEvents", `{"Entries":[` + entry("arn:aws-us-gov:events:us-gov-west-1:111111111111:event-bus/other") + `]}`, `"FailedEntryCount":0`},
		{"the ARN of a bus", "PutEvents", `{"Entries":[` + entry("arn:aws:events:us-east-1:000000000000:event-bus/default") + `]}`, `"FailedEntryCount":0`},

		{"a rule", "DescribeRule", `{"Name":"bad name!"}`, "1 validation error detected: Value 'bad name!' at 'name'" + bad},
		{"a rule and its bus", "DescribeRule", `{"Name":"a/b","EventBusName":"arn:junk"}`, "2 validation errors detected: Value 'a/b' at 'name'"},
		{"a rule and its bus", "DescribeRule", `{"Name":"a/b","EventBusName":"arn:junk"}`, "; Value 'arn:junk' at 'eventBusName'" + bad + arn},
		{"no rule on a bus", "DescribeRule", `{"EventBusName":"a b"}`, "2 validation errors detected: Value null at 'name'"},
		{"a rule to be deleted", "DeleteRule", `{"Name":"a b"}`, "at 'name'" + bad},
		{"a rule to be enabled", "EnableRule", `{"Name":"a b"}`, "at 'name'" + bad},
		{"a rule to be disabled", "DisableRule", `{"Name":"a b"}`, "at 'name'" + bad},
		{"the bus of a rule to be made", "PutRule", `{"Name":"a","EventPattern":"{\"a\":[1]}","EventBusName":"a b"}`, "at 'eventBusName'" + bad},
		{"the beginning of rules' names", "ListRules", `{"NamePrefix":"a b"}`, "at 'namePrefix'" + bad},
		{"the bus of rules", "ListRules", `{"EventBusName":"a b"}`, "at 'eventBusName'" + bad},
		{"the bus of a target's rules", "ListRuleNamesByTarget", `{"TargetArn":"arn:x","EventBusName":"a b"}`, "at 'eventBusName'" + bad},
		{"the rule of new targets", "PutTargets", `{"Rule":"a b","Targets":[{"Id":"a","Arn":"arn:x"}]}`, "at 'rule'" + bad},
		{"the rule of old targets", "RemoveTargets", `{"Rule":"a b","Ids":["a"]}`, "at 'rule'" + bad},
		{"the rule of targets", "ListTargetsByRule", `{"Rule":"a b"}`, "at 'rule'" + bad},
		{"a bus", "DescribeEventBus", `{"Name":"a b"}`, "at 'name'" + bad + arn},
		{"a bus to be deleted", "DeleteEventBus", `{"Name":"a b"}`, "at 'name'" + bad},
		{"the beginning of buses' names", "ListEventBuses", `{"NamePrefix":"a b"}`, "at 'namePrefix'" + bad},

		{"a rule that might exist", "DescribeRule", `{"Name":"a","EventBusName":"default"}`, unknown},
		{"a bus that might exist, with the name of a partner's", "DescribeEventBus", `{"Name":"aws.partner/a/b"}`, unknown},
		{"a bus of another account", "DescribeEventBus", `{"Name":"arn:aws:events:us-east-1:111111111111:event-bus/other"}`, unknown},
	} {
		t.Run(c.operation+" "+c.name, func(t *testing.T) {
			s := newService(t, bus.Options{})
			defer closeService(t, s)
			mux := &wire.Mux{}
			mux.Handle(s.Wire())
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("X-Amz-Target", "AWSEvents."+c.operation)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			answer, err := io.ReadAll(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer(`\\`, `\`, `\u0026`, "&").Replace(string(answer))
			refused := c.want != unknown && !strings.Contains(c.want, "FailedEntryCount")
			if !strings.Contains(text, c.want) || refused != strings.Contains(text, "ValidationException") || refused && s.Stats().PutEventsEntries > 0 {
				t.Errorf("%d: %s\nwant %s", w.Code, text, c.want)
			}
		})
	}
}
