//! The initiator: asks its Key Provider for a new key and prints what the responder needs, which is public.
//!
//!     cargo run -p skip-client-examples --example initiator -- https://127.0.0.1:8443 ca.pem Bob

use std::error::Error;
use std::{env, fs};

use skip_client::{BitLength, Client, SystemId};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, ca, remote] = args.as_slice() else {
        return Err("usage: initiator URL CA_FILE REMOTE_ID".into());
    };

    let kp = Client::builder(url)?.ca_pem(fs::read(ca)?).build()?;
    let remote: SystemId = remote.parse()?;
    let key = kp.call().size(BitLength::new(256)?).new_key(&remote)?;
    let capabilities = kp.capabilities()?;

    // To the responder, over any channel: the keyId and the id of our Key Provider.
    println!("{} {}", key.key_id().as_str(), capabilities.local_system_id());
    // The key itself is in key.secret(); a fingerprint can be shown.
    eprintln!(
        "initiator has a key of {} bits, fingerprint {}",
        key.bits(),
        key.fingerprint()
    );
    Ok(())
}
