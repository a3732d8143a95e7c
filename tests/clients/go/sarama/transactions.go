package main

import (
	"context"
	"sync"

	"github.com/IBM/sarama"

	"tidegate/clients/internal/protocol"
)

// transactor gathers what a transaction's records were answered with.
type transactor struct {
	o        protocol.Options
	config   *sarama.Config
	producer sarama.AsyncProducer
	value    []byte

	mu       sync.Mutex
	answered sync.Cond
	pending  int
	acks     []protocol.Ack
	err      error
}

func produceTransactions(ctx context.Context, o protocol.Options, out *protocol.Output, config *sarama.Config) error {
	t := &transactor{o: o, config: config, value: make([]byte, o.Size)}
	t.answered.L = &t.mu
	if err := t.open(); err != nil {
		return err
	}
	out.Event("ready", nil)
	protocol.WriteTransactions(ctx, o, out, t)
	return t.producer.Close()
}

func (t *transactor) open() error {
	producer, err := sarama.NewAsyncProducer(t.o.Bootstrap, t.config)
	if err != nil {
		return err
	}
	t.producer = producer
	go func() {
		for m := range producer.Successes() {
			key, _ := m.Key.Encode() // a StringEncoder cannot fail
			t.answer(&protocol.Ack{Partition: m.Partition, Offset: m.Offset, Key: key, Bytes: len(key) + m.Value.Length()}, nil)
		}
	}()
	go func() {
		for failed := range producer.Errors() {
			t.answer(nil, failed.Err)
		}
	}()
	return nil
}

func (t *transactor) answer(ack *protocol.Ack, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending--
	if err != nil {
		t.err = err
	} else {
		t.acks = append(t.acks, *ack)
	}
	t.answered.Broadcast()
}

func (t *transactor) Begin() error {
	t.acks, t.err = nil, nil
	return t.producer.BeginTxn()
}

func (t *transactor) Send(number int64) {
	t.mu.Lock()
	t.pending++
	t.mu.Unlock()
	t.producer.Input() <- numbered(t.o, number, t.value)
}

func (t *transactor) Flush() ([]protocol.Ack, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.pending > 0 {
		t.answered.Wait()
	}
	return t.acks, t.err
}

func (t *transactor) End(commit bool) error {
	if commit {
		return t.producer.CommitTxn()
	}
	return t.producer.AbortTxn()
}

// Recover aborts; a producer that can't even do that is replaced: the new one's first act is to fence the old.
func (t *transactor) Recover() error {
	if t.producer.TxnStatus()&sarama.ProducerTxnFlagFatalError == 0 && t.End(false) == nil {
		return nil
	}
	if err := t.producer.Close(); err != nil {
		sarama.Logger.Println("close:", err)
	}
	return t.open()
}
