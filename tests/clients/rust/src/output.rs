//! The lines on standard output; see `../../README.md`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Offsets of one partition, one after the other, that are not yet written.
struct Run {
    from: i64,
    to: i64,
    bytes: usize,
}

struct State {
    out: BufWriter<Stdout>,
    runs: BTreeMap<i32, Run>,
    sent: u64,
    total: u64,
}

/// Writes the protocol's lines; shared by threads.
#[derive(Clone)]
pub struct Output {
    each: bool,
    placed: bool,
    state: Arc<Mutex<State>>,
}

impl Output {
    /// `each`: a line a record. `placed`: somebody says where a record stands.
    pub fn new(each: bool, placed: bool) -> Self {
        let out = BufWriter::new(io::stdout());
        let state = State { out, runs: BTreeMap::new(), sent: 0, total: 0 };
        Self { each, placed, state: Arc::new(Mutex::new(state)) }
    }

    /// Notes one record; it is written by the next flush, or before if the offsets jump.
    pub fn record(&self, partition: i32, offset: i64, key: &[u8], bytes: usize) {
        let mut state = self.lock();
        state.total += 1;
        if !self.placed {
            state.sent += 1;
        } else if self.each {
            let key = String::from_utf8_lossy(key);
            state.line(&json!({"p": partition, "o": offset, "k": key, "bytes": bytes}));
        } else {
            state.extend(partition, offset, bytes);
        }
    }

    /// Writes what `record` has gathered.
    pub fn flush(&self) {
        self.lock().flush();
    }

    /// Writes every 20 ms what was gathered: acknowledgements come one by one.
    pub fn flush_often(&self) {
        let output = self.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(20));
                output.flush();
            }
        });
    }

    /// Writes an event at once, after the records before it.
    pub fn event(&self, line: Value) {
        let mut state = self.lock();
        state.flush();
        state.line(&line);
        state.flush();
    }

    pub fn error(&self, message: impl std::fmt::Display) {
        self.event(json!({"event": "error", "message": message.to_string()}));
    }

    pub fn total(&self) -> u64 {
        self.lock().total
    }

    pub fn end(&self) {
        self.event(json!({"event": "end", "n": self.total()}));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn extend(&mut self, partition: i32, offset: i64, bytes: usize) {
        match self.runs.get_mut(&partition) {
            Some(run) if run.to + 1 == offset => {
                run.to = offset;
                run.bytes += bytes;
            }
            _ => {
                let run = self.runs.insert(partition, Run { from: offset, to: offset, bytes });
                run.into_iter().for_each(|run| self.run(partition, &run));
            }
        }
    }

    fn run(&mut self, partition: i32, run: &Run) {
        let n = run.to - run.from + 1;
        self.line(&json!({"p": partition, "from": run.from, "to": run.to, "n": n, "bytes": run.bytes}));
    }

    fn flush(&mut self) {
        for (partition, run) in std::mem::take(&mut self.runs) {
            self.run(partition, &run);
        }
        match std::mem::take(&mut self.sent) {
            0 => {}
            n => self.line(&json!({"event": "sent", "n": n})),
        }
        // Whoever listened has gone: there is nobody left to tell.
        let _ = self.out.flush();
    }

    fn line(&mut self, line: &Value) {
        let _ = writeln!(self.out, "{line}");
    }
}
