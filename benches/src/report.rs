//! Tables for people, and the raw file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::machine::Machine;
use crate::samples::Samples;
use crate::stats::Summary;

/// One part of the benchmark: its numbers and the table made of them.
#[derive(Serialize)]
pub struct Section {
    /// As `--only` names it.
    pub part: &'static str,
    title: &'static str,
    notes: Vec<String>,
    #[serde(skip)]
    table: Table,
    skipped: Vec<String>,
    samples: Samples,
}

impl Section {
    /// Puts one together.
    pub fn new(
        part: &'static str,
        title: &'static str,
        note: &str,
        table: Table,
        samples: Samples,
        skipped: Vec<String>,
    ) -> Self {
        Self { part, title, notes: vec![note.to_owned()], table, skipped, samples }
    }

    /// Adds a sentence below the table.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n{}\n", self.title, self.table);
        for note in &self.notes {
            let _ = write!(out, "\n{note}\n");
        }
        for skipped in &self.skipped {
            let first = skipped.lines().next().unwrap_or_default();
            let _ = write!(out, "\n**Skipped** {first}\n");
        }
        out
    }
}

/// How the tables look.
pub struct Style;

impl Style {
    /// A table that is Markdown and reads well in a terminal.
    pub fn table<const N: usize>(header: [&str; N]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(header);
        table
    }
}

/// A bound that a median should keep.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Goal {
    /// Met or missed.
    pub fn verdict(self, measured: Option<Summary>) -> String {
        let (sign, bound, met) = match self {
            Self::AtMost(bound) => ("<=", bound, measured.map(|s| s.median <= bound)),
            Self::AtLeast(bound) => (">=", bound, measured.map(|s| s.median >= bound)),
        };
        let word = match met {
            None => "not measured",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        format!("{sign} {bound}: {word}")
    }
}

/// `median (min..max)`; a dash for nothing.
pub fn value_cell(summary: Option<Summary>, digits: usize) -> String {
    summary.map_or_else(
        || "-".to_owned(),
        |s| format!("{:.digits$} ({:.digits$}..{:.digits$})", s.median, s.min, s.max),
    )
}

/// The same for a ratio.
pub fn ratio_cell(summary: Option<Summary>) -> String {
    value_cell(summary, 2)
}

/// All parts of one run.
#[derive(Serialize)]
pub struct Report<S> {
    /// What ran it.
    pub machine: Machine,
    /// With which settings.
    pub settings: S,
    /// What came out.
    pub sections: Vec<Section>,
}

impl<S: Serialize + std::fmt::Debug> Report<S> {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let m = &self.machine;
        let mut out = format!(
            "{}; {}, {} cores, {} MiB, Linux {}.\n\nSettings: `{:?}`. Cells are median (min..max) over rounds.\n\n",
            m.date, m.cpu, m.cores, m.memory_mib, m.kernel, self.settings
        );
        for section in &self.sections {
            let _ = writeln!(out, "{}", section.markdown());
        }
        out
    }

    /// Writes the raw numbers.
    pub fn write_raw(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }
}

const START: &str = "<!-- results: start -->";
const END: &str = "<!-- results: end -->";

/// Puts `markdown` between the marks of the document at `path`.
pub fn write_docs(path: &Path, markdown: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let missing = || format!("{} has no marks for results", path.display());
    let (head, rest) = text.split_once(START).with_context(missing)?;
    let (_, tail) = rest.split_once(END).with_context(missing)?;
    std::fs::write(path, format!("{head}{START}\n\n{}\n\n{END}{tail}", markdown.trim_end()))?;
    Ok(())
}
