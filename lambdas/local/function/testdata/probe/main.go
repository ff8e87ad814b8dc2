// Command probe is the Lambda function of this package's tests: it does what its event says.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do   string
	Text string
	N    int
}

var calls atomic.Int64

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	n := calls.Add(1)
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	switch e.Do {
	case "describe":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"pid": os.Getpid(), "calls": n, "trace": ctx.Value("x-amzn-trace-id"), "requestId": lc.AwsRequestID,
			"arn": lc.InvokedFunctionArn, "client": lc.ClientContext.Custom, "msLeft": time.Until(deadline).Milliseconds(),
			"env": os.Environ(),
		}, nil
	case "print":
		fmt.Print(e.Text)
		return nil, nil
	case "size":
		return strings.Repeat("x", e.N-2), nil // two quotes
	case "error":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.N)
	case "hang":
		<-make(chan struct{})
	case "wait": // until the file is gone
		for {
			if _, err := os.Stat(e.Text); err != nil {
				return map[string]any{"pid": os.Getpid()}, nil
			}
			time.Sleep(time.Millisecond)
		}
	case "child": // leaves a process behind that holds our stdout
		cmd := exec.Command("sleep", "600")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return map[string]any{"child": cmd.Process.Pid}, nil
	case "break": // the stream ends in an error after its first part
		return io.MultiReader(strings.NewReader("half"), brokenReader{}), nil
	}
	return raw, nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the reader broke") }

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("no configuration found")
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour) // a bare channel would be reported as a deadlock
	case "error":
		resp, err := http.Post(api+"/2018-06-01/runtime/init/error", "application/json", bytes.NewBufferString(`{"errorType":"Config.Missing","errorMessage":"TABLE is not set"}`))
		if err == nil {
			_ = resp.Body.Close() // the process ends with the next line
		}
		os.Exit(1)
	case "second": // the first attempt fails, the second works
		mark := os.Getenv("MARK")
		if _, err := os.Stat(mark); err != nil {
			_ = os.WriteFile(mark, nil, 0o600) // without it each attempt fails, and the test says so
			os.Exit(1)
		}
	}
	if file := os.Getenv("ON_SIGTERM"); file != "" {
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
			_ = os.WriteFile(file, []byte("terminated"), 0o600) // without it the test misses the file
			os.Exit(0)
		}))
	}
	lambda.Start(handle)
}
