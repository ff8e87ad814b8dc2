// Package mapping is Lambda's event source mappings for SQS.
package mapping
