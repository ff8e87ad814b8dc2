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

// Close ends the background work. Calls that still arrive are answered.
func (s *Service) Close() {
	close(s.done)
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
		return nil, invalid("1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null")
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
		"PutItem":            operation(s.write(put)),
		"UpdateItem":         operation(s.write(update)),
		"DeleteItem":         operation(s.write(deletion)),
		"GetItem":            operation(s.getItem),
		"Query":              operation(s.query),
		"Scan":               operation(s.scan),
		"BatchGetItem":       operation(s.batchGetItem),
		"BatchWriteItem":     operation(s.batchWriteItem),
		"TransactGetItems":   operation(s.transactGetItems),
		"TransactWriteItems": operation(s.transactWriteItems),
	}
	for name, op := range operations {
		operations[name] = s.hooked(op)
	}
	return wire.Service{
		Prefix:         "DynamoDB_20120810",
		Version:        "1.0",
		ErrorNamespace: "com.amazonaws.dynamodb.v20120810",
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
