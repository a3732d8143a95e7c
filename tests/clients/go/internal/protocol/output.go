package protocol

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"
)

// Output writes the protocol's lines; safe for use by several goroutines.
type Output struct {
	mu    sync.Mutex
	w     *bufio.Writer
	each  bool
	runs  map[int32]*run
	total int64

	placed bool
	sent   int64
}

// run is a stretch of consecutive offsets of one partition that is not yet written.
type run struct {
	Partition int32 `json:"p"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
	N         int64 `json:"n"`
	Bytes     int64 `json:"bytes"`
}

type single struct {
	Partition int32  `json:"p"`
	Offset    int64  `json:"o"`
	Key       string `json:"k"`
	Bytes     int64  `json:"bytes"`
}

// NewOutput writes to standard output: one line per record if --each is asked for, and only their number
// where nobody is told their place.
func NewOutput(o Options) *Output {
	w := bufio.NewWriterSize(os.Stdout, 1<<16)
	return &Output{w: w, each: o.Each, placed: o.Acks != "0", runs: map[int32]*run{}}
}

// Record notes one record; it is written by the next Flush, or before if the offsets jump.
func (o *Output) Record(partition int32, offset int64, key []byte, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total++
	if !o.placed {
		o.sent++
		return
	}
	if o.each {
		o.line(single{partition, offset, string(key), int64(bytes)})
		return
	}
	open := o.runs[partition]
	if open != nil && open.To+1 == offset {
		open.To, open.N, open.Bytes = offset, open.N+1, open.Bytes+int64(bytes)
		return
	}
	if open != nil {
		o.line(open)
	}
	o.runs[partition] = &run{partition, offset, offset, 1, int64(bytes)}
}

// Flush writes what Record has gathered.
func (o *Output) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for partition, open := range o.runs {
		o.line(open)
		delete(o.runs, partition)
	}
	if o.sent > 0 {
		o.line(map[string]any{"event": "sent", "n": o.sent})
		o.sent = 0
	}
	_ = o.w.Flush()
}

// FlushOften writes every 20 ms what Record has gathered, until the process ends: for acknowledgements,
// which come one by one and would otherwise cost a write each.
func (o *Output) FlushOften() {
	for range time.Tick(20 * time.Millisecond) {
		o.Flush()
	}
}

// Event writes an event at once, after the records before it. Fields may be nil.
func (o *Output) Event(name string, fields map[string]any) {
	o.Flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	event := map[string]any{"event": name}
	for key, value := range fields {
		event[key] = value
	}
	o.line(event)
	_ = o.w.Flush()
}

// Message writes an event that carries only a text.
func (o *Output) Message(name, text string) {
	o.Event(name, map[string]any{"message": text})
}

// Partitions writes an event about partitions; of none there is an empty list, where a nil slice would be null.
func (o *Output) Partitions(name string, partitions []int32) {
	o.Event(name, map[string]any{"partitions": append([]int32{}, partitions...)})
}

// Total says how many records were noted.
func (o *Output) Total() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total
}

// End writes the last line.
func (o *Output) End() {
	o.Event("end", map[string]any{"n": o.Total()})
}

func (o *Output) line(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		Fatal(err)
	}
	_, _ = o.w.Write(append(text, '\n'))
}
