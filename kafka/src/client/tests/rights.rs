//! Rights and rules, held against the codec.

use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::client::rights::{Acl, Operation, Operations, Resource, ask_all, decode};
use crate::code::Code;

#[test]
fn operations_are_bits_by_code_and_untold_ones_are_none() {
    assert_eq!(Operations::told(i32::MIN), None);
    let told = |bits| Operations::told(bits).unwrap();
    assert!(told(1 << 3).allow(Operation::Read) && !told(1 << 3).allow(Operation::Describe));
    assert!(told(1 << 8).allow(Operation::Describe) && !told(1 << 8).allow(Operation::Read));
    assert!(!told(0).allow(Operation::Read));
}

#[test]
fn the_question_asks_for_everything_in_every_version() {
    for version in 1..=3 {
        let mut body = bytes::Bytes::from(ask_all(version));
        let asked = DescribeAclsRequest::decode(&mut body, version).unwrap();
        assert!(body.is_empty(), "v{version}");
        let (kind, pattern) = (asked.resource_type_filter, asked.pattern_type_filter);
        assert_eq!((kind, pattern, asked.operation, asked.permission_type), (1, 1, 1, 1));
        assert_eq!(
            (asked.resource_name_filter, asked.principal_filter, asked.host_filter),
            (None, None, None)
        );
    }
}

fn answer() -> DescribeAclsResponse {
    let rule = |host: &str, permission| {
        AclDescription::default()
            .with_principal("User:alice".to_owned().into())
            .with_host(host.to_owned().into())
            .with_operation(3)
            .with_permission_type(permission)
    };
    let of = |kind, name: &str, pattern| {
        DescribeAclsResource::default()
            .with_resource_type(kind)
            .with_resource_name(name.to_owned().into())
            .with_pattern_type(pattern)
    };
    DescribeAclsResponse::default().with_resources(vec![
        of(2, "orders", 3).with_acls(vec![rule("*", 3), rule("10.0.0.5", 2)]),
        of(3, "readers-", 4).with_acls(vec![rule("*", 3)]),
    ])
}

#[test]
fn rules_read_as_the_codec_wrote_them_and_no_cut_passes() {
    let acl = |resource, name: &str, literal, host: &str, allows| Acl {
        resource,
        name: name.to_owned(),
        literal,
        principal: "User:alice".to_owned(),
        host: host.to_owned(),
        allows,
    };
    let expected = vec![
        acl(Resource::Topic, "orders", true, "*", true),
        acl(Resource::Topic, "orders", true, "10.0.0.5", false),
        acl(Resource::Group, "readers-", false, "*", true),
    ];
    for version in 1..=3 {
        let mut body = Vec::new();
        answer().encode(&mut body, version).unwrap();
        assert_eq!(decode(&body, version).unwrap(), (Code::NONE, expected.clone()), "v{version}");
        for cut in 0..body.len() {
            assert!(decode(&body[..cut], version).is_err(), "v{version} cut at {cut}");
        }
    }
}
