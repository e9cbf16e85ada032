package main

import "syscall"

// dieWithParent makes a process end with the test that started it, however that ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
