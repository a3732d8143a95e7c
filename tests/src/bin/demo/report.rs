//! The table at the end: bytes per leg and pair of zones, direct and through Tidegate, and their price.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::flows::{Flow, Flows, Leg, Moved, Work};
use super::places::ZONES;
use super::price::{Price, usd};

const DAYS_PER_YEAR: f64 = 365.0;

/// The GB of the TB a day that the bill is made out for.
const GB_A_DAY: f64 = 1000.0;

const RULE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle = TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);

/// The legs of the table's columns, in their order.
const LEGS: [Leg; 3] = [Leg::ClientBroker, Leg::ClientGateway, Leg::GatewayBroker];

/// What both phases have moved.
#[derive(Debug)]
pub(crate) struct Report {
    /// Clients at the brokers' addresses.
    pub(crate) direct: Flows,
    /// Clients at the gateways' addresses.
    pub(crate) through: Flows,
    /// What a crossing GB costs.
    pub(crate) price: Price,
}

impl Report {
    /// Megabytes by leg and pair of zones.
    pub(crate) fn bytes(&self) -> String {
        let mut table = Table::new();
        let through = ["client ↔ gateway", "gateway ↔ broker"].map(|leg| format!("through Tidegate\n{leg}"));
        let direct = "direct\nclient ↔ broker".to_owned();
        table.set_header(["MB moved".to_owned(), direct].into_iter().chain(through));
        for [a, b] in pairs() {
            let is_it = |flow: &Flow| flow.work == Work::Reading && flow.ends == [a, b];
            self.add_row(&mut table, &format!("reading  {a} ↔ {b}"), is_it);
        }
        self.add_row(&mut table, "reading  across zones", |f| f.work == Work::Reading && f.crosses());
        self.add_row(&mut table, "writing  inside zones", |f| f.work == Work::Writing && !f.crosses());
        self.add_row(&mut table, "writing  across zones", |f| f.work == Work::Writing && f.crosses());
        finish(table)
    }

    fn add_row(&self, table: &mut Table, name: &str, wanted: impl Fn(&Flow) -> bool) {
        let cell = |leg| {
            let flows = if leg == Leg::ClientBroker { &self.direct } else { &self.through };
            mb(flows.bytes(|flow| flow.leg == leg && wanted(flow)))
        };
        table.add_row(std::iter::once(name.to_owned()).chain(LEGS.map(cell)));
    }

    /// What crossed, and what it costs.
    pub(crate) fn bill(&self) -> String {
        let mut table = Table::new();
        table.set_header(["What that costs", "direct", "through Tidegate"]);
        let (direct, through) = self.reads();
        let mut add = |name: &str, of: &dyn Fn(Moved) -> String| {
            table.add_row([name.to_owned(), of(direct), of(through)]);
        };
        add("read in this demo: GB across zones", &|m| format!("{:.5}", m.crossed as f64 / 1e9));
        add("read in this demo: USD", &|m| format!("{:.5}", self.price.of(m.crossed)));
        add("reading 1 TB a day: GB across zones a day", &|m| format!("{:.1}", m.share() * GB_A_DAY));
        add("reading 1 TB a day: USD a day", &|m| usd(self.a_day(m)));
        add("reading 1 TB a day: USD a year", &|m| usd(self.a_day(m) * DAYS_PER_YEAR));
        finish(table)
    }

    /// The two sentences to remember.
    pub(crate) fn headline(&self) -> String {
        let (direct, through) = self.reads();
        let year = |moved| usd(self.a_day(moved) * DAYS_PER_YEAR);
        format!(
            "Of all bytes read, {} crossed a zone directly, {} through Tidegate.\n\
             At 1 TB read a day that is USD {} a year directly, USD {} through Tidegate.",
            percent(direct),
            percent(through),
            year(direct),
            year(through),
        )
    }

    fn reads(&self) -> (Moved, Moved) {
        let reads = |flows: &Flows| flows.moved(Work::Reading, |_| true);
        (reads(&self.direct), reads(&self.through))
    }

    /// USD a day for reading 1 TB a day.
    fn a_day(&self, moved: Moved) -> f64 {
        self.price.of((moved.share() * GB_A_DAY * 1e9) as u64)
    }
}

/// Pairs of zones: each with itself, then the others.
fn pairs() -> Vec<[&'static str; 2]> {
    let mut pairs: Vec<_> = ZONES.iter().map(|&zone| [zone, zone]).collect();
    for (n, &a) in ZONES.iter().enumerate() {
        pairs.extend(ZONES[n + 1..].iter().map(|&b| [a, b]));
    }
    pairs
}

/// Megabytes; nothing at all is told from very little.
fn mb(bytes: u64) -> String {
    if bytes == 0 { "0".to_owned() } else { format!("{:.3}", bytes as f64 / 1e6) }
}

fn percent(moved: Moved) -> String {
    let percent = moved.share() * 100.0;
    if percent < 1.0 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// Numbers to the right; rules above, below the header, and below.
pub(crate) fn finish(mut table: Table) -> String {
    table.load_style(STYLE);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Report {
        Report { direct: Flows::default(), through: Flows::default(), price: "0.01".parse().unwrap() }
    }

    #[test]
    fn the_tables_fit_a_terminal_of_80_columns() {
        let widest = |table: &str| table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest(&empty().bytes()) < 80, "{}", empty().bytes());
        assert!(widest(&empty().bill()) < 80, "{}", empty().bill());
    }

    #[test]
    fn two_thirds_of_a_terabyte_a_day_cost_as_the_price_says() {
        let report = empty();
        let moved = Moved { all: 300, crossed: 200 };
        assert_eq!(usd(report.a_day(moved)), "13.33");
        assert_eq!(percent(moved), "66.7 %");
        assert_eq!(percent(Moved { all: 10_000, crossed: 3 }), "0.03 %");
    }

    #[test]
    fn every_pair_of_zones_has_one_row() {
        assert_eq!(pairs().len(), 6);
        assert_eq!((mb(0), mb(400), mb(61_800_000)), ("0".into(), "0.000".into(), "61.800".into()));
    }
}
