package bus

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Wire returns the operations in AWS JSON 1.1, as SDKs call them.
func (s *Service) Wire() wire.Service {
	return wire.Service{
		Prefix:  "AWSEvents",
		Version: "1.1",
		Operations: map[string]wire.Operation{
			"PutEvents":        s.putEvents,
			"TestEventPattern": strict(s.testEventPattern),

			"CreateEventBus":   control(s, s.createEventBus),
			"DeleteEventBus":   control(s, s.deleteEventBus),
			"DescribeEventBus": control(s, s.describeEventBus),
			"ListEventBuses":   control(s, s.listEventBuses),

			"PutRule":               control(s, s.putRuleOp),
			"DeleteRule":            control(s, s.deleteRule),
			"DescribeRule":          control(s, s.describeRule),
			"ListRules":             control(s, s.listRules),
			"ListRuleNamesByTarget": control(s, s.listRuleNamesByTarget),
			"EnableRule":            control(s, s.setEnabled(true)),
			"DisableRule":           control(s, s.setEnabled(false)),

			"PutTargets":        control(s, s.putTargetsOp),
			"RemoveTargets":     control(s, s.removeTargets),
			"ListTargetsByRule": control(s, s.listTargetsByRule),
		},
	}
}

// strict makes an operation of a function. Members of a request that In does not have are refused, since ignoring them
// would be a setting without effect; what it has is checked by [checkMembers].
func strict[In, Out any](f func(*In) (*Out, error)) wire.Operation {
	return func(_ context.Context, body []byte) (any, error) {
		in := new(In)
		if err := wire.UnmarshalStrict(body, in); err != nil {
			if unknown, ok := errors.AsType[*wire.UnknownMemberError](err); ok {
				return nil, wire.Errorf("ValidationException", "%.256q is not supported by this event bus", unknown.Name)
			}
			return nil, wire.SerializationError(err)
		}
		if err := checkMembers(reflect.ValueOf(in).Elem()); err != nil {
			return nil, err
		}
		out, err := f(in)
		if err != nil {
			return nil, err // not a typed nil
		}
		return out, nil
	}
}

// control is strict for a function that is called under the lock.
func control[In, Out any](s *Service, f func(*In) (*Out, error)) wire.Operation {
	return strict(func(in *In) (*Out, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f(in)
	})
}

// checkMembers names all members of a request that break a constraint, as AWS does: those with the tag required that are not
// there, and those with the tag form, a name of forms, that do not have it.
func checkMembers(in reflect.Value) error {
	var broken []string
	for i, t := 0, in.Type(); i < t.NumField(); i++ {
		f, member := t.Field(i), strings.ToLower(t.Field(i).Name[:1])+t.Field(i).Name[1:]
		switch absent := in.Field(i).IsZero(); {
		case absent && f.Tag.Get("required") == "true":
			broken = append(broken, "Value null at '"+member+"' failed to satisfy constraint: Member must not be null")
		case !absent && f.Tag.Get("form") != "":
			if text := forms[f.Tag.Get("form")].violation(in.Field(i).String(), member); text != "" {
				broken = append(broken, text)
			}
		}
	}
	switch len(broken) {
	case 0:
		return nil
	case 1:
		return wire.Errorf("ValidationException", "1 validation error detected: %s", broken[0])
	}
	return wire.Errorf("ValidationException", "%d validation errors detected: %s", len(broken), strings.Join(broken, "; "))
}

type empty struct{}

// page cuts a list for one answer. Tokens are the key after which to go on.
func page[T interface{ key() string }](list []T, limit *int, token string) (part []T, next string, err error) {
	n := 100
	if limit != nil {
		if n = *limit; n < 1 || n > 100 {
			return nil, "", wire.Errorf("ValidationException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", n)
		}
	}
	if token != "" {
		i := slices.IndexFunc(list, func(v T) bool { return v.key() > token })
		if i < 0 {
			return nil, "", nil
		}
		list = list[i:]
	}
	if len(list) > n {
		return list[:n], list[n-1].key(), nil
	}
	return list, "", nil
}

func filter[T interface{ key() string }](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(list, func(v T) bool { return !keep(v) })
}

// seconds is a time as AWS JSON has it.
type seconds time.Time

func (t seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(t).UnixMilli()) / 1000)
}

// ---- event buses

type createEventBusIn struct {
	Name        string `required:"true" form:"bus"`
	Description string
	Tags        []tag
}

type tag struct{ Key, Value string }

type createEventBusOut struct {
	EventBusArn string
	Description string `json:",omitempty"`
}

func (s *Service) createEventBus(in *createEventBusIn) (*createEventBusOut, error) {
	if err := noTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.createBus(in.Name, in.Description); err != nil {
		return nil, err
	}
	return &createEventBusOut{EventBusArn: s.busARN(in.Name), Description: in.Description}, nil
}

func noTags(tags []tag) error {
	if len(tags) > 0 {
		return wire.Errorf("ValidationException", "Tags are not supported by this event bus")
	}
	return nil
}

type deleteEventBusIn struct {
	Name string `required:"true" form:"bus"`
}

func (s *Service) deleteEventBus(in *deleteEventBusIn) (*empty, error) {
	name := s.busName(in.Name)
	if name == defaultBus {
		return nil, wire.Errorf("ValidationException", "Cannot delete event bus default.")
	}
	if b, ok := s.buses[name]; ok {
		if len(b.rules) > 0 {
			return nil, wire.Errorf("ValidationException", "Event bus can't be deleted since it has rules.")
		}
		delete(s.buses, name)
		s.publish()
	}
	return &empty{}, nil
}

type busOut struct {
	Name, Arn                      string
	Description                    string `json:",omitempty"`
	CreationTime, LastModifiedTime seconds
}

func (s *Service) describe(b *eventBus) busOut {
	return busOut{Name: b.name, Arn: s.busARN(b.name), Description: b.description, CreationTime: seconds(b.created), LastModifiedTime: seconds(b.modified)}
}

type describeEventBusIn struct {
	Name string `form:"bus or ARN"`
}

func (s *Service) describeEventBus(in *describeEventBusIn) (*busOut, error) {
	b, err := s.bus(in.Name)
	if err != nil {
		return nil, err
	}
	out := s.describe(b)
	return &out, nil
}

type listEventBusesIn struct {
	NamePrefix string `form:"bus"`
	NextToken  string
	Limit      *int
}

type listEventBusesOut struct {
	EventBuses []busOut
	NextToken  string `json:",omitempty"`
}

func (s *Service) listEventBuses(in *listEventBusesIn) (*listEventBusesOut, error) {
	list := filter(sorted(s.buses), func(b *eventBus) bool { return strings.HasPrefix(b.name, in.NamePrefix) })
	list, next, err := page(list, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listEventBusesOut{EventBuses: []busOut{}, NextToken: next}
	for _, b := range list {
		out.EventBuses = append(out.EventBuses, s.describe(b))
	}
	return out, nil
}

// ---- rules

type putRuleIn struct {
	Name                                                          string `required:"true" form:"rule"`
	EventBusName                                                  string `form:"bus or ARN"`
	EventPattern, ScheduleExpression, State, Description, RoleArn string
	Tags                                                          []tag
}

type putRuleOut struct{ RuleArn string }

func (s *Service) putRuleOp(in *putRuleIn) (*putRuleOut, error) {
	if err := noTags(in.Tags); err != nil {
		return nil, err
	}
	if in.State != "" && in.State != "ENABLED" && in.State != "DISABLED" {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]", clip(in.State))
	}
	r, err := s.putRule(Rule{
		Name: in.Name, Bus: in.EventBusName, Description: in.Description, RoleARN: in.RoleArn,
		Pattern: []byte(in.EventPattern), Schedule: in.ScheduleExpression, Enabled: in.State != "DISABLED",
	})
	if err != nil {
		return nil, err
	}
	return &putRuleOut{RuleArn: s.ruleARN(s.busName(in.EventBusName), r.name)}, nil
}

type ruleIn struct {
	Name         string `required:"true" form:"rule"`
	EventBusName string `form:"bus or ARN"`
	Force        bool
}

func (s *Service) deleteRule(in *ruleIn) (*empty, error) {
	b, err := s.bus(in.EventBusName)
	if err != nil {
		return nil, err
	}
	if r, ok := b.rules[in.Name]; ok {
		if len(r.targets) > 0 {
			return nil, wire.Errorf("ValidationException", "Rule can't be deleted since it has targets.")
		}
		delete(b.rules, in.Name)
		r.enabled = false
		s.wind(r)
		s.publish()
	}
	return &empty{}, nil
}

type ruleOut struct {
	Name, Arn, EventBusName, State string
	EventPattern                   string `json:",omitempty"`
	ScheduleExpression             string `json:",omitempty"`
	Description                    string `json:",omitempty"`
	RoleArn                        string `json:",omitempty"`
	CreatedBy                      string `json:",omitempty"`
}

func (s *Service) ruleOut(bus string, r *rule) ruleOut {
	out := ruleOut{
		Name: r.name, Arn: s.ruleARN(bus, r.name), EventBusName: bus, EventPattern: r.source, ScheduleExpression: r.expression, State: "DISABLED",
		Description: r.description, RoleArn: r.roleARN,
	}
	if r.enabled {
		out.State = "ENABLED"
	}
	return out
}

func (s *Service) describeRule(in *ruleIn) (*ruleOut, error) {
	r, err := s.rule(in.EventBusName, in.Name)
	if err != nil {
		return nil, err
	}
	out := s.ruleOut(s.busName(in.EventBusName), r)
	out.CreatedBy = s.opt.Account
	return &out, nil
}

type listRulesIn struct {
	NamePrefix   string `form:"rule"`
	EventBusName string `form:"bus or ARN"`
	NextToken    string
	Limit        *int
}

type listRulesOut struct {
	Rules     []ruleOut
	NextToken string `json:",omitempty"`
}

func (s *Service) listRules(in *listRulesIn) (*listRulesOut, error) {
	b, err := s.bus(in.EventBusName)
	if err != nil {
		return nil, err
	}
	list := filter(sorted(b.rules), func(r *rule) bool { return strings.HasPrefix(r.name, in.NamePrefix) })
	list, next, err := page(list, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listRulesOut{Rules: []ruleOut{}, NextToken: next}
	for _, r := range list {
		out.Rules = append(out.Rules, s.ruleOut(b.name, r))
	}
	return out, nil
}

type listRuleNamesIn struct {
	TargetArn    string `required:"true"`
	EventBusName string `form:"bus or ARN"`
	NextToken    string
	Limit        *int
}

type listRuleNamesOut struct {
	RuleNames []string
	NextToken string `json:",omitempty"`
}

func (s *Service) listRuleNamesByTarget(in *listRuleNamesIn) (*listRuleNamesOut, error) {
	b, err := s.bus(in.EventBusName)
	if err != nil {
		return nil, err
	}
	list := filter(sorted(b.rules), func(r *rule) bool {
		for _, t := range r.targets {
			if t.ARN == in.TargetArn {
				return true
			}
		}
		return false
	})
	list, next, err := page(list, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listRuleNamesOut{RuleNames: []string{}, NextToken: next}
	for _, r := range list {
		out.RuleNames = append(out.RuleNames, r.name)
	}
	return out, nil
}

func (s *Service) setEnabled(enabled bool) func(*ruleIn) (*empty, error) {
	return func(in *ruleIn) (*empty, error) {
		r, err := s.rule(in.EventBusName, in.Name)
		if err != nil {
			return nil, err
		}
		r.enabled = enabled
		s.wind(r)
		s.publish()
		return &empty{}, nil
	}
}

// ---- targets

// targetShape is a target on the wire. Parameters for kinds of targets that do not exist here are unknown members, and
// so refused.
type targetShape struct {
	Id, Arn          string
	RoleArn          string            `json:",omitempty"`
	Input            string            `json:",omitempty"`
	InputPath        string            `json:",omitempty"`
	InputTransformer *transformerShape `json:",omitempty"`
	DeadLetterConfig *deadLetterShape  `json:",omitempty"`
	RetryPolicy      *retryShape       `json:",omitempty"`
}

type transformerShape struct {
	InputPathsMap map[string]string `json:",omitempty"`
	InputTemplate string
}

type deadLetterShape struct {
	Arn string `json:",omitempty"`
}

type retryShape struct {
	MaximumRetryAttempts     *int   `json:",omitempty"`
	MaximumEventAgeInSeconds *int32 `json:",omitempty"`
}

func (t *targetShape) config() TargetConfig {
	c := TargetConfig{ID: t.Id, ARN: t.Arn, RoleARN: t.RoleArn, Input: t.Input, InputPath: t.InputPath}
	if it := t.InputTransformer; it != nil {
		c.InputTransformer = &InputTransformer{PathsMap: it.InputPathsMap, Template: it.InputTemplate}
	}
	if t.DeadLetterConfig != nil {
		c.DeadLetterARN = t.DeadLetterConfig.Arn
	}
	if r := t.RetryPolicy; r != nil {
		c.Retry.MaximumRetryAttempts = r.MaximumRetryAttempts
		if r.MaximumEventAgeInSeconds != nil {
			// A zero is out of range, but means the default in a TargetConfig.
			c.Retry.MaximumEventAge = max(time.Duration(*r.MaximumEventAgeInSeconds)*time.Second, time.Nanosecond)
		}
	}
	return c
}

func shape(c TargetConfig) targetShape {
	t := targetShape{Id: c.ID, Arn: c.ARN, RoleArn: c.RoleARN, Input: c.Input, InputPath: c.InputPath}
	if it := c.InputTransformer; it != nil {
		t.InputTransformer = &transformerShape{InputPathsMap: it.PathsMap, InputTemplate: it.Template}
	}
	if c.DeadLetterARN != "" {
		t.DeadLetterConfig = &deadLetterShape{Arn: c.DeadLetterARN}
	}
	if c.Retry != (RetryPolicy{}) {
		t.RetryPolicy = &retryShape{MaximumRetryAttempts: c.Retry.MaximumRetryAttempts}
		if age := int32(c.Retry.MaximumEventAge / time.Second); age > 0 {
			t.RetryPolicy.MaximumEventAgeInSeconds = &age
		}
	}
	return t
}

type putTargetsIn struct {
	Rule         string        `required:"true" form:"rule"`
	EventBusName string        `form:"bus or ARN"`
	Targets      []targetShape `required:"true"`
}

type failedEntriesOut struct {
	FailedEntryCount int
	FailedEntries    []failedEntry
}

type failedEntry struct{ TargetId, ErrorCode, ErrorMessage string }

func (s *Service) putTargetsOp(in *putTargetsIn) (*failedEntriesOut, error) {
	if len(in.Targets) == 0 || len(in.Targets) > 100 {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value at 'targets' failed to satisfy constraint: Member must have length between 1 and 100")
	}
	r, err := s.rule(in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	configs := make([]TargetConfig, len(in.Targets))
	for i := range in.Targets {
		configs[i] = in.Targets[i].config()
	}
	if err := s.putTargets(r, configs); err != nil {
		return nil, err
	}
	return &failedEntriesOut{FailedEntries: []failedEntry{}}, nil
}

type removeTargetsIn struct {
	Rule         string   `required:"true" form:"rule"`
	EventBusName string   `form:"bus or ARN"`
	Ids          []string `required:"true"`
	Force        bool
}

func (s *Service) removeTargets(in *removeTargetsIn) (*failedEntriesOut, error) {
	if len(in.Ids) == 0 || len(in.Ids) > 100 {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value at 'ids' failed to satisfy constraint: Member must have length between 1 and 100")
	}
	r, err := s.rule(in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	for _, id := range in.Ids {
		delete(r.targets, id)
	}
	s.publish()
	return &failedEntriesOut{FailedEntries: []failedEntry{}}, nil
}

type listTargetsIn struct {
	Rule         string `required:"true" form:"rule"`
	EventBusName string `form:"bus or ARN"`
	NextToken    string
	Limit        *int
}

type listTargetsOut struct {
	Targets   []targetShape
	NextToken string `json:",omitempty"`
}

func (s *Service) listTargetsByRule(in *listTargetsIn) (*listTargetsOut, error) {
	r, err := s.rule(in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	list, next, err := page(sorted(r.targets), in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listTargetsOut{Targets: []targetShape{}, NextToken: next}
	for _, t := range list {
		out.Targets = append(out.Targets, shape(t.TargetConfig))
	}
	return out, nil
}

// ---- patterns

type testEventPatternIn struct {
	EventPattern, Event string `required:"true"`
}

type testEventPatternOut struct{ Result bool }

// testEventPattern needs an event with the members that every event has.
func (s *Service) testEventPattern(in *testEventPatternIn) (*testEventPatternOut, error) {
	p, err := compile([]byte(in.EventPattern))
	if err != nil {
		return nil, err
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in.Event), &event); err != nil || event == nil {
		return nil, wire.Errorf("ValidationException", "Parameter Event is not valid.")
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "detail-type"} {
		if event[name] == nil {
			return nil, wire.Errorf("ValidationException", "Parameter Event is not valid. Reason: %s is a required field.", name)
		}
	}
	return &testEventPatternOut{Result: p.Match([]byte(in.Event))}, nil
}
