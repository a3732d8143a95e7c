//! A partition's manifest and the right to change it.

use kafka::types::Offset;
use store::register::{Lost, Register, Writer};
use store::{Kind, Mode};

use crate::layout::{Life, Marker, marker_body};
use crate::manifest::{Manifest, ManifestError};
use crate::offload::Tools;
use crate::source::{Named, SourceError};

/// Why the manifest did not change, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another gateway owns the partition.
    #[error("another gateway has taken the partition over")]
    Fenced,
    /// The store. What was to be committed may have been; the next commit builds on what is there.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// What is there is no manifest of this partition.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The brokers would not say where the log begins.
    #[error("{0}")]
    Source(#[from] SourceError),
}

/// The manifest.
#[derive(Debug)]
pub struct Ledger {
    writer: Writer,
    manifest: Manifest,
}

impl Ledger {
    /// Takes it over. A new one begins where `start` says the log does.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn take_over<F>(
        tools: &Tools,
        name: &Named,
        owner: &str,
        start: impl FnOnce() -> F,
    ) -> Result<Self, LedgerError>
    where
        F: Future<Output = Result<Offset, SourceError>>,
    {
        // The topic's marker comes first: what has a manifest can be found.
        let marker = Marker { name: name.topic.to_string(), life: Life::Live };
        match tools.store.put(&tools.layout.topic(name.id), marker_body(&marker), Mode::Create).await {
            Err(e) if e.kind != Kind::Exists => return Err(e.into()),
            _ => {}
        }
        let register = Register::new(tools.store.clone(), tools.layout.manifests(name.id));
        let mut writer = Writer::take_over(register, owner).await.map_err(lost)?;
        if !writer.newest().body.is_empty() {
            let manifest = Manifest::decode(&writer.newest().body)?;
            return Ok(Self { manifest: owned(manifest, name)?, writer });
        }
        let manifest = Manifest::new(&name.topic, name.id, start().await?);
        writer.commit(manifest.encode().into()).await.map_err(lost)?;
        Ok(Self { writer, manifest })
    }

    /// As last committed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its version.
    pub fn seq(&self) -> store::register::Seq {
        self.writer.newest().seq
    }

    /// Makes `manifest`, made from [`manifest`](Self::manifest), the newest.
    ///
    /// # Errors
    /// See [`LedgerError`]. After an error of the store [`manifest`](Self::manifest) is what is known to be committed.
    pub async fn commit(&mut self, manifest: Manifest) -> Result<(), LedgerError> {
        match self.writer.commit(manifest.encode().into()).await {
            Ok(_) => {
                self.manifest = manifest;
                Ok(())
            }
            // An earlier commit whose answer was lost: go on from there.
            Err(Lost::Behind(newest)) => {
                self.manifest = Manifest::decode(&newest.body)?;
                Err(store::Error::new(Kind::Conflict, "commit", "an earlier commit came through after all")
                    .into())
            }
            Err(e) => Err(lost(e)),
        }
    }
}

fn owned(manifest: Manifest, name: &Named) -> Result<Manifest, ManifestError> {
    match manifest.partition == name.id {
        true => Ok(manifest),
        false => Err(ManifestError::Unsound("it is another partition's")),
    }
}

fn lost(lost: Lost) -> LedgerError {
    match lost {
        Lost::Fenced { .. } => LedgerError::Fenced,
        Lost::Io(e) | Lost::Unknown(e) => LedgerError::Store(e),
        Lost::Behind(v) => {
            store::Error::new(Kind::Conflict, "commit", format!("version {} came before", v.seq)).into()
        }
    }
}
