package protocol

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// passwordVariable carries the password: a command line is everybody's to read.
const passwordVariable = "TIDEGATE_CLIENT_PASSWORD"

// TLS is what --tls-ca, --tls-cert and --tls-key ask for; nil without them.
func (o Options) TLS() (*tls.Config, error) {
	if o.tlsCA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(o.tlsCA)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", o.tlsCA)
	}
	if o.tlsCert != "" {
		own, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// Scram is the user of --scram and its password; no user without it.
func (o Options) Scram() (user, password string, err error) {
	if o.scram == "" {
		return "", "", nil
	}
	password, there := os.LookupEnv(passwordVariable)
	if !there {
		return "", "", errors.New("--scram: " + passwordVariable + " is not set")
	}
	return o.scram, password, nil
}
