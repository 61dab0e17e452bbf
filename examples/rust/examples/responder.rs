//! The responder: gets the key for the keyId that the initiator sent.
//!
//!     cargo run -p skip-client-examples --example responder -- https://127.0.0.1:8444 ca.pem KEYID Alice

use std::error::Error;
use std::{env, fs};

use skip_client::{Advice, Client, KeyId, SystemId};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, ca, key_id, remote] = args.as_slice() else {
        return Err("usage: responder URL CA_FILE KEY_ID REMOTE_ID".into());
    };

    let kp = Client::builder(url)?.ca_pem(fs::read(ca)?).build()?;
    let remote: SystemId = remote.parse()?;
    match kp.key_by_id(&KeyId::new(key_id)?, &remote) {
        Ok(key) => {
            eprintln!(
                "responder has a key of {} bits, fingerprint {}",
                key.bits(),
                key.fingerprint()
            );
            Ok(())
        }
        Err(error) => {
            eprintln!("{error} ({})", error.code());
            if error.advice() == Advice::NewKey {
                eprintln!("tell the initiator to ask for a new key");
            }
            Err(error.hint().into())
        }
    }
}
