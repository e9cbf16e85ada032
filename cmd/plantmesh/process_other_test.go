//go:build !linux

package main

import "syscall"

// dieWithParent: other systems cannot tie a process to the one that started it.
func dieWithParent() *syscall.SysProcAttr { return nil }
