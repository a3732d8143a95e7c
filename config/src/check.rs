//! What every check needs: the places of settings, the surroundings, and the list of mistakes.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::leaf::{Leaf, Scalar};
use crate::tree::{Lines, join};

/// Most mistakes collected: nobody reads more, and each is compared with those before it.
const MISTAKES_MAX: usize = 1_000;

/// What the file refers to outside itself.
pub(crate) struct Surroundings<'a> {
    /// The folder that relative paths start from.
    pub(crate) base: &'a Path,
    /// An environment variable.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// The file that holds the machine's name.
    pub(crate) host_file: &'a Path,
}

/// Collects what is wrong and what is unwise.
pub(crate) struct Check<'a> {
    lines: Lines,
    surroundings: Surroundings<'a>,
    errors: Vec<Error>,
    warnings: Vec<String>,
}

impl<'a> Check<'a> {
    /// Starts with the mistakes that reading has found.
    pub(crate) fn new(lines: Lines, surroundings: Surroundings<'a>, errors: Vec<Error>) -> Self {
        Self { lines, surroundings, errors, warnings: Vec::new() }
    }

    /// Notes a mistake; only the first at each path, because the second is mostly its echo.
    pub(crate) fn wrong(&mut self, path: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        if self.errors.len() < MISTAKES_MAX && !self.is_wrong(path) {
            let (path, line) = (path.to_owned(), self.lines.line(path));
            self.errors.push(Error { path, line, reason: reason.into(), remedy: remedy.into() });
        }
    }

    /// Whether a mistake is noted there already; what follows from it is none of its own.
    pub(crate) fn is_wrong(&self, path: &str) -> bool {
        self.errors.iter().any(|e| e.path == path)
    }

    /// Whether this section, or one around it, is wrong as a whole: then nothing in it was read.
    fn is_in_a_wrong_section(&self, at: &str) -> bool {
        let ends = at.char_indices().filter(|(_, c)| ['.', '['].contains(c)).map(|(end, _)| end);
        [0, at.len()].into_iter().chain(ends).any(|end| self.is_wrong(&at[..end]))
    }

    /// Notes what is allowed but unwise.
    pub(crate) fn warn(&mut self, path: &str, text: impl Display) {
        let line = self.lines.line(path).map(|line| format!("line {line}: ")).unwrap_or_default();
        self.warnings.push(format!("{line}{path}: {text}"));
    }

    /// A value, if it is there and right.
    pub(crate) fn read<T: Scalar>(&mut self, at: &str, key: &str, leaf: &Option<Leaf<T>>) -> Option<T> {
        self.value(&join(at, key), leaf.as_ref()?)
    }

    /// A value that must be there. `example` is what to write after the key.
    pub(crate) fn need<T: Scalar>(
        &mut self,
        at: &str,
        key: &str,
        leaf: &Option<Leaf<T>>,
        example: &str,
    ) -> Option<T> {
        match leaf {
            Some(leaf) => self.value(&join(at, key), leaf),
            None => self.missing(at, key, example),
        }
    }

    /// Notes a missing key, unless its section is known to be wrong as a whole.
    pub(crate) fn missing<T>(&mut self, at: &str, key: &str, example: &str) -> Option<T> {
        if !self.is_in_a_wrong_section(at) {
            self.wrong(&join(at, key), "is missing", format!("write {key}: {example}"));
        }
        None
    }

    /// The values of a list that are right, each with its path.
    pub(crate) fn list<T: Scalar>(&mut self, path: &str, items: &[Leaf<T>]) -> Vec<(String, T)> {
        let places = items.iter().enumerate().map(|(n, leaf)| (format!("{path}[{n}]"), leaf));
        places.filter_map(|(path, leaf)| self.value(&path, leaf).map(|value| (path, value))).collect()
    }

    fn value<T: Scalar>(&mut self, path: &str, leaf: &Leaf<T>) -> Option<T> {
        T::read(&leaf.typed).map_err(|refusal| self.wrong(path, refusal.reason, refusal.remedy)).ok()
    }

    /// A value within bounds; the default if it is missing or wrong.
    pub(crate) fn bounded<T: Scalar + PartialOrd>(
        &mut self,
        (at, key): (&str, &str),
        leaf: &Option<Leaf<T>>,
        default: T,
        (least, most): (T, T),
        show: fn(&T) -> String,
    ) -> T {
        let Some(value) = self.read(at, key, leaf) else { return default };
        if value < least || value > most {
            let reason = format!("{} is out of range", show(&value));
            self.wrong(&join(at, key), reason, format!("write {} to {}", show(&least), show(&most)));
        }
        value
    }

    /// A path in the file, from the file's folder.
    pub(crate) fn resolve(&self, path: PathBuf) -> PathBuf {
        self.surroundings.base.join(path)
    }

    pub(crate) fn surroundings(&self) -> &Surroundings<'a> {
        &self.surroundings
    }

    /// The warnings, or all mistakes in the order of their lines.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Vec<Error>> {
        self.errors.sort_by_key(|e| e.line);
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self.errors) }
    }
}
