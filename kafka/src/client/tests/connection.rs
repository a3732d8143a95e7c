//! One request, one answer, and what happens to the connection when that fails.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fake::{Fake, PATIENCE, Reply, Request, api_versions, dialer, framed, offering_metadata};
use crate::api::{API_VERSIONS, METADATA};
use crate::client::{CallError, Connection, ExchangeError, Security};

async fn connect(fake: &Fake) -> Connection {
    Connection::connect(&dialer(Security::default()), &fake.host(), fake.port()).await.unwrap()
}

/// The source of a failed exchange, and that nothing more can be asked on that connection.
async fn failure(reply: impl Fn(&Request) -> Reply + Clone + Send + 'static) -> ExchangeError {
    let fake = Fake::plain(move || offering_metadata(12, reply.clone())).await;
    let mut connection = connect(&fake).await;
    let outcome = connection.call(METADATA, 12, &[]).await;
    assert!(connection.is_poisoned());
    assert!(matches!(connection.call(METADATA, 12, &[]).await, Err(CallError::Poisoned)));
    assert!(matches!(connection.into_stream(), Err(CallError::Poisoned)));
    match outcome {
        Err(CallError::Exchange { api: "Metadata", source }) => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_get_their_own_answers() {
    let fake = Fake::plain(|| {
        offering_metadata(12, |request| {
            Reply::Body([&request.version.to_be_bytes()[..], &request.body].concat())
        })
    })
    .await;
    let mut connection = connect(&fake).await;
    for version in [1, 9, 12] {
        let answer = connection.call(METADATA, version, b"body").await.unwrap();
        assert_eq!(answer, [&version.to_be_bytes()[..], b"body"].concat());
    }
}

#[tokio::test]
async fn a_version_that_is_not_offered_is_not_sent() {
    let fake = Fake::plain(|| offering_metadata(12, |_| panic!("nothing may be sent"))).await;
    let mut connection = connect(&fake).await;
    for (key, version) in [(METADATA, 13), (METADATA, -1), (1, 4)] {
        let error = connection.call(key, version, &[]).await.unwrap_err();
        assert!(matches!(error, CallError::Unsupported { .. }), "{error}");
    }
    assert!(!connection.is_poisoned());
}

#[tokio::test]
async fn an_answer_to_another_request_is_not_believed() {
    let error = failure(|request| {
        let other = Request { correlation: request.correlation + 1, ..request.clone() };
        Reply::Raw(framed(&other, b"body"))
    })
    .await;
    assert!(matches!(error, ExchangeError::Correlation { sent: 1, got: 2 }), "{error}");
}

#[tokio::test]
async fn impossible_lengths_and_other_protocols_are_named() {
    for length in [-1, 0, 3, (64 << 20) + 1, i32::MAX] {
        let error = failure(move |_| Reply::Raw(length.to_be_bytes().to_vec())).await;
        assert!(
            matches!(error, ExchangeError::FrameLength { declared, .. } if declared == length),
            "{error}"
        );
    }
    let error = failure(|_| Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    assert!(matches!(error, ExchangeError::SpeaksHttp), "{error}");
    let error = failure(|_| Reply::Raw(vec![21, 3, 3, 0, 2, 2, 70])).await;
    assert!(matches!(error, ExchangeError::SpeaksTls), "{error}");
}

#[tokio::test]
async fn a_broker_that_hangs_up_is_told_from_one_that_answers() {
    let error = failure(|_| Reply::Close).await;
    assert!(matches!(error, ExchangeError::Closed), "{error}");
    // Tags that end before they say they do.
    let error =
        failure(|request| Reply::Raw([&[0, 0, 0, 5], &request.correlation.to_be_bytes()[..], &[9]].concat()));
    let error = error.await;
    assert!(matches!(error, ExchangeError::Malformed(_)), "{error}");
}

#[tokio::test]
async fn silence_ends_in_time_and_poisons() {
    let fake = Fake::plain(|| offering_metadata(12, |_| Reply::Silence)).await;
    let mut dialer = dialer(Security::default());
    dialer.call_timeout = Duration::from_millis(50);
    let mut connection = Connection::connect(&dialer, &fake.host(), fake.port()).await.unwrap();
    let error = connection.call(METADATA, 12, &[]).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    assert!(connection.is_poisoned());
}

#[tokio::test]
async fn a_call_dropped_half_way_poisons() {
    let fake = Fake::plain(|| offering_metadata(12, |_| Reply::Silence)).await;
    let mut connection = connect(&fake).await;
    tokio::select! {
        biased;
        _ = connection.call(METADATA, 12, &[]) => panic!("nobody answers"),
        () = std::future::ready(()) => {}
    }
    assert!(connection.is_poisoned());
}

#[tokio::test]
async fn an_old_broker_is_asked_again_in_the_oldest_version() {
    let fake = Fake::plain(|| {
        Box::new(|request| match (request.key, request.version) {
            (API_VERSIONS, 0) => Reply::Body(api_versions(request, &[(3, 0, 5)])),
            // Error 35 comes in the layout of version 0, whatever was asked.
            (API_VERSIONS, _) => Reply::Body(vec![0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2]),
            _ => Reply::Close,
        })
    })
    .await;
    let connection = connect(&fake).await;
    assert_eq!(connection.versions().all().collect::<Vec<_>>(), [(3, 0..=5)]);
}

#[tokio::test]
async fn a_broker_that_never_says_what_it_can_do_is_an_error() {
    for code in [35, 42] {
        let fake = Fake::plain(move || Box::new(move |_| Reply::Body(vec![0, code, 0, 0, 0, 0]))).await;
        let error = Connection::connect(&dialer(Security::default()), &fake.host(), fake.port()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("ApiVersions: ") && error.contains(&format!("({code})")), "{error}");
    }
}

#[tokio::test]
async fn the_raw_stream_goes_on_where_the_connection_stopped() {
    let fake = Fake::plain(|| offering_metadata(12, |request| Reply::Body(request.body.clone()))).await;
    let mut stream = connect(&fake).await.into_stream().unwrap();
    let mut answer = [0; 12];
    let exchange = async {
        stream.write_all(&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 77, 255, 255, 1, 2, 3, 4]).await?;
        stream.read_exact(&mut answer).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap().unwrap();
    assert_eq!(answer, [0, 0, 0, 8, 0, 0, 0, 77, 1, 2, 3, 4]);
}
