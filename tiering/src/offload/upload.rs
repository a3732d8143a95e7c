//! Streams one segment from the brokers to the store: at most two parts of it are in memory, and nothing on disk.

use bytes::{Bytes, BytesMut};
use kafka::batch::Batches;
use kafka::client::log::Fetched;
use kafka::types::Offset;
use store::{Key, Mode, Upload};

use crate::lineage::Lineage;
use crate::manifest::Entry;
use crate::offload::{OffloadError, Tools};
use crate::segment::aux::Aux;
use crate::segment::cut::Cut;
use crate::source::Named;

/// Bytes per part: one PUT each.
const PART: usize = 24 << 20;
/// Bytes asked of a broker at a time.
const FETCH: u32 = 4 << 20;

/// A number that no other segment has. 53 bits, so that every JSON reader takes it.
pub(super) fn nonce() -> u64 {
    rand::random::<u64>() >> 11
}

/// Uploads the segment that begins with `first`, what was fetched at `from`. `None` if there is no whole batch.
pub(super) async fn segment(
    tools: &Tools,
    name: &Named,
    from: Offset,
    first: Fetched,
    size_max: u32,
) -> Result<Option<(Entry, Lineage)>, OffloadError> {
    let (mut cut, nonce) = (Cut::new(from, size_max), nonce());
    let (mut fetched, mut body) = (first, None);
    loop {
        let full = take(tools, name, nonce, &mut cut, &mut body, &fetched).await?;
        if full || cut.end() >= fetched.last_stable {
            break;
        }
        let last = cut.last_epoch();
        let next = tools.source.fetch(name, cut.end(), last, FETCH).await?;
        // The log took another turn meanwhile: what was taken so far is sorted out by the next step.
        if next.records.is_empty() || next.diverging.is_some() {
            break;
        }
        tools.pace.wait(next.records.len()).await;
        fetched = next;
    }
    let (Some(body), Some(aux)) = (body, cut.finish()) else { return Ok(None) };
    let entry = entry(&aux, nonce);
    body.finish(tools).await?;
    let key = tools.layout.aux(name.id, &entry);
    tools.store.put(&key, aux.encode().into(), Mode::Create).await?;
    Ok(Some((entry, aux.epochs)))
}

fn entry(aux: &Aux, nonce: u64) -> Entry {
    Entry {
        base: aux.base,
        len: (aux.end.0 - aux.base.0) as u32,
        size: aux.size,
        max_timestamp: aux.max_timestamp,
        nonce,
    }
}

/// Takes the whole batches of what was fetched. True once the segment is full.
async fn take(
    tools: &Tools,
    name: &Named,
    nonce: u64,
    cut: &mut Cut,
    body: &mut Option<Body>,
    fetched: &Fetched,
) -> Result<bool, OffloadError> {
    cut.announced(&fetched.aborted);
    let mut taken = 0..0;
    let mut full = false;
    for batch in Batches::new(&fetched.records) {
        let batch = batch.map_err(OffloadError::Format)?;
        // Asked for an offset, a broker begins with the batch that holds it.
        if batch.end_offset() <= cut.end() {
            taken = batch.span().end..batch.span().end;
            continue;
        }
        full = cut.is_full_for(&batch);
        if full {
            break;
        }
        cut.take(&batch)?;
        taken.end = batch.span().end;
    }
    if taken.is_empty() {
        return Ok(full);
    }
    let body = match body {
        Some(body) => body,
        None => {
            let named = Entry { base: cut.base(), len: 0, size: 0, max_timestamp: 0, nonce };
            body.insert(Body::new(tools.layout.log(name.id, &named)))
        }
    };
    body.push(tools, fetched.records.slice(taken)).await?;
    Ok(full)
}

/// The object in the making: one put if it fits into a part, else parts.
struct Body {
    key: Key,
    upload: Option<Box<dyn Upload>>,
    part: BytesMut,
}

impl Body {
    fn new(key: Key) -> Self {
        Self { key, upload: None, part: BytesMut::new() }
    }

    async fn push(&mut self, tools: &Tools, mut bytes: Bytes) -> Result<(), OffloadError> {
        while !bytes.is_empty() {
            let room = PART - self.part.len();
            self.part.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if self.part.len() == PART && !bytes.is_empty() {
                self.send(tools).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, tools: &Tools) -> Result<(), OffloadError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(tools.store.upload(&self.key).await?),
        };
        let part = std::mem::replace(&mut self.part, BytesMut::with_capacity(PART));
        Ok(upload.part(part.freeze()).await?)
    }

    async fn finish(mut self, tools: &Tools) -> Result<(), OffloadError> {
        if self.upload.is_none() {
            return Ok(tools.store.put(&self.key, self.part.freeze(), Mode::Create).await?);
        }
        self.send(tools).await?;
        match self.upload {
            Some(upload) => Ok(upload.complete().await?),
            None => Ok(()),
        }
    }
}
