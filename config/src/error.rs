//! What is wrong with a file: where, why, and what to do about it.

use std::fmt;

/// One thing wrong with the file. Displays as one block of two or three lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The setting, as a path from the top of the file: `listeners[0].brokers.ports`. Empty: the whole file.
    pub path: String,
    /// Line in the file, from 1. A setting that is missing gets the line of the section it is missing from.
    pub line: Option<u64>,
    /// What is wrong. Never holds a secret's value.
    pub reason: String,
    /// What to write instead. Empty when the reason says it all.
    pub remedy: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "file" } else { &self.path };
        match self.line {
            Some(line) => write!(f, "line {line}: {path}: {}", self.reason)?,
            None => write!(f, "{path}: {}", self.reason)?,
        }
        if !self.remedy.is_empty() {
            write!(f, "\n    {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything wrong with the file, in the order of its lines; never empty when returned as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
