//! `zones`, as typed.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::listeners::IdRange;
use crate::leaf::{Leaf, Noted, Refusal, Scalar, Typed, word};
use crate::{Reads, WhenNoGateway};

/// Which zone clients and brokers are in, and what follows from it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Zones {
    /// Rules that say a client's zone; the first that answers wins, and if none does, it is the gateway's. Default: listener, client_id_tag, rack, gateway.
    #[schemars(with = "Option<Vec<ClientRule>>")]
    pub(crate) clients: Option<Vec<Noted<ClientRule>>>,
    /// Which replica serves reads: that in the client's zone (in_zone), or whichever is asked (as_is). Default: in_zone.
    pub(crate) reads: Option<Leaf<Reads>>,
    /// Clients of a zone without a living gateway are sent to other zones' gateways, for each broker to one in the broker's zone if
    /// there is one, and read from replicas there (any); or they get no brokers (refuse). Default: any.
    pub(crate) when_zone_has_no_gateway: Option<Leaf<WhenNoGateway>>,
    /// Zone -> broker ids (numbers and ranges), for clusters whose brokers have no racks. Wins over racks.
    pub(crate) brokers: BTreeMap<String, Vec<Leaf<IdRange>>>,
    /// What traffic costs, for the tables that say what is saved.
    pub(crate) prices: Prices,
}

/// One rule of `zones.clients`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-kind" = "rule"))]
pub(crate) enum ClientRule {
    /// The `zone` of the listener the client came in by.
    Listener,
    /// The value of `zone=`, `ws_az=`, `warpstream_az=`, `automq_az=` or `diskless_az=` in `client.id`. The key stands at its start or
    /// after one of `,` `;` space `&` `/`; the value ends at the next of them: `app,zone=use1-az1`.
    ClientIdTag,
    /// Zone -> networks; the longest prefix that holds the client's address wins. IPv4-mapped IPv6 addresses count as IPv4. One
    /// network stands in one zone only.
    Cidr(BTreeMap<String, Vec<Leaf<IpNet>>>),
    /// The rack in the client's Fetch requests (`client.rack`).
    Rack,
    /// The zone of the gateway it reached: always an answer, so it comes last.
    Gateway,
}

/// What traffic costs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Prices {
    /// US dollars per GB (10^9 bytes) that crosses a zone, both directions together; 0 to 1000. Default: 0.02.
    pub(crate) cross_zone: Option<Leaf<f64>>,
}

const READS: [(&str, Reads); 2] = [("in_zone", Reads::InZone), ("as_is", Reads::AsIs)];
const WHEN_NO_GATEWAY: [(&str, WhenNoGateway); 2] =
    [("any", WhenNoGateway::Any), ("refuse", WhenNoGateway::Refuse)];

impl Scalar for Reads {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        word(typed, &READS)
    }

    fn schema() -> Schema {
        json_schema!({"enum": READS.map(|(word, _)| word)})
    }
}

impl Scalar for WhenNoGateway {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        word(typed, &WHEN_NO_GATEWAY)
    }

    fn schema() -> Schema {
        json_schema!({"enum": WHEN_NO_GATEWAY.map(|(word, _)| word)})
    }
}
