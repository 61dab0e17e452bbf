//! The compiled half of the Python package `skip_client`: conversions of types and errors, and no rule of the protocol.

mod aio;
mod arguments;
mod buffer;
mod client;
mod doctor;
mod errors;
mod ikev2;
mod logs;
mod messages;
mod provider_pair;
mod psk;
mod secrets;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;

use pyo3::prelude::*;

/// The module `skip_client._core`.
///
/// It needs no GIL: every class is frozen, and what changes in one is atomic or behind a lock that is never held while Python code runs.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::aio::{Calls, Inbox, Threads};
    #[pymodule_export]
    use super::client::{CancelToken, Client};
    #[pymodule_export]
    use super::doctor::{Check, Report, doctor, doctor_checks};
    #[pymodule_export]
    use super::ikev2::{decode_ppk_identity, decode_use_ppk, encode_ppk_identity, encode_use_ppk};
    #[pymodule_export]
    use super::messages::{Capabilities, ConnectionInfo, Problem, is_valid, matches_remote, schema_text, validate};
    #[pymodule_export]
    use super::provider_pair::{Endpoint, KeyProviderPair};
    #[pymodule_export]
    use super::psk::Psk;
    #[pymodule_export]
    use super::secrets::{Entropy, Key};
    #[pymodule_export]
    use super::{cli_main, error_codes, export_formats, harden_process, lock_memory, tls_libraries};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Runs the command line; the first argument is the program's name. Returns the exit status.
#[pyfunction]
fn cli_main(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| skip_client_cli::run(arguments))
}

/// Protects the memory of this process, as far as the system can; returns how far.
#[pyfunction]
fn harden_process() -> &'static str {
    skip_client::process::harden_process().as_str()
}

/// Keeps the memory of this process out of swap; returns whether the system allowed it.
#[pyfunction]
fn lock_memory() -> bool {
    skip_client::process::lock_memory()
}

/// All error codes, ordered by side.
#[pyfunction]
fn error_codes() -> Vec<&'static str> {
    skip_client::ErrorCode::ALL.map(skip_client::ErrorCode::as_str).to_vec()
}

/// The formats of `Key.export`.
#[pyfunction]
fn export_formats() -> Vec<&'static str> {
    skip_client::ExportFormat::ALL
        .map(skip_client::ExportFormat::as_str)
        .to_vec()
}

/// The TLS libraries in this package, by name, with their versions.
#[pyfunction]
fn tls_libraries() -> BTreeMap<&'static str, &'static str> {
    skip_client::process::tls_libraries()
        .into_iter()
        .map(|library| (library.name, library.version))
        .collect()
}
