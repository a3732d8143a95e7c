package main

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"tidegate/clients/internal/protocol"
)

// resetWatch reads the client's log for the one thing that it tells nobody else: that it was told
// OFFSET_OUT_OF_RANGE and starts over from its reset policy.
type resetWatch struct{ out *protocol.Output }

func (resetWatch) Level() kgo.LogLevel { return kgo.LogLevelInfo }

func (w resetWatch) Log(_ kgo.LogLevel, message string, fields ...any) {
	if strings.Contains(message, "OFFSET_OUT_OF_RANGE") || strings.Contains(message, "data loss") {
		w.out.Message("reset", fmt.Sprint(append([]any{message}, fields...)...))
	}
}
