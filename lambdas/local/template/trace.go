package template

var samplingRule = &kind{
	name:       "AWS::XRay::SamplingRule",
	attributes: []string{"RuleARN"},
	properties: object{name: "AWS::XRay::SamplingRule", required: []string{"SamplingRule"}, fields: fields{
		"SamplingRule": object{
			name:     "AWS::XRay::SamplingRule SamplingRule",
			required: []string{"RuleName", "Priority", "FixedRate", "ReservoirSize", "ServiceName", "ServiceType", "ResourceARN", "Host", "HTTPMethod", "URLPath", "Version"},
			fields: fields{
				"RuleName":      text{max: 32},
				"Version":       oneOf{"1"},
				"Priority":      whole(1, 9999),
				"FixedRate":     number{min: 0, max: 1},
				"ReservoirSize": whole(0, 1e9),
				"ServiceName":   text{max: 64},
				"ServiceType":   text{max: 64},
				"ResourceARN":   text{max: 500},
				"Host":          text{max: 64},
				"HTTPMethod":    text{max: 10},
				"URLPath":       text{max: 128},
			},
		},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.arn("xray", "sampling-rule/"+x.values.get("SamplingRule", "RuleName").text)
		x.attributes["RuleARN"] = x.physical
	},
	build: func(r *resolver, x *instance) {
		v := x.values.get("SamplingRule")
		r.stack.SamplingRules = append(r.stack.SamplingRules, SamplingRule{
			LogicalID:     x.id,
			Name:          v.get("RuleName").text,
			ARN:           x.physical,
			Priority:      v.get("Priority").whole(0),
			FixedRate:     v.get("FixedRate").float(),
			ReservoirSize: v.get("ReservoirSize").whole(0),
			ServiceName:   v.get("ServiceName").text,
			ServiceType:   v.get("ServiceType").text,
			ResourceARN:   v.get("ResourceARN").text,
			Host:          v.get("Host").text,
			HTTPMethod:    v.get("HTTPMethod").text,
			URLPath:       v.get("URLPath").text,
		})
	},
}

var traceGroup = &kind{
	name:       "AWS::XRay::Group",
	attributes: []string{"GroupARN"},
	properties: object{name: "AWS::XRay::Group", required: []string{"GroupName"}, fields: fields{
		"GroupName":        text{max: 32},
		"FilterExpression": text{max: 2048},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.arn("xray", "group/"+x.values.get("GroupName").text+"/"+r.derive(x.id, 26))
		x.attributes["GroupARN"] = x.physical
	},
	build: func(r *resolver, x *instance) {
		r.stack.TraceGroups = append(r.stack.TraceGroups, TraceGroup{
			LogicalID:        x.id,
			Name:             x.values.get("GroupName").text,
			ARN:              x.physical,
			FilterExpression: x.values.get("FilterExpression").str(""),
		})
	},
}
