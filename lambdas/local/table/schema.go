package table

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/wire"
)

// A Schema describes a table to be made.
type Schema struct {
	Name         string
	Key          Key
	Attributes   map[string]string // type ("S", "N" or "B") of each attribute that is part of a key, and of no other
	Indexes      []Index
	TTLAttribute string     // attribute with the epoch second after which an item is deleted; empty: no TTL
	Throughput   Throughput // zero: BillingMode PAY_PER_REQUEST. Reported only: nothing is throttled by it
	Protected    bool       // DeletionProtectionEnabled: DeleteTable is refused
}

// A Key names the attributes of a primary key. Range is empty when there is only a partition key.
type Key struct{ Hash, Range string }

// Throughput is provisioned capacity in units per second.
type Throughput struct {
	ReadCapacityUnits  int64
	WriteCapacityUnits int64
}

// An Index is a secondary index. It holds the items that have all attributes of its key.
type Index struct {
	Name       string
	Key        Key
	Local      bool       // a local index shares the table's partition key and allows consistent reads
	Projection string     // "ALL", "KEYS_ONLY" or "INCLUDE"; what a query of the index sees of an item
	NonKey     []string   // with "INCLUDE": the attributes seen besides the keys
	Throughput Throughput // like Schema.Throughput; of global indexes only
}

func (k Key) attributes() []string {
	if k.Range == "" {
		return []string{k.Hash}
	}
	return []string{k.Hash, k.Range}
}

func (k Key) has(name string) bool { return name != "" && (name == k.Hash || name == k.Range) }

// Limits on schemas:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	maxGlobalIndexes = 20
	maxLocalIndexes  = 5
	maxProjected     = 100 // NonKey attributes of all indexes together
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

// parameter is [invalid] with the words that most of DynamoDB's messages begin with.
func parameter(format string, args ...any) *wire.Error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

func (s *Schema) validate() error {
	if err := validateName("TableName", s.Name); err != nil {
		return err
	}
	defined := slices.Sorted(maps.Keys(s.Attributes))
	for _, name := range defined {
		switch s.Attributes[name] {
		case "S", "N", "B":
		default:
			return parameter("Member must satisfy enum value set: [B, N, S]: type %q of attribute %s", s.Attributes[name], name)
		}
		if len(name) > 255 {
			return parameter("the name of a key attribute must be at most 255 bytes long: %.40s…", name)
		}
	}
	used := map[string]bool{}
	check := func(k Key) error {
		if k.Hash == "" {
			return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
		}
		for _, name := range k.attributes() {
			if _, ok := s.Attributes[name]; !ok {
				return parameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
					strings.Join(k.attributes(), ", "), strings.Join(defined, ", "))
			}
			used[name] = true
		}
		if k.Hash == k.Range {
			return invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		}
		return nil
	}
	if err := check(s.Key); err != nil {
		return err
	}
	names, locals, globals, projected := map[string]bool{}, 0, 0, 0
	for _, index := range s.Indexes {
		if err := validateName("IndexName", index.Name); err != nil {
			return err
		}
		if names[index.Name] {
			return parameter("Duplicate index name: %s", index.Name)
		}
		names[index.Name] = true
		if err := check(index.Key); err != nil {
			return err
		}
		if !index.Local {
			globals++
		} else {
			locals++
			switch {
			case s.Key.Range == "":
				return parameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
			case index.Key.Range == "":
				return parameter("Index KeySchema does not have a range key for index: %s", index.Name)
			case index.Key.Hash != s.Key.Hash:
				return parameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s",
					index.Name, index.Key.Hash, s.Key.Hash)
			}
		}
		switch index.Projection {
		case "ALL", "KEYS_ONLY":
			if index.NonKey != nil {
				return parameter("ProjectionType is %s, but NonKeyAttributes is specified", index.Projection)
			}
		case "INCLUDE":
			if len(index.NonKey) == 0 {
				return parameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
			}
		case "":
			return parameter("Unknown ProjectionType: null")
		default:
			return parameter("Unknown ProjectionType: %s", index.Projection)
		}
		projected += len(index.NonKey)
	}
	switch {
	case globals > maxGlobalIndexes:
		return parameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobalIndexes)
	case locals > maxLocalIndexes:
		return parameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocalIndexes)
	case projected > maxProjected:
		return parameter("the indexes name %d NonKeyAttributes together; the limit is %d", projected, maxProjected)
	case len(used) != len(s.Attributes):
		if len(s.Indexes) == 0 {
			return parameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
		}
		return parameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]",
			strings.Join(defined, ", "), strings.Join(slices.Sorted(maps.Keys(used)), ", "))
	}
	return nil
}

func validateName(what, name string) error {
	if len(name) < 3 || len(name) > 255 {
		return invalid("%s must be at least 3 characters long and at most 255 characters long", what)
	}
	if !namePattern.MatchString(name) {
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
			name, strings.ToLower(what[:1])+what[1:])
	}
	return nil
}

// keyType is the type of a key attribute.
func (s *Schema) keyType(name string) attribute.Type {
	t, ok := attribute.ParseType(s.Attributes[name])
	if !ok {
		panic(fmt.Sprintf("table: %s has no key attribute %s", s.Name, name)) // validate has seen every key
	}
	return t
}
