package report_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInABrowser opens the pages in Chromium, wide and narrow. It keeps its pictures in the folder that
// REPORT_SCREENSHOTS names, light and dark, for people to look at.
func TestInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser three times")
	}
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no chromium on the PATH")
	}
	dir := t.TempDir()
	chromium := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		args = append([]string{"--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--user-data-dir=" + filepath.Join(dir, "profile")}, args...)
		if os.Getuid() == 0 { // its sandbox does not start as root; it opens our own files only
			args = append(args, "--no-sandbox")
		}
		out, err := exec.CommandContext(ctx, browser, args...).Output()
		if err != nil {
			t.Fatalf("%s: %v", browser, err)
		}
		return string(out)
	}
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}

	// A page may run no scripts. So a copy of it gets one that measures, and the permission for it; its frame reports to
	// the page around it, as no window is as narrow as a telephone.
	const measure = `<script>addEventListener("load", () => parent.postMessage({
		page: new URL(location).hash.slice(1), inner: innerWidth, scroll: document.documentElement.scrollWidth,
		wide: [...document.querySelectorAll(".wide")].filter(e => e.offsetWidth > 0).length,
		narrow: [...document.querySelectorAll(".narrow")].filter(e => e.offsetWidth > 0).length,
		small: Math.min(99, ...[...document.querySelectorAll("figure svg")].filter(e => e.getBoundingClientRect().width > 0).map(e => 12 * e.getBoundingClientRect().width / e.viewBox.baseVal.width)),
		cut: [...document.querySelectorAll("[aria-labelledby=cells] .scroll")].filter(e => e.scrollWidth > e.clientWidth).length,
		scripts: window.ran || 0}, "*"))</script>`
	frames := ""
	widths := []int{1280, 768, 360}
	for name, r := range runs() {
		measuring := strings.Replace(page(t, r), "default-src", "script-src 'unsafe-inline'; default-src", 1)
		measuring = strings.NewReplacer("</body>", measure+"</body>", "alert(", "window.ran=(").Replace(measuring)
		address := write(name+".html", measuring)
		for _, w := range widths {
			frames += fmt.Sprintf(`<iframe src="%s#%s" width="%d" height="800"></iframe>`, address, name, w)
		}
	}
	around := write("around.html", `<!doctype html><pre id="out"></pre><script>const all = []; onmessage = e => { all.push(e.data); out.textContent = JSON.stringify(all) }</script>`+frames)
	dom := chromium("--virtual-time-budget=20000", "--dump-dom", around)
	_, out, _ := strings.Cut(dom, `<pre id="out">`)
	out, _, _ = strings.Cut(out, "</pre>")
	var measured []struct {
		Page                                    string
		Inner, Scroll, Wide, Narrow, Small, Cut float64
		Scripts                                 float64
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(out)), &measured); err != nil {
		t.Fatalf("the pages did not report: %v", err)
	}
	if len(measured) != len(runs())*len(widths) {
		t.Errorf("%d pages of %d reported", len(measured), len(runs())*len(widths))
	}
	for _, m := range measured {
		if m.Scroll > m.Inner {
			t.Errorf("%s is %.0f px wide in a window of %.0f", m.Page, m.Scroll, m.Inner)
		}
		if m.Page != "empty" && (m.Wide > 0) == (m.Narrow > 0) {
			t.Errorf("%s at %.0f px shows %.0f wide and %.0f narrow pictures: the style sheet is not applied", m.Page, m.Inner, m.Wide, m.Narrow)
		}
		if m.Cut > 0 && m.Inner >= 1280 && m.Page != "hostile" {
			t.Errorf("%s at %.0f px cuts %.0f tables of cells", m.Page, m.Inner, m.Cut)
		}
		if m.Small < 10.5 {
			t.Errorf("%s at %.0f px has letters of %.1f px", m.Page, m.Inner, m.Small)
		}
		if m.Scripts != 0 {
			t.Errorf("%s has run something", m.Page)
		}
	}

	// Pictures, of the pages as they are.
	keep := os.Getenv("REPORT_SCREENSHOTS")
	names := []string{"plausible"}
	schemes := map[string]string{"light": "1"}
	if keep == "" {
		keep = t.TempDir()
	} else {
		names, schemes = []string{"plausible", "interrupted", "simulated", "hostile", "empty"}, map[string]string{"light": "1", "dark": "0"}
	}
	for _, name := range names {
		address := write(name+".html", page(t, runs()[name]))
		for scheme, value := range schemes {
			for _, w := range []int{1280, 360} {
				around := write("around.html", fmt.Sprintf(`<!doctype html><meta name="color-scheme" content="light dark"/><body style="margin:0"><iframe src="%s" style="border:0;width:%dpx;height:7000px"></iframe>`, address, w))
				picture := filepath.Join(keep, fmt.Sprintf("%s-%d-%s.png", name, w, scheme))
				chromium("--blink-settings=preferredColorScheme="+value, fmt.Sprintf("--window-size=%d,7000", max(w, 500)), "--screenshot="+picture, around)
				if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
					t.Errorf("there is no picture of %s at %d px, or nothing on it: %v", name, w, err)
				}
			}
		}
	}
}
