package function

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The Runtime API is spoken over keep-alive connections by one process that waits for each answer, so a loop over bufio
// is enough: net/http's server would start a goroutine to watch the connection during each request. Requests are still
// parsed by net/http.

const (
	maxHead        = 2 << 20 // of a request: aws-lambda-go puts up to 1 MiB of error cause into a header
	maxDrain       = 64 << 20
	maxConnections = 16 // of one environment; aws-lambda-go opens one, two with SIGTERM enabled
	smallPayload   = 64 << 10

	nextPath     = "/2018-06-01/runtime/invocation/next"
	invokePrefix = "/2018-06-01/runtime/invocation/"
	initError    = "/2018-06-01/runtime/init/error"
	register     = "/2020-01-01/extension/register"
	eventNext    = "/2020-01-01/extension/event/next"
)

// accept serves the Runtime API until the listener is closed.
func (e *environment) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return // closed, with the process's end
		}
		if !e.track(conn) {
			_ = conn.Close() // refused; nothing was promised
			continue
		}
		e.service.work.Go(func() {
			e.serve(conn)
			e.untrack(conn)
		})
	}
}

// meter bounds how much of a connection is read before the next allowance.
type meter struct {
	conn net.Conn
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errors.New("request too large")
	}
	if int64(len(p)) > m.left {
		p = p[:m.left]
	}
	n, err := m.conn.Read(p)
	m.left -= int64(n)
	return n, err
}

// serve answers the requests of one connection until it fails or the process is gone.
func (e *environment) serve(conn net.Conn) {
	m := &meter{conn: conn}
	r := bufio.NewReaderSize(m, 16<<10)
	c := &call{environment: e, conn: conn}
	for {
		m.left = maxHead
		req, err := http.ReadRequest(r)
		if err != nil {
			if e.isAlive() && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.fail(http.StatusBadRequest, "InvalidRequest", "the request is not HTTP/1.1: "+err.Error())
			}
			return
		}
		m.left = maxDrain
		if strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
			if _, err := io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		err = c.route(req)
		if err != nil || req.Close {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
	}
}

// A call is a connection of the Runtime API with its reused buffer.
type call struct {
	*environment
	conn net.Conn
	buf  []byte
}

// route answers one request. An error ends the connection.
func (c *call) route(req *http.Request) error {
	path := req.URL.Path
	switch {
	case req.Method == http.MethodGet && path == nextPath:
		return c.next()
	case req.Method == http.MethodPost && strings.HasPrefix(path, invokePrefix):
		id, verb, _ := strings.Cut(path[len(invokePrefix):], "/")
		switch verb {
		case "response":
			return c.response(req, id)
		case "error":
			return c.invocationError(req, id)
		}
	case req.Method == http.MethodPost && path == initError:
		return c.initError(req)
	case req.Method == http.MethodPost && path == register:
		return c.register(req)
	case req.Method == http.MethodGet && path == eventNext:
		return c.eventNext(req)
	}
	return c.fail(http.StatusNotFound, "NotFound", fmt.Sprintf("the local Runtime API has no %s %.200q", req.Method, path))
}

// next ends the invocation before and waits for one to answer with.
func (c *call) next() error {
	if !c.ready() {
		return c.fail(http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	}
	var inv *invocation
	select {
	case inv = <-c.handover:
	case <-c.gone:
		return net.ErrClosed
	}
	b := c.buf[:0]
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	b = append(b, inv.id...)
	b = append(b, "\r\nLambda-Runtime-Deadline-Ms: "...)
	b = strconv.AppendInt(b, inv.deadline().UnixMilli(), 10)
	b = append(b, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	b = append(b, inv.settings.arn...)
	b = append(b, "\r\nLambda-Runtime-Trace-Id: "...)
	b = append(b, inv.trace.String()...)
	if inv.clientContext != "" {
		b = append(b, "\r\nLambda-Runtime-Client-Context: "...)
		b = append(b, inv.clientContext...)
	}
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(inv.payload)), 10)
	b = append(b, "\r\n\r\n"...)
	var err error
	if len(inv.payload) <= smallPayload {
		b = append(b, inv.payload...)
		_, err = c.conn.Write(b)
	} else {
		parts := net.Buffers{b, inv.payload}
		_, err = parts.WriteTo(c.conn)
	}
	c.buf = b[:0]
	if err != nil {
		c.kill() // the runtime hung up on the invocation that it had asked for
	}
	return err
}

const accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}"

func (c *call) accepted() error {
	_, err := io.WriteString(c.conn, accepted)
	return err
}

func (c *call) response(req *http.Request, id string) error {
	if mode := req.Header.Get("Lambda-Runtime-Function-Response-Mode"); mode != "" {
		const message = "the local Lambda takes whole responses only, not streamed ones"
		c.responded(id, failure("Runtime.StreamingNotSupported", message))
		return c.fail(http.StatusBadRequest, "InvalidResponseMode", message)
	}
	body, err := readBody(req, MaxResponse)
	if errors.Is(err, errTooLarge) {
		return c.tooLarge(req, id)
	}
	if err != nil {
		return err
	}
	res := Response{Payload: body}
	if typ := req.Trailer.Get("Lambda-Runtime-Function-Error-Type"); typ != "" { // the handler's reader failed midway
		res = failure(typ, "the function failed while it sent its response")
		if b, err := base64.StdEncoding.DecodeString(req.Trailer.Get("Lambda-Runtime-Function-Error-Body")); err == nil && json.Valid(b) {
			res.Payload = b
		}
	}
	return c.settle(id, res)
}

// tooLarge fails the invocation and tells the runtime so. The rest of the request is read and thrown away first, because
// a client that is still sending would not see the answer.
func (c *call) tooLarge(req *http.Request, id string) error {
	c.responded(id, failure("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse)))
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return err
	}
	return c.fail(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxResponse))
}

func (c *call) invocationError(req *http.Request, id string) error {
	body, err := readBody(req, MaxResponse)
	if errors.Is(err, errTooLarge) {
		return c.tooLarge(req, id)
	}
	if err != nil {
		return err
	}
	typ := req.Header.Get("Lambda-Runtime-Function-Error-Type")
	if typ == "" {
		typ = errorType(body)
	}
	return c.settle(id, Response{Payload: body, FunctionError: "Unhandled", ErrorType: typ})
}

// errorType is the errorType of an error document; a body that is no such JSON has none.
func errorType(body []byte) string {
	var e struct{ ErrorType string }
	if err := json.Unmarshal(body, &e); err != nil {
		return ""
	}
	return e.ErrorType
}

// settle records the outcome of the invocation that the runtime names, and answers it.
func (c *call) settle(id string, res Response) error {
	switch c.responded(id, res) {
	case notCurrent:
		return c.fail(http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case alreadyResponded:
		return c.fail(http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	case killed:
		return net.ErrClosed // killed on purpose before its response counted
	}
	return c.accepted()
}

func (c *call) initError(req *http.Request) error {
	body, err := readBody(req, MaxResponse)
	if err != nil {
		return err
	}
	if !c.failInit(body, req.Header.Get("Lambda-Runtime-Function-Error-Type")) {
		return c.fail(http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	}
	return c.accepted()
}

// register accepts the function process's own extension. aws-lambda-go registers one without events so that it gets
// SIGTERM before it is killed.
func (c *call) register(req *http.Request) error {
	body, err := readBody(req, 64<<10)
	if err != nil {
		return err
	}
	var in struct{ Events []string }
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return c.fail(http.StatusBadRequest, "InvalidRequestFormat", "the body is not {\"events\": [...]}: "+err.Error())
		}
	}
	onShutdown := false
	for _, event := range in.Events {
		if event != "SHUTDOWN" {
			return c.fail(http.StatusForbidden, "Extension.NotSupported", fmt.Sprintf("the local Lambda sends extensions no %.50q events, only SHUTDOWN", event))
		}
		onShutdown = true
	}
	c.setExtension(onShutdown)
	answer, err := json.Marshal(map[string]string{"functionName": c.settings.Name, "functionVersion": "$LATEST", "handler": c.settings.Handler})
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, "Lambda-Extension-Identifier: "+c.extensionID+"\r\n", answer)
}

func (c *call) eventNext(req *http.Request) error {
	if req.Header.Get("Lambda-Extension-Identifier") != c.extensionID {
		return c.fail(http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
	}
	select {
	case reason := <-c.shutdownEvent:
		answer, err := json.Marshal(map[string]any{"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": time.Now().Add(shutdownGrace).UnixMilli()})
		if err != nil {
			return err
		}
		return c.write(http.StatusOK, "", answer)
	case <-c.gone:
		return net.ErrClosed
	}
}

func (c *call) fail(status int, typ, message string) error {
	body, err := json.Marshal(map[string]string{"errorMessage": message, "errorType": typ})
	if err != nil {
		return err
	}
	return c.write(status, "", body)
}

func (c *call) write(status int, header string, body []byte) error {
	b := append(c.buf[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\nContent-Type: application/json\r\n"...)
	b = append(b, header...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	c.buf = b[:0]
	_, err := c.conn.Write(b)
	return err
}

var errTooLarge = errors.New("body too large")

// readBody reads a body of at most limit bytes.
func readBody(req *http.Request, limit int64) ([]byte, error) {
	if req.ContentLength > limit {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	if req.ContentLength > 0 {
		buf.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(req.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}
