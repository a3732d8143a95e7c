//! What a store's answers, and their absence, mean.

use std::error::Error as Source;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::{Error, Kind};

/// Longest account of what was said, bytes.
const SAID_MAX: usize = 400;

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be repeated.
    Reads,
    /// It does: without an answer nobody knows.
    Writes,
}

impl Effect {
    /// What it means that no answer came to a request that may have been carried out.
    fn unanswered(self) -> Kind {
        match self {
            Self::Reads => Kind::Transient,
            Self::Writes => Kind::Uncertain,
        }
    }
}

/// Of a failed call.
pub(super) fn of<E>(what: impl Into<String>, effect: Effect, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + Source + 'static,
{
    match &error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let (code, message) = (answer.err().code(), answer.err().message());
            let said = format!("{status} {} {}", code.unwrap_or("-"), message.unwrap_or("-"));
            Error::new(of_answer(status, code, effect), what, short(&said))
        }
        SdkError::ConstructionFailure(_) => Error::new(Kind::Unusable, what, chain(&error)),
        SdkError::DispatchFailure(failure) => {
            let said = chain(&error);
            let kind = if failure.is_user() { Kind::Transient } else { of_no_answer(&said, effect) };
            Error::new(kind, what, said)
        }
        _ => Error::new(effect.unanswered(), what, chain(&error)),
    }
}

/// Of one object of a batch.
pub(super) fn of_entry(what: &str, key: Option<&str>, code: Option<&str>, message: Option<&str>) -> Error {
    let said = format!("{}: {} {}", key.unwrap_or("-"), code.unwrap_or("-"), message.unwrap_or("-"));
    Error::new(of_answer(500, code, Effect::Writes), what, short(&said))
}

/// Of an answer.
fn of_answer(status: u16, code: Option<&str>, effect: Effect) -> Kind {
    match code.map_or(Kind::Transient, of_code) {
        // The code doesn't say; the status does.
        Kind::Transient => of_status(status, code, effect),
        kind => kind,
    }
}

/// The codes that mean the same whatever the status is. [`Kind::Transient`]: it isn't one of these.
fn of_code(code: &str) -> Kind {
    match code {
        "PreconditionFailed" => Kind::Exists,
        // Of a completed upload: somebody ended it, so it must be done again, as after a conflict.
        "ConditionalRequestConflict" | "OperationAborted" | "NoSuchUpload" => Kind::Conflict,
        "NoSuchKey" => Kind::NotFound,
        "InvalidRange" => Kind::Range,
        "SlowDown" | "TooManyRequests" | "RequestLimitExceeded" | "ThrottlingException" | "Throttling" => {
            Kind::Throttled
        }
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "RequestTimeTooSkewed"
        | "AllAccessDisabled"
        | "AccountProblem" => Kind::Denied,
        "NoSuchBucket" | "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "NotImplemented" => {
            Kind::Unusable
        }
        // What arrived there is not what was sent; nothing was stored.
        "BadDigest"
        | "InvalidDigest"
        | "XAmzContentChecksumMismatch"
        | "XAmzContentSHA256Mismatch"
        | "IncompleteBody" => Kind::Corrupt,
        _ => Kind::Transient,
    }
}

fn of_status(status: u16, code: Option<&str>, effect: Effect) -> Kind {
    match status {
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        // A request that the store gave up reading was not carried out.
        400 if code == Some("RequestTimeout") => Kind::Transient,
        408 => Kind::Transient,
        412 => Kind::Exists,
        416 => Kind::Range,
        429 => Kind::Throttled,
        // A store that says so did nothing; a proxy before it, which has no code, may have passed the request on.
        503 if code.is_some() || effect == Effect::Reads => Kind::Throttled,
        501 | 507 => Kind::Unusable,
        500.. => effect.unanswered(),
        _ => Kind::Unusable,
    }
}

/// Of a request that got no answer. What never left may be repeated.
fn of_no_answer(said: &str, effect: Effect) -> Kind {
    let said = said.to_ascii_lowercase();
    let says = |what: &str| said.contains(what);
    if says("credential") || says("identity") {
        return Kind::Denied;
    }
    // hyper's name for a failure before the connection stood.
    let never_left = says("(connect)") || says("dns error");
    if never_left { Kind::Transient } else { effect.unanswered() }
}

/// Of an answer whose body did not come whole.
pub(super) fn of_body(what: impl Into<String>, error: &(dyn Source + 'static)) -> Error {
    let said = chain(error);
    let corrupt = said.to_ascii_lowercase().contains("checksum");
    Error::new(if corrupt { Kind::Corrupt } else { Kind::Transient }, what, said)
}

/// An error and its causes in one line.
fn chain(error: &(dyn Source + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |e: &&(dyn Source + 'static)| (*e).source());
    let all: Vec<String> = causes.map(ToString::to_string).collect();
    short(&all.join(": "))
}

fn short(said: &str) -> String {
    said.chars().take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::Effect::{Reads, Writes};
    use super::*;

    #[test]
    fn answers_that_say_what_happened_are_taken_at_their_word() {
        for (status, code, kind) in [
            (412, Some("PreconditionFailed"), Kind::Exists),
            (412, None, Kind::Exists),
            (409, Some("ConditionalRequestConflict"), Kind::Conflict),
            (404, Some("NoSuchUpload"), Kind::Conflict),
            (404, Some("NoSuchKey"), Kind::NotFound),
            (404, None, Kind::NotFound),
            (404, Some("NoSuchBucket"), Kind::Unusable),
            (404, Some("InvalidAccessKeyId"), Kind::Denied),
            (416, Some("InvalidRange"), Kind::Range),
            (503, Some("SlowDown"), Kind::Throttled),
            (503, Some("ServiceUnavailable"), Kind::Throttled),
            (429, None, Kind::Throttled),
            (403, Some("AccessDenied"), Kind::Denied),
            (403, Some("RequestTimeTooSkewed"), Kind::Denied),
            (400, Some("ExpiredToken"), Kind::Denied),
            (400, Some("BadDigest"), Kind::Corrupt),
            (400, Some("RequestTimeout"), Kind::Transient),
            (507, None, Kind::Unusable),
            (403, Some("QuotaExceeded"), Kind::Unusable),
            (501, Some("NotImplemented"), Kind::Unusable),
            (301, Some("PermanentRedirect"), Kind::Unusable),
            (409, Some("ObjectParentIsFile"), Kind::Unusable),
        ] {
            assert_eq!(of_answer(status, code, Reads), kind, "{status} {code:?}");
            assert_eq!(of_answer(status, code, Writes), kind, "{status} {code:?}");
        }
    }

    #[test]
    fn a_write_is_uncertain_where_the_store_does_not_say() {
        for (status, code) in [(500, Some("InternalError")), (502, None), (504, None)] {
            assert_eq!(of_answer(status, code, Reads), Kind::Transient);
            assert_eq!(of_answer(status, code, Writes), Kind::Uncertain);
        }
        assert_eq!(of_answer(503, None, Reads), Kind::Throttled);
        assert_eq!(of_answer(503, None, Writes), Kind::Uncertain);
    }

    #[test]
    fn what_never_left_is_no_uncertain_write() {
        let refused = "dispatch failure: io error: client error (Connect): tcp connect error: refused";
        assert_eq!(of_no_answer(refused, Writes), Kind::Transient);
        assert_eq!(of_no_answer("dispatch failure: io error: connection reset", Writes), Kind::Uncertain);
        assert_eq!(of_no_answer("the credential provider was not enabled", Writes), Kind::Denied);
    }
}
