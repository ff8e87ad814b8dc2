package tracetree

import (
	"strings"

	"example.com/arvo/telemetry/segment"
)

// Types of nodes that are no origin of a segment.
const (
	TypeClient = "client" // whoever sent the request to a root
	TypeRemote = "remote" // an inferred service that is not AWS's
)

// A Node is what the trace map draws: segments of one name and type. The type is the origin of its segments,
// [TypeClient], [TypeRemote], or empty for a service that says nothing of itself.
type Node struct{ Name, Type string }

// Client is the node of the callers, who are not traced.
var Client = Node{"client", TypeClient}

// Node is the node that the segment belongs to; of a subsegment, the one of its segment, or no node. Tables and inferred
// queues are named by the resource and not by the service, as X-Ray's map does:
//
//	subsegment of a call                    inferred segment         node
//	DynamoDB with aws.table_name            AWS::DynamoDB::Table     the table's name
//	DynamoDB                                AWS::DynamoDB            DynamoDB
//	Events                                  AWS::Events              Events (all buses share it)
//	SQS with aws.queue_url                  AWS::SQS::Queue          the queue's name
//	any other service of namespace aws      AWS:: and its name       its name
//	namespace remote                        -                        its name, of type remote
func (s *Span) Node() Node {
	if s.Subsegment {
		if s.segment == nil {
			return Node{}
		}
		s = s.segment
	}
	n := Node{s.Name, s.Origin}
	if s.Origin == "" && s.Inferred {
		n.Type = TypeRemote
	}
	if s.AWS == nil {
		return n
	}
	switch {
	case s.Origin == segment.OriginTable && s.AWS.TableName != "":
		n.Name = s.AWS.TableName
	case s.Origin == segment.OriginTable && len(s.AWS.ResourceNames) > 0:
		n.Name = s.AWS.ResourceNames[0]
	case s.Origin == segment.OriginQueue && s.Inferred:
		if name := queueName(s.AWS.QueueURL); name != "" {
			n.Name = name
		}
	}
	return n
}

func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// inferred is the segment that X-Ray makes of a call to a service that sends none.
func inferred(call *segment.Document) segment.Document {
	d := segment.Document{
		TraceID: call.TraceID, ID: segment.InferredID(call.TraceID, call.ID), ParentID: call.ID,
		Name: call.Name, Inferred: true,
		Start: call.Start, End: call.End, InProgress: call.InProgress,
		Error: call.Error, Throttle: call.Throttle, Fault: call.Fault,
		HTTP: call.HTTP, AWS: call.AWS,
	}
	if call.Namespace != segment.NamespaceAWS {
		return d
	}
	switch {
	case call.Name == "DynamoDB" && call.AWS != nil && call.AWS.TableName != "":
		d.Origin = segment.OriginTable
	case call.Name == "SQS" && call.AWS != nil && call.AWS.QueueURL != "":
		d.Origin = segment.OriginQueue
	default:
		d.Origin = "AWS::" + call.Name
	}
	return d
}

// traced tells whether the callee is to send a segment.
func (s *Span) traced() bool { return s.HTTP != nil && s.HTTP.Request.Traced }

// Inferred are the documents that [Build] added, in the order of Spans. With them, the documents are what X-Ray's API
// would return; a tree of both is the same tree.
func (t *Tree) Inferred() []segment.Document {
	var docs []segment.Document
	for _, s := range t.Spans {
		if s.added {
			docs = append(docs, s.Document)
		}
	}
	return docs
}
