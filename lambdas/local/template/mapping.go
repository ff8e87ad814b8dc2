package template

import "time"

// mappingKind is an event of type SQS.
var mappingKind = &kind{
	name:       "AWS::Lambda::EventSourceMapping",
	attributes: []string{"Id", "EventSourceMappingArn"},
	properties: object{name: "AWS::Serverless::Function event SQS", required: []string{"Queue"}, fields: fields{
		"Queue":                          text{},
		"BatchSize":                      whole(1, 10_000),
		"MaximumBatchingWindowInSeconds": whole(0, 300),
		"Enabled":                        boolean{},
		"FunctionResponseTypes":          list{of: oneOf{"ReportBatchItemFailures"}, max: 1},
		"ScalingConfig": object{name: "AWS::Serverless::Function event SQS ScalingConfig", fields: fields{
			"MaximumConcurrency": whole(2, 1000),
		}},
		"MetricsConfig": object{name: "AWS::Serverless::Function event SQS MetricsConfig", fields: fields{
			"Metrics": list{of: oneOf{"EventCount"}}, // costs money on AWS only: local mappings always count
		}},
		"FilterCriteria": object{name: "AWS::Serverless::Function event SQS FilterCriteria", fields: fields{
			"Filters": list{max: 5, of: object{name: "a filter", required: []string{"Pattern"}, fields: fields{
				"Pattern": text{max: 4096},
			}}},
		}},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.uuid(x.id)
		x.attributes["Id"] = x.physical
		x.attributes["EventSourceMappingArn"] = r.arn("lambda", "event-source-mapping:"+x.physical)
	},
	build: buildMapping,
}

func buildMapping(r *resolver, x *instance) {
	v := x.values
	function := r.instances[x.owner.id]
	m := Mapping{
		LogicalID:               x.id,
		ID:                      x.physical,
		ARN:                     x.attributes["EventSourceMappingArn"],
		FunctionARN:             function.attributes["Arn"],
		QueueARN:                v.get("Queue").text,
		BatchSize:               v.get("BatchSize").whole(10),
		Window:                  v.get("MaximumBatchingWindowInSeconds").seconds(0),
		MaximumConcurrency:      v.get("ScalingConfig", "MaximumConcurrency").whole(0),
		ReportBatchItemFailures: len(v.get("FunctionResponseTypes").list()) > 0,
		Enabled:                 v.get("Enabled").truth(true),
	}
	for _, n := range v.get("FilterCriteria", "Filters").list() {
		m.Filters = append(m.Filters, []byte(n.get("Pattern").text))
	}
	if m.BatchSize > 10 && m.Window < time.Second {
		r.p.add(v.get("BatchSize"), "more than 10 records need a MaximumBatchingWindowInSeconds of at least 1")
	}
	queue := r.find("AWS::SQS::Queue", "Arn", m.QueueARN)
	if queue == nil {
		r.p.add(v.get("Queue"), "no queue of this template has the ARN %s", v.get("Queue").shown())
	} else {
		visibility := queue.values.get("VisibilityTimeout").seconds(30 * time.Second)
		timeout := function.values.get("Timeout").seconds(3 * time.Second)
		if visibility < timeout {
			r.p.add(v.get("Queue"), "the VisibilityTimeout of %s, %s, is less than the Timeout of %s, %s: a batch would return while it is handled, and Lambda refuses that",
				queue.id, visibility, function.id, timeout)
		}
	}
	r.stack.Mappings = append(r.stack.Mappings, m)
}
