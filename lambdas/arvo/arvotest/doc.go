// Package arvotest tests what is built on package arvo, without a bus, a queue or a table: [Memory] keeps workflows in
// process.
package arvotest
