// Package adapter turns what a plant's systems write into canonical events.
//
// A [Mapping] is a file of CEL expressions (https://cel.dev) that say, for each row of a table, what event it is: its
// type, id, subject, time and payload, and whose site's it is. Everything is checked against the schema when the mapping is
// compiled, so what is left to fail at run time is the row. docs/adapters.md is the reference for the people who write
// mappings; the packages below this one bring the rows in.
package adapter
