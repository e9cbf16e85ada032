package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// untilInterrupted ends with the first interrupt. A second one ends the process at once.
func untilInterrupted() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), interrupts()...)
	context.AfterFunc(ctx, stop)
	return ctx
}

// interrupts are the signals that end a command in order. A hangup is one where it means that somebody closed the terminal;
// where a system ignores it (nohup), it stays ignored.
func interrupts() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if onTerminal() && !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func onTerminal() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// answerHangups tells whoever sends a SIGHUP to a service, which has no terminal, what becomes of it: nothing. It returns
// what ends that.
func answerHangups(logger *slog.Logger) func() {
	if onTerminal() || signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	hangups, end, ended := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(ended)
		for {
			select {
			case <-hangups:
				logger.Warn("SIGHUP reloads nothing: certificates are read again by themselves, anything else needs a restart")
			case <-end:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(end)
		<-ended
	}
}
