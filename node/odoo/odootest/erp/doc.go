// Package erp is the Odoo that a test runs against: the sandbox, or the real one that the environment names. It is apart from the contract, so that
// packages that the contract tests can use it in tests of their own.
package erp
