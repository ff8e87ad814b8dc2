// Package table is DynamoDB on one machine: tables in memory behind DynamoDB's own wire protocol, so that the AWS SDKs and
// the aws CLI talk to it as they are.
//
// # What it provides
//
// PutItem, GetItem, UpdateItem, DeleteItem, Query, Scan (also parallel), BatchGetItem, BatchWriteItem, TransactGetItems,
// TransactWriteItems, CreateTable, DeleteTable, DescribeTable, ListTables, UpdateTimeToLive and DescribeTimeToLive; all ten
// data types; global and local secondary indexes, sparse and with any projection; condition, update, key condition, filter
// and projection expressions with their reserved words; ReturnValues and ReturnValuesOnConditionCheckFailure; consumed
// capacity; idempotency tokens; pages; TTL; and the limits on items, keys, numbers, documents, expressions and batches.
// What is refused is refused with DynamoDB's code and words; refusal_test.go lists them.
//
// # Promises
//
//   - A write is atomic and visible at once, in the table and in all of its indexes. A transaction happens whole or not at
//     all, and no reader sees a part of it: transactions are serialised, so there is no TransactionConflictException.
//   - What a call could not do, it has not begun to do: a batch with one bad request writes nothing.
//   - Items come back as they were put, numbers and sets normalised. Queries are in the order of sort keys, scans in a fixed
//     order of partitions, and pages continue where the last one ended, whatever is written meanwhile.
//   - Nothing is ignored that would change the meaning of a call: the parameters that expressions have replaced (Expected,
//     AttributeUpdates, KeyConditions …) and streams are refused by name.
//   - No payload and no key is ever logged.
//
// # Design
//
// A row is an item as the JSON that goes over the wire, with its size and expiry beside it. A get copies bytes; only what a
// condition, an update, a filter or a projection looks at is decoded. The rows of a table are one ordered map
// (package ordered) by an order-preserving encoding of hash, partition key and sort key: a get is a lookup, a query a range, a
// scan a walk, a segment a range of hashes. An index is another such map that shares the JSON. One RWMutex per table
// makes writes atomic; decoding a request, parsing expressions, filtering and encoding happen outside of it. The data model
// is package attribute, the language package expression.
//
// A B-tree on disk, an SQL engine or a log-structured store were no options: durability is not asked for, and a map with a
// lock does tens of thousands of conditional puts of 1 KB a second on one core (see the benchmarks), reading the request's
// JSON being the largest part. Sharding the lock by partition would need two-phase locking for indexes and transactions,
// and the critical section is a small part of a call.
//
// # What differs from AWS
//
//   - All reads are strongly consistent, those of global indexes too. ConsistentRead counts for capacity, and is refused on
//     global indexes as on AWS.
//   - Nothing is throttled by capacity, provisioned or on demand, or by hot partitions; throttling is injected by
//     [Options.Throttle]. ItemCollectionMetrics are never answered, and there is no ItemCollectionSizeLimitExceededException.
//   - Tables are there at once: TableStatus is ACTIVE in the answer to CreateTable. Counts and sizes are exact, not six hours old.
//   - An expired item is gone within about a minute instead of a few days. As on AWS, readers must not rely on either.
//   - TTL takes effect at once, and can be turned off and on without waiting an hour.
//   - Sets come back sorted, attributes in the order of their names, and items of equal index sort key in a fixed order.
//   - Scan segments and scans follow another hash than DynamoDB's.
//   - There are no streams, backups, tags, resource policies, PartiQL, UpdateTable, or index keys of several attributes.
//     CreateTable ignores what has no effect on data: SSESpecification, TableClass, Tags, OnDemandThroughput.
//   - Of the items of a transaction, which are 4 MB together at most, those that are written count as they will be, those
//     that are deleted or only checked as they are. AWS does not say more than "the items in the transaction".
//   - The function size counts characters of a string, which AWS leaves open.
//
// # Conformance
//
// The tests in conformance_test.go and refusal_test.go speak to an endpoint: by default a Service in the test's process,
// with ARVO_CONFORMANCE_DYNAMODB=<url> another implementation, and with "aws" the real one, where they make and delete
// their own tables.
package table

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Options configure a [Service].
type Options struct {
	Region  string // of ARNs, such as "us-east-1"
	Account string // of ARNs, twelve digits

	// Latency returns how long a call takes besides its work. Nil: nothing.
	Latency func() time.Duration
	// Throttle reports whether a call is to fail with ThrottlingException. Nil: never.
	Throttle func() bool
}

// A Service is DynamoDB in memory.
type Service struct {
	options Options
	tokens  tokens
	close   sync.Once
	done    chan struct{}
	wait    sync.WaitGroup

	mu     sync.RWMutex
	tables map[string]*table
}

// New starts a Service without tables. [Service.Close] ends it.
func New(o Options) *Service {
	s := &Service{options: o, tables: map[string]*table{}, done: make(chan struct{})}
	s.wait.Go(s.expire)
	return s
}

// Close ends the background work, also when it is called twice. Calls that still arrive are answered.
func (s *Service) Close() {
	s.close.Do(func() { close(s.done) })
	s.wait.Wait()
}

// Create makes a table. The error is the one that CreateTable answers with.
func (s *Service) Create(schema Schema) error {
	_, err := s.create(schema)
	return err
}

func (s *Service) create(schema Schema) (*table, error) {
	if err := schema.validate(); err != nil {
		return nil, err
	}
	t := newTable(schema, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[schema.Name] != nil {
		return nil, wire.Errorf("ResourceInUseException", "Table already exists: %s", schema.Name)
	}
	s.tables[schema.Name] = t
	return t, nil
}

// Items is the number of items in a table, 0 for a table that does not exist.
func (s *Service) Items(name string) int64 {
	s.mu.RLock()
	t := s.tables[name]
	s.mu.RUnlock()
	if t == nil {
		return 0
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int64(t.rows.Len())
}

// table finds a table by its name or ARN.
func (s *Service) table(name string) (*table, error) {
	if name == "" {
		return nil, missing("tableName")
	}
	plain := name
	if arn, ok := strings.CutPrefix(name, "arn:"); ok {
		_, plain, _ = strings.Cut(arn, ":table/")
	}
	s.mu.RLock()
	t := s.tables[plain]
	s.mu.RUnlock()
	if t == nil {
		return nil, wire.Errorf("ResourceNotFoundException", "Requested resource not found")
	}
	return t, nil
}

// names lists the tables in order.
func (s *Service) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.tables))
	for name := range s.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Wire returns the operations as DynamoDB's wire protocol names them.
func (s *Service) Wire() wire.Service {
	operations := map[string]wire.Operation{
		"CreateTable":        wire.JSON(s.createTable),
		"DeleteTable":        wire.JSON(s.deleteTable),
		"DescribeTable":      wire.JSON(s.describeTable),
		"ListTables":         wire.JSON(s.listTables),
		"UpdateTimeToLive":   wire.JSON(s.updateTimeToLive),
		"DescribeTimeToLive": wire.JSON(s.describeTimeToLive),
		"PutItem":            wire.JSON(s.write(put)),
		"UpdateItem":         wire.JSON(s.write(update)),
		"DeleteItem":         wire.JSON(s.write(deletion)),
		"GetItem":            wire.JSON(s.getItem),
		"Query":              wire.JSON(s.query),
		"Scan":               wire.JSON(s.scan),
		"BatchGetItem":       wire.JSON(s.batchGetItem),
		"BatchWriteItem":     wire.JSON(s.batchWriteItem),
		"TransactGetItems":   wire.JSON(s.transactGetItems),
		"TransactWriteItems": wire.JSON(s.transactWriteItems),
	}
	for name, op := range operations {
		operations[name] = s.hooked(op)
	}
	return wire.Service{
		Prefix:         "DynamoDB_20120810",
		Version:        "1.0",
		ErrorNamespace: "com.amazonaws.dynamodb.v20120810",
		Checksum:       true,
		Operations:     operations,
	}
}

// hooked puts the simulated latency and injected faults before an operation.
func (s *Service) hooked(op wire.Operation) wire.Operation {
	if s.options.Latency == nil && s.options.Throttle == nil {
		return op
	}
	return func(ctx context.Context, body []byte) (any, error) {
		if s.options.Latency != nil {
			if err := sleep(ctx, s.options.Latency()); err != nil {
				return nil, err
			}
		}
		if s.options.Throttle != nil && s.options.Throttle() {
			return nil, wire.Errorf("ThrottlingException", "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so please try again shortly. (injected fault)")
		}
		return op(ctx, body)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
