//! What came of a check.

use std::fmt;

use anyhow::Result;

use super::client::Client;
use crate::clients::History;

/// What came of a check for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it was to do; what is worth saying beside that, or nothing.
    Passed(String),
    /// Its library has no way of doing it.
    Lacks(String),
    /// It did not.
    Fails(String),
}

/// What a client has no way of doing; on its way up it is an error like any other.
#[derive(Clone, Debug)]
pub(super) struct Lacking(String);

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacking {}

impl Lacking {
    pub(super) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// An error if the client said that it can't do what it was asked for.
    pub(super) fn of(history: &History) -> Result<()> {
        history.unsupported().map_or(Ok(()), |what| Err(Self(what.to_owned()).into()))
    }
}

impl From<Result<String>> for Verdict {
    fn from(outcome: Result<String>) -> Self {
        match outcome {
            Ok(note) => Self::Passed(note),
            Err(error) => match error.downcast_ref::<Lacking>() {
                Some(lacking) => Self::Lacks(lacking.to_string()),
                None => Self::Fails(format!("{error:#}")),
            },
        }
    }
}

impl Verdict {
    /// The verdicts of a check; where its stage could not be set, every client fails for that.
    pub(super) fn for_all(clients: &[Client], outcome: Result<Vec<Self>>) -> Vec<Self> {
        outcome.unwrap_or_else(|error| {
            vec![Self::Fails(format!("the stage could not be set: {error:#}")); clients.len()]
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn what_a_library_lacks_is_no_failure_however_deep_it_was_found() {
        let lacking: Result<String> = Err(Lacking("transactions".into()).into());
        let lacking = lacking.context("a topic").context("a check");
        assert_eq!(Verdict::from(lacking), Verdict::Lacks("transactions".into()));
        let fails = Err(anyhow!("lost")).context("a topic");
        assert_eq!(Verdict::from(fails), Verdict::Fails("a topic: lost".into()));
    }
}
