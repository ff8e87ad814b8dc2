package store_test

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

func TestWorkflowsAreAMemory(t *testing.T) {
	arvotest.TestMemory(t, func(t *testing.T) arvo.Memory {
		return store.NewWorkflows(storetest.Open(t, storetest.WorkflowTable), storetest.WorkflowTable, time.Now)
	})
}

// ARVO_WORKFLOW_TABLE names a table on AWS, made as template.yaml makes WorkflowTable; credentials and region come as for
// any of AWS's tools. What the test writes expires like all else.
func TestWorkflowsAreAMemoryOnAWS(t *testing.T) {
	name := os.Getenv("ARVO_WORKFLOW_TABLE")
	if name == "" {
		t.Skip("ARVO_WORKFLOW_TABLE names no table")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	workflows := store.NewWorkflows(dynamodb.NewFromConfig(cfg), name, time.Now)
	arvotest.TestMemory(t, func(*testing.T) arvo.Memory { return workflows })
}
