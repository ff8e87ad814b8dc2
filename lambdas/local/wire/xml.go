package wire

import (
	"bytes"
	"encoding/xml"
	"net/http"
)

// queryAnswer encodes as <ActionResponse><ActionResult>…</ActionResult><ResponseMetadata>…</ActionResponse>.
type queryAnswer struct {
	action, namespace, requestID string
	result                       any
}

func (a queryAnswer) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	start := xml.StartElement{Name: xml.Name{Space: a.namespace, Local: a.action + "Response"}}
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	if err := e.EncodeElement(a.result, element(a.action+"Result")); err != nil {
		return err
	}
	meta := struct {
		RequestID string `xml:"RequestId"`
	}{a.requestID}
	if err := e.EncodeElement(meta, element("ResponseMetadata")); err != nil {
		return err
	}
	return e.EncodeToken(start.End())
}

type queryError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Space   string   `xml:"xmlns,attr,omitempty"`
	Error   struct {
		Type    string
		Code    string
		Message string
	}
	RequestID string `xml:"RequestId"`
}

func writeQueryError(w http.ResponseWriter, namespace string, e *Error) {
	answer := queryError{Space: namespace, RequestID: w.Header().Get("x-amzn-RequestId")}
	answer.Error.Type = "Sender"
	if e.status() >= 500 {
		answer.Error.Type = "Receiver"
	}
	answer.Error.Code, answer.Error.Message = e.Code, e.Message
	writeXML(w, e.status(), answer)
}

func writeXML(w http.ResponseWriter, status int, v any) {
	var buf bytes.Buffer
	if err := xml.NewEncoder(&buf).Encode(v); err != nil {
		status = http.StatusInternalServerError
		buf.Reset()
		buf.WriteString("<ErrorResponse><Error><Type>Receiver</Type><Code>InternalFailure</Code></Error></ErrorResponse>")
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(buf.Bytes()) // see serveJSON
}

func element(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }
