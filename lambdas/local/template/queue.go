package template

import (
	"slices"
	"time"
)

const queueNamePattern = `[A-Za-z0-9_-]+`

var queueKind = &kind{
	name:       "AWS::SQS::Queue",
	attributes: []string{"Arn", "QueueName", "QueueUrl"},
	properties: object{name: "AWS::SQS::Queue", fields: fields{
		"QueueName":                     matching(queueNamePattern, "letters, digits, - and _ (only standard queues are supported)", 80),
		"VisibilityTimeout":             whole(0, 43_200),
		"MessageRetentionPeriod":        whole(60, 1_209_600),
		"DelaySeconds":                  whole(0, 900),
		"ReceiveMessageWaitTimeSeconds": whole(0, 20),
		"MaximumMessageSize":            whole(1024, 1_048_576),
		"SqsManagedSseEnabled":          boolean{},
		"RedrivePolicy": object{name: "AWS::SQS::Queue RedrivePolicy", required: []string{"deadLetterTargetArn", "maxReceiveCount"}, fields: fields{
			"deadLetterTargetArn": text{},
			"maxReceiveCount":     whole(1, 1000),
		}},
		"RedriveAllowPolicy": object{name: "AWS::SQS::Queue RedriveAllowPolicy", required: []string{"redrivePermission"}, fields: fields{
			"redrivePermission": oneOf{"allowAll", "denyAll", "byQueue"},
			"sourceQueueArns":   list{of: text{}, min: 1, max: 10},
		}},
	}},
	identify: func(r *resolver, x *instance) {
		name := r.named(x, "QueueName")
		x.physical = r.in.QueueURLBase + "/" + r.in.Account + "/" + name
		x.attributes["Arn"] = r.arn("sqs", name)
		x.attributes["QueueName"] = name
		x.attributes["QueueUrl"] = x.physical
	},
	build: func(r *resolver, x *instance) {
		v := x.values
		q := Queue{
			LogicalID:          x.id,
			Name:               x.attributes["QueueName"],
			ARN:                x.attributes["Arn"],
			URL:                x.physical,
			VisibilityTimeout:  v.get("VisibilityTimeout").seconds(30 * time.Second),
			Retention:          v.get("MessageRetentionPeriod").seconds(4 * 24 * time.Hour),
			Delay:              v.get("DelaySeconds").seconds(0),
			ReceiveWait:        v.get("ReceiveMessageWaitTimeSeconds").seconds(0),
			MaximumMessageSize: v.get("MaximumMessageSize").whole(1_048_576),
			SSE:                v.get("SqsManagedSseEnabled").truth(true),
			DeadLetterARN:      v.get("RedrivePolicy", "deadLetterTargetArn").str(""),
			MaxReceiveCount:    v.get("RedrivePolicy", "maxReceiveCount").whole(0),
			RedrivePermission:  v.get("RedriveAllowPolicy", "redrivePermission").str("allowAll"),
			RedriveSources:     v.get("RedriveAllowPolicy", "sourceQueueArns").strs(),
		}
		r.stack.Queues = append(r.stack.Queues, q)
		if allow := v.get("RedriveAllowPolicy"); (q.RedrivePermission == "byQueue") != (allow.get("sourceQueueArns") != nil) {
			r.p.add(allow, "sourceQueueArns goes with redrivePermission byQueue, and with no other")
		}
		if q.DeadLetterARN == "" {
			return
		}
		at := v.get("RedrivePolicy", "deadLetterTargetArn")
		dlq := r.find("AWS::SQS::Queue", "Arn", q.DeadLetterARN)
		if dlq == nil {
			r.p.add(at, "no queue of this template has the ARN %s", at.shown())
			return
		}
		allow := dlq.values.get("RedriveAllowPolicy")
		switch allow.get("redrivePermission").str("allowAll") {
		case "denyAll":
			r.p.add(at, "%s lets no queue move messages to it: its RedriveAllowPolicy is denyAll", dlq.id)
		case "byQueue":
			if !slices.Contains(allow.get("sourceQueueArns").strs(), q.ARN) {
				r.p.add(at, "%s does not let %s move messages to it: it is not in its sourceQueueArns", dlq.id, x.id)
			}
		}
	},
}

var queuePolicy = &kind{
	name: "AWS::SQS::QueuePolicy",
	properties: object{name: "AWS::SQS::QueuePolicy", required: []string{"Queues", "PolicyDocument"}, fields: fields{
		"Queues":         list{of: text{}, min: 1},
		"PolicyDocument": document{},
	}},
	identify: func(r *resolver, x *instance) { x.physical = r.named(x, "") },
	build: func(r *resolver, x *instance) {
		for _, q := range x.values.get("Queues").list() {
			if r.find("AWS::SQS::Queue", "QueueUrl", q.text) == nil {
				r.p.add(q, "no queue of this template has the URL %s", q.shown())
			}
		}
		r.stack.QueuePolicies = append(r.stack.QueuePolicies, QueuePolicy{
			LogicalID: x.id,
			QueueURLs: x.values.get("Queues").strs(),
			Policy:    x.values.get("PolicyDocument").json(),
		})
	},
}
