package main

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tidegate/clients/internal/protocol"
)

// admin is kadm, franz-go's admin client.
type admin struct {
	ctx    context.Context
	client *kadm.Client
}

func administer(ctx context.Context, o protocol.Options, out *protocol.Output, options []kgo.Opt) error {
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	out.Event("ready", nil)
	protocol.Administer(o, out, admin{ctx, kadm.NewClient(client)})
	return nil
}

func (a admin) CreateTopic(topic string, partitions, replication int) error {
	_, err := a.client.CreateTopic(a.ctx, int32(partitions), int16(replication), nil, topic)
	return err
}

func (a admin) ListTopics() ([]string, error) {
	topics, err := a.client.ListTopics(a.ctx)
	return topics.Names(), err
}

func (a admin) DescribeTopic(topic string) (described protocol.Topic, err error) {
	topics, err := a.client.ListTopics(a.ctx, topic)
	if err == nil {
		err = topics.Error()
	}
	described.Led = true
	for _, partition := range topics[topic].Partitions.Sorted() {
		described.Replicas = append(described.Replicas, len(partition.Replicas))
		described.Led = described.Led && partition.Leader >= 0
	}
	return described, err
}

func (a admin) CreatePartitions(topic string, total int) error {
	answers, err := a.client.UpdatePartitions(a.ctx, total, topic)
	if err == nil {
		err = answers.Error()
	}
	return err
}

func (a admin) DescribeConfigs(topic string) (map[string]string, error) {
	answers, err := a.client.DescribeTopicConfigs(a.ctx, topic)
	if err != nil {
		return nil, err
	}
	answer, err := answers.On(topic, nil)
	configs := map[string]string{}
	for _, config := range answer.Configs {
		configs[config.Key] = config.MaybeValue()
	}
	return configs, err
}

func (a admin) AlterConfigs(topic, name, value string) error {
	answers, err := a.client.AlterTopicConfigs(a.ctx, []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
	if err != nil {
		return err
	}
	_, err = answers.On(topic, func(answer *kadm.AlterConfigsResponse) error { return answer.Err })
	return err
}

func (a admin) ListGroups() error {
	_, err := a.client.ListGroups(a.ctx)
	return err
}

func (a admin) Brokers() (int, error) {
	brokers, err := a.client.ListBrokers(a.ctx)
	return len(brokers), err
}

func (a admin) DeleteTopic(topic string) error {
	answers, err := a.client.DeleteTopics(a.ctx, topic)
	if err != nil {
		return err
	}
	for _, answer := range slices.Collect(maps.Values(answers)) {
		err = answer.Err
	}
	return err
}
