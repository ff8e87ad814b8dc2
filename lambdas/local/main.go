// Command local runs the whole system of template.yaml on this machine: `go run ./lambdas/local`.
//
// When it says "ready", the REST API answers on -api and the AWS services on -aws, for the aws CLI and any SDK:
//
//	export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
//	aws --endpoint-url http://127.0.0.1:4566 sqs list-queues
//
// Ctrl-C refuses new requests, lets accepted ones run to their end and exits 0; a second Ctrl-C leaves at once. See
// package stack for how it works and what differs from AWS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/latency"
	"example.com/arvo/lambdas/local/stack"
)

// drainTime is how long accepted work may take to end after Ctrl-C.
const drainTime = 30 * time.Second

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, signals))
}

// run is main with its surroundings as arguments. It returns the exit code: 2 for wrong usage, 1 for a failure.
func run(args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	config, logs, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		if !errors.Is(err, errUsage) {
			fmt.Fprintln(stderr, err)
		}
		return 2
	}
	config.Log = slog.New(slog.NewTextHandler(stderr, nil))
	if logs {
		config.LogLine = func(group, line string) { fmt.Fprintln(stderr, group, line) }
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		select {
		case <-signals:
			close(stopped)
			cancel() // a start that is under way ends
		case <-ctx.Done():
		}
	}()
	config.Building = func() { fmt.Fprintf(stderr, "building the functions of %s\n", config.Template) }
	began := time.Now()
	s, err := stack.Start(ctx, config)
	if err != nil {
		if ctx.Err() != nil {
			return 0
		}
		if bad, ok := errors.AsType[*stack.AddressError](err); ok {
			return refuse(bad, stderr)
		}
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintf(stdout, "REST API      %s\nAWS services  %s\nX-Ray daemon  %s\nready in %v; Ctrl-C ends it\n", s.APIURL(), s.AWSURL(), s.XRayAddress(), time.Since(began).Round(time.Millisecond))
	<-stopped
	asked := time.Now()

	if s.Backlog() > 0 {
		fmt.Fprintf(stdout, "finishing what is under way, for up to %v; Ctrl-C again leaves it\n", drainTime)
	}
	closing, giveUp := context.WithTimeout(context.Background(), drainTime)
	defer giveUp()
	go func() {
		for { // a terminal, and what runs this, may both pass one Ctrl-C on: two at once are one
			select {
			case <-signals:
				if time.Since(asked) > 300*time.Millisecond {
					giveUp()
					return
				}
			case <-closing.Done():
				return
			}
		}
	}()
	if err := s.Close(closing); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// addressFlags are the flags of a [stack.Config]'s addresses.
var addressFlags = map[string]string{"API": "-api", "AWS": "-aws", "XRay": "-xray"}

// refuse says what is wrong with an address, by its flag, and returns the exit code.
func refuse(e *stack.AddressError, stderr io.Writer) int {
	fmt.Fprintf(stderr, "%s %s: %v\n", addressFlags[e.Setting], e.Address, e.Err)
	if e.Taken() {
		return 1
	}
	return 2
}

var errUsage = errors.New("wrong usage")

// parse reads the command line.
func parse(args []string, stderr io.Writer) (config stack.Config, logs bool, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&config.API, "api", "127.0.0.1:3000", "address of the REST API")
	flags.StringVar(&config.AWS, "aws", "127.0.0.1:4566", "address of the AWS services")
	flags.StringVar(&config.XRay, "xray", "127.0.0.1:2000", "address of the X-Ray daemon, UDP and TCP")
	flags.StringVar(&config.Template, "template", "", "what to run (default the template.yaml of this folder, or else of the Go module it is in)")
	flags.StringVar(&config.Name, "stack-name", "arvo", "name of the stack")
	config.Seed, config.AccountConcurrency = 1, 1000
	flags.Func("seed", "`number` of everything random: latencies, faults, sampling (default 1)", func(s string) (err error) {
		if config.Seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			return errors.New("a whole number from 0 is due")
		}
		return nil
	})
	flags.Func("account-concurrency", "`invocations` at one time, over all functions (default 1000)", func(s string) (err error) {
		if config.AccountConcurrency, err = strconv.Atoi(s); err != nil || config.AccountConcurrency < 1 {
			return errors.New("a whole number from 1 is due")
		}
		return nil
	})
	flags.BoolVar(&logs, "logs", false, "show the log groups: what the functions write, and the API's access log")
	profile := flags.String("latency", "none", "`profile` of the services' latencies: none, aws2026, or a YAML file")
	faults := flags.String("faults", "", "`rates` of faults to inject, such as duplicate=0.05,kill=0.01,putevents=0.05,throttle=0.05,delay=500ms")
	config.Parameters = map[string]string{}
	flags.Func("parameter", "`Name=Value` of a parameter of the template; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return errors.New("Name=Value is due")
		}
		if _, twice := config.Parameters[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		config.Parameters[name] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return config, false, err
		}
		return config, false, errUsage // the flag package has said it all
	}
	if flags.NArg() > 0 {
		return config, false, fmt.Errorf("%q is no flag; see -help", flags.Arg(0))
	}
	if config.Name == "" {
		return config, false, errors.New("-stack-name: a name is due")
	}
	if config.Template == "" {
		config.Template = nearestTemplate()
	}
	if config.Latency, err = latencyOf(*profile); err != nil {
		return config, false, err
	}
	if config.Faults, err = fault.Parse(*faults); err != nil {
		return config, false, err
	}
	return config, logs, nil
}

// nearestTemplate is the template.yaml of this folder or else that of the nearest folder above which is a Go module.
func nearestTemplate() string {
	const name = "template.yaml"
	isFile := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular()
	}
	folder, err := os.Getwd()
	if err != nil || isFile(name) {
		return name
	}
	for parent := filepath.Dir(folder); parent != folder; parent = filepath.Dir(folder) {
		folder = parent
		if path := filepath.Join(folder, name); isFile(path) && isFile(filepath.Join(folder, "go.mod")) {
			return path
		}
	}
	return name // whose absence will be told
}

func latencyOf(profile string) (latency.Profile, error) {
	switch profile {
	case "none", "":
		return latency.Profile{}, nil
	case "aws2026":
		return latency.AWS2026(), nil
	}
	if info, err := os.Stat(profile); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return latency.Profile{}, fmt.Errorf("-latency %s: it is none, aws2026 or a file of at most 1 MB", profile)
	}
	src, err := os.ReadFile(profile)
	if err != nil {
		return latency.Profile{}, fmt.Errorf("-latency %s: %w", profile, err)
	}
	p, err := latency.Parse(src)
	if err != nil {
		return latency.Profile{}, fmt.Errorf("-latency %s: %w", profile, err)
	}
	return p, nil
}
