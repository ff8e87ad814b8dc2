package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
)

// An item is a DynamoDB item; its readers return the zero value for an attribute that is absent or of another type.
type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (it item) text(name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (it item) texts(name string) []string {
	if v, ok := it[name].(*types.AttributeValueMemberSS); ok {
		return v.Value
	}
	return nil
}

func (it item) blobs(name string) [][]byte {
	if v, ok := it[name].(*types.AttributeValueMemberBS); ok {
		return v.Value
	}
	return nil
}

// list reads the texts of a list.
func (it item) list(name string) []string {
	v, ok := it[name].(*types.AttributeValueMemberL)
	if !ok {
		return nil
	}
	texts := make([]string, 0, len(v.Value))
	for _, e := range v.Value {
		if s, ok := e.(*types.AttributeValueMemberS); ok {
			texts = append(texts, s.Value)
		}
	}
	return texts
}

func (it item) number(name string) int64 { return int64(it.float(name)) }

func (it item) float(name string) float64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(v.Value, 64)
	if err != nil {
		return 0
	}
	return f
}

// time reads epoch milliseconds.
func (it item) time(name string) time.Time {
	if ms := it.number(name); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// expired reports whether the TTL has passed: DynamoDB deletes such items within a few days only.
func (it item) expired(now time.Time) bool {
	at := it.number("expiresAt")
	return at != 0 && at <= now.Unix()
}

// maxSortKey is how long a sort key may be, in bytes.
const maxSortKey = 1024

// sortKey is <prefix><source>#<id>. Where that could be another event's as well, or is longer than a sort key may be, a hash
// stands for both: no source is empty, so no other key begins with <prefix>#.
func sortKey(prefix string, k arvo.Key) string {
	key := prefix + k.Source + "#" + k.ID
	if !strings.Contains(k.Source, "#") && len(key) <= maxSortKey {
		return key
	}
	sum := sumOf(k)
	return prefix + "#" + hex.EncodeToString(sum[:])
}

// sumOf tells events of a subject apart.
func sumOf(k arvo.Key) [sha256.Size]byte {
	return sha256.Sum256([]byte(strconv.Itoa(len(k.Source)) + "#" + k.Source + "#" + k.ID))
}

// What DynamoDB adds to the size of a list, and of each element in it.
const (
	perList    = 3
	perElement = 1
)

// sizeOf is the size of an item as DynamoDB's limits count it, or a little more: names and values in UTF-8, up to 21 bytes
// for a number.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(it item) int {
	size := 0
	for name, value := range it {
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += 21
		case *types.AttributeValueMemberBS:
			for _, b := range v.Value {
				size += len(b)
			}
		case *types.AttributeValueMemberL:
			size += perList
			for _, e := range v.Value {
				size += perElement + sizeOf(item{"": e})
			}
		}
	}
	return size
}
