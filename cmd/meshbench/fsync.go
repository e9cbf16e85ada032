package main

import (
	"errors"
	"os"
	"time"
)

// fsyncCount is enough for a p99.
const fsyncCount = 300

// fsyncs measures how long the disk takes to make 4 KiB durable at the end of a file: what bounds a durable publish.
func fsyncs(path string) (took []time.Duration, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(path)) }()
	block := make([]byte, 4096)
	for range fsyncCount {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}
