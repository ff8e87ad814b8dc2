package template

import (
	"maps"
)

const attributeNameMax = 255

var (
	keySchema = list{min: 1, max: 2, of: object{name: "a key", required: []string{"AttributeName", "KeyType"}, fields: fields{
		"AttributeName": text{max: attributeNameMax},
		"KeyType":       oneOf{"HASH", "RANGE"},
	}}}
	tableName = matching(`[A-Za-z0-9._-]{3,}`, "at least three letters, digits, ., - and _", 255)
	indexes   = list{max: 20, of: object{name: "an index", required: []string{"IndexName", "KeySchema", "Projection"}, fields: fields{
		"IndexName": tableName,
		"KeySchema": keySchema,
		"Projection": object{name: "a projection", required: []string{"ProjectionType"}, fields: fields{
			"ProjectionType":   oneOf{"ALL", "KEYS_ONLY", "INCLUDE"},
			"NonKeyAttributes": list{of: text{max: attributeNameMax}, min: 1, max: 20},
		}},
	}}}
)

var tableKind = &kind{
	name:       "AWS::DynamoDB::Table",
	attributes: []string{"Arn"},
	properties: object{name: "AWS::DynamoDB::Table", required: []string{"AttributeDefinitions", "KeySchema", "BillingMode"}, fields: fields{
		"TableName":   tableName,
		"BillingMode": oneOf{"PAY_PER_REQUEST"}, // no throughput is provisioned here, so none can run out
		"AttributeDefinitions": list{min: 1, of: object{name: "an attribute definition", required: []string{"AttributeName", "AttributeType"}, fields: fields{
			"AttributeName": text{max: attributeNameMax},
			"AttributeType": oneOf{"S", "N", "B"},
		}}},
		"KeySchema":              keySchema,
		"GlobalSecondaryIndexes": indexes,
		"LocalSecondaryIndexes":  indexes,
		"TimeToLiveSpecification": object{name: "AWS::DynamoDB::Table TimeToLiveSpecification", required: []string{"Enabled"}, fields: fields{
			"AttributeName": text{max: attributeNameMax},
			"Enabled":       boolean{},
		}},
		// Where a table is kept in memory there is nothing to encrypt and no past to go back to.
		"PointInTimeRecoverySpecification": object{name: "AWS::DynamoDB::Table PointInTimeRecoverySpecification", fields: fields{
			"PointInTimeRecoveryEnabled": boolean{},
			"RecoveryPeriodInDays":       whole(1, 35),
		}},
		"SSESpecification": object{name: "AWS::DynamoDB::Table SSESpecification", fields: fields{
			"SSEEnabled": boolean{},
		}},
		"DeletionProtectionEnabled": boolean{}, // guards against DeleteTable in an account; a local table ends with its process anyway
	}},
	identify: func(r *resolver, x *instance) {
		x.physical = r.named(x, "TableName")
		x.attributes["Arn"] = r.arn("dynamodb", "table/"+x.physical)
	},
	build: func(r *resolver, x *instance) {
		v := x.values
		t := Table{
			LogicalID:  x.id,
			Name:       x.physical,
			ARN:        x.attributes["Arn"],
			Attributes: map[string]string{},
		}
		for _, n := range v.get("AttributeDefinitions").items {
			name := n.get("AttributeName").text
			if _, twice := t.Attributes[name]; twice {
				r.p.add(n, "the attribute %s is defined twice", n.get("AttributeName").shown())
			}
			t.Attributes[name] = n.get("AttributeType").text
		}
		unused := maps.Clone(t.Attributes)
		t.Key = r.key(v.get("KeySchema"), t.Attributes, unused)
		names := map[string]bool{}
		for _, kind := range []string{"GlobalSecondaryIndexes", "LocalSecondaryIndexes"} {
			for _, n := range v.get(kind).list() {
				ix := Index{
					Name:       n.get("IndexName").text,
					Global:     kind == "GlobalSecondaryIndexes",
					Key:        r.key(n.get("KeySchema"), t.Attributes, unused),
					Projection: n.get("Projection", "ProjectionType").text,
					Include:    n.get("Projection", "NonKeyAttributes").strs(),
				}
				if names[ix.Name] {
					r.p.add(n.get("IndexName"), "two indexes have the name %s", n.get("IndexName").shown())
				}
				names[ix.Name] = true
				if (ix.Projection == "INCLUDE") != (ix.Include != nil) {
					r.p.add(n.get("Projection"), "NonKeyAttributes goes with ProjectionType INCLUDE, and with no other")
				}
				if !ix.Global && (ix.Key.Hash != t.Key.Hash || ix.Key.Range == "") {
					r.p.add(n.get("KeySchema"), "a local index has the table's HASH key and a RANGE key of its own")
				}
				t.Indexes = append(t.Indexes, ix)
			}
		}
		for _, n := range v.get("AttributeDefinitions").items {
			if name := n.get("AttributeName"); unused[name.text] != "" {
				r.p.add(v.get("AttributeDefinitions"), "no key uses the attribute %s: only key attributes are defined", name.shown())
			}
		}
		if ttl := v.get("TimeToLiveSpecification"); ttl.get("Enabled").truth(false) {
			if t.TTLAttribute = ttl.get("AttributeName").str(""); t.TTLAttribute == "" {
				r.p.add(ttl, "AttributeName is missing: which attribute says when an item expires?")
			}
		}
		r.stack.Tables = append(r.stack.Tables, t)
	},
}

// key reads a key schema and takes its attributes off the unused ones.
func (r *resolver) key(n *node, defined, unused map[string]string) Key {
	var key Key
	for i, part := range n.items {
		attribute, role := part.get("AttributeName"), part.get("KeyType").text
		if want := []string{"HASH", "RANGE"}[i]; role != want {
			r.p.add(part, "key %d must be the %s key: HASH first, then RANGE", i+1, want)
		}
		if _, ok := defined[attribute.text]; !ok {
			r.p.add(attribute, "the key attribute %s is not among the AttributeDefinitions", attribute.shown())
		}
		delete(unused, attribute.text)
		if role == "HASH" {
			key.Hash = attribute.text
		} else {
			key.Range = attribute.text
		}
	}
	return key
}
