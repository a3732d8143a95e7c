//! Where the bearer token comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::sasl::AuthError;
use super::secret::Secret;

/// The longest token read from a file, in bytes: Kafka takes no SASL message above 512 KiB
/// (`sasl.server.max.receive.size`).
const TOKEN_BYTES_MAX: u64 = 512 << 10;

/// A bearer token. Tokens live for minutes or hours, so whoever runs for longer names a file that something else
/// keeps fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// This one, for as long as it is valid.
    Fixed(Secret),
    /// What the file holds at the time of each authentication; one line end at its end doesn't count.
    File(PathBuf),
}

impl Token {
    /// The token now. Reads a small file.
    pub(super) fn now(&self) -> Result<Secret, AuthError> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::File(path) => {
                let shown = || path.display().to_string();
                read(path).map_err(|source| AuthError::TokenFile { path: shown(), source })
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Secret> {
    let mut text = String::new();
    File::open(path)?.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > TOKEN_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {TOKEN_BYTES_MAX} bytes")));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}
