package table_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/wire"
)

// An endpoint is the DynamoDB under test: by default a [table.Service] behind HTTP in this process; with
// ARVO_CONFORMANCE_DYNAMODB=<url> whatever listens there, with "aws" the real one of the ambient credentials.
type endpoint struct {
	url    string
	http   *http.Client
	config aws.Config
	client *dynamodb.Client
	prefix string // of the names of the tables that this test makes
}

// own tells whether the endpoint is ours, so that what other implementations do differently can be left out.
func (e *endpoint) own() bool { return os.Getenv("ARVO_CONFORMANCE_DYNAMODB") == "" }

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	e := &endpoint{
		http:   &http.Client{Transport: transport},
		prefix: "arvo-conformance-" + uuid.NewString()[:8] + "-",
	}
	switch where := os.Getenv("ARVO_CONFORMANCE_DYNAMODB"); where {
	case "":
		service := table.New(table.Options{Region: "us-east-1", Account: "000000000000"})
		t.Cleanup(service.Close)
		mux := &wire.Mux{}
		mux.Handle(service.Wire())
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		e.url = server.URL
	case "aws":
	default:
		e.url = where
	}
	e.config = aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	if e.url == "" {
		var err error
		if e.config, err = config.LoadDefaultConfig(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.url = "https://dynamodb." + e.config.Region + ".amazonaws.com"
	}
	e.config.HTTPClient = e.http
	e.config.BaseEndpoint = aws.String(e.url)
	// The SDK closes a request's body once it has the answer's header. If net/http is then still looking for the end of that
	// body, it drops the connection under the answer; the SDK knows this error and tries again.
	e.config.RetryMaxAttempts = 3
	e.client = dynamodb.NewFromConfig(e.config)
	return e
}

// call sends a body as it is, signed, and returns the status and the answer.
func (e *endpoint) call(t *testing.T, operation, body string) (int, map[string]any) {
	t.Helper()
	body = strings.ReplaceAll(body, "{t}", e.prefix)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	cred, err := e.config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), cred, r, hex.EncodeToString(sum[:]), "dynamodb", e.config.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := e.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%s answered what is no JSON object: %v: %.200s", operation, err, raw)
	}
	return resp.StatusCode, out
}

// create makes a table, waits for it and deletes it at the end of the test. The name gets the endpoint's prefix.
func (e *endpoint) create(t *testing.T, in *dynamodb.CreateTableInput) string {
	t.Helper()
	name := e.prefix + *in.TableName
	in.TableName = &name
	in.BillingMode = types.BillingModePayPerRequest
	if _, err := e.client.CreateTable(t.Context(), in); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	t.Cleanup(func() {
		if _, err := e.client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	})
	if err := dynamodb.NewTableExistsWaiter(e.client).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	return name
}

// definition reads "pk:S sk:N" as attributes.
func definition(attributes string) []types.AttributeDefinition {
	var defs []types.AttributeDefinition
	for a := range strings.FieldsSeq(attributes) {
		name, typ, _ := strings.Cut(a, ":")
		defs = append(defs, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(typ)})
	}
	return defs
}

// keySchema makes the schema of a hash key and maybe a range key.
func keySchema(names ...string) []types.KeySchemaElement {
	kinds := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}
	var schema []types.KeySchemaElement
	for i, name := range names {
		schema = append(schema, types.KeySchemaElement{AttributeName: aws.String(name), KeyType: kinds[i]})
	}
	return schema
}

// createMain makes the table that most tests use: {t}main with pk and sk, two global indexes and a local one.
func (e *endpoint) createMain(t *testing.T) string {
	return e.create(t, &dynamodb.CreateTableInput{
		TableName:            aws.String("main"),
		AttributeDefinitions: definition("pk:S sk:S gpk:S gsk:N lsk:S"),
		KeySchema:            keySchema("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("global"), KeySchema: keySchema("gpk", "gsk"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
			{IndexName: aws.String("keys"), KeySchema: keySchema("gpk"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		},
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{
			{IndexName: aws.String("local"), KeySchema: keySchema("pk", "lsk"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"shown"}}},
		},
	})
}

type item = map[string]types.AttributeValue

// The short forms of values.
func str(s string) types.AttributeValue     { return &types.AttributeValueMemberS{Value: s} }
func num(n any) types.AttributeValue        { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
func bin(b string) types.AttributeValue     { return &types.AttributeValueMemberB{Value: []byte(b)} }
func boolean(b bool) types.AttributeValue   { return &types.AttributeValueMemberBOOL{Value: b} }
func null() types.AttributeValue            { return &types.AttributeValueMemberNULL{Value: true} }
func strs(s ...string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
func nums(n ...string) types.AttributeValue { return &types.AttributeValueMemberNS{Value: n} }
func list(l ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: l}
}
func doc(m item) types.AttributeValue { return &types.AttributeValueMemberM{Value: m} }
