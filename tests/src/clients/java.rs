//! Java's consumer behind the same handle as the others.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::feed::Feed;
use super::line::{Event, Line};
use super::reader::Reader;
use super::spec::Reading;
use crate::Java;
use crate::java::{Consumer, Record, Taken};

/// Records asked for at a time.
const TAKE_MAX: usize = 2_000;

/// A consumer in the resident JVM with the thread that takes its records over.
#[derive(Debug)]
pub(super) struct JavaReader {
    feed: Arc<Feed>,
    stop: Arc<AtomicBool>,
    pump: Option<JoinHandle<()>>,
}

pub(super) fn open(reading: &Reading) -> Result<Reader> {
    let java = Java::resident()?;
    let id = client_id(reading);
    let props = props(reading, &id);
    let consumer = match &reading.group {
        Some(_) => java.subscribe(props, &[&reading.topic])?,
        None => {
            let partitions: Vec<_> =
                reading.partitions.iter().map(|p| (reading.topic.as_str(), *p)).collect();
            java.assign(props, &partitions)?
        }
    };
    let feed = Arc::new(Feed::default());
    let stop = Arc::new(AtomicBool::new(false));
    let pump = Pump {
        feed: Arc::clone(&feed),
        stop: Arc::clone(&stop),
        keys: reading.keys,
        resets: ResetWatch { log: java.log().to_owned(), client: format!("clientId={id}"), seen: 0 },
    };
    let pump = Some(thread::spawn(move || pump.run(consumer)));
    Ok(Reader::java(JavaReader { feed, stop, pump }))
}

/// Unique, so that the log tells whose lines are whose; a tag in the id asked for stays.
fn client_id(reading: &Reading) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match &reading.client_id {
        Some(id) => format!("reader-{number},{id}"),
        None => format!("reader-{number}"),
    }
}

fn props(reading: &Reading, client_id: &str) -> Value {
    let mut props = json!({
        "bootstrap.servers": reading.bootstrap,
        "auto.offset.reset": reading.start.name(),
        "client.id": client_id,
    });
    if let Some(group) = &reading.group {
        props["group.id"] = json!(group);
    }
    for (key, value) in reading.props.as_object().into_iter().flatten() {
        props[key] = value.clone();
    }
    props
}

impl JavaReader {
    pub(super) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// Lets the consumer leave its group.
    pub(super) fn close(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.pump.take().map(JoinHandle::join);
        Ok(())
    }
}

impl Drop for JavaReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Pump {
    feed: Arc<Feed>,
    stop: Arc<AtomicBool>,
    keys: bool,
    resets: ResetWatch,
}

impl Pump {
    fn run(mut self, consumer: Consumer) {
        let ended = loop {
            if self.stop.load(Ordering::Relaxed) {
                break "it was stopped".to_owned();
            }
            if let Err(error) = self.step(&consumer) {
                break format!("{error:#}");
            }
        };
        // What it consumed is in the history already; how it leaves is not what is tested here.
        let _ = consumer.close();
        self.feed.end(ended);
    }

    fn step(&mut self, consumer: &Consumer) -> Result<()> {
        for taken in consumer.take(TAKE_MAX, Duration::from_millis(200))? {
            if let Some(line) = self.line(taken) {
                self.feed.line(line);
            }
        }
        for message in self.resets.new_lines()? {
            self.feed.line(Line::Event(Event::Reset { message }));
        }
        Ok(())
    }

    fn line(&self, taken: Taken) -> Option<Line> {
        Some(match taken {
            Taken::Record(Record(p, o, k, size)) => {
                let bytes = k.len() as u64 + size.max(0).unsigned_abs();
                match self.keys {
                    true => Line::Single { p, o, k, bytes },
                    false => Line::Run { p, from: o, to: o, bytes },
                }
            }
            Taken::Assigned(names) => Line::Event(Event::Assigned { partitions: numbers(&names) }),
            Taken::Revoked(_) => return None,
            Taken::Error(error) => Line::Event(Event::Error { message: error.to_string() }),
        })
    }
}

/// `topic-7` is partition 7.
fn numbers(names: &[String]) -> Vec<i32> {
    names.iter().filter_map(|name| name.rsplit_once('-')?.1.parse().ok()).collect()
}

/// Finds in the JVM's log what a consumer with a reset policy tells nobody else.
struct ResetWatch {
    log: PathBuf,
    client: String,
    seen: u64,
}

impl ResetWatch {
    fn new_lines(&mut self) -> Result<Vec<String>> {
        let mut log = File::open(&self.log).context("open the JVM's log")?;
        log.seek(SeekFrom::Start(self.seen))?;
        let mut new = Vec::new();
        log.read_to_end(&mut new)?;
        let whole = new.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        self.seen += whole as u64;
        let new = String::from_utf8_lossy(&new[..whole]);
        let ours = |line: &&str| line.contains(&self.client) && line.contains("is out of range");
        Ok(new.lines().filter(ours).map(str::to_owned).collect())
    }
}
