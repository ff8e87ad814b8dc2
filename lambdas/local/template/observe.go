package template

import (
	"encoding/json"
	"slices"
	"time"
)

// The kinds by which a system is watched: log groups, X-Ray, alarms, dashboards.

var logGroup = &kind{
	name:       "AWS::Logs::LogGroup",
	attributes: []string{"Arn"},
	properties: object{name: "AWS::Logs::LogGroup", fields: fields{
		"LogGroupName":    matching(`[A-Za-z0-9._/#-]+`, "letters, digits and . _ / # -", 512),
		"RetentionInDays": retention,
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "LogGroupName")
		x.attributes["Arn"] = r.arn("logs", "log-group:"+x.physical+":*")
	},
	build: func(r *resolver, x *instance) {
		r.stack.LogGroups = append(r.stack.LogGroups, LogGroup{
			LogicalID:     x.id,
			Name:          x.physical,
			ARN:           x.attributes["Arn"],
			RetentionDays: x.values.get("RetentionInDays").whole(0),
		})
	},
}

// retention lists the periods that CloudWatch Logs offers.
var retention = oneOf{"1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1096", "1827", "2192", "2557", "2922", "3288", "3653"}

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

var alarmKind = &kind{
	name:       "AWS::CloudWatch::Alarm",
	attributes: []string{"Arn"},
	properties: object{
		name:     "AWS::CloudWatch::Alarm",
		required: []string{"Namespace", "MetricName", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator"},
		fields: fields{
			"AlarmName":        text{max: 255},
			"AlarmDescription": text{max: 1024, empty: true},
			"Namespace":        text{max: 255},
			"MetricName":       text{max: 255},
			"Dimensions": list{max: 30, of: object{name: "a dimension", required: []string{"Name", "Value"}, fields: fields{
				"Name":  text{max: 255},
				"Value": text{max: 1024},
			}}},
			"Statistic":          oneOf{"SampleCount", "Average", "Sum", "Minimum", "Maximum"},
			"ExtendedStatistic":  matching(`p(\d{1,2}(\.\d{1,10})?|100)`, "a percentile such as p99", 16),
			"Period":             whole(10, 86_400),
			"EvaluationPeriods":  whole(1, 1000),
			"DatapointsToAlarm":  whole(1, 1000),
			"Threshold":          number{min: -1e15, max: 1e15},
			"ComparisonOperator": oneOf{"GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"},
			"TreatMissingData":   oneOf{"breaching", "notBreaching", "ignore", "missing"},
		},
	},
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "AlarmName")
		x.attributes["Arn"] = r.arn("cloudwatch", "alarm:"+x.physical)
	},
	build: func(r *resolver, x *instance) {
		v := x.values
		a := Alarm{
			LogicalID:         x.id,
			Name:              x.physical,
			ARN:               x.attributes["Arn"],
			Description:       v.get("AlarmDescription").str(""),
			Namespace:         v.get("Namespace").text,
			Metric:            v.get("MetricName").text,
			Dimensions:        map[string]string{},
			Statistic:         v.get("Statistic").str(v.get("ExtendedStatistic").str("")),
			Period:            v.get("Period").seconds(0),
			EvaluationPeriods: v.get("EvaluationPeriods").whole(0),
			Threshold:         v.get("Threshold").float(),
			Comparison:        v.get("ComparisonOperator").text,
			TreatMissingData:  v.get("TreatMissingData").str("missing"),
		}
		a.DatapointsToAlarm = v.get("DatapointsToAlarm").whole(a.EvaluationPeriods)
		for _, d := range v.get("Dimensions").list() {
			a.Dimensions[d.get("Name").text] = d.get("Value").text
		}
		if (v.get("Statistic") == nil) == (v.get("ExtendedStatistic") == nil) {
			r.p.addKey(v, "an alarm needs Statistic or ExtendedStatistic, one of them")
		}
		if short := []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second}; a.Period%time.Minute != 0 && !slices.Contains(short, a.Period) {
			r.p.add(v.get("Period"), "must be 10, 20, 30 or a multiple of 60, not %s", v.get("Period").shown())
		}
		if a.DatapointsToAlarm > a.EvaluationPeriods {
			r.p.add(v.get("DatapointsToAlarm"), "is more than EvaluationPeriods: the alarm would never be raised")
		}
		r.stack.Alarms = append(r.stack.Alarms, a)
	},
}

var dashboardKind = &kind{
	name: "AWS::CloudWatch::Dashboard",
	properties: object{name: "AWS::CloudWatch::Dashboard", required: []string{"DashboardBody"}, fields: fields{
		"DashboardName": matching(`[A-Za-z0-9_-]+`, "letters, digits, - and _", 255),
		"DashboardBody": text{},
	}},
	identify: func(r *resolver, x *instance) { x.physical = r.named(x, "DashboardName") },
	build: func(r *resolver, x *instance) {
		body := x.values.get("DashboardBody")
		if !json.Valid([]byte(body.text)) {
			r.p.add(body, "DashboardBody must be JSON")
		}
		r.stack.Dashboards = append(r.stack.Dashboards, Dashboard{LogicalID: x.id, Name: x.physical, Body: body.text})
	},
}
