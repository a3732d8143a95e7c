use std::time::{Duration, Instant};

use kafka::fetch::request::{Ask, FetchPartition, FetchRequest, Session, TopicRef, encode};
use kafka::types::{BrokerId, LeaderEpoch, Offset, Partition};
use tiering::tier::Extent;

use crate::app::testing::{brokers, fetch, three, topic, topic_id, zone};
use crate::steer::memory::Memory;
use crate::steer::plan::{Facts, Leg, Plan, Server, is_behind, plan, reads_zone};
use crate::view::interest::TopicKey;
use crate::view::{BrokerState, View};

/// Partition by partition: led by 1; led by 2; led by 3 alone; without a leader; led by 1 with 2 out of sync.
fn world() -> View {
    let partitions: [(Option<i32>, &[i32]); 5] =
        [(Some(1), &[1, 2, 3]), (Some(2), &[1, 2, 3]), (Some(3), &[3]), (None, &[2]), (Some(1), &[1, 3])];
    View::of(three(), vec![topic("t", &partitions), topic("missing", &[])])
}

/// One fetch and what it is planned by; the defaults are a consumer of az2 at broker 1, v11, who was never seen.
struct Case {
    view: View,
    zone: &'static str,
    own: i32,
    stand_in: bool,
    version: i16,
    session: Session,
    memory: Memory,
    /// How long after the memory's events.
    later: Duration,
    learned: bool,
    follows: bool,
    steers: bool,
    tier: Vec<Option<Extent>>,
    looked: bool,
    start: Instant,
}

impl Case {
    fn new() -> Self {
        Self {
            view: world(),
            zone: "az2",
            own: 1,
            stand_in: false,
            follows: false,
            version: 11,
            session: Session::None,
            memory: Memory::default(),
            later: Duration::ZERO,
            learned: false,
            steers: true,
            tier: Vec::new(),
            looked: false,
            start: Instant::now(),
        }
    }

    fn at(own: i32) -> Self {
        Self { own, ..Self::new() }
    }

    fn plan(&self, partitions: &[i32]) -> Plan {
        self.plan_of(&partitions.iter().map(|p| ("t", *p)).collect::<Vec<_>>())
    }

    fn plan_of(&self, partitions: &[(&str, i32)]) -> Plan {
        let frame = fetch(self.version, 1, partitions);
        let mut request = FetchRequest::parse(&frame[4..], self.version).expect("our own request");
        request.session = self.session;
        let facts = Facts {
            view: &self.view,
            zone: &zone(self.zone),
            own: BrokerId(self.own),
            stand_in: self.stand_in,
            follows: self.follows,
            memory: &self.memory,
            now: self.start + self.later,
            learned: self.learned,
            steers: self.steers,
            tier: &self.tier,
            looked: self.looked,
        };
        plan(&facts, &request)
    }

    fn later(mut self, millis: u64) -> Self {
        self.later = Duration::from_millis(millis);
        self
    }

    /// The memory is of a topic by name: versions up to 12.
    fn hinted(mut self, partition: i32) -> Self {
        self.memory.hinted(TopicRef::Name("t"), Partition(partition), self.start);
        self
    }

    /// The tier holds `[start, end)` of the first partition asked for, and brokers were told to drop what lies below `trimmed`.
    fn tiered(mut self, start: i64, end: i64, trimmed: i64) -> Self {
        self.tier =
            vec![Some(Extent { start: Offset(start), end: Offset(end), trimmed: Offset(trimmed) }), None];
        self
    }

    /// A broker said that it lacks the offset.
    fn cold(mut self, partition: i32) -> Self {
        self.memory.turned_cold(TopicRef::Name("t"), Partition(partition), self.start);
        self
    }

    fn troubled(mut self, partition: i32, broker: i32) -> Self {
        self.memory.trouble(TopicRef::Name("t"), Partition(partition), BrokerId(broker), self.start);
        self
    }
}

fn leg(from: Server, partitions: &[usize]) -> Leg {
    Leg { from, partitions: partitions.to_vec() }
}

fn legs(list: &[(i32, &[usize])]) -> Plan {
    Plan::Legs(list.iter().map(|(b, p)| leg(Server::Broker(BrokerId(*b)), p)).collect())
}

fn to(replica: i32) -> Option<BrokerId> {
    Some(BrokerId(replica))
}

#[test]
fn a_leader_in_the_clients_zone_serves_whatever_the_version() {
    for version in 4..=18 {
        assert_eq!(Case { version, ..Case::at(2) }.plan(&[1]), Plan::Forward, "v{version}");
    }
}

#[test]
fn a_client_that_can_follow_is_pointed_to_the_follower_in_its_zone() {
    for version in 11..=18 {
        let session = [Session::None, Session::Open][version as usize % 2];
        assert_eq!(
            Case { version, session, ..Case::new() }.plan(&[0]),
            Plan::Hint(vec![to(2)]),
            "v{version}"
        );
    }
}

#[test]
fn a_client_that_cannot_follow_is_served_from_the_follower_on_its_behalf() {
    for version in 4..=10 {
        assert_eq!(Case { version, ..Case::new() }.plan(&[0]), legs(&[(2, &[0])]), "v{version}");
    }
}

#[test]
fn a_hint_that_was_not_followed_is_not_repeated_within_a_minute() {
    assert_eq!(Case::new().hinted(0).plan(&[0]), legs(&[(2, &[0])]));
    assert_eq!(Case::new().hinted(0).later(59_999).plan(&[0]), legs(&[(2, &[0])]));
    assert_eq!(Case::new().hinted(0).later(60_000).plan(&[0]), Plan::Hint(vec![to(2)]));
    assert_eq!(Case::new().hinted(1).plan(&[0]), Plan::Hint(vec![to(2)]), "another partition's hint");
}

#[test]
fn a_fetch_at_the_in_zone_followers_endpoint_passes_where_followers_serve_consumers() {
    for version in 4..=18 {
        let expected = if version >= 11 { Plan::Forward } else { legs(&[(1, &[0])]) };
        assert_eq!(Case { version, ..Case::at(2) }.plan(&[0]), expected, "v{version}");
    }
}

#[test]
fn a_stand_in_gives_no_hints_but_serves_from_where_the_data_is() {
    let stand_in = |own| Case { stand_in: true, ..Case::at(own) };
    assert_eq!(stand_in(1).plan(&[0]), legs(&[(2, &[0])]), "leader out of zone");
    assert_eq!(stand_in(2).plan(&[0]), Plan::Forward, "a follower in zone");
    assert_eq!(stand_in(1).plan(&[1, 2, 4]), legs(&[(2, &[0]), (3, &[1]), (1, &[2])]));
    assert_eq!(Case { version: 4, ..stand_in(3) }.plan(&[0]), legs(&[(2, &[0])]));
}

#[test]
fn a_replica_out_of_sync_serves_nobody() {
    assert_eq!(Case::at(1).plan(&[4]), Plan::Forward, "the leader serves");
    assert_eq!(Case::at(2).plan(&[4]), legs(&[(1, &[0])]), "its endpoint serves from the leader");
}

#[test]
fn a_replica_that_does_not_answer_serves_nobody() {
    for state in [BrokerState::Suspect, BrokerState::Absent] {
        let dead =
            brokers(&[(1, "az1", BrokerState::Live), (2, "az2", state), (3, "az3", BrokerState::Live)]);
        let case = |own| Case { view: View { brokers: dead.clone(), ..world() }, ..Case::at(own) };
        assert_eq!(case(1).plan(&[0]), Plan::Forward, "{state:?}: the leader serves");
        assert_eq!(case(2).plan(&[0]), legs(&[(1, &[0])]), "{state:?}: its endpoint serves from the leader");
    }
}

#[test]
fn a_follower_in_trouble_is_replaced_by_the_leader_for_ten_seconds_and_for_that_partition_only() {
    assert_eq!(Case::at(2).troubled(0, 2).plan(&[0]), legs(&[(1, &[0])]));
    assert_eq!(Case::at(2).troubled(0, 2).later(9_999).plan(&[0]), legs(&[(1, &[0])]));
    assert_eq!(Case::at(2).troubled(0, 2).later(10_000).plan(&[0]), Plan::Forward);
    assert_eq!(Case::at(1).troubled(0, 2).plan(&[0]), Plan::Forward, "no hint to it either");
    assert_eq!(Case::at(2).troubled(1, 2).plan(&[0]), Plan::Forward, "another partition's trouble");
    // A leader's trouble is nobody else's to mend, wherever it is asked from.
    assert_eq!(Case::at(1).troubled(1, 2).plan(&[1]), legs(&[(2, &[0])]));
    assert_eq!(Case::at(1).troubled(4, 1).plan(&[4]), Plan::Forward);
}

#[test]
fn what_nobody_leads_or_nobody_knows_is_the_brokers_to_answer() {
    assert_eq!(Case::new().plan(&[3]), Plan::Forward, "no leader");
    assert_eq!(Case::new().plan(&[77]), Plan::Forward, "no such partition");
    assert_eq!(Case::new().plan_of(&[("missing", 0)]), Plan::Forward, "known to be missing");
}

#[test]
fn topics_not_in_the_view_are_learned_once() {
    let wanted = [("t", 0), ("new", 0), ("new", 1), ("other", 0)];
    let named = |n: &str| TopicKey::Name(n.into());
    assert_eq!(Case::new().plan_of(&wanted), Plan::Learn(vec![named("new"), named("other")]));
    let by_id = Case { version: 13, ..Case::new() };
    assert_eq!(by_id.plan_of(&[("new", 0)]), Plan::Learn(vec![TopicKey::Id(topic_id("new"))]));
    let learned = Case { learned: true, ..Case::new() };
    assert_eq!(learned.plan_of(&[("new", 0)]), Plan::Forward, "then it is the broker's to answer");
}

#[test]
fn a_zone_without_a_replica_reads_where_it_asks() {
    let far = |own| Case { zone: "az9", ..Case::at(own) };
    assert_eq!(far(1).plan(&[0]), Plan::Forward, "the leader");
    assert_eq!(far(3).plan(&[0]), Plan::Forward, "a follower in sync");
    assert_eq!(far(2).plan(&[4]), legs(&[(1, &[0])]), "a follower out of sync");
    assert_eq!(
        Case { version: 10, ..far(3) }.plan(&[0]),
        legs(&[(1, &[0])]),
        "a client followers don't serve"
    );
}

/// The gateway of az1 serves a client of az2. At broker 2, which leads partition 1, a replica in az2 would cost two
/// crossings, broker to gateway and gateway to client, and one in az1 costs one.
#[test]
fn a_client_whose_zone_has_no_gateway_reads_from_the_gateways_zone_and_from_its_own_once_one_is_back() {
    let (client, gateway) = (zone("az2"), zone("az1"));
    let case = |has_gateway| {
        let zone = match reads_zone(&client, &gateway, has_gateway) {
            z if *z == client => "az2",
            _ => "az1",
        };
        move |own| Case { zone, ..Case::at(own) }
    };
    let away = case(false);
    assert_eq!(away(2).plan(&[1]), Plan::Hint(vec![to(1)]), "the leader in its own zone");
    assert_eq!(away(1).plan(&[1]), Plan::Forward, "the follower in the gateway's");
    assert_eq!(away(1).plan(&[0]), Plan::Forward, "the leader in the gateway's");
    assert_eq!(away(1).plan(&[2]), legs(&[(3, &[0])]), "where the gateway's zone has no replica, the leader");
    let home = case(true);
    assert_eq!(home(2).plan(&[1]), Plan::Forward);
    assert_eq!(home(1).plan(&[0]), Plan::Hint(vec![to(2)]));
}

#[test]
fn of_a_mixed_fetch_the_steerable_are_hinted_first_and_later_all_are_served() {
    assert_eq!(Case::new().plan(&[0, 4]), Plan::Hint(vec![to(2), None]));
    assert_eq!(Case::new().hinted(0).plan(&[0, 4]), legs(&[(2, &[0]), (1, &[1])]));
    assert_eq!(Case::new().hinted(0).plan(&[4, 0, 1, 2]), legs(&[(1, &[0]), (2, &[1, 2]), (3, &[3])]));
}

#[test]
fn several_replicas_of_a_zone_share_its_partitions() {
    let four = brokers(&[1, 2, 3, 4].map(|id| (id, ["az1", "az2"][usize::from(id > 1)], BrokerState::Live)));
    let t = topic("t", &[(Some(1), &[1, 2, 3, 4][..]); 6]);
    let case = Case { view: View::of(four, vec![t]), ..Case::new() };
    assert_eq!(case.plan(&[0, 1, 2, 3, 4, 5]), Plan::Hint(vec![to(2), to(3), to(4), to(2), to(3), to(4)]));
}

#[test]
fn a_session_goes_on_where_all_it_lists_is_served() {
    let going_on = |own| Case { session: Session::Continue, ..Case::at(own) };
    assert_eq!(going_on(2).plan(&[]), Plan::Forward);
    assert_eq!(going_on(2).plan(&[0, 1]), Plan::Forward);
}

#[test]
fn a_session_that_lists_what_is_due_elsewhere_is_flushed() {
    let mut going_on = Case { session: Session::Continue, ..Case::new() };
    going_on.memory.session_opened(going_on.view.generation);
    assert_eq!(going_on.plan(&[4]), Plan::Forward, "what its broker serves");
    assert_eq!(going_on.plan(&[0]), Plan::Flush);
    assert_eq!(going_on.plan(&[4, 0]), Plan::Flush);
}

#[test]
fn a_session_is_flushed_after_a_followers_trouble_even_if_it_lists_nothing() {
    let going_on = || Case { session: Session::Continue, ..Case::at(2) }.troubled(0, 2);
    assert_eq!(going_on().plan(&[]), Plan::Flush);
    assert_eq!(going_on().later(10_000).plan(&[]), Plan::Forward);
}

#[test]
fn a_session_out_of_zone_is_flushed_when_the_cluster_changes_but_once_a_minute_at_most() {
    let changed = |own| {
        let mut case = Case { session: Session::Continue, ..Case::at(own) };
        case.memory.session_opened(case.view.generation);
        assert_eq!(case.plan(&[]), Plan::Forward, "nothing has changed");
        case.view.generation += 1;
        case
    };
    assert_eq!(changed(2).plan(&[]), Plan::Forward, "the leader in zone: there is nothing better");
    let mut follower = Case { follows: true, ..changed(2) };
    assert_eq!(follower.plan(&[]), Plan::Flush, "a follower may have left the ISR, and goes on answering");
    follower.memory.flushed(follower.start);
    assert_eq!(follower.plan(&[]), Plan::Forward);
    follower = follower.later(5_000);
    assert_eq!(follower.plan(&[]), Plan::Flush);
    assert_eq!(Case { stand_in: true, ..changed(2) }.plan(&[]), Plan::Flush, "a stand-in's session");
    let mut case = changed(1);
    assert_eq!(case.plan(&[]), Plan::Flush);
    case.memory.flushed(case.start);
    assert_eq!(case.plan(&[]), Plan::Forward);
    case = case.later(59_999);
    assert_eq!(case.plan(&[]), Plan::Forward);
    case = case.later(60_000);
    assert_eq!(case.plan(&[]), Plan::Flush);
}

#[test]
fn what_brokers_were_told_to_drop_is_read_from_the_tier_and_the_rest_on_behalf_beside_it() {
    let tier = Plan::Legs(vec![leg(Server::Tier, &[0])]);
    assert_eq!(Case::at(2).tiered(0, 100, 50).plan(&[1]), tier);
    let beside = Case::at(2).tiered(0, 100, 50).plan(&[1, 1]);
    assert_eq!(beside, Plan::Legs(vec![leg(Server::Tier, &[0]), leg(Server::Broker(BrokerId(2)), &[1])]));
    let as_is = Case { steers: false, ..Case::at(1).tiered(0, 100, 50) };
    assert_eq!(as_is.plan(&[1]), tier, "with reads as_is as well");
    let session = Case { session: Session::Continue, ..Case::at(2).tiered(0, 100, 50) };
    assert_eq!(session.plan(&[1]), Plan::Flush);
}

#[test]
fn what_brokers_still_have_and_what_nobody_has_is_theirs_to_answer() {
    assert_eq!(Case::at(2).tiered(0, 100, 0).plan(&[1]), Plan::Forward, "copied, not dropped");
    assert_eq!(Case::at(2).tiered(10, 100, 50).plan(&[1]), Plan::Forward, "before the log's start");
}

#[test]
fn an_offset_a_broker_lacks_is_looked_for_in_the_tier_once_and_then_read_there_or_refused() {
    assert_eq!(Case::at(2).tiered(0, 100, 0).cold(1).plan(&[1]), Plan::Legs(vec![leg(Server::Tier, &[0])]));
    let beyond = || Case::at(2).tiered(10, 100, 50).cold(1);
    assert_eq!(beyond().plan(&[1]), Plan::Look(vec![0]), "this gateway may not know yet");
    let looked = Case { looked: true, ..beyond() };
    assert_eq!(looked.plan(&[1]), Plan::Forward, "nowhere: the broker says so");
    assert_eq!(beyond().later(10_001).plan(&[1]), Plan::Forward, "it passes");
}

#[test]
fn a_client_that_knows_of_a_later_leader_shows_that_the_view_is_behind() {
    let with_epoch = |known: i32| {
        let mut topic = topic("t", &[(Some(1), &[1])]);
        topic.partitions.values_mut().for_each(|p| p.epoch = LeaderEpoch(known));
        View::of(three(), vec![topic])
    };
    let behind = |known: i32, asked: i32| {
        let p = FetchPartition::new(TopicRef::Name("t"), Partition(0), Offset(0), LeaderEpoch(asked), 1);
        let ask = Ask {
            version: 11,
            correlation_id: 1,
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 1,
            isolation_level: 0,
        };
        let frame = encode(ask, "consumer", &[&p]);
        is_behind(&with_epoch(known), &FetchRequest::parse(&frame[4..], 11).unwrap())
    };
    let table = [(3, 4, true), (3, 3, false), (3, 2, false), (3, -1, false), (-1, 4, false), (0, 1, true)];
    for (known, asked, expected) in table {
        assert_eq!(behind(known, asked), expected, "{known} known, {asked} asked");
    }
    assert!(!is_behind(
        &View::of(three(), vec![]),
        &FetchRequest::parse(&fetch(11, 1, &[("t", 0)])[4..], 11).unwrap()
    ));
}
