package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"example.com/arvo/lambdas/arvo"
)

// sorted returns the contracts by type.
func (a *api) sorted() []*arvo.Contract {
	contracts := make([]*arvo.Contract, 0, len(a.contracts))
	for _, t := range slices.Sorted(maps.Keys(a.contracts)) {
		contracts = append(contracts, a.contracts[t])
	}
	return contracts
}

// getContracts tells what is hosted: each contract with the JSON Schema of what it accepts and emits.
func (a *api) getContracts(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Contracts []any `json:"contracts"`
	}{}
	for _, c := range a.sorted() {
		doc, err := schemaOf(c, c.JSONSchema())
		if err != nil {
			a.fail(w, r, err)
			return
		}
		out.Contracts = append(out.Contracts, doc)
	}
	a.write(w, r, http.StatusOK, out)
}

// schemaOf is a document about c as it concerns clients.
func schemaOf(c *arvo.Contract, doc json.RawMessage) (any, error) {
	if !c.IsOrchestrator() {
		return doc, nil
	}
	return askOfClients(doc)
}

// object is a JSON object of the OpenAPI document, whose keys encoding/json sorts.
type object = map[string]any

// getOpenAPI describes this API in OpenAPI 3.1, with one request schema for each version of each contract.
func (a *api) getOpenAPI(w http.ResponseWriter, r *http.Request) {
	var requests []any
	schemas := object{}
	for _, c := range a.sorted() {
		for _, number := range c.Versions() {
			version, err := c.Version(number)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			schema, _ := version.Schema(c.Type()) // every version has it
			data, err := schemaOf(c, schema.JSON())
			if err != nil {
				a.fail(w, r, err)
				return
			}
			name := c.Type() + "." + number
			schemas[name] = object{
				"type": "object", "title": name, "description": c.Description(),
				"required": []string{"type", "data"}, "additionalProperties": false,
				"properties": object{
					"type":          object{"const": c.Type()},
					"version":       object{"type": "string", "const": number, "description": "the newest when absent"},
					"data":          data,
					"accesscontrol": object{"type": "string", "minLength": 1, "maxLength": maxAccessControl, "description": "carried to the services, never shown; the maximum is of its bytes in UTF-8"},
				},
			}
			requests = append(requests, object{"$ref": "#/components/schemas/" + name})
		}
	}
	maps.Copy(schemas, componentSchemas)
	schemas["Request"] = object{"oneOf": requests}
	a.write(w, r, http.StatusOK, object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Arvo on AWS Lambda", "version": "1.0.0",
			"description": "Put a request on the bus, read the responses on its subject.",
		},
		"servers":    []any{object{"url": cmp.Or(stageOf(r.Context()), "/")}},
		"paths":      paths,
		"components": object{"schemas": schemas},
	})
}

var paths = object{
	"/events": object{"post": object{
		"summary": "Accept a request",
		"parameters": []any{
			object{"name": "Idempotency-Key", "in": "header", "required": false, "schema": object{"type": "string", "minLength": 1, "maxLength": maxKey},
				"description": "A retry with the same key and body has the subject of the first request"},
			object{"name": "traceparent", "in": "header", "required": false, "schema": object{"type": "string"}, "description": "Never adopted"},
		},
		"requestBody": object{"required": true, "content": jsonOf("#/components/schemas/Request")},
		"responses": responsesOf(object{"202": object{
			"description": "Accepted: the answer will be on the subject",
			"headers":     object{"Location": object{"schema": object{"type": "string"}}},
			"content":     jsonOf("#/components/schemas/Accepted"),
		}}, map[string]string{
			"400": "Not JSON, or an Idempotency-Key that cannot be used", "404": "No service accepts this type",
			"409": "The first request with this Idempotency-Key is still in flight", "413": "The body is larger than 200 KB",
			"422": "The body breaks its contract, or the Idempotency-Key was used with another body", "503": "The bus refused the event: try again",
		}),
	}},
	"/subjects/{subject}": object{"get": object{
		"summary":    "Read a subject",
		"parameters": append([]any{object{"name": "subject", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "base64url without padding"}}, readParameters...),
		"responses":  readResponses,
	}},
	"/subjects": object{"get": object{
		"summary":    "Read any subject",
		"parameters": append([]any{object{"name": "subject", "in": "query", "required": true, "schema": object{"type": "string"}, "description": "percent-encoded"}}, readParameters...),
		"responses":  readResponses,
	}},
	"/contracts":    object{"get": object{"summary": "What is hosted, as JSON Schema", "responses": object{"200": object{"description": "The contracts"}}}},
	"/openapi.json": object{"get": object{"summary": "This document", "responses": object{"200": object{"description": "It"}}}},
	"/healthz":      object{"get": object{"summary": "Whether the API answers", "responses": object{"200": object{"description": "It does"}}}},
}

var readParameters = []any{
	object{"name": "wait", "in": "query", "required": false, "schema": object{"type": "number", "minimum": 0, "maximum": maxWait.Seconds()}, "description": "Seconds to wait for the subject to be completed"},
	object{"name": "after", "in": "query", "required": false, "schema": object{"type": "string"}, "description": "The page before's next"},
}

var readResponses = responsesOf(object{"200": object{"description": "The subject", "content": jsonOf("#/components/schemas/Subject")}},
	map[string]string{"400": "A query that cannot be used", "404": "No such subject"})

func responsesOf(responses object, problems map[string]string) object {
	for status, description := range problems {
		responses[status] = object{"description": description, "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}
	}
	return responses
}

func jsonOf(ref string) object {
	return object{"application/json": object{"schema": object{"$ref": ref}}}
}

var (
	text         = object{"type": "string"}
	nullableTime = object{"type": []string{"string", "null"}, "format": "date-time"}

	componentSchemas = object{
		"Accepted": object{"type": "object", "required": []string{"subject", "id", "status", "links"}, "properties": object{
			"subject": text, "id": text, "status": object{"enum": []string{"pending", "completed", "failed"}},
			"traceId": object{"type": "string", "pattern": "^1-[0-9a-f]{8}-[0-9a-f]{24}$"},
			"links":   object{"type": "object", "properties": object{"subject": text, "trace": text}},
		}},
		"Subject": object{"type": "object", "required": []string{"subject", "status", "acceptedAt", "completedAt", "executionUnits", "deliveries", "events"}, "properties": object{
			"subject": text, "status": object{"enum": []string{"pending", "completed", "failed"}}, "traceId": text,
			"acceptedAt": nullableTime, "completedAt": nullableTime,
			"executionUnits": object{"type": "number"}, "deliveries": object{"type": "integer"},
			"events": object{"type": "array", "items": object{"type": "object", "description": "an ArvoEvent without its accesscontrol"}}, "next": text,
		}},
		"Problem": object{"type": "object", "required": []string{"type", "title", "status"}, "properties": object{
			"type": text, "title": text, "status": object{"type": "integer"}, "detail": text,
			"issues": object{"type": "array", "items": object{"type": "object", "required": []string{"path", "reason"}, "properties": object{"path": text, "code": text, "reason": text}}},
		}},
	}
)
