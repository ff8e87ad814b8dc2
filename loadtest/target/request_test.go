package target_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/broker"
	"example.com/arvo/loadtest/target"
)

func TestRequestThroughTheAPI(t *testing.T) {
	for _, test := range []struct {
		name   string
		auth   string
		local  bool
		signed bool
	}{
		{"is signed when the API asks for it", "AWS_IAM", false, true},
		{"is not signed when it lets everyone in", "NONE", false, false},
		{"is not signed for the local stack, which asks for nothing", "AWS_IAM", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				var err error
				if body, err = io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprint(w, `{"subject":"<subject>","id":"<id>","status":"pending","traceId":"1-65647c1a-2b3c4d5e6f708192a3b4c5d6","links":{"subject":"/live/subjects/x"}}`)
			}))
			defer api.Close()
			f := newFakeAWS(t)
			f.says("DescribeStacks", 200, strings.Replace(recorded(t, "describe-stacks.xml"), ">AWS_IAM<", ">"+test.auth+"<", 1))
			c := f.config()
			c.API = api.URL + "/live"
			if test.local {
				c.Endpoint = "http://127.0.0.1:4566"
			}
			s, err := target.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			request, err := s.Request("api", 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			code, answer := send(t, request, "run-7")
			if subject, trace := request.Subject(code, answer); subject != "<subject>" || trace != "1-65647c1a-2b3c4d5e6f708192a3b4c5d6" {
				t.Errorf("told %q and %q", subject, trace)
			}
			if got.Method != "POST" || got.URL.Path != "/live/events" || string(body) != `{"type":"com.workload.simulate","data":{"sleep_ms":50}}` || got.Header.Get("Idempotency-Key") != "run-7" {
				t.Errorf("%s %s %s", got.Method, got.URL, body)
			}
			auth := got.Header.Get("Authorization")
			if signed := strings.Contains(auth, "Credential=AKIDEXAMPLE/") && strings.Contains(auth, "/eu-central-1/execute-api/aws4_request") && strings.Contains(auth, "idempotency-key"); signed != test.signed || !signed && auth != "" {
				t.Errorf("signed with %q", auth)
			}
		})
	}
}

func TestASignatureLeavesTheRequestAsItWas(t *testing.T) {
	s := newFakeAWS(t).open()
	request, err := s.Request("api", 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1:1/", bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := request.Transport.RoundTrip(r); err == nil {
		t.Error("somebody answers on port 1")
	}
	if len(r.Header) != 0 {
		t.Errorf("it has got %v", r.Header)
	}
}

func TestRequestStraightToTheFunction(t *testing.T) {
	var got *http.Request
	var body []byte
	answer := func(w http.ResponseWriter) {}
	lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		answer(w)
	}))
	defer lambda.Close()
	f := newFakeAWS(t)
	c := f.config()
	c.Endpoint = lambda.URL
	s, err := target.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	request, err := s.Request("none", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		code   int
	}{
		{"done", func(w http.ResponseWriter) { fmt.Fprint(w, "null") }, 200},
		{"failed in the function", func(w http.ResponseWriter) {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			fmt.Fprint(w, `{"errorMessage":"no","errorType":"errorString"}`)
		}, 502},
		{"no slot free", func(w http.ResponseWriter) { w.WriteHeader(429) }, 429},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer = test.answer
			if code, _ := send(t, request, "run-7"); code != test.code {
				t.Errorf("%d, want %d", code, test.code)
			}
			if got.URL.Path != "/2015-03-31/functions/shop-federated_handler/invocations" || got.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" || !strings.Contains(got.Header.Get("Authorization"), "/eu-central-1/lambda/aws4_request") {
				t.Errorf("%s %v", got.URL, got.Header)
			}
			e, err := broker.ParseEnvelope(body)
			if err != nil {
				t.Fatal(err)
			}
			if e.Event.Subject != "run-7" || e.Event.ID != "run-7" || string(e.Event.Data) != `{"sleep_ms":50}` || e.Event.To != "com.workload.simulate" || time.Since(e.Time) > time.Minute {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	s := newFakeAWS(t).open()
	for _, test := range []struct {
		via  string
		work time.Duration
		want string
	}{{"api", -1, "whole milliseconds"}, {"api", 1500 * time.Microsecond, "whole milliseconds"}, {"none", 13 * time.Second, "up to 12s"}, {"mail", 0, `via "mail"`}} {
		if _, err := s.Request(test.via, test.work); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %v: %v", test.via, test.work, err)
		}
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	request, err := newFakeAWS(t).open().Request("api", 0)
	if err != nil {
		t.Fatal(err)
	}
	for code, body := range map[int]string{500: `{"subject":"s"}`, 202: `{"subject":"s`, 200: "null"} {
		if subject, trace := request.Subject(code, []byte(body)); subject != "" || trace != "" {
			t.Errorf("%d %s tells %q and %q", code, body, subject, trace)
		}
	}
	if subject, _ := request.Subject(202, []byte(`{"subject":7}`)); subject != "" {
		t.Errorf("a number is %q", subject)
	}
}
