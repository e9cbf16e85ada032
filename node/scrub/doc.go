// Package scrub reads all that a site has stored again and again, slowly, and replaces what the disk has damaged by what other
// sites hold. What nobody holds any more is given up, visibly.
package scrub
