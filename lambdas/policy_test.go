package lambdas_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// A deployed function is a function of template.yaml by its logical id, and the role that it runs under.
type deployed struct{ function, role string }

// tables are the tables of template.yaml, by the type of package store that is at home there.
var tables = map[string]string{"Effects": "EffectTable", "Responses": "ResponseTable", "Workflows": "WorkflowTable"}

// actionOf names the IAM action of each operation that is not called like it, and of each write of a transaction.
var actionOf = map[string]string{
	"ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	"Put":                          "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
	"TransactWriteItems": "", // it has none but those of its writes
}

// TestRolesAllowWhatIsCalled holds the roles of template.yaml to the operations of AWS that the packages of each Lambda
// call: nothing is missing, which only AWS would tell otherwise, and nothing is allowed that nobody calls.
func TestRolesAllowWhatIsCalled(t *testing.T) {
	resources := templateResources(t)
	stored := storeCalls(t)
	queue, bus := interfaceMethods(t, "broker/consumer.go", "QueueAPI"), interfaceMethods(t, "broker/publisher.go", "PutEventsAPI")
	for _, d := range []deployed{{"ApiLambda", "ApiLambdaRole"}, {"FederatedHandler", "FederatedHandlerRole"}, {"OwnHandler", "OwnHandlerRole"}} {
		t.Run(d.function, func(t *testing.T) {
			properties := field(resources[d.function], "Properties")
			want := map[string]bool{
				"xray:PutTraceSegments *": true, "xray:PutTelemetryRecords *": true,
				"logs:CreateLogStream " + resourceOf(field(properties, "LoggingConfig", "LogGroup")): true,
				"logs:PutLogEvents " + resourceOf(field(properties, "LoggingConfig", "LogGroup")):    true,
			}
			var source string
			for _, event := range entries(field(properties, "Events")) {
				if field(event, "Type").Value == "SQS" {
					source = resourceOf(field(event, "Properties", "Queue"))
				}
			}
			// What Lambda does in the function's name to read the queue:
			// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
			for _, operation := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
				want["sqs:"+operation+" "+source] = true
			}
			for _, made := range constructed(t, strings.TrimPrefix(field(properties, "CodeUri").Value, "lambdas/")) {
				switch made {
				case "broker.NewConsumer":
					for _, operation := range queue {
						want["sqs:"+action(operation)+" "+source] = true
					}
				case "broker.NewPublisher":
					for _, operation := range bus {
						want["events:"+action(operation)+" Bus"] = true
					}
				default:
					noun, ok := strings.CutPrefix(made, "store.New")
					if !ok {
						continue
					}
					if tables[noun] == "" {
						t.Fatalf("on which table is %s at home?", made)
					}
					for _, call := range stored[noun] {
						want["dynamodb:"+strings.Replace(call, " ", " "+tables[noun], 1)] = true
					}
				}
			}
			role := field(resources[d.role], "Properties")
			allowed := map[string]bool{}
			for _, policy := range list(field(role, "Policies")) {
				allow(t, allowed, field(policy, "PolicyDocument"))
			}
			for _, arn := range list(field(role, "ManagedPolicyArns")) {
				allow(t, allowed, field(resources[resourceOf(arn)], "Properties", "PolicyDocument"))
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(allowed))); diff != "" {
				t.Errorf("%s (-called +allowed):\n%s", d.role, diff)
			}
		})
	}
}

func action(operation string) string {
	if other, ok := actionOf[operation]; ok {
		return other
	}
	return operation
}

// parse reads the Go files of a folder, tests excluded.
func parse(t *testing.T, folder string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no Go files", folder)
	}
	return files
}

// storeCalls are the actions of DynamoDB that the methods of each type of package store need, as "Action " for the table
// itself and "Action /index/name" for an index.
func storeCalls(t *testing.T) map[string][]string {
	t.Helper()
	files, calls, constants := parse(t, "store"), map[string][]string{}, map[string]string{}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					if value, ok := spec.Values[i].(*ast.BasicLit); ok && value.Kind == token.STRING {
						constants[name.Name], _ = strconv.Unquote(value.Value) // Go has parsed it: it is quoted well
					}
				}
			}
			return true
		})
	}
	for _, file := range files {
		for _, decl := range file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok || function.Recv == nil {
				continue
			}
			pointer, ok := function.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			noun, index := pointer.X.(*ast.Ident).Name, ""
			var actions []string
			ast.Inspect(function.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr: // x.client.Operation
					if on, ok := n.X.(*ast.SelectorExpr); ok && on.Sel.Name == "client" {
						actions = append(actions, action(n.Sel.Name))
					}
				case *ast.CompositeLit: // types.Put{…}
					if of, ok := n.Type.(*ast.SelectorExpr); ok && fmt.Sprint(of.X) == "types" && actionOf[of.Sel.Name] != "" {
						actions = append(actions, action(of.Sel.Name))
					}
				case *ast.KeyValueExpr: // IndexName: aws.String(name)
					if fmt.Sprint(n.Key) == "IndexName" {
						index = "/index/" + constants[fmt.Sprint(n.Value.(*ast.CallExpr).Args[0])]
					}
				}
				return true
			})
			for _, action := range actions {
				if action != "" && index != "" {
					calls[noun] = append(calls[noun], action+" "+index)
				} else if action != "" {
					calls[noun] = append(calls[noun], action+" ")
				}
			}
		}
	}
	return calls
}

// interfaceMethods are the operations of AWS that an interface of ours asks for.
func interfaceMethods(t *testing.T, path, name string) (methods []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == name {
			for _, method := range spec.Type.(*ast.InterfaceType).Methods.List {
				methods = append(methods, method.Names[0].Name)
			}
		}
		return true
	})
	if len(methods) == 0 {
		t.Fatalf("%s has no interface %s", path, name)
	}
	return methods
}

// constructed are the constructors of packages store and broker that a Lambda calls.
func constructed(t *testing.T, folder string) (made []string) {
	t.Helper()
	for _, file := range parse(t, folder) {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if of, ok := call.Fun.(*ast.SelectorExpr); ok && (fmt.Sprint(of.X) == "store" || fmt.Sprint(of.X) == "broker") {
					made = append(made, fmt.Sprint(of.X)+"."+of.Sel.Name)
				}
			}
			return true
		})
	}
	return made
}

// templateResources are the resources of template.yaml by their logical ids.
func templateResources(t *testing.T) map[string]*yaml.Node {
	t.Helper()
	src, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(src, &document); err != nil {
		t.Fatal(err)
	}
	return entries(field(document.Content[0], "Resources"))
}

func entries(n *yaml.Node) map[string]*yaml.Node {
	all := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		all[n.Content[i].Value] = n.Content[i+1]
	}
	return all
}

// field goes down a path of members; what is missing is empty.
func field(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		if n = entries(n)[name]; n == nil {
			return new(yaml.Node)
		}
	}
	return n
}

// list is a sequence, or the one value that stands for it.
func list(n *yaml.Node) []*yaml.Node {
	switch n.Kind {
	case yaml.SequenceNode:
		return n.Content
	case yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	return nil
}

var arnOf = regexp.MustCompile(`^(?:(\w+)\.Arn|\$\{(\w+)\.Arn\}(/[\w/]+))$`)

// resourceOf is the logical id that a reference to a resource names, with what follows its ARN.
func resourceOf(n *yaml.Node) string {
	if m := arnOf.FindStringSubmatch(n.Value); m != nil {
		return m[1] + m[2] + m[3]
	}
	return n.Value
}

// allow adds what a policy allows, as "service:Action Resource".
func allow(t *testing.T, allowed map[string]bool, policy *yaml.Node) {
	t.Helper()
	for _, statement := range list(field(policy, "Statement")) {
		if field(statement, "Effect").Value != "Allow" {
			t.Fatalf("line %d: this test does not understand a statement that does not allow", statement.Line)
		}
		for _, action := range list(field(statement, "Action")) {
			for _, resource := range list(field(statement, "Resource")) {
				allowed[action.Value+" "+resourceOf(resource)] = true
			}
		}
	}
}
