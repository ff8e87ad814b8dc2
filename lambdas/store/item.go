package store

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
