package template

// The kinds by which AWS permits things. Locally nothing asks for permission: everything listens on loopback and the
// processes are the user's own. So these add nothing to the stack; their names and ARNs are there for those who refer to
// them.

// invokePermission lets a service invoke a function: on AWS a rule that targets a function delivers nothing without it.
var invokePermission = &kind{
	name:       "AWS::Lambda::Permission",
	attributes: []string{"Id"},
	properties: object{name: "AWS::Lambda::Permission", required: []string{"Action", "FunctionName", "Principal"}, fields: fields{
		"Action":        oneOf{"lambda:InvokeFunction", "lambda:*"},
		"FunctionName":  text{max: 140},
		"Principal":     text{},
		"SourceArn":     text{},
		"SourceAccount": matching(`[0-9]{12}`, "12 digits", 12),
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "")
		x.attributes["Id"] = x.physical
	},
	build: func(r *resolver, x *instance) {
		function := x.values.get("FunctionName")
		if r.find("AWS::Serverless::Function", "Arn", function.text) == nil && r.find("AWS::Serverless::Function", "Arn", r.arn("lambda", "function:"+function.text)) == nil {
			r.p.add(function, "no function of this template has the name or ARN %s", function.shown())
		}
	},
}

// policies are inline policies.
var policies = list{of: object{name: "a policy", required: []string{"PolicyName", "PolicyDocument"}, fields: fields{
	"PolicyName":     matching(`[\w+=,.@-]+`, "letters, digits and + = , . @ - _", 128),
	"PolicyDocument": document{},
}}}

var iamRole = &kind{
	name:       "AWS::IAM::Role",
	attributes: []string{"Arn", "RoleId"},
	properties: object{name: "AWS::IAM::Role", required: []string{"AssumeRolePolicyDocument"}, fields: fields{
		"RoleName":                 matching(`[\w+=,.@-]+`, "letters, digits and + = , . @ - _", 64),
		"Description":              text{max: 1000, empty: true},
		"AssumeRolePolicyDocument": document{},
		"ManagedPolicyArns":        list{of: text{}, max: 20},
		"Policies":                 policies,
	}},
	identify: identifyRole,
}

func identifyRole(r *resolver, x *instance) {
	x.physical = r.named(x, "RoleName")
	x.attributes["Arn"] = "arn:" + r.in.Partition + ":iam::" + r.in.Account + ":role/" + x.physical
	x.attributes["RoleId"] = "AROA" + r.derive(x.id, 17)
}

// generatedRole is the role that SAM makes for a function that names none.
var generatedRole = &kind{
	name:       "AWS::IAM::Role",
	attributes: []string{"Arn", "RoleId"},
	properties: object{name: "a function's generated role"},
	identify:   identifyRole,
}

var iamManagedPolicy = &kind{
	name:       "AWS::IAM::ManagedPolicy",
	attributes: []string{"PolicyArn"},
	properties: object{name: "AWS::IAM::ManagedPolicy", required: []string{"PolicyDocument"}, fields: fields{
		"ManagedPolicyName": matching(`[\w+=,.@-]+`, "letters, digits and + = , . @ - _", 128),
		"Description":       text{max: 1000, empty: true},
		"PolicyDocument":    document{},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = "arn:" + r.in.Partition + ":iam::" + r.in.Account + ":policy/" + r.named(x, "ManagedPolicyName")
		x.attributes["PolicyArn"] = x.physical
	},
}

// apiAccount lets API Gateway write access logs, in all of an account's region.
var apiAccount = &kind{
	name:       "AWS::ApiGateway::Account",
	attributes: []string{"Id"},
	properties: object{name: "AWS::ApiGateway::Account", fields: fields{
		"CloudWatchRoleArn": text{},
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "")
		x.attributes["Id"] = x.physical
	},
}
