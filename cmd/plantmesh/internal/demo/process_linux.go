package demo

import "syscall"

// childAttributes makes a child process die with its parent, however that ends.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
