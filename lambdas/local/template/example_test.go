package template_test

import (
	"fmt"

	"example.com/arvo/lambdas/local/template"
)

func Example() {
	t, err := template.Parse("template.yaml", []byte(`
Parameters:
  Visibility: {Type: Number, Default: 90}
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${AWS::StackName}-orders"
      VisibilityTimeout: !Ref Visibility
Outputs:
  OrdersUrl: {Value: !Ref Orders}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	stack, err := t.Resolve(template.Inputs{
		StackName:    "shop",
		QueueURLBase: "http://127.0.0.1:4566",
		Parameters:   map[string]string{"Visibility": "120"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stack.Queues[0].ARN, stack.Queues[0].VisibilityTimeout)
	fmt.Println(stack.Outputs[0].Name, stack.Outputs[0].Value)
	// Output:
	// arn:aws:sqs:us-east-1:000000000000:shop-orders 2m0s
	// OrdersUrl http://127.0.0.1:4566/000000000000/shop-orders
}

func ExampleError() {
	_, err := template.Parse("template.yaml", []byte(`
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimout: 120
`))
	fmt.Println(err)
	// Output:
	// template.yaml:6:7: Resources.Orders.Properties.VisibilityTimout: unknown property VisibilityTimout of AWS::SQS::Queue; did you mean VisibilityTimeout?
}
