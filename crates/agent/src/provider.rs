//! Key Providers: one client for each configuration table, shared by all tunnels.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use skip_client::error::FrontEnd;
use skip_client::{BitLength, Client, ClientBuilder, Error, Key, KeyId, Result, SystemId};

use crate::config::ProviderTable;
use crate::journal::{Journal, Level};
use crate::metrics::{KEY_FAILURES, KEYS, KP_SECONDS, Metrics};
use crate::ports::Keys;
use crate::reach::Reach;
use crate::report::ReachReport;

/// A Key Provider and its client.
pub(crate) struct Provider {
    reach: Reach,
    metrics: Arc<Metrics>,
    journal: Arc<Journal>,
    /// The connection warnings logged last.
    warned: Mutex<Vec<String>>,
    made: RwLock<Made>,
}

/// A client, and what it was created from.
struct Made {
    client: Arc<Client>,
    table: ProviderTable,
    files: Vec<Stamp>,
}

type Stamp = (PathBuf, Option<(SystemTime, u64)>);

impl Provider {
    /// Reads the table's files, without connecting.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn new(
        reach: Reach,
        table: &ProviderTable,
        metrics: Arc<Metrics>,
        journal: Arc<Journal>,
    ) -> std::result::Result<Self, String> {
        let made = make(table).map_err(|why| format!("key-provider.{}: {why}", reach.name()))?;
        Ok(Self {
            reach,
            metrics,
            journal,
            warned: Mutex::default(),
            made: RwLock::new(made),
        })
    }

    /// Prepares the change to another table, or to renewed files; `None` if nothing has changed. Returns the change, so
    /// that all can be checked before any is applied. Calls in progress keep the old client.
    pub fn prepare_change(&self, table: &ProviderTable) -> std::result::Result<Option<Change>, String> {
        {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            if made.table == *table && made.files == stamps(table) {
                return Ok(None);
            }
        }
        make(table)
            .map(|made| Some(Change(made)))
            .map_err(|why| format!("key-provider.{}: {why}", self.reach.name()))
    }

    pub fn change(&self, change: Change) {
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = change.0;
    }

    /// Whether it answers.
    pub fn reach(&self) -> ReachReport {
        self.reach.report()
    }

    /// Requests its capabilities.
    pub fn look(&self) -> Result<Arc<skip_client::Capabilities>> {
        self.client().refresh_capabilities()
    }

    /// Checks whether it answers, without consuming a key.
    pub fn probe(&self) {
        self.note(&self.look());
    }

    /// Cancels the calls in progress.
    pub fn close(&self) {
        self.client().close();
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.made.read().unwrap_or_else(PoisonError::into_inner).client)
    }

    /// Logs the weaknesses of a connection whenever they change.
    fn warn_of_connection(&self) {
        let Some(connection) = self.client().connection() else {
            return;
        };
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if *warned == connection.warnings {
            return;
        }
        warned.clone_from(&connection.warnings);
        for why in warned.iter() {
            let fields = [("key_provider", &self.reach.name() as _), ("error", why as _)];
            self.journal.event(Level::Warn, "key-provider", &fields);
        }
    }

    /// Records reachability. A refusal counts as an answer; a lost or unauthenticated one does not.
    fn note<T>(&self, outcome: &Result<T>) {
        use skip_client::ErrorCode::{Busy, ConnectFailed, ConnectionLost, ProviderFailed, TimedOut, TlsFailed};
        let down = |error: &Error| {
            matches!(
                error.code(),
                ConnectFailed | TlsFailed | TimedOut | ConnectionLost | ProviderFailed | Busy
            )
        };
        self.reach.note(match outcome {
            Err(error) if down(error) => Err(format!("{}: {error}", error.code())),
            _ => Ok(()),
        });
    }

    fn counted(&self, kind: &str, ask: impl FnOnce(&Client) -> Result<Key>) -> Result<Key> {
        let started = Instant::now();
        let outcome = ask(&self.client());
        let name = ("key_provider", self.reach.name());
        self.metrics.time(KP_SECONDS, &[name], started.elapsed());
        self.note(&outcome);
        self.warn_of_connection();
        match &outcome {
            Ok(_) => self.metrics.count(KEYS, &[name, ("kind", kind)]),
            Err(error) => self
                .metrics
                .count(KEY_FAILURES, &[name, ("kind", kind), ("code", error.code().as_str())]),
        }
        outcome
    }
}

/// A new client, ready to be put in place.
pub(crate) struct Change(Made);

impl Keys for Provider {
    fn local_system_id(&self) -> Result<String> {
        let capabilities = self.client().capabilities();
        if capabilities.is_err() {
            self.note(&capabilities);
        }
        let capabilities = capabilities?;
        if capabilities.local_system_id().is_empty() {
            return Err(Error::invalid_argument(
                "key-provider",
                "the key provider does not say its localSystemID",
                "an agent needs one that does",
            ));
        }
        Ok(capabilities.local_system_id().to_owned())
    }

    fn new_key(&self, remote: &SystemId, size: Option<BitLength>) -> Result<Key> {
        self.counted("new", |client| match size {
            Some(size) => client.call().size(size).new_key(remote),
            None => client.new_key(remote),
        })
    }

    fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        self.counted("by_id", |client| client.key_by_id(key_id, remote))
    }
}

fn make(table: &ProviderTable) -> std::result::Result<Made, String> {
    let files = stamps(table);
    let said = |error: Error| {
        let (message, hint) = (error.message_in(&FrontEnd::Agent), error.hint_in(&FrontEnd::Agent));
        format!("{message} ({hint})")
    };
    let mut builder = Client::of_urls(&table.urls).map_err(said)?;
    builder = match table.ca.as_deref() {
        Some(ca) if ca == Path::new("system") => builder.ca_system(),
        Some(ca) => builder.ca_file(ca),
        None => builder,
    };
    if let Some(cert) = &table.cert {
        builder = builder.cert_file(cert);
    }
    if let Some(key) = &table.key {
        builder = builder.key_file(key);
    }
    if let Some(file) = &table.key_password_file {
        builder = builder.key_password_file(file);
    }
    if let Some(file) = &table.psk_file {
        builder = builder.psk_file_as(table.psk_form, file, table.psk_identity.as_deref());
    }
    let client = table.settings.apply(builder).and_then(ClientBuilder::build);
    let client = client.map_err(said)?;
    Ok(Made {
        client: Arc::new(client),
        table: table.clone(),
        files,
    })
}

fn stamps(table: &ProviderTable) -> Vec<Stamp> {
    let cert = table.cert.iter().chain(&table.key).chain(&table.key_password_file);
    let files = table.ca.iter().chain(cert).chain(&table.psk_file);
    files
        .map(|path| {
            let stamp = std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len())));
            (path.clone(), stamp.ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use skip_client::{Psk, PskForm};
    use skip_key_provider::{KeyProviderPair, PairOptions};

    use super::make;
    use crate::config::{ProviderTable, Settings};

    /// The key in every valid vector.
    const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn files_with_pre_shared_keys_are_read_as_in_the_vectors() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/vectors/draft-cisco-skip-02/psk.json"
        );
        let document: Value = serde_json::from_slice(&fs::read(path).expect("the vectors")).expect("JSON");
        let cases = document["cases"].as_array().expect("cases");
        assert!(!cases.is_empty());
        let mut identities: Vec<&str> = cases.iter().filter_map(|case| case["is"].as_str()).collect();
        identities.sort_unstable();
        identities.dedup();
        let psk = |identity: &&str| Psk::from_bytes(identity, SHARED).expect("a key");
        let pair = KeyProviderPair::start(PairOptions {
            psks: identities.iter().map(psk).collect(),
            ..PairOptions::default()
        });
        let pair = pair.expect("the pair starts");
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("psk.txt");
        for case in cases {
            let name = case["name"].as_str().expect("a name");
            let psk_form = match case["form"].as_str().expect("a form") {
                "file" => PskForm::Lines,
                "text" => PskForm::Text,
                "base64" => PskForm::Base64,
                // in an agent's file, it has an identity
                "hex" => continue,
                other => panic!("{name}: unknown form {other}"),
            };
            let content = match (case["input"].as_str(), case["input_base64"].as_str()) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (None, bytes) => openssl::base64::decode_block(bytes.expect("bytes")).expect("base64"),
            };
            // the line feed at the end of a file with one key is not part of it
            if psk_form != PskForm::Lines && content.ends_with(b"\n") {
                continue;
            }
            fs::write(&file, content).expect("written");
            let made = make(&ProviderTable {
                urls: vec![pair.alice().psk_url.clone()],
                ca: None,
                cert: None,
                key: None,
                key_password_file: None,
                psk_file: Some(file.clone()),
                psk_identity: case["identity"].as_str().map(str::to_owned),
                psk_form,
                settings: Settings::default(),
            });
            match (case["is"].as_str(), made) {
                (Some(_), Ok(made)) => {
                    let capabilities = made.client.capabilities();
                    assert_eq!(capabilities.expect(name).local_system_id(), "Alice", "{name}");
                }
                (None, Err(why)) => assert!(why.starts_with("psk-file: "), "{name}: {why}"),
                (_, made) => panic!("{name}: {:?}", made.err()),
            }
        }
    }
}
