//! Java's Kafka clients, driven from Rust: one resident JVM per test process, JSON lines both ways.
//!
//! The sources are in `tests/java`; they are compiled once per content into the cache.

mod admin;
mod consumer;
mod error;
mod producer;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use admin::{Acl, Admin, PartitionState};
pub use consumer::{Consumer, Record, Taken};
pub use error::{JavaError, class_of};
pub use producer::{Ack, Producer, acks};

use crate::process::Process;
use crate::{Dist, Version, files, javac, reaper};

/// How long one call may take; Kafka's own clients give up after 60 s or 120 s.
const CALL_LIMIT: Duration = Duration::from_secs(150);

type Waiting = Arc<Mutex<HashMap<u64, Sender<Value>>>>;

/// The resident JVM.
#[derive(Debug)]
pub struct Java {
    input: Mutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
    log: PathBuf,
    _process: Process,
}

/// A call under way.
#[derive(Debug)]
pub struct Pending {
    answer: Receiver<Value>,
    what: String,
    log: PathBuf,
}

impl Pending {
    /// Waits for the answer; an exception in Java is a [`JavaError`] inside the error.
    pub fn wait(self) -> Result<Value> {
        let answer = self.answer.recv_timeout(CALL_LIMIT);
        let mut answer = answer.with_context(|| {
            format!("no answer to {} in {CALL_LIMIT:?}\n{}", self.what, files::tail(&self.log, 20))
        })?;
        match answer.get("error") {
            Some(error) => Err(JavaError::from_json(error)).context(self.what),
            None => Ok(answer["ok"].take()),
        }
    }
}

impl Java {
    /// The one JVM of this process, started at the first call.
    pub fn resident() -> Result<&'static Self> {
        static RESIDENT: OnceLock<Java> = OnceLock::new();
        static START: Mutex<()> = Mutex::new(());
        let _one_at_a_time = lock(&START);
        if let Some(java) = RESIDENT.get() {
            return Ok(java);
        }
        let java = Self::start()?;
        Ok(RESIDENT.get_or_init(|| java))
    }

    fn start() -> Result<Self> {
        let dist = Dist::resolve(Version::Newest)?;
        let classes = compile(&dist)?;
        let dir = tempfile::Builder::new().prefix("tidegate-java-").tempdir()?.keep();
        reaper::note_dir(&dir)?;
        let log = dir.join("java.log");
        let mut java = Command::new("java");
        java.arg("-cp").arg(format!("{}:{}", classes.display(), dist.classpath())).args(dist.log_flags());
        java.args(["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "tidegate.Main"]);
        let mut process = Process::spawn_piped(&mut java, &log)?;
        let input = process.child().stdin.take().context("no stdin")?;
        let output = process.child().stdout.take().context("no stdout")?;
        let waiting = Waiting::default();
        let theirs = Arc::clone(&waiting);
        thread::spawn(move || deliver(BufReader::new(output), &theirs));
        Ok(Self { input: Mutex::new(input), waiting, next: AtomicU64::new(1), log, _process: process })
    }

    /// Sends a request; several may be under way.
    pub fn begin(&self, what: &str, mut args: Value) -> Result<Pending> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        args["id"] = json!(id);
        args["do"] = json!(what);
        let (sender, answer) = mpsc::channel();
        lock(&self.waiting).insert(id, sender);
        writeln!(lock(&self.input), "{args}").context("the resident JVM is gone")?;
        Ok(Pending { answer, what: what.to_owned(), log: self.log.clone() })
    }

    /// Sends a request and waits for its answer.
    pub fn call(&self, what: &str, args: Value) -> Result<Value> {
        self.begin(what, args)?.wait()
    }

    /// What Java's clients log, for a test that looks for a line there.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    /// An Admin client for plain `bootstrap` servers.
    pub fn admin(&'static self, bootstrap: &str) -> Admin {
        self.admin_with(json!({"bootstrap.servers": bootstrap}))
    }

    /// An Admin client with these properties.
    pub fn admin_with(&'static self, props: Value) -> Admin {
        Admin::new(self, props)
    }

    /// A producer with these properties, `bootstrap.servers` among them; one with a `transactional.id` has
    /// initialised its transactions.
    pub fn producer(&'static self, props: Value) -> Result<Producer> {
        Producer::open(self, props)
    }

    /// A consumer in a group (`group.id` in `props`), subscribed to `topics`.
    pub fn subscribe(&'static self, props: Value, topics: &[&str]) -> Result<Consumer> {
        Consumer::open(self, json!({"props": props, "topics": topics}))
    }

    /// The same, with a pause after every poll that brought records.
    pub fn subscribe_slowly(
        &'static self,
        props: Value,
        topics: &[&str],
        pause: Duration,
    ) -> Result<Consumer> {
        let pause = pause.as_millis() as u64;
        Consumer::open(self, json!({"props": props, "topics": topics, "pause_ms": pause}))
    }

    /// A consumer of given partitions from their beginning.
    pub fn assign(&'static self, props: Value, partitions: &[(&str, i32)]) -> Result<Consumer> {
        Consumer::open(self, json!({"props": props, "assign": partitions, "from": "earliest"}))
    }

    /// Consumes `count` records in a share group and acknowledges them; pairs of (partition, offset).
    pub fn share_consume(&self, props: Value, topic: &str, count: usize) -> Result<Vec<(i32, i64)>> {
        let args = json!({"props": props, "topics": [topic], "count": count});
        Ok(serde_json::from_value(self.call("share.consume", args)?)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands answers to those who wait; at the end of the JVM everybody's channel closes.
fn deliver(output: impl BufRead, waiting: &Waiting) {
    for line in output.lines().map_while(Result::ok) {
        let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
        let id = answer["id"].as_u64().unwrap_or(0);
        if let Some(sender) = lock(waiting).remove(&id) {
            // A caller that gave up no longer listens.
            let _ = sender.send(answer);
        }
    }
    lock(waiting).clear();
}

fn compile(dist: &Dist) -> Result<PathBuf> {
    let sources = files::list(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("java"), ".java")?;
    javac::compile(&format!("java-{}", dist.version().number()), &sources, &dist.classpath())
}
