//! Every key of the schema that names a file or a directory, and everything that can be wrong with what is there.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::every_key::{Setting, files, places, settings};
use super::outside::folder;
use super::parse_at;
use super::spread::Spread;
use crate::reference::KIND;
use crate::{Error, Errors};

/// What stands at a key that names something on the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Names {
    Certificate,
    Key,
    Secret,
    Directory,
}

fn names(place: &str) -> Names {
    match place.rsplit('.').next() {
        Some("cert" | "ca" | "client_ca") => Names::Certificate,
        Some("key") => Names::Key,
        Some("file") => Names::Secret,
        Some("dir" | "path") => Names::Directory,
        _ => panic!("what should be at {place}?"),
    }
}

/// What is wrong with each name in the folder, for what kind of key, and part of what is said.
const WRONG: [(&str, &[Names], &str); 13] = [
    ("no/such", &[Names::Certificate, Names::Key, Names::Secret], "No such file"),
    ("password/x", &[Names::Certificate, Names::Key, Names::Secret], "Not a directory"),
    ("folder", &[Names::Certificate, Names::Key, Names::Secret], "is not a file"),
    ("pipe", &[Names::Certificate, Names::Key, Names::Secret], "is not a file"),
    ("dangling", &[Names::Certificate, Names::Key, Names::Secret], "No such file"),
    ("huge", &[Names::Certificate, Names::Key, Names::Secret], "is larger than 4 MiB"),
    ("binary", &[Names::Certificate, Names::Key, Names::Secret], "is not text (UTF-8)"),
    ("nothing", &[Names::Secret], "leads to an empty secret"),
    ("blank", &[Names::Secret], "leads to an empty secret"),
    ("nothing", &[Names::Certificate, Names::Key], "is empty"),
    ("junk.pem", &[Names::Certificate, Names::Key], "in PEM form"),
    ("password", &[Names::Directory], "is not a directory"),
    ("pipe", &[Names::Directory], "is not a directory"),
];

fn odd_folder() -> tempfile::TempDir {
    let dir = folder();
    fs::write(dir.path().join("nothing"), "").unwrap();
    fs::write(dir.path().join("binary"), [0xff, 0xfe, 0, 1]).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    dir
}

fn every_path() -> Vec<(Value, Setting)> {
    let places = places();
    let of = |file: Value| {
        let paths = settings(&file, &places).into_iter().filter(|s| places[&s.place][KIND] == "path");
        paths.map(|s| (file.clone(), s)).collect::<Vec<_>>()
    };
    files().into_iter().flat_map(of).collect()
}

fn mistake(file: &Value, setting: &Setting, name: &str, base: &Path) -> (Error, u64) {
    let mut file = file.clone();
    *file.pointer_mut(&setting.pointer).unwrap() = json!(name);
    let spread = Spread::of(&file);
    let errors = parse_at(&spread.text, base).err().map(|Errors(errors)| errors).unwrap_or_default();
    let [error] = &errors[..] else { panic!("{} = {name}: {errors:#?}", setting.path) };
    (error.clone(), spread.line(&setting.path))
}

#[test]
fn every_key_that_names_something_on_the_disk_says_what_is_wrong_with_it() {
    let dir = odd_folder();
    let mut tried = 0;
    for (file, setting) in every_path() {
        let kind = names(&setting.place);
        for (name, _, reason) in WRONG.iter().filter(|(_, kinds, _)| kinds.contains(&kind)) {
            let (error, line) = mistake(&file, &setting, name, dir.path());
            let what = format!("{} = {name}: {error}", setting.path);
            // An empty secret is the whole setting's, not its `file`'s.
            assert!(
                setting.path.starts_with(&error.path) && error.path.len() + 5 >= setting.path.len(),
                "{what}"
            );
            assert!(
                error.line.is_some_and(|said| said == line || said + 1 == line),
                "{what}, not line {line}"
            );
            assert!(error.reason.contains(reason), "{what}\nthe reason should have: {reason}");
            assert!(!error.remedy.is_empty(), "{what}");
            tried += 1;
        }
    }
    assert!(tried > 150, "only {tried} mistakes were made");
}

#[test]
fn a_key_is_no_certificate_and_a_certificate_no_key() {
    let dir = odd_folder();
    for (file, setting) in every_path() {
        let (name, reason) = match names(&setting.place) {
            Names::Certificate => ("key.pem", "holds no certificate"),
            Names::Key => ("cert.pem", "holds no unencrypted private key"),
            Names::Secret | Names::Directory => continue,
        };
        let (error, _) = mistake(&file, &setting, name, dir.path());
        assert!(error.path == setting.path && error.reason.contains(reason), "{error}");
        assert!(error.remedy.contains("-----BEGIN"), "{error}");
    }
}

#[test]
fn directories_that_are_missing_are_no_mistake() {
    let dir = odd_folder();
    for (mut file, setting) in every_path() {
        if names(&setting.place) == Names::Directory {
            *file.pointer_mut(&setting.pointer).unwrap() = json!("no/such/yet");
            assert!(parse_at(&Spread::of(&file).text, dir.path()).is_ok(), "{}", setting.path);
        }
    }
}
