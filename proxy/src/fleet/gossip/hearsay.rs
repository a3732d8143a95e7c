//! From what was heard to who can be sent clients. Pure.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::card::{Card, Unsound};
use crate::fleet::Peer;

/// Most gateways that are believed: what they say of themselves has to fit into one datagram.
const GATEWAYS_MAX: usize = 200;

/// A process that was heard of.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its gateway's id.
    pub id: String,
    /// Whether it was heard lately.
    pub alive: bool,
    /// Whether it says that it wants clients.
    pub ready: bool,
    /// Its card, once that has come.
    pub card: Option<String>,
}

impl Heard {
    fn wants_clients(&self) -> bool {
        self.alive && self.ready
    }
}

/// The gateways of these processes, `own` left out. A gateway that has just been restarted is heard of twice for a while: what counts is the process that
/// wants clients. Cards that are none go to `unsound` with the gateway's id.
pub fn roster(heard: &[Heard], own: &str, mut unsound: impl FnMut(&str, &Unsound)) -> Vec<Peer> {
    let mut best = BTreeMap::<&str, (&Heard, Card)>::new();
    for process in heard.iter().filter(|process| process.id != own) {
        let Some(card) = process.card.as_deref().map(Card::read) else { continue };
        match card {
            Err(error) => unsound(&process.id, &error),
            Ok(card) => {
                let known = best.get(&*process.id);
                let rank = |process: &Heard| (process.wants_clients(), process.alive);
                if known.is_none_or(|(known, _)| rank(process) > rank(known)) {
                    best.insert(&process.id, (process, card));
                }
            }
        }
    }
    let mut all: Vec<_> = best.into_iter().collect();
    // Those that live first: the dead must not take their places.
    all.sort_by_key(|(_, (process, _))| !process.alive);
    all.truncate(GATEWAYS_MAX);
    all.iter().flat_map(|(id, (process, card))| card.peers(id, process.wants_clients())).collect()
}

/// Whether nothing has changed.
pub fn same(before: &[Peer], after: &[Peer]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| a.is_same(b) && told(a) == told(b))
}

fn told(peer: &Peer) -> (bool, &config::Zone, &crate::fleet::Endpoints) {
    (peer.alive.load(Relaxed), &peer.zone, &peer.endpoints)
}

/// Those that came, or went, or are back.
pub fn changes<'a>(before: &'a [Peer], after: &'a [Peer]) -> impl Iterator<Item = &'a Peer> {
    let was = |peer: &Peer| before.iter().find(|p| p.is_same(peer)).map(Peer::is_alive);
    after.iter().filter(move |peer| was(peer) != Some(peer.is_alive()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{door, zone};

    fn heard(id: &str, alive: bool, ready: bool) -> Heard {
        let card = Card::of(&zone("az2"), [&*door()].into_iter()).text();
        Heard { id: id.into(), alive, ready, card: Some(card) }
    }

    fn alive(heard: &[Heard]) -> Vec<(String, bool)> {
        let peers = roster(heard, "own", |id, error| panic!("{id}: {error}"));
        peers.iter().map(|p| (p.id.clone(), p.is_alive())).collect()
    }

    #[test]
    fn only_a_gateway_that_lives_and_says_that_it_wants_clients_gets_any() {
        let table = [(true, true, true), (true, false, false), (false, true, false), (false, false, false)];
        for (is_alive, ready, gets) in table {
            assert_eq!(alive(&[heard("b", is_alive, ready)]), [("b".to_owned(), gets)]);
        }
        assert!(alive(&[heard("own", true, true)]).is_empty(), "an earlier process of this gateway");
        let silent = Heard { card: None, ..heard("b", true, true) };
        assert!(alive(&[silent]).is_empty(), "its card has not come yet");
    }

    #[test]
    fn a_gateway_that_was_restarted_is_the_process_that_wants_clients() {
        let (old, new) = (heard("b", true, false), heard("b", true, true));
        let dead = heard("b", false, true);
        for order in [[&old, &new, &dead], [&new, &dead, &old], [&dead, &old, &new]] {
            assert_eq!(alive(&order.map(Clone::clone)), [("b".to_owned(), true)]);
        }
    }

    #[test]
    fn a_card_that_is_none_is_told_of_and_keeps_nobody_else_out() {
        let bad = Heard { card: Some("{".into()), ..heard("b", true, true) };
        let mut unsound = Vec::new();
        let peers = roster(&[bad, heard("c", true, true)], "own", |id, _| unsound.push(id.to_owned()));
        assert_eq!((peers.len(), unsound), (1, vec!["b".to_owned()]));
    }

    #[test]
    fn the_living_are_kept_when_there_are_too_many() {
        let mut all: Vec<_> = (0..GATEWAYS_MAX).map(|n| heard(&format!("a{n}"), false, true)).collect();
        all.push(heard("z", true, true));
        let kept = alive(&all);
        assert_eq!(kept.len(), GATEWAYS_MAX);
        assert!(kept.contains(&("z".to_owned(), true)));
    }

    #[test]
    fn a_change_is_noticed_once() {
        let before = roster(&[heard("b", true, true)], "own", |_, _| {});
        let after = roster(&[heard("b", false, true), heard("c", true, true)], "own", |_, _| {});
        assert!(same(&before, &before) && !same(&before, &after));
        let told: Vec<_> = changes(&before, &after).map(|p| (p.id.as_str(), p.is_alive())).collect();
        assert_eq!(told, [("c", true), ("b", false)]);
    }
}
