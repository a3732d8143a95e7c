//! What is asked of objects one by one.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use store::{Key, Kind, Mode, PART_MIN, SharedStore};
use tokio::task::JoinSet;

use super::{key, kind, listed, text};

pub(super) async fn whole_objects(store: &SharedStore) {
    let a = key("whole/a");
    assert_eq!(kind(store.get(&a).await), Kind::NotFound);
    assert_eq!(kind(store.head(&a).await), Kind::NotFound);
    store.put(&a, text("first"), Mode::Create).await.unwrap();
    assert_eq!(kind(store.put(&a, text("second"), Mode::Create).await), Kind::Exists);
    assert_eq!(store.get(&a).await.unwrap(), "first");
    store.put(&a, text("third one"), Mode::Overwrite).await.unwrap();
    assert_eq!(store.get(&a).await.unwrap(), "third one");
    let meta = store.head(&a).await.unwrap();
    assert_eq!((meta.key, meta.size), (a.clone(), 9));
    let age = SystemTime::now().duration_since(meta.written).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
    store.put(&key("whole/empty"), Bytes::new(), Mode::Create).await.unwrap();
    assert_eq!(store.get(&key("whole/empty")).await.unwrap(), "");
    store.delete(&[a.clone(), key("whole/never")]).await.unwrap();
    store.delete(std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(kind(store.get(&a).await), Kind::NotFound);
    store.put(&a, text("again"), Mode::Create).await.unwrap();
}

pub(super) async fn ranges(store: &SharedStore) {
    let a = key("range/a");
    store.put(&a, text("0123456789"), Mode::Create).await.unwrap();
    for (range, is) in
        [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (4..4, ""), (10..10, "")]
    {
        assert_eq!(store.get_range(&a, range.clone()).await.unwrap(), is, "{range:?}");
    }
    for range in [0..11, 9..11, 10..11, 20..30, 11..11] {
        assert_eq!(kind(store.get_range(&a, range.clone()).await), Kind::Range, "{range:?}");
    }
    assert_eq!(kind(store.get_range(&key("range/b"), 0..1).await), Kind::NotFound);
}

pub(super) async fn listings(store: &SharedStore) {
    let names = ["list/a-b", "list/a/b", "list/a/c", "list/a0", "list/b"];
    for name in names.iter().rev() {
        store.put(&key(name), text("x"), Mode::Create).await.unwrap();
    }
    assert_eq!(listed(store, "list/", None, 100).await, names);
    assert_eq!(listed(store, "list/a", None, 100).await, names[..4], "a prefix is no folder");
    assert_eq!(listed(store, "list/a/", None, 100).await, names[1..3]);
    assert_eq!(listed(store, "list/", Some("list/a/b"), 2).await, names[2..4]);
    assert_eq!(listed(store, "list/", Some("list/a"), 1).await, names[..1]);
    assert_eq!(listed(store, "list/", Some("list/b"), 9).await, [] as [&str; 0]);
    assert_eq!(listed(store, "nothing/", None, 9).await, [] as [&str; 0]);
}

pub(super) async fn a_thousand(store: &SharedStore) {
    let keys: Vec<Key> = (0..1010).map(|i| key(&format!("many/{i:04}"))).collect();
    let mut puts = JoinSet::new();
    for keys in keys.chunks(101).map(<[Key]>::to_vec) {
        let store = store.clone();
        puts.spawn(async move {
            for key in keys {
                store.put(&key, text("x"), Mode::Create).await.unwrap();
            }
        });
    }
    puts.join_all().await;
    let first = store.list("many/", None, 5000).await.unwrap();
    assert_eq!(first.len(), 1000, "a page is a thousand");
    let rest = store.list("many/", Some(&first[999].key), 1000).await.unwrap();
    assert_eq!(rest.iter().map(|m| &m.key).collect::<Vec<_>>(), keys[1000..].iter().collect::<Vec<_>>());
    store.delete(&keys[..1000]).await.unwrap();
    assert_eq!(store.list("many/", None, 1000).await.unwrap().len(), 10);
}

pub(super) async fn uploads(store: &SharedStore) {
    let a = key("upload/a");
    let mut upload = store.upload(&a).await.unwrap();
    upload.part(vec![1; PART_MIN].into()).await.unwrap();
    upload.part(vec![2; PART_MIN].into()).await.unwrap();
    upload.part(vec![3; 10].into()).await.unwrap();
    assert_eq!(kind(store.head(&a).await), Kind::NotFound, "visible before it is complete");
    assert_eq!(listed(store, "upload/", None, 9).await, [] as [&str; 0]);
    upload.complete().await.unwrap();
    let end = 2 * PART_MIN as u64;
    assert_eq!(store.head(&a).await.unwrap().size, end + 10);
    assert_eq!(store.get_range(&a, end - 2..end + 2).await.unwrap(), vec![2, 2, 3, 3]);

    let mut second = store.upload(&a).await.unwrap();
    second.part(text("another")).await.unwrap();
    assert_eq!(kind(second.complete().await), Kind::Exists);
    assert_eq!(store.head(&a).await.unwrap().size, end + 10, "the first stays");

    let mut given_up = store.upload(&key("upload/b")).await.unwrap();
    given_up.part(text("half")).await.unwrap();
    given_up.abort().await.unwrap();
    assert_eq!(listed(store, "upload/", None, 9).await, ["upload/a"]);
}

/// The store in memory keeps no uploads that could be swept.
pub(super) async fn left_uploads(store: &SharedStore) {
    for name in ["left/a", "left/b", "other/c"] {
        let mut upload = store.upload(&key(name)).await.unwrap();
        upload.part(text("half")).await.unwrap();
        std::mem::forget(upload);
    }
    assert_eq!(store.abort_uploads("left/", Duration::from_secs(3600)).await.unwrap(), 0, "too young");
    assert_eq!(store.abort_uploads("left/", Duration::ZERO).await.unwrap(), 2);
    assert_eq!(store.abort_uploads("left/", Duration::ZERO).await.unwrap(), 0);
    assert_eq!(listed(store, "left/", None, 9).await, [] as [&str; 0]);
}

pub(super) async fn odd_names(store: &SharedStore) {
    let names = ["odd/a!b", "odd/a%20b", "odd/a&b=c", "odd/a+b", "odd/a;b", "odd/a~(b)'*,:@$"];
    for name in names {
        store.put(&key(name), text(name), Mode::Create).await.unwrap();
        assert_eq!(store.get(&key(name)).await.unwrap(), name);
    }
    assert_eq!(listed(store, "odd/", None, 9).await, names);
    store.delete(&names.map(key)).await.unwrap();
    assert_eq!(listed(store, "odd/", None, 9).await, [] as [&str; 0]);
}
