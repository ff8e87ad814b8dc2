// Package template reads a SAM template and resolves it to the graph of what is to run.
package template
