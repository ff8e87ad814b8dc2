package main

import (
	"os"

	"golang.org/x/term"
)

// terminalWidth is how many characters a line of the terminal has; ok is false if the file is no terminal.
func terminalWidth(f *os.File) (width int, ok bool) {
	if !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width, true
	}
	return 80, true // a terminal that does not know
}
