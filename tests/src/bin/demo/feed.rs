//! Lines of JSON from a child process, awaited with patience and an ear for Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::de::DeserializeOwned;

use super::signals::Stop;

/// How long Ctrl-C may go unnoticed.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// What a child says, one value a line.
#[derive(Debug)]
pub(crate) struct Feed<T>(Receiver<T>);

impl<T: DeserializeOwned + Send + 'static> Feed<T> {
    /// Reads until the end of `output`. Lines that are something else are passed over.
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line);
                if value.is_ok_and(|value| sender.send(value).is_err()) {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next value, or nothing at the end.
    ///
    /// # Errors
    /// Nothing came for so long, or somebody wants us to stop.
    pub(crate) fn next(&self, patience: Duration, stop: &Stop) -> Result<Option<T>> {
        let start = Instant::now();
        while start.elapsed() < patience {
            stop.check()?;
            match self.0.recv_timeout(LISTEN_EVERY) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        bail!("nothing heard for {patience:?}")
    }
}
