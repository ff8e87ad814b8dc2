package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/lambdas/local/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	// After an answer with Connection: close net/http's server lingers for half a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// call is what a fake Lambda saw.
type call struct {
	function, trace string
	payload         []byte
}

// lambda answers with a fixed proxy response and remembers its calls.
func lambda(answer string, calls *[]call) func(context.Context, string, []byte, string) ([]byte, string, error) {
	return func(_ context.Context, function string, payload []byte, trace string) ([]byte, string, error) {
		if calls != nil {
			*calls = append(*calls, call{function, trace, payload})
		}
		return []byte(answer), "", nil
	}
}

func newGateway(t testing.TB, o gateway.Options) *gateway.Gateway {
	t.Helper()
	if o.Random == nil {
		var n atomic.Uint64
		o.Random = func() uint64 { return n.Add(0x0123456789abcdef) }
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func serve(g http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEventHasTheRecordedShape sends the request behind an event that AWS recorded, and compares all but what only AWS
// can know.
func TestEventHasTheRecordedShape(t *testing.T) {
	recorded, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(recorded, &want); err != nil {
		t.Fatal(err)
	}
	var calls []call
	g := newGateway(t, gateway.Options{
		ID: "abcdefghij", Stage: "test", Account: "111111111111",
		Routes: []gateway.Route{{Method: "ANY", Path: "/{proxy+}", Function: "f"}},
		Invoke: lambda(`{}`, &calls),
	})
	r := httptest.NewRequest("GET", "/test/test-path/api/user/test%2Balias@gmail.com/plus/test+alias@gmail.com/?email=test%2Balias@gmail.com&dateTimeOffset=2023-06-12T18:05:10.123456+00:00&whitespace=foo%20bar&price=10&price=20&price=30", nil)
	r.Host = "abcdefghij.execute-api.us-east-1.amazonaws.com"
	for k, v := range map[string]string{"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Authorization": "random-value", "User-Agent": "python-requests/testing", "Connection": "keep-alive"} {
		r.Header.Set(k, v)
	}
	serve(g, r)
	var got map[string]any
	if err := json.Unmarshal(calls[0].payload, &got); err != nil {
		t.Fatal(err)
	}
	// Values that differ with every request, compared for their kind only.
	volatile := map[string]bool{"deploymentId": true, "extendedRequestId": true, "requestId": true, "requestTime": true, "requestTimeEpoch": true, "resourceId": true, "X-Amzn-Trace-Id": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true}
	same := cmp.FilterPath(func(p cmp.Path) bool {
		for _, step := range p {
			if i, ok := step.(cmp.MapIndex); ok && volatile[i.Key().String()] {
				return true
			}
		}
		return false
	}, cmp.Comparer(func(a, b any) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }))
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("recorded (-) and ours (+):\n%s", diff)
	}
}

func TestEvents(t *testing.T) {
	routes := []gateway.Route{
		{Method: "POST", Path: "/events", Function: "api"},
		{Method: "GET", Path: "/subjects/{subject}", Function: "api"},
		{Method: "GET", Path: "/subjects", Function: "api"},
		{Method: "POST", Path: "/images", Function: "api"},
	}
	tests := []struct {
		name    string
		request func() *http.Request
	}{
		{"post", func() *http.Request {
			r := httptest.NewRequest("POST", "/events", strings.NewReader(`{"type":"com.payment.charge","data":{"note":"<a&b>"}}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Content-Length", "53")
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			r.Header.Set("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
			return r
		}},
		{"path-parameter-stays-encoded", func() *http.Request { return httptest.NewRequest("GET", "/subjects/a%2Fb%20c%3D", nil) }},
		{"stage-prefix", func() *http.Request { return httptest.NewRequest("GET", "/live/subjects/abc", nil) }},
		{"query", func() *http.Request {
			return httptest.NewRequest("GET", "/subjects?subject=a%2Bb+c&wait=1&wait=2&flag&bad=%zz&=empty", nil)
		}},
		{"repeated-headers", func() *http.Request {
			r := httptest.NewRequest("GET", "/subjects", nil)
			r.Header.Add("X-Thing", "one")
			r.Header.Add("X-Thing", "two")
			r.Header.Set("User-Agent", "test/1")
			return r
		}},
		{"binary-body", func() *http.Request {
			r := httptest.NewRequest("POST", "/images", bytes.NewReader([]byte{0x89, 'P', 'N', 'G', 0xff}))
			r.Header.Set("Content-Type", "image/png; x=y")
			return r
		}},
		{"text-that-is-no-utf8", func() *http.Request {
			return httptest.NewRequest("POST", "/images", bytes.NewReader([]byte{'a', 0xff, 'b'}))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock stands at 2000-01-01
				var calls []call
				g := newGateway(t, gateway.Options{Routes: routes, Invoke: lambda(`{}`, &calls), BinaryMediaTypes: []string{"image/*"}, StageVariables: map[string]string{"colour": "blue"}})
				if res := serve(g, tt.request()); res.StatusCode != 200 {
					t.Fatalf("%d %s", res.StatusCode, body(t, res))
				}
				var indented bytes.Buffer
				if err := json.Indent(&indented, calls[0].payload, "", "  "); err != nil {
					t.Fatal(err)
				}
				indented.WriteString("\n")
				file := filepath.Join("testdata", "events", tt.name+".json")
				if *update {
					if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), indented.String()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestRouting(t *testing.T) {
	g := newGateway(t, gateway.Options{
		Routes: []gateway.Route{
			{Method: "GET", Path: "/", Function: "root"},
			{Method: "GET", Path: "/a/b", Function: "static"},
			{Method: "GET", Path: "/lively", Function: "lively"},
			{Method: "GET", Path: "/a/{x}", Function: "variable"},
			{Method: "ANY", Path: "/a/{x}/deep", Function: "any"},
			{Method: "GET", Path: "/a/{x}/deep", Function: "get"},
			{Method: "GET", Path: "/files/{path+}", Function: "greedy"},
		},
		Invoke: func(_ context.Context, function string, payload []byte, _ string) ([]byte, string, error) {
			var e struct{ PathParameters map[string]string }
			if err := json.Unmarshal(payload, &e); err != nil {
				return nil, "", err
			}
			answer, err := json.Marshal(map[string]any{"body": fmt.Sprint(function, e.PathParameters)})
			return answer, "", err
		},
	})
	tests := []struct{ request, want string }{
		{"GET /", "rootmap[]"},
		{"GET /live", "rootmap[]"},
		{"GET /live/", "rootmap[]"},
		{"GET /a/b", "staticmap[]"},
		{"GET /a/b/", "staticmap[]"},
		{"GET /a/%62", "staticmap[]"},
		{"GET /a/c", "variablemap[x:c]"},
		{"GET /a/c%2Fd", "variablemap[x:c%2Fd]"},
		{"GET /a/c/deep", "getmap[x:c]"},
		{"PATCH /a/c/deep", "anymap[x:c]"},
		{"GET /live/a/c/deep/", "getmap[x:c]"},
		{"GET /files/1/2/3", "greedymap[path:1/2/3]"},
		{"GET /files", ""},
		{"GET /a", ""},
		{"POST /a/b", ""},
		{"GET /a//deep", ""},
		{"GET /livea/b", ""},
		{"GET /lively", "livelymap[]"},
		{"GET /live/lively", "livelymap[]"},
		{"GET /other/a/b", ""},
		{"GET //", ""},
	}
	for _, tt := range tests {
		t.Run(tt.request, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			r := httptest.NewRequest(method, "/", nil)
			r.URL = parse(t, path)
			res := serve(g, r)
			if tt.want == "" {
				if got := body(t, res); res.StatusCode != 403 || got != `{"message":"Missing Authentication Token"}` || res.Header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
					t.Errorf("%d %s", res.StatusCode, got)
				}
				return
			}
			if got := body(t, res); got != tt.want {
				t.Errorf("%d %s, want %s", res.StatusCode, got, tt.want)
			}
		})
	}
}

func TestNewNamesTheFaultyRoute(t *testing.T) {
	tests := []struct {
		name   string
		change func(*gateway.Options)
		want   string
	}{
		{"no Lambda", func(o *gateway.Options) { o.Invoke = nil }, "Options.Invoke is missing"},
		{"an unknown method", routes("FETCH /a f"), "route FETCH /a: the method"},
		{"no function", routes("GET /a "), "route GET /a: the function is missing"},
		{"a relative path", routes("GET a f"), "route GET a: the path does not begin with a slash"},
		{"an empty part", routes("GET /a//b f"), `route GET /a//b: the part ""`},
		{"a part that is half a variable", routes("GET /a{b} f"), `the part "a{b}"`},
		{"something after a greedy variable", routes("GET /{a+}/b f"), "nothing may follow {a+}"},
		{"two variables in one place", routes("GET /{a} f", "GET /{b}/c f"), "route GET /{b}/c: /{a} beside it has a variable of another name"},
		{"the same route twice", routes("GET /a f", "GET /a/ g"), "route GET /a/ is there twice"},
		{"a rate without a burst", func(o *gateway.Options) { o.RatePerSecond = 5 }, "a rate of 5 with a burst of 0"},
		{"a bad media type", func(o *gateway.Options) { o.BinaryMediaTypes = []string{"png"} }, `binary media type "png"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := gateway.Options{Invoke: lambda(`{}`, nil)}
			tt.change(&o)
			if _, err := gateway.New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// routes makes routes of "METHOD path function".
func routes(list ...string) func(*gateway.Options) {
	return func(o *gateway.Options) {
		for _, s := range list {
			f := strings.SplitN(s, " ", 3)
			o.Routes = append(o.Routes, gateway.Route{Method: f[0], Path: f[1], Function: f[2]})
		}
	}
}

func TestAnswers(t *testing.T) {
	const malformed = `502 {"message":"Internal server error"}`
	tests := []struct {
		name   string
		answer string
		accept string
		want   string // status and body
		header http.Header
	}{
		{"status, headers and body arrive", `{"statusCode":201,"headers":{"location":"/x"},"body":"hi"}`, "", "201 hi", http.Header{"Location": {"/x"}, "Content-Type": {"application/json"}}},
		{"the type is the function's", `{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"hi"}`, "", "200 hi", http.Header{"Content-Type": {"text/plain"}}},
		{"both kinds of headers are merged", `{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a","b"]},"headers":{"set-cookie":"c","X":"y"}}`, "", "200 ", http.Header{"Set-Cookie": {"a", "b", "c"}, "X": {"y"}}},
		{"a pair in both kinds counts once", `{"statusCode":200,"multiValueHeaders":{"A":["1","2"]},"headers":{"A":"1"}}`, "", "200 ", http.Header{"A": {"1", "2"}}},
		{"numbers and booleans are header values", `{"statusCode":200,"headers":{"Retry-After":5,"X":true}}`, "", "200 ", http.Header{"Retry-After": {"5"}, "X": {"true"}}},
		{"null maps are empty", `{"statusCode":204,"headers":null,"multiValueHeaders":null,"body":null}`, "", "204 ", nil},
		{"no status is 200", `{}`, "", "200 ", nil},
		{"connection headers are remapped or dropped", `{"statusCode":401,"headers":{"WWW-Authenticate":"Basic","Transfer-Encoding":"chunked","Connection":"close"}}`, "", "401 ", http.Header{"X-Amzn-Remapped-Www-Authenticate": {"Basic"}, "X-Amzn-Remapped-Connection": {"close"}, "Transfer-Encoding": nil, "Www-Authenticate": nil}},
		{"base64 is decoded for a client that accepts a binary type", `{"statusCode":200,"body":"iVBORw==","isBase64Encoded":true}`, "image/png, */*", "200 \x89PNG", nil},
		{"base64 stays for one that does not", `{"statusCode":200,"body":"iVBORw==","isBase64Encoded":true}`, "text/html", "200 iVBORw==", nil},
		{"base64 that is none", `{"statusCode":200,"body":"?","isBase64Encoded":true}`, "image/png", malformed, nil},
		{"an unknown member", `{"statusCode":200,"wrongValue":"value"}`, "", malformed, nil},
		{"a member whose name has another case", `{"StatusCode":200}`, "", malformed, nil},
		{"a body that is no string", `{"statusCode":200,"body":{}}`, "", malformed, nil},
		{"null", `null`, "", malformed, nil},
		{"a string", `"hello"`, "", malformed, nil},
		{"nothing", ``, "", malformed, nil},
		{"two objects", `{}{}`, "", malformed, nil},
		{"a status out of range", `{"statusCode":99}`, "", malformed, nil},
		{"a status that is only informational", `{"statusCode":199}`, "", malformed, nil},
		{"a header that would split the response", `{"statusCode":200,"headers":{"X":"a\r\nY: b"}}`, "", malformed, nil},
		{"a header without a name", `{"statusCode":200,"headers":{"":"a"}}`, "", malformed, nil},
		{"a header that is an object", `{"statusCode":200,"headers":{"A":{}}}`, "", malformed, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "GET", Path: "/", Function: "f"}}, Invoke: lambda(tt.answer, nil), BinaryMediaTypes: []string{"image/png"}})
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", tt.accept)
			res := serve(g, r)
			if got := fmt.Sprintf("%d %s", res.StatusCode, body(t, res)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for name, want := range tt.header {
				if got := res.Header[name]; !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(res.Header.Get("x-amzn-RequestId")) ||
				!regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(res.Header.Get("x-amz-apigw-id")) ||
				!regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=1$`).MatchString(res.Header.Get("X-Amzn-Trace-Id")) {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	type invoke = func(context.Context, string, []byte, string) ([]byte, string, error)
	tests := []struct {
		name   string
		body   int
		invoke invoke
		want   string
		typ    string
	}{
		{"a function error", 0, func(context.Context, string, []byte, string) ([]byte, string, error) {
			return []byte(`{"errorType":"X"}`), "Unhandled", nil
		}, `502 {"message":"Internal server error"}`, "InternalServerErrorException"},
		{"a throttled function", 0, func(context.Context, string, []byte, string) ([]byte, string, error) {
			return nil, "", &wire.Error{Code: "TooManyRequestsException", Status: 429}
		}, `500 {"message":"Internal server error"}`, "InternalServerErrorException"},
		{"a function that is not there", 0, func(context.Context, string, []byte, string) ([]byte, string, error) {
			return nil, "", errors.New("gone")
		}, `500 {"message":"Internal server error"}`, "InternalServerErrorException"},
		{"an event too large for Lambda", 0, func(context.Context, string, []byte, string) ([]byte, string, error) {
			return nil, "", &wire.Error{Code: "RequestTooLargeException", Status: 413}
		}, `413 {"message":"Request Too Long"}`, "RequestTooLargeException"},
		{"a body too large for API Gateway", gateway.MaxBody + 1, lambda(`{}`, nil), `413 {"message":"Request Too Long"}`, "RequestTooLargeException"},
		{"the largest body passes", gateway.MaxBody, lambda(`{}`, nil), `200 `, ""},
		{"a function that takes longer than the integration waits", 0, func(ctx context.Context, _ string, _ []byte, _ string) ([]byte, string, error) {
			<-ctx.Done()
			return nil, "", ctx.Err()
		}, `504 {"message":"Endpoint request timed out"}`, "InternalServerErrorException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var record gateway.AccessRecord
				g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "POST", Path: "/", Function: "f"}}, Invoke: tt.invoke, AccessLog: func(r gateway.AccessRecord) { record = r }})
				begun := time.Now()
				res := serve(g, httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", tt.body))))
				if got := fmt.Sprintf("%d %s", res.StatusCode, body(t, res)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if got := res.Header.Get("x-amzn-ErrorType"); got != tt.typ {
					t.Errorf("x-amzn-ErrorType %q, want %q", got, tt.typ)
				}
				if res.StatusCode == 504 && time.Since(begun) != 29*time.Second {
					t.Errorf("waited %v", time.Since(begun))
				}
				if record.Status != res.StatusCode || (record.Error == "") != (res.StatusCode == 200) {
					t.Errorf("access log: %+v", record)
				}
			})
		})
	}
}

func TestStageThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "GET", Path: "/", Function: "f"}}, Invoke: lambda(`{}`, nil), RatePerSecond: 10, Burst: 3})
		status := func() int { return serve(g, httptest.NewRequest("GET", "/", nil)).StatusCode }
		for i := range 3 {
			if got := status(); got != 200 {
				t.Errorf("request %d of the burst: %d", i, got)
			}
		}
		res := serve(g, httptest.NewRequest("GET", "/", nil))
		if got := body(t, res); res.StatusCode != 429 || got != `{"message":"Too Many Requests"}` || res.Header.Get("x-amzn-ErrorType") != "TooManyRequestsException" {
			t.Errorf("over the burst: %d %s", res.StatusCode, got)
		}
		time.Sleep(100 * time.Millisecond) // fake time: one token
		if got := status(); got != 200 {
			t.Errorf("a tenth of a second later: %d", got)
		}
		if got := status(); got != 429 {
			t.Errorf("and at once again: %d", got)
		}
	})
}

func TestTrace(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	no := func() bool { return false }
	tests := []struct {
		name, header    string
		sample          func() bool
		function, reply string
	}{
		{"a new trace is sampled by default", "", nil, `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=1$`, `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=1$`},
		{"a new trace obeys the sampling rule", "", no, `;Sampled=0$`, `;Sampled=0$`},
		{"the client's root is adopted and the rule decides", root, no, "^" + root + ";Parent=[0-9a-f]{16};Sampled=0$", "^" + root + ";Sampled=0$"},
		{"the client's decision wins over the rule", root + ";Parent=53995c3f42cd8ad8;Sampled=1", no, "^" + root + ";Parent=[0-9a-f]{16};Sampled=1$", "^" + root + ";Sampled=1$"},
		{"a malformed header is no header", "Root=1-xyz;Sampled=0", nil, `;Sampled=1$`, `;Sampled=1$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls []call
			var record gateway.AccessRecord
			g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "GET", Path: "/", Function: "f"}}, Invoke: lambda(`{}`, &calls), Sample: tt.sample, AccessLog: func(r gateway.AccessRecord) { record = r }})
			r := httptest.NewRequest("GET", "/", nil)
			if tt.header != "" {
				r.Header.Set("X-Amzn-Trace-Id", tt.header)
			}
			res := serve(g, r)
			if got := calls[0].trace; !regexp.MustCompile(tt.function).MatchString(got) || strings.Contains(got, "53995c3f42cd8ad8") {
				t.Errorf("the function got %q", got)
			}
			if got := res.Header.Get("X-Amzn-Trace-Id"); !regexp.MustCompile(tt.reply).MatchString(got) {
				t.Errorf("the client got %q", got)
			}
			if !strings.Contains(calls[0].trace, record.TraceID) || !strings.Contains(calls[0].trace, record.SegmentID) || strings.Contains(tt.header, "Parent") != (record.ParentID == "53995c3f42cd8ad8") {
				t.Errorf("access log %+v", record)
			}
		})
	}
}

func TestAccessLogIsJSONWithoutQueryAndPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line []byte
		g := newGateway(t, gateway.Options{
			Routes: []gateway.Route{{Method: "POST", Path: "/a/{b}", Function: "f"}}, Invoke: lambda(`{"body":"secret"}`, nil),
			AccessLog: func(r gateway.AccessRecord) {
				b, err := json.Marshal(r)
				if err != nil {
					t.Error(err)
				}
				line = b
			},
		})
		serve(g, httptest.NewRequest("POST", "/a/x?token=secret", strings.NewReader("secret")))
		want := `{"requestTime":"2000-01-01T00:00:00Z","apiName":"local","stage":"live","requestId":"048d159e-26af-47bc-85b0-5b5b5b5b5b5b","extendedRequestId":"","httpMethod":"POST","path":"/a/x","resourcePath":"/a/{b}","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":"","status":200,"responseLength":6,"responseLatency":0,"integrationLatency":0,"function":"f","xrayTraceId":"","segmentId":"","sampled":true}`
		var got, expected map[string]any
		if err := errors.Join(json.Unmarshal(line, &got), json.Unmarshal([]byte(want), &expected)); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"requestId", "extendedRequestId", "xrayTraceId", "segmentId"} {
			if got[id] == "" || got[id] == nil {
				t.Errorf("%s is empty", id)
			}
			got[id], expected[id] = nil, nil
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Error(diff)
		}
		if bytes.Contains(line, []byte("secret")) {
			t.Errorf("%s", line)
		}
	})
}

// listen serves a gateway on loopback until the test ends.
func listen(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := g.Server()
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestClientThatHangsUpIsForgotten(t *testing.T) {
	began, logged := make(chan struct{}), make(chan gateway.AccessRecord, 1)
	addr := listen(t, newGateway(t, gateway.Options{
		Routes: []gateway.Route{{Method: "GET", Path: "/", Function: "f"}},
		Invoke: func(ctx context.Context, _ string, _ []byte, _ string) ([]byte, string, error) {
			close(began)
			<-ctx.Done()
			return nil, "", ctx.Err()
		},
		AccessLog: func(r gateway.AccessRecord) { logged <- r },
	}))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-logged; r.Status != 0 || r.Error != "the client hung up" {
		t.Errorf("%+v", r)
	}
}

func TestServerLimits(t *testing.T) {
	addr := listen(t, newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "GET", Path: "/", Function: "f"}}, Invoke: lambda(`{"body":"ok"}`, nil)}))
	t.Run("an ordinary request over the network", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); res.StatusCode != 200 || got != "ok" {
			t.Errorf("%d %s", res.StatusCode, got)
		}
	})
	t.Run("headers that are too large", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 20000)+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

// TestSlowBodyTimesOut runs a client that never finishes its body over an in-memory connection in fake time.
func TestSlowBodyTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "POST", Path: "/", Function: "f"}}, Invoke: lambda(`{}`, nil)})
		client, server := net.Pipe()
		l := &oneConn{conn: server, closed: make(chan struct{})}
		srv := g.Server()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		if _, err := io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestTimeout || time.Since(begun) != 30*time.Second {
			t.Errorf("%d after %v", res.StatusCode, time.Since(begun))
		}
		if err := errors.Join(client.Close(), srv.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestEventRoundTrips checks, for arbitrary requests, that the event says what was sent.
func TestEventRoundTrips(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var calls []call
		g := newGateway(t, gateway.Options{Routes: []gateway.Route{{Method: "ANY", Path: "/s/{id}", Function: "f"}}, Invoke: lambda(`{}`, &calls)})
		id := rapid.StringMatching(`[^\x00]{1,40}`).Draw(rt, "id")
		text := rapid.String().Draw(rt, "body")
		query := rapid.MapOf(rapid.StringMatching(`[a-z]{1,5}`), rapid.String()).Draw(rt, "query")
		values := make(url.Values)
		for k, v := range query {
			values.Set(k, v)
		}
		u := &url.URL{Path: "/s/x", RawQuery: values.Encode()}
		u = u.JoinPath()
		u.RawPath = "/s/" + url.PathEscape(id)
		u.Path = "/s/" + id
		r := httptest.NewRequest("POST", "/", strings.NewReader(text))
		r.URL = u
		if res := serve(g, r); res.StatusCode != 200 {
			rt.Fatalf("%d", res.StatusCode)
		}
		var e struct {
			Path                  string
			PathParameters        map[string]string
			QueryStringParameters map[string]string
			Body                  *string
		}
		if err := json.Unmarshal(calls[0].payload, &e); err != nil {
			rt.Fatal(err)
		}
		if got, err := url.PathUnescape(e.PathParameters["id"]); err != nil || got != id {
			rt.Errorf("id %q came as %q", id, e.PathParameters["id"])
		}
		if len(query) > 0 && !reflect.DeepEqual(e.QueryStringParameters, query) {
			rt.Errorf("query %q came as %q", query, e.QueryStringParameters)
		}
		if text == "" && e.Body != nil || text != "" && utf8.ValidString(text) && *e.Body != text {
			rt.Errorf("body %q came as %v", text, e.Body)
		}
	})
}

// FuzzRequest looks for requests that the translation does not survive: every event must be JSON, and every answer one
// of those that the package promises.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/s/a%2Fb", "x=1&y=%zz", "X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793", []byte("body"), []byte(`{"statusCode":200}`))
	f.Add("POST", "/live/s/\xff", "&&=", "Content-Type", "image/png", []byte{0xff}, []byte(`{"headers":{"a":1},"body":"x","isBase64Encoded":true}`))
	f.Fuzz(func(t *testing.T, method, path, query, name, value string, payload, answer []byte) {
		events := 0
		g := newGateway(t, gateway.Options{
			Routes:           []gateway.Route{{Method: "ANY", Path: "/s/{id}", Function: "f"}, {Method: "ANY", Path: "/{p+}", Function: "f"}},
			BinaryMediaTypes: []string{"image/*"},
			Invoke: func(_ context.Context, _ string, event []byte, _ string) ([]byte, string, error) {
				events++
				if !json.Valid(event) {
					t.Errorf("not JSON: %q", event)
				}
				return answer, "", nil
			},
		})
		r := httptest.NewRequest("GET", "/", bytes.NewReader(payload))
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return // the server would have refused it
		}
		u.RawQuery = query
		r.Method, r.URL = method, u
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		res := serve(g, r)
		switch {
		case events == 0 && res.StatusCode != 403:
			t.Errorf("%d without an invocation", res.StatusCode)
		case events == 1 && (res.StatusCode < 200 || res.StatusCode > 599):
			t.Errorf("%d", res.StatusCode)
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	g := newGateway(b, gateway.Options{Routes: []gateway.Route{{Method: "POST", Path: "/events", Function: "f"}}, Invoke: lambda(`{"statusCode":202,"body":"{}"}`, nil)})
	payload := strings.Repeat("x", 500)
	b.ReportAllocs()
	for b.Loop() {
		serve(g, httptest.NewRequest("POST", "/events", strings.NewReader(payload)))
	}
}

func Example() {
	g, err := gateway.New(gateway.Options{
		Routes: []gateway.Route{{Method: "GET", Path: "/subjects/{subject}", Function: "api"}},
		Invoke: func(_ context.Context, function string, event []byte, _ string) ([]byte, string, error) {
			var in struct{ PathParameters map[string]string }
			if err := json.Unmarshal(event, &in); err != nil {
				return nil, "", err
			}
			answer, err := json.Marshal(map[string]any{"statusCode": 200, "body": function + " was asked for " + in.PathParameters["subject"]})
			return answer, "", err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/subjects/a%2Fb", "/live/subjects/c", "/nowhere"} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 api was asked for a%2Fb
	// 200 api was asked for c
	// 403 {"message":"Missing Authentication Token"}
}

func parse(t testing.TB, path string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
