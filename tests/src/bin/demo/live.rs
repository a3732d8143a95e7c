//! How a phase stands, while it runs.

use super::flows::{Flows, Moved, Work};
use super::places::Place;
use super::screen::{Ink, Screen};
use super::traffic::{Progress, RECORDS, megabytes};

/// Cells of the bar that splits a zone's bytes. Lines stay below 80 columns: one that wraps spoils the painting.
const BAR: usize = 30;

/// A block of a line a zone: what was read there, and how much of that crossed a zone.
pub(crate) fn block(screen: &Screen, progress: &Progress, flows: &Flows, places: &[Place]) -> String {
    let header = format!("  {:<6}{:>10}{:>12}{:>12}", "zone", "records", "read", "crossed");
    let mut lines = vec![screen.ink(Ink::Dim, &header)];
    lines.extend(places.iter().map(|place| zone(screen, &place.zone, progress, flows)));
    let (written, all) = (megabytes(progress.acknowledged), megabytes(RECORDS));
    let written = format!("  {written} of {all} MB written, for three groups to read");
    lines.push(screen.ink(Ink::Dim, &written));
    lines.join("\n")
}

fn zone(screen: &Screen, zone: &str, progress: &Progress, flows: &Flows) -> String {
    let records = progress.consumers.iter().find(|c| c.zone == zone).map_or(0, |c| c.records);
    let moved = flows.moved(Work::Reading, |flow| flow.client_zone == zone);
    let numbers = format!("{records:>10}{:>12}{:>12}", mb(moved.all), mb(moved.crossed));
    format!("  {zone:<6}{numbers}  {}", bar(screen, &moved))
}

/// Green for what stayed in its zone, red for what crossed.
fn bar(screen: &Screen, moved: &Moved) -> String {
    if moved.all == 0 {
        return String::new();
    }
    let red = ((moved.share() * BAR as f64).round() as usize).min(BAR);
    screen.ink(Ink::Green, &"█".repeat(BAR - red)) + &screen.ink(Ink::Red, &"▒".repeat(red))
}

/// The same in one line, for output that is no terminal.
pub(crate) fn line(progress: &Progress, flows: &Flows) -> String {
    let moved = flows.moved(Work::Reading, |_| true);
    let written = megabytes(progress.acknowledged);
    format!("  {written:>3} MB written, {} read, {} of that across zones", mb(moved.all), mb(moved.crossed))
}

/// Megabytes with one decimal.
fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
