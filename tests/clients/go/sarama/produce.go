package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"tidegate/clients/internal/protocol"
)

func produce(ctx context.Context, o protocol.Options, out *protocol.Output, config *sarama.Config) error {
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{
		"all": sarama.WaitForAll, "1": sarama.WaitForLocal, "0": sarama.NoResponse,
	}[o.Acks]
	if o.Idempotent || o.TransactionalID != "" {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1 // the library insists
	}
	if o.TransactionalID != "" {
		config.Producer.Transaction.ID = o.TransactionalID
		return produceTransactions(ctx, o, out, config)
	}
	producer, err := sarama.NewAsyncProducer(o.Bootstrap, config)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	go out.FlushOften()
	var answers sync.WaitGroup
	answers.Go(func() { successes(producer.Successes(), out) })
	answers.Go(func() { failures(producer.Errors(), out) })
	value := make([]byte, o.Size)
	start := time.Now()
	for i := int64(0); (o.Count == 0 || i < o.Count) && protocol.Pace(ctx, start, i, o.Rate); i++ {
		producer.Input() <- numbered(o, i, value)
	}
	producer.AsyncClose()
	answers.Wait()
	return nil
}

func numbered(o protocol.Options, i int64, value []byte) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: o.Topic, Partition: o.Partitions[i%int64(len(o.Partitions))],
		Key: sarama.StringEncoder(fmt.Sprintf("%s%d", o.KeyPrefix, i)), Value: sarama.ByteEncoder(value),
	}
}

func successes(acks <-chan *sarama.ProducerMessage, out *protocol.Output) {
	for m := range acks {
		key, _ := m.Key.Encode() // a StringEncoder cannot fail
		out.Record(m.Partition, m.Offset, key, len(key)+m.Value.Length())
	}
}

func failures(errs <-chan *sarama.ProducerError, out *protocol.Output) {
	for err := range errs {
		key, _ := err.Msg.Key.Encode()
		out.Message("error", fmt.Sprintf("key %s: %v", key, err.Err))
	}
}
