// Command franz drives franz-go; see ../../README.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"tidegate/clients/internal/protocol"
)

// props are the options that have names here; the client itself has only functions.
type props struct {
	Rack                          string `json:"rack"`
	MetadataMaxAgeMs              int64  `json:"metadata_max_age_ms"`
	RecheckPreferredReplicaMillis int64  `json:"recheck_preferred_replica_ms"`
	Uncompressed                  bool   `json:"uncompressed"`
	ReadCommitted                 bool   `json:"read_committed"`
}

func main() {
	verb, o := protocol.Parse()
	out := protocol.NewOutput(o)
	ctx, cancel := protocol.UntilStdinCloses()
	defer cancel()
	options, err := common(o, out)
	if err != nil {
		protocol.Fatal(err)
	}
	switch verb {
	case "consume":
		err = consume(ctx, o, out, options)
	case "produce":
		err = produce(ctx, o, out, options)
	case "admin":
		err = administer(ctx, o, out, options)
	default:
		err = fmt.Errorf("%q is not consume, produce or admin", verb)
	}
	if err != nil {
		protocol.Fatal(err)
	}
	out.End()
}

func common(o protocol.Options, out *protocol.Output) ([]kgo.Opt, error) {
	options := []kgo.Opt{kgo.SeedBrokers(o.Bootstrap...), kgo.WithLogger(resetWatch{out})}
	if o.ClientID != "" {
		options = append(options, kgo.ClientID(o.ClientID))
	}
	decoder := json.NewDecoder(bytes.NewReader(o.Props))
	decoder.DisallowUnknownFields()
	var p props
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("--props: %w", err)
	}
	if p.Rack != "" {
		options = append(options, kgo.Rack(p.Rack))
	}
	if p.Uncompressed {
		options = append(options, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	if p.ReadCommitted {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if p.MetadataMaxAgeMs > 0 {
		options = append(options, kgo.MetadataMaxAge(millis(p.MetadataMaxAgeMs)))
	}
	if p.RecheckPreferredReplicaMillis > 0 {
		options = append(options, kgo.RecheckPreferredReplicaInterval(millis(p.RecheckPreferredReplicaMillis)))
	}
	return secured(o, options)
}

func secured(o protocol.Options, options []kgo.Opt) ([]kgo.Opt, error) {
	config, err := o.TLS()
	if err != nil {
		return nil, err
	}
	if config != nil {
		options = append(options, kgo.DialTLSConfig(config))
	}
	user, password, err := o.Scram()
	if user != "" {
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	}
	return options, err
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func consume(ctx context.Context, o protocol.Options, out *protocol.Output, options []kgo.Opt) error {
	options = append(options, isolation(o)...)
	client, err := kgo.NewClient(append(options, reading(o, out)...)...)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	if o.Assign {
		out.Partitions("assigned", o.Partitions)
	}
	for ctx.Err() == nil && (o.UntilCount == 0 || out.Total() < o.UntilCount) {
		deliver(client.PollFetches(ctx), out)
	}
	client.Close()
	return nil
}

func isolation(o protocol.Options) []kgo.Opt {
	switch o.Isolation {
	case "read_committed":
		return []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadCommitted())}
	case "read_uncommitted":
		return []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadUncommitted())}
	}
	return nil
}

func reading(o protocol.Options, out *protocol.Output) []kgo.Opt {
	start := kgo.NewOffset().AtStart()
	if !o.Earliest {
		start = kgo.NewOffset().AtEnd()
	}
	if o.Assign {
		offsets := map[int32]kgo.Offset{}
		for _, partition := range o.Partitions {
			offsets[partition] = start
		}
		return []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: offsets})}
	}
	tell := func(event string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, given map[string][]int32) {
			out.Partitions(event, given[o.Topic])
		}
	}
	options := []kgo.Opt{
		kgo.ConsumeTopics(o.Topic), kgo.ConsumerGroup(o.Group), kgo.ConsumeResetOffset(start),
		kgo.OnPartitionsAssigned(tell("assigned")), kgo.OnPartitionsRevoked(tell("revoked")),
		kgo.OnPartitionsLost(tell("revoked")),
	}
	if o.GroupProtocol == "consumer" {
		// The client's own default balancer would silently mean the classic protocol.
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return options
}

func deliver(fetches kgo.Fetches, out *protocol.Output) {
	fetches.EachError(func(_ string, partition int32, err error) {
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.Canceled):
		case errors.As(err, &lost):
			out.Message("reset", err.Error())
		default:
			out.Message("error", fmt.Sprintf("partition %d: %v", partition, err))
		}
	})
	fetches.EachRecord(func(r *kgo.Record) {
		out.Record(r.Partition, r.Offset, r.Key, len(r.Key)+len(r.Value))
	})
	out.Flush()
}
