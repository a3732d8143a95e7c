//! Files the configuration names: certificates, keys, secrets. Read when the configuration is loaded.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Secret;
use crate::check::Check;
use crate::leaf::Leaf;
use crate::raw::cluster::Secret as RawSecret;
use crate::tree::join;

/// Largest file read: no certificate bundle or secret comes near.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a PEM file must hold (RFC 7468).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pem {
    Certificate,
    PrivateKey,
}

impl Pem {
    fn is_in(self, text: &str) -> bool {
        let mut labels =
            text.lines().filter_map(|l| l.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        match self {
            Self::Certificate => labels.any(|label| label == "CERTIFICATE"),
            Self::PrivateKey => {
                labels.any(|label| label.ends_with("PRIVATE KEY") && !label.starts_with("ENCRYPTED"))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "unencrypted private key",
        }
    }
}

/// The path of a PEM file that is there and holds what it must; `None` if it isn't set, or is wrong.
pub(crate) fn pem(
    check: &mut Check<'_>,
    at: &str,
    key: &str,
    leaf: &Option<Leaf<PathBuf>>,
    holds: Pem,
) -> Option<PathBuf> {
    let path = check.read(at, key, leaf)?;
    let path = check.resolve(path);
    let setting = join(at, key);
    match read_text(&path) {
        Ok(text) if holds.is_in(&text) => return Some(path),
        Ok(text) if text.trim().is_empty() => {
            let remedy = "write the PEM there; a renewal that is under way should write beside it and rename";
            check.wrong(&setting, format!("{} is empty", path.display()), remedy);
        }
        Ok(_) => {
            let reason = format!("{} holds no {} in PEM form", path.display(), holds.name());
            let remedy = match holds {
                Pem::Certificate => "the file needs a line `-----BEGIN CERTIFICATE-----`",
                Pem::PrivateKey => {
                    "the file needs a line `-----BEGIN PRIVATE KEY-----`; decrypt it with `openssl pkey`"
                }
            };
            check.wrong(&setting, reason, remedy);
        }
        Err(error) => unreadable(check, &setting, &path, &error),
    }
    None
}

fn unreadable(check: &mut Check<'_>, setting: &str, path: &Path, error: &io::Error) {
    let reason = format!("cannot read {}: {error}", path.display());
    check.wrong(
        setting,
        reason,
        "paths start from the folder of the configuration file; check the name and the rights",
    );
}

/// The secret that `{file: ..}` or `{env: ..}` leads to. Mistakes never show a value, nor the variable's name: it
/// may be the secret itself, put in the wrong place.
pub(crate) fn secret(check: &mut Check<'_>, at: &str, raw: &RawSecret) -> Option<Secret> {
    let value = match (&raw.file, &raw.env) {
        (Some(_), None) => from_file(check, at, raw)?,
        (None, Some(_)) => Secret::new(from_env(check, at, raw)?),
        (Some(_), Some(_)) => {
            check.wrong(at, "has both `file` and `env`", "keep one of them");
            return None;
        }
        (None, None) => {
            check.wrong(at, "says no place to read the secret from", "write {file: path} or {env: NAME}");
            return None;
        }
    };
    if value.reveal().is_empty() {
        check.wrong(at, "leads to an empty secret", "put the secret there");
        return None;
    }
    Some(value)
}

fn from_file(check: &mut Check<'_>, at: &str, raw: &RawSecret) -> Option<Secret> {
    let path = check.read(at, "file", &raw.file)?;
    let path = check.resolve(path);
    match read_text(&path) {
        Ok(text) => Some(Secret::new(without_line_end(&Zeroizing::new(text)))),
        Err(error) => {
            unreadable(check, &join(at, "file"), &path, &error);
            None
        }
    }
}

fn from_env(check: &mut Check<'_>, at: &str, raw: &RawSecret) -> Option<String> {
    let name = check.read(at, "env", &raw.env)?;
    let value = (check.surroundings().env)(&name);
    if value.is_none() {
        let reason = "the environment variable named here is not set, or is not UTF-8";
        check.wrong(&join(at, "env"), reason, "set it for the gateway's process, or write {file: path}");
    }
    value
}

/// Editors end files with a line end; it is no part of a secret.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A whole text file of bounded size.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    // Asked before it is opened: opening a pipe waits for whoever writes into it, perhaps for ever.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text (UTF-8)"))?;
    Ok(text.to_owned())
}
