//! Kafka's message schemas, read from the jar of the Kafka under test: they can build any request and take
//! any answer apart, in every version, without a line of code per API.

mod build;
mod model;
mod walk;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub use build::{Value, build};
pub use model::{Field, Kind, Message, Versions};
pub use walk::{Token, walk};

use crate::{Dist, files};

/// All requests and responses of one Kafka release.
#[derive(Clone, Debug)]
pub struct Schemas {
    messages: Vec<Message>,
}

impl Schemas {
    /// Reads `common/message/*.json` from the release's kafka-clients jar.
    pub fn of(dist: &Dist) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let jar = dist.jar("kafka-clients-")?;
        let unpacked =
            Command::new("jar").current_dir(&dir).arg("xf").arg(jar).arg("common/message").status();
        ensure!(unpacked.context("run jar: a JDK is needed")?.success(), "jar xf failed");
        let mut messages = Vec::new();
        for file in files::list(&dir.path().join("common/message"), ".json")? {
            let text = without_comments(&fs::read_to_string(&file)?);
            // By way of a value, the first in the file: Kafka 3.9 says a key twice, 2.8 has a brace too many.
            let value = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().next();
            let value = value.context("empty")?.with_context(|| format!("read {}", file.display()))?;
            let message: Message =
                serde_json::from_value(value).with_context(|| format!("understand {}", file.display()))?;
            if message.kind != Kind::Other {
                messages.push(message);
            }
        }
        Ok(Self { messages })
    }

    /// All messages of a kind, removed ones (without versions) left out.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |m| m.kind == kind && m.versions.last().is_some())
    }

    /// The message of a kind with this API key.
    pub fn get(&self, kind: Kind, api_key: i16) -> Option<&Message> {
        self.all(kind).find(|m| m.api_key == Some(api_key))
    }
}

/// Kafka's schemas are JSON with `//` comments.
fn without_comments(text: &str) -> String {
    text.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

fn without_comment(line: &str) -> &str {
    let (bytes, mut in_string) = (line.as_bytes(), false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if at == 0 || bytes[at - 1] != b'\\' => in_string = !in_string,
            b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => return &line[..at],
            _ => {}
        }
    }
    line
}
