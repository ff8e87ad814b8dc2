package template_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/template"
)

func TestAFileThatIsNoTemplateIsNotReadForEver(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.yaml")
	if err := os.WriteFile(long, make([]byte, template.MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(dir, "device.yaml")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Skip(err)
	}
	for _, test := range []struct{ name, file, want string }{
		{"a device", device, "is no regular file"},
		{"a folder", dir, "is no regular file"},
		{"too many bytes", long, "more than 1048576 bytes"},
		{"nothing", filepath.Join(dir, "none.yaml"), "no such file"},
	} {
		if _, err := template.ParseFile(test.file); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.file) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
