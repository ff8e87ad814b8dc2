package template

import (
	"slices"
	"time"
)

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
