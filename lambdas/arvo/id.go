package arvo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// DeriveID is the id of an output: the same input handled again gives the same ids, so whoever receives an output twice
// can tell. It is a UUID of version 8 (RFC 9562 §5.8) made from the first 16 bytes of
//
//	sha256("arvo.id.v1" ‖ len ‖ subject ‖ len ‖ inputSource ‖ len ‖ inputID ‖ len ‖ handlerSource ‖ len ‖ index ‖ len ‖ domain)
//
// where len is the length in bytes of what follows as 8 bytes, big-endian, so that no two lists of fields run together.
// index is the output's position among those that the implementation returned or asked for, in decimal, or "error" for a
// system error; domain is the resolved domain, "" for none. The ids are on the wire and in tables: this never changes.
//
// Two ids more are derived with an index of their own: of the execution in the subject of a workflow that output n of
// another begins, "execution n"; and of the missing answer to a call, see [Timeouts], "timeout", where the input is the
// call, on the workflow's subject, and the handler the callee.
func DeriveID(subject, inputSource, inputID, handlerSource, index, domain string) string {
	var room [512]byte
	b := append(room[:0], "arvo.id.v1"...)
	for _, s := range [...]string{subject, inputSource, inputID, handlerSource, index, domain} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// ManagedID is an id that carries a value of the author's, for deduplication by whoever knows to look, next to a random
// UUID: base64 of the zlib stream of {"uuid":…,"value":…}. The value is trimmed; if nothing is left, the id is a plain
// UUID. Other Arvo implementations call this "ARVO_MANAGED".
func ManagedID(value string) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("arvo: no managed id: %w", err)
	}
	if value = strings.TrimSpace(value); value == "" {
		return id.String(), nil
	}
	text, err := json.Marshal(map[string]string{"uuid": id.String(), "value": value})
	if err != nil {
		return "", fmt.Errorf("arvo: no managed id: %w", err)
	}
	return deflate(text), nil
}

// ParseManagedID takes apart an id that ManagedID made. Any other id is an error.
func ParseManagedID(id string) (unique, value string, err error) {
	text, err := inflate(id)
	if err != nil {
		return "", "", fmt.Errorf("arvo: not a managed id: %w", err)
	}
	var content struct{ UUID, Value *string }
	if err := json.Unmarshal(text, &content); err != nil {
		return "", "", fmt.Errorf("arvo: not a managed id: %w", err)
	}
	if content.UUID == nil || content.Value == nil {
		return "", "", errors.New("arvo: not a managed id: uuid or value is missing")
	}
	return *content.UUID, *content.Value, nil
}
