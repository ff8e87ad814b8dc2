package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/wire"
)

// A Config describes a queue. The zero value of every field but Name means AWS's default.
type Config struct {
	Name string // 1 to 80 letters, digits, hyphens, underscores

	VisibilityTimeout  *time.Duration // 0 to 12 h; nil means 30 s
	Retention          time.Duration  // 1 min to 14 days; 0 means 4 days
	Delay              time.Duration  // 0 to 15 min
	ReceiveWait        time.Duration  // 0 to 20 s: how long a receive waits that does not say
	MaximumMessageSize int            // bytes, 1 KiB to 1 MiB; 0 means 1 MiB
	DeadLetter         *DeadLetter
	RedriveAllow       *RedriveAllow
	SSE                *bool  // SqsManagedSseEnabled, kept and reported; nil means true
	Policy             string // access policy in JSON, kept and reported; nobody is refused locally
	Tags               map[string]string
}

// A DeadLetter is a redrive policy: where messages go instead of being received once more after MaxReceiveCount
// receives.
type DeadLetter struct {
	TargetARN       string
	MaxReceiveCount int // 1 to 1000
}

// A RedriveAllow says which queues may name this one as their dead-letter queue.
type RedriveAllow struct {
	Permission string   // "allowAll", "denyAll" or "byQueue"
	SourceARNs []string // at most 10, with byQueue only
}

const (
	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
	minRetention      = time.Minute
	maxRetention      = 14 * 24 * time.Hour
	maxVisibility     = 12 * time.Hour
	maxWait           = 20 * time.Second
	minMessageSize    = 1 << 10
	maxMessageSize    = 1 << 20
	maxReceiveCount   = 1000
	maxTags           = 50
)

// normalize fills in the defaults and checks the ranges. What depends on other queues is checked by the Service.
func (c *Config) normalize() error {
	if strings.HasSuffix(c.Name, ".fifo") {
		return unsupported("queue %q: only standard queues run here, not FIFO queues", clip(c.Name))
	}
	if !validQueueName(c.Name) {
		return invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if c.VisibilityTimeout == nil {
		c.VisibilityTimeout = new(defaultVisibility)
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	if c.MaximumMessageSize == 0 {
		c.MaximumMessageSize = maxMessageSize
	}
	if c.SSE == nil {
		c.SSE = new(true)
	}
	for _, limit := range []struct {
		name            string
		value, min, max time.Duration
	}{
		{"VisibilityTimeout", *c.VisibilityTimeout, 0, maxVisibility},
		{"MessageRetentionPeriod", c.Retention, minRetention, maxRetention},
		{"DelaySeconds", c.Delay, 0, maxDelay},
		{"ReceiveMessageWaitTimeSeconds", c.ReceiveWait, 0, maxWait},
	} {
		if limit.value < limit.min || limit.value > limit.max || limit.value%time.Second != 0 {
			return invalidAttribute(limit.name)
		}
	}
	if c.MaximumMessageSize < minMessageSize || c.MaximumMessageSize > maxMessageSize {
		return invalidAttribute("MaximumMessageSize")
	}
	if c.Policy != "" && !json.Valid([]byte(c.Policy)) {
		return invalidAttribute("Policy")
	}
	if d := c.DeadLetter; d != nil && (d.MaxReceiveCount < 1 || d.MaxReceiveCount > maxReceiveCount) {
		return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: %d, valid values are from 1 to %d both inclusive.", clip(d.text()), d.MaxReceiveCount, maxReceiveCount)
	}
	if r := c.RedriveAllow; r != nil {
		if err := r.validate(); err != nil {
			return err
		}
	}
	return validateTags(c.Tags)
}

func (c *Config) clone() Config {
	out := *c
	out.Tags = maps.Clone(c.Tags)
	return out
}

func validQueueName(s string) bool {
	if len(s) < 1 || len(s) > 80 {
		return false
	}
	for _, r := range s {
		if !attributeNameRune(r) || r == '.' {
			return false
		}
	}
	return true
}

func validateTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidParameter("Too many tags added for queue: %d, at most %d are allowed.", len(tags), maxTags)
	}
	for k, v := range tags {
		if n := len([]rune(k)); n < 1 || n > 128 {
			return invalidParameter("Tag keys must be between 1 and 128 characters in length.")
		}
		if len([]rune(v)) > 256 {
			return invalidParameter("Tag values must be between 0 and 256 characters in length.")
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalidParameter("Tag keys must not begin with \"aws:\", which is reserved.")
		}
	}
	return nil
}

// set changes one attribute by its name and text on the wire. An empty text of a policy removes it.
func (c *Config) set(name, text string) error {
	duration := func(to *time.Duration) error {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return invalidAttribute(name)
		}
		*to = time.Duration(n) * time.Second
		return nil
	}
	switch name {
	case "VisibilityTimeout":
		c.VisibilityTimeout = new(time.Duration)
		return duration(c.VisibilityTimeout)
	case "MessageRetentionPeriod":
		if err := duration(&c.Retention); err != nil {
			return err
		}
		if c.Retention == 0 { // 0 must not turn into the default
			return invalidAttribute(name)
		}
		return nil
	case "DelaySeconds":
		return duration(&c.Delay)
	case "ReceiveMessageWaitTimeSeconds":
		return duration(&c.ReceiveWait)
	case "MaximumMessageSize":
		n, err := strconv.Atoi(text)
		if err != nil || n < minMessageSize {
			return invalidAttribute(name)
		}
		c.MaximumMessageSize = n
		return nil
	case "SqsManagedSseEnabled":
		on, err := strconv.ParseBool(text)
		if err != nil {
			return invalidAttribute(name)
		}
		c.SSE = &on
		return nil
	case "Policy":
		c.Policy = text
		return nil
	case "RedrivePolicy":
		d, err := parseDeadLetter(text)
		c.DeadLetter = d
		return err
	case "RedriveAllowPolicy":
		r, err := parseRedriveAllow(text)
		c.RedriveAllow = r
		return err
	case "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit":
		return unsupported("attribute %s: only standard queues run here, not FIFO queues", name)
	case "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds":
		if text == "" {
			return nil
		}
		return unsupported("attribute %s: there is no KMS here; SqsManagedSseEnabled is accepted", name)
	}
	return unknownAttribute(name)
}

// setAll applies attributes in the order of their names, so that the same request gets the same error every time.
func (c *Config) setAll(attributes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := c.set(name, attributes[name]); err != nil {
			return err
		}
	}
	return c.normalize()
}

// text is the policy as SQS reports it.
func (d *DeadLetter) text() string {
	return fmt.Sprintf(`{"deadLetterTargetArn":%s,"maxReceiveCount":%d}`, quoted(d.TargetARN), d.MaxReceiveCount)
}

func parseDeadLetter(text string) (*DeadLetter, error) {
	if text == "" {
		return nil, nil
	}
	var policy struct {
		Target *string `json:"deadLetterTargetArn"`
		Max    any     `json:"maxReceiveCount"` // AWS takes 5 and "5"
	}
	bad := func(format string, args ...any) error {
		return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", clip(text), fmt.Sprintf(format, args...))
	}
	if err := wire.Unmarshal([]byte(text), &policy); err != nil {
		return nil, bad("Redrive policy is not a valid JSON map.")
	}
	if policy == (struct {
		Target *string `json:"deadLetterTargetArn"`
		Max    any     `json:"maxReceiveCount"`
	}{}) && strings.TrimSpace(text) == "{}" {
		return nil, nil
	}
	if policy.Target == nil || *policy.Target == "" {
		return nil, bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	var most int
	switch v := policy.Max.(type) {
	case nil:
		return nil, bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	case float64:
		most = int(v)
		if float64(most) != v {
			return nil, bad("Invalid value for maxReceiveCount: %v, valid values are from 1 to %d both inclusive.", v, maxReceiveCount)
		}
	case string:
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, bad("Invalid value for maxReceiveCount: %s, valid values are from 1 to %d both inclusive.", clip(v), maxReceiveCount)
		}
		most = n
	default:
		return nil, bad("Invalid value for maxReceiveCount, valid values are from 1 to %d both inclusive.", maxReceiveCount)
	}
	return &DeadLetter{TargetARN: *policy.Target, MaxReceiveCount: most}, nil
}

const (
	allowAll = "allowAll"
	denyAll  = "denyAll"
	byQueue  = "byQueue"
)

func (r *RedriveAllow) validate() error {
	bad := func(reason string) error {
		return invalidParameter("Value %s for parameter RedriveAllowPolicy is invalid. Reason: %s", clip(r.text()), reason)
	}
	switch r.Permission {
	case allowAll, denyAll:
		if len(r.SourceARNs) > 0 {
			return bad("sourceQueueArns is only allowed with the redrivePermission byQueue.")
		}
	case byQueue:
		if len(r.SourceARNs) < 1 || len(r.SourceARNs) > 10 {
			return bad("With the redrivePermission byQueue there must be 1 to 10 sourceQueueArns.")
		}
	default:
		return bad("redrivePermission must be one of allowAll, denyAll, byQueue.")
	}
	return nil
}

// permits reports whether the queue source may use the queue with this policy as its dead-letter queue.
func (r *RedriveAllow) permits(source string) bool {
	return r == nil || r.Permission == allowAll || r.Permission == byQueue && slices.Contains(r.SourceARNs, source)
}

func (r *RedriveAllow) text() string {
	if len(r.SourceARNs) == 0 {
		return fmt.Sprintf(`{"redrivePermission":%s}`, quoted(r.Permission))
	}
	arns := make([]string, len(r.SourceARNs))
	for i, arn := range r.SourceARNs {
		arns[i] = quoted(arn)
	}
	return fmt.Sprintf(`{"redrivePermission":%s,"sourceQueueArns":[%s]}`, quoted(r.Permission), strings.Join(arns, ","))
}

func parseRedriveAllow(text string) (*RedriveAllow, error) {
	if strings.TrimSpace(text) == "" || strings.TrimSpace(text) == "{}" {
		return nil, nil
	}
	var policy struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns"`
	}
	if err := wire.Unmarshal([]byte(text), &policy); err != nil {
		return nil, invalidParameter("Value %s for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy, as it's not in JSON format.", clip(text))
	}
	return &RedriveAllow{Permission: policy.Permission, SourceARNs: policy.Sources}, nil
}

func quoted(s string) string { return string(jsontext.AppendAWSString(nil, s)) }

// names are the attributes in which two configurations can differ.
func (c *Config) names() []string {
	return []string{
		"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "Policy", "ReceiveMessageWaitTimeSeconds",
		"RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout",
	}
}

// attributes returns the configuration by its names and texts on the wire.
func (c *Config) attributes() map[string]string {
	text := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
	out := map[string]string{
		"VisibilityTimeout":             text(*c.VisibilityTimeout),
		"MaximumMessageSize":            strconv.Itoa(c.MaximumMessageSize),
		"MessageRetentionPeriod":        text(c.Retention),
		"DelaySeconds":                  text(c.Delay),
		"ReceiveMessageWaitTimeSeconds": text(c.ReceiveWait),
		"SqsManagedSseEnabled":          strconv.FormatBool(*c.SSE),
	}
	if c.Policy != "" {
		out["Policy"] = c.Policy
	}
	if c.DeadLetter != nil {
		out["RedrivePolicy"] = c.DeadLetter.text()
	}
	if c.RedriveAllow != nil {
		out["RedriveAllowPolicy"] = c.RedriveAllow.text()
	}
	return out
}
