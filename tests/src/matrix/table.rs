//! The table in Markdown.

use std::fmt::Write as _;

use super::check::Check;
use super::verdict::Verdict;
use crate::clients::Driver;

/// Verdicts by check and client.
#[derive(Debug)]
pub struct Table {
    clients: Vec<Driver>,
    rows: Vec<(Check, Vec<Verdict>)>,
}

impl Table {
    /// An empty one of these checks.
    pub fn new(checks: &[Check]) -> Self {
        Self { clients: Vec::new(), rows: checks.iter().map(|check| (*check, Vec::new())).collect() }
    }

    /// Adds what came of a check for further clients, in their order.
    pub fn add(&mut self, check: Check, verdicts: Vec<Verdict>) {
        self.rows
            .iter_mut()
            .filter(|(row, _)| *row == check)
            .for_each(|(_, cells)| cells.extend(verdicts.clone()));
    }

    /// Names the clients of which verdicts were or will be added.
    pub fn name(&mut self, clients: &[Driver]) {
        self.clients.extend(clients);
    }

    /// Who failed in what, and why.
    pub fn failures(&self) -> Vec<(Driver, Check, &str)> {
        self.cells()
            .filter_map(|(client, check, verdict)| match verdict {
                Verdict::Fails(why) => Some((client, check, why.as_str())),
                _ => None,
            })
            .collect()
    }

    /// Who lacks what.
    pub fn lacking(&self) -> Vec<(Driver, Check)> {
        let cells = self.cells().filter(|(.., verdict)| matches!(verdict, Verdict::Lacks(_)));
        cells.map(|(client, check, _)| (client, check)).collect()
    }

    fn cells(&self) -> impl Iterator<Item = (Driver, Check, &Verdict)> {
        self.rows.iter().flat_map(|(check, cells)| {
            self.clients.iter().zip(cells).map(move |(client, verdict)| (*client, *check, verdict))
        })
    }

    /// The table, with what is worth saying below it.
    pub fn markdown(&self) -> String {
        let mut notes = String::new();
        let mut noted = 0;
        let names: Vec<_> = self.clients.iter().map(|client| client.name()).collect();
        let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
        for (check, cells) in &self.rows {
            let _ = write!(table, "| {} |", check.name());
            for (client, cell) in self.clients.iter().zip(cells) {
                let (word, why) = match cell {
                    Verdict::Passed(note) => ("ok", note),
                    Verdict::Lacks(what) => ("unsupported", what),
                    Verdict::Fails(why) => ("**FAILS**", why),
                };
                let _ = match why.is_empty() {
                    true => write!(table, " {word} |"),
                    false => {
                        noted += 1;
                        let _ = writeln!(notes, "{noted}. {client}, {}: {why}", check.name());
                        write!(table, " {word} ({noted}) |")
                    }
                };
            }
            table.push('\n');
        }
        format!("{table}\n{notes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_simply_ok_is_numbered_and_explained_below() {
        let mut table = Table::new(&[Check::Admin, Check::Cold]);
        table.name(&[Driver::Java, Driver::Sarama]);
        table.add(Check::Admin, vec![Verdict::Passed(String::new()), Verdict::Lacks("list_groups".into())]);
        table.add(Check::Cold, vec![Verdict::Fails("lost one".into()), Verdict::Passed("one twice".into())]);
        let text = "| | java | sarama |\n|---|---|---|\n| admin calls | ok | unsupported (1) |\n\
                    | cold reads | **FAILS** (2) | ok (3) |\n\n1. sarama, admin calls: list_groups\n\
                    2. java, cold reads: lost one\n3. sarama, cold reads: one twice\n";
        assert_eq!(table.markdown(), text);
        assert_eq!(table.failures(), [(Driver::Java, Check::Cold, "lost one")]);
        assert_eq!(table.lacking(), [(Driver::Sarama, Check::Admin)]);
    }
}
