// Package daemon is the X-Ray daemon: the UDP port at which SDKs leave segment documents, one to a datagram behind a header
// line, and the TCP port of the same number at which they ask for sampling rules.
//
// # Promises
//
// Nothing that arrives is fatal. A datagram whose header the real daemon would not take is dropped, as there, and so is
// one that the sink refuses; both are counted, and one in a while is logged, never with its content. Documents reach the
// sink in the order of their arrival, one at a time, in memory that is the sink's to keep.
//
// # Design
//
// Senders do not wait and are not told: whatever a receiver is too slow for is lost. So one goroutine does nothing but
// read, into a kernel buffer of 8 MiB, and hands what it read to another one; between the two waits at most
// [Options].Backlog bytes, beyond which datagrams are dropped here and counted. What the kernel had to drop is counted by
// it and read when asked for, so the path of a datagram does not pay for it: see [Stats].
//
// # What differs from AWS
//
// There is nothing to batch for and no queue to flush: a document is in the store microseconds after it arrived. The
// daemon's spill file, its configuration and its telemetry records do not exist. Bodies in the form of OTLP (T1S, T1U),
// which the real daemon passes on unseen, are no segment documents, and the sink refuses them.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/arvo/telemetry/segment"
)

// ReadBuffer is how many bytes of datagrams the kernel is asked to keep until they are read.
const ReadBuffer = 8 << 20

const (
	maxDatagram    = 64 << 10 // bytes; UDP has a few less
	defaultBacklog = 32 << 20
	usual          = 1 << 10          // bytes of a datagram; the backlog has a place for each KiB
	quiet          = 10 * time.Second // between two log lines
)

// Options configure a [Daemon].
type Options struct {
	Address string // to listen on, UDP and TCP; an IP address of loopback and a port. Default 127.0.0.1:2000

	// Sink takes a document, unchecked. It is called by one goroutine; an error counts the document as rejected.
	Sink func(document []byte) error

	// Proxy answers on TCP; nil: nothing listens there. The real daemon passes such calls on to X-Ray.
	Proxy http.Handler

	Backlog int          // bytes of datagrams that wait for the sink; default 32 MiB
	Log     *slog.Logger // default slog.Default()
}

// Stats count datagrams.
type Stats struct {
	Received uint64 // by this process
	Rejected uint64 // of these, with a header or a document that is none
	Overflow uint64 // of these, dropped because the sink was behind

	// Kernel is how many the kernel dropped because the reader was behind; on Linux only. KernelKnown is false elsewhere.
	Kernel      uint64
	KernelKnown bool

	Buffer int // bytes, granted by the kernel; 0 if it does not tell
}

// Lost is how many documents arrived at this machine and were dropped without being looked at.
func (s Stats) Lost() uint64 { return s.Overflow + s.Kernel }

// A Daemon listens. Make one with [Listen].
type Daemon struct {
	options Options
	conn    *net.UDPConn
	proxy   *http.Server
	buffer  int

	received, rejected, overflow atomic.Uint64
	waiting                      atomic.Int64 // bytes in the backlog

	backlog  chan []byte
	running  sync.WaitGroup
	lastLine time.Time // of the log; the sink's goroutine only
	unlogged int
}

// Listen opens the ports and begins to take documents. The context bounds nothing but the opening.
func Listen(ctx context.Context, o Options) (*Daemon, error) {
	if o.Sink == nil {
		return nil, errors.New("daemon: Options.Sink is missing")
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:2000"
	}
	if o.Backlog <= 0 {
		o.Backlog = defaultBacklog
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	address, err := net.ResolveUDPAddr("udp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("daemon: address %q: %w", o.Address, err)
	}
	if !address.IP.IsLoopback() {
		return nil, fmt.Errorf("daemon: address %q is not one of loopback", o.Address)
	}
	d := &Daemon{options: o, backlog: make(chan []byte, max(1, o.Backlog/usual))}
	if err := d.listen(ctx, address); err != nil {
		return nil, fmt.Errorf("daemon: %w", err)
	}
	d.buffer = enlarge(d.conn, ReadBuffer)
	d.running.Go(d.read)
	d.running.Go(d.deliver)
	return d, nil
}

// listen opens both ports. With port 0 the kernel chooses one, which may be taken on TCP: then again.
func (d *Daemon) listen(ctx context.Context, address *net.UDPAddr) error {
	for attempt := 1; ; attempt++ {
		packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address.String())
		if err != nil {
			return err
		}
		d.conn = packets.(*net.UDPConn) // what "udp" is documented to give
		if d.options.Proxy == nil {
			return nil
		}
		streams, err := new(net.ListenConfig).Listen(ctx, "tcp", d.conn.LocalAddr().String())
		if err == nil {
			d.proxy = &http.Server{
				Handler: d.options.Proxy, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
				ErrorLog: slog.NewLogLogger(d.options.Log.Handler(), slog.LevelDebug),
			}
			d.running.Go(func() {
				if err := d.proxy.Serve(streams); !errors.Is(err, http.ErrServerClosed) {
					d.options.Log.Error("the X-Ray daemon's TCP port is lost", "error", err)
				}
			})
			return nil
		}
		err = errors.Join(err, d.conn.Close())
		if address.Port != 0 || attempt == 20 {
			return err
		}
	}
}

// Addr is the address that both ports have.
func (d *Daemon) Addr() string { return d.conn.LocalAddr().String() }

// read takes datagrams from the kernel as fast as they come, until the socket is closed.
func (d *Daemon) read() {
	defer close(d.backlog)
	scratch := make([]byte, maxDatagram)
	for {
		n, _, err := d.conn.ReadFromUDPAddrPort(scratch)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		d.received.Add(1)
		if err != nil { // of a single datagram, such as one that is too long for the system
			d.rejected.Add(1)
			continue
		}
		if d.waiting.Load()+int64(n) > int64(d.options.Backlog) {
			d.overflow.Add(1)
			continue
		}
		datagram := make([]byte, n)
		copy(datagram, scratch)
		d.waiting.Add(int64(n))
		select {
		case d.backlog <- datagram:
		default:
			d.waiting.Add(-int64(n))
			d.overflow.Add(1)
		}
	}
}

// deliver hands documents to the sink.
func (d *Daemon) deliver() {
	for datagram := range d.backlog {
		d.waiting.Add(-int64(len(datagram)))
		document, err := segment.ParseDatagram(datagram)
		if err == nil {
			err = d.options.Sink(document)
		}
		if err != nil {
			d.rejected.Add(1)
			d.complain(err)
		}
	}
}

// complain logs a rejection, the first at once and then one in a while with the number of all since.
func (d *Daemon) complain(err error) {
	d.unlogged++
	if now := time.Now(); now.Sub(d.lastLine) >= quiet {
		d.options.Log.Warn("X-Ray daemon: segment documents rejected", "count", d.unlogged, "last", err)
		d.lastLine, d.unlogged = now, 0
	}
}

// Stats are the counters now. What was sent before the call need not be among them: it may still wait in the kernel.
func (d *Daemon) Stats() Stats {
	s := Stats{Received: d.received.Load(), Rejected: d.rejected.Load(), Overflow: d.overflow.Load(), Buffer: d.buffer}
	s.Kernel, s.KernelKnown = kernelDrops(d.conn)
	return s
}

// Close stops listening and returns when what had been read is delivered. It gives calls on TCP until ctx ends.
func (d *Daemon) Close(ctx context.Context) error {
	var errs []error
	if d.proxy != nil {
		if err := d.proxy.Shutdown(ctx); err != nil {
			errs = append(errs, err, d.proxy.Close())
		}
	}
	if err := d.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		errs = append(errs, err)
	}
	d.running.Wait()
	return errors.Join(errs...)
}
