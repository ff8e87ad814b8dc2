package vectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// orchestration are workflows, event by event: what each step sends, asks of its memory and leaves there.
var orchestration = suite{
	known: []string{"namedSubjects"},
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		named, err := namedSubjects(f)
		return func(_ string, c vectors.Case) error {
			k, err := readOrchestrationCase(c)
			if err != nil {
				return err
			}
			return k.check(f.Flavor, named)
		}, err
	},
	deviations: map[string]deviation{
		"dataschema version mismatch": recordedOtherwise("an init of another version is a Contract violation and leaves no trace, as with the original's other orchestrator; its workflow fails for ever",
			func(_ *vectors.File, k *orchestrationCase) error {
				k.Steps[0].refuse(arvo.KindContract)
				return nil
			}),
		"dataschema wildcard": recordedOtherwise("an init of the wildcard version begins the workflow, as with the original's other orchestrator; its workflow fails for ever",
			func(f *vectors.File, k *orchestrationCase) error {
				happy, err := findOrchestration(f, "happy path")
				if err != nil {
					return err
				}
				input := k.Steps[0].Input
				k.Steps[0] = happy.Steps[0]
				k.Steps[0].Input = input
				k.Steps[0].State["events"].(map[string]any)["consumed"].(map[string]any)["dataschema"] = "#/test/orc/order/0.0.0"
				return nil
			}),
		"duplicate init while active": recordedOtherwise("a workflow begins once; the original's begins again, and sends again",
			func(_ *vectors.File, k *orchestrationCase) error {
				k.Steps[1].ignore(&k.Steps[0])
				return nil
			}),
		"event after completion is ignored": recordedOtherwise("what a finished workflow ignores is not written; and the same event again, as it is here, gives what it gave",
			func(_ *vectors.File, k *orchestrationCase) error {
				last := len(k.Steps) - 1
				// Another event is ignored, so is the one that the recorder sent, but for sending again what it has led to.
				late := k.Steps[last]
				late.Input = json.RawMessage(strings.Replace(string(late.Input), `"reply-charged"`, `"reply-late"`, 1))
				late.ignore(&k.Steps[last-1])
				k.Steps[last].ignore(&k.Steps[last-1])
				k.Steps[last].Events = k.Steps[last-1].Events
				k.Steps = append(k.Steps, late)
				return nil
			}),
	},
}

// recordedOtherwise is a deviation that is a case with another ending.
func recordedOtherwise(why string, change func(*vectors.File, *orchestrationCase) error) deviation {
	return deviation{why: why, instead: func(f *vectors.File, c vectors.Case) error {
		k, err := readOrchestrationCase(c)
		if err != nil {
			return err
		}
		if err := change(f, &k); err != nil {
			return err
		}
		named, err := namedSubjects(f)
		if err != nil {
			return err
		}
		return k.check(f.Flavor, named)
	}}
}

// An orchestrationCase is a case of orchestration.json.
type orchestrationCase struct {
	Name     string
	Handler  string         // "resumable", "orchestrator" for the original's second kind, or "broker"
	Steps    []recordedStep // unless it is "broker"
	Subjects map[string]any

	// op "config": workflows that are put together wrong
	Op                     string
	OK                     bool
	Thrown                 *recordedError
	ResumableTwoServices   bool // locks by default
	OrchestratorSequential bool

	// broker: a workflow and its services on a bus
	Resolved            any
	Sequence            []any // all events, in the order they were sent
	Errors              []any
	TotalExecutionUnits float64
	Topics              []string
}

// A recordedStep is one event and what came of it.
type recordedStep struct {
	Input       json.RawMessage
	OK          bool
	Events      []any
	Thrown      *recordedError
	MemoryCalls []string       // nil: not recorded, nor is what follows
	State       map[string]any // what the memory holds for the subject then
	Locked      bool           // whether its lock is held then
}

// refuse makes it a step that is a violation.
func (s *recordedStep) refuse(kind string) {
	s.OK, s.Events, s.State, s.MemoryCalls = false, nil, nil, []string{"lock", "read", "unlock"}
	s.Thrown = &recordedError{Kind: "ViolationError<" + kind + ">", ViolationType: kind, IsViolation: true}
}

// ignore makes it a step that changes nothing.
func (s *recordedStep) ignore(previous *recordedStep) {
	s.OK, s.Events, s.Thrown, s.State, s.MemoryCalls = true, []any{}, nil, previous.State, []string{"lock", "read", "unlock"}
}

func readOrchestrationCase(c vectors.Case) (k orchestrationCase, err error) {
	return k, c.Decode(&k)
}

func findOrchestration(f *vectors.File, name string) (k orchestrationCase, err error) {
	cases, err := f.Cases("cases")
	if err != nil {
		return k, err
	}
	for _, c := range cases {
		if k, err = readOrchestrationCase(c); c.Name == name && (err != nil || k.Handler == "resumable") {
			return k, err
		}
	}
	return k, fmt.Errorf("there is no case %q to compare with", name)
}

// namedSubjects are the subjects that stand in inputs by a name, <S:...>.
func namedSubjects(f *vectors.File) (map[string]string, error) {
	var recorded map[string]struct{ Encoded string }
	if err := f.Member("namedSubjects", &recorded); err != nil {
		return nil, err
	}
	named := make(map[string]string)
	for name, s := range recorded {
		named[name] = s.Encoded
	}
	return named, nil
}

func (k *orchestrationCase) check(flavor string, named map[string]string) error {
	switch {
	case k.Op == "config":
		return k.checkConfig(flavor)
	case k.Op != "":
		return fmt.Errorf("the op %q is not known", k.Op)
	case k.Handler == "orchestrator":
		return vectors.Skip("xstate")
	case k.Handler == "broker":
		return k.checkBroker(flavor, named)
	case k.Handler != "resumable":
		return fmt.Errorf("the handler %q is not known", k.Handler)
	}
	r, err := k.begin(flavor, named)
	if err != nil {
		return err
	}
	for i := range k.Steps {
		if err := r.step(&k.Steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	if k.Subjects == nil {
		k.Subjects = map[string]any{}
	}
	return same("the content of the subjects", anyMap(k.Subjects), anyMap(r.labels.Subjects))
}

// A run takes the steps of a case.
type run struct {
	flavor   string
	subjects map[string]any // contents by label, as recorded
	labels   *vectors.Labels
	memory   *memory
	workflow *arvo.Resumable
	sent     []arvo.Event // by all steps
}

func (k *orchestrationCase) begin(flavor string, named map[string]string) (*run, error) {
	r := &run{flavor: flavor, subjects: k.Subjects, labels: vectors.NewLabels()}
	for label, subject := range named {
		r.labels.Name(label, subject)
	}
	var err error
	if r.memory, err = memoryFor(k.Name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(k.Name, "parent calls child: ") {
		r.workflow, err = batchWorkflow(flavor, r.memory)
	} else {
		r.workflow, err = orderWorkflow(flavor, r.memory)
	}
	return r, err
}

func (r *run) step(recorded *recordedStep) error {
	in, err := r.input(recorded.Input)
	if err != nil {
		return err
	}
	r.memory.calls = []string{}
	out, err := r.workflow.Handle(context.Background(), in)
	r.sent = append(r.sent, out...)
	switch {
	case !recorded.OK:
		if err := stepRefused(err, recorded.Thrown); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := sameEvents(r.labels, r.flavor, recorded.Events, out); err != nil {
			return err
		}
	}
	if recorded.MemoryCalls == nil {
		return nil
	}
	if diff := cmp.Diff(recorded.MemoryCalls, r.memory.calls); diff != "" {
		return fmt.Errorf("the calls of the memory differ (-recorded +got):\n%s", diff)
	}
	return r.checkMemory(in.Subject, recorded)
}

var labelPattern = regexp.MustCompile(`"<(S|subject|uuid):[^">]+>"`)

// input is an event with what its labels stand for.
func (r *run) input(text json.RawMessage) (arvo.Event, error) {
	var err error
	replaced := labelPattern.ReplaceAllFunc(text, func(quoted []byte) []byte {
		label := strings.Trim(string(quoted), `"`)
		value, ok := r.labels.Value(label)
		if !ok {
			if value, err = r.subject(label); err != nil {
				return quoted
			}
		}
		return []byte(`"` + value + `"`)
	})
	if err != nil {
		return arvo.Event{}, err
	}
	labelled, err := r.labels.JSON(replaced)
	if err != nil {
		return arvo.Event{}, err
	}
	if err := same("the input", value(text), labelled); err != nil {
		return arvo.Event{}, err
	}
	d, unsayable, err := draftOf(r.flavor, replaced, nil)
	if err != nil || len(unsayable) > 0 {
		return arvo.Event{}, fmt.Errorf("no draft can say %q: %w", unsayable, err)
	}
	return arvo.New(d)
}

// subject makes a subject of the recorder's whose content alone is recorded.
func (r *run) subject(label string) (string, error) {
	content, ok := r.subjects[label]
	if !ok {
		return "", fmt.Errorf("nobody knows what %s is", label)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	return encoded(text), nil
}

// stepRefused compares a violation. That of a memory has a cause.
func stepRefused(err error, recorded *recordedError) error {
	if err := refused(err, recorded); err != nil {
		return err
	}
	cause := ""
	var failed *arvo.MemoryError
	if errors.As(err, &failed) {
		cause = failed.Failed
	}
	if cause != recorded.Cause {
		return fmt.Errorf("the cause is %q, recorded: %q (%w)", cause, recorded.Cause, err)
	}
	return nil
}

// checkMemory compares what the memory holds after a step with the original's record, which has the last step in it.
func (r *run) checkMemory(subject string, recorded *recordedStep) error {
	if locked, err := r.memory.isLocked(subject); err != nil || locked != recorded.Locked {
		return fmt.Errorf("locked: %v, recorded: %v (%w)", locked, recorded.Locked, err)
	}
	w, err := r.memory.keeps(subject)
	if err != nil {
		return err
	}
	if w == nil || recorded.State == nil {
		if (w == nil) != (recorded.State == nil) {
			return fmt.Errorf("the memory keeps %+v, recorded: %v", w, recorded.State)
		}
		return nil
	}
	got, err := r.record(subject, w)
	if err != nil {
		return err
	}
	state := withoutExpected(recorded.State)
	if err := same("the record in the memory", state, got); err != nil {
		return err
	}
	return r.checkAwaited(w, recorded.State)
}

// record is what is kept of a workflow, written like the original's record.
func (r *run) record(subject string, w *kept) (any, error) {
	if w.Status == arvo.StatusFailed {
		return r.labelled(map[string]any{
			"executionStatus": "failure", "subject": subject,
			"error": map[string]any{"<Error>": map[string]any{"kind": w.Failure.Name, "message": w.Failure.Message}},
		})
	}
	var parent any
	if w.ParentSubject != "" {
		parent = w.ParentSubject
	}
	state := w.State
	if string(state) == "{}" { // a Go struct with nothing in it; the recorder's workflow had no context
		state = json.RawMessage("null")
	}
	return r.labelled(map[string]any{
		"executionStatus": "normal", "status": w.Status, "subject": subject, "parentSubject": parent, "initEventId": w.InitID,
		"events": map[string]any{"consumed": w.last.Input, "produced": w.last.Produced}, "state$$": state,
	})
}

func (r *run) labelled(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return r.labels.JSON(text)
}

// withoutExpected is a record without the answers that were collected, which our records do not repeat.
func withoutExpected(state map[string]any) any {
	out := make(map[string]any)
	for name, member := range state {
		out[name] = member
	}
	if events, ok := out["events"].(map[string]any); ok {
		out["events"] = map[string]any{"consumed": events["consumed"], "produced": events["produced"]}
	}
	return out
}

// checkAwaited: what the last batch of the original's workflow has no answer to is awaited, if it is a call of a service
// with a contract and the workflow is not over.
func (r *run) checkAwaited(w *kept, state map[string]any) error {
	events, ok := state["events"].(map[string]any)
	if !ok || w.Status != arvo.StatusActive {
		if len(w.Awaited) > 0 {
			return fmt.Errorf("a workflow that is over awaits %+v", w.Awaited)
		}
		return nil
	}
	expected, _ := events["expected"].(map[string]any) // null before anything is sent
	for label, replies := range expected {
		id, _ := r.labels.Value(label)
		i := slices.IndexFunc(r.sent, func(e arvo.Event) bool { return e.ID == id })
		if i < 0 {
			return fmt.Errorf("%s is expected and was not sent", label)
		}
		call := r.sent[i].Type == reserveType || r.sent[i].Type == chargeType
		open := len(replies.([]any)) == 0
		awaited := slices.ContainsFunc(w.Awaited, func(a arvo.Awaited) bool { return a.ID == id })
		if awaited != (call && open) {
			return fmt.Errorf("%s (%s): awaited: %v, answers recorded: %v", label, r.sent[i].Type, awaited, replies)
		}
	}
	return nil
}

// memory is one that writes down its calls, under the names that they have in the original, and fails as a case wants.
type memory struct {
	*arvotest.LockingMemory
	calls  []string
	denied bool // another holds every lock
}

// kept is all that a memory keeps of a subject that its record in the original's memory would tell.
type kept struct {
	arvo.Workflow
	last arvo.Record
}

var memoryOperations = map[arvotest.Operation]string{
	arvotest.OpLock: "lock", arvotest.OpUnlock: "unlock", arvotest.OpRecall: "read", arvotest.OpCommit: "write",
}

// memoryFor is the memory of a case. What is wrong with it is said by the name of the case alone.
func memoryFor(name string) (*memory, error) {
	m := &memory{LockingMemory: arvotest.NewLockingMemory()}
	failing, fails := strings.CutSuffix(name, " throws")
	m.denied = name == "lock denied"
	m.Before = func(_ context.Context, call arvotest.Call) error {
		operation, ok := memoryOperations[call.Operation]
		if !ok || m.calls == nil { // the history is read besides, or the test looks in
			return nil
		}
		m.calls = append(m.calls, operation)
		if fails && operation == failing {
			return errors.New("net")
		}
		return nil
	}
	if fails && !slices.Contains([]string{"lock", "unlock", "read", "write"}, failing) {
		return nil, fmt.Errorf("a memory that fails at %q is not known", failing)
	}
	return m, nil
}

// Lock implements [arvo.Locker].
func (m *memory) Lock(ctx context.Context, subject string) (bool, error) {
	if m.denied && m.calls != nil {
		m.calls = append(m.calls, "lock")
		return false, nil
	}
	return m.LockingMemory.Lock(ctx, subject)
}

// unseen runs f without its calls being written down.
func (m *memory) unseen(f func(context.Context) error) error {
	calls := m.calls
	m.calls = nil
	defer func() { m.calls = calls }()
	return f(context.Background())
}

func (m *memory) isLocked(subject string) (locked bool, err error) {
	err = m.unseen(func(ctx context.Context) error {
		got, err := m.LockingMemory.Lock(ctx, subject)
		if locked = !got; got && err == nil {
			err = m.Unlock(ctx, subject)
		}
		return err
	})
	return locked, err
}

func (m *memory) keeps(subject string) (k *kept, err error) {
	err = m.unseen(func(ctx context.Context) error {
		w, _, err := m.Recall(ctx, subject, arvo.Key{})
		if err != nil || w == nil {
			return err
		}
		history, err := m.History(ctx, subject)
		if err != nil {
			return err
		}
		k = &kept{*w, history[len(history)-1]}
		return nil
	})
	return k, err
}

// checkConfig puts a workflow together. Two of the cases are of the original's second kind of orchestrator.
func (k *orchestrationCase) checkConfig(flavor string) error {
	calls := func(names ...string) error {
		var services []*arvo.Version
		for _, name := range names {
			services = append(services, contractVersion(flavor, name))
		}
		_, err := arvo.NewResumable(recordedContracts(flavor)["order"], arvotest.NewMemory(), arvo.Calls(services...), arvo.Resume("1.0.0", resumeOrder))
		return err
	}
	switch k.Name {
	case "two services with the same uri":
		return k.refused(calls("charge", "charge"))
	case "self as a service":
		return k.refused(calls("order"))
	case "locking default":
		return k.checkLocking(flavor)
	case "orchestrator without machines", "orchestrator with duplicate versions":
		return vectors.Skip("xstate")
	}
	return errors.New("the configuration is not known")
}

func (k *orchestrationCase) refused(err error) error {
	if k.OK {
		return err
	}
	return refused(err, k.Thrown)
}

// checkLocking sees whether a workflow of two services locks its subject unasked.
func (k *orchestrationCase) checkLocking(flavor string) error {
	m, err := memoryFor(k.Name)
	if err != nil {
		return err
	}
	m.calls = []string{}
	workflow, err := orderWorkflow(flavor, m)
	if err != nil {
		return err
	}
	subject, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: orderType, Version: "1.0.0", Initiator: "api.thin.lambda"})
	if err != nil {
		return err
	}
	in, err := contractVersion(flavor, "order").Init(arvo.Draft{
		Source: "api.thin.lambda", Subject: subject, Data: json.RawMessage(`{"parentSubject$$":null,"order":"o","amount":1,"sku":"s"}`),
	})
	if err != nil {
		return err
	}
	if _, err := workflow.Handle(context.Background(), in); err != nil {
		return err
	}
	if locks := slices.Contains(m.calls, "lock"); locks != k.ResumableTwoServices {
		return fmt.Errorf("locks: %v", locks)
	}
	return nil
}

// checkBroker runs the workflow "happy path" on a bus: a queue from which the event that came last goes to the handler
// that is called like its To.
func (k *orchestrationCase) checkBroker(flavor string, named map[string]string) error {
	init := recordedStep{Input: json.RawMessage(`{"id":"init-1","time":"2025-01-01T00:00:00.000Z","source":"api.thin.lambda",` +
		`"type":"arvo.orc.order","subject":"<S:order>","dataschema":"#/test/orc/order/1.0.0",` +
		`"data":{"parentSubject$$":null,"order":"o1","amount":10,"sku":"sku1"}}`)}
	r, err := k.begin(flavor, named)
	if err != nil {
		return err
	}
	in, err := r.input(init.Input)
	if err != nil {
		return err
	}
	services, err := orderServices(flavor)
	if err != nil {
		return err
	}
	topics := []string{r.workflow.Source()}
	handlers := map[string]arvo.Handler{r.workflow.Source(): r.workflow}
	for _, service := range services {
		topics = append(topics, service.Source())
		handlers[service.Source()] = service
	}
	topics = append(topics, in.Source) // who waits for the answer
	failures := []any{}
	sequence := []arvo.Event{}
	var resolved arvo.Event
	for queue := []arvo.Event{in}; len(queue) > 0; {
		e := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		sequence = append(sequence, e)
		if e.To == in.Source {
			resolved = e
			continue
		}
		handler, ok := handlers[e.To]
		if !ok {
			return fmt.Errorf("nobody is called %s", e.To)
		}
		out, err := handler.Handle(context.Background(), e)
		if err != nil {
			failures = append(failures, err.Error())
		}
		queue = append(queue, out...)
	}
	answer, err := r.labels.Event(resolved, flavor)
	if err != nil {
		return err
	}
	units := 0.0
	var list []any
	for _, e := range sequence {
		all, err := r.labels.Event(e, flavor)
		if err != nil {
			return err
		}
		some := make(map[string]any)
		for _, name := range []string{"type", "source", "to", "parentid", "redirectto", "executionunits", "subject"} {
			some[name] = all.(map[string]any)[name]
		}
		list = append(list, some)
		if e.ExecutionUnits != nil {
			units += *e.ExecutionUnits
		}
	}
	slices.Sort(topics)
	slices.Sort(k.Topics)
	return errors.Join(
		same("the answer", k.Resolved, answer), same("the list of events", k.Sequence, list), same("the list of errors", k.Errors, failures),
		same("the cost", k.TotalExecutionUnits, units), same("the list of topics", k.Topics, topics),
	)
}
