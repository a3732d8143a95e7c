package protocol

import (
	"context"
	"io"
	"os"
	"time"
)

const closeLimit = 10 * time.Second

// UntilStdinCloses gives a context that ends when standard input does. A driver that then fails to
// close its client within 10 s ends all the same: the test has stopped listening.
func UntilStdinCloses() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		time.Sleep(closeLimit)
		os.Exit(exitStuck)
	}()
	return ctx, cancel
}

// Pace waits until record number i is due at the given rate per second (0: at once).
// It reports false when the context ended.
func Pace(ctx context.Context, start time.Time, i int64, rate float64) bool {
	if rate > 0 {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
