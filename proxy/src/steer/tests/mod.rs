//! What steering decides, held against tables: plans, memory, merges. No sockets.

mod memory;
mod merge;
mod plan;
