package stack

import (
	"context"
	"net/url"
	"slices"
	"time"

	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/local/wire"
)

// cloudFormation answers what tools ask of a deployed stack: its outputs and its resources. Nothing can be changed
// through it. Source: the CloudFormation API reference, version 2010-05-15.
func cloudFormation(s *template.Stack, started time.Time) wire.Query {
	describe := func(_ context.Context, form url.Values) (any, error) {
		name := form.Get("StackName")
		if name != "" && name != s.Name && name != s.ID {
			return nil, noStack(name)
		}
		return describeStacks(s, started), nil
	}
	list := func(_ context.Context, form url.Values) (any, error) {
		if name := form.Get("StackName"); name != s.Name && name != s.ID {
			return nil, noStack(name)
		}
		return listResources(s, started), nil
	}
	resources := func(_ context.Context, form url.Values) (any, error) {
		return describeResources(s, started, form)
	}
	return wire.Query{
		Version:   "2010-05-15",
		Namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
		Operations: map[string]func(context.Context, url.Values) (any, error){
			"DescribeStacks":         describe,
			"DescribeStackResources": resources,
			"ListStackResources":     list,
		},
	}
}

func noStack(name string) error {
	if name == "" {
		return wire.Errorf("ValidationError", "1 validation error detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null")
	}
	return wire.Errorf("ValidationError", "Stack with id %s does not exist", name)
}

type member[T any] struct {
	Members []T `xml:"member"`
}

type stackDescription struct {
	StackID         string `xml:"StackId"`
	StackName       string
	Description     string `xml:",omitempty"`
	CreationTime    string
	StackStatus     string
	DisableRollback bool
	Capabilities    member[string]
	Parameters      member[parameterDescription]
	Outputs         member[outputDescription]
}

type parameterDescription struct{ ParameterKey, ParameterValue string }

type outputDescription struct {
	OutputKey, OutputValue string
	Description            string `xml:",omitempty"`
}

func describeStacks(s *template.Stack, started time.Time) any {
	d := stackDescription{
		StackID: s.ID, StackName: s.Name, CreationTime: timestamp(started), StackStatus: "CREATE_COMPLETE",
		Capabilities: member[string]{[]string{"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}},
	}
	for _, p := range s.Parameters {
		d.Parameters.Members = append(d.Parameters.Members, parameterDescription{p.Name, p.Value})
	}
	for _, o := range s.Outputs {
		d.Outputs.Members = append(d.Outputs.Members, outputDescription{o.Name, o.Value, o.Description})
	}
	return struct {
		Stacks member[stackDescription]
	}{member[stackDescription]{[]stackDescription{d}}}
}

type resourceSummary struct {
	LogicalID    string `xml:"LogicalResourceId"`
	PhysicalID   string `xml:"PhysicalResourceId"`
	ResourceType string
	LastUpdated  string `xml:"LastUpdatedTimestamp"`
	Status       string `xml:"ResourceStatus"`
	Drift        struct {
		Status string `xml:"StackResourceDriftStatus"`
	} `xml:"DriftInformation"`
}

func listResources(s *template.Stack, started time.Time) any {
	summaries := make([]resourceSummary, len(s.Resources))
	for i, r := range s.Resources {
		summaries[i] = resourceSummary{LogicalID: r.LogicalID, PhysicalID: r.PhysicalID, ResourceType: r.Type, LastUpdated: timestamp(started), Status: "CREATE_COMPLETE"}
		summaries[i].Drift.Status = "NOT_CHECKED"
	}
	return struct {
		Summaries member[resourceSummary] `xml:"StackResourceSummaries"`
	}{member[resourceSummary]{summaries}}
}

type resourceDescription struct {
	StackID      string `xml:"StackId"`
	StackName    string
	LogicalID    string `xml:"LogicalResourceId"`
	PhysicalID   string `xml:"PhysicalResourceId"`
	ResourceType string
	Timestamp    string
	Status       string `xml:"ResourceStatus"`
	Drift        struct {
		Status string `xml:"StackResourceDriftStatus"`
	} `xml:"DriftInformation"`
}

// maxDescribed is how many resources DescribeStackResources returns; ListStackResources returns all.
const maxDescribed = 100

// describeResources finds a stack by its name, or by the physical id of one of its resources.
func describeResources(s *template.Stack, started time.Time, form url.Values) (any, error) {
	name, physical, logical := form.Get("StackName"), form.Get("PhysicalResourceId"), form.Get("LogicalResourceId")
	switch {
	case name != "" && physical != "":
		return nil, wire.Errorf("ValidationError", "Both StackName and PhysicalResourceId cannot be specified together")
	case name == "" && physical == "":
		return nil, wire.Errorf("ValidationError", "Either StackName or PhysicalResourceId must be specified")
	case physical != "" && !slices.ContainsFunc(s.Resources, func(r template.Resource) bool { return r.PhysicalID == physical }):
		return nil, wire.Errorf("ValidationError", "Stack for %s does not exist", physical)
	case name != "" && name != s.Name && name != s.ID:
		return nil, noStack(name)
	}
	var found []resourceDescription
	for _, r := range s.Resources {
		if logical != "" && r.LogicalID != logical || len(found) == maxDescribed {
			continue
		}
		d := resourceDescription{
			StackID: s.ID, StackName: s.Name, LogicalID: r.LogicalID, PhysicalID: r.PhysicalID, ResourceType: r.Type,
			Timestamp: timestamp(started), Status: "CREATE_COMPLETE",
		}
		d.Drift.Status = "NOT_CHECKED"
		found = append(found, d)
	}
	if found == nil {
		return nil, wire.Errorf("ValidationError", "Resource %s does not exist for stack %s", logical, s.Name)
	}
	return struct {
		Resources member[resourceDescription] `xml:"StackResources"`
	}{member[resourceDescription]{found}}, nil
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
