package template

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
