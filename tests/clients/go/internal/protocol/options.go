// Package protocol is the command line and the output that all drivers share; see ../../README.md.
package protocol

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
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
}

// Parse reads the command line: the verb, then the flags. It ends the process on wrong usage.
func Parse() (verb string, o Options) {
	if len(os.Args) < 2 {
		Fatal(fmt.Errorf("usage: consume|produce --bootstrap H:P --topic T ..."))
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
	os.Exit(2)
}
