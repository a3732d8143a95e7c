//! The client against fake brokers in this process: tasks on loopback sockets that answer by a script.

mod bootstrap;
mod connection;
mod dial;
mod fake;
mod hostile;
mod metadata;
mod pem;
mod rights;
mod sasl;
mod tls;
