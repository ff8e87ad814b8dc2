package arvo

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"strings"
)

// Subjects and managed ids travel as JSON in a zlib stream (RFC 1950) in standard base64 with padding.

// Bounds of what inflate takes and makes: a few hundred bytes are usual, and a stream can grow a thousandfold.
const (
	maxDeflated = 16 << 10 // characters of base64
	maxInflated = 64 << 10 // bytes of text
)

type deflater struct {
	buf bytes.Buffer
	w   *flate.Writer
}

// A writer holds more than a megabyte of tables; kept, a subject costs microseconds. Level 1 because resetting the
// tables of the higher levels takes longer than the whole compression and saves four bytes of a usual subject.
var deflaters = newFreeList(func() *deflater {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return &deflater{w: w}
})

// A freeList keeps a few values between uses. It is not a sync.Pool because that forgets its values when the garbage is
// collected: in a process with a small heap, as a Lambda is, that is every few requests, and making these values is what
// fills the heap.
type freeList[T any] struct {
	create func() T
	free   chan T
}

func newFreeList[T any](create func() T) freeList[T] {
	return freeList[T]{create, make(chan T, 4)}
}

func (l freeList[T]) get() T {
	select {
	case v := <-l.free:
		return v
	default:
		return l.create()
	}
}

func (l freeList[T]) put(v T) {
	select {
	case l.free <- v:
	default:
	}
}

func deflate(text []byte) string {
	d := deflaters.get()
	defer deflaters.put(d)
	d.buf.Reset()
	// The header that zlib's default level writes: every other Arvo implementation's subjects begin so. The level in it
	// is a remark without effect on the reader.
	d.buf.Write([]byte{0x78, 0x9c})
	d.w.Reset(&d.buf)
	_, _ = d.w.Write(text) // a bytes.Buffer does not fail
	_ = d.w.Close()        // nor does it now
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], adler32.Checksum(text))
	d.buf.Write(sum[:])
	return base64.StdEncoding.EncodeToString(d.buf.Bytes())
}

// streamReader is what compress/zlib returns.
type streamReader interface {
	io.ReadCloser
	zlib.Resetter
}

type inflater struct {
	raw  []byte
	src  bytes.Reader
	zlib streamReader // nil until the first stream
	text []byte
}

var inflaters = newFreeList(func() *inflater { return new(inflater) })

// inflate undoes deflate. It takes what Node and pako take: white space around the text, the URL alphabet, missing or
// percent-encoded padding, a gzip stream instead of a zlib stream. The checksum is verified. Bytes behind the stream are
// ignored.
func inflate(encoded string) ([]byte, error) {
	if len(encoded) > maxDeflated {
		return nil, fmt.Errorf("%d characters are over the limit of %d", len(encoded), maxDeflated)
	}
	in := inflaters.get()
	defer inflaters.put(in)
	in.raw = in.raw[:0]
	s := strings.TrimSpace(encoded)
	for strings.HasSuffix(s, "%3D") || strings.HasSuffix(s, "%3d") {
		s = s[:len(s)-3]
	}
	s = strings.TrimRight(s, "=")
	encoding := base64.RawStdEncoding
	if strings.IndexByte(s, '-') >= 0 || strings.IndexByte(s, '_') >= 0 { // ContainsAny goes byte by byte
		encoding = base64.RawURLEncoding
	}
	raw, err := encoding.AppendDecode(in.raw, []byte(s))
	in.raw = raw
	if err != nil {
		return nil, err
	}
	in.src.Reset(raw)
	var r io.Reader
	switch {
	case len(raw) > 2 && raw[0] == 0x1f && raw[1] == 0x8b:
		z, err := gzip.NewReader(&in.src)
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		r = z
	case in.zlib == nil:
		z, err := zlib.NewReader(&in.src)
		if err != nil {
			return nil, err
		}
		in.zlib = z.(streamReader)
		r = in.zlib
	default:
		if err := in.zlib.Reset(&in.src, nil); err != nil {
			return nil, err
		}
		r = in.zlib
	}
	if in.text == nil {
		in.text = make([]byte, maxInflated+1)
	}
	for n := 0; n < len(in.text); {
		m, err := r.Read(in.text[n:])
		n += m
		if err == io.EOF && n < len(in.text) { // the checksum is right
			return bytes.Clone(in.text[:n]), nil
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the content is over the limit of %d bytes", maxInflated)
}
