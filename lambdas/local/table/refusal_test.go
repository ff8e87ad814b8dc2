package table_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refusals are calls that DynamoDB refuses, with its code and words. {t} is the prefix of table names. There is an item
// pk=a sk=a n=1 s=text l=[1, 2] m={x: 1}.
var refusals = []struct {
	name      string
	operation string
	body      string
	code      string
	message   string // "" to look only at the code, whose message is our own
}{
	// Items and keys.
	{"a put to a table that does not exist", "PutItem", `{"TableName":"{t}none","Item":{"pk":{"S":"a"}}}`,
		"ResourceNotFoundException", "Requested resource not found"},
	{"describing a table that does not exist", "DescribeTable", `{"TableName":"{t}none"}`,
		"ResourceNotFoundException", "Requested resource not found: Table: {t}none not found"},
	{"deleting a table that does not exist", "DeleteTable", `{"TableName":"{t}none"}`,
		"ResourceNotFoundException", "Requested resource not found: Table: {t}none not found"},
	{"an item without its sort key", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"a"}}}`,
		"ValidationException", "One or more parameter values were invalid: Missing the key sk in the item"},
	{"an item whose key has another type", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"N":"1"},"sk":{"S":"a"}}}`,
		"ValidationException", "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"},
	{"an item with an empty key", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":""},"sk":{"S":"a"}}}`,
		"ValidationException", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
	{"an item whose index key has another type", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"gpk":{"N":"1"}}}`,
		"ValidationException", "One or more parameter values were invalid: Type mismatch for Index Key gpk Expected: S Actual: N IndexName: global"},
	{"an item with an empty index key", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"lsk":{"S":""}}}`,
		"ValidationException", "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: local, IndexKey: lsk"},
	{"an item of more than 400 KB", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"big":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`,
		"ValidationException", "Item size has exceeded the maximum allowed size"},
	{"a partition key of more than 2048 bytes", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"` + strings.Repeat("x", 2049) + `"},"sk":{"S":"b"}}}`,
		"ValidationException", "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"},
	{"a sort key of more than 1024 bytes", "PutItem", `{"TableName":"{t}main","Item":{"pk":{"S":"a"},"sk":{"S":"` + strings.Repeat("x", 1025) + `"}}}`,
		"ValidationException", "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
	{"a get with half of the key", "GetItem", `{"TableName":"{t}main","Key":{"pk":{"S":"a"}}}`,
		"ValidationException", "The provided key element does not match the schema"},
	{"a get with more than the key", "GetItem", `{"TableName":"{t}main","Key":{"pk":{"S":"a"},"sk":{"S":"a"},"x":{"S":"a"}}}`,
		"ValidationException", "The provided key element does not match the schema"},
	{"a get with a key of another type", "GetItem", `{"TableName":"{t}main","Key":{"pk":{"N":"1"},"sk":{"S":"a"}}}`,
		"ValidationException", "The provided key element does not match the schema"},
	{"a get with an empty key", "GetItem", `{"TableName":"{t}main","Key":{"pk":{"S":""},"sk":{"S":"a"}}}`,
		"ValidationException", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},

	// Values.
	{"a value without a type", "PutItem", put(`"x":{}`),
		"ValidationException", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
	{"a value of two types", "PutItem", put(`"x":{"S":"a","N":"1"}`),
		"ValidationException", "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
	{"a number as a JSON number", "PutItem", put(`"x":{"N":1}`),
		"SerializationException", "NUMBER_VALUE cannot be converted to String"},
	{"a string as a JSON number", "PutItem", put(`"x":{"S":1}`),
		"SerializationException", "NUMBER_VALUE cannot be converted to String"},
	{"a number that is none", "PutItem", put(`"x":{"N":"abc"}`),
		"ValidationException", "The parameter cannot be converted to a numeric value: abc"},
	{"an empty number", "PutItem", put(`"x":{"N":""}`),
		"ValidationException", "The parameter cannot be converted to a numeric value"},
	{"a number of 39 digits", "PutItem", put(`"x":{"N":"123456789012345678901234567890123456789"}`),
		"ValidationException", "Attempting to store more than 38 significant digits in a Number"},
	{"a number that is too large", "PutItem", put(`"x":{"N":"1E126"}`),
		"ValidationException", "Number overflow. Attempting to store a number with magnitude larger than supported range"},
	{"a number that is too small", "PutItem", put(`"x":{"N":"1E-131"}`),
		"ValidationException", "Number underflow. Attempting to store a number with magnitude smaller than supported range"},
	{"NULL that is false", "PutItem", put(`"x":{"NULL":false}`),
		"ValidationException", "One or more parameter values were invalid: Null attribute value types must have the value of true"},
	{"an empty set of strings", "PutItem", put(`"x":{"SS":[]}`),
		"ValidationException", "One or more parameter values were invalid: An string set  may not be empty"},
	{"an empty set of numbers", "PutItem", put(`"x":{"NS":[]}`),
		"ValidationException", "One or more parameter values were invalid: An number set  may not be empty"},
	{"a set of strings with duplicates", "PutItem", put(`"x":{"SS":["b","a","b"]}`),
		"ValidationException", "One or more parameter values were invalid: Input collection [b, a, b] contains duplicates."},
	{"a set of numbers with duplicates", "PutItem", put(`"x":{"NS":["1","1.0"]}`),
		"ValidationException", "Input collection contains duplicates"},
	{"a document that is 33 levels deep", "PutItem", put(`"x":` + strings.Repeat(`{"L":[`, 33) + strings.Repeat(`]}`, 33)),
		"ValidationException", "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"},

	// Parameters of expressions.
	{"names without an expression", "PutItem", put(``, `"ExpressionAttributeNames":{"#a":"a"}`),
		"ValidationException", "ExpressionAttributeNames can only be specified when using expressions"},
	{"values without an expression", "PutItem", put(``, `"ExpressionAttributeValues":{":a":{"S":"a"}}`),
		"ValidationException", "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
	{"values without an expression in an update", "UpdateItem", `{"TableName":"{t}main","Key":{"pk":{"S":"a"},"sk":{"S":"a"}},"ExpressionAttributeValues":{":a":{"S":"a"}}}`,
		"ValidationException", "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"},
	{"no values", "PutItem", condition(`attribute_exists(a)`, `{}`),
		"ValidationException", "ExpressionAttributeValues must not be empty"},
	{"a value's key without colon", "PutItem", condition(`a = :a`, `{"a":{"S":"a"}}`),
		"ValidationException", `ExpressionAttributeValues contains invalid key: Syntax error; key: "a"`},
	{"a name's key without hash", "PutItem", put(``, `"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{"a":"a"}`),
		"ValidationException", `ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`},
	{"an unused value", "PutItem", condition(`a = :a`, `{":a":{"S":"a"},":x":{"S":"a"}}`),
		"ValidationException", "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"},
	{"an unused name", "PutItem", put(``, `"ConditionExpression":"attribute_exists(a)","ExpressionAttributeNames":{"#x":"a"}`),
		"ValidationException", "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}"},
	{"legacy parameters", "PutItem", put(``, `"Expected":{"a":{"Exists":false}}`), "ValidationException", ""},

	// Conditions.
	{"an empty condition", "PutItem", put(``, `"ConditionExpression":""`),
		"ValidationException", "Invalid ConditionExpression: The expression can not be empty;"},
	{"a condition that is only a name", "PutItem", put(``, `"ConditionExpression":"foo"`),
		"ValidationException", `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "foo"`},
	{"a condition with a stray character", "PutItem", condition(`foo == :a`, `{":a":{"S":"a"}}`),
		"ValidationException", `Invalid ConditionExpression: Syntax error; token: "=", near: "== :a"`},
	{"a name with a hyphen", "PutItem", condition(`user-id = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", `Invalid ConditionExpression: Syntax error; token: "-", near: "user-id"`},
	{"a reserved word", "PutItem", condition(`data = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: data"},
	{"an undefined value", "PutItem", put(``, `"ConditionExpression":"a = :v"`),
		"ValidationException", "Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :v"},
	{"an undefined name", "PutItem", put(``, `"ConditionExpression":"attribute_exists(#n)"`),
		"ValidationException", "Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #n"},
	{"redundant parentheses", "PutItem", condition(`((a = :a))`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid ConditionExpression: The expression has redundant parentheses;"},
	{"an unknown function", "PutItem", put(``, `"ConditionExpression":"exists(a)"`),
		"ValidationException", "Invalid ConditionExpression: Invalid function name; function: exists"},
	{"a function in capitals", "PutItem", put(``, `"ConditionExpression":"ATTRIBUTE_EXISTS(a)"`),
		"ValidationException", "Invalid ConditionExpression: Invalid function name; function: ATTRIBUTE_EXISTS"},
	{"too few operands", "PutItem", put(``, `"ConditionExpression":"begins_with(a)"`),
		"ValidationException", "Invalid ConditionExpression: Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"},
	{"attribute_exists of a value", "PutItem", condition(`attribute_exists(:a)`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid ConditionExpression: Operator or function requires a document path; operator or function: attribute_exists"},
	{"begins_with of a number", "PutItem", condition(`begins_with(a, :a)`, `{":a":{"N":"1"}}`),
		"ValidationException", "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
	{"an unknown attribute type", "PutItem", condition(`attribute_type(a, :a)`, `{":a":{"S":"X"}}`),
		"ValidationException", "Invalid ConditionExpression: Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
	{"size as a condition", "PutItem", put(``, `"ConditionExpression":"size(a)"`),
		"ValidationException", "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; function: size"},
	{"a condition compared", "PutItem", condition(`attribute_exists(a) = :a`, `{":a":{"BOOL":true}}`),
		"ValidationException", "Invalid ConditionExpression: The function is not allowed to be used this way in an expression; function: attribute_exists"},
	{"an attribute compared with itself", "PutItem", put(``, `"ConditionExpression":"a = a"`),
		"ValidationException", "Invalid ConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"},
	{"bounds in the wrong order", "PutItem", condition(`a BETWEEN :a AND :b`, `{":a":{"N":"5"},":b":{"N":"3"}}`),
		"ValidationException", "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:3}"},
	{"bounds of two types", "PutItem", condition(`a BETWEEN :a AND :b`, `{":a":{"N":"5"},":b":{"S":"6"}}`),
		"ValidationException", "Invalid ConditionExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:6}"},
	{"a condition of more than 4 KB", "PutItem", put(``, `"ConditionExpression":"attribute_exists(`+strings.Repeat("a", 4096)+`)"`),
		"ValidationException", "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4114"},
	{"a condition that does not hold", "PutItem", condition(`n > :a`, `{":a":{"N":"5"}}`),
		"ConditionalCheckFailedException", "The conditional request failed"},
	{"a path into a key", "PutItem", condition(`pk.x = :a`, `{":a":{"N":"5"}}`),
		"ValidationException", "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"},

	// Updates.
	{"an update that begins with no section", "UpdateItem", change(`INVALID SYNTAX HERE`, ``),
		"ValidationException", `Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"`},
	{"a value with a blank", "UpdateItem", change(`ADD hits : incr`, `{":incr":{"N":"1"}}`),
		"ValidationException", `Invalid UpdateExpression: Syntax error; token: ":", near: "hits : incr"`},
	{"a section twice", "UpdateItem", change(`SET a = :a SET b = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", `Invalid UpdateExpression: The "SET" section can only be used once in an update expression;`},
	{"two paths that overlap", "UpdateItem", change(`SET a.b = :a, a = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]"},
	{"two paths that conflict", "UpdateItem", change(`SET a.b = :a, a[0] = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]"},
	{"an addition of a string", "UpdateItem", change(`SET n = n + :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S"},
	{"ADD of a string", "UpdateItem", change(`ADD n :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
	{"DELETE of a number", "UpdateItem", change(`DELETE n :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
	{"ADD to a string", "UpdateItem", change(`ADD s :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "An operand in the update expression has an incorrect data type"},
	{"an addition to a string", "UpdateItem", change(`SET s = s + :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "An operand in the update expression has an incorrect data type"},
	{"an operand that the item does not have", "UpdateItem", change(`SET x = nothing`, ``),
		"ValidationException", "The provided expression refers to an attribute that does not exist in the item"},
	{"a path through what is not there", "UpdateItem", change(`SET nothing.x = :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "The document path provided in the update expression is invalid for update"},
	{"a path through a scalar", "UpdateItem", change(`REMOVE s.x`, ``),
		"ValidationException", "The document path provided in the update expression is invalid for update"},
	{"an update of the key", "UpdateItem", change(`SET pk = :a`, `{":a":{"S":"b"}}`),
		"ValidationException", "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"},
	{"an index key updated to another type", "UpdateItem", change(`SET gpk = :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "One or more parameter values were invalid: Type mismatch for Index Key gpk Expected: S Actual: N IndexName: global"},
	{"an unknown function in an update", "UpdateItem", change(`SET a = plus(n, :a)`, `{":a":{"N":"1"}}`),
		"ValidationException", "Invalid UpdateExpression: Invalid function name; function: plus"},
	{"an item that an update makes too large", "UpdateItem", change(`SET big = :a`, `{":a":{"S":"`+strings.Repeat("x", 400<<10)+`"}}`),
		"ValidationException", "Item size to update has exceeded the maximum allowed size"},
	{"ReturnValues that a put does not have", "PutItem", put(``, `"ReturnValues":"ALL_NEW"`),
		"ValidationException", "ReturnValues can only be ALL_OLD or NONE"},
	{"ReturnValues that nobody has", "PutItem", put(``, `"ReturnValues":"SOME"`), "ValidationException", ""},

	// Queries and scans.
	{"a query without condition", "Query", `{"TableName":"{t}main"}`,
		"ValidationException", "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
	{"a query without the partition key", "Query", search(`sk = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Query condition missed key schema element: pk"},
	{"a query with another attribute", "Query", search(`pk = :a AND n = :b`, `{":a":{"S":"a"},":b":{"N":"1"}}`),
		"ValidationException", "Query condition missed key schema element: sk"},
	{"a query over partitions", "Query", search(`pk > :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Query key condition not supported"},
	{"a query with OR", "Query", search(`pk = :a OR sk = :a`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid operator used in KeyConditionExpression: OR"},
	{"a query with IN", "Query", search(`pk = :a AND sk IN (:a)`, `{":a":{"S":"a"}}`),
		"ValidationException", "Invalid operator used in KeyConditionExpression: IN"},
	{"a query with two conditions on one key", "Query", search(`pk = :a AND pk = :b`, `{":a":{"S":"a"},":b":{"S":"b"}}`),
		"ValidationException", "KeyConditionExpressions must only contain one condition per key"},
	{"a query with a value of another type", "Query", search(`pk = :a`, `{":a":{"N":"1"}}`),
		"ValidationException", "One or more parameter values were invalid: Condition parameter type does not match schema type"},
	{"a filter on the key", "Query", search(`pk = :a`, `{":a":{"S":"a"}}`, `"FilterExpression":"sk = :a"`),
		"ValidationException", "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"},
	{"an index that does not exist", "Query", search(`pk = :a`, `{":a":{"S":"a"}}`, `"IndexName":"other"`),
		"ValidationException", "The table does not have the specified index: other"},
	{"a consistent read of a global index", "Query", search(`gpk = :a`, `{":a":{"S":"a"}}`, `"IndexName":"global","ConsistentRead":true`),
		"ValidationException", "Consistent reads are not supported on global secondary indexes"},
	{"everything from an index that has only keys", "Query", search(`gpk = :a`, `{":a":{"S":"a"}}`, `"IndexName":"keys","Select":"ALL_ATTRIBUTES"`),
		"ValidationException", "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index keys because its projection type is not ALL"},
	{"a limit of zero", "Query", search(`pk = :a`, `{":a":{"S":"a"}}`, `"Limit":0`),
		"ValidationException", "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	{"a start that is no key", "Query", search(`pk = :a`, `{":a":{"S":"a"}}`, `"ExclusiveStartKey":{"pk":{"S":"a"}}`),
		"ValidationException", "The provided starting key is invalid"},
	{"a start in another partition", "Query", search(`pk = :a`, `{":a":{"S":"a"}}`, `"ExclusiveStartKey":{"pk":{"S":"b"},"sk":{"S":"a"}}`),
		"ValidationException", "The provided starting key is outside query boundaries based on provided conditions"},
	{"a segment without a total", "Scan", `{"TableName":"{t}main","Segment":1}`,
		"ValidationException", "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
	{"a total without a segment", "Scan", `{"TableName":"{t}main","TotalSegments":1}`,
		"ValidationException", "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
	{"a segment beyond the total", "Scan", `{"TableName":"{t}main","Segment":4,"TotalSegments":4}`,
		"ValidationException", "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than TotalSegments: 4"},
	{"a projection with overlapping paths", "Scan", `{"TableName":"{t}main","ProjectionExpression":"a, a.b"}`,
		"ValidationException", "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]"},
	{"a projection with a reserved word", "Scan", `{"TableName":"{t}main","ProjectionExpression":"status"}`,
		"ValidationException", "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: status"},

	// Batches and transactions.
	{"a batch of 101 gets", "BatchGetItem", `{"RequestItems":{"{t}main":{"Keys":[` + numbered(101, `{"pk":{"S":"a"},"sk":{"S":"%d"}}`) + `]}}}`,
		"ValidationException", ""},
	{"a batch with a get twice", "BatchGetItem", `{"RequestItems":{"{t}main":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"a"}},{"pk":{"S":"a"},"sk":{"S":"a"}}]}}}`,
		"ValidationException", "Provided list of item keys contains duplicates"},
	{"a batch of 26 writes", "BatchWriteItem", `{"RequestItems":{"{t}main":[` + numbered(26, `{"DeleteRequest":{"Key":{"pk":{"S":"a"},"sk":{"S":"%d"}}}}`) + `]}}`,
		"ValidationException", ""},
	{"a batch with two writes to one item", "BatchWriteItem", `{"RequestItems":{"{t}main":[{"PutRequest":{"Item":{"pk":{"S":"x"},"sk":{"S":"a"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"x"},"sk":{"S":"a"}}}}]}}`,
		"ValidationException", "Provided list of item keys contains duplicates"},
	{"a batch for a table that does not exist", "BatchWriteItem", `{"RequestItems":{"{t}none":[{"PutRequest":{"Item":{"pk":{"S":"x"}}}}]}}`,
		"ResourceNotFoundException", "Requested resource not found"},
	{"a transaction with two operations on one item", "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"{t}main","Item":{"pk":{"S":"x"},"sk":{"S":"a"}}}},{"Delete":{"TableName":"{t}main","Key":{"pk":{"S":"x"},"sk":{"S":"a"}}}}]}`,
		"ValidationException", "Transaction request cannot include multiple operations on one item"},
	{"a part of a transaction with two operations", "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"{t}main","Item":{"pk":{"S":"x"},"sk":{"S":"a"}}},"Delete":{"TableName":"{t}main","Key":{"pk":{"S":"x"},"sk":{"S":"a"}}}}]}`,
		"ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete"},
	{"a transaction whose condition does not hold", "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"{t}main","Item":{"pk":{"S":"x"},"sk":{"S":"a"}}}},{"ConditionCheck":{"TableName":"{t}main","Key":{"pk":{"S":"a"},"sk":{"S":"a"}},"ConditionExpression":"attribute_not_exists(pk)"}}]}`,
		"TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]"},
	{"a transaction of nothing", "TransactWriteItems", `{"TransactItems":[]}`, "ValidationException", ""},

	// Tables.
	{"a table that exists", "CreateTable", `{"TableName":"{t}main","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
		"ResourceInUseException", "Table already exists: {t}main"},
	{"a table with a short name", "CreateTable", `{"TableName":"ab","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
		"ValidationException", "TableName must be at least 3 characters long and at most 255 characters long"},
	{"a table with an attribute that is no key", "CreateTable", `{"TableName":"{t}new","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
		"ValidationException", "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"},
	{"a table with a key that is not defined", "CreateTable", `{"TableName":"{t}new","AttributeDefinitions":[{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
		"ValidationException", "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [a], AttributeDefinitions: [b]"},
	{"a body that is no JSON", "PutItem", `{"TableName"`, "SerializationException", ""},
}

// put is a PutItem of pk=a sk=a with further attributes and parameters.
func put(attributes string, parameters ...string) string {
	return `{"TableName":"{t}main","Item":{` + join(`"pk":{"S":"a"},"sk":{"S":"a"}`, attributes) + `}` + after(parameters) + `}`
}

func condition(text, values string) string {
	return put(``, fmt.Sprintf(`"ConditionExpression":%q,"ExpressionAttributeValues":%s`, text, values))
}

func change(text, values string) string {
	body := fmt.Sprintf(`{"TableName":"{t}main","Key":{"pk":{"S":"a"},"sk":{"S":"a"}},"UpdateExpression":%q`, text)
	if values != "" {
		body += `,"ExpressionAttributeValues":` + values
	}
	return body + `}`
}

func search(text, values string, parameters ...string) string {
	return fmt.Sprintf(`{"TableName":"{t}main","KeyConditionExpression":%q,"ExpressionAttributeValues":%s%s}`, text, values, after(parameters))
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + "," + b
}

func after(parameters []string) string {
	if len(parameters) == 0 {
		return ""
	}
	return "," + strings.Join(parameters, ",")
}

func numbered(n int, format string) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(format, i))
	}
	return strings.Join(parts, ",")
}

func TestRefusals(t *testing.T) {
	e := newEndpoint(t)
	e.createMain(t)
	status, out := e.call(t, "PutItem", put(`"n":{"N":"1"},"s":{"S":"text"},"l":{"L":[{"N":"1"},{"N":"2"}]},"m":{"M":{"x":{"N":"1"}}}`))
	if status != http.StatusOK {
		t.Fatalf("the item: %v", out)
	}
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			status, out := e.call(t, c.operation, c.body)
			code, _ := out["__type"].(string)
			code = code[strings.LastIndex(code, "#")+1:]
			message, _ := out["message"].(string)
			if message == "" {
				message, _ = out["Message"].(string)
			}
			if status != http.StatusBadRequest {
				t.Errorf("status %d, want 400: %.300v", status, out)
			}
			want := strings.ReplaceAll(c.message, "{t}", e.prefix)
			if code != c.code || want != "" && message != want {
				t.Errorf("\n got %s: %s\nwant %s: %s", code, message, c.code, want)
			}
		})
	}
	status, out = e.call(t, "GetItem", `{"TableName":"{t}main","Key":{"pk":{"S":"a"},"sk":{"S":"a"}},"ProjectionExpression":"n, s, l"}`)
	if got := fmt.Sprint(out["Item"]); status != http.StatusOK || got != "map[l:map[L:[map[N:1] map[N:2]]] n:map[N:1] s:map[S:text]]" {
		t.Errorf("refused calls have changed the item: %s", got)
	}
}
