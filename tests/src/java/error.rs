//! Exceptions from Java.

use serde_json::Value;

/// An exception thrown by one of Kafka's Java clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaError {
    /// The simple class name, e.g. `TopicAuthorizationException`.
    pub class: String,
    /// Its message.
    pub message: String,
}

impl JavaError {
    pub(super) fn from_json(error: &Value) -> Self {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        Self { class: text("class"), message: text("message") }
    }
}

impl std::fmt::Display for JavaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for JavaError {}

/// The Java exception's class inside an error, if that is what it is.
pub fn class_of(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<JavaError>().map(|e| e.class.as_str())
}
