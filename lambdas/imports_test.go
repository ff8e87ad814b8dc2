package lambdas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "example.com/arvo"

// What a folder may never reach, be it through other packages.
const (
	aws  = "github.com/aws/"
	otel = "go.opentelemetry.io/"
)

// leaves are what any package of the module may import. Their own rules give them the standard library only.
var leaves = []string{"lambdas/jsontext"}

// A rule says what the packages of one folder may import: the standard library, each other, [leaves], and what it lists.
// The first rule that fits a package holds.
type rule struct {
	folder  string   // "x", "x/..." for x with all beneath it, or "x/*/..." for each folder in x by itself
	ours    []string // folders of this module, written likewise
	stdOnly bool     // no other module at all
	never   []string // prefixes of import paths that may not be reached, not even through another module
}

var rules = []rule{
	{folder: "lambdas"},
	{folder: "lambdas/jsontext", stdOnly: true},
	{folder: "lambdas/arvo/...", never: []string{aws, otel}},
	{folder: "lambdas/services", ours: []string{"lambdas/arvo", "lambdas/services/..."}, stdOnly: true},
	{folder: "lambdas/services/fulfilment/...", ours: []string{"lambdas/arvo", "lambdas/services/inventory", "lambdas/services/payment", "lambdas/services/shipping"}, stdOnly: true},
	{folder: "lambdas/services/*/...", ours: []string{"lambdas/arvo"}, stdOnly: true},
	{folder: "lambdas/broker/...", ours: []string{"lambdas/arvo"}, never: []string{otel}},
	{folder: "lambdas/sdkhttp", never: []string{otel}},
	{folder: "lambdas/store", ours: []string{"lambdas/arvo"}, never: []string{otel}},
	{folder: "lambdas/store/storetest", ours: []string{"lambdas/local/table", "lambdas/local/template", "lambdas/local/wire"}, never: []string{otel}},                                  // for tests
	{folder: "lambdas/api_lambda/...", ours: []string{"lambdas/arvo", "lambdas/services/...", "lambdas/broker", "lambdas/store", "lambdas/sdkhttp", "telemetry", "telemetry/segment"}}, // segment: a trace's address
	{folder: "lambdas/federated_handler/...", ours: []string{"lambdas/arvo", "lambdas/services/...", "lambdas/broker", "lambdas/store", "lambdas/sdkhttp", "telemetry"}},
	{folder: "lambdas/local/template/..."},
	{folder: "lambdas/local/...", ours: []string{"telemetry/segment", "telemetry/tracetree", "dashboards/body", "dashboards/draw"}},
	{folder: "telemetry/segment/...", never: []string{aws, otel}},
	{folder: "telemetry/tracetree/...", ours: []string{"telemetry/segment"}, never: []string{aws, otel}},
	{folder: "telemetry/trace/...", ours: []string{"lambdas/arvo", "lambdas/sdkhttp", "telemetry/segment", "telemetry/tracetree"}},                       // arvo: a subject's trace is in the subject, and there is one reader of subjects
	{folder: "telemetry", ours: []string{"lambdas/arvo", "lambdas/broker", "telemetry/segment"}},                                                         // broker: its Observer and Delivery, and the form of trace headers
	{folder: "loadtest/...", ours: []string{"dashboards/draw", "telemetry/segment", "telemetry/tracetree", "lambdas/local/template", "lambdas/sdkhttp"}}, // template: what is simulated is what template.yaml says
	{folder: "dashboards/..."},
}

// A goPackage is what `go list` tells of a package.
type goPackage struct {
	ImportPath string
	Imports    []string // what its files import, tests excluded
	Deps       []string // all that it reaches
}

// TestImportsPointOneWay holds every package of the module against [rules].
func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listModule(t) {
		for _, fault := range faults(p) {
			t.Error(fault)
		}
	}
}

// Without sdkhttp's client, calls that have succeeded are repeated now and then.
func TestWhoLoadsTheConfigurationOfAWSHasTheMendedClient(t *testing.T) {
	for _, p := range listModule(t) {
		if slices.Contains(p.Imports, aws+"aws-sdk-go-v2/config") && !slices.Contains(p.Deps, module+"/lambdas/sdkhttp") {
			t.Errorf("%s loads a configuration of AWS's SDK without lambdas/sdkhttp", p.ImportPath)
		}
	}
}

// TestFaults shows that an arrow that points back is seen: the module itself gives no occasion to.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		pkg  goPackage
		want []string
	}{
		{
			"a service may import arvo and the standard library",
			goPackage{"lambdas/services/payment", []string{"context", "net/http", module + "/lambdas/arvo"}, nil},
			nil,
		},
		{
			"a service may not import another service",
			goPackage{"lambdas/services/payment", []string{module + "/lambdas/services/shipping"}, nil},
			[]string{"lambdas/services/payment imports lambdas/services/shipping: lambdas/services/payment may import of this module only lambdas/arvo, lambdas/jsontext"},
		},
		{
			"a workflow may import the services that it calls",
			goPackage{"lambdas/services/fulfilment", []string{module + "/lambdas/services/shipping"}, nil},
			nil,
		},
		{
			"a service may not import a library",
			goPackage{"lambdas/services/payment", []string{"github.com/google/uuid"}, nil},
			[]string{"lambdas/services/payment imports github.com/google/uuid: lambdas/services/payment may import nothing outside the module but the standard library"},
		},
		{
			"arvo may not reach AWS through another package",
			goPackage{"lambdas/arvo", []string{"github.com/google/uuid"}, []string{"github.com/aws/smithy-go"}},
			[]string{"lambdas/arvo reaches github.com/aws/smithy-go: lambdas/arvo must not"},
		},
		{
			"local may not import the code that it runs",
			goPackage{"lambdas/local/stack", []string{module + "/lambdas/arvo", module + "/lambdas/local/queue"}, nil},
			[]string{"lambdas/local/stack imports lambdas/arvo: lambdas/local may import of this module only telemetry/segment, telemetry/tracetree, dashboards/body, dashboards/draw, lambdas/jsontext"},
		},
		{
			"any package may import a leaf",
			goPackage{"lambdas/local/bus", []string{module + "/lambdas/jsontext"}, nil},
			nil,
		},
		{
			"a leaf may not import a package that is none",
			goPackage{"lambdas/jsontext", []string{"bytes", module + "/lambdas/arvo"}, nil},
			[]string{"lambdas/jsontext imports lambdas/arvo: lambdas/jsontext may import of this module only lambdas/jsontext"},
		},
		{
			"a leaf may not import a library",
			goPackage{"lambdas/jsontext", []string{"github.com/google/uuid"}, nil},
			[]string{"lambdas/jsontext imports github.com/google/uuid: lambdas/jsontext may import nothing outside the module but the standard library"},
		},
		{
			"telemetry is one folder, not all that is beneath it",
			goPackage{"lambdas/federated_handler", []string{module + "/telemetry", module + "/telemetry/segment"}, nil},
			[]string{"lambdas/federated_handler imports telemetry/segment: lambdas/federated_handler may import of this module only lambdas/arvo, lambdas/services/..., lambdas/broker, lambdas/store, lambdas/sdkhttp, telemetry, lambdas/jsontext"},
		},
		{
			"a folder without a rule is a fault",
			goPackage{"tools/lint", nil, nil},
			[]string{"tools/lint: no rule says what it may import"},
		},
		{
			"a new folder among the Lambdas needs a rule of its own",
			goPackage{"lambdas/refunds_lambda", nil, nil},
			[]string{"lambdas/refunds_lambda: no rule says what it may import"},
		},
		{
			"a name that merely begins alike is another folder",
			goPackage{"loadtester", nil, nil},
			[]string{"loadtester: no rule says what it may import"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.pkg.ImportPath = module + "/" + test.pkg.ImportPath
			if got := faults(test.pkg); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// faults returns a sentence for each way in which p breaks its rule.
func faults(p goPackage) []string {
	pkg := strings.TrimPrefix(p.ImportPath, module+"/")
	r, ok := ruleOf(pkg)
	if !ok {
		return []string{pkg + ": no rule says what it may import"}
	}
	folder := strings.TrimSuffix(r.folder, "/...")
	var found []string
	for _, imported := range p.Imports {
		if name, ours := strings.CutPrefix(imported, module+"/"); ours {
			allowed := slices.Concat(r.ours, leaves)
			if !within(name, r.folder) && !slices.ContainsFunc(allowed, func(folder string) bool { return within(name, folder) }) {
				found = append(found, fmt.Sprintf("%s imports %s: %s may import of this module only %s", pkg, name, folder, strings.Join(allowed, ", ")))
			}
		} else if r.stdOnly && !standard(imported) {
			found = append(found, fmt.Sprintf("%s imports %s: %s may import nothing outside the module but the standard library", pkg, imported, folder))
		}
	}
	for _, prefix := range r.never {
		// The first package of a library is news; the dozens that it brings along are not.
		if i := slices.IndexFunc(p.Deps, func(reached string) bool { return strings.HasPrefix(reached, prefix) }); i >= 0 {
			found = append(found, fmt.Sprintf("%s reaches %s: %s must not", pkg, p.Deps[i], folder))
		}
	}
	return found
}

// ruleOf returns the first rule that fits pkg, with the folder's name written out.
func ruleOf(pkg string) (rule, bool) {
	for _, r := range rules {
		if parent, each := strings.CutSuffix(r.folder, "*/..."); each {
			child, beneath := strings.CutPrefix(pkg, parent)
			if !beneath {
				continue
			}
			child, _, _ = strings.Cut(child, "/")
			r.folder = parent + child + "/..."
		}
		if within(pkg, r.folder) {
			return r, true
		}
	}
	return rule{}, false
}

// within tells whether pkg is the folder, or lies beneath it if the folder is written "x/...".
func within(pkg, folder string) bool {
	root, beneath := strings.CutSuffix(folder, "/...")
	return pkg == root || beneath && strings.HasPrefix(pkg, root+"/")
}

// standard tells whether the path names a package of the standard library: the first element of any other has a dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// listModule asks the go command for all packages of the module.
func listModule(t *testing.T) []goPackage {
	t.Helper()
	// The go command's reads are not seen by the test cache. Reading the module's folders here makes the cached result
	// of this test depend on them, so that it runs again when a file of any package has changed.
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".." {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	var stderr bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list, err, &stderr)
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v: %v", list, err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("%v found no package", list)
	}
	return packages
}
