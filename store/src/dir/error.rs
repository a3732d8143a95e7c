//! What the file system's errors mean.

use std::io::{Error as Io, ErrorKind};

use crate::{Error, Kind};

/// Of a call that changes nothing.
pub(super) fn of_read(what: impl Into<String>, error: &Io) -> Error {
    let kind = match error.kind() {
        // A segment of the path is an object: then there is none below it.
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => Kind::NotFound,
        _ => kind(error),
    };
    Error::new(kind, what, error.to_string())
}

/// Of a call after which nothing visible has changed.
pub(super) fn of_write(what: impl Into<String>, error: &Io) -> Error {
    let kind = match error.kind() {
        ErrorKind::NotFound => Kind::Transient,
        // One key is a directory of another, which callers promise not to ask for.
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => Kind::Unusable,
        _ => kind(error),
    };
    Error::new(kind, what, error.to_string())
}

/// Of a call after which the object may be visible, but not durable.
pub(super) fn of_sync(what: impl Into<String>, error: &Io) -> Error {
    Error::new(Kind::Uncertain, what, error.to_string())
}

fn kind(error: &Io) -> Kind {
    match error.kind() {
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::AlreadyExists => Kind::Exists,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge
        | ErrorKind::InvalidFilename
        | ErrorKind::TooManyLinks => Kind::Unusable,
        _ => Kind::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_unusable_and_a_missing_right_is_denied() {
        let of = |errno| of_write("put x", &Io::from_raw_os_error(errno)).kind;
        // ENOSPC, EDQUOT, EACCES, EPERM, EROFS, ENOTDIR, EMFILE, EIO
        let kinds = [28, 122, 13, 1, 30, 20, 24, 5].map(of);
        use Kind::{Denied, Transient, Unusable};
        assert_eq!(kinds, [Unusable, Unusable, Denied, Denied, Denied, Unusable, Transient, Transient]);
    }

    #[test]
    fn no_object_below_an_object_is_not_found() {
        assert_eq!(of_read("get x", &Io::from_raw_os_error(20)).kind, Kind::NotFound);
    }
}
