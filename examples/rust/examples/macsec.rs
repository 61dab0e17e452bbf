//! A key for `MACsec`: the lines `mka_cak` and `mka_ckn` of a network block of `wpa_supplicant`.
//!
//!     cargo run -p skip-client-examples --example macsec -- https://127.0.0.1:8443 ca.pem Bob macsec.conf

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::{env, process::ExitCode};

use skip_client::{BitLength, Client, ExportFormat};

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [url, ca, remote, file] = args else {
        return Err("usage: macsec URL CA_FILE REMOTE_ID FILE".into());
    };

    let kp = Client::builder(url)?.ca_pem(fs::read(ca)?).build()?;
    let key = kp.call().size(BitLength::new(256)?).new_key(&remote.parse()?)?;

    // The CAK is the key, its name (the CKN) the keyId; both ends get the same lines.
    let text = key.export(ExportFormat::Wpa)?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(&text)?;

    println!("{}", key.key_id().as_str()); // for the other end, which asks for the key by this
    Ok(())
}

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
