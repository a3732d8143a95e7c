//! The ledger and the zones, held against the kernel: what the interfaces of network namespaces counted.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::io::{Write as _, stderr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidegate_tests::netns::{self, Background, Client, Flow, Load, Path, Stage};

/// How many idle seconds tell what the zones say to each other anyway.
const IDLE: Duration = Duration::from_secs(4);

/// The most that ledger and kernel may differ by, as a share.
const LEDGER_ERROR_MAX: f64 = 0.01;

/// The most that may cross a zone through Tidegate, as a share of what was consumed.
const CROSSING_MAX: f64 = 0.005;

/// Records of 1,000 bytes in the topic that all zones read.
const RECORDS: usize = 90_000;

/// Says so past the test runner's capture, which hides what passing tests print.
fn skipped() -> bool {
    let missing = netns::missing();
    if let Some(reason) = &missing {
        let said = format!("\n*** SKIPPED, so nothing is proved here: {reason}\n\n");
        stderr().write_all(said.as_bytes()).unwrap();
    }
    missing.is_some()
}

#[test]
fn the_ledger_and_the_kernel_count_the_same_bytes() {
    if skipped() {
        return;
    }
    let stage = Stage::start().unwrap();
    stage.admin().unwrap().create_topic_on("remote", &[&[2]]).unwrap();
    let lines = stage.cluster().dir().join("lines");
    fs::write(&lines, format!("{}\n", "x".repeat(9_999)).repeat(15_000)).unwrap();
    let gateway = stage.bootstrap(Path::Tidegate, 0);
    let background = stage.zones().background(IDLE).unwrap();

    compare("produce", &stage, &background, || {
        let mut kcat = Command::new("ip");
        kcat.args(["netns", "exec", &stage.zones().namespace(0), "kcat", "-P", "-b", &gateway]);
        kcat.args(["-t", "remote", "-p", "0", "-l"]).arg(&lines).stdin(Stdio::null());
        assert!(kcat.status().unwrap().success());
    });
    compare("consume", &stage, &background, || {
        let read = Client::Kcat.read(&stage.zones().namespace(0), &gateway, "remote", 15_000);
        assert_eq!(read.unwrap(), 15_000 * 9_999);
    });
}

/// Runs `traffic` between a client in az1, its gateway, and the leader in az2, and holds the two counts
/// against each other.
fn compare(what: &str, stage: &Stage, background: &Background, traffic: impl FnOnce()) {
    let before = crossed_by_the_ledger(stage);
    let window = stage.zones().window().unwrap();
    traffic();
    let Flow { out, into } = window.close(background).unwrap()[0];
    let ledger = crossed_by_the_ledger(stage) - before;
    let kernel = out + into;
    let error = (ledger - kernel.payload()) / kernel.payload();
    println!(
        "{what}: ledger {ledger:.0}, kernel {:.0} in {:.0} packets, less headers {:.0}: {:+.4} %",
        kernel.bytes,
        kernel.packets,
        kernel.payload(),
        error * 100.0
    );
    assert!(ledger > 100e6, "{what}: only {ledger} bytes crossed");
    assert!(error.abs() <= LEDGER_ERROR_MAX, "{what}: ledger {ledger}, kernel {kernel:?}");
}

/// Both directions between the gateway of az1 and the brokers of other zones.
fn crossed_by_the_ledger(stage: &Stage) -> f64 {
    let metrics = stage.gateway(0).metrics().unwrap();
    let leg = |direction, zone| {
        metrics.sum("tidegate_relayed_bytes_total", &[("direction", direction), ("broker_zone", zone)])
    };
    ["az2", "az3"].map(|zone| leg("gateway_to_broker", zone) + leg("broker_to_gateway", zone)).iter().sum()
}

/// What readers in all zones consumed, and the share of it that crossed, headers and all.
struct Share {
    consumed: u64,
    crossed: f64,
}

#[test]
fn a_consumer_in_every_zone_reads_from_its_own_zone() {
    if skipped() {
        return;
    }
    let stage = Stage::start().unwrap();
    stage.fill("spread", RECORDS, 1_000).unwrap();
    judge(&stage, Client::Kcat).unwrap();
}

#[test]
#[cfg(feature = "slow")]
fn every_client_reads_from_its_own_zone() {
    use tidegate_tests::clients::Driver;

    if skipped() {
        return;
    }
    let stage = Stage::start().unwrap();
    stage.fill("spread", RECORDS, 1_000).unwrap();
    // The console consumer stands for Java.
    let drivers = Driver::LIBRARIES.into_iter().filter(|d| *d != Driver::Java).map(Client::Driver);
    let clients = [Client::Console, Client::Kcat].into_iter().chain(drivers);
    let faults: Vec<_> = clients.filter_map(|client| judge(&stage, client).err()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Prints a row of docs/ledger.md: client, MB consumed, shares that crossed directly and through Tidegate.
fn judge(stage: &Stage, client: Client) -> Result<()> {
    let direct = crossed(stage, client, Path::Direct).context(client.name())?;
    let through = crossed(stage, client, Path::Tidegate).context(client.name())?;
    let (name, megabytes) = (client.name(), through.consumed as f64 / 1e6);
    let shares = format!("{:.1} % | {:.3} %", direct.crossed * 100.0, through.crossed * 100.0);
    println!("| {name} | {megabytes:.0} | {shares} |");
    ensure!((0.6..0.8).contains(&direct.crossed), "{name}: two thirds cross directly, and we see {shares}");
    ensure!(through.crossed <= CROSSING_MAX, "{name}: too much crosses through Tidegate: {shares}");
    Ok(())
}

fn crossed(stage: &Stage, client: Client, path: Path) -> Result<Share> {
    let background = stage.zones().background(IDLE)?;
    let window = stage.zones().window()?;
    let consumed = stage.read_everywhere(client, path, "spread", RECORDS)?;
    let flows = window.close(&background)?;
    let crossed = flows.iter().fold(Load::default(), |sum, flow| sum + flow.out);
    Ok(Share { consumed, crossed: crossed.bytes / consumed as f64 })
}
