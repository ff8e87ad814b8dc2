package filter_test

import (
	"errors"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/watch/filter"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// trace is an accepted request whose work failed afterwards: a stage that answered 202 within 0.2 s, its function, a table that
// throttled, and a consumer at the far end that failed after 6 s.
func trace(t testing.TB) *filter.Facts {
	t.Helper()
	var docs []segment.Document
	for _, text := range []string{
		`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"shop/live","origin":"AWS::ApiGateway::Stage","start_time":100,"end_time":100.2,
			"http":{"request":{"method":"POST","url":"http://127.0.0.1:3000/events","user_agent":"curl/8","client_ip":"127.0.0.1"},"response":{"status":202}},
			"annotations":{"aws:api_stage":"live"},"resource_arn":"arn:aws:apigateway:us-east-1::/restapis/x/stages/live"}`,
		`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000002","parent_id":"0000000000000001","name":"api_lambda","origin":"AWS::Lambda::Function","start_time":100.05,"end_time":100.15,"user":"ada",
			"annotations":{"subject":"a\"b\\c","attempt":2,"replayed":false},
			"subsegments":[{"id":"0000000000000003","name":"DynamoDB","namespace":"aws","start_time":100.06,"end_time":100.1,"throttle":true,"error":true,"aws":{"table_name":"orders"},"http":{"response":{"status":400}}}]}`,
		`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000004","parent_id":"0000000000000002","name":"federated_handler","origin":"AWS::Lambda::Function","start_time":101,"end_time":106,"fault":true,
			"cause":{"exceptions":[{"id":"000000000000000e","message":"card declined","type":"Declined"}]},"annotations":{"event_type":"com.payment.charge"}}`,
	} {
		d, err := segment.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	return filter.FactsOf(tracetree.Build(docs))
}

func TestMatch(t *testing.T) {
	facts := trace(t)
	facts.Groups(func(name string) (filter.Expression, bool) {
		if name != "slow" && name != "arn:slow" {
			return filter.Expression{}, false
		}
		e, err := filter.Parse(`duration > 5`)
		if err != nil {
			t.Error(err)
		}
		return e, true
	})
	for _, c := range []struct {
		name, expression string
		want             bool
	}{
		{"no expression matches", ``, true},
		{"the trace is ok when its entry is, whatever came later", `ok`, true},
		{"a fault further down is no fault of the trace", `fault`, false},
		{"a fault further down is found by its service", `service("federated_handler") { fault }`, true},
		{"a service without braces is one that is there", `service("federated_handler")`, true},
		{"a service that is not there", `service("other")`, false},
		{"any service", `service() { fault AND responsetime = 5 }`, true},
		{"the parts of one brace hold of one segment", `service() { fault AND throttle }`, false},
		{"a service by name and type", `service(id(name: "orders", type: "AWS::DynamoDB::Table"))`, true},
		{"a service by type alone", `service(id(type: "AWS::ApiGateway::Stage")) { http.status = 202 }`, true},
		{"a service of that name and another type", `service(id(name: "orders", type: "AWS::SQS::Queue"))`, false},
		{"an inferred service", `service("orders") { inferred }`, true},
		{"a service that is the root", `service("shop/live") { root }`, true},
		{"a service that is not", `service("api_lambda") { root }`, false},
		{"an edge", `edge("api_lambda", "orders")`, true},
		{"an edge the other way", `edge("orders", "api_lambda")`, false},
		{"an edge's call failed", `edge("api_lambda", "orders") { throttle AND http.status = 400 }`, true},
		{"an edge to a node by id", `edge("api_lambda", id(name: "orders", type: "AWS::DynamoDB::Table")) { responsetime >= 0.04 }`, true},
		{"an edge from the client", `edge("client", "shop/live")`, true},
		{"any edge", `edge() { fault }`, true},
		{"throttle counts from anywhere", `throttle`, true},
		{"everything has ended", `partial`, false},
		{"not partial, with !", `!partial`, true},
		{"not partial, compared", `partial = false`, true},
		{"not partial, compared with !=", `partial != true`, true},
		{"a boolean may be compared with a text, as the guide says", `ok = "true"`, true},
		{"response time is the entry's", `responsetime < 0.3 AND responsetime >= 0.2`, true},
		{"duration is the trace's", `duration = 6`, true},
		{"side by side means and", `ok !partial duration <7`, true},
		{"and binds closer than or", `fault AND fault OR ok`, true},
		{"parentheses bind closest", `fault AND (fault OR ok)`, false},
		{"words in any case", `fault oR Ok aNd nOt partial`, true},
		{"http.status of the entry", `http.status = 202`, true},
		{"a text begins", `http.url BEGINSWITH "http://127.0.0.1"`, true},
		{"a text contains", `http.url CONTAINS "/events"`, true},
		{"a text ends", `http.url ENDSWITH "/events" AND http.method = "POST" AND http.useragent = "curl/8" AND http.clientip = "127.0.0.1"`, true},
		{"a text does not", `http.url ENDSWITH "/other"`, false},
		{"a user of any segment", `user = "ada"`, true},
		{"an exception's message", `message CONTAINS "declined"`, true},
		{"an exception's message within its service", `service("api_lambda") { message CONTAINS "declined" }`, false},
		{"a resource", `resource.arn ENDSWITH "/stages/live"`, true},
		{"the name of any service", `name = "orders"`, true},
		{"the type within a service", `service("orders") { type = "AWS::DynamoDB::Table" }`, true},
		{"an annotation, with escapes", `annotation.subject = "a\"b\\c"`, true},
		{"an annotation in brackets", `annotation[subject] BEGINSWITH "a"`, true},
		{"an annotation that AWS made", `annotation.aws:api_stage = "live"`, true},
		{"an annotation that AWS made, in brackets", `annotation[aws:api_stage] = "live"`, true},
		{"an annotation exists", `annotation.attempt AND ok`, true},
		{"an annotation does not", `annotation.other`, false},
		{"an annotation that is a number", `annotation.attempt > 1`, true},
		{"an annotation that is a boolean", `annotation.replayed = false`, true},
		{"a number is no text", `annotation.attempt = "2"`, false},
		{"a number differs from every text", `annotation.attempt != "2"`, true},
		{"what does not exist differs from nothing", `annotation.other != "2"`, false},
		{"a group", `group.name = "slow"`, true},
		{"a group by ARN", `group.arn = "arn:slow"`, true},
		{"not a group", `group.name != "slow"`, false},
		{"a group that is not there", `group.name = "other"`, false},
		{"the guide's example", `annotation.subject = "x" AND service("federated_handler") { fault = true OR responsetime > 2.5 }`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := filter.Parse(c.expression)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Match(facts); got != c.want {
				t.Errorf("%s: %t, want %t", c.expression, got, c.want)
			}
		})
	}
}

// The segment that a trace begins with is the first without a parent, also when one whose parent was lost is older.
func TestEntry(t *testing.T) {
	lost, root := segment.ID{9}, segment.ID{1}
	doc := func(id, parent segment.ID, start segment.Time) segment.Document {
		return segment.Document{TraceID: segment.TraceID{1}, ID: id, ParentID: parent, Name: "n", Start: start, End: start + 10}
	}
	for name, c := range map[string]struct {
		docs []segment.Document
		want segment.ID
	}{
		"a root, and an older segment whose parent was lost": {[]segment.Document{doc(segment.ID{2}, lost, 1), doc(root, segment.ID{}, 5)}, root},
		"two roots": {[]segment.Document{doc(root, segment.ID{}, 5), doc(segment.ID{2}, segment.ID{}, 6)}, root},
		"no root":   {[]segment.Document{doc(segment.ID{3}, lost, 7), doc(segment.ID{2}, lost, 6)}, segment.ID{2}},
	} {
		if got := filter.FactsOf(tracetree.Build(c.docs)).Entry; got == nil || got.ID != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := filter.FactsOf(tracetree.Build(nil)).Entry; got != nil {
		t.Errorf("nothing begins with %v", got)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, expression string
		offset           int
		reason           string
	}{
		{"an unknown keyword", `ok AND servis("x")`, 7, `no keyword "servis"`},
		{"a keyword that is not supported", `rootcause.service { }`, 0, "rootcause.service is not supported"},
		{"a missing value", `responsetime >`, 14, "a value is due after >, not the end"},
		{"a missing operator", `responsetime 5`, 13, "an operator is due after responsetime"},
		{"a number for a text", `http.url = 5`, 11, "http.url is compared with a string, not with 5"},
		{"a text for a number", `duration = "5"`, 11, `duration is compared with a number, not with "5"`},
		{"an operator of numbers with a text", `http.url < "a"`, 11, `< does not go with "a"`},
		{"an operator of texts with a number", `duration CONTAINS 5`, 18, "CONTAINS does not go with 5"},
		{"an open quotation", `user = "ada`, 7, "the quotation does not end"},
		{"an open parenthesis", `(ok`, 3, ") is due"},
		{"an open brace", `service("x") { ok`, 17, "} is due"},
		{"too much", `ok)`, 2, `")" is out of place`},
		{"an annotation within braces", `service("x") { annotation.a = "b" }`, 15, "cannot stand within the braces"},
		{"a service within braces", `service() { fault AND service() { ok } }`, 22, "service cannot stand within the braces"},
		{"an edge within braces", `edge() { edge("a", "b") }`, 9, "edge cannot stand within the braces"},
		{"an annotation without key", `annotation = "b"`, 11, "annotation.key or annotation[key] is due"},
		{"a selector that is none", `service(x)`, 8, "a name in quotes or id("},
		{"an unknown part of id", `service(id(colour: "x"))`, 11, "id has name, type and account.id"},
		{"an edge with one end", `edge("a")`, 8, ", is due"},
		{"a character without meaning", `ok & fault`, 3, "'&' means nothing"},
		{"characters are counted, not bytes", `user = "é" &`, 11, "'&' means nothing"},
		{"no boolean", `ok = maybe`, 5, "true or false is due"},
		{"depth is bounded", strings.Repeat("(", 40) + "ok" + strings.Repeat(")", 40), 32, "more than 32 levels"},
		{"length is bounded", strings.Repeat(" ", 9000), 0, "at most 8192"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := filter.Parse(c.expression)
			var e *filter.SyntaxError
			if !errors.As(err, &e) || e.Offset != c.offset || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("%v\nwant at character %d: %s", err, c.offset+1, c.reason)
			}
		})
	}
}

func TestAnnotation(t *testing.T) {
	for expression, want := range map[string]string{
		`annotation.subject = "s"`:                          "subject=s",
		`ok AND (fault annotation.subject = "s")`:           "subject=s",
		`annotation.subject = "s" OR ok`:                    "",
		`!annotation.subject = "s"`:                         "",
		`annotation.subject != "s"`:                         "",
		`annotation.attempt = 1 AND annotation.subject="s"`: "subject=s",
		``: "",
	} {
		e, err := filter.Parse(expression)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if key, value, ok := e.Annotation(); ok {
			got = key + "=" + value
		}
		if got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// FuzzParse: whatever is parsed can be asked, and what is not names a place within.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`annotation.subject = "a" AND service("b") { fault }`, `edge("a", id(name: "b", type: "c")) { !ok }`, `(ok OR !partial) duration <3`, `annotation[aws:x] CONTAINS "\""`, `http.status != -1.5e3`} {
		f.Add(seed)
	}
	facts := trace(f)
	f.Fuzz(func(t *testing.T, expression string) {
		e, err := filter.Parse(expression)
		var s *filter.SyntaxError
		switch {
		case err == nil:
			e.Match(facts)
			e.Annotation()
		case !errors.As(err, &s) || s.Offset < 0 || s.Offset > len(expression) || s.Reason == "":
			t.Errorf("%q: %#v", expression, err)
		}
	})
}
