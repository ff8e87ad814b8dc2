package target_test

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/target"
)

func TestWhatIsFound(t *testing.T) {
	f := newFakeAWS(t)
	s := f.open()
	setup, err := s.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := results.Setup{
		Concurrency: 10, Batch: 10, Parallelism: 4, VisibilityS: 180, FunctionTimeoutS: 30, ResponsesConc: 5, ResponsesBatch: 10, AccountConc: 1000, MaxReceiveCount: 5,
		HandlerFunction: "shop-federated_handler", RequestsMappingID: "14e0db71-5d35-4eb5-b481-8945cf9d10c2",
	}
	if setup != want {
		t.Errorf("got  %+v\nwant %+v", setup, want)
	}
	if api := s.API(); api != "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/live" {
		t.Errorf("the API is %s", api)
	}
	const link = "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#xray:traces/1-65647c1a-2b3c4d5e6f708192a3b4c5d6"
	if got := s.TraceLink("1-65647c1a-2b3c4d5e6f708192a3b4c5d6", "any"); got != link {
		t.Errorf("the trace is at %s", got)
	}
	for _, c := range f.called("DescribeStacks") {
		auth := c.request.Header.Get("Authorization")
		if c.request.URL.String() != "https://cloudformation.eu-central-1.amazonaws.com/" || !strings.Contains(auth, "/eu-central-1/cloudformation/aws4_request") {
			t.Errorf("%s with %s", c.request.URL, auth)
		}
	}
}

func TestTheProbeInALambdaOfItsOwn(t *testing.T) {
	f := newFakeAWS(t)
	f.says("DescribeStacks", 200, strings.Replace(recorded(t, "describe-stacks.xml"), "<ParameterValue>none<", "<ParameterValue>com.workload.simulate<", 1))
	s := f.open()
	setup, err := s.Setup(t.Context())
	if err != nil || setup.HandlerFunction != "shop-own_handler" || setup.RequestsMappingID != "91e7ef9c-6c1c-4c1c-9d8c-0f6f5a7a3f10" || setup.Concurrency != 7 {
		t.Errorf("%+v, %v", setup, err)
	}
	for _, c := range f.called("GetQueueAttributes") {
		if !strings.HasSuffix(c.member("QueueUrl").(string), "/shop-own") {
			t.Errorf("asked for %s", c.body)
		}
	}
}

func TestAProxyInBetweenIsUsed(t *testing.T) {
	f := newFakeAWS(t)
	c := f.config()
	c.API = "http://127.0.0.1:9999/live/"
	s, err := target.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if request, err := s.Request("api", time.Millisecond); err != nil || request.URL != "http://127.0.0.1:9999/live/events" {
		t.Errorf("%s, %v", request.URL, err)
	}
}

func TestWhatIsNotFound(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*fakeAWS, *target.Config)
		want   string
	}{
		{"no stack of this name in the account", func(f *fakeAWS, _ *target.Config) { f.says("DescribeStacks", 400, recorded(t, "no-stack.xml")) }, `no stack "shop" in eu-central-1 of this account: give --stack and --region`},
		{"no stack of this name at an endpoint", func(f *fakeAWS, c *target.Config) {
			f.says("DescribeStacks", 400, recorded(t, "no-stack.xml"))
			c.Endpoint = "http://127.0.0.1:4566"
		}, "no stack \"shop\" at http://127.0.0.1:4566: `go run ./lambdas/local` has one of the name that its -stack-name says"},
		{"nobody at an endpoint", func(_ *fakeAWS, c *target.Config) {
			c.Endpoint, c.AWS.HTTPClient = nobody, nil
		}, "no stack \"shop\" at " + nobody + ": is `go run ./lambdas/local` running? It prints this address as \"AWS services\" when it is ready"},
		{"something else at an endpoint", func(f *fakeAWS, c *target.Config) {
			f.says("DescribeStacks", 404, "<html>not found</html>")
			c.Endpoint = "http://127.0.0.1:3000"
		}, "at http://127.0.0.1:3000: is `go run ./lambdas/local` running?"},
		{"keys that are not accepted", func(f *fakeAWS, _ *target.Config) {
			f.says("DescribeStacks", 403, `<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>`)
		}, `stack "shop" in eu-central-1: InvalidClientTokenId: The security token`},
		{"a stack of another template", func(f *fakeAWS, _ *target.Config) {
			text := recorded(t, "describe-stacks.xml")
			for _, output := range []string{"ResponseTable", "RequestsDlqUrl"} {
				text = strings.Replace(text, "<OutputKey>"+output+"<", "<OutputKey>Other<", 1)
			}
			f.says("DescribeStacks", 200, text)
			f.says("ListStackResources", 200, strings.Replace(recorded(t, "list-stack-resources-2.xml"), "HostedRule", "Other", 1))
		}, `stack "shop" in eu-central-1 has no output ResponseTable, no resource ApiLambda, no resource FederatedHandler, no resource HostedRule, no output RequestsDlqUrl: is it one of this template.yaml?`},
		{"an endless list of resources", func(f *fakeAWS, _ *target.Config) {
			f.says("ListStackResources", 200, recorded(t, "list-stack-resources.xml"))
		}, "more than 50 pages"},
		{"an answer without an end", func(f *fakeAWS, _ *target.Config) { f.says("DescribeStacks", 200, strings.Repeat("<a>", 2<<20)) }, "the answer is longer than 4194304 bytes"},
		{"no region", func(_ *fakeAWS, c *target.Config) { c.Region = "" }, "no region"},
		{"no credentials", func(_ *fakeAWS, c *target.Config) { c.AWS.Credentials = nil }, "no AWS credentials"},
		{"an endpoint that is none", func(_ *fakeAWS, c *target.Config) { c.Endpoint = "127.0.0.1:4566" }, "endpoint: it is no address like http://127.0.0.1:4566"},
		{"an endpoint with keys in it", func(_ *fakeAWS, c *target.Config) { c.Endpoint = "http://user:secret@127.0.0.1:4566" }, `endpoint: "http://user:xxxxx@127.0.0.1:4566" is no address like http://127.0.0.1:4566`},
		{"a mapping that is none", func(f *fakeAWS, _ *target.Config) {
			f.says(requestsMapping, 200, "<html>")
		}, "event source mapping 14e0db71-5d35-4eb5-b481-8945cf9d10c2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeAWS(t)
			c := f.config()
			test.change(f, &c)
			s, err := target.Open(t.Context(), c)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("it tells the secret: %v", err)
			}
		})
	}
}

func TestSetupThatCannotBeRead(t *testing.T) {
	for _, test := range []struct{ name, operation, answer, want string }{
		{"parallelism that is no number", "GET /functions/shop-federated_handler/configuration", `{"Timeout":30,"Environment":{"Variables":{"BATCH_PARALLELISM":"many"}}}`, `BATCH_PARALLELISM is "many"`},
		{"visibility that is no number", "GetQueueAttributes", `{"Attributes":{"VisibilityTimeout":"x"}}`, `queue shop-requests: VisibilityTimeout is "x"`},
		{"a redrive policy that is none", "GetQueueAttributes", `{"Attributes":{"VisibilityTimeout":"1","RedrivePolicy":"[]"}}`, `does not tell maxReceiveCount`},
		{"an account without a limit", "GET /account-settings", `{}`, `the account's concurrency`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeAWS(t)
			s := f.open()
			f.says(test.operation, 200, test.answer)
			if _, err := s.Setup(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `stack "shop" in eu-central-1`) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAnAnswerWithoutAnEndIsNotReadToItsEnd(t *testing.T) {
	f := newFakeAWS(t)
	s := f.open()
	f.says("GetQueueAttributes", 200, `{"Attributes":{"VisibilityTimeout":"180","Padding":"`+strings.Repeat("x", target.MaxAnswer)+`"}}`)
	if _, err := s.Setup(t.Context()); err == nil || !strings.Contains(err.Error(), "the answer is longer than 33554432 bytes") {
		t.Error(err)
	}
}

func TestThrottledCloudFormationIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		refused := 3
		whole := recorded(t, "describe-stacks.xml")
		f.on("DescribeStacks", func(call) (int, string) {
			if refused--; refused >= 0 {
				return 400, recorded(t, "throttled.xml")
			}
			return 200, whole
		})
		f.open()
		if n := len(f.called("DescribeStacks")); n != 4 {
			t.Errorf("asked %d times", n)
		}
	})
}
