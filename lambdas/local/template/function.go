package template

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// functionFields are the properties that one function and all of them together may set.
var functionFields = fields{
	"Description":   text{max: 256, empty: true},
	"CodeUri":       text{},
	"Handler":       text{max: 128},
	"Runtime":       oneOf{"provided.al2023"}, // a binary called bootstrap; the others need an interpreter
	"Architectures": list{of: oneOf{"arm64", "x86_64"}, min: 1, max: 1},
	"MemorySize":    whole(128, 10_240),
	"Timeout":       whole(1, 900),
	"Tracing":       oneOf{"Active", "PassThrough"},
	"Environment": object{name: "AWS::Serverless::Function Environment", fields: fields{
		"Variables": dictionary{text{empty: true}},
	}},
	"LoggingConfig": object{name: "AWS::Serverless::Function LoggingConfig", fields: fields{
		"LogFormat":           oneOf{"Text", "JSON"},
		"ApplicationLogLevel": oneOf{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"},
		"SystemLogLevel":      oneOf{"DEBUG", "INFO", "WARN"},
		"LogGroup":            text{max: 512},
	}},
	"ReservedConcurrentExecutions": whole(0, 100_000),
	"Tags":                         dictionary{text{empty: true}}, // for bills and searches in an account
}

// globalFunction is what Globals.Function may have.
var globalFunction = object{name: "Globals.Function", fields: functionFields}

var serverlessFunction = &kind{
	name:       "AWS::Serverless::Function",
	expanded:   "AWS::Lambda::Function",
	attributes: []string{"Arn"},
	properties: object{
		name:     "AWS::Serverless::Function",
		required: []string{"CodeUri", "Handler", "Runtime"},
		fields: with(functionFields, fields{
			"FunctionName": matching(`[A-Za-z0-9_-]+`, "letters, digits, - and _", 64),
			"Role":         text{},
			"Policies":     anything{}, // what the generated role may do: nothing asks locally
		}),
	},
	owns: expandFunction,
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "FunctionName")
		x.attributes["Arn"] = r.arn("lambda", "function:"+x.physical)
	},
	build: buildFunction,
}

func with(base, more fields) fields {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// expandFunction takes the events out of a function's properties and makes the resources of them that SAM makes.
// As there, a function does not depend on its events: they depend on it.
func expandFunction(t *Template, p *problems, f *resource) []*resource {
	var made []*resource
	if f.properties.get("Role") == nil {
		made = append(made, &resource{id: f.id + "Role", kind: generatedRole, at: f.at, properties: f.at.emptied(mapNode)})
	}
	events := f.properties.get("Events")
	if events == nil {
		return made
	}
	f.properties = f.properties.without("Events")
	before := len(p.found)
	check(p, dictionary{object{name: "an event", required: []string{"Type", "Properties"}, fields: fields{
		"Type":       oneOf{"Api", "SQS"},
		"Properties": anything{},
	}}}, events)
	if len(p.found) > before {
		return made
	}
	if events.kind != mapNode {
		p.add(events, "must be a map, not %s: SAM names resources after its keys", events.kind)
		return made
	}
	for i, event := range events.keys {
		n := events.items[i]
		properties := n.get("Properties")
		if typ := n.get("Type"); typ.kind != textNode || properties.kind != mapNode {
			p.add(n, "Type and Properties must be written out, not computed")
			continue
		}
		res := &resource{id: f.id + event, kind: mappingKind, at: n, properties: properties}
		if n.get("Type").text == "Api" {
			api := t.apiOf(p, properties)
			if api == nil {
				continue
			}
			res.id += "Permission" + api.properties.get("StageName").str("")
			res.kind = routeKind
		}
		made = append(made, res)
	}
	return made
}

// apiOf finds the API that an event of type Api names.
func (t *Template) apiOf(p *problems, properties *node) *resource {
	ref := properties.get("RestApiId")
	if ref == nil {
		p.addKey(properties, "the property RestApiId is missing: the API that SAM makes for events without one is not supported")
		return nil
	}
	if ref.kind == callNode && ref.text == "Ref" && ref.items[0].scalar() {
		if api := t.byID[ref.items[0].text]; api != nil && api.kind == serverlessAPI {
			return api
		}
	}
	p.add(ref, "must be !Ref to an AWS::Serverless::Api of this template")
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)

// reservedVariables are set by Lambda itself, which refuses a function that sets them.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
	"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

// maxEnvironment bounds the names and values of a function's environment, as Lambda does.
const maxEnvironment = 4096

func buildFunction(r *resolver, x *instance) {
	v := x.values
	f := Function{
		LogicalID:           x.id,
		Name:                x.physical,
		ARN:                 x.attributes["Arn"],
		Description:         v.get("Description").str(""),
		CodeURI:             v.get("CodeUri").text,
		BuildMethod:         x.about.get("BuildMethod").str(""),
		Runtime:             v.get("Runtime").text,
		Handler:             v.get("Handler").text,
		Architecture:        "x86_64",
		Timeout:             v.get("Timeout").seconds(3 * time.Second),
		MemoryMB:            v.get("MemorySize").whole(128),
		Environment:         v.get("Environment", "Variables").dictionary(),
		Tracing:             v.get("Tracing").str("PassThrough"),
		LogFormat:           v.get("LoggingConfig", "LogFormat").str("Text"),
		ApplicationLogLevel: v.get("LoggingConfig", "ApplicationLogLevel").str(""),
		SystemLogLevel:      v.get("LoggingConfig", "SystemLogLevel").str(""),
		LogGroup:            v.get("LoggingConfig", "LogGroup").str("/aws/lambda/" + x.physical),
		RoleARN:             v.get("Role").str(""),
	}
	if role := r.instances[x.id+"Role"]; f.RoleARN == "" && role != nil {
		f.RoleARN = role.attributes["Arn"]
	}
	if a := v.get("Architectures").strs(); len(a) > 0 {
		f.Architecture = a[0]
	}
	if n := v.get("ReservedConcurrentExecutions"); n != nil {
		reserved := n.whole(0)
		f.ReservedConcurrency = &reserved
	}
	if !filepath.IsLocal(f.CodeURI) || strings.Contains(f.CodeURI, "://") {
		r.p.add(v.get("CodeUri"), "must be a folder beneath the template's, as a relative path")
	}
	switch {
	case f.LogFormat == "JSON":
		setDefault(&f.ApplicationLogLevel, "INFO")
		setDefault(&f.SystemLogLevel, "INFO")
	case f.ApplicationLogLevel != "" || f.SystemLogLevel != "":
		r.p.add(v.get("LoggingConfig"), "log levels go with LogFormat JSON")
	}
	size := 0
	for i, key := range v.get("Environment", "Variables").names() {
		n := v.get("Environment", "Variables").items[i]
		size += len(key) + len(n.text)
		switch {
		case slices.Contains(reservedVariables, key):
			r.p.addKey(n, "Lambda sets %s itself", key)
		case !variableName.MatchString(key):
			r.p.addKey(n, "a variable's name must be a letter and then one or more letters, digits and _")
		}
	}
	if size > maxEnvironment {
		r.p.add(v.get("Environment", "Variables"), "has %d bytes; the most is %d", size, maxEnvironment)
	}
	r.stack.Functions = append(r.stack.Functions, f)
}
