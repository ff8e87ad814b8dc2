package vectors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// factories are events made with a contract, "greet" for a service and "order" for an orchestrator.
var factories = suite{
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		return func(_ string, c vectors.Case) error { return checkFactory(f, c) }, nil
	},
	deviations: map[string]deviation{
		"init: child": {why: "a child answers its parent, not whoever began the parent", instead: func(f *vectors.File, c vectors.Case) error {
			k, err := readFactoryCase(c)
			if err != nil {
				return err
			}
			child, ok := k.Subjects["<subject:0>"].(map[string]any)
			if !ok {
				return errors.New("the recording has no child")
			}
			execution, meta := child["execution"].(map[string]any), child["meta"].(map[string]any)
			meta["redirectto"] = execution["initiator"]
			return k.check(f.Flavor)
		}},
	},
}

// A factoryCase is a case of factories.json.
type factoryCase struct {
	Name, Factory string
	OK            bool
	Error         *recordedError
	Param         json.RawMessage
	Extensions    json.RawMessage
	Event         map[string]any
	Subjects      map[string]any
}

func readFactoryCase(c vectors.Case) (k factoryCase, err error) { return k, c.Decode(&k) }

func checkFactory(f *vectors.File, c vectors.Case) error {
	k, err := readFactoryCase(c)
	if err != nil {
		return err
	}
	return k.check(f.Flavor)
}

func (k *factoryCase) check(flavor string) error {
	made, err := k.make(flavor)
	if !k.OK {
		return k.refused(err)
	}
	if err != nil {
		return err
	}
	labels := vectors.NewLabels()
	got, err := labels.Event(made, flavor)
	if err != nil {
		return err
	}
	if flavor == "v2" {
		for _, content := range labels.Subjects {
			withoutDomain(content)
		}
	}
	if err := same("the event", anyMap(k.Event), got); err != nil {
		return err
	}
	return same("the content of the subjects", anyMap(k.Subjects), anyMap(labels.Subjects))
}

func (k *factoryCase) make(flavor string) (arvo.Event, error) {
	var param struct {
		Type  string
		Error struct{ Name, Message string }
	}
	if err := json.Unmarshal(k.Param, &param); err != nil {
		return arvo.Event{}, err
	}
	d, unsayable, err := draftOf(flavor, k.Param, k.Extensions)
	if err != nil || len(unsayable) > 0 {
		return arvo.Event{}, fmt.Errorf("no draft can say %q: %w", unsayable, err)
	}
	service, orchestrator := contractVersion(flavor, "greet"), contractVersion(flavor, "order")
	switch k.Factory {
	case "accepts":
		return service.Accepts(d)
	case "emits":
		return service.Emits(param.Type, d)
	case "systemError":
		v := service
		if d.Source == orchestrator.Contract().Type() {
			v = orchestrator
		}
		return v.SystemError(namedError{param.Error.Name, param.Error.Message}, d)
	case "init":
		return orchestrator.Init(d)
	case "complete":
		return orchestrator.Complete(d)
	case "ctor": // the original refuses to make the factory, we to use it
		return service.Init(d)
	}
	return arvo.Event{}, fmt.Errorf("the factory %q is not known", k.Factory)
}

// refused compares a failure: what failed, and the validator's paths and codes.
func (k *factoryCase) refused(err error) error {
	recorded := *k.Error
	switch {
	case err == nil:
		return fmt.Errorf("accepted; the original says %s", recorded.Message)
	case strings.Contains(recorded.Message, " orchestration subject string "):
		return subjectRefused(err, &recorded)
	}
	what, _, validated := strings.Cut(recorded.Message, " failed: ")
	if validated && !strings.HasPrefix(err.Error(), what+" failed: ") {
		return fmt.Errorf("not %q: %w", what, err)
	}
	return refused(err, &recorded)
}
