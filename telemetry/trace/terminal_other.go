//go:build !linux && !darwin

package main

import "os"

// terminalWidth knows no terminals on this system: what is written is plain.
func terminalWidth(*os.File) (width int, ok bool) { return 0, false }
