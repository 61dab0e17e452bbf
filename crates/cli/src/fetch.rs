//! capabilities, new-key, key and entropy: one request, one output.

use skip_client::{
    BitLength, Capabilities, ConnectionInfo, Entropy, Error, ExportFormat, Key, KeyId, Problem, Result, SystemId,
};

use crate::args::{self, BytesFormat, KeyFormat, Output, PlainFormat, Secrecy};
use crate::connect;
use crate::interrupt::Interrupt;
use crate::output::Destination;
use crate::report;
use crate::secret_text::{self, SecretBytes};
use crate::text::{json, shown};

/// `skip-client capabilities`.
pub(crate) fn capabilities(args: &args::Capabilities, interrupt: &Interrupt) -> Result<i32> {
    let output = &args.output;
    let destination = Destination::open(output.file.as_deref(), output.force, false)?;
    let client = connect::client(&args.url, &args.connection)?;
    let listening = interrupt.listen();
    let found = client.call().cancel(listening.token()).capabilities()?;
    let connection = client.connection();
    if output.json || output.format == Some(PlainFormat::Json) {
        let object = serde_json::json!({
            "entropy": found.supports_entropy(),
            "key": found.supports_key(),
            "algorithm": found.algorithm(),
            "localSystemID": found.local_system_id(),
            "remoteSystemID": found.remote_system_ids(),
        });
        destination.write((json(&object) + "\n").as_bytes())?;
    } else {
        destination.write(capabilities_text(&found, connection.as_ref()).as_bytes())?;
    }
    Ok(0)
}

/// `skip-client new-key`.
pub(crate) fn new_key(args: &args::NewKey, interrupt: &Interrupt) -> Result<i32> {
    let remote = SystemId::new(&args.remote)?;
    let size = args.size.as_deref().map(str::parse::<BitLength>).transpose()?;
    let (format, destination) = key_output(&args.output, &args.secret)?;
    let client = connect::client(&args.url, &args.connection)?;
    let listening = interrupt.listen();
    let mut call = client.call().cancel(listening.token());
    if let Some(size) = size {
        call = call.size(size);
    }
    let key = call.new_key(&remote)?;
    let bytes = key_bytes(&key, format, args.secret.show)?;
    let id = key.key_id().as_str();
    let names_key = bytes.windows(id.len()).any(|part| part == id.as_bytes());
    destination.write_key(&bytes)?;
    if !names_key {
        // without it the responder could not request the key
        report::note("keyId", id);
    }
    warn(
        key.warnings(),
        client.connection().as_ref(),
        args.output.json || format == KeyFormat::Json,
    );
    Ok(0)
}

/// `skip-client key`.
pub(crate) fn key(args: &args::Key, interrupt: &Interrupt) -> Result<i32> {
    let (url, id) = match args.target.as_slice() {
        [url, id] => (url.clone(), id),
        [id, ..] => {
            let url = std::env::var("SKIP_URL").ok().filter(|url| !url.is_empty());
            let missing = || Error::invalid_argument("URL", "is missing", "give URL and KEYID, or set SKIP_URL");
            (url.ok_or_else(missing)?, id)
        }
        [] => return Err(Error::invalid_argument("KEYID", "is missing", "give URL and KEYID")),
    };
    let remote = SystemId::new(&args.remote)?;
    let client = connect::client(&url, &args.connection)?;
    let key_id = KeyId::parse(id, client.rules())?;
    let (format, destination) = key_output(&args.output, &args.secret)?;
    let listening = interrupt.listen();
    let key = client.call().cancel(listening.token()).key_by_id(&key_id, &remote)?;
    destination.write_key(&key_bytes(&key, format, args.secret.show)?)?;
    warn(
        key.warnings(),
        client.connection().as_ref(),
        args.output.json || format == KeyFormat::Json,
    );
    Ok(0)
}

/// `skip-client entropy`.
pub(crate) fn entropy(args: &args::Entropy, interrupt: &Interrupt) -> Result<i32> {
    let bits = args.bits.as_deref().map(str::parse::<BitLength>).transpose();
    // the library calls every length "size"
    let bits = bits.map_err(|error| error.about("bits"))?;
    let output = &args.output;
    let format = chosen(output, BytesFormat::Text, BytesFormat::Json);
    let secret = format != BytesFormat::Text || args.secret.show;
    let destination = Destination::open(output.file.as_deref(), output.force, secret && !args.secret.show)?;
    let client = connect::client(&args.url, &args.connection)?;
    let listening = interrupt.listen();
    let entropy = client.call().cancel(listening.token()).entropy(bits)?;
    destination.write(&entropy_bytes(&entropy, format, args.secret.show)?)?;
    warn(
        entropy.warnings(),
        client.connection().as_ref(),
        format == BytesFormat::Json,
    );
    Ok(0)
}

/// The format and the destination. Refuses whatever cannot work before a key is spent.
fn key_output(output: &Output<KeyFormat>, secrecy: &Secrecy) -> Result<(KeyFormat, Destination)> {
    let format = chosen(output, KeyFormat::Text, KeyFormat::Json);
    let secret = format != KeyFormat::Text || secrecy.show;
    let destination = Destination::open(output.file.as_deref(), output.force, secret && !secrecy.show)?;
    Ok((format, destination))
}

/// The requested format, or else text; JSON for a file, which would be useless without the secret.
fn chosen<F: clap::ValueEnum + Clone + Send + Sync + 'static>(output: &Output<F>, text: F, json: F) -> F {
    let into_file = output
        .file
        .as_deref()
        .is_some_and(|file| file != std::path::Path::new("-"));
    match &output.format {
        Some(format) => format.clone(),
        None if output.json || into_file => json,
        None => text,
    }
}

fn key_bytes(key: &Key, format: KeyFormat, show: bool) -> Result<SecretBytes> {
    match format {
        KeyFormat::Text => {
            let head = format!(
                "keyId        {}\nbits         {}\nfingerprint  {}\n",
                shown(key.key_id().as_str()),
                key.bits(),
                key.fingerprint()
            );
            if show {
                let hex = key.secret().hex()?;
                Ok(secret_text::joined(&[head.as_bytes(), b"key          ", &hex, b"\n"]))
            } else {
                Ok(head.into_bytes().into())
            }
        }
        KeyFormat::Json => secret_text::key_json(key.key_id().as_str(), key.bits(), key.secret()),
        KeyFormat::Export(ExportFormat::Raw) => key.export(ExportFormat::Raw),
        KeyFormat::Export(format) => Ok(secret_text::line(&key.export(format)?)),
    }
}

fn entropy_bytes(entropy: &Entropy, format: BytesFormat, show: bool) -> Result<SecretBytes> {
    let secret = entropy.secret();
    match format {
        BytesFormat::Text => {
            let head = format!("bits       {}\n", entropy.bits());
            if show {
                let hex = secret.hex()?;
                Ok(secret_text::joined(&[head.as_bytes(), b"randomStr  ", &hex, b"\n"]))
            } else {
                let rest = format!(
                    "randomStr  {} bytes, not shown (--show, or another --format)\n",
                    secret.len()
                );
                Ok((head + &rest).into_bytes().into())
            }
        }
        BytesFormat::Json => secret_text::entropy_json(entropy.bits(), secret),
        BytesFormat::Raw => Ok(secret_text::joined(&[secret.expose()])),
        BytesFormat::Hex => Ok(secret_text::line(&secret.hex()?)),
        BytesFormat::Base64 => Ok(secret_text::line(&secret_text::base64(secret)?)),
    }
}

fn capabilities_text(found: &Capabilities, connection: Option<&ConnectionInfo>) -> String {
    let yes_or_no = |flag| if flag { "yes" } else { "no" };
    let mut lines = vec![
        ("localSystemID", shown(found.local_system_id())),
        ("algorithm", shown(found.algorithm())),
        ("key", yes_or_no(found.supports_key()).to_owned()),
        ("entropy", yes_or_no(found.supports_entropy()).to_owned()),
    ];
    let mut label = "remoteSystemID";
    for id in found.remote_system_ids() {
        lines.push((std::mem::take(&mut label), shown(id)));
    }
    if let Some(info) = connection {
        lines.push(("connection", connection_line(info)));
        lines.extend(info.warnings.iter().map(|warning| ("warning", shown(warning))));
    }
    lines.extend(
        found
            .warnings()
            .iter()
            .map(|problem| ("warning", shown(&problem_line(problem)))),
    );
    let width = "remoteSystemID".len() + 2;
    lines
        .iter()
        .map(|(label, text)| format!("{label:width$}{text}").trim_end().to_owned() + "\n")
        .collect()
}

/// TLS version, suite, group, and the server's address.
pub(crate) fn connection_line(info: &ConnectionInfo) -> String {
    let mut parts = vec![info.tls_version.as_str(), info.cipher_suite.as_str()];
    parts.extend(info.group.as_deref());
    shown(&format!("{} ({})", parts.join(", "), info.address))
}

fn problem_line(problem: &Problem) -> String {
    let at = if problem.path.is_empty() {
        String::new()
    } else {
        format!("{}: ", problem.path)
    };
    format!("{at}{} (draft {})", problem.message, problem.section)
}

/// Prints warnings to stderr, unless JSON was requested.
fn warn(problems: &[Problem], connection: Option<&ConnectionInfo>, json: bool) {
    if json {
        return;
    }
    for problem in problems {
        report::warning(&problem_line(problem));
    }
    for text in connection.iter().flat_map(|info| &info.warnings) {
        report::warning(text);
    }
}
