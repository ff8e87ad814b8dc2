package function

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// An environment is one execution environment: a process of the function's binary and the Runtime API that only this
// process is told of. It handles one invocation at a time.
//
//	initialising ── GET next ──▶ parked ── begin ──▶ busy ── POST response ──▶ responded ── GET next ──▶ parked
//
// From every state it becomes dead when the process ends, and nothing leads out of dead.
type environment struct {
	service     *Service
	function    *function
	settings    *settings
	stream      string
	extensionID string
	listener    net.Listener
	cmd         *exec.Cmd
	out         *output
	group       *group

	initialised chan struct{}    // closed by the first GET next
	initFailed  chan struct{}    // closed by POST init/error
	handover    chan *invocation // to the connection that waits in GET next; room for one
	gone        chan struct{}    // closed when the process has ended and its output is logged

	// Guarded by Service.mu.
	idleSince time.Time
	reclaim   *time.Timer

	mu            sync.Mutex
	state         state
	current       *invocation
	verdict       verdict // why the process is being killed
	stopping      bool    // the end is planned
	conns         map[net.Conn]struct{}
	extension     bool
	onShutdown    bool
	shutdownEvent chan string
	initPayload   []byte // of POST init/error
	initErrorType string
	exit          string // how the process ended: "exit status 1"
	memory        int    // peak, MB
	memoryRead    time.Time
}

type state int

const (
	initialising state = iota
	parked
	busy
	responded
	dead
)

type verdict int

const (
	natural verdict = iota
	timedOut
	injected
)

// start starts the process and the goroutines that serve it.
func (s *Service) start(f *function, set *settings, stream string) (*environment, error) {
	e := &environment{
		service: s, function: f, settings: set, stream: stream,
		group:         s.logs.create(set.LogGroup),
		extensionID:   newUUID(s.options.Random),
		initialised:   make(chan struct{}),
		initFailed:    make(chan struct{}),
		handover:      make(chan *invocation, 1),
		gone:          make(chan struct{}),
		conns:         map[net.Conn]struct{}{},
		shutdownEvent: make(chan string, 1),
	}
	var err error
	if e.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		_ = e.listener.Close() // nothing came in yet
		return nil, err
	}
	abandon := func(err error) (*environment, error) {
		_ = read.Close()       // nothing was written
		_ = e.listener.Close() // nothing came in
		return nil, err
	}
	e.out, err = newOutput(read, func(requestID string, line []byte) { e.log(requestID, string(line)) })
	if err != nil {
		_ = write.Close() // nothing was written
		return abandon(err)
	}
	e.cmd = exec.Command(set.Binary)
	e.cmd.Dir = filepath.Dir(set.Binary)
	e.cmd.Env = s.variables(set, stream, e.listener.Addr().String())
	e.cmd.Stdout, e.cmd.Stderr = write, write
	detach(e.cmd)

	s.mu.Lock()
	if s.stop.Err() != nil {
		s.mu.Unlock()
		_ = write.Close() // nothing was written
		return abandon(errClosing)
	}
	f.live[e] = struct{}{}
	s.work.Add(3)
	e.mu.Lock() // a Close that ends it waits until there is a process to end
	s.mu.Unlock()
	err = s.spawner.start(e.cmd)
	e.mu.Unlock()
	_ = write.Close() // the child has its own; ours must not keep the pipe open
	if err != nil {
		s.mu.Lock()
		delete(f.live, e)
		s.mu.Unlock()
		s.work.Add(-3)
		return abandon(err)
	}
	go func() {
		defer s.work.Done()
		e.accept()
	}()
	go func() {
		defer s.work.Done()
		e.out.follow()
		_ = read.Close() // all is read
	}()
	go func() {
		defer s.work.Done()
		e.watch()
	}()
	return e, nil
}

// watch waits for the process to end and settles what it left open.
func (e *environment) watch() {
	_ = e.cmd.Wait() // the outcome is in ProcessState; a failed Wait leaves it nil
	killStragglers(e.cmd.Process.Pid)
	_ = e.listener.Close() // nobody is left to call
	e.out.drain()
	e.out.stop()

	e.mu.Lock()
	e.state = dead
	e.exit = "unknown"
	if st := e.cmd.ProcessState; st != nil {
		e.exit = st.String()
	}
	inv, answered := e.current, e.current != nil && e.current.responded
	e.current = nil
	reason, planned := e.verdict, e.stopping
	for conn := range e.conns {
		_ = conn.Close() // its client is dead
	}
	e.mu.Unlock()

	s := e.service
	s.mu.Lock()
	delete(e.function.live, e)
	s.unpark(e)
	s.mu.Unlock()
	close(e.gone)

	if inv == nil {
		select {
		case <-e.initialised:
			if !planned {
				e.log("", "Runtime exited outside an invocation: "+e.exit)
			}
		default: // an INIT phase that failed is reported by whoever waits for it
		}
		return
	}
	switch {
	case answered: // the answer stands, whatever came after it
	case reason == timedOut:
		inv.result = timeout(inv)
	default:
		inv.result = e.crash(inv.id)
	}
	s.complete(inv, e, false)
}

// crash is the outcome of an invocation whose process ended.
func (e *environment) crash(requestID string) Response {
	return failure("Runtime.ExitError", "RequestId: "+requestID+" Error: "+e.exitMessage())
}

// exitMessage says how the dead process ended, in Lambda's words.
func (e *environment) exitMessage() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.exit == "exit status 0" {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + e.exit
}

// initFailure says why the dead process did not get through INIT: by its own account, or by how it ended.
func (e *environment) initFailure() initFailure {
	message := e.exitMessage()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.initPayload != nil {
		return initFailure{errorType: e.initErrorType, payload: e.initPayload, message: string(e.initPayload)}
	}
	return initFailure{errorType: "Runtime.ExitError", message: message}
}

// ready handles GET next: it ends INIT or the invocation that has been answered. It reports whether the runtime may wait
// for the next one.
func (e *environment) ready() bool {
	e.mu.Lock()
	var ended *invocation
	switch e.state {
	case initialising:
		select {
		case <-e.initFailed:
			e.mu.Unlock()
			return false
		default:
		}
		close(e.initialised)
	case responded:
		ended = e.current
	default:
		e.mu.Unlock()
		return false
	}
	e.state, e.current = parked, nil
	e.mu.Unlock()
	if ended != nil {
		e.service.complete(ended, e, true)
	}
	return true
}

// begin hands an invocation to the process. It reports false when the process is dead.
func (e *environment) begin(inv *invocation) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != parked {
		return false
	}
	e.state, e.current = busy, inv
	left := inv.settings.Timeout
	if inv.started.IsZero() {
		inv.started = time.Now()
		inv.stream = e.stream
		e.service.logStart(e.group, inv)
	} else {
		left -= time.Since(inv.started) // INIT ran again inside this invocation
	}
	e.out.attribute(inv)
	inv.timer = time.AfterFunc(left, func() { e.end(inv, timedOut) })
	if kill := e.service.options.Kill; kill != nil {
		if after, yes := kill(); yes {
			inv.doomed = true
			inv.killer = time.AfterFunc(after, func() { e.end(inv, injected) })
		}
	}
	e.handover <- inv // never blocks: the buffer is empty while the state is parked
	return true
}

type settled int

const (
	settledNow settled = iota
	notCurrent
	alreadyResponded
	killed
)

// responded records what the runtime answered to an invocation.
func (e *environment) responded(id string, res Response) settled {
	e.mu.Lock()
	defer e.mu.Unlock()
	inv := e.current
	switch {
	case inv == nil || inv.id != id:
		return notCurrent
	case inv.responded:
		return alreadyResponded
	case e.verdict != natural:
		return killed
	case inv.doomed:
		e.verdict = injected
		e.killLocked()
		return killed
	}
	inv.responded, inv.answered, inv.result = true, time.Now(), res
	e.state = responded
	return settledNow
}

// end kills the process because of an invocation, if that is still under way.
func (e *environment) end(inv *invocation, why verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == inv && e.verdict == natural {
		e.verdict = why
		e.killLocked()
	}
}

// failInit records POST init/error; it reports false when INIT is over.
func (e *environment) failInit(payload []byte, typ string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != initialising || e.initPayload != nil {
		return false
	}
	if !json.Valid(payload) {
		payload = failure("Runtime.InitError", "the runtime reported an init error that is not JSON").Payload
	}
	if typ == "" {
		typ = errorType(payload)
	}
	if typ == "" {
		typ = "Runtime.InitError"
	}
	e.initPayload, e.initErrorType = payload, typ
	close(e.initFailed)
	return true
}

func (e *environment) setExtension(onShutdown bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.extension = true
	e.onShutdown = e.onShutdown || onShutdown
}

// shutdown ends a process that has no invocation: with SIGTERM and half a second when it registered an extension, else
// at once. It does not wait.
func (e *environment) shutdown(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping || e.state == dead {
		return
	}
	e.stopping = true
	if !e.extension {
		e.killLocked()
		return
	}
	if e.onShutdown {
		e.shutdownEvent <- reason // room for the one there is
	}
	if err := terminate(e.cmd.Process); err != nil {
		e.killLocked()
		return
	}
	timer := time.AfterFunc(shutdownGrace, e.kill)
	e.service.work.Go(func() {
		<-e.gone
		timer.Stop()
	})
}

// kill ends the process at once. It does not wait.
func (e *environment) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.killLocked()
}

func (e *environment) killLocked() {
	e.stopping = true
	if e.cmd.Process == nil {
		return // it did not start
	}
	_ = e.cmd.Process.Kill() // os.ErrProcessDone is what we want
}

func (e *environment) isAlive() bool {
	select {
	case <-e.gone:
		return false
	default:
		return true
	}
}

func (e *environment) track(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state == dead || len(e.conns) >= maxConnections {
		return false
	}
	e.conns[conn] = struct{}{}
	return true
}

func (e *environment) untrack(conn net.Conn) {
	e.mu.Lock()
	delete(e.conns, conn)
	e.mu.Unlock()
	_ = conn.Close() // all is said
}

func (e *environment) log(requestID, message string) {
	e.service.logs.append(e.group, Line{Time: time.Now(), Stream: e.stream, RequestID: requestID, Message: message})
}

// peak is the process's largest memory so far in MB. It is read from the system at most once a second: it is a
// high-water mark, and reading it costs as much as a fifth of an invocation.
func (e *environment) peak() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); e.state != dead && now.Sub(e.memoryRead) >= time.Second {
		e.memoryRead = now
		if m := peakMemory(e.cmd.Process.Pid); m > 0 {
			e.memory = m
		}
	}
	return e.memory
}
