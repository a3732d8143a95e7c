// Package protocol is the command line and the output that all drivers share; see ../../README.md.
package protocol

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// How a process ends that does not end well.
const (
	exitFatal       = 2
	exitUnsupported = 3
	exitStuck       = 4
)

// Options is the parsed command line.
type Options struct {
	Bootstrap  []string
	Topic      string
	Group      string
	Assign     bool
	Partitions []int32
	Earliest   bool
	UntilCount int64
	Each       bool
	ClientID   string
	Props      []byte
	Count      int64
	Size       int
	Rate       float64
	Acks       string
	KeyPrefix  string

	Idempotent      bool
	TransactionalID string
	CommitEvery     int64
	AbortEvery      int64
	Isolation       string // "" is the client's default
	GroupProtocol   string // likewise
	Replication     int

	tlsCA, tlsCert, tlsKey, scram string
}

// Parse reads the command line: the verb, then the flags. It ends the process on wrong usage.
func Parse() (verb string, o Options) {
	if len(os.Args) < 2 {
		Fatal(fmt.Errorf("usage: consume|produce|admin --bootstrap H:P --topic T ..."))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	bootstrap := flags.String("bootstrap", "", "host:port, several by comma")
	partitions := flags.String("partitions", "", "partition numbers by comma")
	from := flags.String("from", "earliest", "earliest or latest")
	props := flags.String("props", "{}", "client options as JSON")
	flags.StringVar(&o.Topic, "topic", "", "")
	flags.StringVar(&o.Group, "group", "", "")
	flags.BoolVar(&o.Assign, "assign", false, "")
	flags.Int64Var(&o.UntilCount, "until-count", 0, "")
	flags.BoolVar(&o.Each, "each", false, "")
	flags.StringVar(&o.ClientID, "client-id", "", "")
	flags.Int64Var(&o.Count, "count", 0, "")
	flags.IntVar(&o.Size, "size", 100, "")
	flags.Float64Var(&o.Rate, "rate", 0, "")
	flags.StringVar(&o.Acks, "acks", "all", "")
	flags.StringVar(&o.KeyPrefix, "key-prefix", "", "")
	flags.BoolVar(&o.Idempotent, "idempotent", false, "")
	flags.StringVar(&o.TransactionalID, "transactional-id", "", "")
	flags.Int64Var(&o.CommitEvery, "commit-every", 1, "records a transaction")
	flags.Int64Var(&o.AbortEvery, "abort-every", 0, "which transaction is aborted; 0 none")
	flags.StringVar(&o.Isolation, "isolation", "", "read_committed or read_uncommitted")
	flags.StringVar(&o.GroupProtocol, "group-protocol", "", "classic or consumer")
	flags.IntVar(&o.Replication, "replication", 1, "")
	flags.StringVar(&o.tlsCA, "tls-ca", "", "")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "")
	flags.StringVar(&o.tlsKey, "tls-key", "", "")
	flags.StringVar(&o.scram, "scram", "", "user of SCRAM-SHA-512; the password comes by the environment")
	_ = flags.Parse(os.Args[2:]) // ExitOnError: does not return with an error
	o.Bootstrap = strings.Split(*bootstrap, ",")
	o.Earliest = *from == "earliest"
	o.Props = []byte(*props)
	var err error
	if o.Partitions, err = numbers(*partitions); err != nil {
		Fatal(err)
	}
	return os.Args[1], o
}

func numbers(list string) ([]int32, error) {
	var out []int32
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--partitions: %w", err)
		}
		out = append(out, int32(n))
	}
	return out, nil
}

// Fatal reports an error that makes going on pointless, and ends the process.
func Fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitFatal)
}
