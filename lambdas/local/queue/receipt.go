package queue

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// A receipt names one delivery: the message by its sequence number, and which of its receives this was. Its text form
// is the receipt handle, 24 bytes in base64:
//
//	0        8         16         20      24
//	┌────────┬──────────┬──────────┬───────┐
//	│ queue  │ sequence │ delivery │ CRC32 │   big endian
//	└────────┴──────────┴──────────┴───────┘
//
// The queue part makes a handle of another queue, or of a deleted queue of the same name, invalid, as on AWS. The
// check sum catches handles that were cut or mistyped; it is no signature, the endpoint listens on loopback only.
type receipt struct {
	queue    uint64
	sequence uint64
	delivery uint32
}

const receiptSize = 24

var receiptEncoding = base64.RawURLEncoding

func (r receipt) handle() string {
	var raw [receiptSize]byte
	binary.BigEndian.PutUint64(raw[0:], r.queue)
	binary.BigEndian.PutUint64(raw[8:], r.sequence)
	binary.BigEndian.PutUint32(raw[16:], r.delivery)
	binary.BigEndian.PutUint32(raw[20:], crc32.ChecksumIEEE(raw[:20]))
	return receiptEncoding.EncodeToString(raw[:])
}

func parseReceipt(handle string) (receipt, bool) {
	var raw [receiptSize]byte
	if receiptEncoding.DecodedLen(len(handle)) != receiptSize {
		return receipt{}, false
	}
	if n, err := receiptEncoding.Decode(raw[:], []byte(handle)); err != nil || n != receiptSize {
		return receipt{}, false
	}
	if crc32.ChecksumIEEE(raw[:20]) != binary.BigEndian.Uint32(raw[20:]) {
		return receipt{}, false
	}
	return receipt{
		queue:    binary.BigEndian.Uint64(raw[0:]),
		sequence: binary.BigEndian.Uint64(raw[8:]),
		delivery: binary.BigEndian.Uint32(raw[16:]),
	}, true
}
