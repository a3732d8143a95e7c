// Command sarama drives sarama; see ../../README.md.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/IBM/sarama"

	"tidegate/clients/internal/protocol"
)

func main() {
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds)
	verb, o := protocol.Parse()
	out := protocol.NewOutput(o)
	ctx, cancel := protocol.UntilStdinCloses()
	defer cancel()
	config, err := settings(o)
	if err != nil {
		protocol.Fatal(err)
	}
	switch {
	case verb == "consume" && o.GroupProtocol == "consumer":
		protocol.Unsupported(out, "group-protocol consumer")
	case verb == "consume" && o.Assign:
		err = consumeAssigned(ctx, o, out, config)
	case verb == "consume":
		err = consumeGroup(ctx, o, out, config)
	case verb == "produce":
		err = produce(ctx, o, out, config)
	case verb == "admin":
		err = administer(o, out, config)
	default:
		err = fmt.Errorf("%q is not consume, produce or admin", verb)
	}
	if err != nil {
		protocol.Fatal(err)
	}
	out.End()
}

// settings are the client's defaults and the few things a driver cannot do without. Props are laid
// over the configuration struct by its own field names.
func settings(o protocol.Options) (*sarama.Config, error) {
	config := sarama.NewConfig()
	config.Consumer.Return.Errors = true
	config.Producer.Return.Successes = true
	if o.ClientID != "" {
		config.ClientID = o.ClientID
	}
	if o.Earliest {
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
	}
	switch o.Isolation {
	case "read_committed":
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	case "read_uncommitted":
		config.Consumer.IsolationLevel = sarama.ReadUncommitted
	}
	if err := secure(o, config); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(o.Props, config); err != nil {
		return nil, fmt.Errorf("--props: %w", err)
	}
	return config, nil
}
