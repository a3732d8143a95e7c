//! One table of promises, kept by every store: in memory, in a directory, and behind real S3 servers.

use std::sync::Arc;

use store::dir::Dir;
use store::memory::Memory;
use store::s3::Settings;
use store::{Key, SharedStore, probe};
#[cfg(feature = "slow")]
use tidegate_tests::s3::{Maker, Server};

use super::{listed, objects, races, s3, s3proxy};

async fn all(store: SharedStore, keeps_uploads: bool) {
    objects::whole_objects(&store).await;
    objects::ranges(&store).await;
    objects::listings(&store).await;
    objects::a_thousand(&store).await;
    objects::uploads(&store).await;
    if keeps_uploads {
        objects::left_uploads(&store).await;
    }
    objects::odd_names(&store).await;
    races::many_create_one(&store).await;
    probe::probe(&store).await.unwrap();
    races::many_write_one_register(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_keeps_every_promise() {
    all(Arc::new(Memory::default()), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_every_promise() {
    let tmp = tempfile::tempdir().unwrap();
    all(Arc::new(Dir::open(tmp.path()).unwrap()), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3proxy_keeps_every_promise_and_a_prefix_keeps_apart() {
    let settings = s3proxy().bucket().unwrap();
    let store = s3(Settings { prefix: Key::new("prod/one"), ..settings.clone() }).await;
    all(store, true).await;
    let other = s3(Settings { prefix: Key::new("prod/on"), ..settings.clone() }).await;
    assert_eq!(other.list("", None, 1).await.unwrap(), []);
    assert!(listed(&s3(settings).await, "prod/one/whole/", None, 9).await.len() == 2);
}

#[cfg(feature = "slow")]
#[tokio::test(flavor = "multi_thread")]
async fn versitygw_keeps_every_promise() {
    let server = Server::start(Maker::VersityGw).unwrap();
    all(s3(server.bucket().unwrap()).await, true).await;
}
