package main

import (
	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"tidegate/clients/internal/protocol"
)

func secure(o protocol.Options, config *sarama.Config) error {
	tls, err := o.TLS()
	if err != nil {
		return err
	}
	config.Net.TLS.Enable = tls != nil
	config.Net.TLS.Config = tls
	user, password, err := o.Scram()
	if user == "" {
		return err
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.User, config.Net.SASL.Password = user, password
	config.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA512
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{} }
	return nil
}

// conversation is what sarama leaves to its user: one SCRAM exchange.
type conversation struct{ *scram.ClientConversation }

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := scram.SHA512.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}
