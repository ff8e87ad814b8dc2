package template

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

var stageName = matching(`[A-Za-z0-9_]+`, "letters, digits and _, written out", 128)

var serverlessAPI = &kind{
	name:       "AWS::Serverless::Api",
	expanded:   "AWS::ApiGateway::RestApi",
	attributes: []string{"RestApiId", "RootResourceId"},
	properties: object{name: "AWS::Serverless::Api", required: []string{"StageName"}, fields: fields{
		"Name":           text{max: 1024},
		"Description":    text{max: 1024, empty: true},
		"StageName":      stageName,
		"OpenApiVersion": matching(`3\.0\.1`, "3.0.1", 8),
		"AlwaysDeploy":   boolean{}, // deployments are a matter of updating a stack
		"EndpointConfiguration": object{name: "AWS::Serverless::Api EndpointConfiguration", fields: fields{
			"Type": oneOf{"REGIONAL", "EDGE"}, // where on AWS callers enter
		}},
		"TracingEnabled": boolean{},
		"AccessLogSetting": object{name: "AWS::Serverless::Api AccessLogSetting", required: []string{"DestinationArn", "Format"}, fields: fields{
			"DestinationArn": text{},
			"Format":         text{max: 3072},
		}},
		// Settings of single methods are not supported: one entry, for all of them.
		"MethodSettings": list{max: 1, of: object{name: "AWS::Serverless::Api MethodSettings", required: []string{"ResourcePath", "HttpMethod"}, fields: fields{
			"ResourcePath":         oneOf{"/*"},
			"HttpMethod":           oneOf{"*"},
			"MetricsEnabled":       boolean{}, // costs money on AWS only
			"ThrottlingRateLimit":  number{min: 0.001, max: 1e9},
			"ThrottlingBurstLimit": whole(1, 1e9),
		}}},
		"DefinitionBody": document{}, // its routes must be those of the events; its security is IAM's, which nothing asks for locally
	}},
	owns: expandAPI,
	identify: func(r *resolver, x *instance) {
		x.physical = strings.ToLower(r.derive(x.id, 10))
		x.attributes["RestApiId"] = x.physical
		x.attributes["RootResourceId"] = strings.ToLower(r.derive(x.id+"/", 10))
	},
	build: func(r *resolver, x *instance) {
		v := x.values
		stage := v.get("StageName").text
		a := API{
			LogicalID: x.id,
			ID:        x.physical,
			Name:      v.get("Name").str(x.id),
			Stage:     stage,
			InvokeURL: "https://" + x.physical + ".execute-api." + r.in.Region + "." + r.in.URLSuffix + "/" + stage,
			Tracing:   v.get("TracingEnabled").truth(false),
			AccessLog: v.get("AccessLogSetting", "Format").str(""),
			Routes:    r.routes(x),
		}
		for _, settings := range v.get("MethodSettings").list() {
			a.ThrottleRate = settings.get("ThrottlingRateLimit").float()
			a.ThrottleBurst = settings.get("ThrottlingBurstLimit").whole(0)
		}
		if at := v.get("AccessLogSetting", "DestinationArn"); at != nil {
			// API Gateway takes a log group's ARN with and without the trailing :*.
			group := r.find("AWS::Logs::LogGroup", "Arn", strings.TrimSuffix(at.text, ":*")+":*")
			if group == nil {
				r.p.add(at, "no log group of this template has the ARN %s", at.shown())
			} else {
				a.AccessLogGroup = group.physical
			}
		}
		r.stack.APIs = append(r.stack.APIs, a)
	},
}

// expandAPI makes the stage and the deployment that SAM makes.
func expandAPI(_ *Template, p *problems, api *resource) []*resource {
	stage := api.properties.get("StageName")
	if stage == nil {
		return nil // noted by the shape
	}
	if stage.kind != textNode {
		p.add(stage, "StageName must be written out: SAM names resources after it")
		return nil
	}
	// SAM's hash is one over its own expansion of the definition, which is not repeated here.
	sum := sha256.Sum256([]byte(api.id + "\x00" + stage.text))
	return []*resource{
		{id: api.id + "Deployment" + hex.EncodeToString(sum[:5]), kind: deploymentKind, at: api.at, properties: api.at.emptied(mapNode)},
		{id: api.id + stage.text + "Stage", kind: stageKind, at: api.at, properties: api.at.emptied(mapNode)},
	}
}

var deploymentKind = &kind{
	name:       "AWS::ApiGateway::Deployment",
	properties: object{name: "a deployment"},
	identify:   func(r *resolver, x *instance) { x.physical = strings.ToLower(r.derive(x.id, 6)) },
}

var stageKind = &kind{
	name:       "AWS::ApiGateway::Stage",
	properties: object{name: "a stage"},
	identify:   func(_ *resolver, x *instance) { x.physical = x.owner.properties.get("StageName").text },
}

// routeKind is an event of type Api: SAM makes the permission of it by which API Gateway may invoke the function.
var routeKind = &kind{
	name: "AWS::Lambda::Permission",
	properties: object{name: "AWS::Serverless::Function event Api", required: []string{"RestApiId", "Path", "Method"}, fields: fields{
		"RestApiId": text{},
		"Path":      matching(`/[!-~]*`, "a path that begins with /", 1024),
		"Method":    matching(`(?i)any|get|head|post|put|patch|delete|options`, "a method of HTTP or ANY", 8),
	}},
	identify: func(r *resolver, x *instance) { x.physical = r.named(x, "") },
}

// anyMethod is the key of OpenAPI documents by which API Gateway says ANY.
const anyMethod = "x-amazon-apigateway-any-method"

// routes collects the events that name an API, and holds them against its DefinitionBody when it has one.
func (r *resolver) routes(api *instance) []Route {
	paths := api.values.get("DefinitionBody", "paths")
	var routes []Route
	for _, res := range r.t.resources {
		x := r.instances[res.id]
		if res.kind != routeKind || x == nil || x.values.get("RestApiId").text != api.physical {
			continue
		}
		route := Route{
			Method:      strings.ToUpper(x.values.get("Method").text),
			Path:        x.values.get("Path").text,
			FunctionARN: r.instances[x.owner.id].attributes["Arn"],
		}
		path := name(route.Path)
		if x.values.get("Path").secret {
			path = "****"
		}
		if slices.ContainsFunc(routes, func(o Route) bool { return o.Method == route.Method && o.Path == route.Path }) {
			r.p.addKey(x.at, "another event has the route %s %s already", route.Method, path)
		}
		routes = append(routes, route)
		if api.values.get("DefinitionBody") == nil {
			continue // SAM writes one from the events
		}
		uri := paths.get(route.Path, openAPIMethod(route.Method), "x-amazon-apigateway-integration", "uri")
		switch {
		case uri == nil:
			r.p.addKey(x.at, "the DefinitionBody of %s has no integration for %s %s", api.id, route.Method, path)
		case !strings.Contains(uri.text, "/"+route.FunctionARN+"/"):
			r.p.add(uri, "the event %s sends %s %s to another function", x.at.label, route.Method, path)
		}
	}
	for i, path := range paths.names() {
		for j, method := range paths.items[i].names() {
			n := paths.items[i].items[j]
			if n.get("x-amazon-apigateway-integration") != nil && !slices.ContainsFunc(routes, func(o Route) bool {
				return o.Path == path && openAPIMethod(o.Method) == method
			}) {
				r.p.addKey(n, "no function has an event for this route, so API Gateway may not invoke one")
			}
		}
	}
	return routes
}

func openAPIMethod(method string) string {
	if method == "ANY" {
		return anyMethod
	}
	return strings.ToLower(method)
}
