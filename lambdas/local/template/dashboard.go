package template

import "encoding/json"

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
