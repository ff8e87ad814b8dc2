package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// cloudFormation is a client of the Query protocol of CloudFormation, version 2010-05-15.
type cloudFormation struct {
	endpoint    string
	region      string
	credentials aws.CredentialsProvider
	http        aws.HTTPClient
}

// A description is what CloudFormation says of a stack.
type description struct {
	ID         string    `xml:"StackId"`
	Name       string    `xml:"StackName"`
	Created    time.Time `xml:"CreationTime"`
	Status     string    `xml:"StackStatus"`
	Parameters []struct {
		Key   string `xml:"ParameterKey"`
		Value string `xml:"ParameterValue"`
	} `xml:"Parameters>member"`
	Outputs []struct {
		Key   string `xml:"OutputKey"`
		Value string `xml:"OutputValue"`
	} `xml:"Outputs>member"`
}

func (d *description) output(key string) string {
	for _, o := range d.Outputs {
		if o.Key == key {
			return o.Value
		}
	}
	return ""
}

func (c *cloudFormation) describe(ctx context.Context, stack string) (*description, error) {
	var out struct {
		Stacks []description `xml:"DescribeStacksResult>Stacks>member"`
	}
	if err := c.call(ctx, "DescribeStacks", url.Values{"StackName": {stack}}, &out); err != nil {
		return nil, err
	}
	if len(out.Stacks) != 1 {
		return nil, fmt.Errorf("DescribeStacks: %d stacks, where one was asked for", len(out.Stacks))
	}
	return &out.Stacks[0], nil
}

// resources returns the physical ids of a stack's resources by their logical ones.
func (c *cloudFormation) resources(ctx context.Context, stack string) (map[string]string, error) {
	const pages = 50 // a stack has at most 500 resources
	ids := map[string]string{}
	form := url.Values{"StackName": {stack}}
	for range pages {
		var out struct {
			Resources []struct {
				Logical  string `xml:"LogicalResourceId"`
				Physical string `xml:"PhysicalResourceId"`
			} `xml:"ListStackResourcesResult>StackResourceSummaries>member"`
			Next string `xml:"ListStackResourcesResult>NextToken"`
		}
		if err := c.call(ctx, "ListStackResources", form, &out); err != nil {
			return nil, err
		}
		for _, r := range out.Resources {
			ids[r.Logical] = r.Physical
		}
		if out.Next == "" {
			return ids, nil
		}
		form.Set("NextToken", out.Next)
	}
	return nil, fmt.Errorf("ListStackResources: more than %d pages", pages)
}

// A queryError is an error that the service has answered.
type queryError struct {
	Status  int    `xml:"-"`
	Code    string `xml:"Error>Code"`
	Message string `xml:"Error>Message"`
}

func (e *queryError) Error() string { return e.Code + ": " + e.Message }

// call makes one call, again when it is throttled or the service fails.
func (c *cloudFormation) call(ctx context.Context, action string, form url.Values, out any) error {
	const tries = 5
	pause := 200 * time.Millisecond
	for try := 1; ; try++ {
		err := c.once(ctx, action, form, out)
		var refused *queryError
		again := errors.As(err, &refused) && (refused.Status >= 500 || strings.Contains(refused.Code, "Throttling"))
		if err == nil || !again || try == tries {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// maxListing is the longest answer of CloudFormation that is read: 500 resources take some 300 KB.
const maxListing = 4 << 20

func (c *cloudFormation) once(ctx context.Context, action string, form url.Values, out any) error {
	values := url.Values{"Action": {action}, "Version": {"2010-05-15"}}
	for key, value := range form {
		values[key] = value
	}
	body := values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.endpoint, "/")+"/", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("CloudFormation: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	credentials, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("AWS credentials: %w", err)
	}
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(hash[:]), "cloudformation", c.region, time.Now()); err != nil {
		return fmt.Errorf("CloudFormation: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or its error is told
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
	if err != nil {
		return fmt.Errorf("%s: the answer breaks off: %w", action, err)
	}
	if len(answer) > maxListing {
		return fmt.Errorf("%s: the answer is longer than %d bytes", action, maxListing)
	}
	if resp.StatusCode != http.StatusOK {
		refused := &queryError{Status: resp.StatusCode}
		if err := xml.Unmarshal(answer, refused); err != nil || refused.Code == "" {
			return &queryError{Status: resp.StatusCode, Code: resp.Status, Message: "this is no answer of CloudFormation"}
		}
		return refused
	}
	if err := xml.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: this is no answer of CloudFormation: %w", action, err)
	}
	return nil
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
