package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/arvo/lambdas/services"
)

func TestContractsAreListedByTypeAndEachOnce(t *testing.T) {
	types, uris := []string{}, map[string]bool{}
	for _, contract := range services.Contracts() {
		types = append(types, contract.Type())
		uris[contract.URI()] = true
	}
	if !slices.IsSorted(types) || len(slices.Compact(types)) != len(services.Contracts()) {
		t.Errorf("the types are not in order or not distinct: %q", types)
	}
	if len(uris) != len(types) {
		t.Errorf("%d contracts have %d URIs: %q", len(types), len(uris), slices.Sorted(maps.Keys(uris)))
	}
}

// A contract that is not listed would be hosted but not offered: POST /events would call its type unknown.
func TestEveryContractIsListed(t *testing.T) {
	list, err := os.ReadFile("services.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		made, err := contracts(path, src)
		if err != nil {
			return err
		}
		for _, c := range made {
			switch _, name, _ := strings.Cut(c.name, "."); {
			case name == "":
				t.Errorf("%s: a contract is made here that is in no variable of the package, so Contracts cannot list it", c.place)
			case !ast.IsExported(name):
				t.Errorf("%s: the contract %s is not exported, so Contracts cannot list it", c.place, c.name)
			case !strings.Contains(string(list), c.name+","):
				t.Errorf("%s: Contracts in services.go does not list %s", c.place, c.name)
			}
		}
		found += len(made)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if listed := len(services.Contracts()); found != listed {
		t.Errorf("%d contracts are made in the folders, %d are listed", found, listed)
	}
}

// A made contract is where a constructor of package arvo is called.
type made struct {
	place string // file:line:column
	name  string // of the package and its variable; of the package and "" when there is none
}

// contracts finds where a file makes contracts, by its text: one that nobody lists is in no list that could be asked.
func contracts(path string, src []byte) (found []made, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	arvo := ""
	for _, i := range file.Imports {
		if i.Path.Value == `"example.com/arvo/lambdas/arvo"` {
			if arvo = "arvo"; i.Name != nil {
				arvo = i.Name.Name
			}
		}
	}
	in := func(n ast.Node, name string) {
		ast.Inspect(n, func(n ast.Node) bool {
			if f, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"NewContract", "NewSimpleContract", "NewOrchestratorContract"}, f.Sel.Name) {
				if from, ok := f.X.(*ast.Ident); ok && from.Name == arvo {
					found = append(found, made{files.Position(f.Pos()).String(), file.Name.Name + "." + name})
				}
			}
			return true
		})
	}
	for _, decl := range file.Decls {
		vars, ok := decl.(*ast.GenDecl)
		if !ok || vars.Tok != token.VAR {
			in(decl, "")
			continue
		}
		for _, spec := range vars.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				in(value, spec.Names[i].Name)
			}
		}
	}
	return found, nil
}

func TestContractsAreFoundWhereverTheyAreMade(t *testing.T) {
	const before = "package ship\n\nimport \"example.com/arvo/lambdas/arvo\"\n\n"
	for _, c := range []struct {
		name, src string
		want      []made
	}{
		{"exported", before + "var Contract = arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{}))", []made{{"ship.go:5:34", "ship.Contract"}}},
		{"not exported", before + "var contract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{}))", []made{{"ship.go:5:34", "ship.contract"}}},
		{"under any name, and two at once", before + "var (\n\tA, B = arvo.MustContract(arvo.NewContract(x)), arvo.MustContract(arvo.NewOrchestratorContract(y))\n)",
			[]made{{"ship.go:6:27", "ship.A"}, {"ship.go:6:67", "ship.B"}}},
		{"in a function", before + "func f() { arvo.NewContract(x) }", []made{{"ship.go:5:12", "ship."}}},
		{"with the package under another name", "package ship\n\nimport a \"example.com/arvo/lambdas/arvo\"\n\nvar C = a.MustContract(a.NewContract(x))", []made{{"ship.go:5:24", "ship.C"}}},
		{"of another package", before + "var C = law.NewContract(x)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := contracts("ship.go", []byte(c.src))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v (%v), want %v", got, err, c.want)
			}
		})
	}
}
