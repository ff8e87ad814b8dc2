package bus

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/pattern"
	"example.com/arvo/lambdas/local/schedule"
	"example.com/arvo/lambdas/local/wire"
)

const defaultBus = "default"

// Quotas of EventBridge, in an account that asked for no more.
const (
	maxBuses         = 100
	maxRules         = 300 // per bus
	maxWildcardRules = 30  // per bus
	maxTargets       = 5   // per rule
	maxPattern       = 2048
)

// A Rule sends the events of a bus that match a pattern to targets, or an event of its own whenever its time has come, or
// both.
type Rule struct {
	Name        string
	Bus         string // "" means "default"
	Description string
	RoleARN     string // kept and reported; nobody is refused locally
	Pattern     []byte // empty if there is none
	Schedule    string // rate(...) or cron(...), see package schedule; "" if there is none. Only the default bus has schedules
	Enabled     bool
	Targets     []TargetConfig
}

// A TargetConfig is one target of a rule. Of Input, InputPath and InputTransformer at most one is set; with none the
// target gets the event.
type TargetConfig struct {
	ID, ARN          string
	Input            string // JSON that the target gets instead of the event
	InputPath        string // JSONPath to the part of the event that it gets, such as $.detail
	InputTransformer *InputTransformer
	DeadLetterARN    string // the queue for what could not be delivered; "" drops it
	RoleARN          string // kept and reported
	Retry            RetryPolicy
}

// An InputTransformer builds what a target gets from parts of the event.
type InputTransformer struct {
	PathsMap map[string]string // JSONPaths by name
	Template string            // with <name> where a part goes
}

// A RetryPolicy bounds how often and how long a delivery is tried again. The zero value of a field means AWS's default.
type RetryPolicy struct {
	MaximumRetryAttempts *int          // 0 to 185; nil means 185
	MaximumEventAge      time.Duration // 1 minute to 24 h; 0 means 24 h
}

type eventBus struct {
	name              string
	description       string
	created, modified time.Time
	rules             map[string]*rule
}

type rule struct {
	name, description, roleARN string
	source                     string           // the pattern as given
	pattern                    *pattern.Pattern // nil if there is none
	expression                 string           // the schedule as given
	schedule                   schedule.Schedule
	clock                      *clock // of a schedule that is enabled; else nil
	enabled                    bool
	targets                    map[string]*target
	stats                      ruleCounters
}

// A target is a TargetConfig that has been checked.
type target struct {
	TargetConfig
	input       input
	maxAttempts int
	maxAge      time.Duration
}

func (b *eventBus) key() string { return b.name }
func (r *rule) key() string     { return r.name }
func (t *target) key() string   { return t.ID }

func sorted[T interface{ key() string }](m map[string]T) []T {
	list := make([]T, 0, len(m))
	for _, v := range m {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(a.key(), b.key()) })
	return list
}

func (s *Service) busARN(bus string) string {
	return fmt.Sprintf("arn:aws:events:%s:%s:event-bus/%s", s.opt.Region, s.opt.Account, bus)
}

func (s *Service) ruleARN(bus, rule string) string {
	if bus == defaultBus {
		return fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", s.opt.Region, s.opt.Account, rule)
	}
	return fmt.Sprintf("arn:aws:events:%s:%s:rule/%s/%s", s.opt.Region, s.opt.Account, bus, rule)
}

// busName turns what calls give as EventBusName, a name, an ARN or nothing, into a name. An ARN of another account or
// region names no bus here.
func (s *Service) busName(nameOrARN string) string {
	switch {
	case nameOrARN == "":
		return defaultBus
	case strings.HasPrefix(nameOrARN, "arn:"):
		if name, ok := strings.CutPrefix(nameOrARN, s.busARN("")); ok {
			return name
		}
	}
	return nameOrARN
}

func (s *Service) bus(nameOrARN string) (*eventBus, error) {
	name := s.busName(nameOrARN)
	b, ok := s.buses[name]
	if !ok {
		return nil, wire.Errorf("ResourceNotFoundException", "Event bus %s does not exist.", clip(name))
	}
	return b, nil
}

func (s *Service) rule(bus, name string) (*rule, error) {
	b, err := s.bus(bus)
	if err != nil {
		return nil, err
	}
	r, ok := b.rules[name]
	if !ok {
		return nil, wire.Errorf("ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", clip(name), b.name)
	}
	return r, nil
}

// CreateBus makes a custom event bus.
func (s *Service) CreateBus(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.createBus(name, "")
}

// A form is what a name has to be like.
type form struct {
	max     int
	pattern *regexp.Regexp
}

const busARNPattern = `(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?`

// forms are those of the API's model, which has EventBusName, EventBusNameOrArn, NonPartnerEventBusNameOrArn, RuleName and
// TargetId.
var forms = map[string]form{
	"bus":           {256, regexp.MustCompile(`^[/\.\-_A-Za-z0-9]+$`)},
	"bus or ARN":    {1600, regexp.MustCompile(`^` + busARNPattern + `[/\.\-_A-Za-z0-9]+$`)},
	"bus to put to": {1600, regexp.MustCompile(`^` + busARNPattern + `[\.\-_A-Za-z0-9]+$`)},
	"rule":          {64, regexp.MustCompile(`^[\.\-_A-Za-z0-9]+$`)},
	"target":        {64, regexp.MustCompile(`^[\.\-_A-Za-z0-9]+$`)},
}

// violation says what is wrong with a name, in AWS's words; "" if nothing is.
func (f form) violation(value, member string) string {
	problem := ""
	switch {
	case value == "":
		return "Value null at '" + member + "' failed to satisfy constraint: Member must not be null"
	case len(value) > f.max:
		problem = fmt.Sprintf("Member must have length less than or equal to %d", f.max)
	case !f.pattern.MatchString(value):
		problem = "Member must satisfy regular expression pattern: " + strings.Trim(f.pattern.String(), "^$")
	default:
		return ""
	}
	return fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", clip(value), member, problem)
}

// checkName refuses a name that is not of a form.
func checkName(value, member, name string) error {
	if text := forms[name].violation(value, member); text != "" {
		return wire.Errorf("ValidationException", "1 validation error detected: %s", text)
	}
	return nil
}

func (s *Service) createBus(name, description string) error {
	if err := checkName(name, "name", "bus"); err != nil {
		return err
	}
	if strings.Contains(name, "/") {
		return wire.Errorf("ValidationException", "Event bus name must not contain '/'.")
	}
	if _, ok := s.buses[name]; ok {
		return wire.Errorf("ResourceAlreadyExistsException", "Event bus %s already exists.", name)
	}
	if len(s.buses) >= maxBuses {
		return errLimit()
	}
	now := time.Now()
	s.buses[name] = &eventBus{name: name, description: description, created: now, modified: now, rules: map[string]*rule{}}
	s.publish()
	return nil
}

func errLimit() error {
	return wire.Errorf("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
}

// CreateRule makes a rule with its targets, or replaces the one of that name.
func (s *Service) CreateRule(r Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	made, err := s.putRule(r)
	if err != nil {
		return err
	}
	made.targets = map[string]*target{}
	defer s.publish()
	return s.putTargets(made, r.Targets)
}

// putRule makes or updates a rule, and leaves its targets alone.
func (s *Service) putRule(r Rule) (*rule, error) {
	if err := checkName(r.Name, "name", "rule"); err != nil {
		return nil, err
	}
	if len(r.Description) > 512 {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 512")
	}
	if len(r.Pattern) == 0 && r.Schedule == "" {
		return nil, wire.Errorf("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	times, err := s.parseSchedule(r)
	if err != nil {
		return nil, err
	}
	b, err := s.bus(r.Bus)
	if err != nil {
		return nil, err
	}
	var p *pattern.Pattern
	if len(r.Pattern) > 0 {
		if p, err = compile(r.Pattern); err != nil {
			return nil, err
		}
	}
	made, exists := b.rules[r.Name]
	if !exists {
		if len(b.rules) >= maxRules {
			return nil, errLimit()
		}
		made = &rule{name: r.Name, targets: map[string]*target{}}
	}
	if p != nil && p.HasWildcard() {
		wildcards := 0
		for _, other := range b.rules {
			if other.name != r.Name && other.pattern != nil && other.pattern.HasWildcard() {
				wildcards++
			}
		}
		if wildcards >= maxWildcardRules {
			return nil, errLimit()
		}
	}
	made.description, made.roleARN = r.Description, r.RoleARN
	made.source, made.pattern, made.enabled = string(r.Pattern), p, r.Enabled
	made.expression, made.schedule = r.Schedule, times
	b.rules[r.Name] = made
	s.wind(made)
	s.publish()
	return made, nil
}

// compile reads an event pattern; an error is an InvalidEventPatternException as AWS words it.
func compile(src []byte) (*pattern.Pattern, error) {
	const invalid = "InvalidEventPatternException"
	if len(src) > maxPattern {
		return nil, wire.Errorf(invalid, "Event pattern is not valid. Reason: Event pattern is %d characters long, more than %d", len(src), maxPattern)
	}
	p, err := pattern.Compile(src)
	if err == nil {
		return p, nil
	}
	var reason *pattern.Error
	if errors.As(err, &reason) && reason.Line > 0 {
		return nil, wire.Errorf(invalid, "Event pattern is not valid. Reason: %s\n at [Source: (String)\"%s\"; line: %d, column: %d]",
			reason.Reason, src, reason.Line, reason.Column)
	}
	return nil, wire.Errorf(invalid, "Event pattern is not valid. Reason: %v", err)
}

// putTargets adds or replaces targets of a rule: all of them or, with an error, none.
func (s *Service) putTargets(r *rule, configs []TargetConfig) error {
	checked := make(map[string]*target, len(configs))
	for i, c := range configs {
		t, err := check(c, i)
		if err != nil {
			return err
		}
		checked[t.ID] = t
	}
	n := len(r.targets)
	for id := range checked {
		if _, ok := r.targets[id]; !ok {
			n++
		}
	}
	if n > maxTargets {
		return errLimit()
	}
	for id, t := range checked {
		r.targets[id] = t
	}
	s.publish()
	return nil
}

func check(c TargetConfig, i int) (*target, error) {
	if err := checkName(c.ID, fmt.Sprintf("targets.%d.member.id", i+1), "target"); err != nil {
		return nil, err
	}
	if c.ARN == "" {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value null at 'targets.%d.member.arn' failed to satisfy constraint: Member must not be null", i+1)
	}
	if !isARN(c.ARN) {
		return nil, wire.Errorf("ValidationException", "Parameter %s is not valid. Reason: Provided Arn is not in correct format.", clip(c.ARN))
	}
	if !deliverable(c.ARN) {
		return nil, wire.Errorf("ValidationException", "Parameter %s is not valid. Reason: target %s is neither an SQS queue nor a Lambda function, and this event bus delivers to nothing else.", clip(c.ARN), c.ID)
	}
	if dead := c.DeadLetterARN; dead != "" && !(isARN(dead) && strings.HasPrefix(dead, "arn:aws:sqs:")) {
		return nil, wire.Errorf("ValidationException", "Parameter DeadLetterConfig.Arn %s of target %s is not the ARN of an SQS queue.", clip(dead), c.ID)
	}
	t := &target{TargetConfig: c, maxAttempts: 185, maxAge: 24 * time.Hour}
	if n := c.Retry.MaximumRetryAttempts; n != nil {
		if *n < 0 || *n > 185 {
			return nil, wire.Errorf("ValidationException", "MaximumRetryAttempts of target %s must be between 0 and 185, not %d.", c.ID, *n)
		}
		t.maxAttempts = *n
	}
	if age := c.Retry.MaximumEventAge; age != 0 {
		if age < time.Minute || age > 24*time.Hour {
			return nil, wire.Errorf("ValidationException", "MaximumEventAgeInSeconds of target %s must be between 60 and 86400.", c.ID)
		}
		t.maxAge = age
	}
	set := 0
	for _, is := range []bool{c.Input != "", c.InputPath != "", c.InputTransformer != nil} {
		if is {
			set++
		}
	}
	if set > 1 {
		return nil, wire.Errorf("ValidationException", "Only one of Input, InputPath, or InputTransformer must be provided for target %s.", c.ID)
	}
	switch {
	case c.Input != "":
		if len(c.Input) > 8192 || !json.Valid([]byte(c.Input)) {
			return nil, wire.Errorf("ValidationException", "JSON syntax error in input for target %s.", c.ID)
		}
		t.input = constant(c.Input)
	case c.InputPath != "":
		path, err := parsePath(c.ID, c.InputPath)
		if err != nil {
			return nil, err
		}
		t.input = path
	case c.InputTransformer != nil:
		template, err := parseTemplate(c.ID, c.InputTransformer)
		if err != nil {
			return nil, err
		}
		t.input = template
	}
	return t, nil
}

func isARN(s string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] != "" && parts[5] != "" && len(s) <= 1600
}

// deliverable tells whether an ARN is of a kind that events can be sent to here. Whether there is such a queue or function
// shows when an event is due: a target may be named before it exists, as on AWS.
func deliverable(arn string) bool {
	service, resource := strings.SplitN(arn, ":", 6)[2], strings.SplitN(arn, ":", 6)[5]
	return service == "sqs" || service == "lambda" && strings.HasPrefix(resource, "function:")
}
