//! An object that arrives in parts.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use super::blocking;
use super::files::Draft;
use crate::{Error, Kind, Mode, Upload};

/// Parts so far.
#[derive(Debug)]
pub(super) struct Parts {
    /// `None` while a part is being written, and for good if that was given up half-way.
    draft: Option<Draft>,
    path: PathBuf,
    what: String,
}

impl Parts {
    pub(super) fn new(draft: Draft, path: PathBuf, what: String) -> Self {
        Self { draft: Some(draft), path, what }
    }

    fn take(&mut self) -> Result<Draft, Error> {
        let gone = || Error::new(Kind::Transient, self.what.clone(), "a part failed: begin again");
        self.draft.take().ok_or_else(gone)
    }
}

#[async_trait]
impl Upload for Parts {
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        let mut draft = self.take()?;
        let write = move |what: String| draft.append(&body, &what).map(|()| draft);
        self.draft = Some(blocking(self.what.clone(), write).await?);
        Ok(())
    }

    async fn complete(mut self: Box<Self>) -> Result<(), Error> {
        let draft = self.take()?;
        let path = self.path;
        blocking(self.what, move |what| draft.publish(&path, Mode::Create, &what)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        let draft = self.draft;
        blocking(self.what, move |_| {
            drop(draft);
            Ok(())
        })
        .await
    }
}
