package arvotest_test

import (
	"context"
	"fmt"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// The workflow of the examples orders a translation and answers with it, or with the original if none comes in time.

type Translate struct {
	Text string `json:"text"`
}

type Translation struct {
	Text string `json:"text"`
}

type Publish struct {
	Text string `json:"text"`
}

type Published struct {
	Text string `json:"text"`
}

type publishing struct {
	Original string `json:"original"`
}

var translation = arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
	URI: "#/services/text/translate", Type: "text.translate",
	Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: arvo.SchemaFor[Translate](), Emits: arvo.SchemaFor[Translation]()}},
}))

var publication = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/workflows/publish", Name: "publish",
	Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[Publish](), Complete: arvo.SchemaFor[Published]()}},
}))

func newPublication(memory arvo.Memory) (arvo.Handler, error) {
	v, err := translation.Version("1.0.0")
	if err != nil {
		return nil, err
	}
	return arvo.NewResumable(publication, memory, arvo.Calls(v),
		arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[publishing, Publish]) error {
			switch s.Event.Type {
			case publication.Type():
				s.State.Original = s.Init.Text
				s.Call(arvo.Call{Type: translation.Type(), Data: Translate{Text: s.Init.Text}, Timeout: time.Minute})
			case "evt.text.translate.success":
				var answer Translation
				if err := s.Data(&answer); err != nil {
					return err
				}
				s.Complete(arvo.Completion{Data: Published(answer)})
			case translation.SystemErrorType():
				s.Complete(arvo.Completion{Data: Published{Text: s.State.Original + " (not translated)"}})
			}
			return nil
		}))
}

// newTranslator asks a dictionary: the port through which the service reaches the world.
func newTranslator(dictionary func(word string) string) (*arvo.Service, error) {
	return arvo.NewService(translation, arvo.Implement("1.0.0",
		func(_ context.Context, in arvo.Input[Translate]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: "evt.text.translate.success", Data: Translation{Text: dictionary(in.Data.Text)}}}, nil
		}))
}

// publish puts the workflow and a service on a bus and has it run to its end with the event that begins one. It returns the
// subject.
func publish(bus *arvotest.Bus, memory arvo.Memory) (subject string, err error) {
	workflow, err := newPublication(memory)
	if err != nil {
		return "", err
	}
	translator, err := newTranslator(func(string) string { return "good morning" })
	if err != nil {
		return "", err
	}
	bus.Handle(publication.Type(), workflow)
	bus.Host(translator)
	v, err := publication.Version("1.0.0")
	if err != nil {
		return "", err
	}
	first, err := v.Init(arvo.Draft{Source: "api.thin.lambda", Data: map[string]any{"text": "guten Morgen", arvo.ParentSubject: nil}})
	if err != nil {
		return "", err
	}
	bus.Publish(first)
	return first.Subject, bus.Run(context.Background())
}

// A workflow and a service on a bus that delivers all events twice, in any order, and kills the host in between. The client
// gets one answer.
func ExampleBus() {
	bus := &arvotest.Bus{Seed: 1, Shuffle: true, Copies: 2, Kill: 0.3}
	if _, err := publish(bus, arvotest.NewMemory()); err != nil {
		fmt.Println(err)
		return
	}
	for _, answer := range bus.At("api.thin.lambda") {
		fmt.Println(answer.Type, string(answer.Data))
	}
	fmt.Println(len(bus.Deliveries()) > 2*len(bus.Published()), len(bus.DeadLetters()))
	// Output:
	// arvo.orc.publish.done {"text":"good morning"}
	// true 0
}

// A service that never answers: the time of the call runs out, and what the service says later changes nothing.
func ExampleBus_Timeouts() {
	bus := &arvotest.Bus{Withhold: func(e arvo.Event) bool { return e.Type == "evt.text.translate.success" }}
	memory := arvotest.NewMemory()
	if _, err := publish(bus, memory); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	late, err := bus.Timeouts(ctx, memory, time.Now().Add(2*time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(late, "call has timed out")
	if err := bus.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bus.Release(), "answer comes late")
	if err := bus.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, answer := range bus.At("api.thin.lambda") {
		fmt.Println(answer.Type, string(answer.Data))
	}
	// Output:
	// 1 call has timed out
	// 1 answer comes late
	// arvo.orc.publish.done {"text":"guten Morgen (not translated)"}
}

// The history of a workflow goes through the code as it is now. Its services answer from what is recorded of the world:
// here it is a dictionary, of which one edition was recorded and another is in use.
func ExampleReplay() {
	bus, memory := &arvotest.Bus{}, arvotest.NewMemory()
	subject, err := publish(bus, memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	history, err := memory.History(context.Background(), subject)
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, edition := range []string{"good morning", "morning"} {
		translator, err := newTranslator(func(string) string { return edition })
		if err != nil {
			fmt.Println(err)
			return
		}
		replay := arvotest.Replay{Workflow: newPublication, Services: []arvo.Hosted{translator}}
		report, err := replay.Run(context.Background(), history)
		fmt.Println(report)
		if difference, ok := err.(*arvotest.Difference); ok {
			fmt.Println("record", difference.Record, difference.Field)
			fmt.Println("  recorded", difference.Recorded)
			fmt.Println("  replayed", difference.Replayed)
		}
	}
	// Output:
	// steps 2, answers 1, timeouts 0, outside 1, unheard 0
	// steps 1, answers 0, timeouts 0, outside 1, unheard 0
	// record 2 /data/text
	//   recorded "good morning"
	//   replayed "morning"
}
