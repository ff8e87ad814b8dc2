package queue

import "example.com/arvo/lambdas/local/wire"

// Wire returns SQS's operations in AWS JSON 1.0.
func (s *Service) Wire() wire.Service {
	return wire.Service{Prefix: "AmazonSQS", Version: "1.0", ErrorNamespace: "com.amazonaws.sqs", Operations: map[string]wire.Operation{}}
}
