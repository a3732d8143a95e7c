//! What a running gateway can take over from a changed file, and what needs a restart.

use crate::Config;

/// The sections that differ between two configurations, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A running gateway takes these over.
    pub live: Vec<&'static str>,
    /// These count from the next start.
    pub restart: Vec<&'static str>,
}

/// Compares two configurations section by section. Warnings are no setting and don't count.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let live = [
        ("zones", old.zones != new.zones),
        ("fleet", old.fleet != new.fleet),
        ("limits", old.limits != new.limits),
    ];
    let restart = [
        ("gateway", old.gateway != new.gateway),
        ("cluster", old.cluster != new.cluster),
        ("listeners", old.listeners != new.listeners),
        ("store", old.store != new.store),
        ("tiering", old.tiering != new.tiering),
    ];
    let changed = |sections: &[(&'static str, bool)]| sections.iter().filter(|s| s.1).map(|s| s.0).collect();
    Changes { live: changed(&live), restart: changed(&restart) }
}
