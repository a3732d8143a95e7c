//! Which gateway stands for which broker. Pure, and the same in every gateway of a fleet that sees the same.

use std::collections::BTreeMap;

use config::Zone;
use kafka::types::BrokerId;

use super::Endpoints;

/// A gateway that could take a client.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its zone.
    pub zone: &'a Zone,
    /// Its endpoints.
    pub endpoints: &'a Endpoints,
}

/// Deals the brokers, each with its zone, out to the candidates. Where some of them are in the broker's own zone, one of those gets it:
/// a client that has to leave its zone then crosses once.
///
/// Among equals it is rendezvous hashing with bounded shares: no gateway has two brokers more than another, and when one goes, few
/// brokers but its own move.
pub fn deal<'a, 'z>(
    candidates: &[Candidate<'a>],
    brokers: impl Iterator<Item = (BrokerId, Option<&'z Zone>)>,
) -> BTreeMap<BrokerId, Candidate<'a>> {
    let mut groups = BTreeMap::<Option<&Zone>, Vec<BrokerId>>::new();
    for (id, zone) in brokers {
        groups.entry(zone.filter(|zone| candidates.iter().any(|c| c.zone == *zone))).or_default().push(id);
    }
    let mut dealt = BTreeMap::new();
    for (near, mut ids) in groups {
        ids.sort_unstable();
        let group: Vec<_> =
            candidates.iter().filter(|c| near.is_none_or(|zone| c.zone == zone)).copied().collect();
        deal_evenly(&group, &ids, &mut dealt);
    }
    dealt
}

fn deal_evenly<'a>(group: &[Candidate<'a>], ids: &[BrokerId], dealt: &mut BTreeMap<BrokerId, Candidate<'a>>) {
    let (Some(share), mut shares) = (ids.len().checked_div(group.len()), vec![0; group.len()]) else {
        return;
    };
    // So many may have one more than the others.
    let mut over = ids.len() % group.len();
    for id in ids {
        let free = (0..group.len()).filter(|n| shares[*n] < share || shares[*n] == share && over > 0);
        let Some(n) = free.max_by_key(|n| weight(group[*n].id, *id)) else { return };
        over -= usize::from(shares[n] == share);
        shares[n] += 1;
        dealt.insert(*id, group[n]);
    }
}

/// A gateway's weight for a broker.
fn weight(gateway: &str, broker: BrokerId) -> u64 {
    rendezvous(gateway, broker.0.to_be_bytes())
}

/// Rendezvous (highest random weight) hash: when a gateway goes, only its own share moves. FNV-1a with a final mix;
/// it must be the same in every gateway, so it can't be the standard library's seeded hash.
pub fn rendezvous(gateway: &str, of: impl IntoIterator<Item = u8>) -> u64 {
    let bytes = gateway.bytes().chain(of);
    let h = bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use config::BrokerEndpoints;

    use super::*;

    fn dealt(gateways: &[&str], brokers: i32) -> BTreeMap<i32, String> {
        let zone = Zone::new("az1").unwrap();
        let brokers_at = BrokerEndpoints::Ports { first: 1, last: 9 };
        let endpoints = Endpoints { host: "h".into(), sni_port: 0, brokers: brokers_at };
        let all: Vec<_> =
            gateways.iter().map(|id| Candidate { id, zone: &zone, endpoints: &endpoints }).collect();
        deal(&all, (0..brokers).map(|id| (BrokerId(id), None)))
            .into_iter()
            .map(|(id, c)| (id.0, c.id.to_owned()))
            .collect()
    }

    #[test]
    fn the_gateways_of_a_zone_share_the_brokers_evenly() {
        for brokers in 1..40 {
            for gateways in 1..7 {
                let ids: Vec<_> = (0..gateways).map(|n| format!("gw-{n}")).collect();
                let ids: Vec<_> = ids.iter().map(String::as_str).collect();
                let dealt = dealt(&ids, brokers);
                assert_eq!(dealt.len(), brokers as usize);
                let share = |id: &&str| dealt.values().filter(|g| g == id).count();
                let (least, most) = (ids.iter().map(share).min(), ids.iter().map(share).max());
                assert!(most.unwrap() - least.unwrap() <= 1, "{brokers} over {gateways}: {dealt:?}");
            }
        }
    }

    #[test]
    fn when_a_gateway_goes_little_but_its_own_share_moves() {
        let (before, after) = (dealt(&["a", "b", "c"], 60), dealt(&["a", "b"], 60));
        let moved = before.iter().filter(|(id, g)| *g != "c" && after[id] != **g).count();
        assert!(moved <= 12, "{moved} of the 40 that were not its own");
    }

    #[test]
    fn every_gateway_deals_the_same_whatever_the_order_in_which_it_knows_the_others() {
        assert_eq!(dealt(&["a", "b", "c"], 10), dealt(&["c", "a", "b"], 10));
        assert!(dealt(&[], 10).is_empty());
    }
}
