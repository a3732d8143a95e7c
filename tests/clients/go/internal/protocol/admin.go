package protocol

import (
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	visibleLimit = 30 * time.Second
	visiblePause = 100 * time.Millisecond
	// RetentionMs is what the script sets retention.ms to.
	RetentionMs = "3600000"
)

// ErrUnsupported says that the client's library has no way of doing a step.
var ErrUnsupported = errors.New("unsupported")

// Topic is a topic as a client describes it: the replicas of each partition, and whether each has a leader.
type Topic struct {
	Replicas []int
	Led      bool
}

// Admin is a client's own admin API.
type Admin interface {
	CreateTopic(topic string, partitions, replication int) error
	ListTopics() ([]string, error)
	DescribeTopic(topic string) (Topic, error)
	CreatePartitions(topic string, total int) error
	// DescribeConfigs gives the topic's configuration by name.
	DescribeConfigs(topic string) (map[string]string, error)
	AlterConfigs(topic, name, value string) error
	// ListGroups says only that it could.
	ListGroups() error
	// Brokers says how many there are.
	Brokers() (int, error)
	DeleteTopic(topic string) error
}

// Administer puts a client through the script of ../../../README.md.
func Administer(o Options, out *Output, a Admin) {
	s := script{o, a}
	for _, step := range []struct {
		op string
		do func() error
	}{
		{"create_topic", func() error { return a.CreateTopic(o.Topic, 2, o.Replication) }},
		{"list_topics", func() error { return eventually(func() error { return s.listed(true) }) }},
		{"describe_topic", func() error { return eventually(func() error { return s.described(2) }) }},
		{"create_partitions", s.createPartitions},
		{"describe_configs", s.describeConfigs},
		{"alter_configs", s.alterConfigs},
		{"list_groups", a.ListGroups},
		{"describe_cluster", s.brokers},
		{"delete_topic", s.deleteTopic},
	} {
		tellStep(out, step.op, step.do())
	}
}

type script struct {
	o Options
	a Admin
}

func (s script) listed(wanted bool) error {
	topics, err := s.a.ListTopics()
	if err != nil {
		return err
	}
	there := false
	for _, topic := range topics {
		there = there || topic == s.o.Topic
	}
	if there != wanted {
		return fmt.Errorf("the topic is in the list: %v", there)
	}
	return nil
}

func (s script) described(partitions int) error {
	topic, err := s.a.DescribeTopic(s.o.Topic)
	if err != nil {
		return err
	}
	if len(topic.Replicas) != partitions || !topic.Led {
		return fmt.Errorf("not %d partitions, all with leaders: %+v", partitions, topic)
	}
	for _, replicas := range topic.Replicas {
		if replicas != s.o.Replication {
			return fmt.Errorf("not %d replicas: %+v", s.o.Replication, topic)
		}
	}
	return nil
}

func (s script) createPartitions() error {
	if err := s.a.CreatePartitions(s.o.Topic, 3); err != nil {
		return err
	}
	return eventually(func() error { return s.described(3) })
}

func (s script) describeConfigs() error {
	return s.retention(func(value string) bool { return value != "" })
}

func (s script) alterConfigs() error {
	if err := s.a.AlterConfigs(s.o.Topic, "retention.ms", RetentionMs); err != nil {
		return err
	}
	return eventually(func() error { return s.retention(func(value string) bool { return value == RetentionMs }) })
}

func (s script) retention(wanted func(string) bool) error {
	configs, err := s.a.DescribeConfigs(s.o.Topic)
	if err != nil {
		return err
	}
	if !wanted(configs["retention.ms"]) {
		return fmt.Errorf("retention.ms is %q", configs["retention.ms"])
	}
	return nil
}

func (s script) brokers() error {
	n, err := s.a.Brokers()
	if err == nil && n < 1 {
		err = errors.New("no brokers")
	}
	return err
}

func (s script) deleteTopic() error {
	if err := s.a.DeleteTopic(s.o.Topic); err != nil {
		return err
	}
	return eventually(func() error { return s.listed(false) })
}

// eventually waits until every broker may know what the controller decided; what a library can't do it can't do later either.
func eventually(try func() error) error {
	deadline := time.Now().Add(visibleLimit)
	for {
		err := try()
		if err == nil || errors.Is(err, ErrUnsupported) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(visiblePause)
	}
}

func tellStep(out *Output, op string, err error) {
	switch {
	case errors.Is(err, ErrUnsupported):
		out.Event("unsupported", map[string]any{"what": op})
	case err != nil:
		out.Event("admin", map[string]any{"op": op, "ok": false, "message": err.Error()})
	default:
		out.Event("admin", map[string]any{"op": op, "ok": true, "message": ""})
	}
}

// Unsupported says that the client's library can't do what was asked for, and ends the process.
func Unsupported(out *Output, what string) {
	out.Event("unsupported", map[string]any{"what": what})
	out.End()
	os.Exit(exitUnsupported)
}
