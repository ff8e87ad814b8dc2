package stack

import (
	"context"
	"path/filepath"
	"sync"
)

// To see that a binary is up to date takes go build most of the CPU that a stack needs to start, and each test starts one:
// here a source folder is built once.
func init() {
	var mu sync.Mutex
	binaries := map[string]string{} // by source folder
	compile = func(ctx context.Context, root, dir, code string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		source := filepath.Join(root, code)
		if binary, ok := binaries[source]; ok {
			return binary, nil
		}
		binary, err := buildOne(ctx, root, dir, code)
		if err == nil {
			binaries[source] = binary
		}
		return binary, err
	}
}
