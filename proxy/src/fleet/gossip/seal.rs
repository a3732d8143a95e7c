//! Datagrams that only gateways of the fleet can write and read.
//!
//! ```text
//! version u8 = 1 | salt 16 bytes | number u64 | AES-256-GCM(what is said) | tag 16 bytes
//! ```
//!
//! The salt is a process's own, so that each has a key of its own (HKDF-SHA256 of the fleet's key and the salt, RFC 5869) and can number its datagrams from
//! one on: a nonce never comes twice under one key (NIST SP 800-38D, 8.2.1). Numbers only go up: whoever sends again what he overheard is not listened to.
//! A receiver that has forgotten a process, or has never heard it, can't tell that its datagrams are old. So somebody on the path who recorded what a gateway
//! said can send that again, in its order, to one that was started since: it takes the former for alive, with the card of that time, for as long as the
//! recording goes on, once for each start and recording. The harm is clients sent to an address where nobody is for so long. He can make up nothing, a gateway
//! that lives and is heard ends it by its higher numbers, and a key that is taken out of the ring ends it for good. To prevent it a receiver would have to be
//! answered: a handshake between each two, at addresses that need not be those that answers come from.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use config::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
/// Version, salt, number: authenticated, not hidden.
const HEAD_LEN: usize = 1 + SALT_LEN + 8;
/// What keys are derived for.
const PURPOSE: &[u8] = b"tidegate fleet gossip 1";

/// Most processes whose last number is remembered.
const KNOWN_MAX: usize = 1_024;

/// The fleet's keys, as a reload may change them. The first seals.
#[derive(Debug)]
pub struct Keyring(ArcSwap<Vec<Secret>>);

impl Keyring {
    /// Of a file.
    pub fn new(keys: &[Secret]) -> Self {
        Self(ArcSwap::from_pointee(keys.to_vec()))
    }

    /// Of another file.
    pub fn change(&self, keys: &[Secret]) {
        self.0.store(Arc::new(keys.to_vec()));
    }
}

/// Why a datagram is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Whoever sent it has none of the fleet's keys.
    Stranger,
    /// It was heard before, or has been overtaken.
    Replayed,
}

/// Seals what this process says.
pub struct Sealer {
    ring: Arc<Keyring>,
    salt: [u8; SALT_LEN],
    number: u64,
    /// Derived from the key beside it.
    key: Option<(Secret, LessSafeKey)>,
}

impl Sealer {
    /// For a process that draws a salt once.
    pub fn new(ring: Arc<Keyring>) -> Self {
        Self { ring, salt: rand::random(), number: 0, key: None }
    }

    /// The datagram that says `said`; `None` if there is no key, which no file leads to.
    pub fn seal(&mut self, said: &[u8]) -> Option<Vec<u8>> {
        let keys = self.ring.0.load();
        let first = keys.first()?;
        if self.key.as_ref().is_none_or(|(secret, _)| secret != first) {
            // Another salt with another key: numbers need not be remembered per key.
            (self.salt, self.number) = (rand::random(), 0);
            self.key = Some((first.clone(), derive(first, &self.salt)?));
        }
        self.number += 1;
        let mut out = Vec::with_capacity(HEAD_LEN + said.len() + AES_256_GCM.tag_len());
        out.push(VERSION);
        out.extend(self.salt);
        out.extend(self.number.to_be_bytes());
        let aad = Aad::from(<[u8; HEAD_LEN]>::try_from(&out[..]).ok()?);
        out.extend(said);
        let (_, key) = self.key.as_ref()?;
        let tag = key.seal_in_place_separate_tag(nonce(self.number), aad, &mut out[HEAD_LEN..]).ok()?;
        out.extend(tag.as_ref());
        Some(out)
    }
}

/// A process that was heard.
struct Known {
    secret: Secret,
    key: LessSafeKey,
    /// Of the last datagram that was listened to.
    number: u64,
    /// When that was, counted in datagrams.
    heard: u64,
}

/// Opens what others say.
pub struct Opener {
    ring: Arc<Keyring>,
    known: HashMap<[u8; SALT_LEN], Known>,
    heard: u64,
}

impl Opener {
    /// One that has heard nobody yet.
    pub fn new(ring: Arc<Keyring>) -> Self {
        Self { ring, known: HashMap::new(), heard: 0 }
    }

    /// What the datagram says.
    ///
    /// # Errors
    /// It isn't from a gateway of the fleet, or not new.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        let (head, body) = datagram.split_at_mut_checked(HEAD_LEN).ok_or(Refusal::Stranger)?;
        let aad: [u8; HEAD_LEN] = (&*head).try_into().map_err(|_| Refusal::Stranger)?;
        let (salt, number) = parse(&aad).ok_or(Refusal::Stranger)?;
        self.heard += 1;
        let keys = self.ring.0.load_full();
        if let Some(known) = self.known.get_mut(&salt).filter(|known| keys.contains(&known.secret)) {
            if number <= known.number {
                return Err(Refusal::Replayed);
            }
            let said = open_with(&known.key, number, aad, body).ok_or(Refusal::Stranger)?;
            (known.number, known.heard) = (number, self.heard);
            return Ok(said);
        }
        let (secret, key, said) = meet(&keys, &salt, number, aad, body).ok_or(Refusal::Stranger)?;
        self.make_room();
        self.known.insert(salt, Known { secret, key, number, heard: self.heard });
        Ok(said)
    }

    /// Forgets whoever was silent for longest.
    fn make_room(&mut self) {
        if self.known.len() < KNOWN_MAX {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.heard).map(|(salt, _)| *salt);
        oldest.and_then(|salt| self.known.remove(&salt));
    }
}

fn parse(head: &[u8; HEAD_LEN]) -> Option<([u8; SALT_LEN], u64)> {
    let (version, rest) = head.split_first()?;
    let (salt, number) = rest.split_first_chunk()?;
    (*version == VERSION).then_some((*salt, u64::from_be_bytes(number.try_into().ok()?)))
}

/// Finds the key by which a process that was never heard before speaks. A failed attempt overwrites what it tried to open, so each has a copy.
fn meet<'a>(
    keys: &[Secret],
    salt: &[u8; SALT_LEN],
    number: u64,
    head: [u8; HEAD_LEN],
    body: &'a mut [u8],
) -> Option<(Secret, LessSafeKey, &'a [u8])> {
    for secret in keys {
        let (key, mut copy) = (derive(secret, salt)?, body.to_vec());
        if let Some(said) = open_with(&key, number, head, &mut copy) {
            let said_len = said.len();
            body[..said_len].copy_from_slice(said);
            return Some((secret.clone(), key, &body[..said_len]));
        }
    }
    None
}

fn open_with<'a>(
    key: &LessSafeKey,
    number: u64,
    head: [u8; HEAD_LEN],
    body: &'a mut [u8],
) -> Option<&'a [u8]> {
    key.open_in_place(nonce(number), Aad::from(head), body).ok().map(|said| &*said)
}

fn derive(secret: &Secret, salt: &[u8]) -> Option<LessSafeKey> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret.reveal().as_bytes());
    let okm = prk.expand(&[PURPOSE], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(okm)))
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&str]) -> Arc<Keyring> {
        let keys: Vec<_> = keys.iter().map(|k| Secret::new(*k)).collect();
        Arc::new(Keyring::new(&keys))
    }

    fn heard(opener: &mut Opener, datagram: &[u8]) -> Result<Vec<u8>, Refusal> {
        opener.open(&mut datagram.to_vec()).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_a_gateway_of_the_fleet_says_is_heard_once() {
        let (mut sealer, mut opener) = (Sealer::new(ring(&["k"])), Opener::new(ring(&["k"])));
        let [first, second] = [b"one", b"two"].map(|said| sealer.seal(said).unwrap());
        assert_eq!(heard(&mut opener, &first).as_deref(), Ok(&b"one"[..]));
        assert_eq!(heard(&mut opener, &first), Err(Refusal::Replayed));
        assert_eq!(heard(&mut opener, &second).as_deref(), Ok(&b"two"[..]));
        assert_eq!(heard(&mut opener, &first), Err(Refusal::Replayed));
        assert!(!first.windows(3).any(|w| w == b"one"), "in clear");
    }

    #[test]
    fn strangers_and_whatever_was_changed_on_the_way_are_not_listened_to() {
        let (mut sealer, mut opener) = (Sealer::new(ring(&["k"])), Opener::new(ring(&["k"])));
        let good = sealer.seal(b"said").unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(heard(&mut opener, &bad), Err(Refusal::Stranger), "byte {at}");
            assert_eq!(heard(&mut opener, &good[..at]), Err(Refusal::Stranger), "cut at {at}");
        }
        let foreign = Sealer::new(ring(&["other"])).seal(b"said").unwrap();
        assert_eq!(heard(&mut opener, &foreign), Err(Refusal::Stranger));
        assert!(heard(&mut opener, &good).is_ok(), "nothing of that kept the true one out");
    }

    #[test]
    fn keys_are_changed_without_a_gap_and_an_old_one_opens_nothing_once_it_is_gone() {
        let (here, there) = (ring(&["old"]), ring(&["old"]));
        let (mut sealer, mut opener) = (Sealer::new(here.clone()), Opener::new(there.clone()));
        assert!(heard(&mut opener, &sealer.seal(b"1").unwrap()).is_ok());
        there.change(&[Secret::new("old"), Secret::new("new")]);
        assert!(heard(&mut opener, &sealer.seal(b"2").unwrap()).is_ok());
        let last_by_old = sealer.seal(b"3").unwrap();
        here.change(&[Secret::new("new"), Secret::new("old")]);
        assert!(heard(&mut opener, &sealer.seal(b"4").unwrap()).is_ok());
        there.change(&[Secret::new("new")]);
        assert_eq!(heard(&mut opener, &last_by_old), Err(Refusal::Stranger));
        assert!(heard(&mut opener, &sealer.seal(b"5").unwrap()).is_ok());
    }

    #[test]
    fn who_was_silent_for_longest_is_forgotten_first_and_memory_has_a_bound() {
        let mut opener = Opener::new(ring(&["k"]));
        let mut sealers: Vec<_> = (0..=KNOWN_MAX).map(|_| Sealer::new(ring(&["k"]))).collect();
        let first = sealers[0].seal(b"x").unwrap();
        assert!(heard(&mut opener, &first).is_ok());
        for sealer in &mut sealers[1..] {
            assert!(heard(&mut opener, &sealer.seal(b"x").unwrap()).is_ok());
        }
        assert_eq!(opener.known.len(), KNOWN_MAX);
        assert!(heard(&mut opener, &first).is_ok(), "forgotten, so it passes for new: see above");
    }
}
