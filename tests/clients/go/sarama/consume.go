package main

import (
	"context"
	"errors"
	"sync"

	"github.com/IBM/sarama"

	"tidegate/clients/internal/protocol"
)

func consumeGroup(ctx context.Context, o protocol.Options, out *protocol.Output, config *sarama.Config) error {
	group, err := sarama.NewConsumerGroup(o.Bootstrap, o.Group, config)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go report(group.Errors(), out)
	reader := &reader{o, out, stop}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{o.Topic}, reader); err != nil && ctx.Err() == nil {
			out.Message("error", err.Error())
		}
	}
	return group.Close()
}

func consumeAssigned(ctx context.Context, o protocol.Options, out *protocol.Output, config *sarama.Config) error {
	consumer, err := sarama.NewConsumer(o.Bootstrap, config)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	reader := &reader{o, out, stop}
	var all sync.WaitGroup
	for _, partition := range o.Partitions {
		claim, err := consumer.ConsumePartition(o.Topic, partition, config.Consumer.Offsets.Initial)
		if err != nil {
			return err
		}
		go reportPartition(claim.Errors(), out)
		all.Go(func() { reader.read(ctx, claim.Messages(), func(*sarama.ConsumerMessage) {}); claim.AsyncClose() })
	}
	out.Partitions("assigned", o.Partitions)
	all.Wait()
	return consumer.Close()
}

// reader is the group's handler, and reads one partition's messages in both modes.
type reader struct {
	o    protocol.Options
	out  *protocol.Output
	stop context.CancelFunc
}

func (r *reader) Setup(session sarama.ConsumerGroupSession) error {
	r.out.Partitions("assigned", session.Claims()[r.o.Topic])
	return nil
}

func (r *reader) Cleanup(session sarama.ConsumerGroupSession) error {
	r.out.Partitions("revoked", session.Claims()[r.o.Topic])
	return nil
}

func (r *reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	r.read(session.Context(), claim.Messages(), func(m *sarama.ConsumerMessage) { session.MarkMessage(m, "") })
	return nil
}

func (r *reader) read(ctx context.Context, messages <-chan *sarama.ConsumerMessage, mark func(*sarama.ConsumerMessage)) {
	for {
		select {
		case m, open := <-messages:
			if !open {
				return
			}
			mark(m)
			r.record(m, len(messages) == 0)
		case <-ctx.Done():
			return
		}
	}
}

// record flushes when nothing is waiting, so that lines are long when records are many.
func (r *reader) record(m *sarama.ConsumerMessage, idle bool) {
	r.out.Record(m.Partition, m.Offset, m.Key, len(m.Key)+len(m.Value))
	if idle {
		r.out.Flush()
	}
	if r.o.UntilCount > 0 && r.out.Total() >= r.o.UntilCount {
		r.stop()
	}
}

func report(errs <-chan error, out *protocol.Output) {
	for err := range errs {
		tell(err, out)
	}
}

func reportPartition(errs <-chan *sarama.ConsumerError, out *protocol.Output) {
	for err := range errs {
		tell(err, out)
	}
}

// tell names OFFSET_OUT_OF_RANGE as a reset: the client gives the partition up and leaves the choice to us.
func tell(err error, out *protocol.Output) {
	event := "error"
	if errors.Is(err, sarama.ErrOffsetOutOfRange) {
		event = "reset"
	}
	out.Message(event, err.Error())
}
