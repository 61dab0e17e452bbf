//! The core's log lines, for the logger `skip_client` of Python's `logging`.
//!
//! Without `logging` in the program, or with a level above what happens, a line costs one comparison. The level is read at the beginning
//! of each call, by a thread that has the GIL anyway.

use std::sync::Once;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use skip_client::logging::{Level, LevelFilter, forward, set_max_level};

static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// `sys.modules`, which each call looks into; importing `sys` takes microseconds.
static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
static FORWARD: Once = Once::new();

/// Sets the core's level to that of Python's logger.
pub fn follow_level(py: Python<'_>) -> PyResult<()> {
    let Some(logger) = logger(py)? else { return Ok(()) };
    let level: u32 = logger
        .call_method0(intern!(py, "getEffectiveLevel"))?
        .extract()
        .unwrap_or(0);
    set_max_level(match level {
        0..=10 => LevelFilter::Debug,
        11..=20 => LevelFilter::Info,
        21..=30 => LevelFilter::Warn,
        _ => LevelFilter::Off,
    });
    Ok(())
}

/// Python's logger, once the program has imported `logging`.
fn logger(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    if let Some(logger) = LOGGER.get(py) {
        return Ok(Some(logger.bind(py)));
    }
    let modules = MODULES.get_or_try_init(py, || {
        let modules = py.import("sys")?.getattr("modules")?;
        modules.extract().map_err(PyErr::from)
    })?;
    let Some(logging) = modules.bind(py).get_item(intern!(py, "logging"))? else {
        return Ok(None);
    };
    // a thread may be importing it right now
    let (Ok(get), Ok(null)) = (logging.getattr("getLogger"), logging.getattr("NullHandler")) else {
        return Ok(None);
    };
    let logger = get.call1(("skip_client",))?;
    // as in every library: no lines on stderr in a program that configures no log
    logger.call_method1("addHandler", (null.call0()?,))?;
    FORWARD.call_once(|| forward(write));
    Ok(Some(LOGGER.get_or_init(py, || logger.unbind()).bind(py)))
}

fn write(level: Level, text: &str) {
    // at the end of the program there is no interpreter
    let _ = Python::try_attach(|py| {
        let Some(logger) = LOGGER.get(py) else { return };
        let number = match level {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let Err(error) = logger.call_method1(py, intern!(py, "log"), (number, "%s", text)) else {
            return;
        };
        // Ctrl-C is for the call that waits, which looks for signals; a handler that raises is reported
        let kept = error.is_instance_of::<PyKeyboardInterrupt>(py)
            && py
                .import("_thread")
                .and_then(|thread| thread.call_method0("interrupt_main"))
                .is_ok();
        if !kept {
            error.write_unraisable(py, Some(logger.bind(py)));
        }
    });
}
