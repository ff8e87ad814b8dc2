// Package queue is SQS, standard queues only.
package queue
