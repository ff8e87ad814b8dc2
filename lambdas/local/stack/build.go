package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// unused is how long a binary that no stack starts is kept.
const unused = 30 * 24 * time.Hour

// build compiles the functions' code for this machine, each CodeUri once, with the flags of a deployment, and returns
// the binary of each CodeUri. Binaries are kept in dir, so that an unchanged one is not linked again.
func (s *Stack) build(ctx context.Context, root, dir string) (map[string]string, error) {
	places := map[string]string{} // where the template names a CodeUri first
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
			places[f.CodeURI] = s.at(f.LogicalID)
		}
	}
	built := make([]string, len(codes))
	group, ctx := errgroup.WithContext(ctx)
	for i, code := range codes {
		group.Go(func() (err error) {
			if built[i], err = compile(ctx, root, dir, code); err != nil {
				return fmt.Errorf("%s: building CodeUri %s: %w", places[code], code, err)
			}
			return nil
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

// buildOne builds into a file that is named by what is in it, for a stack starts processes as long as it runs: what is built
// of the same sources meanwhile, after a change, is another file.
func buildOne(ctx context.Context, root, dir, code string) (string, error) {
	source := filepath.Join(root, code)
	sum := sha256.Sum256([]byte(source))
	folder := filepath.Join(dir, hex.EncodeToString(sum[:8])) // of the binaries of this source folder
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // else it goes when it is old
	binary := filepath.Join(work, "bootstrap")
	if last := newest(folder); last != "" { // go build leaves it as it is when it is up to date
		if err := copyFile(last, binary); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", binary, ".")
	cmd.Dir = source
	// For this machine, also where GOARCH is that of the deployment.
	cmd.Env = append(os.Environ(), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, output.Bytes())
	}
	if info, err := os.Stat(binary); err != nil {
		return "", err
	} else if info.Mode()&0o100 == 0 {
		return "", errors.New("it is no package main")
	}
	name, err := hashOf(binary)
	if err != nil {
		return "", err
	}
	kept := filepath.Join(folder, name)
	now := time.Now()
	if err := errors.Join(os.Chtimes(binary, now, now), os.Rename(binary, kept)); err != nil {
		return "", err
	}
	return kept, nil
}

// newest returns the binary in folder that was used last, or "".
func newest(folder string) (path string) {
	var at time.Time
	entries, err := os.ReadDir(folder)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().After(at) {
			path, at = filepath.Join(folder, e.Name()), info.ModTime()
		}
	}
	return path
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o700)
}

// hashOf names what is in a file.
func hashOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// prune removes from dir what no stack has started for long: of checkouts that are no more, of sources that have changed,
// of builds that were killed. What cannot be removed stays: it costs room, and nothing else.
func prune(dir string, now time.Time) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return // of a pattern that is not one
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > unused {
			_ = os.RemoveAll(path)
			_ = os.Remove(filepath.Dir(path)) // does nothing while other files are in it
		}
	}
}

// cacheDir is where binaries are kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	without := ""
	if err != nil {
		base, without = os.TempDir(), fmt.Sprintf(" (it is there because %v)", err) // no HOME, as in some containers
	}
	dir := filepath.Join(base, "arvo-local")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("stack: the folder for the functions' binaries%s: %w", without, err)
	}
	return dir, nil
}
