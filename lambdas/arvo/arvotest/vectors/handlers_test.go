package vectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// handlers are single events handled by the service "greet". Those of v2 have a second list, of a router.
var handlers = suite{
	known: []string{"inputSubject", "handlerBehaviour"},
	lists: []string{"router"},
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		h, err := openHandlers(f)
		if err != nil {
			return nil, err
		}
		return func(list string, c vectors.Case) error {
			if list == "router" {
				return h.check(c, router{h.service})
			}
			return h.check(c, h.service)
		}, nil
	},
	deviations: map[string]deviation{
		"handler throws non Error": {why: "a panic, as near as Go comes to it, is an Execution violation; the original breaks down, or says nothing of what happened", instead: func(f *vectors.File, c vectors.Case) error {
			h, err := openHandlers(f)
			if err != nil {
				return err
			}
			var k handlerCase
			if err := c.Decode(&k); err != nil {
				return err
			}
			if _, err = h.handle(h.service, k.Input); !errors.Is(err, arvo.ErrExecution) || strings.Contains(err.Error(), "plain string") {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}},
	},
}

// A handlerFile is what the cases of a handlers.json share.
type handlerFile struct {
	flavor  string
	subject string // the one that is labelled <input-subject>
	service *arvo.Service
}

func openHandlers(f *vectors.File) (*handlerFile, error) {
	h := &handlerFile{flavor: f.Flavor}
	var contract string
	var units float64
	var subject struct{ Encoded string }
	err := errors.Join(f.Member("contractName", &contract), f.Member("handlerExecutionUnits", &units), f.Member("inputSubject", &subject))
	if err != nil {
		return nil, err
	}
	if contract != "greet" || units != 3 {
		return nil, fmt.Errorf("a service %q that costs %v is not known", contract, units)
	}
	h.subject = subject.Encoded
	h.service, err = greetService(f.Flavor)
	return h, err
}

// A handlerCase is a case of either list.
type handlerCase struct {
	Name   string
	Input  json.RawMessage
	OK     bool
	Events []any
	Thrown *recordedError

	Subjects map[string]any
}

func (h *handlerFile) check(c vectors.Case, handler arvo.Handler) error {
	var k handlerCase
	if err := c.Decode(&k); err != nil {
		return err
	}
	if k.Input == nil {
		return h.checkIncomplete(&k)
	}
	out, err := h.handle(handler, k.Input)
	if !k.OK {
		return refused(err, k.Thrown)
	}
	if err != nil {
		return err
	}
	labels := vectors.NewLabels()
	labels.Name("<input-subject>", h.subject)
	if err := sameEvents(labels, h.flavor, k.Events, out); err != nil {
		return err
	}
	if k.Subjects == nil {
		k.Subjects = map[string]any{}
	}
	return same("the content of the subjects", anyMap(k.Subjects), anyMap(labels.Subjects))
}

func (h *handlerFile) handle(handler arvo.Handler, input json.RawMessage) ([]arvo.Event, error) {
	d, unsayable, err := draftOf(h.flavor, input, nil)
	if err != nil || len(unsayable) > 0 {
		return nil, fmt.Errorf("no draft can say %q: %w", unsayable, err)
	}
	in, err := arvo.New(d)
	if err != nil {
		return nil, err
	}
	return handler.Handle(context.Background(), in)
}

// checkIncomplete is the case without an event: a service that lacks the implementation of a version.
func (h *handlerFile) checkIncomplete(k *handlerCase) error {
	if k.Name != "missing version implementation" || k.OK {
		return errors.New("the case is not known")
	}
	_, err := arvo.NewService(recordedContracts(h.flavor)["greet"], arvo.Implement("1.0.0", greet))
	if err == nil || !strings.HasSuffix(err.Error(), "requires handler implementation for version 2.0.0") {
		return fmt.Errorf("got %w", err)
	}
	return nil
}

// A router is the original's of the line v2 made of what there is here: a handler that finds another by the event's type
// and gives its answers out as its own. Neither v3 nor package arvo has one: a host routes by To.
type router struct{ service *arvo.Service }

const routerSource, routerUnits = "com.test.router", 1

func (r router) Handle(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
	if in.To != routerSource {
		return nil, &arvo.Violation{Kind: arvo.KindConfig, Message: fmt.Sprintf("the event is for %q", in.To)}
	}
	handler, ok := map[string]arvo.Handler{r.service.Source(): r.service}[in.Type]
	if !ok {
		return nil, &arvo.Violation{Kind: arvo.KindConfig, Message: fmt.Sprintf("nobody handles %q", in.Type)}
	}
	out, err := handler.Handle(ctx, in)
	for i := range out {
		units := *out[i].ExecutionUnits + routerUnits
		out[i].Source, out[i].ExecutionUnits = routerSource, &units
	}
	return out, err
}
