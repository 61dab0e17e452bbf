//! `skip-client serve`: a pair of development Key Providers until a signal comes.

use std::error::Error as _;
use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::str::FromStr;

use skip_client::{Error, Result};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk, SideOptions, StartError};

use crate::args::Serve;
use crate::connect::seconds;
use crate::interrupt::Interrupt;
use crate::output::write_stdout;
use crate::text::{shown, shown_path};

/// Starts the pair, says where everything is, and waits.
pub(crate) fn run(args: &Serve, interrupt: &Interrupt) -> Result<i32> {
    let options = options(args)?;
    let (alice, bob) = (options.alice.listen, options.bob.listen);
    let listening = interrupt.listen();
    let pair = KeyProviderPair::start(options).map_err(|error| start_error(&error, alice, bob))?;
    write_stdout(introduction(args, &pair).as_bytes())?;
    listening.wait();
    Ok(0)
}

/// The names that --quirk and --fault take, one line each.
pub(crate) fn switches_help() -> String {
    let mut text = String::from("Quirks (--quirk NAME), as real Key Providers have them:\n");
    for quirk in Quirk::ALL {
        let _ = writeln!(text, "  {:22}{}", quirk.as_str(), quirk.summary());
    }
    text += "\nFaults (--fault NAME), on /key and /entropy unless said otherwise:\n";
    for fault in Fault::ALL {
        let _ = writeln!(text, "  {:22}{}", fault.as_str(), fault.summary());
    }
    text
}

fn options(args: &Serve) -> Result<PairOptions> {
    let mut options = PairOptions {
        dir: args.dir.clone(),
        alice: side(
            &args.alice_id,
            &args.alice_remote,
            &args.bob_id,
            address("--alice", &args.alice)?,
        ),
        bob: side(
            &args.bob_id,
            &args.bob_remote,
            &args.alice_id,
            address("--bob", &args.bob)?,
        ),
        quirks: switches("--quirk", &args.quirk)?,
        faults: switches("--fault", &args.fault)?,
        require_client_cert: args.require_client_cert,
        ..PairOptions::default()
    };
    if let Some(text) = &args.key_lifetime {
        options.key_lifetime = seconds("--key-lifetime", text)?;
    }
    Ok(options)
}

fn side(id: &str, remotes: &[String], other: &str, listen: SocketAddr) -> SideOptions {
    let remotes = if remotes.is_empty() {
        vec![other.to_owned()]
    } else {
        remotes.to_vec()
    };
    SideOptions {
        id: id.to_owned(),
        remotes,
        listen,
    }
}

fn address(option: &str, text: &str) -> Result<SocketAddr> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        Error::invalid_argument(
            option,
            "must be an address of this machine and a port",
            "for example 127.0.0.1:8443, or [::1]:0 for any free port",
        )
    })
}

fn switches<S: FromStr<Err: std::fmt::Display>>(option: &str, names: &[String]) -> Result<Vec<S>> {
    let parse = |name: &String| {
        name.parse().map_err(|error: S::Err| {
            Error::invalid_argument(option, error, "skip-client serve --help says what each does")
        })
    };
    names.iter().map(parse).collect()
}

/// Says which option to change.
fn start_error(error: &StartError, alice: SocketAddr, bob: SocketAddr) -> Error {
    let text = error.to_string();
    let io = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    let names = |address: SocketAddr| text.contains(&format!("cannot listen on {address}:"));
    let option = match (names(alice), names(bob)) {
        (true, false) => "--alice",
        (_, true) => "--bob",
        _ => "serve",
    };
    let hint = match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::AddrInUse) => "give another port, or 0 for any free one; is another pair running?",
        _ if option != "serve" => {
            "give an address of this machine and a port that you may use; port 0 picks a free one"
        }
        Some(_) => "check the folder (--dir) and its permissions",
        None => "see skip-client serve --help",
    };
    Error::invalid_argument(option, text, hint)
}

fn introduction(args: &Serve, pair: &KeyProviderPair) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "folder  {}", shown_path(pair.dir()));
    for end in [pair.alice(), pair.bob()] {
        let _ = writeln!(text, "{:8}{}", shown(&end.id), end.url);
    }
    let mut trust = format!("--ca {}", quoted(&pair.ca()));
    if args.require_client_cert {
        let _ = write!(
            trust,
            " --cert {} --key {}",
            quoted(&pair.client_cert()),
            quoted(&pair.client_key())
        );
    }
    let (alice, bob) = (pair.alice(), pair.bob());
    let (to_bob, to_alice) = (quoted(Path::new(&bob.id)), quoted(Path::new(&alice.id)));
    let _ = write!(
        text,
        "\nIn another terminal:\n  skip-client capabilities {0} {trust}\n  \
         skip-client new-key {0} {trust} --remote {to_bob}\n",
        alice.url
    );
    let _ = write!(
        text,
        "and with the keyId that it shows:\n  skip-client key {} KEYID {trust} --remote {to_alice}\n\nready\n",
        bob.url
    );
    text
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", shown(&text).replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, switches_help};
    use std::path::Path;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b.pem")), "/tmp/a-b.pem");
        assert_eq!(quoted(Path::new("/tmp/it's $x")), r"'/tmp/it'\''s $x'");
        assert_eq!(quoted(Path::new("")), "''");
    }

    #[test]
    fn every_switch_has_a_line() {
        let help = switches_help();
        let lines = |name: &str| {
            help.lines()
                .filter(|line| line.split_whitespace().next() == Some(name))
                .count()
        };
        for name in ["chunked", "422", "slow", "drop-mid-body", "huge-header", "entropy-503"] {
            assert_eq!(lines(name), 1, "{name}");
        }
        assert!(
            help.lines()
                .all(|line| line.is_empty() || line.split_whitespace().count() > 2),
            "{help}"
        );
    }
}
