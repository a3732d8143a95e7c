use kafka::api::{FETCH, METADATA};

use super::{OFFSET_COMMIT, answer, core, down, framed, request, up};

fn reason(bytes: &[u8]) -> &'static str {
    up(&mut core(), bytes, &[]).expect_err("refused").reason().label()
}

#[test]
fn bytes_that_are_no_kafka_request_end_the_connection_and_say_why() {
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    assert_eq!(reason(&hello), "tls_on_plain");
    for verb in
        ["GET / HTTP/1.1", "POST /x HTTP/1.1", "HEAD / HTTP/1.1", "PUT /x HTTP/1.1", "OPTIONS * HTTP/1.1"]
    {
        assert_eq!(reason(verb.as_bytes()), "http", "{verb}");
    }
    for length in [-1, i32::MIN, 0, 7, (100 << 20) + 1, i32::MAX] {
        assert_eq!(reason(&length.to_be_bytes()), "frame_length", "{length}");
    }
    let client_id_beyond_the_frame = framed(&[0, 8, 0, 8, 0, 0, 0, 1, 0x7f, 0xff]);
    assert_eq!(reason(&client_id_beyond_the_frame), "malformed");
}

#[test]
fn a_frame_of_the_limit_passes() {
    let mut core = core();
    let front = &request(OFFSET_COMMIT, 8, 1, b"")[4..];
    let bytes = [&(100i32 << 20).to_be_bytes(), front].concat();
    assert_eq!(up(&mut core, &bytes, &[]).expect("so far it is sound"), bytes);
    assert_eq!(core.outbound.left, (100 << 20) - front.len());
}

#[test]
fn what_must_be_read_and_cannot_be_is_refused() {
    let whole = crate::app::testing::fetch(11, 1, &[("t", 0)]);
    let cut = framed(&whole[4..whole.len() - 1]);
    assert_eq!(reason(&cut), "malformed");
    assert_eq!(reason(&request(METADATA, 99, 1, b"")), "version", "its answer would leak addresses");
    assert_eq!(reason(&request(FETCH, 19, 1, b"")), "version");
}

#[test]
fn answers_out_of_order_or_unasked_end_the_connection() {
    let told = |bytes: &[u8], asked: &[i32]| {
        let mut core = core();
        for id in asked {
            up(&mut core, &request(OFFSET_COMMIT, 8, *id, b""), &[]).expect("a request");
        }
        down(&mut core, bytes, &[]).expect_err("refused").reason().label()
    };
    let right = |id| answer(OFFSET_COMMIT, 8, id, b"");
    assert_eq!(told(&right(1), &[]), "answer", "nobody asked");
    assert_eq!(told(&right(2), &[1, 2]), "answer", "the second first");
    assert_eq!(told(&[right(1), right(1)].concat(), &[1]), "answer", "one too many");
    for length in [-1i32, 0, 3, i32::MAX] {
        assert_eq!(told(&length.to_be_bytes(), &[1]), "answer", "{length}");
    }
}
