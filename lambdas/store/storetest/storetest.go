// Package storetest opens the tables of template.yaml on this machine, for the tests of what reads and writes them. Keys,
// indexes and expiry are those that the template declares: a test cannot have a table that a deployment has not.
package storetest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/local/wire"
)

// The names of the tables, as in a stack that is called arvo.
const (
	ResponseTable = "arvo-responses"
	WorkflowTable = "arvo-workflows"
	EffectTable   = "arvo-effects"
)

// Open returns a client of an endpoint with one empty table, which ends with the test. Each call makes a table of its own.
func Open(t testing.TB, name string) *dynamodb.Client {
	t.Helper()
	tables, err := declared()
	if err != nil {
		t.Fatal(err)
	}
	schema, ok := tables[name]
	if !ok {
		t.Fatalf("template.yaml declares no table %s", name)
	}
	service := table.New(table.Options{Region: "us-east-1", Account: "000000000000"})
	if err := service.Create(schema); err != nil {
		t.Fatal(err)
	}
	mux := new(wire.Mux)
	mux.Handle(service.Wire())
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); service.Close() })
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
}

// declared reads the tables of template.yaml, which lies beside go.mod, once.
var declared = sync.OnceValues(func() (map[string]table.Schema, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	for {
		if _, err = os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if above := filepath.Dir(root); errors.Is(err, fs.ErrNotExist) && above != root {
			root = above
			continue
		}
		return nil, fmt.Errorf("the module's root: %w", err)
	}
	src, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	parsed, err := template.Parse("template.yaml", src)
	if err != nil {
		return nil, err
	}
	stack, err := parsed.Resolve(template.Inputs{StackName: "arvo"})
	if err != nil {
		return nil, err
	}
	schemas := map[string]table.Schema{}
	for _, t := range stack.Tables {
		schema := table.Schema{Name: t.Name, Key: table.Key(t.Key), Attributes: t.Attributes, TTLAttribute: t.TTLAttribute}
		for _, i := range t.Indexes {
			schema.Indexes = append(schema.Indexes, table.Index{Name: i.Name, Key: table.Key(i.Key), Local: !i.Global, Projection: i.Projection, NonKey: i.Include})
		}
		schemas[t.Name] = schema
	}
	return schemas, nil
})
