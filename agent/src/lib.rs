//! The rotation agent: gives gateways fresh keys from a SKIP Key Provider, in step with the agent at the other end.

pub mod consumer;
