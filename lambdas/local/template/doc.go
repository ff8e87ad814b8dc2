// Package template reads a SAM template, such as template.yaml at the top of this repository, and resolves it to the
// graph of what is to run: functions, queues, rules, tables, as plain typed values. It is pure: it reads nothing but
// the bytes it is given, and starts nothing.
//
//	t, err := template.Parse("template.yaml", src)
//	stack, err := t.Resolve(template.Inputs{StackName: "arvo", Parameters: map[string]string{"OwnLambda": "none"}})
//
// # Promises
//
// Nothing is ignored in silence. A section, resource type, property, function or attribute that this package does not
// know is an error that names it and its place, file:line:column and path, with the word that was probably meant. What
// is known but makes no difference on one machine (encryption, permissions, backups) stands in its kind's table with
// the reason beside it.
//
// What this package takes, AWS takes too, as far as the rules of AWS can be told from the template: ranges and forms
// of values, references that lead nowhere or in a circle, a mapping whose queue shows messages again before its
// function has timed out, dead-letter queues that are not there or do not allow it, keys without a definition, and so
// on. It does not check IAM policies, and it does not compile event patterns or filters: package pattern does.
//
// Equal inputs give equal stacks. Names follow the template, and ids that AWS draws (of the API, of mappings, of
// resources without a name) are derived from the names of the stack and the resource, so that they survive a restart.
//
// Templates are treated as hostile: size, depth, number of values, and the text that functions can make are bounded.
// YAML's anchors, aliases and merge keys are refused, and so are keys that stand twice. The value of a parameter with
// NoEcho is in no error and in no [Parameter]; it is of course in what the template makes of it, such as a resource's name.
//
// # Design
//
// Four steps, each in a file. Load (node.go) makes nodes of YAML: plain values with their places, where !Sub and
// Fn::Sub have become the same call. Parse (template.go) checks all that needs no value and expands SAM's resources:
// a function's events become the mappings and permissions that they are on AWS, under the logical ids that SAM gives
// them, so that FederatedHandlerRequests can be referred to and so that function and API do not refer to each other
// in a circle. Resolve (resolve.go, intrinsic.go) evaluates each resource after those it refers to. Last, each
// resource's kind adds it to the stack and checks it against its neighbours.
//
// A kind (queue.go, bus.go, table.go ...) is all there is to know about one type: the shape of its properties, how
// its physical id and attributes come about, what of it runs. A shape (shape.go) is checked twice, on the template as
// written, where it finds misspelt names in resources that are not even created, and on the values that came out.
// Struct tags and reflection in place of tables were rejected: ranges, forms, reasons and hints would need a table
// beside them. So were Go libraries for templates: they keep no places of values and ignore what they do not know.
//
// # What differs from AWS
//
//   - Types: those of kinds in template.go. Functions: Ref, Fn::Sub, GetAtt, Join, If, Select, Split, FindInMap, and
//     Equals, And, Or, Not, Condition in the Conditions section. Parameters are of type String or Number. Globals may
//     have Function. The sections Rules and Hooks, exports and other transforms than SAM's are refused.
//   - Functions are of runtime provided.al2023, queues are standard ones, tables are on demand, an API has one stage
//     and its events name it with !Ref (SAM's implicit API is not made).
//   - The deployment of an API has SAM's form of id, but not SAM's hash.
//   - Ref to a parameter of type Number gives text, also within an event pattern; so it is on AWS.
//   - A rule's targets, a redrive's queue, a mapping's queue and a log destination must be resources of the template:
//     there are no others on this machine.
package template
