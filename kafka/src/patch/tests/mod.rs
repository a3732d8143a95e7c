//! What the patchers promise, held against the codec and against hostile bytes.
