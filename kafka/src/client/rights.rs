//! What the gateway's own principal may do, as a broker says (authorized operations, KIP-430), and which rules brokers
//! hold clients to (DescribeAcls).

use std::ops::RangeInclusive;

use super::connection::{CallError, Connection};
use super::metadata::{Cluster, MetadataError, Topics, fetch_asking};
use crate::api::DESCRIBE_ACLS;
use crate::code::Code;
use crate::wire::{self, Reader, WireError};

/// The Metadata versions that tell a topic's authorized operations (Kafka 2.3).
const WITH_RIGHTS: RangeInclusive<i16> = 8..=13;
/// The DescribeAcls versions that are asked for: 0 lacks the pattern's type (Kafka 2.0).
const ACLS: RangeInclusive<i16> = 1..=3;
/// "Any" in every filter of DescribeAcls.
const ANY: i8 = 1;
/// `AclPermissionType.ALLOW`.
const ALLOW: i8 = 3;
/// "Not asked for", in place of a set of operations.
const UNTOLD: i32 = i32::MIN;

/// An operation, by its code in `org.apache.kafka.common.acl.AclOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Fetch records.
    Read = 3,
    /// Delete it, or records of it.
    Delete = 6,
    /// See that it exists. Whoever may read, write, delete or alter may see, too.
    Describe = 8,
    /// See its settings.
    DescribeConfigs = 10,
}

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations(i32);

impl Operations {
    /// The set as brokers write it: a bit per operation code. `None` if it was not asked for.
    pub(super) fn told(bits: i32) -> Option<Self> {
        (bits != UNTOLD).then_some(Self(bits))
    }

    /// Whether the operation is among them.
    pub fn allow(self, operation: Operation) -> bool {
        self.0 & (1 << operation as i32) != 0
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic, or topics by prefix.
    Topic,
    /// A consumer group.
    Group,
    /// The cluster.
    Cluster,
    /// Anything else.
    Other,
}

/// A rule of who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// What it is about.
    pub resource: Resource,
    /// The resource's name, `*` for all.
    pub name: String,
    /// Whether the name is the whole name, not a prefix.
    pub literal: bool,
    /// `User:alice`.
    pub principal: String,
    /// The address that brokers must see the principal at; `*` for any.
    pub host: String,
    /// Whether it allows; it denies else.
    pub allows: bool,
}

/// Why the rules could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AclsError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The broker and we share no version.
    #[error("the broker offers DescribeAcls versions {0:?}")]
    Version(Option<RangeInclusive<i16>>),
    /// The broker said no.
    #[error("refused: {0}")]
    Refused(Code),
    /// The answer does not follow its schema.
    #[error("malformed answer: {0}")]
    Malformed(#[from] WireError),
}

/// Asks one broker for topics and for what may be done with each.
///
/// # Errors
/// As [`super::metadata::fetch`]; brokers before Kafka 2.3 can't be asked.
pub async fn topics(connection: &mut Connection, topics: Topics<'_>) -> Result<Cluster, MetadataError> {
    fetch_asking(connection, topics, WITH_RIGHTS, true).await
}

/// Asks one broker for every rule there is. `None`: the cluster has no authorizer, so everybody may do everything.
///
/// # Errors
/// See [`AclsError`]; it takes DESCRIBE on the cluster.
pub async fn acls(connection: &mut Connection) -> Result<Option<Vec<Acl>>, AclsError> {
    let version = connection.versions().highest(DESCRIBE_ACLS, ACLS);
    let version = version.ok_or_else(|| AclsError::Version(connection.versions().range(DESCRIBE_ACLS)))?;
    let answer = connection.call(DESCRIBE_ACLS, version, &ask_all(version)).await?;
    match decode(&answer, version)? {
        (Code::NONE, acls) => Ok(Some(acls)),
        (Code::SECURITY_DISABLED, _) => Ok(None),
        (code, _) => Err(AclsError::Refused(code)),
    }
}

pub(super) fn ask_all(version: i16) -> Vec<u8> {
    let flexible = version >= 2;
    let mut out = vec![ANY as u8];
    wire::put_nullable_string(&mut out, None, flexible); // name
    out.push(ANY as u8); // pattern's type
    wire::put_nullable_string(&mut out, None, flexible); // principal
    wire::put_nullable_string(&mut out, None, flexible); // host
    out.extend([ANY as u8, ANY as u8]); // operation, permission
    if flexible {
        out.push(0);
    }
    out
}

pub(super) fn decode(body: &[u8], version: i16) -> wire::Result<(Code, Vec<Acl>)> {
    let flexible = version >= 2;
    let mut r = Reader::new(body);
    r.i32()?; // throttle time
    let code = Code(r.i16()?);
    r.nullable_string(flexible)?;
    let mut acls = Vec::new();
    for _ in 0..r.array_len(flexible, 4)?.unwrap_or(0) {
        rules_of_one(&mut r, flexible, &mut acls)?;
    }
    r.skip_tags(flexible)?;
    r.finish()?;
    Ok((code, acls))
}

fn rules_of_one(r: &mut Reader<'_>, flexible: bool, acls: &mut Vec<Acl>) -> wire::Result<()> {
    let resource = match r.i8()? {
        2 => Resource::Topic,
        3 => Resource::Group,
        4 => Resource::Cluster,
        _ => Resource::Other,
    };
    let name = r.string(flexible)?;
    let literal = r.i8()? == 3;
    for _ in 0..r.array_len(flexible, 4)?.unwrap_or(0) {
        let principal = r.string(flexible)?.to_owned();
        let host = r.string(flexible)?.to_owned();
        r.i8()?; // operation
        let allows = r.i8()? == ALLOW;
        r.skip_tags(flexible)?;
        acls.push(Acl { resource, name: name.to_owned(), literal, principal, host, allows });
    }
    r.skip_tags(flexible)
}
