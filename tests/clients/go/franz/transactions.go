package main

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"tidegate/clients/internal/protocol"
)

// transactor gathers what a transaction's records were acknowledged with, and the first error.
type transactor struct {
	o       protocol.Options
	options []kgo.Opt
	client  *kgo.Client
	value   []byte

	mu   sync.Mutex
	acks []protocol.Ack
	err  error
}

func produceTransactions(ctx context.Context, o protocol.Options, out *protocol.Output, options []kgo.Opt) error {
	options = append(options, writing(o)...)
	t := &transactor{o: o, options: append(options, kgo.TransactionalID(o.TransactionalID)), value: make([]byte, o.Size)}
	if err := t.open(); err != nil {
		return err
	}
	out.Event("ready", nil)
	protocol.WriteTransactions(ctx, o, out, t)
	t.client.Close()
	return nil
}

func (t *transactor) open() (err error) {
	t.client, err = kgo.NewClient(t.options...)
	return err
}

func (t *transactor) Begin() error {
	t.acks, t.err = nil, nil
	return t.client.BeginTransaction()
}

func (t *transactor) Send(number int64) {
	t.client.Produce(context.Background(), numbered(t.o, number, t.value), func(r *kgo.Record, err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err != nil && t.err == nil {
			t.err = err
		}
		t.acks = append(t.acks, protocol.Ack{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Bytes: len(r.Key) + len(r.Value)})
	})
}

func (t *transactor) Flush() ([]protocol.Ack, error) {
	err := t.client.Flush(context.Background())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		err = t.err
	}
	return t.acks, err
}

func (t *transactor) End(commit bool) error {
	return t.client.EndTransaction(context.Background(), kgo.TransactionEndTry(commit))
}

// Recover aborts; a client that can't even do that is replaced: the new one's first act is to fence the old.
func (t *transactor) Recover() error {
	if t.client.AbortBufferedRecords(context.Background()) == nil && t.End(false) == nil {
		return nil
	}
	t.client.Close()
	return t.open()
}
