package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"example.com/arvo/telemetry/segment"
)

// A daemon is the X-Ray daemon that each Lambda has beside it. A document is one datagram, written when it is due: nothing
// waits in this process that a freeze could keep.
type daemon struct {
	conn    net.Conn
	buffers sync.Pool
	failed  sync.Once
}

// dialDaemon reads the address as SDKs do: "host:port", or "tcp:host:port udp:host:port" in any order.
func dialDaemon(ctx context.Context, address string) (*daemon, error) {
	udp := address
	for part := range strings.FieldsSeq(address) {
		if rest, ok := strings.CutPrefix(part, "udp:"); ok {
			udp = rest
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", udp)
	if err != nil {
		return nil, fmt.Errorf("AWS_XRAY_DAEMON_ADDRESS %q: %w", address, err)
	}
	return &daemon{conn: conn, buffers: sync.Pool{New: func() any { return new([]byte) }}}, nil
}

// send writes the document. A document that is lost is lost: tracing must not fail what it watches. The first loss is logged.
func (d *daemon) send(doc *segment.Document) {
	doc.Clean()
	buffer := d.buffers.Get().(*[]byte)
	defer d.buffers.Put(buffer)
	*buffer = segment.AppendDatagram((*buffer)[:0], doc)
	if len(*buffer) <= len(segment.Header)+segment.SafeSize {
		d.write(*buffer)
		return
	}
	docs, err := doc.Fit(segment.SafeSize)
	if err != nil {
		d.lost(err)
		return
	}
	for i := range docs {
		*buffer = segment.AppendDatagram((*buffer)[:0], &docs[i])
		d.write(*buffer)
	}
}

func (d *daemon) write(datagram []byte) {
	if _, err := d.conn.Write(datagram); err != nil {
		d.lost(err)
	}
}

func (d *daemon) lost(err error) {
	d.failed.Do(func() {
		slog.Warn("a segment document did not reach the X-Ray daemon; further ones are not told", "error", err)
	})
}

func (d *daemon) close() error { return d.conn.Close() }
