// Package storagetest is what any log of a site has to pass: Run is called by the tests of an implementation with a
// function that opens it.
package storagetest
