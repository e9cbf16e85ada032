package main

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineDelaysWhatPassesWithoutHoldingUpWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay, gap = 100 * time.Millisecond, 10 * time.Millisecond
		sender, near := net.Pipe()
		far, receiver := net.Pipe()
		go (&proxy{delay: delay}).carry(near, far)
		began := time.Now()
		go func() {
			for range 3 {
				_, _ = sender.Write([]byte("x"))
				<-time.After(gap)
			}
			_ = sender.Close()
		}()
		for i := range 3 {
			if n, err := receiver.Read(make([]byte, 16)); n != 1 || err != nil {
				t.Fatalf("read %d bytes, error %v", n, err)
			}
			if took, want := time.Since(began), delay+time.Duration(i)*gap; took != want {
				t.Errorf("byte %d came after %s, want %s", i, took, want)
			}
		}
		if _, err := receiver.Read(make([]byte, 1)); err == nil {
			t.Error("the other end was not closed with the first one")
		}
	})
}
