package queue

import (
	"context"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

const (
	maxBatch       = 10   // entries of a batch request
	maxWireReceive = 10   // messages of one ReceiveMessage
	maxPage        = 1000 // queues of one list
)

// Wire returns SQS's operations in AWS JSON 1.0.
func (s *Service) Wire() wire.Service {
	return wire.Service{
		Prefix: "AmazonSQS", Version: "1.0", ErrorNamespace: "com.amazonaws.sqs",
		Operations: map[string]wire.Operation{
			"CancelMessageMoveTask":        wire.JSON(s.cancelMessageMoveTask),
			"ChangeMessageVisibility":      wire.JSON(s.changeMessageVisibility),
			"ChangeMessageVisibilityBatch": wire.JSON(s.changeMessageVisibilityBatch),
			"CreateQueue":                  wire.JSON(s.createQueue),
			"DeleteMessage":                wire.JSON(s.deleteMessage),
			"DeleteMessageBatch":           wire.JSON(s.deleteMessageBatch),
			"DeleteQueue":                  wire.JSON(s.deleteQueue),
			"GetQueueAttributes":           wire.JSON(s.getQueueAttributes),
			"GetQueueUrl":                  wire.JSON(s.getQueueURL),
			"ListDeadLetterSourceQueues":   wire.JSON(s.listDeadLetterSourceQueues),
			"ListMessageMoveTasks":         wire.JSON(s.listMessageMoveTasks),
			"ListQueueTags":                wire.JSON(s.listQueueTags),
			"ListQueues":                   wire.JSON(s.listQueues),
			"PurgeQueue":                   wire.JSON(s.purgeQueue),
			"ReceiveMessage":               wire.JSON(s.receiveMessage),
			"SendMessage":                  wire.JSON(s.sendMessage),
			"SendMessageBatch":             wire.JSON(s.sendMessageBatch),
			"SetQueueAttributes":           wire.JSON(s.setQueueAttributes),
			"StartMessageMoveTask":         wire.JSON(s.startMessageMoveTask),
			"TagQueue":                     wire.JSON(s.tagQueue),
			"UntagQueue":                   wire.JSON(s.untagQueue),
		},
	}
}

// nothing is the answer of operations that return nothing.
type nothing struct{}

type queueRequest struct {
	QueueURL string `json:"QueueUrl"`
}

// queue finds the queue of a request.
func (s *Service) queue(address string) (*Queue, error) {
	if address == "" {
		return nil, missingParameter("QueueUrl")
	}
	u, err := url.Parse(address)
	if err != nil || strings.Count(strings.Trim(u.Path, "/"), "/") != 1 {
		return nil, errBadAddress(address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return nil, errClosed()
	}
	q := s.byPath(u.Path)
	if q == nil {
		return nil, errNoQueue()
	}
	return q, nil
}

func byName(a, b *Queue) int { return strings.Compare(a.name, b.name) }

type createQueueRequest struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

type queueURLAnswer struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) createQueue(_ context.Context, in *createQueueRequest) (*queueURLAnswer, error) {
	if in.QueueName == "" {
		return nil, missingParameter("QueueName")
	}
	cfg := Config{Name: in.QueueName, Tags: in.Tags}
	if err := cfg.setAll(in.Attributes); err != nil {
		return nil, err
	}
	q, err := s.create(cfg, slices.Sorted(maps.Keys(in.Attributes)))
	if err != nil {
		return nil, err
	}
	return &queueURLAnswer{q.url}, nil
}

func (s *Service) deleteQueue(_ context.Context, in *queueRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &nothing{}, s.remove(q)
}

type getQueueURLRequest struct {
	QueueName              string
	QueueOwnerAWSAccountID string `json:"QueueOwnerAWSAccountId"`
}

func (s *Service) getQueueURL(_ context.Context, in *getQueueURLRequest) (*queueURLAnswer, error) {
	if in.QueueName == "" {
		return nil, missingParameter("QueueName")
	}
	q, ok := s.Lookup(s.arn(in.QueueName))
	if !ok || in.QueueOwnerAWSAccountID != "" && in.QueueOwnerAWSAccountID != s.opts.Account {
		return nil, errNoQueue()
	}
	return &queueURLAnswer{q.url}, nil
}

type listQueuesRequest struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listQueuesAnswer struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

func (s *Service) listQueues(_ context.Context, in *listQueuesRequest) (*listQueuesAnswer, error) {
	s.mu.Lock()
	var all []*Queue
	for name, q := range s.queues {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			all = append(all, q)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, byName)
	urls, next, err := page(all, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &listQueuesAnswer{urls, next}, nil
}

// page cuts a sorted list. The token of the next page is the last name of this one, in base64.
func page(all []*Queue, maxResults *int, token string) (urls []string, next string, err error) {
	most := maxPage
	if maxResults != nil {
		if most = *maxResults; most < 1 || most > maxPage {
			return nil, "", invalidParameter("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", most, maxPage)
		}
	}
	if token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", invalidParameter("Value for parameter NextToken is invalid.")
		}
		after, found := slices.BinarySearchFunc(all, string(last), func(q *Queue, name string) int { return strings.Compare(q.name, name) })
		if found {
			after++
		}
		all = all[after:]
	}
	if len(all) > most {
		all = all[:most]
		next = base64.RawURLEncoding.EncodeToString([]byte(all[most-1].name))
	}
	for _, q := range all {
		urls = append(urls, q.url)
	}
	return urls, next, nil
}

type listDeadLetterSourceQueuesRequest struct {
	QueueURL   string `json:"QueueUrl"`
	MaxResults *int
	NextToken  string
}

type listDeadLetterSourceQueuesAnswer struct {
	QueueURLs []string `json:"queueUrls"`
	NextToken string   `json:",omitempty"`
}

func (s *Service) listDeadLetterSourceQueues(_ context.Context, in *listDeadLetterSourceQueuesRequest) (*listDeadLetterSourceQueuesAnswer, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	sources := s.sourcesOf(q)
	s.mu.Unlock()
	urls, next, err := page(sources, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if urls == nil {
		urls = []string{}
	}
	return &listDeadLetterSourceQueuesAnswer{urls, next}, nil
}

type getQueueAttributesRequest struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type getQueueAttributesAnswer struct {
	Attributes map[string]string `json:",omitempty"`
}

// queueAttributes are all names that GetQueueAttributes knows, those of FIFO queues and KMS included.
var queueAttributes = []string{
	"All", "Policy", "VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod",
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp",
	"QueueArn", "ApproximateNumberOfMessagesDelayed", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy",
	"FifoQueue", "ContentBasedDeduplication", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "DeduplicationScope",
	"FifoThroughputLimit", "RedriveAllowPolicy", "SqsManagedSseEnabled",
}

func (s *Service) getQueueAttributes(_ context.Context, in *getQueueAttributesRequest) (*getQueueAttributesAnswer, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	for _, name := range in.AttributeNames {
		if !slices.Contains(queueAttributes, name) {
			return nil, unknownAttribute(name)
		}
	}
	all := q.attributes()
	if !slices.Contains(in.AttributeNames, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(in.AttributeNames, name) })
	}
	return &getQueueAttributesAnswer{all}, nil
}

// attributes returns a queue's attributes by their names and texts on the wire.
func (q *Queue) attributes() map[string]string {
	counts := q.Counts()
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	out := q.cfg.attributes()
	out["QueueArn"] = q.arn
	out["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	out["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	out["ApproximateNumberOfMessages"] = strconv.Itoa(counts.Visible)
	out["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(counts.InFlight)
	out["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(counts.Delayed)
	return out
}

type setQueueAttributesRequest struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

func (s *Service) setQueueAttributes(_ context.Context, in *setQueueAttributesRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attributes")
	}
	return &nothing{}, q.configure(func(cfg *Config) error { return cfg.setAll(in.Attributes) })
}

func (s *Service) purgeQueue(_ context.Context, in *queueRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &nothing{}, q.Purge()
}

type listQueueTagsAnswer struct {
	Tags map[string]string `json:",omitempty"`
}

func (s *Service) listQueueTags(_ context.Context, in *queueRequest) (*listQueueTagsAnswer, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &listQueueTagsAnswer{q.Config().Tags}, nil
}

type tagQueueRequest struct {
	QueueURL string `json:"QueueUrl"`
	Tags     map[string]string
}

func (s *Service) tagQueue(_ context.Context, in *tagQueueRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missingParameter("Tags")
	}
	return &nothing{}, q.configure(func(cfg *Config) error {
		if cfg.Tags == nil {
			cfg.Tags = map[string]string{}
		}
		maps.Copy(cfg.Tags, in.Tags)
		return validateTags(cfg.Tags)
	})
}

type untagQueueRequest struct {
	QueueURL string `json:"QueueUrl"`
	TagKeys  []string
}

func (s *Service) untagQueue(_ context.Context, in *untagQueueRequest) (*nothing, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, missingParameter("TagKeys")
	}
	return &nothing{}, q.configure(func(cfg *Config) error {
		for _, key := range in.TagKeys {
			delete(cfg.Tags, key)
		}
		return nil
	})
}

type startMessageMoveTaskRequest struct {
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn"`
	Rate           *int   `json:"MaxNumberOfMessagesPerSecond"`
}

type startMessageMoveTaskAnswer struct {
	TaskHandle string
}

func (s *Service) startMessageMoveTask(_ context.Context, in *startMessageMoveTaskRequest) (*startMessageMoveTaskAnswer, error) {
	if in.SourceARN == "" {
		return nil, missingParameter("SourceArn")
	}
	rate := 0
	if in.Rate != nil {
		if rate = *in.Rate; rate == 0 {
			rate = -1 // 0 said outright is out of range, it does not mean "no limit"
		}
	}
	t, err := s.startMove(in.SourceARN, in.DestinationARN, rate)
	if err != nil {
		return nil, err
	}
	return &startMessageMoveTaskAnswer{t.handle()}, nil
}

type cancelMessageMoveTaskRequest struct {
	TaskHandle string
}

type cancelMessageMoveTaskAnswer struct {
	Moved int `json:"ApproximateNumberOfMessagesMoved"`
}

func (s *Service) cancelMessageMoveTask(_ context.Context, in *cancelMessageMoveTaskRequest) (*cancelMessageMoveTaskAnswer, error) {
	if in.TaskHandle == "" {
		return nil, missingParameter("TaskHandle")
	}
	moved, err := s.cancelMove(in.TaskHandle)
	if err != nil {
		return nil, err
	}
	return &cancelMessageMoveTaskAnswer{moved}, nil
}

type listMessageMoveTasksRequest struct {
	SourceARN  string `json:"SourceArn"`
	MaxResults *int
}

type listMessageMoveTasksAnswer struct {
	Results []moveTaskResult
}

type moveTaskResult struct {
	Moved          int    `json:"ApproximateNumberOfMessagesMoved"`
	ToMove         int    `json:"ApproximateNumberOfMessagesToMove"`
	DestinationARN string `json:"DestinationArn,omitempty"`
	FailureReason  string `json:",omitempty"`
	Rate           int    `json:"MaxNumberOfMessagesPerSecond,omitempty"`
	SourceARN      string `json:"SourceArn"`
	Started        int64  `json:"StartedTimestamp"` // ms
	Status         string
	TaskHandle     string `json:",omitempty"` // while it runs
}

func (s *Service) listMessageMoveTasks(_ context.Context, in *listMessageMoveTasksRequest) (*listMessageMoveTasksAnswer, error) {
	if in.SourceARN == "" {
		return nil, missingParameter("SourceArn")
	}
	most := 1
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > tasksPerQueue {
			return nil, invalidParameter("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", most, tasksPerQueue)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	source := s.byARN(in.SourceARN)
	if source == nil {
		return nil, errNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	out := &listMessageMoveTasksAnswer{Results: []moveTaskResult{}}
	for _, t := range s.tasksOf(source) {
		if len(out.Results) == most {
			break
		}
		r := moveTaskResult{
			Moved: t.moved, ToMove: t.toMove, FailureReason: t.failure, Rate: t.rate,
			SourceARN: source.arn, Started: t.started.UnixMilli(), Status: t.status,
		}
		if t.destination != nil {
			r.DestinationARN = t.destination.arn
		}
		if t.status == taskRunning {
			r.TaskHandle = t.handle()
		}
		out.Results = append(out.Results, r)
	}
	return out, nil
}

// secondsOf turns a number of seconds of a request into a duration.
func secondsOf(n *int32) *time.Duration {
	if n == nil {
		return nil
	}
	return new(time.Duration(*n) * time.Second)
}
