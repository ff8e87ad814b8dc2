package template

import (
	"encoding/json"
	"strings"
	"time"
)

var eventBus = &kind{
	name:       "AWS::Events::EventBus",
	attributes: []string{"Arn", "Name"},
	properties: object{name: "AWS::Events::EventBus", required: []string{"Name"}, fields: fields{
		"Name":        matching(`[A-Za-z0-9._-]+`, "letters, digits, ., - and _", 256),
		"Description": text{max: 512, empty: true},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = x.values.get("Name").text
		x.attributes["Arn"] = r.arn("events", "event-bus/"+x.physical)
		x.attributes["Name"] = x.physical
	},
	build: func(r *resolver, x *instance) {
		if x.physical == "default" {
			r.p.add(x.values.get("Name"), "the default bus is there already: every account has it")
		}
		r.stack.Buses = append(r.stack.Buses, Bus{LogicalID: x.id, Name: x.physical, ARN: x.attributes["Arn"]})
	},
}

// maxPattern bounds an event pattern's JSON, as EventBridge does.
const maxPattern = 2048

var eventRule = &kind{
	name:       "AWS::Events::Rule",
	attributes: []string{"Arn"},
	properties: object{name: "AWS::Events::Rule", fields: fields{
		"Name":               matching(`[A-Za-z0-9._-]+`, "letters, digits, ., - and _", 64),
		"Description":        text{max: 512, empty: true},
		"EventBusName":       text{},
		"EventPattern":       document{},
		"ScheduleExpression": matching(`rate\([^)]*\)|cron\([^)]*\)`, "rate(...) or cron(...)", 256),
		"State":              oneOf{"ENABLED", "DISABLED"},
		"Targets": list{max: 5, of: object{name: "AWS::Events::Rule target", required: []string{"Id", "Arn"}, fields: fields{
			"Id":  matching(`[A-Za-z0-9._-]+`, "letters, digits, ., - and _", 64),
			"Arn": text{max: 1600},
			"DeadLetterConfig": object{name: "AWS::Events::Rule DeadLetterConfig", required: []string{"Arn"}, fields: fields{
				"Arn": text{max: 1600},
			}},
			"RetryPolicy": object{name: "AWS::Events::Rule RetryPolicy", fields: fields{
				"MaximumRetryAttempts":     whole(0, 185),
				"MaximumEventAgeInSeconds": whole(60, 86_400),
			}},
			"Input":     text{max: 8192},
			"InputPath": text{max: 256},
			"InputTransformer": object{name: "AWS::Events::Rule InputTransformer", required: []string{"InputTemplate"}, fields: fields{
				"InputPathsMap": dictionary{text{max: 256}},
				"InputTemplate": text{max: 8192},
			}},
		}}},
	}},
	identify: func(r *resolver, x *instance) {
		name := r.named(x, "Name")
		switch bus := x.values.get("EventBusName").str("default"); bus {
		case "default":
			x.physical = name
			x.attributes["Arn"] = r.arn("events", "rule/"+name)
		default:
			x.physical = bus + "|" + name
			x.attributes["Arn"] = r.arn("events", "rule/"+bus+"/"+name)
		}
	},
	build: func(r *resolver, x *instance) {
		v := x.values
		rule := Rule{
			LogicalID:   x.id,
			Name:        r.named(x, "Name"),
			ARN:         x.attributes["Arn"],
			Description: v.get("Description").str(""),
			Bus:         v.get("EventBusName").str("default"),
			Pattern:     v.get("EventPattern").json(),
			Schedule:    v.get("ScheduleExpression").str(""),
			Enabled:     v.get("State").str("ENABLED") == "ENABLED",
		}
		if rule.Bus != "default" {
			if r.find("AWS::Events::EventBus", "Name", rule.Bus) == nil {
				r.p.add(v.get("EventBusName"), "no event bus of this template has the name %s", v.get("EventBusName").shown())
			}
			if rule.Schedule != "" {
				r.p.add(v.get("ScheduleExpression"), "only rules on the default bus run on a schedule")
			}
		}
		if rule.Pattern == nil && rule.Schedule == "" {
			r.p.addKey(v, "a rule needs an EventPattern or a ScheduleExpression")
		}
		if len(rule.Pattern) > maxPattern {
			r.p.add(v.get("EventPattern"), "the pattern has %d bytes; the most is %d", len(rule.Pattern), maxPattern)
		}
		ids := map[string]bool{}
		for _, n := range v.get("Targets").list() {
			target := r.target(n)
			if ids[target.ID] {
				r.p.add(n.get("Id"), "two targets of the rule have the id %s", n.get("Id").shown())
			}
			ids[target.ID] = true
			rule.Targets = append(rule.Targets, target)
		}
		r.stack.Rules = append(r.stack.Rules, rule)
	},
}

func (r *resolver) target(n *node) Target {
	target := Target{
		ID:             n.get("Id").text,
		ARN:            n.get("Arn").text,
		DeadLetterARN:  n.get("DeadLetterConfig", "Arn").str(""),
		MaximumRetries: n.get("RetryPolicy", "MaximumRetryAttempts").whole(185),
		MaximumAge:     n.get("RetryPolicy", "MaximumEventAgeInSeconds").seconds(24 * time.Hour),
		Input:          n.get("Input").str(""),
		InputPath:      n.get("InputPath").str(""),
	}
	if input := n.get("Input"); input != nil && !json.Valid([]byte(input.text)) {
		r.p.add(input, "Input must be JSON")
	}
	if transformer := n.get("InputTransformer"); transformer != nil {
		target.Transformer = &Transformer{
			Paths:    transformer.get("InputPathsMap").dictionary(),
			Template: transformer.get("InputTemplate").text,
		}
	}
	var inputs []string
	for _, key := range []string{"Input", "InputPath", "InputTransformer"} {
		if n.get(key) != nil {
			inputs = append(inputs, key)
		}
	}
	if len(inputs) > 1 {
		r.p.add(n, "a target has one of %s, not several", strings.Join(inputs, ", "))
	}
	if r.find("AWS::SQS::Queue", "Arn", target.ARN) == nil && r.find("AWS::Serverless::Function", "Arn", target.ARN) == nil {
		r.p.add(n.get("Arn"), "no queue or function of this template has the ARN %s", n.get("Arn").shown())
	}
	if at := n.get("DeadLetterConfig", "Arn"); at != nil && r.find("AWS::SQS::Queue", "Arn", at.text) == nil {
		r.p.add(at, "no queue of this template has the ARN %s", at.shown())
	}
	return target
}
