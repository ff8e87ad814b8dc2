package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			vars, ok := decl.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, spec := range vars.Specs {
				for _, ident := range spec.(*ast.ValueSpec).Names {
					if !ident.IsExported() || !strings.HasSuffix(ident.Name, "Contract") {
						continue
					}
					found++
					if qualified := file.Name.Name + "." + ident.Name; !strings.Contains(string(list), qualified+",") {
						t.Errorf("%s: Contracts does not list %s", name, qualified)
					}
				}
			}
		}
	}
	if listed := len(services.Contracts()); found != listed {
		t.Errorf("found %d contracts in the folders, %d are listed", found, listed)
	}
}
