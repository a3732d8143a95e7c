//! Promises of the whole crate: from text to meaning, or to mistakes with path, line and remedy.

mod contradictions;
mod every_file;
mod every_key;
mod meaning;
mod mistakes;
mod outside;
mod overlaps;
mod reference;
mod reloading;
mod spread;
mod whole_files;

use std::path::Path;

use crate::check::Surroundings;
use crate::{Config, Error, Errors, parse_in};

/// The smallest file that is right.
pub(crate) const SMALLEST: &str = "\
gateway: {zone: az1}
cluster: {bootstrap: [kafka-1:9092]}
listeners:
  - name: clients
    bind: 127.0.0.1:29092
    brokers: {ports: 29100-29199}
";

/// Parses with a fixed environment: `HOSTNAME=gw-host`, `SECRET=hunter2`, `TOKEN=0123456789abcdef`, `EMPTY=`, two lines in `LINES`, and `FLEET_KEY` and `NEXT_FLEET_KEY` long enough.
pub(crate) fn parse_at(text: &str, base: &Path) -> Result<Config, Errors> {
    let env = |name: &str| match name {
        "HOSTNAME" => Some("gw-host".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        "FLEET_KEY" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        "NEXT_FLEET_KEY" => Some("fedcba9876543210fedcba9876543210".to_owned()),
        "TOKEN" => Some("0123456789abcdef".to_owned()),
        "EMPTY" => Some(String::new()),
        "LINES" => Some("a\nb".to_owned()),
        _ => None,
    };
    parse_in(text, Surroundings { base, env: &env, host_file: Path::new("/nonexistent") })
}

pub(crate) fn parse(text: &str) -> Result<Config, Errors> {
    parse_at(text, Path::new("/nonexistent"))
}

pub(crate) fn right(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

pub(crate) fn wrong(text: &str) -> Vec<Error> {
    match parse(text) {
        Ok(_) => panic!("nothing wrong with:\n{text}"),
        Err(Errors(errors)) => {
            assert!(!errors.is_empty());
            errors
        }
    }
}

/// The smallest file with one more line, or with one line of it replaced.
pub(crate) fn with(extra: &str) -> String {
    format!("{SMALLEST}{extra}\n")
}

pub(crate) fn instead(of: &str, new: &str) -> String {
    assert!(SMALLEST.contains(of), "{of}");
    SMALLEST.replacen(of, new, 1)
}

/// (file, path, line, part of the reason, part of the remedy); the mistake must be the only one.
pub(crate) fn each_is_the_only_mistake(table: &[(String, &str, u64, &str, &str)]) {
    for (text, path, line, reason, remedy) in table {
        let errors = wrong(text);
        let [error] = &errors[..] else { panic!("{text}\n{errors:#?}") };
        assert_eq!((error.path.as_str(), error.line), (*path, Some(*line)), "{error}\n{text}");
        assert!(error.reason.contains(reason), "{error}\nreason should have: {reason}");
        assert!(error.remedy.contains(remedy), "{error}\nremedy should have: {remedy}");
    }
}
