//go:build !linux

package demo

import "syscall"

// childAttributes: other systems cannot tie a child's life to its parent's.
func childAttributes() *syscall.SysProcAttr { return nil }
