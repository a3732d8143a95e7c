package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tidegate/clients/internal/protocol"
)

func produce(ctx context.Context, o protocol.Options, out *protocol.Output, options []kgo.Opt) error {
	if o.TransactionalID != "" {
		return produceTransactions(ctx, o, out, options)
	}
	client, err := kgo.NewClient(append(options, writing(o)...)...)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	go out.FlushOften()
	value := make([]byte, o.Size)
	start := time.Now()
	for i := int64(0); (o.Count == 0 || i < o.Count) && protocol.Pace(ctx, start, i, o.Rate); i++ {
		// Not with ctx, which would take back what is still buffered when we are told to stop.
		client.Produce(context.Background(), numbered(o, i, value), func(r *kgo.Record, err error) { acknowledged(r, err, out) })
	}
	err = client.Flush(context.Background())
	client.Close()
	return err
}

func numbered(o protocol.Options, i int64, value []byte) *kgo.Record {
	return &kgo.Record{
		Topic: o.Topic, Partition: o.Partitions[i%int64(len(o.Partitions))],
		Key: fmt.Appendf(nil, "%s%d", o.KeyPrefix, i), Value: value,
	}
}

func writing(o protocol.Options) []kgo.Opt {
	options := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}
	switch o.Acks {
	case "1":
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()))
	case "0":
		options = append(options, kgo.RequiredAcks(kgo.NoAck()))
	}
	if o.Acks != "all" && !o.Idempotent {
		// On by default, and refused together with fewer acknowledgements.
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return options
}

func acknowledged(r *kgo.Record, err error, out *protocol.Output) {
	if err != nil {
		out.Message("error", fmt.Sprintf("key %s: %v", r.Key, err))
		return
	}
	out.Record(r.Partition, r.Offset, r.Key, len(r.Key)+len(r.Value))
}
