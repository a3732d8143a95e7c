package protocol

import (
	"context"
	"time"
)

// recoverPause is how long a driver waits before it tries again to get rid of a failed transaction.
const recoverPause = 500 * time.Millisecond

// Ack is one acknowledged record of a transaction.
type Ack struct {
	Partition int32
	Offset    int64
	Key       []byte
	Bytes     int
}

// Transactor is a client that writes in transactions.
type Transactor interface {
	Begin() error
	Send(number int64)
	// Flush waits for all that was sent since Begin.
	Flush() ([]Ack, error)
	End(commit bool) error
	// Recover makes sure that nothing is left of a transaction that failed.
	Recover() error
}

// WriteTransactions writes the records of the command line in transactions, until the context ends.
func WriteTransactions(ctx context.Context, o Options, out *Output, t Transactor) {
	start := time.Now()
	var first int64
	for nth := int64(1); more(ctx, o, first); nth++ {
		n := o.CommitEvery
		if o.Count > 0 {
			n = min(n, o.Count-first)
		}
		abort := o.AbortEvery > 0 && nth%o.AbortEvery == 0
		for {
			sent, acks, err := once(ctx, o, t, start, first, n, !abort)
			if err == nil {
				tell(out, sent, acks, abort)
				first += sent
				break
			}
			out.Event("retried", map[string]any{"n": sent, "message": err.Error()})
			if !recovered(ctx, out, t) {
				return
			}
		}
	}
}

func more(ctx context.Context, o Options, first int64) bool {
	return ctx.Err() == nil && (o.Count == 0 || first < o.Count)
}

// once tries one transaction; it is shorter where the context ends in the middle of it.
func once(ctx context.Context, o Options, t Transactor, start time.Time, first, n int64, commit bool) (int64, []Ack, error) {
	if err := t.Begin(); err != nil {
		return 0, nil, err
	}
	var sent int64
	for sent < n && Pace(ctx, start, first+sent, o.Rate) {
		t.Send(first + sent)
		sent++
	}
	acks, err := t.Flush()
	if err == nil {
		err = t.End(commit)
	}
	return sent, acks, err
}

func tell(out *Output, sent int64, acks []Ack, abort bool) {
	if abort {
		out.Event("aborted", map[string]any{"n": sent})
		return
	}
	for _, ack := range acks {
		out.Record(ack.Partition, ack.Offset, ack.Key, ack.Bytes)
	}
	out.Flush()
}

// recovered tries until it succeeds or the context ends.
func recovered(ctx context.Context, out *Output, t Transactor) bool {
	for ctx.Err() == nil {
		err := t.Recover()
		if err == nil {
			return true
		}
		out.Message("error", "recover: "+err.Error())
		select {
		case <-time.After(recoverPause):
		case <-ctx.Done():
		}
	}
	return false
}
