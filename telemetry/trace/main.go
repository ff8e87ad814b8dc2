package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/smithy-go/logging"

	"example.com/arvo/lambdas/sdkhttp"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // no trace, X-Ray cannot be asked, or --check found something
	exitUsage       = 2   // wrong command line
	exitInterrupted = 130 // Ctrl-C, as shells have it
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	width, terminal := terminalWidth(os.Stdout)
	s := screen{width: width, terminal: terminal, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, s)
	stop()
	os.Exit(code)
}

// A command is what the command line asks for.
type command struct {
	question         question
	endpoint, region string
	json, check      bool
	logs             bool
	wait             time.Duration // for the subject's answer
}

var errUsage = errors.New("wrong usage")

// run is main with its surroundings as arguments. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, s screen) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case err != nil:
		fmt.Fprintln(stderr, "trace:", err)
		return exitUsage
	}
	v, err := c.connect(ctx)
	var whole bool
	if err == nil {
		whole, err = v.show(ctx, c, stdout, stderr, s)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(stderr, "trace:", errInterrupted)
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "trace:", err)
		return exitFailed
	case !whole:
		return exitFailed
	}
	return exitOK
}

// parse reads the command line; flags may stand before and after the subject.
func parse(args []string, stderr io.Writer) (*command, error) {
	var c command
	flags := flag.NewFlagSet("trace", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: go run ./telemetry/trace [flags] SUBJECT | TRACE-ID | LINK\n\nShows where the time of a subject went and where it failed.\n\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&c.endpoint, "endpoint-url", "", "`address` to ask instead of AWS, such as http://127.0.0.1:4566 for the local stack")
	flags.StringVar(&c.region, "region", "", "AWS `region`; default: as the AWS CLI has it")
	flags.BoolVar(&c.json, "json", false, "write JSON")
	flags.BoolVar(&c.check, "check", false, "check that the trace is whole; exit 1 if it is not")
	flags.BoolVar(&c.logs, "logs", false, "show the log lines beneath each hop")
	flags.DurationVar(&c.wait, "wait", 0, "wait so long, such as 30s, for the subject's answer; exit 1 if there is none by then")
	var operands []string
	for rest := args; len(rest) > 0; {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, errUsage // told already
		}
		// After "--", everything is an operand.
		if n := len(rest) - flags.NArg(); n > 0 && rest[n-1] == "--" {
			operands = append(operands, flags.Args()...)
			break
		}
		if rest = flags.Args(); len(rest) > 0 {
			operands, rest = append(operands, rest[0]), rest[1:]
		}
	}
	switch {
	case len(operands) == 0:
		flags.Usage()
		return nil, errUsage
	case len(operands) > 1:
		return nil, fmt.Errorf("one subject at a time, got %d: a subject with spaces goes in quotes", len(operands))
	}
	var err error
	if c.question, err = ask(operands[0]); err != nil {
		return nil, err
	}
	if c.wait < 0 || c.wait > maxWait {
		return nil, fmt.Errorf("--wait %v: a time from 0 to %v is due, such as 30s", c.wait, maxWait)
	}
	if c.endpoint != "" {
		if u, err := url.Parse(c.endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("--endpoint-url %q is no address like http://127.0.0.1:4566", c.endpoint)
		}
	}
	return &c, nil
}

// A viewer asks X-Ray and shows what it says.
type viewer struct {
	xray     xrayAPI
	logs     cloudwatchlogs.FilterLogEventsAPIClient
	endpoint string // "" is AWS itself
	region   string
}

// where is how messages call the X-Ray that was asked.
func (v *viewer) where() string {
	if v.endpoint != "" {
		return v.endpoint
	}
	return v.region
}

// connect makes the clients as every AWS tool does: environment, shared configuration, then the flags over them.
func (c *command) connect(ctx context.Context) (*viewer, error) {
	// What the SDK would write by itself, about connections and retries, is no answer to anybody.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if c.region != "" {
		options = append(options, config.WithRegion(c.region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	if c.endpoint != "" {
		cfg.BaseEndpoint = &c.endpoint
	}
	cfg.HTTPClient = sdkhttp.Client(cfg.HTTPClient)
	client := xray.NewFromConfig(cfg, func(o *xray.Options) {
		if c.endpoint != "" { // the flag wins over AWS_ENDPOINT_URL_XRAY
			o.BaseEndpoint = &c.endpoint
		}
	})
	v := &viewer{endpoint: aws.ToString(client.Options().BaseEndpoint)}
	if isLoopback(v.endpoint) {
		// What runs on this machine asks nobody who they are, but the SDK signs or fails. A newcomer has no credentials, and
		// looking for some at an EC2 instance's metadata takes seconds; those of a default profile have no business here.
		// Credentials that the environment names are taken: to some stand-ins for AWS they say which account is meant.
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("local", "local", "")
		}
		if cfg.Region == "" {
			cfg.Region = "us-east-1"
		}
		// Nothing heals there by waiting.
		cfg.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 4, 20*time.Millisecond })
		}
	}
	if cfg.RetryMaxAttempts == 0 && cfg.Retryer == nil { // nobody has set it: X-Ray throttles a look back over thirty days, and three tries are few
		cfg.RetryMaxAttempts = attempts
	}
	v.region = cfg.Region
	v.xray = xray.NewFromConfig(cfg, func(o *xray.Options) {
		if v.endpoint != "" {
			o.BaseEndpoint = &v.endpoint
		}
	})
	v.logs = cloudwatchlogs.NewFromConfig(cfg, func(o *cloudwatchlogs.Options) {
		if c.endpoint != "" {
			o.BaseEndpoint = &c.endpoint
		}
	})
	return v, nil
}

const (
	callTime = 10 * time.Minute // bounds the whole of a run, after --wait: thirty days of windows take a minute or two on AWS
	maxWait  = time.Hour
	attempts = 8 // of a call that AWS throttles, with the SDK's pauses in between
)

// show answers the command. whole is false if the check has found something.
func (v *viewer) show(ctx context.Context, c *command, stdout, stderr io.Writer, s screen) (whole bool, err error) {
	q := &c.question
	ctx, cancel := context.WithTimeout(ctx, callTime+c.wait)
	defer cancel()
	record, tree, problems, err := v.find(ctx, c, stderr)
	if err != nil {
		return false, explain(err, v.where())
	}
	if len(record.docs) == 0 && record.unreadable == 0 {
		return false, notFound(q, record, v.where())
	}
	if len(record.docs) == 0 {
		return false, fmt.Errorf("no document of the trace can be read; the first: %w", record.reason)
	}
	var lines *logs
	if c.logs {
		if lines, err = readLogs(ctx, v.logs, tree); err != nil {
			return false, explain(err, v.where())
		}
	}
	stands := standingOf(tree, record)
	var judged *verdict
	if c.check {
		if judged, err = v.judge(ctx, record, tree, problems, stands); err != nil {
			return false, explain(err, v.where())
		}
	}
	whole = (judged == nil || judged.Whole) && !(c.wait > 0 && stands.pending)
	if c.json {
		out := newReport(q, tree, record)
		out.Pending = stands.pending
		if out.Check = judged; lines != nil {
			out.Logs = lines.entries()
		}
		return whole, out.write(stdout)
	}
	d := &drawing{
		screen: s, tree: tree, picture: newPicture(tree, problems, tree.Notes()), problems: problems, times: tree.Times(), question: q, logs: lines, record: record,
		standing: stands, waited: c.wait > 0,
	}
	if v.endpoint == "" {
		d.region = v.region
	}
	if lines != nil {
		lines.place(d.picture)
	}
	if err := d.draw(stdout); err != nil {
		return whole, err
	}
	if judged != nil {
		return whole, judged.write(stdout, s, v.endpoint)
	}
	return whole, nil
}

// find reads the traces of the question; a trace that is not there may be a client's own, of which the requests are looked for. For a check
// it waits until what is arriving has arrived: as long as time may mend something, and for a young trace until two readings in a row are the
// same. With --wait it waits for the subject's answer as well. What is searched for is searched for once: searches are slow, and X-Ray bills
// for them.
func (v *viewer) find(ctx context.Context, c *command, stderr io.Writer) (*recording, *tracetree.Tree, []tracetree.Problem, error) {
	q, began := &c.question, time.Now()
	ids := []segment.TraceID{q.trace}
	if q.trace.IsZero() {
		var err error
		ids, err = search(ctx, v.xray, q.expression(), retention, func() {
			fmt.Fprintln(stderr, "trace: the subject names no trace, and the last day has none; looking back 30 days (Ctrl-C ends it)")
		})
		if err != nil {
			return nil, nil, nil, err
		}
	}
	before := -1 // documents that the last reading had
	ofClient := q.ofClient()
	for {
		record, tree, problems, err := v.read(ctx, q, ids, c.check)
		if err != nil {
			return nil, nil, nil, err
		}
		since := time.Since(began)
		absent := len(tree.Spans) == 0
		if absent && ofClient != "" {
			requests, err := search(ctx, v.xray, ofClient, day, nil)
			if err != nil {
				return nil, nil, nil, err
			}
			if ofClient = ""; len(requests) == 1 {
				ids = requests
				continue
			} else if len(requests) > 1 {
				return nil, nil, nil, &severalRequests{q.trace, requests}
			}
		}
		awaited := c.wait > 0 && since < c.wait && (absent && !q.trace.IsZero() || standingOf(tree, record).pending)
		growing := before != len(record.docs) && !absent && time.Since(tree.Times().End.Time()) < youngAge
		arriving := absent && !q.trace.IsZero() && time.Since(time.Unix(q.trace.Epoch(), 0)) < settledAge
		settling := c.check && since < settleTime && (growing || arriving || healing(record, tree, problems))
		if !awaited && !settling {
			return record, tree, problems, nil
		}
		before = len(record.docs)
		if err := pause(ctx, settlePause); err != nil {
			return nil, nil, nil, err
		}
	}
}

// read reads the traces as they are by now, for a check with others that carry the subject, and looks for problems.
func (v *viewer) read(ctx context.Context, q *question, ids []segment.TraceID, check bool) (*recording, *tracetree.Tree, []tracetree.Problem, error) {
	record, err := fetch(ctx, v.xray, ids...)
	if err != nil {
		return nil, nil, nil, err
	}
	tree := tracetree.Build(record.docs)
	if check && !q.trace.IsZero() && len(q.subjects) > 0 && len(tree.Spans) > 0 {
		// The subject names one trace; are there others that carry it?
		more, err := siblings(ctx, v.xray, q, tree)
		if err != nil {
			return nil, nil, nil, err
		}
		if len(more) > 0 {
			if record, err = fetch(ctx, v.xray, slices.Concat(ids, more)...); err != nil {
				return nil, nil, nil, err
			}
			tree = tracetree.Build(record.docs)
		}
	}
	tree = record.keep(q, tree)
	problems := tree.Check()
	if check {
		if problems, err = problemsOf(ctx, v.xray, tree); err != nil {
			return nil, nil, nil, err
		}
	}
	for i := range problems {
		if p := &problems[i]; record.cut(*p) {
			p.Lost, p.Open = true, false
		}
	}
	return record, tree, problems, nil
}

// judge asks X-Ray for what the check needs beyond the documents.
func (v *viewer) judge(ctx context.Context, record *recording, tree *tracetree.Tree, problems []tracetree.Problem, stands standing) (*verdict, error) {
	graph, err := traceGraph(ctx, v.xray, tree.Traces)
	if err != nil {
		return nil, err
	}
	linked, err := fetch(ctx, v.xray, tree.Linked[:min(len(tree.Linked), maxTraces)]...)
	if err != nil {
		return nil, err
	}
	return newVerdict(record, tree, problems, stands, graph, tracetree.Build(linked.docs)), nil
}
