//! The development Key Providers, for `skip_client.testing`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use skip_client::Error;
use skip_key_provider::{Fault, PairOptions, Quirk, SideOptions};

use crate::errors::{OrRaise, raise};
use crate::psk::Psk;
use crate::values;

/// One of the two Key Providers.
#[pyclass(frozen, module = "skip_client.testing", get_all)]
#[derive(Clone)]
pub struct Endpoint {
    id: String,
    url: String,
    psk_url: String,
}

#[pymethods]
impl Endpoint {
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        values::repr(slf.as_any(), &["id", "url", "psk_url"])
    }
}

/// Two Key Providers that share keys.
#[pyclass(frozen, module = "skip_client._core")]
pub struct KeyProviderPair {
    pair: Mutex<Option<skip_key_provider::KeyProviderPair>>,
    alice: Endpoint,
    bob: Endpoint,
    ca: String,
    client_cert: String,
    client_key: String,
    psk_file: String,
}

#[pymethods]
impl KeyProviderPair {
    #[new]
    #[pyo3(signature = (
        quirks, faults, *, alice_id, bob_id, alice_remotes, bob_remotes, require_client_cert, psks, psk_ciphers,
        key_lifetime
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        quirks: Vec<String>,
        faults: Vec<String>,
        alice_id: &str,
        bob_id: &str,
        alice_remotes: Vec<String>,
        bob_remotes: Vec<String>,
        require_client_cert: bool,
        psks: Vec<Bound<'_, Psk>>,
        psk_ciphers: Option<String>,
        key_lifetime: f64,
    ) -> PyResult<Self> {
        let mut options = PairOptions {
            quirks: named::<Quirk>(py, "quirks", &quirks)?,
            faults: named::<Fault>(py, "faults", &faults)?,
            require_client_cert,
            psks: psks.iter().map(|psk| psk.get().0.clone()).collect(),
            psk_ciphers,
            key_lifetime: lifetime(key_lifetime).or_raise(py)?,
            ..PairOptions::default()
        };
        options.alice = SideOptions {
            id: alice_id.into(),
            remotes: alice_remotes,
            ..options.alice
        };
        options.bob = SideOptions {
            id: bob_id.into(),
            remotes: bob_remotes,
            ..options.bob
        };
        let pair = py
            .detach(|| skip_key_provider::KeyProviderPair::start(options))
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        let side = |endpoint: &skip_key_provider::Endpoint| Endpoint {
            id: endpoint.id.clone(),
            url: endpoint.url.clone(),
            psk_url: endpoint.psk_url.clone(),
        };
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Self {
            alice: side(pair.alice()),
            bob: side(pair.bob()),
            ca: shown(&pair.ca()),
            client_cert: shown(&pair.client_cert()),
            client_key: shown(&pair.client_key()),
            psk_file: shown(&pair.psk()),
            pair: Mutex::new(Some(pair)),
        })
    }

    #[getter]
    fn alice(&self) -> Endpoint {
        self.alice.clone()
    }

    #[getter]
    fn bob(&self) -> Endpoint {
        self.bob.clone()
    }

    #[getter]
    fn ca(&self) -> &str {
        &self.ca
    }

    #[getter]
    fn client_cert(&self) -> &str {
        &self.client_cert
    }

    #[getter]
    fn client_key(&self) -> &str {
        &self.client_key
    }

    #[getter]
    fn psk_file(&self) -> &str {
        &self.psk_file
    }

    fn set_quirks(&self, py: Python<'_>, quirks: Vec<String>) -> PyResult<()> {
        let quirks = named::<Quirk>(py, "quirks", &quirks)?;
        if let Some(pair) = &*self.pair.lock().unwrap_or_else(PoisonError::into_inner) {
            pair.set_quirks(&quirks);
        }
        Ok(())
    }

    fn set_faults(&self, py: Python<'_>, faults: Vec<String>) -> PyResult<()> {
        let faults = named::<Fault>(py, "faults", &faults)?;
        if let Some(pair) = &*self.pair.lock().unwrap_or_else(PoisonError::into_inner) {
            pair.set_faults(&faults);
        }
        Ok(())
    }

    fn stop(&self, py: Python<'_>) {
        let pair = self.pair.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(pair));
    }

    #[staticmethod]
    fn quirk_names() -> Vec<&'static str> {
        Quirk::ALL.iter().map(|quirk| quirk.as_str()).collect()
    }

    #[staticmethod]
    fn fault_names() -> Vec<&'static str> {
        Fault::ALL.iter().map(|fault| fault.as_str()).collect()
    }
}

fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    py: Python<'_>,
    field: &str,
    names: &[String],
) -> PyResult<Vec<T>> {
    let parse = |name: &String| {
        name.parse().map_err(|error: T::Err| {
            raise(
                py,
                &Error::invalid_argument(field, error, "see skip-client serve --help"),
            )
        })
    };
    names.iter().map(parse).collect()
}

fn lifetime(seconds: f64) -> Result<Duration, Error> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(Error::invalid_argument(
            "key_lifetime",
            "must be seconds, more than zero",
            "for example 10.0",
        )),
    }
}
