//! What a gateway says of itself, as others get it.

use std::sync::atomic::AtomicBool;

use config::{BrokerEndpoints, Zone, is_host};
use serde::{Deserialize, Serialize};

use crate::app::Door;
use crate::fleet::{Endpoints, Peer};

/// Longest card, in bytes: a thousand broker ids fit.
const BYTES_MAX: usize = 16 * 1024;
/// Most listeners on a card.
const WAYS_MAX: usize = 32;
/// Longest listener's name.
const NAME_BYTES_MAX: usize = 128;

/// A gateway's zone, and the ways in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    zone: String,
    ways: Vec<Way>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Way {
    listener: String,
    host: String,
    sni_port: u16,
    brokers: BrokerEndpoints,
}

/// A card that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Longer than any gateway's.
    #[error("a card of {0} bytes")]
    Long(usize),
    /// Not the JSON of a card.
    #[error("not a card")]
    Form,
    /// A zone, name, host, port or pattern that no configuration could hold.
    #[error("`{0}` is nothing that a configuration could hold")]
    Value(String),
}

impl Card {
    /// This gateway's own.
    pub fn of<'a>(zone: &Zone, doors: impl Iterator<Item = &'a Door>) -> Self {
        let ways = doors.map(|door| Way {
            listener: door.name.clone(),
            host: door.endpoints.host.clone(),
            sni_port: door.endpoints.sni_port,
            brokers: door.endpoints.brokers.clone(),
        });
        Self { zone: zone.to_string(), ways: ways.collect() }
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it came: whoever holds a key of the fleet may still have a fault.
    ///
    /// # Errors
    /// It is no card, or one that would lead clients nowhere.
    pub fn read(text: &str) -> Result<Self, Unsound> {
        if text.len() > BYTES_MAX {
            return Err(Unsound::Long(text.len()));
        }
        let card: Self = serde_json::from_str(text).map_err(|_| Unsound::Form)?;
        Zone::new(&card.zone).ok_or_else(|| Unsound::Value(card.zone.clone()))?;
        if card.ways.len() > WAYS_MAX {
            return Err(Unsound::Form);
        }
        match card.ways.iter().find(|way| !way.is_sound()) {
            Some(way) => Err(Unsound::Value(format!("{} at {}", way.listener, way.host))),
            None => Ok(card),
        }
    }

    /// The gateway `id` as clients are sent there, once for every listener.
    pub fn peers(&self, id: &str, alive: bool) -> impl Iterator<Item = Peer> {
        let zone = Zone::new(&self.zone);
        self.ways.iter().filter_map(move |way| {
            Some(Peer {
                id: id.to_owned(),
                zone: zone.clone()?,
                listener: way.listener.clone(),
                endpoints: Endpoints {
                    host: way.host.clone(),
                    sni_port: way.sni_port,
                    brokers: way.brokers.clone(),
                },
                admin: None,
                alive: AtomicBool::new(alive),
            })
        })
    }
}

impl Way {
    fn is_sound(&self) -> bool {
        let named = (1..=NAME_BYTES_MAX).contains(&self.listener.len());
        let dialable = self.sni_port > 0 || self.brokers.port_range().is_some();
        named && dialable && is_host(&self.host) && self.brokers.is_sound()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        let door = crate::app::testing::door();
        Card::of(&Zone::new("az1").unwrap(), [&*door].into_iter())
    }

    #[test]
    fn a_card_comes_as_it_was_sent() {
        let card = card();
        assert_eq!(Card::read(&card.text()), Ok(card.clone()));
        let peers: Vec<_> = card.peers("b", true).collect();
        assert_eq!(peers.len(), 1);
        assert_eq!((peers[0].id.as_str(), peers[0].zone.as_str()), ("b", "az1"));
        assert_eq!(peers[0].listener, "clients");
    }

    #[test]
    fn what_would_lead_clients_nowhere_is_no_card() {
        let good = card().text();
        let with = |from: &str, to: &str| {
            assert!(good.contains(from), "{good}");
            Card::read(&good.replacen(from, to, 1)).unwrap_err()
        };
        assert_eq!(with("\"az1\"", "\"az1\\n\""), Unsound::Value("az1\n".into()));
        assert!(matches!(with("gw.example", "gw example"), Unsound::Value(_)));
        assert!(matches!(with("29100", "0"), Unsound::Value(_)));
        assert!(matches!(with("clients", ""), Unsound::Value(_)));
        assert_eq!(with("zone", "zune"), Unsound::Form);
        assert_eq!(Card::read("{"), Err(Unsound::Form));
        assert_eq!(Card::read(&" ".repeat(BYTES_MAX + 1)), Err(Unsound::Long(BYTES_MAX + 1)));
    }
}
