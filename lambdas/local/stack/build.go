package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// build compiles the functions' code for this machine, each CodeUri once, with the flags of a deployment, and returns
// the binary of each CodeUri. Binaries are kept in dir, so that an unchanged one is not linked again.
func (s *Stack) build(ctx context.Context, root, dir string) (map[string]string, error) {
	var codes []string
	for _, f := range s.graph.Functions {
		if f.BuildMethod != "go1.x" || f.Handler != "bootstrap" {
			return nil, fmt.Errorf("%s: only functions with BuildMethod go1.x and Handler bootstrap can be built here, not %q and %q", s.at(f.LogicalID), f.BuildMethod, f.Handler)
		}
		if info, err := os.Stat(filepath.Join(root, f.CodeURI)); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s: CodeUri %s is no folder beside the template", s.at(f.LogicalID), f.CodeURI)
		}
		if !slices.Contains(codes, f.CodeURI) {
			codes = append(codes, f.CodeURI)
		}
	}
	built := make([]string, len(codes))
	group, ctx := errgroup.WithContext(ctx)
	for i, code := range codes {
		group.Go(func() (err error) {
			built[i], err = compile(ctx, root, dir, code)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	for i, code := range codes {
		binaries[code] = built[i]
	}
	return binaries, nil
}

// compile is buildOne, but for tests: they start many stacks and build once.
var compile = buildOne

func buildOne(ctx context.Context, root, dir, code string) (string, error) {
	source := filepath.Join(root, code)
	// One folder for each source folder: two checkouts do not overwrite each other's binaries.
	sum := sha256.Sum256([]byte(source))
	binary := filepath.Join(dir, hex.EncodeToString(sum[:8]), "bootstrap")
	if err := os.MkdirAll(filepath.Dir(binary), 0o700); err != nil {
		return "", fmt.Errorf("stack: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", binary, ".")
	cmd.Dir = source
	// For this machine, also where GOARCH is that of the deployment.
	cmd.Env = append(os.Environ(), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("stack: building %s: %w\n%s", code, err, output.Bytes())
	}
	return binary, nil
}

// cacheDir is where binaries are kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir() // no HOME, as in some containers
	}
	dir := filepath.Join(base, "arvo-local")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("stack: %w", err)
	}
	return dir, nil
}
