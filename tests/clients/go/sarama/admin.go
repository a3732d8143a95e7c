package main

import (
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"tidegate/clients/internal/protocol"
)

// admin is sarama's ClusterAdmin.
type admin struct{ client sarama.ClusterAdmin }

func administer(o protocol.Options, out *protocol.Output, config *sarama.Config) error {
	client, err := sarama.NewClusterAdmin(o.Bootstrap, config)
	if err != nil {
		return err
	}
	out.Event("ready", nil)
	protocol.Administer(o, out, admin{client})
	return client.Close()
}

func (a admin) CreateTopic(topic string, partitions, replication int) error {
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: int16(replication)}
	return a.client.CreateTopic(topic, detail, false)
}

func (a admin) ListTopics() ([]string, error) {
	topics, err := a.client.ListTopics()
	return slices.Collect(maps.Keys(topics)), err
}

func (a admin) DescribeTopic(topic string) (described protocol.Topic, err error) {
	answers, err := a.client.DescribeTopics([]string{topic})
	if err != nil {
		return described, err
	}
	if answers[0].Err != sarama.ErrNoError {
		return described, answers[0].Err
	}
	described.Led = true
	for _, partition := range answers[0].Partitions {
		described.Replicas = append(described.Replicas, len(partition.Replicas))
		described.Led = described.Led && partition.Leader >= 0
	}
	return described, nil
}

func (a admin) CreatePartitions(topic string, total int) error {
	return a.client.CreatePartitions(topic, int32(total), nil, false)
}

func (a admin) DescribeConfigs(topic string) (map[string]string, error) {
	entries, err := a.client.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	configs := map[string]string{}
	for _, entry := range entries {
		configs[entry.Name] = entry.Value
	}
	return configs, err
}

func (a admin) AlterConfigs(topic, name, value string) error {
	set := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	entries := map[string]sarama.IncrementalAlterConfigsEntry{name: set}
	return a.client.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
}

func (a admin) ListGroups() error {
	_, err := a.client.ListConsumerGroups()
	return err
}

func (a admin) Brokers() (int, error) {
	brokers, _, err := a.client.DescribeCluster()
	return len(brokers), err
}

func (a admin) DeleteTopic(topic string) error {
	return a.client.DeleteTopic(topic)
}
