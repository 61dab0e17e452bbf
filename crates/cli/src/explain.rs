//! `skip-client explain`: the meaning of an error code, offline.

use std::fmt::Write as _;

use skip_client::{ErrorCode, Result, Side};

use crate::args::Explain;
use crate::output::write_stdout;
use crate::report::exit_status;

/// The width of a line, as in the help texts.
const WIDTH: usize = 80;

/// Prints cause and remedy of a code, or the list of all codes.
pub(crate) fn run(args: &Explain) -> Result<i32> {
    let asked = |code: &ErrorCode| Some(code.as_str()) == args.code.as_deref();
    let text = match ErrorCode::ALL.into_iter().find(asked) {
        Some(code) => explanation(code),
        None => args.code.as_deref().and_then(of_agent).unwrap_or_else(list),
    };
    write_stdout(text.as_bytes())?;
    Ok(0)
}

fn explanation(code: ErrorCode) -> String {
    let it = code.explain();
    let mut text = format!("{code}: {}, exit status {}\n\n", side(code), exit_status(code));
    text += &wrapped(it.summary);
    text.push('\n');
    for (name, part) in [("cause: ", it.cause), ("remedy: ", it.remedy), ("advice: ", it.advice)] {
        text += &wrapped(&format!("{name}{part}"));
    }
    let _ = writeln!(
        text,
        "\n{}/blob/HEAD/docs/errors.md#{code}",
        env!("CARGO_PKG_REPOSITORY")
    );
    text
}

/// A code of the agent's log and metrics.
#[cfg(unix)]
fn of_agent(code: &str) -> Option<String> {
    let (cause, remedy) = skip_client_agent::explain_code(code)?;
    let mut text = format!("{code}: the agent\n\n");
    for (name, part) in [("cause: ", cause), ("remedy: ", remedy)] {
        text += &wrapped(&format!("{name}{part}"));
    }
    Some(text)
}

#[cfg(not(unix))]
fn of_agent(_: &str) -> Option<String> {
    None
}

fn list() -> String {
    let mut text = String::new();
    for code in ErrorCode::ALL {
        let _ = writeln!(text, "{:<18}  {}", code.as_str(), code.explain().summary);
    }
    text
}

fn side(code: ErrorCode) -> &'static str {
    match code.side() {
        Side::You => "the caller",
        Side::Network => "the network",
        Side::ProviderRefused => "the Key Provider refused",
        Side::ProviderAnswer => "the Key Provider's reply is invalid",
    }
}

/// A paragraph with a hanging indent.
fn wrapped(paragraph: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split(' ') {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text += "\n    ";
            column = 4;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += word.len();
    }
    text + "\n"
}
