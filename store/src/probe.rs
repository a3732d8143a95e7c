//! Whether a store is what the register needs it to be. Asked at start, before anything is tiered.

use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinSet;

use crate::{Error, Key, Kind, Mode, SharedStore};

/// How many create the same object at once. Servers that look first and write then let two of them win.
const RACERS: u8 = 8;

/// Creates an object under `probe/`, tries to create it again, races for another, reads, and deletes.
///
/// # Errors
/// [`Kind::Unusable`] where create-if-absent does not hold: such a store must not be used. Otherwise what the store said,
/// so that missing rights and a missing bucket are found as well.
pub async fn probe(store: &SharedStore) -> Result<(), Error> {
    let (serial, raced) = (random_key()?, random_key()?);
    let outcome = check(store, &serial, &raced).await;
    let cleaned = store.delete(&[serial, raced]).await;
    outcome.and(cleaned)
}

async fn check(store: &SharedStore, serial: &Key, raced: &Key) -> Result<(), Error> {
    store.put(serial, Bytes::from_static(b"first"), Mode::Create).await?;
    match store.put(serial, Bytes::from_static(b"second"), Mode::Create).await {
        Err(e) if e.kind == Kind::Exists => {}
        Err(e) => return Err(e),
        Ok(()) => return Err(unfit("it replaces an object that was to be created only if absent")),
    }
    if store.get(serial).await? != "first" {
        return Err(unfit("what is read is not what was written"));
    }
    race(store, raced).await
}

async fn race(store: &SharedStore, key: &Key) -> Result<(), Error> {
    let mut racers = JoinSet::new();
    for i in 0..RACERS {
        let (store, key) = (store.clone(), key.clone());
        racers.spawn(async move { store.put(&key, vec![i].into(), Mode::Create).await });
    }
    let (mut won, mut unclear) = (0, 0);
    for outcome in racers.join_all().await {
        match outcome.map_err(|e| e.kind) {
            Ok(()) => won += 1,
            Err(Kind::Exists) => {}
            Err(_) => unclear += 1,
        }
    }
    match won {
        1 => Ok(()),
        // Conflicts, lost answers: nobody may have heard that it won.
        0 if unclear > 0 => Ok(()),
        _ => Err(unfit(&format!("{won} of {RACERS} that create one object at once are told that they did"))),
    }
}

fn unfit(said: &str) -> Error {
    Error::new(Kind::Unusable, "probe of the store", said)
}

fn random_key() -> Result<Key, Error> {
    let mut id = [0; 16];
    let no_random = || Error::new(Kind::Transient, "probe", "the system gave no randomness");
    SystemRandom::new().fill(&mut id).map_err(|_| no_random())?;
    let key = Key::new(&format!("probe/{:032x}", u128::from_be_bytes(id)));
    key.ok_or_else(|| Error::new(Kind::Unusable, "probe", "no key"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Memory;

    #[tokio::test]
    async fn a_sound_store_passes_and_nothing_is_left() {
        let store: SharedStore = Arc::new(Memory::default());
        probe(&store).await.unwrap();
        assert_eq!(store.list("", None, 10).await.unwrap(), []);
    }
}
