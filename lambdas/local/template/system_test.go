package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests are about the system's own template, at the top of the repository.

var update = flag.Bool("update", false, "write the golden files anew")

const systemPath = "../../../template.yaml"

func system(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile(systemPath)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func resolveSystem(t testing.TB, parameters map[string]string) *Stack {
	t.Helper()
	tmpl, err := Parse("template.yaml", system(t))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := tmpl.Resolve(Inputs{
		StackName:    "arvo",
		QueueURLBase: "http://127.0.0.1:4566",
		APIURL:       "http://127.0.0.1:3000",
		Parameters:   parameters,
	})
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// ownLambdas lists the values that OwnLambda may have.
func ownLambdas(t testing.TB) []string {
	t.Helper()
	tmpl, err := Parse("template.yaml", system(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range tmpl.declared {
		if d.Name == "OwnLambda" {
			return d.allowed
		}
	}
	t.Fatal("the template has no parameter OwnLambda")
	return nil
}

// lines renders a stack as one line of JSON for each of its entries. Lines of the template are left out: they change
// with every comment.
func lines(t testing.TB, s *Stack) []string {
	t.Helper()
	var all []string
	v := reflect.ValueOf(*s)
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		values := []any{v.Field(i).Interface()}
		if v.Field(i).Kind() == reflect.Slice {
			values = nil
			for j := range v.Field(i).Len() {
				values = append(values, v.Field(i).Index(j).Interface())
			}
		}
		for _, value := range values {
			if r, ok := value.(Resource); ok {
				r.Line = 0
				value = r
			}
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(map[string]any{field: value}); err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.TrimSuffix(b.String(), "\n"))
		}
	}
	return all
}

// TestGolden pins what the template resolves to: whole with its defaults, and for each value of OwnLambda the lines
// that come (+) and go (-). What differs is shown for the first file: the others mostly differ in the same.
func TestGolden(t *testing.T) {
	var others []string
	golden := func(name string, got []string) {
		t.Helper()
		switch diff := golden(t, name, got); {
		case diff == "":
		case t.Failed():
			others = append(others, name)
		default:
			t.Errorf("testdata/%s (-want +got)\n%s", name, diff)
		}
	}
	base := lines(t, resolveSystem(t, nil))
	golden("defaults.jsonl", base)
	for _, own := range ownLambdas(t) {
		if own == "none" {
			continue
		}
		changed := lines(t, resolveSystem(t, map[string]string{"OwnLambda": own}))
		var diff []string
		for _, line := range base {
			if !slices.Contains(changed, line) {
				diff = append(diff, "-"+line)
			}
		}
		for _, line := range changed {
			if !slices.Contains(base, line) {
				diff = append(diff, "+"+line)
			}
		}
		golden(own+".diff", diff)
	}
	if len(others) > 0 {
		t.Errorf("so do, or are missing: %s", strings.Join(others, ", "))
	}
	if t.Failed() {
		t.Log("if that is meant, write the files anew with: go test ./lambdas/local/template -update")
	}
}

// golden is how a file differs from what it should be, "" if it does not.
func golden(t *testing.T, name string, got []string) string {
	t.Helper()
	path := filepath.Join("testdata", name)
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n"))
}

// TestHostedSourcesAgree holds together the places where the template lists the hosted services: what OwnLambda may
// be, the environment of the functions, and the patterns of the rules. A list that is not like OwnLambda's is an error, said
// once, however many values of OwnLambda have it; the order does not matter.
func TestHostedSourcesAgree(t *testing.T) {
	var unroutable struct {
		Or []struct {
			Detail struct {
				To []struct {
					AnythingBut []string `json:"anything-but"`
					Exists      *bool    `json:"exists"`
				} `json:"to"`
			} `json:"detail"`
		} `json:"$or"`
	}
	rule := func(s *Stack, id string) *Rule {
		for i := range s.Rules {
			if s.Rules[i].LogicalID == id {
				return &s.Rules[i]
			}
		}
		return nil
	}
	to := func(r *Rule) []string {
		var pattern struct{ Detail struct{ To []string } }
		if err := json.Unmarshal(r.Pattern, &pattern); err != nil {
			t.Fatal(err)
		}
		return pattern.Detail.To
	}
	hosted := func(s *Stack, id string) string {
		for _, f := range s.Functions {
			if f.LogicalID == id {
				return f.Environment["HOSTED"]
			}
		}
		return ""
	}
	said := map[string]bool{}
	say := func(text string) {
		t.Helper()
		if !said[text] {
			said[text] = true
			t.Error(text)
		}
	}
	hold := func(place string, want, got []string) {
		t.Helper()
		for _, source := range want {
			if !slices.Contains(got, source) {
				say(place + " lacks " + source)
			}
		}
		for i, source := range got {
			if !slices.Contains(want, source) || slices.Contains(got[:i], source) {
				say(place + " has " + source + " too much")
			}
		}
	}
	const sink = "api.thin.lambda"
	own := ownLambdas(t)
	sources := slices.DeleteFunc(slices.Clone(own), func(s string) bool { return s == "none" })
	if len(own) != len(sources)+1 {
		t.Fatalf("OwnLambda is none or one of the services: %q", own)
	}
	var always string
	for _, alone := range own {
		s := resolveSystem(t, map[string]string{"OwnLambda": alone})
		remaining := slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return s == alone })
		hold("HostedRule", remaining, to(rule(s, "HostedRule")))
		switch in := hosted(s, "FederatedHandler"); {
		case alone != "none":
			hold("HOSTED of FederatedHandler", remaining, strings.Split(in, ","))
			hold("OwnRule with OwnLambda="+alone, []string{alone}, to(rule(s, "OwnRule")))
			if got := hosted(s, "OwnHandler"); got != alone {
				t.Errorf("%s: its own Lambda hosts %q", alone, got)
			}
		case in != "all":
			t.Errorf("without an own Lambda FederatedHandler hosts %q", in)
		case rule(s, "OwnRule") != nil:
			t.Error("none: there is an own rule")
		}
		hold("ResponsesRule", []string{sink}, to(rule(s, "ResponsesRule")))
		pattern := rule(s, "UnroutableRule").Pattern
		if always == "" {
			always = string(pattern)
		}
		if string(pattern) != always {
			t.Errorf("%s changes the unroutable rule: %s", alone, pattern)
		}
		if err := json.Unmarshal(pattern, &unroutable); err != nil {
			t.Fatal(err)
		}
		if len(unroutable.Or) != 2 || len(unroutable.Or[0].Detail.To) != 1 || len(unroutable.Or[1].Detail.To) != 1 {
			t.Fatalf("the unroutable pattern is %s", pattern)
		}
		hold("UnroutableRule", append(slices.Clone(sources), sink), unroutable.Or[0].Detail.To[0].AnythingBut)
		if exists := unroutable.Or[1].Detail.To[0].Exists; exists == nil || *exists {
			say("the unroutable rule does not take events without to: " + string(pattern))
		}
	}
}

// TestRulesMaySend checks that every queue's policy lets in the rules that send there, as it would not on AWS
// otherwise, and that no queue takes messages without TLS.
func TestRulesMaySend(t *testing.T) {
	type statement struct {
		Effect    string
		Principal json.RawMessage
		Action    string
		Resource  string
		Condition json.RawMessage
	}
	for _, own := range []string{"none", "com.payment.charge"} {
		s := resolveSystem(t, map[string]string{"OwnLambda": own})
		policies := map[string][]statement{}
		for _, p := range s.QueuePolicies {
			var doc struct{ Statement []statement }
			if err := json.Unmarshal(p.Policy, &doc); err != nil {
				t.Fatal(err)
			}
			for _, url := range p.QueueURLs {
				policies[url] = append(policies[url], doc.Statement...)
			}
		}
		for _, q := range s.Queues {
			if !slices.ContainsFunc(policies[q.URL], func(st statement) bool {
				return st.Effect == "Deny" && string(st.Principal) == `"*"` && st.Action == "sqs:*" && st.Resource == q.ARN &&
					string(st.Condition) == `{"Bool":{"aws:SecureTransport":"false"}}`
			}) {
				t.Errorf("%s: %s takes messages without TLS", own, q.LogicalID)
			}
		}
		for _, r := range s.Rules {
			if len(r.Targets) != 1 || r.Targets[0].DeadLetterARN == "" {
				t.Errorf("%s: %s has the targets %+v", own, r.LogicalID, r.Targets)
				continue
			}
			for _, arn := range []string{r.Targets[0].ARN, r.Targets[0].DeadLetterARN} {
				i := slices.IndexFunc(s.Queues, func(q Queue) bool { return q.ARN == arn })
				if !slices.ContainsFunc(policies[s.Queues[i].URL], func(st statement) bool {
					return st.Effect == "Allow" && string(st.Principal) == `{"Service":"events.amazonaws.com"}` &&
						st.Action == "sqs:SendMessage" && st.Resource == arn && strings.Contains(string(st.Condition), `"`+r.ARN+`"`)
				}) {
					t.Errorf("%s: %s may not send to %s", own, r.LogicalID, arn)
				}
			}
		}
		for _, m := range s.Mappings {
			i := slices.IndexFunc(s.Queues, func(q Queue) bool { return q.ARN == m.QueueARN })
			j := slices.IndexFunc(s.Functions, func(f Function) bool { return f.ARN == m.FunctionARN })
			if q, f := s.Queues[i], s.Functions[j]; q.VisibilityTimeout != 6*f.Timeout || q.MaxReceiveCount != 5 || !m.ReportBatchItemFailures {
				t.Errorf("%s: %s: visibility %s of timeout %s, %d receives, partial failures %t", own, m.LogicalID, q.VisibilityTimeout, f.Timeout, q.MaxReceiveCount, m.ReportBatchItemFailures)
			}
		}
	}
}

// Tools address the system by these names.
func TestOutputsAndParameters(t *testing.T) {
	s := resolveSystem(t, nil)
	var outputs, parameters []string
	for _, o := range s.Outputs {
		outputs = append(outputs, o.Name)
		if o.Value == "" || o.Description == "" {
			t.Errorf("%s: value %q, description %q", o.Name, o.Value, o.Description)
		}
	}
	for _, p := range s.Parameters {
		parameters = append(parameters, p.Name)
		if p.Description == "" {
			t.Errorf("%s has no description", p.Name)
		}
	}
	if diff := cmp.Diff(strings.Fields("ApiUrl BusName RequestsQueueUrl ResponsesQueueUrl RequestsDlqUrl ResponsesDlqUrl RuleDlqUrl UnroutableQueueUrl ResponseTable WorkflowTable EffectTable RequestsMappingId ResponsesMappingId TraceMapUrl"), outputs); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(strings.Fields("RequestsConcurrency RequestsBatchSize ResponsesConcurrency ResponsesBatchSize BatchParallelism TraceSampleRate QueueFunctionTracing TraceHops OtlpEndpoint OwnLambda ApiAuth ApiLogsRole ThrottleRate ThrottleBurst LogRetentionDays"), parameters); diff != "" {
		t.Errorf("parameters (-want +got)\n%s", diff)
	}
}

func TestTheTraceMapIsInThePartitionsConsole(t *testing.T) {
	for _, c := range []struct{ partition, region, domain string }{
		{"aws", "eu-central-1", "console.aws.amazon.com"},
		{"aws-cn", "cn-north-1", "console.amazonaws.cn"},
		{"aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"},
	} {
		t.Run(c.partition, func(t *testing.T) {
			tmpl, err := Parse("template.yaml", system(t))
			if err != nil {
				t.Fatal(err)
			}
			s, err := tmpl.Resolve(Inputs{StackName: "arvo", Partition: c.partition, Region: c.region, QueueURLBase: "http://127.0.0.1:4566", APIURL: "http://127.0.0.1:3000"})
			if err != nil {
				t.Fatal(err)
			}
			want := "https://" + c.region + "." + c.domain + "/cloudwatch/home?region=" + c.region + "#xray:service-map/map"
			if got := s.Outputs[len(s.Outputs)-1].Value; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestParametersReachTheirPlaces(t *testing.T) {
	s := resolveSystem(t, map[string]string{
		"RequestsConcurrency": "7", "RequestsBatchSize": "3", "ResponsesConcurrency": "8", "ResponsesBatchSize": "4",
		"BatchParallelism": "6", "TraceSampleRate": "0.25", "QueueFunctionTracing": "PassThrough",
		"TraceHops": "off", "OtlpEndpoint": "http://127.0.0.1:4318", "ThrottleRate": "11", "ThrottleBurst": "12", "LogRetentionDays": "14", "ApiLogsRole": "existing",
	})
	responses, requests := s.Mappings[0], s.Mappings[1]
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"RequestsConcurrency", requests.MaximumConcurrency, 7},
		{"RequestsBatchSize", requests.BatchSize, 3},
		{"ResponsesConcurrency", responses.MaximumConcurrency, 8},
		{"ResponsesBatchSize", responses.BatchSize, 4},
		{"BatchParallelism of api_lambda", s.Functions[0].Environment["BATCH_PARALLELISM"], "6"},
		{"BatchParallelism of federated_handler", s.Functions[1].Environment["BATCH_PARALLELISM"], "6"},
		{"TraceSampleRate", s.SamplingRules[0].FixedRate, 0.25},
		{"QueueFunctionTracing of api_lambda, which is not fed by queues alone", s.Functions[0].Tracing, "Active"},
		{"QueueFunctionTracing of federated_handler", s.Functions[1].Tracing, "PassThrough"},
		{"TraceHops of api_lambda", s.Functions[0].Environment["ARVO_TRACE_HOPS"], "off"},
		{"TraceHops of federated_handler", s.Functions[1].Environment["ARVO_TRACE_HOPS"], "off"},
		{"OtlpEndpoint of api_lambda", s.Functions[0].Environment["OTEL_EXPORTER_OTLP_ENDPOINT"], "http://127.0.0.1:4318"},
		{"OtlpEndpoint of federated_handler", s.Functions[1].Environment["OTEL_EXPORTER_OTLP_ENDPOINT"], "http://127.0.0.1:4318"},
		{"ThrottleRate", s.APIs[0].ThrottleRate, 11.0},
		{"ThrottleBurst", s.APIs[0].ThrottleBurst, 12},
		{"LogRetentionDays", s.LogGroups[0].RetentionDays, 14},
		{"ApiLogsRole", slices.ContainsFunc(s.Resources, func(r Resource) bool { return r.LogicalID == "ApiAccount" }), false},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestResourcesKnowTheirLines(t *testing.T) {
	src := strings.Split(string(system(t)), "\n")
	tmpl, err := Parse("template.yaml", system(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resolveSystem(t, nil).Resources {
		line := strings.TrimSpace(src[r.Line-1])
		if id, _, _ := strings.Cut(line, ":"); !strings.Contains(r.LogicalID, id) {
			t.Errorf("%s is said to be in line %d: %s", r.LogicalID, r.Line, line)
		}
		if res := tmpl.byID[r.LogicalID]; res.owner == nil && !strings.HasPrefix(line, r.LogicalID+":") {
			t.Errorf("%s is said to be in line %d: %s", r.LogicalID, r.Line, line)
		}
	}
}

// tools skips a test unless the tools that it needs are asked for: they are not Go's, and take seconds.
func tools(t *testing.T) {
	t.Helper()
	if os.Getenv("ARVO_TEMPLATE_TOOLS") == "" {
		t.Skip("set ARVO_TEMPLATE_TOOLS=1 to check template.yaml with cfn-lint and SAM's translator, too")
	}
}

// TestSAMExpandsToTheSame compares the resources with those that SAM's own translator makes of the template.
func TestSAMExpandsToTheSame(t *testing.T) {
	tools(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import samtranslator").Run(); err != nil {
		t.Skip("python3 has no samtranslator (pip install aws-sam-translator)")
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "sam.py"))
	cmd.Stdin = bytes.NewReader(system(t))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var sam map[string]string
	if err := json.Unmarshal(out, &sam); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for id, typ := range sam {
		want[withoutHash(id, typ)] = typ
	}
	for _, r := range resolveSystem(t, map[string]string{"OwnLambda": "com.payment.charge"}).Resources {
		got[withoutHash(r.LogicalID, r.Type)] = r.Type
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-SAM +this package)\n%s", diff)
	}
}

// withoutHash takes the ten digits off a deployment's id: SAM hashes its own expansion and the time.
func withoutHash(id, typ string) string {
	if typ == "AWS::ApiGateway::Deployment" && len(id) > 10 {
		return id[:len(id)-10]
	}
	return id
}

func TestCfnLint(t *testing.T) {
	tools(t)
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed (pip install cfn-lint)")
	}
	if out, err := exec.CommandContext(t.Context(), lint, systemPath).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Several goroutines may resolve one template, and each gets the same.
func TestResolvingChangesNothing(t *testing.T) {
	tmpl, err := Parse("template.yaml", system(t))
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan string)
	for range 4 {
		go func() {
			s, err := tmpl.Resolve(Inputs{StackName: "arvo"})
			results <- fmt.Sprintf("%+v %v", s, err)
		}()
	}
	first := <-results
	for range 3 {
		if other := <-results; other != first {
			t.Errorf("%s\n%s", first, other)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := system(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("template.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	tmpl, err := Parse("template.yaml", system(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Resolve(Inputs{StackName: "arvo"}); err != nil {
			b.Fatal(err)
		}
	}
}
