//! Many at once: of those that create one object one wins, and so each version of a register has one writer.

use std::time::{Duration, SystemTime};

use store::register::{Keep, Lost, Register, Version, Writer};
use store::{Kind, Mode, SharedStore};
use tokio::task::JoinSet;

use super::key;

pub(super) async fn many_create_one(store: &SharedStore) {
    for round in 0..20 {
        let name = key(&format!("race/{round}"));
        let mut race = JoinSet::new();
        for i in 0..32u8 {
            let (store, name) = (store.clone(), name.clone());
            race.spawn(async move { (i, store.put(&name, vec![i; 1000].into(), Mode::Create).await) });
        }
        let all = race.join_all().await;
        let winners: Vec<u8> = all.iter().filter(|(_, o)| o.is_ok()).map(|(i, _)| *i).collect();
        let losers = all.iter().filter_map(|(_, o)| o.as_ref().err());
        assert!(
            losers.clone().all(|e| matches!(e.kind, Kind::Exists | Kind::Conflict)),
            "{:?}",
            losers.collect::<Vec<_>>()
        );
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(store.get(&name).await.unwrap(), vec![winners[0]; 1000]);
    }
}

/// Takes over and commits until it has committed; every version that it believes to be its own.
async fn contend(register: Register, name: String) -> Vec<Version> {
    let mut believed = Vec::new();
    loop {
        let mut writer = match Writer::take_over(register.clone(), &name).await {
            Ok(writer) => writer,
            Err(Lost::Fenced { .. }) => continue,
            Err(lost) => panic!("{lost}"),
        };
        believed.push(writer.newest().clone());
        match writer.commit(name.clone().into()).await {
            Ok(_) => believed.push(writer.newest().clone()),
            Err(Lost::Fenced { .. }) => continue,
            Err(lost) => panic!("{lost}"),
        }
        return believed;
    }
}

pub(super) async fn many_write_one_register(store: &SharedStore) {
    let register = Register::new(store.clone(), key("reg"));
    let mut writers = JoinSet::new();
    for i in 0..32 {
        writers.spawn(contend(register.clone(), format!("writer {i}")));
    }
    let mut believed: Vec<Version> = writers.join_all().await.into_iter().flatten().collect();
    believed.sort_by_key(|v| v.seq);
    let numbers: Vec<u64> = believed.iter().map(|v| v.seq.get()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each number has one winner");
    for version in &believed {
        let stored = store.get(&key(&format!("reg/{}", version.seq))).await.unwrap();
        assert!(stored.ends_with(&version.body), "version {}", version.seq);
    }
    assert_eq!(register.read_newest(None).await.unwrap().as_ref(), believed.last());
    let keep = Keep { versions: 2, grace: Duration::ZERO };
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(register.collect(keep, in_an_hour).await.unwrap(), numbers.len() - 2);
    assert_eq!(register.read_newest(None).await.unwrap().as_ref(), believed.last());
}
