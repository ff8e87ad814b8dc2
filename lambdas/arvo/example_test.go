package arvo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

type Charge struct {
	Order  string  `json:"order" minLength:"1" jsonschema:"the order that is paid for"`
	Amount float64 `json:"amount" exclusiveMinimum:"0"`
}

type Charged struct {
	Receipt string `json:"receipt"`
}

var payment = arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
	URI: "#/services/payment/charge", Type: "payment.charge",
	Versions: map[string]arvo.SimpleVersion{
		"1.0.0": {Accepts: arvo.SchemaFor[Charge](), Emits: arvo.SchemaFor[Charged]()},
	},
}))

func charge(_ context.Context, in arvo.Input[Charge]) ([]arvo.Output, error) {
	if in.Data.Amount > 1000 {
		return nil, errors.New("the card was declined")
	}
	return []arvo.Output{{Type: "evt.payment.charge.success", Data: Charged{"receipt for " + in.Data.Order}}}, nil
}

// A default is filled in where an event is made, if the value leaves the member out; what others have sent is as it came.
func ExampleSchemaFor() {
	type Fee struct {
		Amount   float64 `json:"amount" exclusiveMinimum:"0"`
		Currency string  `json:"currency,omitempty" enum:"EUR,USD" default:"EUR"`
	}
	schema := arvo.SchemaFor[Fee]()
	contract := arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
		URI: "#/services/payment/fee", Type: "payment.fee",
		Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: schema, Emits: schema}},
	}))
	v, err := contract.Version("latest")
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := v.Accepts(arvo.Draft{Source: "api.thin.lambda", Data: Fee{Amount: 2}})
	fmt.Println(string(event.Data), err)

	received := []byte(`{"amount":2,"tip":1}`)
	fmt.Println(schema.Validate(received))
	cleaned, err := schema.Clean(received)
	fmt.Println(string(cleaned), err)
	fmt.Println(schema.Validate([]byte(`{"currency":""}`)))
	// Output:
	// {"amount":2,"currency":"EUR"} <nil>
	// <nil>
	// {"amount":2,"currency":"EUR"} <nil>
	// invalid data: currency: Expected one of "EUR", "USD"; amount: Required
}

// A service answers what it is sent: with what its contract emits, or with a system error.
func Example() {
	service, err := arvo.NewService(payment, arvo.Implement("1.0.0", charge))
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := payment.Version("latest")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, amount := range []float64{12.5, 5000} {
		in, err := v.Accepts(arvo.Draft{Source: "api.thin.lambda", Data: Charge{"order-7", amount}})
		if err != nil {
			fmt.Println(err)
			return
		}
		out, err := service.Handle(context.Background(), in)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(out[0].Type, "to", out[0].To, string(out[0].Data))
	}
	// Output:
	// evt.payment.charge.success to api.thin.lambda {"receipt":"receipt for order-7"}
	// sys.com.payment.charge.error to api.thin.lambda {"errorName":"Error","errorMessage":"the card was declined","errorStack":null}
}

func ExampleNew() {
	event, err := arvo.New(arvo.Draft{
		ID: "evt-1", Time: "2025-01-01T00:00:00Z", Source: "my shop", Type: "com.order.placed", Subject: "order/7",
		Data: map[string]int{"items": 2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := event.MarshalJSON()
	fmt.Println(string(text), err)
	// Output:
	// {"id":"evt-1","source":"my%20shop","specversion":"1.0","type":"com.order.placed","subject":"order/7","datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":null,"data":{"items":2},"time":"2025-01-01T00:00:00Z","to":"com.order.placed","accesscontrol":null,"redirectto":null,"executionunits":null,"traceparent":null,"tracestate":null,"parentid":null,"domain":null} <nil>
}

// Parse says everything that is wrong with one group of attributes.
func ExampleParse() {
	_, err := arvo.Parse([]byte(`{"id":7,"source":"a b","specversion":"1.0","type":"order","subject":"s","time":"2025-01-01T00:00Z","data":{}}`))
	fmt.Println(err)
	var invalid *arvo.ValidationError
	if errors.As(err, &invalid) {
		for _, issue := range invalid.Issues {
			fmt.Println(issue.Pointer(), issue.Code)
		}
	}
	_, err = arvo.Parse([]byte(`{"id":`))
	fmt.Println(err, errors.Is(err, arvo.ErrSyntax))
	// Output:
	// invalid event: id: Expected string, received number; source: must be URI-encoded, the way encodeURI writes it; type: must be a reverse-DNS name of at least three lower-case segments
	// /id invalid_type
	// /source custom
	// /type invalid_string
	// arvo: event is not a JSON object: the text ends where a value is expected at byte 6 true
}

func ExampleEvent_WithExtension() {
	event, err := arvo.Parse([]byte(`{"id":"1","source":"a","specversion":"1.0","type":"a.b.c","subject":"s","time":"2025-01-01T00:00Z","to":"a","data":{}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	marked, err := event.WithExtension("receivedat", 1735689600000)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, ok := marked.Extension("receivedat")
	fmt.Println(string(value), ok)
	_, err = event.WithExtension("subject", "another")
	fmt.Println(err)
	// Output:
	// 1735689600000 true
	// invalid event: subject: an extension must not be called like an attribute
}

// A subject names a process. A process that is started on behalf of another inherits from its subject.
func ExampleSubjectFrom() {
	parent, err := arvo.NewSubject(arvo.SubjectSpec{
		Orchestrator: "arvo.orc.fulfilment", Version: "1.0.0", Initiator: "api.thin.lambda",
		Meta: map[string]string{"trace": "1-67891233-abcdef012345678912345678"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	child, err := arvo.SubjectFrom(parent, arvo.SubjectSpec{Orchestrator: "arvo.orc.refund", Version: "2.0.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := arvo.ParseSubject(child)
	fmt.Println(s.Orchestrator, "for", s.Execution.Initiator, s.Meta, err)
	// Output:
	// {arvo.orc.refund 2.0.0} for arvo.orc.fulfilment map[trace:1-67891233-abcdef012345678912345678] <nil>
}

func ExampleContract_JSONSchema() {
	var doc struct {
		URI      string
		Versions []struct {
			Version string
			Accepts struct {
				Type   string
				Schema json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(payment.JSONSchema(), &doc); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.URI, doc.Versions[0].Version, doc.Versions[0].Accepts.Type)
	fmt.Println(string(doc.Versions[0].Accepts.Schema))
	// Output:
	// #/services/payment/charge 1.0.0 com.payment.charge
	// {"type":"object","properties":{"order":{"type":"string","description":"the order that is paid for","minLength":1},"amount":{"type":"number","exclusiveMinimum":0}},"required":["order","amount"],"additionalProperties":false,"$schema":"http://json-schema.org/draft-07/schema#"}
}

// The first middleware listed is the outermost.
func ExampleChain() {
	say := func(word string) arvo.Middleware {
		return func(next arvo.Handler) arvo.Handler {
			return arvo.HandlerFunc(func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
				fmt.Println(word, "begins")
				defer fmt.Println(word, "ends")
				return next.Handle(ctx, in)
			})
		}
	}
	handler := arvo.Chain(arvo.HandlerFunc(func(context.Context, arvo.Event) ([]arvo.Event, error) {
		fmt.Println("handled")
		return nil, nil
	}), say("trace"), say("retry"))
	if _, err := handler.Handle(context.Background(), arvo.Event{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// trace begins
	// retry begins
	// handled
	// retry ends
	// trace ends
}

// A violation is for the host: it says which kind, and the host decides whether to try again.
func ExampleViolation() {
	service, err := arvo.NewService(payment, arvo.Implement("1.0.0",
		func(context.Context, arvo.Input[Charge]) ([]arvo.Output, error) {
			return nil, &arvo.Violation{Kind: "RATE_LIMIT", Message: "the bank asks for patience"}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	in := arvo.Event{
		ID: "1", Source: "api.thin.lambda", Type: "com.payment.charge", Subject: "s", DataSchema: "#/services/payment/charge/1.0.0",
		Data: json.RawMessage(`{"order":"7","amount":12.5}`),
	}
	_, err = service.Handle(context.Background(), in)
	fmt.Println(err, arvo.IsViolation(err), errors.Is(err, arvo.ErrContract))

	in.Data = json.RawMessage(`{"order":"","amount":0}`)
	_, err = service.Handle(context.Background(), in)
	fmt.Println(err, arvo.IsViolation(err), errors.Is(err, arvo.ErrContract))
	// Output:
	// ViolationError<RATE_LIMIT> the bank asks for patience true false
	// ViolationError<Contract> Input event payload validation failed: order: must have at least 1 characters; amount: must be greater than 0 true true
}
