//! `skip-client demo`: the whole exchange of the draft's Figure 2, with a pair of Key Providers in this process.

use std::io::Write as _;

use skip_client::{BitLength, Client, ErrorCode, Key, Psk, Result, SystemId};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions};

use crate::fetch::connection_line;
use crate::interrupt::{Interrupt, Listening};
use crate::report;
use crate::text::shown;

/// Exit status if the exchange did not follow the draft.
const WENT_WRONG: i32 = 1;

const KEY_BITS: u64 = 256;
const ENTROPY_BITS: u64 = 128;

/// Runs the exchange in each mode; the exit status tells whether all of it was right.
pub(crate) fn run(interrupt: &Interrupt) -> Result<i32> {
    let listening = interrupt.listen();
    let options = PairOptions {
        require_client_cert: true,
        ..PairOptions::default()
    };
    let pair = match KeyProviderPair::start(options) {
        Ok(pair) => pair,
        Err(error) => {
            report::warning(&format!("the development Key Providers did not start: {error}"));
            return Ok(WENT_WRONG);
        }
    };
    let certificates = "certificates: each Key Provider and both encryptors have a certificate of one private CA";
    let psk = "PSK: each encryptor shares a key with its Key Provider, and nobody has a certificate";
    let ends = [(pair.alice(), pair.bob()), (pair.bob(), pair.alice())];
    let [alice, bob] = ends.map(|(own, peer)| Site::new(own, &own.url, peer, |url| by_certificates(&pair, url)));
    let right = exchange(certificates, &alice?, &bob?, &listening)?;
    say("\n")?;
    let [alice, bob] = ends.map(|(own, peer)| Site::new(own, &own.psk_url, peer, |url| by_psk(&pair, url)));
    let right = right && exchange(psk, &alice?, &bob?, &listening)?;
    Ok(if right { 0 } else { WENT_WRONG })
}

/// One side of the exchange: an encryptor's client of its Key Provider, and the peer's name.
struct Site {
    id: String,
    url: String,
    remote: SystemId,
    client: Client,
}

impl Site {
    fn new(own: &Endpoint, url: &str, peer: &Endpoint, client: impl FnOnce(&str) -> Result<Client>) -> Result<Self> {
        Ok(Self {
            id: own.id.clone(),
            url: url.to_owned(),
            remote: SystemId::new(&peer.id)?,
            client: client(url)?,
        })
    }
}

fn by_psk(pair: &KeyProviderPair, url: &str) -> Result<Client> {
    let psk = Psk::from_file_content(&crate::files::read("demo", &pair.psk())?, None)?;
    Client::builder(url)?.psk(psk).build()
}

fn by_certificates(pair: &KeyProviderPair, url: &str) -> Result<Client> {
    let mut cert = crate::files::read("demo", &pair.client_cert())?;
    let mut key = crate::files::read("demo", &pair.client_key())?;
    let mut ca = crate::files::read("demo", &pair.ca())?;
    Client::builder(url)?
        .ca_pem(std::mem::take(&mut *ca))
        .client_cert_pem(std::mem::take(&mut *cert), std::mem::take(&mut *key))
        .build()
}

/// Prints each step as it happens; `false` as soon as one is wrong.
fn exchange(mode: &str, alice: &Site, bob: &Site, listening: &Listening<'_>) -> Result<bool> {
    let token = listening.token();
    say(&format!("{mode}\n\n"))?;
    say(&picture(&alice.id, &bob.id))?;

    say("\n capabilities\n")?;
    for site in [alice, bob] {
        let found = site.client.call().cancel(token).capabilities()?;
        let reaches = found.remote_system_ids().join(", ");
        let link = site
            .client
            .connection()
            .map_or_else(String::new, |info| connection_line(&info));
        say(&format!(
            "   {:6} {}: reaches {}; {}\n",
            shown(&site.id),
            site.url,
            shown(&reaches),
            link
        ))?;
        let complete = found.supports_key() && found.supports_entropy();
        let known = found.local_system_id() == site.id && found.matches_remote(site.remote.as_str());
        if !(complete && known) {
            return wrong("the capabilities are not those of this pair");
        }
    }

    let size = BitLength::new(KEY_BITS)?;
    let fresh = alice.client.call().cancel(token).size(size).new_key(&alice.remote)?;
    let key_id = fresh.key_id();
    say(&format!(
        "\n 1 encryptor {0} -> Key Provider {0}: a new key for {1}, {KEY_BITS} bits\n",
        alice.id, bob.id
    ))?;
    say(&format!(
        " 2 encryptor {0} <- Key Provider {0}: keyId {key_id}\n",
        alice.id
    ))?;
    say(&fingerprint_line(&alice.id, &fresh))?;
    say(&format!(
        " 3 encryptor {} -> encryptor {}: the keyId, in the clear\n",
        alice.id, bob.id
    ))?;
    let same = bob.client.call().cancel(token).key_by_id(key_id, &bob.remote)?;
    say(&format!(
        " 4 encryptor {0} -> Key Provider {0}: the key of that keyId, please\n",
        bob.id
    ))?;
    say(&format!(" 5 encryptor {0} <- Key Provider {0}: the key\n", bob.id))?;
    say(&fingerprint_line(&bob.id, &same))?;
    if fresh != same || u64::from(same.bits()) != KEY_BITS || fresh.fingerprint() != same.fingerprint() {
        return wrong("the two keys differ");
    }
    say("   => both encryptors have the same key\n")?;

    // draft 4.2.2 (MUST): a key is handed out once, then wiped
    match bob.client.call().cancel(token).key_by_id(key_id, &bob.remote) {
        Err(error) if matches!(error.code(), ErrorCode::Rejected | ErrorCode::NotFound) => {
            let (code, advice) = (error.code(), error.advice());
            say(&format!(
                "\n the same keyId a second time: refused ({code}; advice: {advice})\n"
            ))?;
        }
        Err(error) => return Err(error),
        Ok(_) => return wrong("the key was handed out a second time"),
    }

    for site in [alice, bob] {
        let entropy = site
            .client
            .call()
            .cancel(token)
            .entropy(Some(BitLength::new(ENTROPY_BITS)?))?;
        if u64::from(entropy.bits()) < ENTROPY_BITS {
            return wrong("less entropy than requested");
        }
        say(&format!(
            " entropy from Key Provider {}: {} bits\n",
            site.id,
            entropy.bits()
        ))?;
    }
    say("\nAll as it should be.\n")?;
    Ok(true)
}

fn picture(alice: &str, bob: &str) -> String {
    format!(
        "   Key Provider {alice:<8}<== agree, their own way ==>   Key Provider {bob}\n\
         {0:6}1 | ^{0:38}4 | ^\n\
         {0:6}  v | 2{0:38}v | 5\n\
         {0:3}encryptor {alice:<11}-------- 3: keyId -------->   encryptor {bob}\n",
        ""
    )
}

fn fingerprint_line(id: &str, key: &Key) -> String {
    format!("     fingerprint at {id}: {}\n", key.fingerprint())
}

fn wrong(what: &str) -> Result<bool> {
    say("\n")?;
    report::warning(what);
    Ok(false)
}

/// Prints a step at once, so that a slow one is visible.
fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| crate::output::cannot_print(&error))
}
