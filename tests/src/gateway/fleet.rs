//! Several gateways in front of one cluster, one per zone.

use anyhow::{Context, Result};

use super::Gateway;
use super::site::{Site, Sites, upstream};
use crate::Cluster;

/// Running gateways, one per zone given, each knowing the others.
#[derive(Debug)]
pub struct Fleet {
    gateways: Vec<Gateway>,
    sites: Sites,
}

impl Fleet {
    /// One gateway in front of a plain cluster, for tests that need no zones.
    pub fn single(cluster: &Cluster) -> Result<Self> {
        Self::start(cluster, &["az1"], "")
    }

    /// A gateway per zone in front of a plain cluster; `sections` is further configuration as YAML.
    pub fn start(cluster: &Cluster, zones: &[&str], sections: &str) -> Result<Self> {
        Self::start_with(cluster, zones, &upstream(cluster), "", sections)
    }

    /// The same with the `cluster` section spelt out (TLS, authentication) and settings for the listener.
    pub fn start_with(
        cluster: &Cluster,
        zones: &[&str],
        upstream: &str,
        listener: &str,
        sections: &str,
    ) -> Result<Self> {
        Self::launch(cluster, zones, (upstream, listener, sections), &[])
    }

    /// A gateway per zone in front of a plain cluster, with environment variables: what a store wants to let them in.
    pub fn start_env(
        cluster: &Cluster,
        zones: &[&str],
        sections: &str,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        Self::launch(cluster, zones, (&upstream(cluster), "", sections), env)
    }

    /// All of it: the sections `cluster`, listener and others as (upstream, listener, sections), and environment variables.
    pub fn launch(
        cluster: &Cluster,
        zones: &[&str],
        (upstream, listener, sections): (&str, &str, &str),
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let sites = Sites::of(cluster, zones)?;
        let start = |site: &Site| {
            let others: Vec<Site> = sites.all.iter().filter(|s| s.id != site.id).cloned().collect();
            let yaml = site.yaml(upstream, &others, listener, sections);
            Gateway::start_with(&yaml, env).with_context(|| site.id.clone())
        };
        let gateways = sites.all.iter().map(start).collect::<Result<_>>()?;
        Ok(Self { gateways, sites })
    }

    /// The gateways, in the order of the zones.
    pub fn gateways(&mut self) -> &mut [Gateway] {
        &mut self.gateways
    }

    /// The gateway of a zone, the first if there are several.
    pub fn gateway(&mut self, zone: &str) -> Result<&mut Gateway> {
        let at = self.sites.all.iter().position(|s| s.zone == zone);
        Ok(&mut self.gateways[at.with_context(|| format!("no gateway in {zone}"))?])
    }

    /// Where they listen, in the same order.
    pub fn sites(&self) -> &[Site] {
        &self.sites.all
    }

    /// The site of a zone.
    pub fn site(&self, zone: &str) -> Result<&Site> {
        self.sites.all.iter().find(|s| s.zone == zone).with_context(|| format!("no gateway in {zone}"))
    }

    /// The sum of a metric over all gateways that run.
    pub fn metric(&mut self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let mut sum = 0.0;
        for gateway in self.gateways.iter_mut().filter_map(|g| g.is_alive().then_some(g)) {
            sum += gateway.metrics()?.sum(name, labels);
        }
        Ok(sum)
    }
}
