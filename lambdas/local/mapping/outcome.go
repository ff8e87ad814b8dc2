package mapping

import (
	"bytes"
	"encoding/json"

	"example.com/arvo/lambdas/local/wire"
)

// failures reads what a function says of its batch with ReportBatchItemFailures:
//
//	{"batchItemFailures":[{"itemIdentifier":"<messageId>"}]}
//
// It returns the ids of the messages that failed. Nothing, null, {} and an empty or null list mean that all succeeded.
// ok is false when the whole batch counts as failed: the answer is not of this form, or an identifier is missing,
// empty, null or of no message in the batch.
func failures(answer []byte, batch []record) (ids map[string]bool, ok bool) {
	answer = bytes.TrimSpace(answer)
	if len(answer) == 0 {
		return nil, true
	}
	var response *struct {
		Failures []map[string]json.RawMessage `json:"batchItemFailures"`
	}
	if err := wire.Unmarshal(answer, &response); err != nil {
		return nil, false
	}
	if response == nil {
		return nil, true
	}
	known := make(map[string]bool, len(batch))
	for _, r := range batch {
		known[r.message.ID] = true
	}
	ids = make(map[string]bool, len(response.Failures))
	for _, item := range response.Failures {
		var id string
		if err := json.Unmarshal(item["itemIdentifier"], &id); err != nil || !known[id] {
			return nil, false
		}
		ids[id] = true
	}
	return ids, true
}
