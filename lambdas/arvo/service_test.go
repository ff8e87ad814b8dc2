package arvo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
)

// greeter answers by the mode of its input.
func greeter(t testing.TB, options ...arvo.ServiceOption) *arvo.Service {
	t.Helper()
	s, err := arvo.NewService(greetContract, append([]arvo.ServiceOption{
		arvo.ExecutionUnits(3),
		arvo.Clock(func() time.Time { return time.Date(2025, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("", 3600)) }),
		arvo.Implement("1.0.0", greetOne),
		arvo.Implement("2.0.0", func(_ context.Context, in arvo.Input[greet2]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: "evt.user.greet.success", Data: greeting2{"Bonjour " + in.Data.FullName, "fr"}}}, nil
		}),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func greetOne(ctx context.Context, in arvo.Input[greet]) ([]arvo.Output, error) {
	age := "undefined"
	if in.Data.Age != nil {
		age = fmt.Sprint(*in.Data.Age)
	}
	out := arvo.Output{Type: "evt.user.greet.success", Data: greeting{"Hello " + in.Data.Name + " " + age}}
	switch in.Data.Mode {
	case "error":
		return []arvo.Output{out}, namedError{"OutOfStock", "no greetings left"}
	case "violation":
		return nil, fmt.Errorf("wrapped: %w", &arvo.Violation{Kind: "RATE_LIMIT", Message: "slow down"})
	case "panic":
		panic("oh no")
	case "runtime panic":
		out.Type = strings.Split(out.Type, "?")[len(in.Data.Name)]
	case "deadline":
		<-ctx.Done()
		return nil, fmt.Errorf("gateway: %w", ctx.Err())
	case "own deadline":
		return nil, context.DeadlineExceeded
	case "nothing":
		return nil, nil
	case "two":
		return []arvo.Output{out, {Type: "evt.user.greet.audit", Data: audit{Message: "m"}}}, nil
	case "bad data":
		out.Data = json.RawMessage(`{"greeting":1}`)
	case "no data":
		out.Data = nil
	case "bad type":
		out.Type = "evt.user.other.success"
	case "bad extension":
		out.Extensions = []arvo.Extension{{"source", json.RawMessage(`"x"`)}}
	case "bad to":
		out.To = "\xff"
	case "everything":
		out.ID, out.Time, out.To, out.RedirectTo, out.AccessControl = " my-id ", "2025-01-01T00:00Z", "com.special dest", "com.next.hop", "mine"
		out.ExecutionUnits = new(0.0)
		out.Extensions = []arvo.Extension{{"x", json.RawMessage(`1`)}}
	case "domains":
		out.Domains = []string{"dom.a", arvo.DomainLocal, "dom.a", "dom.b", arvo.DomainFromSelfContract}
	case "domains with an id":
		out.ID, out.Domains = "my-id", []string{"dom.a", "dom.b"}
	case "large":
		out.Data = greeting{strings.Repeat("x", arvo.MaxEvent)}
	case "almost large":
		out.Data = greeting{strings.Repeat("\"", arvo.MaxEvent/2-2048)}
	}
	return []arvo.Output{out}, nil
}

// greetEvent is an input with data {"name":"Ada","age":36,"mode":mode}.
func greetEvent(t testing.TB, mode string) arvo.Event {
	t.Helper()
	e, err := arvo.New(arvo.Draft{
		ID: "evt-in", Source: "api.thin.lambda", Type: "com.user.greet", Subject: "order/1", DataSchema: "#/test/user/greet/1.0.0",
		Data: map[string]any{"name": "Ada", "age": 36, "mode": mode},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// id is the derived id of an answer to greetEvent.
func id(index, domain string) string {
	return arvo.DeriveID("order/1", "api.thin.lambda", "evt-in", "com.user.greet", index, domain)
}

func answer(index string) arvo.Event {
	return arvo.Event{
		ID: id(index, ""), Source: "com.user.greet", SpecVersion: "1.0", Type: "evt.user.greet.success", Subject: "order/1",
		DataContentType: arvo.DataContentType, DataSchema: "#/test/user/greet/1.0.0", Data: json.RawMessage(`{"greeting":"Hello Ada 36"}`),
		Time: "2025-01-02T02:04:05.006+00:00", To: "api.thin.lambda", ExecutionUnits: new(3.0), ParentID: "evt-in",
	}
}

func with(e arvo.Event, edit func(*arvo.Event)) arvo.Event {
	edit(&e)
	return e
}

func systemError(data string) arvo.Event {
	return with(answer("error"), func(e *arvo.Event) {
		e.Type, e.DataSchema, e.Data = "sys.com.user.greet.error", "#/test/user/greet/0.0.0", json.RawMessage(data)
	})
}

func TestServiceAnswers(t *testing.T) {
	units := 0.0
	for _, c := range []struct {
		name, mode string
		in         func(*arvo.Event)
		want       []arvo.Event
	}{
		{"to the source", "", nil, []arvo.Event{answer("0")}},
		{"to redirectto, which is spent", "", func(e *arvo.Event) { e.RedirectTo = "com.reply.here" },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) { e.To = "com.reply.here" })}},
		{"whatever to is", "", func(e *arvo.Event) { e.To = "com.somebody.else" }, []arvo.Event{answer("0")}},
		{"without defaults for what is missing", "", func(e *arvo.Event) { e.Data = json.RawMessage(`{"name":"Ada"}`) },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) { e.Data = json.RawMessage(`{"greeting":"Hello Ada undefined"}`) })}},
		{"in the version of the dataschema", "", func(e *arvo.Event) {
			e.DataSchema, e.Data = "#/test/user/greet/2.0.0", json.RawMessage(`{"fullname":"Ada L"}`)
		}, []arvo.Event{with(answer("0"), func(e *arvo.Event) {
			e.DataSchema, e.Data = "#/test/user/greet/2.0.0", json.RawMessage(`{"greeting":"Bonjour Ada L","lang":"fr"}`)
		})}},
		{"in the latest version without a dataschema", "", func(e *arvo.Event) { e.DataSchema, e.Data = "", json.RawMessage(`{"fullname":"Ada L"}`) },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) {
				e.DataSchema, e.Data = "#/test/user/greet/2.0.0", json.RawMessage(`{"greeting":"Bonjour Ada L","lang":"fr"}`)
			})}},
		{"in the version of a dataschema without a URI", "", func(e *arvo.Event) { e.DataSchema = "1.0.0" }, []arvo.Event{answer("0")}},
		{"with the access control of the input", "", func(e *arvo.Event) { e.AccessControl = "role:a" },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) { e.AccessControl = "role:a" })}},
		{"without the parent, cost, trace and extensions of the input", "", func(e *arvo.Event) {
			e.ParentID, e.ExecutionUnits, e.Traceparent, e.Tracestate = "grand", new(5.0), "tp", "ts"
			e.Extensions = []arvo.Extension{{"x", json.RawMessage("1")}}
		}, []arvo.Event{answer("0")}},
		{"with nothing", "nothing", nil, nil},
		{"twice", "two", nil, []arvo.Event{answer("0"), with(answer("1"), func(e *arvo.Event) {
			e.Type, e.Data = "evt.user.greet.audit", json.RawMessage(`{"message":"m","level":"info"}`)
		})}},
		{"as the author says", "everything", func(e *arvo.Event) { e.AccessControl, e.RedirectTo = "role:a", "com.reply.here" },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) {
				e.ID, e.Time, e.To, e.RedirectTo, e.AccessControl, e.ExecutionUnits = "my-id", "2025-01-01T00:00Z", "com.special%20dest", "com.next.hop", "mine", &units
				e.Extensions = []arvo.Extension{{"x", json.RawMessage(`1`)}}
			})}},
		{"once for each domain", "domains", nil, []arvo.Event{
			with(answer("0"), func(e *arvo.Event) { e.ID, e.Domain = id("0", "dom.a"), "dom.a" }),
			answer("0"),
			with(answer("0"), func(e *arvo.Event) { e.ID, e.Domain = id("0", "dom.b"), "dom.b" }),
			with(answer("0"), func(e *arvo.Event) { e.ID, e.Domain = id("0", "greet.domain"), "greet.domain" }),
		}},
		{"under the author's id in each domain", "domains with an id", nil, []arvo.Event{
			with(answer("0"), func(e *arvo.Event) { e.ID, e.Domain = "my-id", "dom.a" }),
			with(answer("0"), func(e *arvo.Event) { e.ID, e.Domain = "my-id", "dom.b" }),
		}},
		{"locally to an event of a domain on a plain subject", "", func(e *arvo.Event) { e.Domain = "x.y" }, []arvo.Event{answer("0")}},
		{"without encoding again what is encoded", "", func(e *arvo.Event) { e.Source, e.Subject, e.ID = "my%20source", "order%201", "evt 1" },
			[]arvo.Event{with(answer("0"), func(e *arvo.Event) {
				e.ID = arvo.DeriveID("order%201", "my%20source", "evt 1", "com.user.greet", "0", "")
				e.To, e.Subject, e.ParentID = "my%20source", "order%201", "evt 1"
			})}},
		{"with a system error to an error, alone, and not to redirectto", "error", func(e *arvo.Event) { e.RedirectTo, e.AccessControl = "com.reply.here", "role:a" },
			[]arvo.Event{with(systemError(`{"errorName":"OutOfStock","errorMessage":"no greetings left","errorStack":null}`),
				func(e *arvo.Event) { e.AccessControl = "role:a" })}},
		{"with a system error to a deadline of the implementation's own", "own deadline", nil,
			[]arvo.Event{systemError(`{"errorName":"Error","errorMessage":"context deadline exceeded","errorStack":null}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := greetEvent(t, c.mode)
			if c.in != nil {
				c.in(&in)
			}
			got, err := greeter(t).Handle(context.Background(), in)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			again, err := greeter(t).Handle(context.Background(), in)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("a second time, otherwise: %v\n%s", err, diff)
			}
			for _, e := range got {
				if err := e.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestServiceRefuses(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		in         func(*arvo.Event)
		kind       error
		want       string
	}{
		{"another type", "", func(e *arvo.Event) { e.Type = "com.user.wave" }, arvo.ErrConfig, "ViolationError<Config> Event type mismatch"},
		{"an unknown version", "", func(e *arvo.Event) { e.DataSchema = "#/test/user/greet/3.0.0" }, arvo.ErrConfig,
			"ViolationError<Config> Invalid contract version: 3.0.0. Available versions: 1.0.0, 2.0.0"},
		{"the wildcard version", "", func(e *arvo.Event) { e.DataSchema = "#/test/user/greet/0.0.0" }, arvo.ErrConfig, "Invalid contract version: 0.0.0"},
		{"another contract", "", func(e *arvo.Event) { e.DataSchema = "#/test/other/1.0.0" }, arvo.ErrContract, "ViolationError<Contract> Contract URI mismatch"},
		{"data that breaks the contract", "", func(e *arvo.Event) { e.Data = json.RawMessage(`{"name":5}`) }, arvo.ErrContract,
			"ViolationError<Contract> Input event payload validation failed: name: Expected string, received number"},
		{"no data", "", func(e *arvo.Event) { e.Data = nil }, arvo.ErrContract, "Input event payload validation failed: not JSON"},
		{"an output that breaks the contract", "bad data", nil, arvo.ErrContract, "ViolationError<Contract> Emit Event data validation failed: greeting: Expected string"},
		{"an output without data", "no data", nil, arvo.ErrContract, "Emit Event data validation failed: Expected object, received null"},
		{"an output of an unknown type", "bad type", nil, arvo.ErrContract, "Emit Event data validation failed: No contract available for evt.user.other.success"},
		{"an output with a forged attribute", "bad extension", nil, arvo.ErrContract, "source: an extension must not be called like an attribute"},
		{"an output to no name", "bad to", nil, arvo.ErrContract, "to: URI malformed"},
		{"a violation of the author's", "violation", nil, arvo.ErrViolation, "wrapped: ViolationError<RATE_LIMIT> slow down"},
		{"a panic, of whose value only the type is told", "panic", nil, arvo.ErrExecution, "ViolationError<Execution> panic in com.user.greet 1.0.0: string"},
		{"a panic of the runtime", "runtime panic", nil, arvo.ErrExecution, "index out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := greetEvent(t, c.mode)
			if c.in != nil {
				c.in(&in)
			}
			out, err := greeter(t).Handle(context.Background(), in)
			if !errors.Is(err, c.kind) || !arvo.IsViolation(err) || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}

func TestTheHostStoppingIsNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("draining"))
	if _, err := greeter(t).Handle(ctx, greetEvent(t, "deadline")); !errors.Is(err, arvo.ErrExecution) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	out, err := greeter(t).Handle(ctx, greetEvent(t, "error"))
	if err != nil || len(out) != 1 {
		t.Errorf("an error of another cause: %v, %v", out, err)
	}
}

func TestViolationsAreTold(t *testing.T) {
	_, err := greeter(t).Handle(context.Background(), greetEvent(t, "panic"))
	var v *arvo.Violation
	if !errors.As(err, &v) || v.Kind != arvo.KindExecution || !strings.Contains(fmt.Sprint(v.Metadata["stack"]), "greetOne") {
		t.Errorf("got %+v", v)
	}
	in := greetEvent(t, "")
	in.Data = json.RawMessage(`{"name":5}`)
	_, err = greeter(t).Handle(context.Background(), in)
	if diff := cmp.Diff([]string{"/name invalid_type"}, issues(t, err)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		kind  string
		is    []error
		isNot []error
	}{
		{arvo.KindContract, []error{arvo.ErrContract}, []error{arvo.ErrConfig}},
		{arvo.KindTransaction, []error{arvo.ErrTransaction}, []error{arvo.ErrExecution}},
		{"MINE", nil, []error{arvo.ErrContract, arvo.ErrConfig, arvo.ErrExecution, arvo.ErrTransaction, nil}},
	} {
		err := fmt.Errorf("somewhere: %w", &arvo.Violation{Kind: c.kind, Message: "m"})
		if !arvo.IsViolation(err) || slices.ContainsFunc(c.is, func(target error) bool { return !errors.Is(err, target) }) ||
			slices.ContainsFunc(c.isNot, func(target error) bool { return errors.Is(err, target) }) {
			t.Errorf("%s is not what it is", c.kind)
		}
	}
	if arvo.IsViolation(errors.New("x")) || arvo.IsViolation(nil) {
		t.Error("anything is a violation")
	}
}

func TestOutputsTooLargeBecomeASystemError(t *testing.T) {
	out, err := greeter(t).Handle(context.Background(), greetEvent(t, "large"))
	if err != nil || len(out) != 1 || out[0].Type != "sys.com.user.greet.error" {
		t.Fatalf("got %d events, %v", len(out), err)
	}
	want := `{"errorName":"EventTooLarge","errorMessage":"the event evt.user.greet.success is 262616 bytes, over the limit of 260096","errorStack":null}`
	if string(out[0].Data) != want || out[0].ID != id("error", "") {
		t.Errorf("got %s", out[0].Data)
	}
	out, err = greeter(t).Handle(context.Background(), greetEvent(t, "almost large"))
	if err != nil || len(out) != 1 || out[0].Type != "evt.user.greet.success" {
		t.Fatalf("got %d events of type %s, %v", len(out), out[0].Type, err)
	}
}

// An error that says a great deal is an answer, too: it must not be too large to be one.
func TestALongErrorIsCutOff(t *testing.T) {
	long := namedError{strings.Repeat("N", 10_000), strings.Repeat("\x01é", arvo.MaxEvent)}
	s, err := arvo.NewService(greetContract, arvo.Implement("1.0.0", func(context.Context, arvo.Input[greet]) ([]arvo.Output, error) { return nil, long }),
		arvo.Implement("2.0.0", func(context.Context, arvo.Input[greet2]) ([]arvo.Output, error) { return nil, long }))
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Handle(context.Background(), greetEvent(t, ""))
	if err != nil || len(out) != 1 {
		t.Fatalf("got %d events, %.200v", len(out), err)
	}
	var told struct{ ErrorName, ErrorMessage string }
	if err := json.Unmarshal(out[0].Data, &told); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("N", 1024) + "…"; told.ErrorName != want {
		t.Errorf("the name has %d bytes", len(told.ErrorName))
	}
	if want := strings.Repeat("\x01é", 32<<10/3) + "\x01…"; told.ErrorMessage != want {
		t.Errorf("the message has %d bytes, and ends %q", len(told.ErrorMessage), told.ErrorMessage[max(0, len(told.ErrorMessage)-10):])
	}
}

func TestEachLargeOutputIsMeasuredAsItIsWritten(t *testing.T) {
	c, err := arvo.NewContract(arvo.ContractSpec{URI: "#/a", Type: "com.a.b", Versions: map[string]arvo.VersionSpec{"1.0.0": {
		Accepts: arvo.SchemaJSON([]byte("true")), Emits: map[string]arvo.Schema{"evt.a.b": arvo.SchemaJSON([]byte(`{"type":"object"}`))},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	in := greetEvent(t, "")
	in.Type, in.DataSchema = "com.a.b", ""
	for n := range 40 { // around the limit
		size := arvo.MaxEvent - 2<<10 - 440 + n
		s, err := arvo.NewService(c, arvo.Implement("1.0.0", func(context.Context, arvo.Input[json.RawMessage]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: "evt.a.b", Data: map[string]string{"pad": strings.Repeat("x", size)}}}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Handle(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if written := len(text(t, out[0])); written > arvo.MaxEvent-2<<10 {
			t.Errorf("an event of %d bytes passed", written)
		}
	}
}

func TestSystemErrorsGoToTheirDomains(t *testing.T) {
	s := greeter(t, arvo.ErrorDomains("dom.a", arvo.DomainLocal), arvo.EmitDomains("dom.b"))
	out, err := s.Handle(context.Background(), greetEvent(t, "error"))
	if err != nil || len(out) != 2 || out[0].Domain != "dom.a" || out[1].Domain != "" || out[0].ID != id("error", "dom.a") || out[1].ID != id("error", "") {
		t.Errorf("got %+v, %v", out, err)
	}
	out, err = s.Handle(context.Background(), greetEvent(t, ""))
	if err != nil || len(out) != 1 || out[0].Domain != "dom.b" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestAnswersLeadBackToTheProcess(t *testing.T) {
	home := subject()
	home.Execution.Domain = "home.dom"
	in := greetEvent(t, "")
	var err error
	if in.Subject, err = home.Encode(); err != nil {
		t.Fatal(err)
	}
	in.Domain = "x.y"
	out, err := greeter(t).Handle(context.Background(), in)
	if err != nil || len(out) != 1 || out[0].Domain != "home.dom" || out[0].Subject != in.Subject {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestMembersThatTheContractDoesNotListReachNoField(t *testing.T) {
	type charge struct {
		Amount float64 `json:"amount" minimum:"0"`
	}
	c, err := arvo.NewSimpleContract(arvo.SimpleSpec{URI: "#/a", Type: "pay.charge", Versions: map[string]arvo.SimpleVersion{"1.0.0": {
		Accepts: arvo.SchemaFor[charge](), Emits: arvo.SchemaFor[charge](),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var seen arvo.Input[charge]
	s, err := arvo.NewService(c, arvo.Implement("1.0.0", func(_ context.Context, in arvo.Input[charge]) ([]arvo.Output, error) {
		seen = in
		return nil, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	in := greetEvent(t, "")
	in.Type, in.DataSchema, in.Data = "com.pay.charge", "", json.RawMessage(`{"amount":1,"AMOUNT":-5,"extra":true}`)
	if _, err := s.Handle(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	if seen.Data.Amount != 1 {
		t.Errorf("the amount is %g", seen.Data.Amount)
	}
	if string(seen.Event.Data) != string(in.Data) || seen.Version.Number() != "1.0.0" {
		t.Errorf("the event says %s in version %s", seen.Event.Data, seen.Version.Number())
	}
}

func TestDataOfTheContractThatIsNoneOfTheType(t *testing.T) {
	c, err := arvo.NewSimpleContract(arvo.SimpleSpec{URI: "#/a", Type: "a.b", Versions: map[string]arvo.SimpleVersion{"1.0.0": {
		Accepts: arvo.SchemaJSON([]byte(`{"properties":{"n":{"type":"number"}}}`)), Emits: arvo.SchemaFor[struct{}](),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := arvo.NewService(c, arvo.Implement("1.0.0", func(context.Context, arvo.Input[struct {
		N int8 `json:"n"`
	}]) ([]arvo.Output, error) {
		return nil, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	in := greetEvent(t, "")
	in.Type, in.DataSchema = "com.a.b", ""
	for data, ok := range map[string]bool{`{"n":1e2}`: true, `{"n":1.5}`: false, `{"n":1000}`: false} {
		in.Data = json.RawMessage(data)
		if _, err := s.Handle(context.Background(), in); ok != (err == nil) || !ok && !errors.Is(err, arvo.ErrContract) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestServicesAreChecked(t *testing.T) {
	one := arvo.Implement("1.0.0", greetOne)
	two := arvo.Implement("2.0.0", func(context.Context, arvo.Input[json.RawMessage]) ([]arvo.Output, error) { return nil, nil })
	for _, c := range []struct {
		name    string
		options []arvo.ServiceOption
		want    string
	}{
		{"a version without an implementation", []arvo.ServiceOption{one}, "contract #/test/user/greet requires handler implementation for version 2.0.0"},
		{"an implementation without a version", []arvo.ServiceOption{one, two, arvo.Implement("3.0.0", greetOne)}, "has no version 3.0.0"},
		{"two implementations", []arvo.ServiceOption{one, one, two}, "version 1.0.0 has two implementations"},
		{"an implementation that is nil", []arvo.ServiceOption{arvo.Implement[greet]("1.0.0", nil)}, "version 1.0.0: the implementation is nil"},
		{"an input that cannot be read", []arvo.ServiceOption{arvo.Implement("1.0.0", func(context.Context, arvo.Input[chan int]) ([]arvo.Output, error) {
			return nil, nil
		})}, "version 1.0.0: input: chan int: chan int cannot be read from JSON"},
		{"an input that has nothing to do with the contract", []arvo.ServiceOption{arvo.Implement("1.0.0", func(context.Context, arvo.Input[*greeting]) ([]arvo.Output, error) {
			return nil, nil
		})}, "version 1.0.0: input: the members of arvo_test.greeting are (greeting), and the contract lists none of them: it lists (name, age, mode)"},
		{"no domains", []arvo.ServiceOption{one, two, arvo.EmitDomains()}, "EmitDomains is empty"},
		{"a clock that is nil", []arvo.ServiceOption{one, two, arvo.Clock(nil)}, "Clock is nil"},
		{"costs that are no number", []arvo.ServiceOption{one, two, arvo.ExecutionUnits(math.NaN())}, "ExecutionUnits: NaN is no finite number"},
		{"infinite costs", []arvo.ServiceOption{one, two, arvo.ExecutionUnits(math.Inf(1))}, "ExecutionUnits: +Inf is no finite number"},
		{"a domain that is none", []arvo.ServiceOption{one, two, arvo.EmitDomains(arvo.DomainLocal, "Desk")}, `EmitDomains: the domain "Desk" has characters besides lower-case letters, digits and dots`},
		{"a domain for errors that is none", []arvo.ServiceOption{one, two, arvo.ErrorDomains("a b")}, `ErrorDomains: the domain "a b" has`},
		{"no domains for errors", []arvo.ServiceOption{one, two, arvo.ErrorDomains()}, "ErrorDomains is empty"},
	} {
		if _, err := arvo.NewService(greetContract, c.options...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := arvo.NewService(nil); err == nil {
		t.Error("no contract is accepted")
	}
	s, err := arvo.NewService(greetContract, one, two)
	if err != nil || s.Source() != "com.user.greet" || s.Contract() != greetContract {
		t.Errorf("got %v, %v", s, err)
	}
	out, err := s.Handle(context.Background(), greetEvent(t, ""))
	if err != nil || out[0].ExecutionUnits != nil {
		t.Errorf("without ExecutionUnits: %+v, %v", out, err)
	}
}

// A struct is refused if nothing of what the contract lists would get into it. Whatever may take something is not.
func TestWhatAnInputMayBe(t *testing.T) {
	type embedding struct {
		greet
		Other string
	}
	type notTagged struct{ Name string }
	listed := `"type":"object","properties":{"name":{"type":"string"}}`
	for _, c := range []struct {
		name   string
		schema string
		with   arvo.ServiceOption
		ok     bool
	}{
		{"one member in common", `{` + listed + `}`, taking[greet](), true},
		{"an embedded member in common", `{` + listed + `}`, taking[embedding](), true},
		{"nothing in common", `{` + listed + `}`, taking[greeting](), false},
		{"a name in another case", `{` + listed + `}`, taking[notTagged](), false},
		{"members of a contract that lists none", `{"type":"object","properties":{}}`, taking[greet](), false},
		{"no members", `{` + listed + `}`, taking[struct{}](), true},
		{"a map", `{` + listed + `}`, taking[map[string]any](), true},
		{"the text", `{` + listed + `}`, taking[json.RawMessage](), true},
		{"a type that reads itself", `{` + listed + `}`, taking[time.Time](), true},
		{"what the contract does not list, but keeps", `{` + listed + `,"additionalProperties":true}`, taking[greeting](), true},
		{"a contract of a map", `{"type":"object"}`, taking[greeting](), true},
		{"a contract with alternatives", `{` + listed + `,"anyOf":[{"type":"object","properties":{"greeting":{"type":"string"}}}]}`, taking[greeting](), true},
	} {
		contract := arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
			URI: "#/x", Type: "com.x.x", Versions: map[string]arvo.VersionSpec{"1.0.0": {Accepts: arvo.SchemaJSON([]byte(c.schema))}},
		}))
		if _, err := arvo.NewService(contract, c.with); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func taking[T any]() arvo.ServiceOption {
	return arvo.Implement("1.0.0", func(context.Context, arvo.Input[T]) ([]arvo.Output, error) { return nil, nil })
}

func TestServicesMayBeUsedFromManyGoroutines(t *testing.T) {
	s := greeter(t)
	done := make(chan error)
	for n := range 8 {
		go func() {
			var err error
			for range 50 {
				in := greetEvent(t, []string{"", "two", "error", "domains"}[n%4])
				if _, e := s.Handle(context.Background(), in); e != nil {
					err = e
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTheTimeOfAnOutputIsInMillisecondsAndUTC(t *testing.T) {
	in := greetEvent(t, "")
	var now time.Time
	service := greeter(t, arvo.Clock(func() time.Time { return now }))
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
		// From the year 0 to 9999.
		now = time.Unix(rapid.Int64Range(-62_167_219_200, 253_402_300_799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
		out, err := service.Handle(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := out[0].Time, now.UTC().Format("2006-01-02T15:04:05.000-07:00"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
