package stack

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// hello writes a module whose program prints text.
func hello(t *testing.T, root, text string) {
	t.Helper()
	for name, text := range map[string]string{"go.mod": "module hello\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() { print(\"" + text + "\") }\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func built(t *testing.T, root, cache string) (binary string) {
	t.Helper()
	binary, err := buildOne(t.Context(), root, cache, ".")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// says is what a binary prints.
func says(t *testing.T, binary string) string {
	t.Helper()
	out, err := exec.Command(binary).CombinedOutput()
	if err != nil {
		t.Errorf("%s does not run here: %v", binary, err)
	}
	return string(out)
}

func TestFunctionsAreBuiltForThisMachine(t *testing.T) {
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	t.Setenv("GOARCH", other) // as for a deployment
	root := t.TempDir()
	hello(t, root, "hello")
	if got := says(t, built(t, root, t.TempDir())); got != "hello" {
		t.Errorf("it says %q", got)
	}
}

func TestAStackKeepsTheBinaryThatItWasStartedWith(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	hello(t, root, "before")
	before := built(t, root, cache)
	hello(t, root, "after")
	after := built(t, root, cache)
	if got := says(t, before) + " " + says(t, after); got != "before after" {
		t.Errorf("the two binaries say %q", got)
	}
	again := built(t, root, cache)
	if again != after {
		t.Errorf("what has not changed was first %s, then %s", after, again)
	}
}

func TestALibraryIsNoFunction(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	hello(t, root, "hello")
	built(t, root, cache)
	if err := os.WriteFile(filepath.Join(root, "main.go"), []byte("package hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if binary, err := buildOne(t.Context(), root, cache, "."); err == nil || err.Error() != "it is no package main" {
		t.Errorf("%s, %v", binary, err)
	}
}

func TestWhatIsNotUsedIsRemovedAfterAMonth(t *testing.T) {
	root, gone, cache := t.TempDir(), t.TempDir(), t.TempDir()
	hello(t, root, "before")
	before := built(t, root, cache)
	hello(t, root, "after")
	after := built(t, root, cache)
	hello(t, gone, "gone")
	old := time.Now().Add(-unused - time.Hour)
	elsewhere := built(t, gone, cache)
	for _, binary := range []string{before, elsewhere} {
		if err := os.Chtimes(binary, old, old); err != nil {
			t.Fatal(err)
		}
	}
	prune(cache, time.Now())
	var left []string
	err := filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if path != cache {
			left = append(left, path)
		}
		return err
	})
	if want := []string{filepath.Dir(after), after}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %v (%v), want %v", left, err, want)
	}
	hello(t, root, "before")
	if again := built(t, root, cache); again != before || says(t, again) != "before" {
		t.Errorf("built again: %s, want %s", again, before)
	}
	if prune(cache, time.Now()); says(t, before) != "before" {
		t.Error("what was used again is gone")
	}
}

// Where a file is in the way, the message names it, and says what the folder was for and why there.
func TestAFolderForBinariesThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, variable string
		says           []string
	}{
		{"of the user's cache", "XDG_CACHE_HOME", []string{"the folder for the functions' binaries: mkdir ", file}},
		{"of temporary files, without a HOME", "TMPDIR", []string{"the folder for the functions' binaries (it is there because ", file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS != "linux" {
				t.Skip("the variables are Linux's")
			}
			for _, v := range []string{"HOME", "XDG_CACHE_HOME", "TMPDIR"} {
				t.Setenv(v, "")
			}
			t.Setenv(c.variable, file)
			dir, err := cacheDir()
			if err == nil {
				t.Fatalf("it is %s", dir)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message is %q, without %q", err, part)
				}
			}
		})
	}
}
