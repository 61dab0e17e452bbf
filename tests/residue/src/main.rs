//! A client that runs one step for each line on stdin, then waits while another process searches its memory.
//!
//! `residue-target URL --ca FILE [--cert FILE [--key FILE] [--key_password FILE]]` or `residue-target URL --psk FILE`;
//! `--tokio` selects `AsyncClient`. The client gets what is in the files.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use skip_client::{AsyncClient, BitLength, Client, Entropy, Key, KeyId, Psk, SystemId};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<String>, _) = std::env::args().partition(|argument| argument == "--tokio");
    let kp = if flags.is_empty() {
        Kp::Blocking(Box::new(client(&arguments)?))
    } else {
        Kp::Tokio(
            client(&arguments)?.into(),
            tokio::runtime::Builder::new_current_thread().build()?,
        )
    };
    let remote: SystemId = "Bob".parse()?;
    let mut key: Option<Key> = None;
    let mut entropy: Option<Entropy> = None;
    say("ready")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let result = match words.next().unwrap_or_default() {
            "new_key" => kp.new_key(&remote).map(|fresh| key = Some(fresh)),
            "key_by_id" => {
                let id = KeyId::new(words.next().unwrap_or_default())?;
                kp.key_by_id(&id, &remote).map(|same| key = Some(same))
            }
            "entropy" => kp.entropy().map(|random| entropy = Some(random)),
            "capabilities" => kp.refresh_capabilities(),
            "drop" => {
                drop((key.take(), entropy.take()));
                Ok(())
            }
            "close" => {
                kp.close();
                Ok(())
            }
            _ => return Err(format!("no step is called {line}").into()),
        };
        match result {
            Ok(()) => say("ok")?,
            Err(error) => say(error.code().as_str())?,
        }
    }
    Ok(())
}

enum Kp {
    Blocking(Box<Client>),
    Tokio(AsyncClient, Runtime),
}

impl Kp {
    fn new_key(&self, remote: &SystemId) -> skip_client::Result<Key> {
        match self {
            Self::Blocking(kp) => kp.call().size(BitLength::DEFAULT).new_key(remote),
            Self::Tokio(kp, runtime) => runtime.block_on(kp.call().size(BitLength::DEFAULT).new_key(remote)),
        }
    }

    fn key_by_id(&self, id: &KeyId, remote: &SystemId) -> skip_client::Result<Key> {
        match self {
            Self::Blocking(kp) => kp.key_by_id(id, remote),
            Self::Tokio(kp, runtime) => runtime.block_on(kp.key_by_id(id, remote)),
        }
    }

    fn entropy(&self) -> skip_client::Result<Entropy> {
        match self {
            Self::Blocking(kp) => kp.entropy(None),
            Self::Tokio(kp, runtime) => runtime.block_on(kp.entropy(None)),
        }
    }

    fn refresh_capabilities(&self) -> skip_client::Result<()> {
        match self {
            Self::Blocking(kp) => kp.refresh_capabilities(),
            Self::Tokio(kp, runtime) => runtime.block_on(kp.refresh_capabilities()),
        }
        .map(drop)
    }

    fn close(&self) {
        match self {
            Self::Blocking(kp) => kp.close(),
            Self::Tokio(kp, _) => kp.close(),
        }
    }
}

fn client(arguments: &[String]) -> Result<Client, Box<dyn Error>> {
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let read = |path: &String| std::fs::read(path).map(Zeroizing::new);
    let mut builder = Client::builder(arguments.get(1).ok_or("a URL is missing")?)?.timeout(Duration::from_secs(2));
    if let Some(file) = option("--psk") {
        builder = builder.psk(Psk::from_file_content(&read(file)?, None)?);
    }
    if let Some(file) = option("--ca") {
        builder = builder.ca_pem(std::fs::read(file)?);
    }
    if let Some(cert) = option("--cert") {
        let mut key = option("--key").map(read).transpose()?.unwrap_or_default();
        builder = builder.client_cert_pem(std::fs::read(cert)?, std::mem::take(&mut *key));
    }
    if let Some(file) = option("--key_password") {
        builder = builder.key_password(read(file)?.trim_ascii_end());
    }
    Ok(builder
        .legacy(arguments.iter().any(|argument| argument == "--legacy"))
        .build()?)
}

fn say(word: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{word}")?;
    stdout.flush()
}
