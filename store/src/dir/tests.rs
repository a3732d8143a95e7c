use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;

use super::{Dir, UNFINISHED};
use crate::{Key, Kind, Mode, Store};

fn dir() -> (tempfile::TempDir, Dir) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = Dir::open(tmp.path()).unwrap();
    (tmp, dir)
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn put(dir: &Dir, name: &str) {
    dir.put(&key(name), Bytes::from_static(b"x"), Mode::Create).await.unwrap();
}

async fn names(dir: &Dir, prefix: &str) -> Vec<String> {
    let found = dir.list(prefix, None, 100).await.unwrap();
    found.iter().map(|m| m.key.to_string()).collect()
}

#[tokio::test]
async fn a_listing_is_in_the_order_of_bytes_though_folders_are_not() {
    let (_tmp, dir) = dir();
    for name in ["a/b", "a-b", "a.b", "a0", "B"] {
        put(&dir, name).await;
    }
    assert_eq!(names(&dir, "").await, ["B", "a-b", "a.b", "a/b", "a0"]);
}

#[tokio::test]
async fn what_is_unfinished_is_neither_listed_nor_read_and_leaves_nothing_behind() {
    let (tmp, dir) = dir();
    let mut upload = dir.upload(&key("seg/1/x.log")).await.unwrap();
    upload.part(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(names(&dir, "").await, [] as [&str; 0]);
    assert_eq!(dir.get(&key("seg/1/x.log")).await.unwrap_err().kind, Kind::NotFound);
    upload.complete().await.unwrap();
    assert_eq!(names(&dir, "").await, ["seg/1/x.log"]);
    let left = fs::read_dir(tmp.path().join(UNFINISHED)).unwrap().count();
    assert_eq!(left, 0);
    assert_eq!(dir.abort_uploads("", Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn an_upload_that_was_left_is_swept_by_key_and_age() {
    let (_tmp, dir) = dir();
    for name in ["a/1", "b/1"] {
        let mut upload = dir.upload(&key(name)).await.unwrap();
        upload.part(Bytes::from_static(b"half")).await.unwrap();
        // As when the process is killed: nobody cleans up.
        std::mem::forget(upload);
    }
    assert_eq!(dir.abort_uploads("a/", Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(dir.abort_uploads("a/", Duration::ZERO).await.unwrap(), 1);
    assert_eq!(dir.abort_uploads("", Duration::ZERO).await.unwrap(), 1);
}

#[tokio::test]
async fn folders_that_became_empty_go_and_come_back() {
    let (tmp, dir) = dir();
    put(&dir, "a/b/c/d").await;
    dir.delete(&[key("a/b/c/d"), key("a/never")]).await.unwrap();
    assert!(!tmp.path().join("a/b").exists());
    put(&dir, "a/b/c/d").await;
    assert_eq!(names(&dir, "a/").await, ["a/b/c/d"]);
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_is_denied() {
    let (tmp, dir) = dir();
    put(&dir, "a/1").await;
    fs::set_permissions(tmp.path().join("a"), fs::Permissions::from_mode(0o555)).unwrap();
    let outcome = dir.put(&key("a/2"), Bytes::new(), Mode::Create).await;
    // Root may write everywhere, so there the fault cannot be had.
    let is_root = fs::write(tmp.path().join("a/probe"), "").is_ok();
    fs::set_permissions(tmp.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(outcome.map_err(|e| e.kind), if is_root { Ok(()) } else { Err(Kind::Denied) });
}

#[tokio::test]
async fn a_key_below_an_object_is_refused_and_not_taken_for_existing() {
    let (_tmp, dir) = dir();
    put(&dir, "a").await;
    let error = dir.put(&key("a/b"), Bytes::new(), Mode::Create).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unusable, "{error}");
    let error = dir.put(&key(&format!("{UNFINISHED}/x")), Bytes::new(), Mode::Create).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unusable);
}

#[tokio::test]
async fn of_many_that_create_one_key_one_wins_and_its_bytes_stay() {
    let (_tmp, dir) = dir();
    for round in 0..20 {
        let name = key(&format!("race/{round}"));
        let race = (0..16u8).map(|i| {
            let (dir, name) = (dir.clone(), name.clone());
            tokio::spawn(async move { (i, dir.put(&name, vec![i; 100].into(), Mode::Create).await) })
        });
        let mut winners = Vec::new();
        for one in race.collect::<Vec<_>>() {
            match one.await.unwrap() {
                (i, Ok(())) => winners.push(i),
                (_, Err(e)) => assert_eq!(e.kind, Kind::Exists, "{e}"),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(dir.get(&name).await.unwrap(), vec![winners[0]; 100]);
    }
}
