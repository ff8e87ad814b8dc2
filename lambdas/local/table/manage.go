package table

import (
	"context"
	"fmt"
	"sort"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/wire"
)

// The shapes of the operations on tables, named as in the API reference:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Types.html

type attributeDefinition struct {
	AttributeName string
	AttributeType string
}

type keySchemaElement struct {
	AttributeName string
	KeyType       string
}

type projection struct {
	ProjectionType   string   `json:",omitempty"`
	NonKeyAttributes []string `json:",omitempty"`
}

type secondaryIndex struct {
	IndexName             string
	KeySchema             []keySchemaElement
	Projection            *projection
	ProvisionedThroughput *Throughput
}

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	LocalSecondaryIndexes     []secondaryIndex
	GlobalSecondaryIndexes    []secondaryIndex
	BillingMode               string
	ProvisionedThroughput     *Throughput
	DeletionProtectionEnabled bool
	StreamSpecification       *struct{ StreamEnabled bool }
}

func (s *Service) createTable(_ context.Context, in *createTableInput) (*tableOutput, error) {
	schema, err := in.schema()
	if err != nil {
		return nil, err
	}
	t, err := s.create(schema)
	if err != nil {
		return nil, err
	}
	return &tableOutput{TableDescription: s.describe(t, "ACTIVE")}, nil
}

func (in *createTableInput) schema() (Schema, error) {
	schema := Schema{Name: in.TableName, Attributes: map[string]string{}, Protected: in.DeletionProtectionEnabled}
	if in.StreamSpecification != nil && in.StreamSpecification.StreamEnabled {
		return schema, invalid("StreamSpecification: streams are not available here")
	}
	if in.TableName == "" {
		return schema, missing("tableName")
	}
	if in.AttributeDefinitions == nil {
		return schema, missing("attributeDefinitions")
	}
	for _, d := range in.AttributeDefinitions {
		if _, twice := schema.Attributes[d.AttributeName]; twice {
			return schema, parameter("Duplicate AttributeName in AttributeDefinitions: %s", d.AttributeName)
		}
		schema.Attributes[d.AttributeName] = d.AttributeType
	}
	var err error
	if schema.Key, err = parseKeySchema(in.KeySchema); err != nil {
		return schema, err
	}
	provisioned := false
	switch in.BillingMode {
	case "PAY_PER_REQUEST":
		if in.ProvisionedThroughput != nil {
			return schema, parameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
	case "", "PROVISIONED":
		provisioned = true
		if in.ProvisionedThroughput == nil {
			return schema, parameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
		}
		if err := in.ProvisionedThroughput.validate("provisionedThroughput"); err != nil {
			return schema, err
		}
		schema.Throughput = *in.ProvisionedThroughput
	default:
		return schema, invalid("1 validation error detected: Value '%s' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]", in.BillingMode)
	}
	if in.LocalSecondaryIndexes != nil && len(in.LocalSecondaryIndexes) == 0 {
		return schema, parameter("List of LocalSecondaryIndexes is empty")
	}
	if in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0 {
		return schema, parameter("List of GlobalSecondaryIndexes is empty")
	}
	for _, i := range in.LocalSecondaryIndexes {
		index, err := i.index(true, false)
		if err != nil {
			return schema, err
		}
		schema.Indexes = append(schema.Indexes, index)
	}
	for _, i := range in.GlobalSecondaryIndexes {
		index, err := i.index(false, provisioned)
		if err != nil {
			return schema, err
		}
		schema.Indexes = append(schema.Indexes, index)
	}
	return schema, nil
}

func (t Throughput) validate(where string) error {
	for _, unit := range []struct {
		name  string
		value int64
	}{{"readCapacityUnits", t.ReadCapacityUnits}, {"writeCapacityUnits", t.WriteCapacityUnits}} {
		if unit.value < 1 {
			return invalid("1 validation error detected: Value '%d' at '%s.%s' failed to satisfy constraint: Member must have value greater than or equal to 1", unit.value, where, unit.name)
		}
	}
	return nil
}

func parseKeySchema(elements []keySchemaElement) (Key, error) {
	var key Key
	if len(elements) < 1 || len(elements) > 2 {
		return key, invalid("1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length between 1 and 2, found %d", len(elements))
	}
	if elements[0].KeyType != "HASH" {
		return key, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	key.Hash = elements[0].AttributeName
	if len(elements) == 2 {
		if elements[1].KeyType != "RANGE" {
			return key, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
		}
		key.Range = elements[1].AttributeName
	}
	return key, nil
}

func (i secondaryIndex) index(local, provisioned bool) (Index, error) {
	index := Index{Name: i.IndexName, Local: local}
	var err error
	if index.Key, err = parseKeySchema(i.KeySchema); err != nil {
		return index, err
	}
	if i.Projection == nil {
		return index, invalid("1 validation error detected: Value null at 'projection' of index %s failed to satisfy constraint: Member must not be null", i.IndexName)
	}
	index.Projection, index.NonKey = i.Projection.ProjectionType, i.Projection.NonKeyAttributes
	switch {
	case i.ProvisionedThroughput == nil && provisioned:
		return index, parameter("ProvisionedThroughput must be specified for index: %s", i.IndexName)
	case i.ProvisionedThroughput == nil:
	case !provisioned:
		return index, parameter("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", i.IndexName)
	default:
		if err := i.ProvisionedThroughput.validate("globalSecondaryIndexes." + i.IndexName + ".provisionedThroughput"); err != nil {
			return index, err
		}
		index.Throughput = *i.ProvisionedThroughput
	}
	return index, nil
}

type throughputDescription struct {
	NumberOfDecreasesToday int
	ReadCapacityUnits      int64
	WriteCapacityUnits     int64
}

type indexDescription struct {
	IndexName             string
	KeySchema             []keySchemaElement
	Projection            projection
	IndexStatus           string                 `json:",omitempty"` // of global indexes
	ProvisionedThroughput *throughputDescription `json:",omitempty"` // of global indexes
	IndexSizeBytes        int64
	ItemCount             int64
	IndexArn              string
}

type tableDescription struct {
	AttributeDefinitions      []attributeDefinition
	TableName                 string
	KeySchema                 []keySchemaElement
	TableStatus               string
	CreationDateTime          float64 // epoch seconds with milliseconds
	ProvisionedThroughput     throughputDescription
	TableSizeBytes            int64
	ItemCount                 int64
	TableArn                  string
	TableId                   string
	BillingModeSummary        *billingModeSummary `json:",omitempty"`
	LocalSecondaryIndexes     []indexDescription  `json:",omitempty"`
	GlobalSecondaryIndexes    []indexDescription  `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type billingModeSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime float64
}

type tableOutput struct {
	Table            *tableDescription `json:",omitempty"`
	TableDescription *tableDescription `json:",omitempty"`
}

func (k Key) elements() []keySchemaElement {
	e := []keySchemaElement{{k.Hash, "HASH"}}
	if k.Range != "" {
		e = append(e, keySchemaElement{k.Range, "RANGE"})
	}
	return e
}

func (s *Service) describe(t *table, status string) *tableDescription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := &tableDescription{
		TableName:                 t.schema.Name,
		KeySchema:                 t.schema.Key.elements(),
		TableStatus:               status,
		CreationDateTime:          float64(t.created.UnixMilli()) / 1000,
		ProvisionedThroughput:     throughputDescription{0, t.schema.Throughput.ReadCapacityUnits, t.schema.Throughput.WriteCapacityUnits},
		TableSizeBytes:            t.bytes,
		ItemCount:                 int64(t.rows.Len()),
		TableArn:                  fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", s.options.Region, s.options.Account, t.schema.Name),
		TableId:                   t.id,
		DeletionProtectionEnabled: t.schema.Protected,
	}
	if t.schema.Throughput == (Throughput{}) {
		d.BillingModeSummary = &billingModeSummary{"PAY_PER_REQUEST", d.CreationDateTime}
	}
	for name, typ := range t.schema.Attributes {
		d.AttributeDefinitions = append(d.AttributeDefinitions, attributeDefinition{name, typ})
	}
	sort.Slice(d.AttributeDefinitions, func(i, j int) bool {
		return d.AttributeDefinitions[i].AttributeName < d.AttributeDefinitions[j].AttributeName
	})
	for _, i := range t.indexes {
		id := indexDescription{
			IndexName:      i.Name,
			KeySchema:      i.Key.elements(),
			Projection:     projection{i.Projection, i.NonKey},
			IndexSizeBytes: i.bytes,
			ItemCount:      int64(i.rows.Len()),
			IndexArn:       d.TableArn + "/index/" + i.Name,
		}
		if i.Local {
			d.LocalSecondaryIndexes = append(d.LocalSecondaryIndexes, id)
			continue
		}
		id.IndexStatus = "ACTIVE"
		id.ProvisionedThroughput = &throughputDescription{0, i.Throughput.ReadCapacityUnits, i.Throughput.WriteCapacityUnits}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, id)
	}
	return d
}

type tableInput struct{ TableName string }

// named is [Service.table] with the message that the operations on tables give.
func (s *Service) named(name string) (*table, error) {
	t, err := s.table(name)
	if err != nil && name != "" {
		return nil, wire.Errorf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
	}
	return t, err
}

func (s *Service) describeTable(_ context.Context, in *tableInput) (*tableOutput, error) {
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	return &tableOutput{Table: s.describe(t, "ACTIVE")}, nil
}

func (s *Service) deleteTable(_ context.Context, in *tableInput) (*tableOutput, error) {
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	if t.schema.Protected {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	s.mu.Lock()
	// Two deletions may have found the same table.
	if s.tables[t.schema.Name] != t {
		s.mu.Unlock()
		return nil, wire.Errorf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", in.TableName)
	}
	delete(s.tables, t.schema.Name)
	s.mu.Unlock()
	return &tableOutput{TableDescription: s.describe(t, "DELETING")}, nil
}

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   *int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

func (s *Service) listTables(_ context.Context, in *listTablesInput) (*listTablesOutput, error) {
	limit := 100
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 {
			return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", limit)
		}
		if limit > 100 {
			return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100", limit)
		}
	}
	names := s.names()
	names = names[sort.Search(len(names), func(i int) bool { return names[i] > in.ExclusiveStartTableName }):]
	out := &listTablesOutput{TableNames: names}
	if len(names) > limit {
		out.TableNames, out.LastEvaluatedTableName = names[:limit], names[limit-1]
	}
	return out, nil
}

type timeToLive struct {
	Enabled       bool
	AttributeName string
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification *timeToLive
}

type updateTimeToLiveOutput struct{ TimeToLiveSpecification timeToLive }

func (s *Service) updateTimeToLive(_ context.Context, in *updateTimeToLiveInput) (*updateTimeToLiveOutput, error) {
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	switch {
	case spec == nil:
		return nil, missing("timeToLiveSpecification")
	case spec.AttributeName == "":
		return nil, invalid("TimeToLiveSpecification.AttributeName must not be empty")
	case len(spec.AttributeName) > 255:
		return nil, invalid("TimeToLiveSpecification.AttributeName must be at most 255 characters long")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ttl != "" && t.ttl != spec.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	case t.ttl != "" && spec.Enabled:
		return nil, invalid("TimeToLive is already enabled")
	case t.ttl == "" && !spec.Enabled:
		return nil, invalid("TimeToLive is already disabled")
	}
	t.ttl = ""
	if spec.Enabled {
		t.ttl = spec.AttributeName
	}
	t.reckonExpiry()
	return &updateTimeToLiveOutput{*spec}, nil
}

// reckonExpiry reads the TTL attribute of every item anew. The caller holds mu.
func (t *table) reckonExpiry() {
	rows := make(map[string]row, t.rows.Len())
	t.rows.Ascend("", "", func(key string, r row) bool {
		r.expires = t.expiry(attribute.MustParse(r.json))
		rows[key] = r
		return true
	})
	for key, r := range rows {
		t.rows.Set(key, r)
	}
}

type timeToLiveDescription struct {
	AttributeName    string `json:",omitempty"`
	TimeToLiveStatus string
}

type describeTimeToLiveOutput struct{ TimeToLiveDescription timeToLiveDescription }

func (s *Service) describeTimeToLive(_ context.Context, in *tableInput) (*describeTimeToLiveOutput, error) {
	t, err := s.named(in.TableName)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.ttl == "" {
		return &describeTimeToLiveOutput{timeToLiveDescription{TimeToLiveStatus: "DISABLED"}}, nil
	}
	return &describeTimeToLiveOutput{timeToLiveDescription{t.ttl, "ENABLED"}}, nil
}
