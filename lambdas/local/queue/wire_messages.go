package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

type attributeValue struct {
	DataType         string
	StringValue      *string  `json:",omitempty"`
	BinaryValue      []byte   `json:",omitempty"`
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

// sendEntry is a message in SendMessage and SendMessageBatch.
type sendEntry struct {
	QueueURL                string `json:"QueueUrl"` // in SendMessage only
	ID                      string `json:"Id"`       // in a batch only
	MessageBody             string
	DelaySeconds            *int32
	MessageAttributes       map[string]attributeValue
	MessageSystemAttributes map[string]attributeValue
	MessageDeduplicationID  string `json:"MessageDeduplicationId"`
	MessageGroupID          string `json:"MessageGroupId"`
}

func (e *sendEntry) message() (Message, error) {
	m := Message{Body: e.MessageBody, GroupID: e.MessageGroupID, Delay: secondsOf(e.DelaySeconds)}
	if e.MessageDeduplicationID != "" {
		return m, invalidParameter("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", clip(e.MessageDeduplicationID))
	}
	if len(e.MessageAttributes) > 0 {
		m.Attributes = make(map[string]Attribute, len(e.MessageAttributes))
	}
	for name, v := range e.MessageAttributes {
		a, err := v.attribute(name)
		if err != nil {
			return m, err
		}
		m.Attributes[name] = a
	}
	for name, v := range e.MessageSystemAttributes {
		if name != "AWSTraceHeader" {
			return m, invalidParameter("Message system attribute name '%s' is not supported; the only one that can be sent is AWSTraceHeader.", clip(name))
		}
		a, err := v.attribute(name)
		if err != nil {
			return m, err
		}
		if a.DataType != "String" {
			return m, invalidParameter("The type of message system attribute 'AWSTraceHeader' must be String, not '%s'.", clip(a.DataType))
		}
		if a.StringValue == "" {
			return m, invalidParameter("Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.")
		}
		m.TraceHeader = a.StringValue
	}
	return m, nil
}

func (v *attributeValue) attribute(name string) (Attribute, error) {
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return Attribute{}, unsupported("Message attribute list values in SendMessage operation are not supported: '%s'.", clip(name))
	}
	a := Attribute{DataType: v.DataType, BinaryValue: v.BinaryValue}
	if v.StringValue != nil {
		a.StringValue = *v.StringValue
	}
	return a, nil
}

type sendMessageAnswer struct {
	ID                           string `json:"Id,omitempty"` // in a batch only
	MessageID                    string `json:"MessageId"`
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func sendAnswer(entryID string, m *stored) sendMessageAnswer {
	return sendMessageAnswer{
		ID: entryID, MessageID: m.id, MD5OfMessageBody: m.bodyMD5, MD5OfMessageAttributes: m.attrsMD5,
		MD5OfMessageSystemAttributes: md5OfSystemAttributes(m.TraceHeader),
	}
}

func (s *Service) sendMessage(_ context.Context, in *sendEntry) (*sendMessageAnswer, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	message, err := in.message()
	if err != nil {
		return nil, err
	}
	m, err := q.prepare(message)
	if err != nil {
		return nil, err
	}
	if err := q.store(m)[0]; err != nil {
		return nil, err
	}
	answer := sendAnswer("", m)
	return &answer, nil
}

// A batchAnswer holds the outcomes of a batch's entries.
type batchAnswer[T any] struct {
	Successful []T            `json:",omitempty"`
	Failed     []batchFailure `json:",omitempty"`
}

type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func (a *batchAnswer[T]) add(id string, err error, success func() T) {
	if err == nil {
		a.Successful = append(a.Successful, success())
		return
	}
	f := batchFailure{ID: id, Code: "InternalError", Message: err.Error()}
	var e *wire.Error
	if errors.As(err, &e) {
		f.SenderFault, f.Message = e.Status < 500, e.Message
		if f.Code = e.QueryCode; f.Code == "" {
			f.Code = e.Code
		}
	}
	a.Failed = append(a.Failed, f)
}

type batchID struct {
	ID string `json:"Id"`
}

// checkBatch checks what makes a whole batch request fail.
func checkBatch[T any](entries []T, operation string, id func(*T) string) error {
	if len(entries) == 0 {
		return fail("EmptyBatchRequest", legacy+"EmptyBatchRequest", "There should be at least one %sBatchRequestEntry in the request.", operation)
	}
	if len(entries) > maxBatch {
		return fail("TooManyEntriesInBatchRequest", legacy+"TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries))
	}
	for i := range entries {
		if !validQueueName(id(&entries[i])) { // the same letters and length
			return fail("InvalidBatchEntryId", legacy+"InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for j := range i {
			if id(&entries[i]) == id(&entries[j]) {
				return fail("BatchEntryIdsNotDistinct", legacy+"BatchEntryIdsNotDistinct", "Id %s repeated.", id(&entries[i]))
			}
		}
	}
	return nil
}

type sendMessageBatchRequest struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendEntry
}

func (s *Service) sendMessageBatch(_ context.Context, in *sendMessageBatchRequest) (*batchAnswer[sendMessageAnswer], error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, "SendMessage", func(e *sendEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	messages := make([]Message, len(in.Entries))
	errs := make([]error, len(in.Entries))
	total := 0
	for i := range in.Entries {
		messages[i], errs[i] = in.Entries[i].message()
		total += messages[i].size()
	}
	if total > maxMessageSize {
		return nil, fail("BatchRequestTooLong", legacy+"BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageSize, total)
	}
	prepared := make([]*stored, len(messages))
	var good []*stored
	for i := range messages {
		if errs[i] != nil {
			continue
		}
		if prepared[i], errs[i] = q.prepare(messages[i]); errs[i] == nil {
			good = append(good, prepared[i])
		}
	}
	for i, err := range q.store(good...) {
		errs[slices.Index(prepared, good[i])] = err
	}
	out := &batchAnswer[sendMessageAnswer]{}
	for i := range in.Entries {
		id := in.Entries[i].ID
		out.add(id, errs[i], func() sendMessageAnswer { return sendAnswer(id, prepared[i]) })
	}
	return out, nil
}

type receiveMessageRequest struct {
	QueueURL                    string   `json:"QueueUrl"`
	AttributeNames              []string // the older name of MessageSystemAttributeNames
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int32
	VisibilityTimeout           *int32
	WaitTimeSeconds             *int32
}

var messageSystemAttributes = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
	"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn",
}

func (s *Service) receiveMessage(ctx context.Context, in *receiveMessageRequest) (wire.Raw, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	system := append(in.AttributeNames, in.MessageSystemAttributeNames...)
	for _, name := range system {
		if !slices.Contains(messageSystemAttributes, name) {
			return nil, unknownAttribute(name)
		}
	}
	r := ReceiveRequest{Max: 1, Visibility: secondsOf(in.VisibilityTimeout)}
	if n := in.MaxNumberOfMessages; n != nil {
		if r.Max = int(*n); r.Max < 1 || r.Max > maxWireReceive {
			return nil, invalidParameter("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", r.Max, maxWireReceive)
		}
	}
	if in.WaitTimeSeconds != nil {
		r.Wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	} else {
		r.Wait = q.Config().ReceiveWait
	}
	messages, err := q.Receive(ctx, r)
	if err != nil {
		return nil, err
	}
	return appendReceived(nil, messages, selection{system, in.MessageAttributeNames}), nil
}

// A selection says which attributes of received messages the client wants.
type selection struct {
	system []string
	user   []string
}

func (s *selection) wantsSystem(name string) bool {
	return slices.Contains(s.system, "All") || slices.Contains(s.system, name)
}

// wantsUser knows "All", "*" and ".*" for everything and "prefix.*" for what begins with the prefix.
func (s *selection) wantsUser(name string) bool {
	for _, want := range s.user {
		if want == name || want == "All" || want == "*" {
			return true
		}
		if prefix, ok := strings.CutSuffix(want, ".*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

type receiptRequest struct {
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout *int32
}

func (s *Service) deleteMessage(_ context.Context, in *receiptRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, missingParameter("ReceiptHandle")
	}
	return &nothing{}, q.delete([]string{in.ReceiptHandle})[0]
}

type receiptEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int32
}

type receiptBatchRequest struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []receiptEntry
}

func (s *Service) deleteMessageBatch(_ context.Context, in *receiptBatchRequest) (*batchAnswer[batchID], error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, "DeleteMessage", func(e *receiptEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	handles := make([]string, len(in.Entries))
	for i := range in.Entries {
		handles[i] = in.Entries[i].ReceiptHandle
	}
	out := &batchAnswer[batchID]{}
	for i, err := range q.delete(handles) {
		id := in.Entries[i].ID
		out.add(id, err, func() batchID { return batchID{id} })
	}
	return out, nil
}

func (s *Service) changeMessageVisibility(_ context.Context, in *receiptRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &nothing{}, q.changeVisibility(in.ReceiptHandle, in.VisibilityTimeout)
}

// changeVisibility is ChangeVisibility with the checks for parameters that may be missing on the wire.
func (q *Queue) changeVisibility(handle string, visibility *int32) error {
	if handle == "" {
		return missingParameter("ReceiptHandle")
	}
	if visibility == nil {
		return missingParameter("VisibilityTimeout")
	}
	return q.ChangeVisibility(handle, time.Duration(*visibility)*time.Second)
}

func (s *Service) changeMessageVisibilityBatch(_ context.Context, in *receiptBatchRequest) (*batchAnswer[batchID], error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, "ChangeMessageVisibility", func(e *receiptEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	out := &batchAnswer[batchID]{}
	for _, e := range in.Entries {
		out.add(e.ID, q.changeVisibility(e.ReceiptHandle, e.VisibilityTimeout), func() batchID { return batchID{e.ID} })
	}
	return out, nil
}
