//go:build unix

package function_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/wire"
)

// client is the AWS SDK's client of a service, through the same mux as in the stack.
func client(t *testing.T, s *function.Service) (*lambda.Client, string) {
	t.Helper()
	var mux wire.Mux
	for _, path := range function.Paths {
		mux.HandlePath(path, s.Handler())
	}
	server := httptest.NewServer(&mux)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}), server.URL
}

func TestSDKInvokes(t *testing.T) {
	s := start(t, function.Options{}, nil)
	c, _ := client(t, s)
	tests := []struct {
		name  string
		in    lambda.InvokeInput
		check func(*testing.T, *lambda.InvokeOutput)
	}{
		{"by name", lambda.InvokeInput{FunctionName: aws.String("probe"), Payload: []byte(`{"Text":"x"}`)}, func(t *testing.T, out *lambda.InvokeOutput) {
			if string(out.Payload) != `{"Text":"x"}` || out.StatusCode != 200 || *out.ExecutedVersion != "$LATEST" || out.FunctionError != nil || out.LogResult != nil {
				t.Errorf("%+v %s", out, out.Payload)
			}
		}},
		{"by ARN", lambda.InvokeInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:probe")}, func(t *testing.T, out *lambda.InvokeOutput) {
			if string(out.Payload) != `{}` {
				t.Errorf("%s", out.Payload)
			}
		}},
		{"by partial ARN and qualifier", lambda.InvokeInput{FunctionName: aws.String("000000000000:function:probe"), Qualifier: aws.String("$LATEST")}, func(t *testing.T, out *lambda.InvokeOutput) {
			if string(out.Payload) != `{}` {
				t.Errorf("%s", out.Payload)
			}
		}},
		{"a function error is no error of the call", lambda.InvokeInput{FunctionName: aws.String("probe"), Payload: []byte(`{"Do":"error","Text":"no"}`)}, func(t *testing.T, out *lambda.InvokeOutput) {
			if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorMessage":"no"`) {
				t.Errorf("%+v %s", out, out.Payload)
			}
		}},
		{"with the tail of the log", lambda.InvokeInput{FunctionName: aws.String("probe"), LogType: types.LogTypeTail, Payload: []byte(`{"Do":"print","Text":"hello\n"}`)}, func(t *testing.T, out *lambda.InvokeOutput) {
			log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
			if err != nil || !strings.HasPrefix(string(log), "START RequestId: ") || !strings.Contains(string(log), "\nhello\nEND RequestId: ") {
				t.Errorf("%q, %v", log, err)
			}
		}},
		{"with a client context", lambda.InvokeInput{FunctionName: aws.String("probe"), ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte("{\n\"custom\":{\"a\":\"b\"}}"))), Payload: []byte(`{"Do":"describe"}`)}, func(t *testing.T, out *lambda.InvokeOutput) {
			if !strings.Contains(string(out.Payload), `"client":{"a":"b"}`) {
				t.Errorf("%s", out.Payload)
			}
		}},
		{"as a dry run", lambda.InvokeInput{FunctionName: aws.String("probe"), InvocationType: types.InvocationTypeDryRun}, func(t *testing.T, out *lambda.InvokeOutput) {
			if out.StatusCode != 204 {
				t.Errorf("%+v", out)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := c.Invoke(t.Context(), &tt.in)
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, out)
		})
	}
}

func TestSDKErrors(t *testing.T) {
	zero := 0
	s := start(t, function.Options{}, func(c *function.Config) { c.ReservedConcurrency = &zero })
	c, _ := client(t, s)
	name := aws.String("probe")
	tests := []struct {
		name string
		call func(context.Context) error
		code string
		want string // in the message
	}{
		{"an unknown function", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("other")})
			return err
		}, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:other"},
		{"an unknown version", func(ctx context.Context) error {
			_, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: name, Qualifier: aws.String("7")})
			return err
		}, "ResourceNotFoundException", "function:probe:7"},
		{"a name that is none", func(ctx context.Context) error {
			_, err := c.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("a:b:c:d")})
			return err
		}, "InvalidParameterValueException", "no function name or ARN"},
		{"a throttled function", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name})
			var throttle *types.TooManyRequestsException
			if !errors.As(err, &throttle) || throttle.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
				t.Errorf("%v has no reason", err)
			}
			return err
		}, "TooManyRequestsException", "Rate Exceeded."},
		{"a payload that is not JSON", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: []byte("{")})
			return err
		}, "InvalidRequestContentException", "Could not parse request body into json"},
		{"a client context that is not JSON", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, ClientContext: aws.String("e30K?")})
			return err
		}, "InvalidRequestContentException", "Client context"},
		{"a payload that is too large", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, Payload: fmtJSON(function.MaxPayload + 1)})
			return err
		}, "RequestTooLargeException", "6291457 byte payload is too large for the RequestResponse invocation type"},
		{"an event that is too large", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: fmtJSON(function.MaxAsyncPayload + 1)})
			return err
		}, "RequestTooLargeException", "for the Event invocation type (limit 1048576 bytes)"},
		{"an unknown invocation type", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: "Maybe"})
			return err
		}, "InvalidParameterValueException", `"Maybe"`},
		{"an unknown log type", func(ctx context.Context) error {
			_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, LogType: "All"})
			return err
		}, "InvalidParameterValueException", `"All"`},
		{"a setting that has no effect here", func(ctx context.Context) error {
			_, err := c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Role: aws.String("r")})
			return err
		}, "InvalidParameterValueException", `"Role" is not known here`},
		{"a timeout of no length", func(ctx context.Context) error {
			_, err := c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(0)})
			return err
		}, "InvalidParameterValueException", "Timeout 0"},
		{"a reservation that leaves too little", func(ctx context.Context) error {
			_, err := c.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(901)})
			return err
		}, "InvalidParameterValueException", "below its minimum value of [100]"},
		{"an operation that is not here", func(ctx context.Context) error {
			_, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name})
			return err
		}, "UnknownOperationException", "DELETE /2015-03-31/functions/probe"},
		{"a streaming invocation", func(ctx context.Context) error {
			_, err := c.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: name})
			return err
		}, "UnknownOperationException", "response-streaming-invocations"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(t.Context())
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != tt.code || !strings.Contains(api.ErrorMessage(), tt.want) {
				t.Errorf("%v, want %s with %q", err, tt.code, tt.want)
			}
		})
	}
}

// TestAReservationIsAskedFor sends what the SDK does not let through.
func TestAReservationIsAskedFor(t *testing.T) {
	_, url := client(t, start(t, function.Options{}, nil))
	for body, want := range map[string]string{
		`{}`:                                    "ValidationException: 1 validation error detected: Value null at 'reservedConcurrentExecutions'",
		`{"ReservedConcurrentExecutions":null}`: "ValidationException: 1 validation error detected: Value null at 'reservedConcurrentExecutions'",
		`{"reservedConcurrentExecutions":1}`:    `InvalidParameterValueException: the local Lambda cannot take this request: "reservedConcurrentExecutions"`,
		`{"ReservedConcurrentExecutions":1}{}`:  "InvalidParameterValueException: the local Lambda cannot take this request: ",
	} {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/2017-10-31/functions/probe/concurrency", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Message string }
		err = json.NewDecoder(res.Body).Decode(&answer)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("x-amzn-ErrorType") + ": " + answer.Message; res.StatusCode != 400 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d %s, want %s", body, res.StatusCode, got, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// fmtJSON is a JSON string of n bytes.
func fmtJSON(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }

func TestSDKReadsAndChangesConfiguration(t *testing.T) {
	s := start(t, function.Options{}, func(c *function.Config) {
		c.Environment = map[string]string{"TABLE": "one"}
		c.Tracing, c.LogFormat = "Active", "JSON"
	})
	c, _ := client(t, s)
	name := aws.String("probe")
	before := describe(t, s)

	list, err := c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil || len(list.Functions) != 1 || *list.Functions[0].FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:probe" {
		t.Fatalf("ListFunctions: %+v, %v", list, err)
	}
	f := list.Functions[0]
	if *f.Timeout != 3 || *f.MemorySize != 128 || f.Environment.Variables["TABLE"] != "one" || f.TracingConfig.Mode != types.TracingModeActive ||
		f.LoggingConfig.LogFormat != types.LogFormatJson || *f.LoggingConfig.LogGroup != "/aws/lambda/probe" || f.State != types.StateActive ||
		f.Runtime != types.RuntimeProvidedal2023 || f.CodeSize < 1<<20 || *f.CodeSha256 == "" || f.PackageType != types.PackageTypeZip {
		t.Errorf("configuration %+v", f)
	}

	updated, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Timeout: aws.Int32(9), MemorySize: aws.Int32(512), Environment: &types.Environment{Variables: map[string]string{"TABLE": "two"}},
	})
	if err != nil || *updated.Timeout != 9 || *updated.MemorySize != 512 {
		t.Fatalf("UpdateFunctionConfiguration: %+v, %v", updated, err)
	}
	eventually(t, "the old environment has ended", func() bool { return s.Stats("probe").Environments == 0 })
	after := describe(t, s)
	if after.PID == before.PID || after.MsLeft < 8000 || !strings.Contains(strings.Join(after.Env, "\n"), "TABLE=two") {
		t.Errorf("the next invocation: %+v", after)
	}

	if _, err := c.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(5)}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name})
	if err != nil || *got.Concurrency.ReservedConcurrentExecutions != 5 || *got.Configuration.Timeout != 9 {
		t.Errorf("GetFunction: %+v, %v", got, err)
	}
	account, err := c.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{})
	if err != nil || account.AccountLimit.ConcurrentExecutions != 1000 || *account.AccountLimit.UnreservedConcurrentExecutions != 995 || account.AccountUsage.FunctionCount != 1 {
		t.Errorf("GetAccountSettings: %+v, %v", account, err)
	}
	if _, err := c.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Error(err)
	}
	reserved, err := c.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: name})
	if err != nil || reserved.ReservedConcurrentExecutions != nil {
		t.Errorf("GetFunctionConcurrency: %+v, %v", reserved, err)
	}
	config, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil || *config.FunctionName != "probe" {
		t.Errorf("GetFunctionConfiguration: %+v, %v", config, err)
	}
}

func TestListFunctionsPages(t *testing.T) {
	s := start(t, function.Options{}, nil)
	for _, name := range []string{"a", "b", "c"} {
		if err := s.Create(function.Config{Name: name, Binary: probe}); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := client(t, s)
	var names []string
	pages := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{MaxItems: aws.Int32(3)})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n++
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	if n != 2 || strings.Join(names, " ") != "a b c probe" {
		t.Errorf("%d pages: %q", n, names)
	}
}

// TestThrottleAnswer pins the bytes of the answer that retry policies look at, as recorded on AWS.
func TestThrottleAnswer(t *testing.T) {
	zero := 0
	s := start(t, function.Options{}, func(c *function.Config) { c.ReservedConcurrency = &zero })
	_, url := client(t, s)
	res, err := http.Post(url+"/2015-03-31/functions/probe/invocations", "application/json", bytes.NewReader([]byte(`{}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 429 || res.Header.Get("x-amzn-ErrorType") != "TooManyRequestsException" || got["Reason"] != "ReservedFunctionConcurrentInvocationLimitExceeded" || got["Type"] != "User" || got["message"] != "Rate Exceeded." {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, b)
	}
}

func TestAsynchronousInvocation(t *testing.T) {
	t.Run("the function runs after the call has returned", func(t *testing.T) {
		s := start(t, function.Options{}, nil)
		c, _ := client(t, s)
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("probe"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"Do":"print","Text":"later\n"}`)})
		if err != nil || out.StatusCode != 202 || len(out.Payload) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		eventually(t, "it ran", func() bool { return strings.Contains(strings.Join(lines(s), "\n"), "later") })
		if id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata); id == "" || !strings.Contains(strings.Join(lines(s), "\n"), id) {
			t.Errorf("the caller was told of the request %s, the log tells of another", id)
		}
	})
	t.Run("a failing function is tried three times and the event dropped", func(t *testing.T) {
		function.SetAsyncRetries(t, 0, 0)
		attempts := make(chan function.Invocation, 3)
		s := start(t, function.Options{Observe: func(i function.Invocation) { attempts <- i }}, func(c *function.Config) { c.Tracing = "Active" })
		if err := s.InvokeAsync(function.Request{Function: "probe", Payload: []byte(`{"Do":"error","Text":"no"}`)}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is dropped", func() bool { return s.Stats("probe").AsyncDropped == 1 })
		if st := s.Stats("probe"); st.Invocations != 3 || st.Errors != 3 {
			t.Errorf("stats: %+v", st)
		}
		first := <-attempts
		for range 2 {
			if again := <-attempts; again.RequestID != first.RequestID || again.Root != first.Root || again.SegmentID == first.SegmentID {
				t.Errorf("an attempt has request id %s, trace %s, segment %s; the first has %s, %s, %s", again.RequestID, again.Root, again.SegmentID, first.RequestID, first.Root, first.SegmentID)
			}
		}
	})
	t.Run("an event that is dropped is told of with the beginning of what the function said", func(t *testing.T) {
		function.SetAsyncRetries(t)
		log := new(bytes.Buffer) // written under the lock that Stats takes
		s := start(t, function.Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, nil)
		for i, payload := range []string{`{"Do":"error","Text":"no stock"}`, `{"Do":"error","Text":"` + strings.Repeat("a", 199) + `élong"}`} {
			if err := s.InvokeAsync(function.Request{Function: "probe", Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is dropped", func() bool { return s.Stats("probe").AsyncDropped == i+1 })
		}
		for _, want := range []string{
			`msg="asynchronous event dropped" function=probe reason=errorString message="no stock"` + "\n",
			" message=" + strings.Repeat("a", 199) + "…\n",
		} {
			if told := log.String(); !strings.Contains(told, want) {
				t.Errorf("it says\n%s\nwithout\n%s", told, want)
			}
		}
	})
	t.Run("an unknown function and a closed service refuse", func(t *testing.T) {
		s := start(t, function.Options{}, nil)
		if err := s.InvokeAsync(function.Request{Function: "other"}); err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
			t.Errorf("unknown: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.InvokeAsync(function.Request{Function: "probe"}); err == nil || !strings.Contains(err.Error(), "shutting down") {
			t.Errorf("closed: %v", err)
		}
		if err := s.Prewarm(t.Context(), "probe", 1); err == nil {
			t.Error("Prewarm after Close went well")
		}
	})
	t.Run("waiting retries do not hold up Close, and count as dropped", func(t *testing.T) {
		s := start(t, function.Options{}, nil) // closes within seconds; the first retry is due in a minute
		if err := s.InvokeAsync(function.Request{Function: "probe", Payload: []byte(`{"Do":"error"}`)}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the first attempt failed, and the event waits", func() bool { return s.Stats("probe").AsyncWaiting == 1 })
		if st := s.Stats("probe"); st.Errors != 1 || st.AsyncEvents != 1 || st.AsyncQueued != 1 {
			t.Errorf("stats: %+v", st)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats("probe"); st.AsyncDropped != 1 || st.AsyncQueued != 0 || st.AsyncWaiting != 0 {
			t.Errorf("stats after Close: %+v", st)
		}
	})
	t.Run("a Close without time ends an environment that is being started", func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			s := start(t, function.Options{}, nil)
			if err := s.InvokeAsync(function.Request{Function: "probe", Payload: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); s.Stats("probe").Environments == 0; runtime.Gosched() { // a process starts in less than a poll
				if time.Now().After(deadline) {
					t.Fatal("there is no environment")
				}
			}
			if err := s.Close(over); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		}
	})
	t.Run("an event for a function without concurrency waits until it has some", func(t *testing.T) {
		none := 0
		s := start(t, function.Options{}, func(c *function.Config) { c.ReservedConcurrency = &none })
		if err := s.InvokeAsync(function.Request{Function: "probe"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it was throttled and waits", func() bool { st := s.Stats("probe"); return st.Throttles == 1 && st.AsyncWaiting == 1 })
		if err := s.SetReservedConcurrency("probe", nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it has run", func() bool { st := s.Stats("probe"); return st.Invocations == 1 && st.AsyncQueued == 0 })
		if st := s.Stats("probe"); st.AsyncDropped != 0 {
			t.Errorf("stats: %+v", st)
		}
	})
	t.Run("the queue is bounded in events and in bytes", func(t *testing.T) {
		for _, c := range []struct{ size, most int }{{0, 10_000}, {function.MaxAsyncPayload, 64}} {
			none := 0
			s := start(t, function.Options{}, func(c *function.Config) { c.ReservedConcurrency = &none })
			payload := bytes.Repeat([]byte(" "), c.size)
			accepted := 0
			for accepted <= c.most {
				err := s.InvokeAsync(function.Request{Function: "probe", Payload: payload})
				if err != nil {
					if !function.Throttled(err) {
						t.Fatal(err)
					}
					break
				}
				accepted++
			}
			if accepted != c.most {
				t.Errorf("%d events of %d bytes were accepted, want %d", accepted, c.size, c.most)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
