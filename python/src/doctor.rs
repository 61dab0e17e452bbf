//! The examination of a Key Provider.

use std::cell::RefCell;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use skip_client::{Client, SystemId};
use skip_client_doctor::{Examination, Profile};

use crate::arguments::text;
use crate::client::Connection;
use crate::errors::OrRaise;
use crate::psk::Psk;

/// One check and what became of it.
#[pyclass(frozen, module = "skip_client", get_all)]
#[derive(Clone)]
pub struct Check {
    id: &'static str,
    section: &'static str,
    level: &'static str,
    result: &'static str,
    message: String,
    remedy: String,
    title: &'static str,
    about: &'static str,
    evidence: Vec<String>,
}

impl From<&skip_client_doctor::Check> for Check {
    fn from(check: &skip_client_doctor::Check) -> Self {
        Self {
            id: check.id.as_str(),
            section: check.id.section(),
            level: check.level.as_str(),
            result: check.result.as_str(),
            message: check.message.clone(),
            remedy: check.remedy.clone(),
            title: check.id.title(),
            about: check.id.about(),
            evidence: check.evidence.clone(),
        }
    }
}

#[pymethods]
impl Check {
    fn __repr__(&self) -> String {
        format!(
            "Check(id={:?}, result={:?}, message={:?})",
            self.id, self.result, self.message
        )
    }
}

/// What an examination found.
#[pyclass(frozen, module = "skip_client")]
pub struct Report(skip_client_doctor::Report);

#[pymethods]
impl Report {
    #[getter]
    fn verdict(&self) -> &'static str {
        self.0.verdict().as_str()
    }

    #[getter]
    fn checks(&self) -> Vec<Check> {
        self.0.checks.iter().map(Check::from).collect()
    }

    #[getter]
    fn profile(&self) -> &'static str {
        self.0.profile.as_str()
    }

    #[getter]
    fn remote(&self) -> Option<&str> {
        self.0.remote.as_deref()
    }

    #[getter]
    fn keys_used(&self) -> u32 {
        self.0.keys.used
    }

    #[getter]
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn __getitem__(&self, id: &str) -> PyResult<Check> {
        let found = self.0.checks.iter().find(|check| check.id.as_str() == id);
        found.map(Check::from).ok_or_else(|| PyKeyError::new_err(id.to_owned()))
    }

    fn json(&self) -> String {
        skip_client_doctor::json(&self.0)
    }

    fn junit(&self) -> String {
        skip_client_doctor::junit(&self.0)
    }

    fn html(&self) -> String {
        skip_client_doctor::html(&self.0)
    }

    fn __str__(&self) -> String {
        skip_client_doctor::text(&self.0)
    }

    fn __repr__(&self) -> String {
        format!("Report(url={:?}, verdict={:?})", self.0.url, self.verdict())
    }
}

#[pyfunction]
#[pyo3(signature = (
    url, *, peer=None, remote=None, profile="draft", budget=200, ca=None, cert=None, psk=None, **options
))]
#[allow(clippy::too_many_arguments)]
pub fn doctor(
    py: Python<'_>,
    url: &Bound<'_, PyAny>,
    peer: Option<&Bound<'_, PyAny>>,
    remote: Option<&Bound<'_, PyAny>>,
    profile: &str,
    budget: u32,
    ca: Option<&Bound<'_, PyAny>>,
    cert: Option<&Bound<'_, PyAny>>,
    psk: Option<&Psk>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Report> {
    let connection = Connection { ca, cert, psk, options };
    let probe = |field: &str, url: &Bound<'_, PyAny>| {
        let builder = Client::builder(&text(field, url)?).or_raise(py)?;
        connection.apply(py, builder)?.probe().or_raise(py)
    };
    let here = probe("url", url)?;
    let there = peer.map(|peer| probe("peer", peer)).transpose()?;
    let remote = remote
        .map(|remote| SystemId::new(&text("remote", remote)?).or_raise(py))
        .transpose()?;
    let profile: Profile = profile.parse().or_raise(py)?;
    let (report, raised) = py.detach(|| {
        let raised = RefCell::new(None);
        let interrupted = || {
            // the method itself is not general enough in its lifetime for attach
            #[allow(clippy::redundant_closure_for_method_calls)]
            let signal = Python::attach(|py| py.check_signals());
            signal.map_err(|error| *raised.borrow_mut() = Some(error)).is_err()
        };
        let mut examination = Examination::new(here);
        examination.peer = there;
        examination.remote = remote;
        examination.profile = profile;
        examination.budget = budget;
        examination.interrupted = Some(&interrupted);
        let report = skip_client_doctor::examine(&examination, &mut |_| ());
        drop(examination);
        (report, raised.into_inner())
    });
    raised.map_or(Ok(Report(report)), Err)
}

#[pyfunction]
pub fn doctor_checks(py: Python<'_>, profile: &str, has_peer: bool) -> PyResult<Vec<&'static str>> {
    let profile: Profile = profile.parse().or_raise(py)?;
    Ok(profile.checks(has_peer).iter().map(|id| id.as_str()).collect())
}
