//! Any broker that answers will do, and if none does, each one's reason is told.

use super::fake::{Fake, Reply, closed_port, dialer, offering_metadata};
use crate::client::{Bootstrap, Security};

fn dead(host: u8, port: u16) -> (String, u16) {
    (format!("127.0.0.{host}"), port)
}

/// A broker that is told from others by the highest Metadata version it offers.
async fn broker(mark: i16) -> Fake {
    Fake::plain(move || offering_metadata(mark, |_| Reply::Silence)).await
}

async fn reached(bootstrap: &Bootstrap, known: &[(String, u16)]) -> i16 {
    *bootstrap.any(known).await.unwrap().versions().range(3).unwrap().end()
}

#[tokio::test]
async fn one_living_server_is_found_behind_dead_ones() {
    let (fake, port) = (broker(10).await, closed_port().await);
    let servers = vec![dead(2, port), dead(3, port), fake.server()];
    let bootstrap = Bootstrap::new(dialer(Security::default()), servers);
    for _ in 0..3 {
        assert_eq!(reached(&bootstrap, &[dead(4, port)]).await, 10);
    }
}

#[tokio::test]
async fn calls_take_turns_among_the_servers() {
    let fakes = [broker(10).await, broker(11).await, broker(12).await];
    let servers = fakes.iter().map(Fake::server).collect();
    let bootstrap = Bootstrap::new(dialer(Security::default()), servers);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(reached(&bootstrap, &[]).await);
    }
    seen.sort_unstable();
    assert_eq!(seen, [10, 11, 12]);
}

#[tokio::test]
async fn brokers_known_from_before_are_asked_first() {
    let (server, known) = (broker(10).await, broker(11).await);
    let bootstrap = Bootstrap::new(dialer(Security::default()), vec![server.server()]);
    assert_eq!(reached(&bootstrap, &[known.server()]).await, 11);
}

#[tokio::test]
async fn when_nobody_answers_every_attempt_is_told_once() {
    let port = closed_port().await;
    let known: Vec<_> = (10..30).map(|host| dead(host, port)).collect();
    let servers = vec![dead(2, port), dead(3, port), dead(2, port)];
    let bootstrap = Bootstrap::new(dialer(Security::default()), servers);
    let error = bootstrap.any(&known).await.unwrap_err();
    assert_eq!(error.attempts.len(), 8 + 2, "{error}");
    let text = error.to_string();
    assert!([2, 3].iter().all(|host| text.contains(&format!("127.0.0.{host}:{port}: "))), "{text}");
}

#[tokio::test]
async fn no_servers_at_all_is_an_error_and_no_panic() {
    let bootstrap = Bootstrap::new(dialer(Security::default()), Vec::new());
    let error = bootstrap.any(&[]).await.unwrap_err();
    assert_eq!(error.to_string(), "no broker answers: no bootstrap server is named");
}
