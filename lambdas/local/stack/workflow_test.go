package stack_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/stack"
)

// An order is what the data of a fulfilment differs in.
type order struct{ sku, method, country string }

func (o order) data(id string) string {
	return fmt.Sprintf(`{"order_id":%q,"items":[{"sku":%q,"quantity":2}],"amount":1999,"currency":"EUR","method":%q,`+
		`"address":{"name":"A. Lindgren","street":"Dalagatan 46","city":"Stockholm","postcode":"113 24","country":%q}}`, id, o.sku, o.method, o.country)
}

var good = order{"lamp", "pm_ok", "SE"}

// orders are one of each kind, and what becomes of it.
var orders = []struct {
	name           string
	order          order
	status, reason string
}{
	{"all goes well", good, "fulfilled", ""},
	{"the card is declined", order{"lamp", "pm_declined", "SE"}, "declined", "card declined"},
	{"the goods are sold out", order{"sold-out-lamp", "pm_ok", "SE"}, "rejected", "out of stock"},
	{"nobody delivers there", order{"lamp", "pm_ok", "AQ"}, "rejected", "country not served"},
}

var versions = []string{"1.0.0", "2.0.0"}

// begin has a fulfilment accepted and returns its subject.
func (s *system) begin(version string, o order) (subject string) {
	s.t.Helper()
	return s.post("arvo.orc.fulfilment", o.data("o-1")+in(version))
}

// in is what a body says behind its data.
func in(version string) string { return `,"version":"` + version + `"` }

// An outcome is the data of arvo.orc.fulfilment.done.
type outcome struct {
	Status, Reason string
	Reservation    struct {
		Status string
		ID     string `json:"reservation_id"`
	}
	Payment struct {
		Status string
		ID     string `json:"payment_id"`
	}
	Shipment struct {
		Status string
		ID     string `json:"booking_id"`
	}
}

// outcomeOf is the one answer on a subject that is completed.
func (s *system) outcomeOf(v view) (o outcome) {
	s.t.Helper()
	if len(v.Events) != 1 || v.Events[0].Type != "arvo.orc.fulfilment.done" || v.Events[0].Source != "arvo.orc.fulfilment" {
		s.t.Fatalf("it should have one outcome: %+v", v)
	}
	raw, err := json.Marshal(v.Events[0].Data)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// settled checks that what the sandbox has done is what the outcomes say: each thing once, all that is not fulfilled
// undone, and nothing besides.
func (s *system) settled(outcomes ...outcome) {
	s.t.Helper()
	effects := s.results()
	for _, o := range outcomes {
		type fact struct {
			Done *struct{ Refunded, Released bool }
		}
		recorded := func(operation, id string) (f fact, ok bool) {
			key := operation + "#" + id
			text, ok := effects[key]
			delete(effects, key)
			if !ok {
				return f, false
			}
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				s.t.Fatal(err)
			}
			return f, true
		}
		reserve, _ := recorded("inventory.reserve", o.Reservation.ID)
		release, released := recorded("inventory.release", o.Reservation.ID)
		charge, _ := recorded("payment.charge", o.Payment.ID)
		refund, refunded := recorded("payment.refund", o.Payment.ID)
		book, _ := recorded("shipping.book", o.Shipment.ID)
		if o.Status == "fulfilled" {
			if reserve.Done == nil || charge.Done == nil || book.Done == nil || released || refunded {
				s.t.Errorf("fulfilled, but reserved is %v, charged %v, booked %v, released %v, refunded %v", reserve.Done, charge.Done, book.Done, released, refunded)
			}
			continue
		}
		if goods := reserve.Done != nil; goods != (release.Done != nil && release.Done.Released) || goods != (o.Reservation.Status == "released") {
			s.t.Errorf("goods are set aside: %v, and put back: %+v; the outcome is %+v", goods, release.Done, o)
		}
		if money := charge.Done != nil; money != (refund.Done != nil && refund.Done.Refunded) || money != (o.Payment.Status == "refunded") {
			s.t.Errorf("money is taken: %v, and given back: %+v; the outcome is %+v", money, refund.Done, o)
		}
		if book.Done != nil {
			s.t.Errorf("a delivery is booked; the outcome is %+v", o)
		}
	}
	if len(effects) > 0 {
		s.t.Errorf("effects that no outcome tells of: %v", effects)
	}
	if dead := s.dead(); dead > 0 {
		s.t.Errorf("%d dead or unroutable letters", dead)
	}
}

// results are what EffectTable has recorded, by primary key.
func (s *system) results() map[string]string {
	s.t.Helper()
	results := map[string]string{}
	pages := dynamodb.NewScanPaginator(s.tables, &dynamodb.ScanInput{TableName: aws.String(s.Output("EffectTable"))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, item := range page.Items {
			results[textOf(item["pk"])] = textOf(item["result"])
		}
	}
	return results
}

func textOf(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

// dead is how many messages nobody could handle.
func (s *system) dead() (n int) {
	s.t.Helper()
	for _, output := range []string{"RequestsDlqUrl", "ResponsesDlqUrl", "RuleDlqUrl", "UnroutableQueueUrl"} {
		n += s.depth(output)
	}
	return n
}

// A memory is the STATE item of a workflow.
type memory struct {
	revision int
	status   string
	item     map[string]types.AttributeValue
	awaited  map[string]string // ids of calls, by type
}

// memory reads what is kept of a workflow.
func (s *system) memory(subject string) (m memory) {
	s.t.Helper()
	out, err := s.tables.GetItem(s.t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(s.Output("WorkflowTable")), Key: stateKey(subject), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	m.awaited = map[string]string{}
	if m.item = out.Item; m.item == nil {
		return m
	}
	var kept struct {
		Revision int
		Status   string
		Awaited  []struct{ ID, Type string }
	}
	if err := json.Unmarshal([]byte(textOf(m.item["workflow"])), &kept); err != nil {
		s.t.Fatal(err)
	}
	m.revision, m.status = kept.Revision, kept.Status
	for _, call := range kept.Awaited {
		m.awaited[call.Type] = call.ID
	}
	return m
}

func stateKey(subject string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: subject}, "sk": &types.AttributeValueMemberS{Value: "STATE"}}
}

// awaits waits until a workflow awaits the answer to a call of a type, and returns the call's id.
func (s *system) awaits(subject, eventType string) (id string) {
	s.t.Helper()
	eventually(s.t, "the workflow awaits "+eventType, func() bool { id = s.memory(subject).awaited[eventType]; return id != "" })
	return id
}

var due = regexp.MustCompile(`"due":"[^"]*"`)

// anHourLater makes a workflow's deadlines lie in the past, where an hour would have put them, and sends the tick that
// would have come meanwhile: what the template's rule sends, to where it sends it.
func (s *system) anHourLater(subject string) {
	s.t.Helper()
	now := time.Now()
	past := now.Add(-time.Hour)
	kept := s.memory(subject)
	_, err := s.tables.UpdateItem(s.t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(s.Output("WorkflowTable")), Key: stateKey(subject),
		UpdateExpression:    aws.String("SET workflow = :workflow, dueAt = :due"),
		ConditionExpression: aws.String("rev = :rev"), // no step has come between
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":workflow": &types.AttributeValueMemberS{Value: due.ReplaceAllString(textOf(kept.item["workflow"]), `"due":"`+past.UTC().Format(time.RFC3339)+`"`)},
			":due":      &types.AttributeValueMemberN{Value: strconv.FormatInt(past.UnixMilli(), 10)},
			":rev":      kept.item["rev"],
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	targets, err := s.events.ListTargetsByRule(s.t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("arvo-tick")})
	if err != nil || len(targets.Targets) != 1 || !strings.HasSuffix(*targets.Targets[0].Arn, ":arvo-requests") {
		s.t.Fatal(targets, err)
	}
	_, err = s.queues.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.Output("RequestsQueueUrl")), MessageBody: targets.Targets[0].Input})
	if err != nil {
		s.t.Fatal(err)
	}
}

// enable turns the mapping of a function on or off: without it, the function is a service that never answers.
func (s *system) enable(function string, on bool) {
	s.t.Helper()
	client := s.lambda()
	list, err := client.ListEventSourceMappings(s.t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: &function})
	if err != nil || len(list.EventSourceMappings) != 1 {
		s.t.Fatal(list, err)
	}
	id := list.EventSourceMappings[0].UUID
	if _, err := client.UpdateEventSourceMapping(s.t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: id, Enabled: &on}); err != nil {
		s.t.Fatal(err)
	}
	want := map[bool]string{true: "Enabled", false: "Disabled"}[on]
	eventually(s.t, "the mapping is "+want, func() bool {
		m, err := client.GetEventSourceMapping(s.t.Context(), &lambda.GetEventSourceMappingInput{UUID: id})
		if err != nil {
			s.t.Fatal(err)
		}
		return *m.State == want
	})
}

// replies are answers to a call as its service would send them, with ids of their own.
func replies(n int, subject, callID, eventType, source, data string) (details []string) {
	for i := range n {
		details = append(details, fmt.Sprintf(
			`{"id":"reply-%d","source":%q,"specversion":"1.0","type":%q,"subject":%q,"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo",`+
				`"dataschema":%q,"data":%s,"time":"2026-11-23T07:00:00.123+00:00","to":"arvo.orc.fulfilment","parentid":%q}`,
			i, source, eventType, subject, "#/services/"+strings.ReplaceAll(strings.TrimPrefix(source, "com."), ".", "/")+"/1.0.0", data, callID))
	}
	return details
}

// An order takes the same course in both versions, and a client reads what has become of it.
func TestAnOrderHasOneOutcome(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	var outcomes []outcome
	for _, version := range versions {
		for _, c := range orders {
			subject := s.begin(version, c.order)
			v, _ := s.get(subject, 10)
			if v.Status != "completed" {
				t.Fatalf("%s, %s: %+v", version, c.name, v)
			}
			o := s.outcomeOf(v)
			if o.Status != c.status || o.Reason != c.reason {
				t.Errorf("%s, %s: %+v", version, c.name, o)
			}
			if m := s.memory(subject); m.status != "done" {
				t.Errorf("%s, %s: the workflow is %s", version, c.name, m.status)
			}
			outcomes = append(outcomes, o)
		}
	}
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	s.settled(outcomes...)
}

// Promises 1 to 4 for workflows: what was accepted ends in one outcome, and the sandbox has done each thing once.
func TestNoOrderIsLostUnderFaults(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Faults: fault.Rates{Duplicate: 0.2, Kill: 0.03, PutEvents: 0.05, Throttle: 0.03, Delay: 50 * time.Millisecond}, Seed: 3})
	s.set("RequestsQueueUrl", "VisibilityTimeout", "3")
	s.set("ResponsesQueueUrl", "VisibilityTimeout", "3")
	const n = 16 // two of each order in each version
	var clients sync.WaitGroup
	subjects := make([]accepted, n)
	for i := range n {
		clients.Go(func() {
			data := orders[i/2%len(orders)].order.data(fmt.Sprint("o-", i))
			subjects[i] = s.insist("arvo.orc.fulfilment", data+in(versions[i%2]), fmt.Sprint("order-", i))
		})
	}
	clients.Wait()
	var outcomes []outcome
	for i, a := range subjects {
		var v view
		eventually(t, "there is an outcome of "+a.subject, func() bool {
			v, _ = s.read(a.subject)
			if dead := s.dead(); dead > 0 {
				t.Fatalf("%d dead letters: faults of this rate should heal", dead)
			}
			return v.Status == "completed" || v.Status == "failed"
		})
		o := s.outcomeOf(v)
		if want := orders[i/2%len(orders)]; o.Status != want.status || o.Reason != want.reason {
			t.Errorf("%s: %+v", want.name, o)
		}
		outcomes = append(outcomes, o)
	}
	// What still comes again may undo nothing and do nothing.
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	s.settled(outcomes...)
}

// A service that never answers: its part is given up when its time is up, the others are undone, and what it says in the
// end changes nothing.
func TestAServiceThatNeverAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"OwnLambda": "com.payment.charge"}})
	s.enable("arvo-own_handler", false)
	var outcomes []outcome
	revisions := map[string]int{}
	for _, version := range versions {
		subject := s.begin(version, good)
		call := s.awaits(subject, "com.payment.charge")
		eventually(t, "the goods are set aside", func() bool { return s.memory(subject).awaited["com.inventory.reserve"] == "" })
		if v, _ := s.read(subject); v.Status != "pending" {
			t.Fatalf("%+v", v)
		}
		s.anHourLater(subject)
		v, _ := s.get(subject, 10)
		if v.Status != "completed" {
			t.Fatalf("%s: %+v", version, v)
		}
		o := s.outcomeOf(v)
		if o.Status != "failed" || o.Reason != "payment: no answer in time" || o.Reservation.Status != "released" || o.Payment.Status != "none" || o.Payment.ID != call || o.Shipment.Status != "none" {
			t.Errorf("%s: %+v", version, o)
		}
		revisions[subject] = s.memory(subject).revision
		outcomes = append(outcomes, o)
	}

	// Now it answers. The money that was given up is not taken.
	received := s.Received("RequestsQueueUrl")
	s.enable("arvo-own_handler", true)
	eventually(t, "the late answers have been received", func() bool { return s.Received("RequestsQueueUrl") >= received+len(revisions) && s.Backlog() == 0 })
	for subject, revision := range revisions {
		m := s.memory(subject)
		if v, _ := s.read(subject); m.revision != revision || len(v.Events) != 1 || v.Deliveries != 1 {
			t.Errorf("after its outcome the workflow went on from revision %d to %d: %+v", revision, m.revision, v)
		}
		// As little does an answer of another's making.
		s.put(replies(3, subject, "no-call", "evt.payment.charge.success", "com.payment.charge", `{"payment_id":"x","order_id":"o-1","amount":1999,"currency":"EUR"}`)...)
	}
	eventually(t, "those have been received", func() bool { return s.Received("RequestsQueueUrl") >= received+4*len(revisions) && s.Backlog() == 0 })
	for subject, revision := range revisions {
		if m := s.memory(subject); m.revision != revision {
			t.Errorf("after its outcome the workflow went on from revision %d to %d", revision, m.revision)
		}
	}
	s.settled(outcomes...)
}

// Contention never uses up the receives that lead to the dead-letter queue: 200 answers to one workflow come at once, and
// each is taken.
func TestTwoHundredRepliesAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"OwnLambda": "com.payment.charge"}})
	s.enable("arvo-own_handler", false)
	subject := s.begin("2.0.0", good)
	s.awaits(subject, "com.payment.charge")
	var reserved string
	eventually(t, "the goods are set aside", func() bool {
		for key := range s.effects() {
			if id, ok := strings.CutPrefix(key, "inventory.reserve#"); ok {
				reserved = id
			}
		}
		return reserved != "" && s.memory(subject).revision == 2
	})

	const n = 200
	details := replies(n, subject, reserved, "evt.inventory.reserve.success", "com.inventory.reserve",
		`{"reservation_id":"`+reserved+`","order_id":"o-1","items":[{"sku":"lamp","quantity":2}]}`)
	s.enable("arvo-federated_handler", false)
	for entries := range slices.Chunk(details, 10) { // PutEvents takes no more
		s.put(entries...)
	}
	s.enable("arvo-federated_handler", true)
	eventually(t, "each is a step", func() bool {
		if dead := s.dead(); dead > 0 {
			t.Fatalf("%d dead letters", dead)
		}
		return s.memory(subject).revision == 2+n
	})
	s.enable("arvo-own_handler", true)
	v, _ := s.get(subject, 10)
	if v.Status != "completed" {
		t.Fatalf("%+v", v)
	}
	o := s.outcomeOf(v)
	if o.Status != "fulfilled" {
		t.Errorf("%+v", o)
	}
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	s.settled(o)
}

func TestAWorkflowInALambdaOfItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"OwnLambda": "arvo.orc.fulfilment"}})
	var outcomes []outcome
	for _, version := range versions {
		v, _ := s.get(s.begin(version, good), 10)
		if v.Status != "completed" {
			t.Fatalf("%s: %+v", version, v)
		}
		outcomes = append(outcomes, s.outcomeOf(v))
	}
	if s.Invocations("arvo-own_handler") == 0 || s.Invocations("arvo-federated_handler") == 0 {
		t.Errorf("the workflow's Lambda ran %d times, the services' %d times", s.Invocations("arvo-own_handler"), s.Invocations("arvo-federated_handler"))
	}
	s.settled(outcomes...)
}
