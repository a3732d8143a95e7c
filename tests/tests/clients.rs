//! `make clients`: every client against every trouble, as a table (kept in docs/clients.md). One cell, again and again:
//! `CLIENT=kafkajs TROUBLE="follower out of sync" ROUNDS=6 make clients`.

#![cfg(feature = "slow")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::time::Duration;

use tidegate_tests::clients::{Driver, Stage, Trouble, chosen};

/// How long a reader may take to read what is acknowledged by now. kafkajs sleeps when it changes brokers, and
/// some wait half a minute for an answer that never comes.
const LIMIT: Duration = Duration::from_secs(90);
const CROSSING_MAX: f64 = 0.005;

/// What a client did in a check.
type Cell = Result<String, String>;

#[test]
fn every_client_passes_every_check() {
    let mut stage = Stage::start(&[]).unwrap();
    let clients = chosen("CLIENT", &Driver::ALL, Driver::name);
    let mut rows: Vec<(Driver, Vec<Cell>)> =
        clients.iter().map(|client| (*client, vec![share_alone(&mut stage, *client)])).collect();
    for (client, _) in &rows {
        let reader = stage.open(*client).unwrap();
        stage.readers.push((*client, reader));
    }
    let mut faults = String::new();
    let troubles = chosen("TROUBLE", &Trouble::ALL, Trouble::name).repeat(rounds());
    for &trouble in &troubles {
        let cells = survived(&mut stage, trouble);
        if let Err(error) = stage.wait_in_zone(2 * LIMIT) {
            let _ = writeln!(faults, "after {}: {error:#}", trouble.name());
        }
        rows.iter_mut().zip(cells).for_each(|((_, row), cell)| row.push(cell));
    }
    let names: Vec<_> = troubles.iter().map(|trouble| trouble.name()).collect();
    let table = written(&rows, &names, &mut faults);
    println!("\n{table}\n{faults}");
    assert!(faults.is_empty(), "{faults}");
}

/// How often each trouble comes.
fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// The share of bytes that crosses a zone while this client alone reads.
fn share_alone(stage: &mut Stage, client: Driver) -> Cell {
    let reader = stage.open(client).map_err(|error| format!("{error:#}"))?;
    stage.readers.push((client, reader));
    let share = stage.crossing_share(1_000, LIMIT).map_err(|error| format!("{error:#}"));
    stage.readers.clear();
    println!("{client} alone: {share:?}");
    let share = share?;
    let cell = format!("{:.3} %", share * 100.0);
    if share <= CROSSING_MAX { Ok(cell) } else { Err(format!("{cell} crossed")) }
}

/// One cell per reader. A reader that failed is replaced, so that the next check says something of its own.
fn survived(stage: &mut Stage, trouble: Trouble) -> Vec<Cell> {
    stage.keep_up(LIMIT);
    stage.readers.iter().for_each(|(_, reader)| reader.forget_pauses());
    trouble.inflict(stage).unwrap();
    let during = stage.keep_up(LIMIT);
    trouble.heal(stage).unwrap();
    let after = stage.keep_up(LIMIT);
    let cells: Vec<Cell> = during
        .into_iter()
        .zip(after)
        .zip(&stage.readers)
        .map(|((during, after), (_, reader))| match during.and(after) {
            Ok(()) => Ok(format!("{:.1} s", reader.longest_pause().as_secs_f64())),
            Err(error) => Err(format!("{error:#}")),
        })
        .collect();
    for (i, _) in cells.iter().enumerate().filter(|(_, cell)| cell.is_err()) {
        let client = stage.readers[i].0;
        stage.readers[i].1 = stage.open(client).unwrap();
    }
    println!("{}: {cells:?}", trouble.name());
    cells
}

/// The table in Markdown; what went wrong goes to `faults` in full.
fn written(rows: &[(Driver, Vec<Cell>)], names: &[&str], faults: &mut String) -> String {
    let mut table = format!("| client | crosses a zone | {} |\n", names.join(" | "));
    table += &format!("|---{}|\n", "|---".repeat(names.len() + 1));
    for (client, cells) in rows {
        let shown: Vec<_> =
            cells.iter().map(|cell| cell.as_ref().map_or("**FAILS**", String::as_str)).collect();
        let _ = writeln!(table, "| {client} | {} |", shown.join(" | "));
        for (check, fault) in std::iter::once(&"crosses a zone").chain(names).zip(cells) {
            if let Err(fault) = fault {
                let _ = writeln!(faults, "{client}, {check}: {fault}");
            }
        }
    }
    table
}
