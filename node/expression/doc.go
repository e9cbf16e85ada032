// Package expression compiles the CEL expressions of configurations: those of adapters' mappings, and those that say what does not wait for a
// batch window.
package expression
