//! `skip-client serve`: runs a pair of development Key Providers until a signal arrives.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::str::FromStr;

use skip_client::options::parse_seconds;
use skip_client::{Error, Psk, Result};
use skip_key_provider::{
    DEFAULT_IDENTITY, KeyProviderPair, PairOptions, SideOptions, StartError, StartProblem, random_psk,
};

use crate::args::Serve;
use crate::files;
use crate::interrupt::Interrupt;
use crate::output::write_stdout;
use crate::text::{shown, shown_path};

/// Starts the pair, prints the addresses and files, and waits.
pub(crate) fn run(args: &Serve, interrupt: &Interrupt) -> Result<i32> {
    let options = options(args)?;
    let identity = options.psks.first().map_or(DEFAULT_IDENTITY, Psk::identity).to_owned();
    // in the order in which they are bound
    let addresses = [
        ("--alice", options.alice.listen),
        ("--psk-alice", options.alice.psk_listen),
        ("--bob", options.bob.listen),
        ("--psk-bob", options.bob.psk_listen),
    ];
    let listening = interrupt.listen();
    let pair = KeyProviderPair::start(options).map_err(|error| start_error(&error, args, &addresses))?;
    write_stdout(introduction(args, &pair, &identity).as_bytes())?;
    listening.wait();
    Ok(0)
}

fn options(args: &Serve) -> Result<PairOptions> {
    let mut options = PairOptions {
        dir: args.dir.clone(),
        alice: side(
            &args.alice_id,
            &args.alice_remote,
            &args.bob_id,
            [
                address("--alice", &args.alice)?,
                address("--psk-alice", &args.psk_alice)?,
            ],
        ),
        bob: side(
            &args.bob_id,
            &args.bob_remote,
            &args.alice_id,
            [address("--bob", &args.bob)?, address("--psk-bob", &args.psk_bob)?],
        ),
        quirks: switches("--quirk", &args.quirk)?,
        faults: switches("--fault", &args.fault)?,
        require_client_cert: args.require_client_cert,
        psks: psks(args)?,
        ..PairOptions::default()
    };
    if let Some(text) = &args.key_lifetime {
        options.key_lifetime = parse_seconds("--key-lifetime", text, true)?;
    }
    Ok(options)
}

fn psks(args: &Serve) -> Result<Vec<Psk>> {
    if let Some(file) = &args.psk_file {
        return Psk::all_of_file_content(&files::read("--psk-file", file)?);
    }
    let random = |identity: &String| {
        random_psk(identity).map_err(|error| {
            let hint = "an identity has 1 to 128 bytes and no control characters, and does not begin with a space";
            Error::invalid_argument("--psk-identity", error, hint)
        })
    };
    args.psk_identity.iter().map(random).collect()
}

fn side(id: &str, remotes: &[String], other: &str, [listen, psk_listen]: [SocketAddr; 2]) -> SideOptions {
    let remotes = if remotes.is_empty() {
        vec![other.to_owned()]
    } else {
        remotes.to_vec()
    };
    SideOptions {
        id: id.to_owned(),
        remotes,
        listen,
        psk_listen,
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
        name.parse()
            .map_err(|error: S::Err| Error::invalid_argument(option, error, "skip-client serve --help describes each"))
    };
    names.iter().map(parse).collect()
}

/// Names the option to change.
fn start_error(error: &StartError, args: &Serve, addresses: &[(&'static str, SocketAddr)]) -> Error {
    let (option, hint) = match error.problem() {
        StartProblem::PreSharedKeys if args.psk_file.is_some() => ("--psk-file", "change or omit that identity"),
        StartProblem::PreSharedKeys => ("--psk-identity", "change or omit that identity"),
        StartProblem::Listen { address, in_use } => {
            // if two are the same, the second one fails
            let option = addresses.iter().rfind(|(_, other)| *other == address);
            let hint = if in_use {
                "give another port, or 0 for any free one; is another pair running?"
            } else {
                "give an address of this machine and a port that you may use; port 0 picks a free one"
            };
            (option.map_or("serve", |(option, _)| option), hint)
        }
        StartProblem::Folder => ("serve", "check the folder (--dir) and its permissions"),
        StartProblem::Other => ("serve", "see skip-client serve --help"),
    };
    Error::invalid_argument(option, error, hint)
}

fn introduction(args: &Serve, pair: &KeyProviderPair, identity: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "folder  {}", shown_path(pair.dir()));
    for end in [pair.alice(), pair.bob()] {
        let _ = writeln!(text, "{:8}{}", shown(&end.id), end.url);
    }
    for end in [pair.alice(), pair.bob()] {
        let _ = writeln!(text, "psk     {:8}{}", shown(&end.id), end.psk_url);
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
        "and with the keyId that it shows:\n  skip-client key {} KEYID {trust} --remote {to_alice}\n",
        bob.url
    );
    let mut which = quoted(&pair.psk());
    if args.psk_file.is_some() || args.psk_identity.len() > 1 {
        let _ = write!(which, " --psk-identity {}", quoted(Path::new(identity)));
    }
    let _ = write!(
        text,
        "or with a pre-shared key:\n  skip-client new-key {} --psk-file {which} --remote {to_bob}\n\n{}\nready\n",
        alice.psk_url,
        gateways(pair, identity)
    );
    text
}

/// The settings to enter at gateways. The key itself stays in its file.
fn gateways(pair: &KeyProviderPair, identity: &str) -> String {
    let server = |address: SocketAddr| {
        let family = if address.is_ipv4() { 4 } else { 6 };
        let host = match address.ip() {
            ip if ip.is_unspecified() => "ADDRESS-OF-THIS-MACHINE".to_owned(),
            ip => ip.to_string(),
        };
        format!("server ipv{family} {host} port {}", address.port())
    };
    let (alice, bob) = (pair.alice().psk_address, pair.bob().psk_address);
    let mut text = format!(
        "At Alice's gateway; HEX is what follows the last colon in {file}\n\
         IOS XE      crypto skip-client kp-alice\n\
         \x20            {alice}\n\
         \x20            psk id {identity} key hex HEX\n\
         \x20           crypto ikev2 keyring, at the peer: ppk dynamic kp-alice required\n\
         IOS XR      sks profile kp-alice type remote    (not verified on a router)\n\
         \x20            kme {alice}\n\
         strongSwan  a ppk secret and ppk_id in swanctl.conf: skip-client with --format strongswan\n\
         At Bob's    the same with kp-bob, {bob}\n",
        file = shown_path(&pair.psk()),
        alice = server(alice),
        identity = shown(identity),
        bob = server(bob),
    );
    if alice.ip().is_loopback() || bob.ip().is_loopback() {
        text += "(for gateways on other machines: --psk-alice 0.0.0.0:8445 --psk-bob 0.0.0.0:8446)\n";
    }
    text
}

/// The path as a single shell word.
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
    use super::quoted;
    use std::path::Path;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b.pem")), "/tmp/a-b.pem");
        assert_eq!(quoted(Path::new("/tmp/it's $x")), r"'/tmp/it'\''s $x'");
        assert_eq!(quoted(Path::new("")), "''");
    }
}
