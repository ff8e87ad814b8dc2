package target

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A LocalConfig says what to start on this machine. The zero value is the template.yaml of this module as it is.
type LocalConfig struct {
	Template           string            // "" for the module's own
	Parameters         map[string]string // of the template
	Stack              string            // its name; "" for arvo
	AccountConcurrency int               // 0 for that of local
	Latency            string            // none, aws2026 or a file; "" for none
	Faults             string            // as -faults of local
	Seed               uint64            // 0 for that of local
	Ready              time.Duration     // how long it may take until it is ready, once it is built; 0 for two minutes
}

// A Child is the local stack, started by this process and ended with it.
type Child struct {
	stack    string
	endpoint string
	api      string
	process  *os.Process
	output   *tail

	done     chan struct{} // closed when the process has ended and its output is read
	err      error         // why it ended, set before done is closed
	stopping atomic.Bool
	peak     atomic.Uint64
	sampled  chan struct{} // closed when nobody samples its memory any more
}

// Local builds the local stack, starts it on free ports and waits until it is ready. The caller has to Stop it, and may
// then Open it by Config.Child. When ctx ends before it is ready, it is stopped; afterwards ctx means nothing to it.
func Local(ctx context.Context, c LocalConfig) (*Child, error) {
	root, err := ModuleRoot(ctx)
	if err != nil {
		return nil, err
	}
	binary, err := buildLocal(ctx, root)
	if err != nil {
		return nil, err
	}
	if c.Stack == "" {
		c.Stack = "arvo"
	}
	cmd := exec.Command(binary, c.arguments(root)...)
	cmd.Dir = root
	if os.Getenv("GOGC") == "" { // it keeps every trace and table of the run: a laptop's memory is for its functions
		cmd.Env = append(os.Environ(), "GOGC=50")
	}
	return start(ctx, cmd, c)
}

func (c LocalConfig) arguments(root string) []string {
	template := c.Template
	if template == "" {
		template = filepath.Join(root, "template.yaml")
	} else if absolute, err := filepath.Abs(template); err == nil { // it runs in another folder
		template = absolute
	}
	args := []string{"-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0", "-template", template, "-stack-name", c.Stack}
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		args = append(args, "-parameter", name+"="+c.Parameters[name])
	}
	if c.AccountConcurrency != 0 {
		args = append(args, "-account-concurrency", strconv.Itoa(c.AccountConcurrency))
	}
	if c.Latency != "" {
		latency := c.Latency
		if _, err := os.Stat(latency); err == nil {
			if absolute, err := filepath.Abs(latency); err == nil {
				latency = absolute
			}
		}
		args = append(args, "-latency", latency)
	}
	if c.Faults != "" {
		args = append(args, "-faults", c.Faults)
	}
	if c.Seed != 0 {
		args = append(args, "-seed", strconv.FormatUint(c.Seed, 10))
	}
	return args
}

// ModuleRoot is the folder of this module: the one with lambdas/local in it.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("target: the local stack is built by the go command: go env GOMOD: %w", err)
	}
	gomod := strings.TrimSpace(string(out))
	root := filepath.Dir(gomod)
	if info, err := os.Stat(filepath.Join(root, "lambdas", "local")); gomod == "" || gomod == os.DevNull || err != nil || !info.IsDir() {
		return "", errors.New("target: no lambdas/local here: run this within its module, or give the address of a stack that is running")
	}
	return root, nil
}

// buildLocal compiles the local stack. The binary is kept, so that an unchanged one is not linked again.
func buildLocal(ctx context.Context, root string) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "local-"+shortHash(root))
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./lambdas/local")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("target: building lambdas/local: %w\n%s", err, bytes.TrimSpace(out))
	}
	return binary, nil
}

// start starts cmd and waits until it says that it is ready.
func start(ctx context.Context, cmd *exec.Cmd, c LocalConfig) (*Child, error) {
	limit := c.Ready
	if limit == 0 {
		limit = 2 * time.Minute
	}
	child := &Child{stack: c.Stack, output: &tail{}, done: make(chan struct{}), sampled: make(chan struct{})}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	cmd.Stdout, cmd.Stderr = write, child.output
	detach(cmd)
	started := make(chan error)
	waited := make(chan error, 1)
	go func() {
		// The kernel ends the child with the thread that started it (Pdeathsig): this one stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			waited <- cmd.Wait()
		}
	}()
	err = <-started
	closed := write.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("target: starting the local stack: %w", err), closed, read.Close())
	}
	child.process = cmd.Process
	ready := make(chan struct{})
	readAll := make(chan struct{})
	go func() {
		defer close(readAll)
		child.listen(read, ready)
	}()
	go func() {
		err := <-waited
		<-readAll
		_ = read.Close() // it was read to its end
		child.err = child.reason(err)
		close(child.done)
	}()
	go child.sample()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ready:
		return child, nil
	case <-child.done:
		err = child.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = fmt.Errorf("it is not ready after %v", limit)
	}
	child.kill()
	<-child.done
	<-child.sampled
	return nil, fmt.Errorf("target: the local stack did not start: %w%s", err, child.output.quote())
}

// listen reads what the child says until it ends, and closes ready when it says so.
func (c *Child) listen(r io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(r)
	for said := false; lines.Scan(); {
		line := lines.Text()
		_, _ = c.output.Write(append(lines.Bytes(), '\n')) // it never fails
		if said {
			continue
		}
		if address, ok := strings.CutPrefix(line, "AWS services "); ok {
			c.endpoint = strings.TrimSpace(address)
		}
		if address, ok := strings.CutPrefix(line, "REST API "); ok {
			c.api = strings.TrimSpace(address)
		}
		if strings.HasPrefix(line, "ready") && c.endpoint != "" {
			said = true
			close(ready)
		}
	}
	_, _ = io.Copy(io.Discard, r) // after a line that is too long: the child must not wait for us
}

// reason says why the process has ended; nil if we asked for it.
func (c *Child) reason(err error) error {
	if c.stopping.Load() {
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0, unasked")
	}
	return fmt.Errorf("the local stack has ended: %w", err)
}

// Endpoint returns where its AWS services are.
func (c *Child) Endpoint() string { return c.endpoint }

// API returns where its REST API is.
func (c *Child) API() string { return c.api }

// StackName returns the name of its stack.
func (c *Child) StackName() string { return c.stack }

// PID returns its process id.
func (c *Child) PID() int { return c.process.Pid }

// Done returns a channel that is closed when it has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

func (c *Child) dead() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Err returns why it has ended, with the last that it said: nil while it runs, and when it was stopped by Stop.
func (c *Child) Err() error {
	if !c.dead() || c.err == nil {
		return nil
	}
	return fmt.Errorf("%w%s", c.err, c.output.quote())
}

// Output returns the last lines that it has said.
func (c *Child) Output() string { return c.output.String() }

// How long a child may take to end: first it lets accepted work end, by a second interrupt it leaves that.
const (
	drainTime = 3 * time.Second
	leaveTime = 5 * time.Second
)

// Stop interrupts the child and waits until it has ended. Work that it is still at after some seconds is given up, or at once when
// ctx is done. Its error says why the child had ended before, or that it had to be killed. It may be called again.
func (c *Child) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	for _, patience := range []time.Duration{drainTime, leaveTime} {
		if c.ended(ctx, patience) {
			<-c.sampled
			return c.Err()
		}
	}
	c.kill()
	<-c.done
	<-c.sampled
	return fmt.Errorf("target: the local stack did not end when it was interrupted; it was killed%s", c.output.quote())
}

// ended interrupts the child and reports whether it has ended within a time.
func (c *Child) ended(ctx context.Context, patience time.Duration) bool {
	if !c.dead() {
		_ = interrupt(c.process) // if that fails it has ended, or will be killed
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return c.dead()
}

// kill ends the process; its Lambdas end with it.
func (c *Child) kill() {
	c.stopping.Store(true)
	_ = c.process.Kill() // it fails only when it has ended
}

// sampleEvery is how often the memory is looked at: often enough for a peak of the load, and nearly nothing.
const sampleEvery = 2 * time.Second

func (c *Child) sample() {
	defer close(c.sampled)
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
			c.Memory()
		}
	}
}

// Memory returns how many bytes the child and all that it started take now: the proportional set sizes (PSS) of their
// processes, where what several share is counted once. Where the system does not tell it is 0.
func (c *Child) Memory() uint64 {
	if c.dead() {
		return 0
	}
	now := memoryOf(c.process.Pid)
	for {
		peak := c.peak.Load()
		if now <= peak || c.peak.CompareAndSwap(peak, now) {
			return now
		}
	}
}

// PeakMemory returns the most that Memory was, looked at every two seconds.
func (c *Child) PeakMemory() uint64 { return c.peak.Load() }

// tail keeps the last of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 8 << 10

// Write implements [io.Writer]; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		if line := bytes.IndexByte(t.text[over:], '\n'); line >= 0 {
			over += line + 1
		}
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// quote is the text as it follows a message.
func (t *tail) quote() string {
	text := strings.TrimSpace(t.String())
	if text == "" {
		return ""
	}
	return "; it said last:\n\t" + strings.ReplaceAll(text, "\n", "\n\t")
}
