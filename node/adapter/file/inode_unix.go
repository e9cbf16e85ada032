//go:build unix

package file

import (
	"os"
	"syscall"
)

// inodeOf tells one file from another that took its name.
func inodeOf(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}
