//! The array of nodes with addresses, which five answers share in slightly different shapes.

use super::{AbsentBroker, Directory};
use crate::types::BrokerId;
use crate::wire::{Reader, Result, put_array_len, put_nullable_string, put_string};

/// The longest host that is written.
const HOST_MAX: usize = 255;

/// Which fields a node has after its id, host and port.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Compact lengths, and tags at the end.
    pub(super) flexible: bool,
    /// A nullable rack.
    pub(super) rack: bool,
    /// A flag for fenced brokers (KIP-1073).
    pub(super) fenced: bool,
}

impl Shape {
    /// The shape of KIP-951's node endpoints, in all answers that carry them.
    pub(super) const ENDPOINT: Self = Self { flexible: true, rack: true, fenced: false };

    /// The least bytes a node takes: empty host, null rack, no tags.
    pub(super) fn least(self) -> usize {
        let (text, tags) = if self.flexible { (1, 1) } else { (2, 0) };
        4 + text + 4 + usize::from(self.rack) * text + usize::from(self.fenced) + tags
    }
}

/// Nodes as clients should see them.
pub(super) struct Nodes {
    shape: Shape,
    body: Vec<u8>,
    count: usize,
    /// Every node that was read, mapped or not.
    pub(super) present: Vec<BrokerId>,
    /// Those left out, because the directory does not know them.
    pub(super) unmapped: Vec<BrokerId>,
}

impl Nodes {
    /// Reads an array of nodes and replaces their addresses. `None` for a null array.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        shape: Shape,
        directory: &dyn Directory,
    ) -> Result<Option<Self>> {
        let Some(count) = reader.array_len(shape.flexible, shape.least())? else { return Ok(None) };
        let mut nodes = Self { shape, body: Vec::new(), count: 0, present: Vec::new(), unmapped: Vec::new() };
        for _ in 0..count {
            let id = BrokerId(reader.i32()?);
            reader.string_bytes(shape.flexible)?;
            reader.skip(4)?;
            let tail = tail(reader, shape)?;
            nodes.present.push(id);
            if !nodes.push(id, directory, |out| out.extend_from_slice(tail)) {
                nodes.unmapped.push(id);
            }
        }
        Ok(Some(nodes))
    }

    /// Adds a broker that is not there any more; one without an endpoint is not added. Its shape has no
    /// flag for fenced brokers.
    pub(super) fn push_absent(&mut self, broker: &AbsentBroker, directory: &dyn Directory) {
        let Shape { flexible, rack, .. } = self.shape;
        let rack_name = broker.rack.as_deref().filter(|name| name.len() <= HOST_MAX);
        self.push(broker.id, directory, |out| {
            if rack {
                put_nullable_string(out, rack_name, flexible);
            }
            if flexible {
                out.push(0);
            }
        });
    }

    fn push(&mut self, id: BrokerId, directory: &dyn Directory, tail: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some((host, port)) = endpoint(directory, id) else { return false };
        self.body.extend_from_slice(&id.0.to_be_bytes());
        put_string(&mut self.body, host, self.shape.flexible);
        self.body.extend_from_slice(&i32::from(port).to_be_bytes());
        tail(&mut self.body);
        self.count += 1;
        true
    }

    /// Appends the array.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_array_len(out, self.count, self.shape.flexible);
        out.extend_from_slice(&self.body);
    }

    /// How many bytes [`Nodes::put`] appends, at most.
    pub(super) fn size_max(&self) -> usize {
        self.body.len() + 5
    }
}

/// A broker's endpoint, if there is one that can be written.
pub(super) fn endpoint(directory: &dyn Directory, id: BrokerId) -> Option<(&str, u16)> {
    directory.endpoint(id).filter(|(host, _)| host.len() <= HOST_MAX)
}

/// The bytes of a node after its port.
fn tail<'a>(reader: &mut Reader<'a>, shape: Shape) -> Result<&'a [u8]> {
    let mut from = reader.clone();
    if shape.rack {
        reader.string_bytes(shape.flexible)?;
    }
    if shape.fenced {
        reader.skip(1)?;
    }
    reader.skip_tags(shape.flexible)?;
    from.take(reader.position() - from.position())
}
