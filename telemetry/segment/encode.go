package segment

import (
	"encoding/hex"
	"strconv"

	"example.com/arvo/lambdas/jsontext"
)

// AppendJSON appends the document as compact JSON. It writes what is there, valid for X-Ray or not: see [Document.Clean]
// and [Document.Validate].
func (d *Document) AppendJSON(dst []byte) []byte {
	o := open(dst)
	if !d.TraceID.IsZero() {
		o.key("trace_id")
		o.dst = append(o.dst, '"')
		o.dst = append(d.TraceID.AppendText(o.dst), '"')
	}
	o.id("id", d.ID)
	o.id("parent_id", d.ParentID)
	o.string("type", d.Type)
	o.string("name", d.Name)
	o.string("namespace", d.Namespace)
	o.string("origin", d.Origin)
	o.string("resource_arn", d.ResourceARN)
	o.string("user", d.User)
	o.time("start_time", d.Start)
	o.time("end_time", d.End)
	o.bool("in_progress", d.InProgress)
	o.bool("inferred", d.Inferred)
	o.bool("error", d.Error)
	o.bool("throttle", d.Throttle)
	o.bool("fault", d.Fault)
	if d.HTTP != nil {
		o.dst = d.HTTP.appendJSON(o.key("http"))
	}
	if d.AWS != nil {
		o.dst = d.AWS.appendJSON(o.key("aws"))
	}
	if s := d.Service; s != nil {
		in := open(o.key("service"))
		in.string("version", s.Version)
		in.string("runtime", s.Runtime)
		in.string("runtime_version", s.RuntimeVersion)
		o.dst = in.close()
	}
	if d.Cause != nil {
		o.dst = d.Cause.appendJSON(o.key("cause"))
	}
	if len(d.Annotations) > 0 {
		o.dst = appendAttributes(o.key("annotations"), d.Annotations)
	}
	if len(d.Metadata) > 0 {
		in := open(o.key("metadata"))
		for i := range d.Metadata {
			in.dst = appendAttributes(in.anyKey(d.Metadata[i].Name), d.Metadata[i].Attributes)
		}
		o.dst = in.close()
	}
	appendList(&o, "links", d.Links, func(dst []byte, l *Link) []byte { return l.appendJSON(dst) })
	appendList(&o, "precursor_ids", d.PrecursorIDs, func(dst []byte, id *ID) []byte { return appendID(dst, *id) })
	appendList(&o, "subsegments", d.Subsegments, func(dst []byte, s *Document) []byte { return s.AppendJSON(dst) })
	return o.close()
}

func (h *HTTP) appendJSON(dst []byte) []byte {
	o := open(dst)
	if r := &h.Request; *r != (Request{}) {
		in := open(o.key("request"))
		in.string("method", r.Method)
		in.string("url", r.URL)
		in.string("user_agent", r.UserAgent)
		in.string("client_ip", r.ClientIP)
		in.bool("x_forwarded_for", r.XForwardedFor)
		in.bool("traced", r.Traced)
		o.dst = in.close()
	}
	if r := &h.Response; *r != (Response{}) {
		in := open(o.key("response"))
		in.int("status", int64(r.Status))
		in.int("content_length", r.ContentLength)
		o.dst = in.close()
	}
	return o.close()
}

func (a *AWS) appendJSON(dst []byte) []byte {
	o := open(dst)
	o.string("operation", a.Operation)
	o.string("region", a.Region)
	o.string("account_id", a.AccountID)
	o.string("request_id", a.RequestID)
	o.string("queue_url", a.QueueURL)
	o.string("table_name", a.TableName)
	appendList(&o, "resource_names", a.ResourceNames, appendString)
	o.int("retries", int64(a.Retries))
	o.string("function_arn", a.FunctionARN)
	o.string("function_name", a.FunctionName)
	appendList(&o, "cloudwatch_logs", a.CloudWatchLogs, func(dst []byte, l *LogGroup) []byte {
		in := open(dst)
		in.string("log_group", l.Name)
		in.string("arn", l.ARN)
		return in.close()
	})
	if g := a.APIGateway; g != nil {
		in := open(o.key("api_gateway"))
		in.string("account_id", g.AccountID)
		in.string("rest_api_id", g.RestAPIID)
		in.string("stage", g.Stage)
		in.string("request_id", g.RequestID)
		o.dst = in.close()
	}
	if s := a.SDK; s != nil {
		in := open(o.key("xray"))
		in.string("sdk", s.Name)
		in.string("sdk_version", s.Version)
		in.bool("auto_instrumentation", s.AutoInstrumentation)
		o.dst = in.close()
	}
	return o.close()
}

func (c *Cause) appendJSON(dst []byte) []byte {
	if !c.ExceptionID.IsZero() {
		return appendID(dst, c.ExceptionID)
	}
	o := open(dst)
	o.string("working_directory", c.WorkingDirectory)
	appendList(&o, "paths", c.Paths, appendString)
	appendList(&o, "exceptions", c.Exceptions, func(dst []byte, e *Exception) []byte { return e.appendJSON(dst) })
	return o.close()
}

func (e *Exception) appendJSON(dst []byte) []byte {
	o := open(dst)
	o.id("id", e.ID)
	o.string("message", e.Message)
	o.string("type", e.Type)
	o.bool("remote", e.Remote)
	o.int("truncated", int64(e.Truncated))
	o.int("skipped", int64(e.Skipped))
	o.id("cause", e.Cause)
	appendList(&o, "stack", e.Stack, func(dst []byte, f *Frame) []byte {
		in := open(dst)
		in.string("path", f.Path)
		in.int("line", int64(f.Line))
		in.string("label", f.Label)
		return in.close()
	})
	return o.close()
}

func (l *Link) appendJSON(dst []byte) []byte {
	o := open(dst)
	if !l.TraceID.IsZero() {
		o.key("trace_id")
		o.dst = append(o.dst, '"')
		o.dst = append(l.TraceID.AppendText(o.dst), '"')
	}
	o.id("id", l.ID)
	if len(l.Attributes) > 0 {
		o.dst = appendAttributes(o.key("attributes"), l.Attributes)
	}
	return o.close()
}

func appendAttributes(dst []byte, attributes []Attribute) []byte {
	o := open(dst)
	for i := range attributes {
		o.dst = attributes[i].Value.AppendJSON(o.anyKey(attributes[i].Key))
	}
	return o.close()
}

func appendString(dst []byte, s *string) []byte { return jsontext.AppendString(dst, *s) }

func appendID(dst []byte, id ID) []byte {
	dst = append(dst, '"')
	return append(hex.AppendEncode(dst, id[:]), '"')
}

// An object is a JSON object under construction. Its methods leave out zero values.
type object struct {
	dst   []byte
	comma bool
}

func open(dst []byte) object { return object{dst: append(dst, '{')} }

func (o *object) close() []byte { return append(o.dst, '}') }

// key appends a key that needs no escapes. The caller appends the value to what it returns.
func (o *object) key(name string) []byte {
	if o.comma {
		o.dst = append(o.dst, ',')
	}
	o.comma = true
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	o.dst = append(o.dst, '"', ':')
	return o.dst
}

// anyKey appends a key of unknown origin.
func (o *object) anyKey(name string) []byte {
	if o.comma {
		o.dst = append(o.dst, ',')
	}
	o.comma = true
	return append(jsontext.AppendString(o.dst, name), ':')
}

func (o *object) string(name, value string) {
	if value != "" {
		o.dst = jsontext.AppendString(o.key(name), value)
	}
}

func (o *object) id(name string, value ID) {
	if !value.IsZero() {
		o.dst = appendID(o.key(name), value)
	}
}

func (o *object) time(name string, value Time) {
	if value != 0 {
		o.dst = value.AppendSeconds(o.key(name))
	}
}

func (o *object) int(name string, value int64) {
	if value != 0 {
		o.dst = strconv.AppendInt(o.key(name), value, 10)
	}
}

func (o *object) bool(name string, value bool) {
	if value {
		o.dst = append(o.key(name), "true"...)
	}
}

func appendList[T any](o *object, name string, list []T, appendJSON func([]byte, *T) []byte) {
	if len(list) == 0 {
		return
	}
	dst := append(o.key(name), '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, &list[i])
	}
	o.dst = append(dst, ']')
}
