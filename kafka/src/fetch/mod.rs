//! Fetch (API key 1): views of requests and answers, and a walker that patches an answer while it streams.

pub mod answer;
pub mod request;
#[cfg(test)]
mod tests;
pub mod walk;
