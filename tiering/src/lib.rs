//! A partition's closed history in object storage.
#![forbid(unsafe_code)]

pub mod open;
