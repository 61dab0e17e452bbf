//! `strongSwan`, over VICI: establishes a new `IKE_SA` with the new PPK beside the old one, then deletes the old one.
//!
//! `strongSwan` cannot request a PPK while it negotiates, and rekeying keeps the PPK of the `IKE_SA`. A PPK is
//! therefore loaded at both ends first, and takes effect with a new `IKE_SA`.

mod definition;
mod vici;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use skip_client::{Key, KeyId};

use self::vici::{Section, Session, ViciError};
use super::{ClearText, Consumer, ConsumerError, Observation, Rules};
use crate::reader::{Mistakes, Table};

/// The table of a `strongSwan` consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name of the connection in charon.
    pub connection: String,
    /// The name of its child, which is the tunnel.
    pub child: String,
    /// Initiator only: the file with `connections.CONNECTION`, in the syntax of `swanctl.conf`. The agent loads that
    /// section with each new `ppk_id`. The responder's connection is loaded by `swanctl` as usual.
    pub definition: Option<PathBuf>,
    /// Charon's VICI socket; `/run/charon.vici` by default.
    pub socket: PathBuf,
    /// The prefix, before the keyId, of the names of this tunnel's secrets in charon; `skip:CONNECTION:` by default.
    /// Tunnels of the same charon must not share it.
    pub secret_prefix: Option<String>,
    /// How long charon may take for one step, in seconds, 1 to 300; 15 by default.
    pub timeout: u64,
}

const SOCKET: &str = "/run/charon.vici";

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let connection = table.required_text("connection", mistakes);
        let child = table.required_text("child", mistakes);
        let definition = table.text("definition", mistakes);
        let socket = table.text_or("socket", SOCKET, mistakes);
        let secret_prefix = table.text("secret-prefix", mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 15, 1..301, mistakes),
            connection: connection?.value,
            child: child?.value,
            definition: definition.map(|found| found.value.into()),
            socket: socket.into(),
            secret_prefix: secret_prefix.map(|found| found.value),
        })
    }

    /// The prefix of the names of this tunnel's keys.
    pub(crate) fn prefix(&self) -> String {
        let default = || format!("skip:{}:", self.connection);
        self.secret_prefix.clone().unwrap_or_else(default)
    }

    pub(crate) fn check(&self, _size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        for (field, name) in [("connection", &self.connection), ("child", &self.child)] {
            let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !"{}=#:\",".contains(c);
            rules.must(
                !name.is_empty() && name.len() <= 200 && name.chars().all(allowed),
                &format!("{field}: must be a name of charon: 1 to 200 bytes without spaces and none of {{}}=#:\","),
            );
        }
        let prefix = self.secret_prefix.as_ref();
        rules.must(
            prefix.is_none_or(|prefix| (1..=100).contains(&prefix.len())),
            "secret-prefix: must have 1 to 100 bytes",
        );
        for (field, path) in [("definition", self.definition.as_ref()), ("socket", Some(&self.socket))] {
            rules.must(
                path.is_none_or(|path| path.is_absolute()),
                &format!("{field}: must be an absolute path"),
            );
        }
        rules.done()
    }
}

// all consumers share this signature
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    Ok(Box::new(Strongswan {
        prefix: settings.prefix(),
        settings: settings.clone(),
        in_use: None,
    }))
}

struct Strongswan {
    settings: Settings,
    prefix: String,
    /// The `IKE_SA` known to use a key, because this process has started it.
    in_use: Option<(String, KeyId)>,
}

/// One `IKE_SA` of the connection.
struct Sa {
    id: String,
    established: bool,
    with_ppk: bool,
    /// The tunnel's children that are installed.
    children: Vec<String>,
}

impl Sa {
    fn carries(&self) -> bool {
        self.established && !self.children.is_empty()
    }
}

impl Consumer for Strongswan {
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let mut session = self.connect()?;
        let secret = Section::new()
            .value("id", self.secret_id(key.key_id()))
            .value("type", "ppk")
            .value("data", key.secret().expose())
            .list("owners", [key.key_id().as_str()]);
        session.call("load-shared", &secret)?;
        Ok(())
    }

    fn activate(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let mut session = self.connect()?;
        let before = self.sas(&mut session)?;
        if let Some((id, in_use)) = &self.in_use
            && in_use == key.key_id()
            && before.iter().any(|sa| sa.id == *id && sa.carries())
        {
            return Ok(());
        }
        self.in_use = None;
        let id = self.start(&mut session, key.key_id(), &before)?;
        self.in_use = Some((id, key.key_id().clone()));
        Ok(())
    }

    fn retire_others(&mut self, keep: &KeyId) -> Result<(), ConsumerError> {
        let mut session = self.connect()?;
        // only the initiator knows which IKE_SA has the key; the responder's old ones go when the initiator deletes its
        // own
        if self.is_initiator(&mut session)? {
            self.end_others(&mut session, keep)?;
        }
        self.unload(&mut session, |id| id != keep)
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        if let Some(key) = in_use {
            self.prepare(key)?;
        }
        let mut session = self.connect()?;
        if self.is_initiator(&mut session)? {
            if let Some((id, _)) = self.in_use.take_if(|(_, used)| used == key_id) {
                terminate(&mut session, &[("ike-id", &id)])?;
            }
            let unfinished = self.sas(&mut session)?.into_iter().filter(|sa| !sa.established);
            for sa in unfinished.collect::<Vec<_>>() {
                terminate(&mut session, &[("ike-id", &sa.id)])?;
            }
            if let Some(key) = in_use {
                self.load(&mut session, key.key_id())?;
            }
        }
        self.unload(&mut session, |id| id == key_id)
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let mut session = match self.session() {
            Ok(session) => session,
            Err(error @ ViciError::Connect(_)) => return Ok(Observation::unreachable(&self.cannot_connect(&error))),
            Err(error) => return Err(error.into()),
        };
        let instance = session.peer_pid().map(instance);
        let sas = self.sas(&mut session)?;
        let carrying = || sas.iter().filter(|sa| sa.carries());
        let mut loaded = self.loaded(&mut session)?;
        let with_ppk = carrying().next().is_some() && carrying().all(|sa| sa.with_ppk);
        // `swanctl --load-creds` unloads secrets that are not in its files: the tunnel stays up but could not be
        // restarted
        let unloaded = if with_ppk && loaded.is_empty() { " unloaded" } else { "" };
        let known = self.in_use.as_ref().filter(|(id, _)| carrying().any(|sa| sa.id == *id));
        let key_id = match known {
            _ if loaded.is_empty() => None,
            Some((_, key_id)) => Some(key_id.clone()),
            // if this process did not start it, the key is known only when a single one is loaded
            None if with_ppk => loaded.pop().filter(|_| loaded.is_empty()),
            None => None,
        };
        Ok(Observation {
            reachable: true,
            tunnel_up: Some(carrying().next().is_some()),
            key_id,
            instance: instance.map(|instance| instance + unloaded),
            ..Observation::default()
        })
    }

    /// The definition is reread at each rotation, and somebody may be editing it.
    fn ready(&mut self, starts: bool) -> Result<(), ConsumerError> {
        let Settings {
            connection,
            child,
            definition,
            ..
        } = &self.settings;
        match definition {
            Some(file) => definition::read(file, connection, child, "00")
                .map(drop)
                .map_err(cannot_use),
            None if starts => Err(self.no_definition()),
            None => Ok(()),
        }
    }

    /// A trap or drop policy of the child, or of another connection, catches packets while the tunnel is down.
    fn clear_text(&mut self) -> ClearText {
        let Ok(mut session) = self.session() else {
            return ClearText::Unknown;
        };
        let asked = Section::new().value("trap", "yes").value("drop", "yes");
        match session.stream("list-policies", "list-policy", &asked) {
            Ok(policies) if policies.iter().any(Section::is_not_empty) => ClearText::Dropped,
            Ok(_) => ClearText::MayLeave,
            Err(_) => ClearText::Unknown,
        }
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        let mut session = self.connect()?;
        // the keys first, so that neither end can restart the tunnel with them
        self.unload(&mut session, |_| true)?;
        self.in_use = None;
        for sa in self.sas(&mut session)? {
            terminate(&mut session, &[("ike-id", &sa.id)])?;
        }
        Ok(())
    }
}

impl Strongswan {
    fn session(&self) -> Result<Session, ViciError> {
        let limit = Duration::from_secs(self.settings.timeout);
        Session::connect(&self.settings.socket, limit)
    }

    fn connect(&self) -> Result<Session, ConsumerError> {
        self.session().map_err(|error| self.cannot_connect(&error))
    }

    fn cannot_connect(&self, error: &ViciError) -> ConsumerError {
        let socket = self.settings.socket.display();
        ConsumerError::new(
            format!("{error} ({socket})"),
            "check that charon runs with its vici plugin, that `socket` names charon.plugins.vici.socket, and that this \
             user may open it",
        )
    }

    fn no_definition(&self) -> ConsumerError {
        ConsumerError::new(
            format!(
                "this end starts the tunnel {}, and does not know its definition",
                self.settings.connection
            ),
            "set `definition` to the file that has the section of the connection",
        )
    }

    fn secret_id(&self, key_id: &KeyId) -> String {
        format!("{}{key_id}", self.prefix)
    }

    /// Loads the connection with this key, starts it, and returns the `IKE_SA` that uses it.
    fn start(&self, session: &mut Session, key_id: &KeyId, before: &[Sa]) -> Result<String, ConsumerError> {
        self.load(session, key_id)?;
        let known = |child: &String| before.iter().any(|sa| sa.children.contains(child));
        // charon gives up first, so that it can report its reason
        let limit = session.left().saturating_sub(Duration::from_millis(500));
        let initiated = session.call(
            "initiate",
            &Section::new()
                .value("child", &self.settings.child)
                .value("ike", &self.settings.connection)
                .value("timeout", limit.as_millis().to_string()),
        );
        if let Err(error) = initiated {
            self.end_unfinished(before);
            return Err(match error {
                ViciError::Refused { .. } => ConsumerError::new(
                    format!(
                        "the tunnel {} did not come up with the new key: {error}",
                        self.settings.connection
                    ),
                    "charon's log at both ends says why; the responder needs the same key loaded, and a connection with \
                     ppk_required = yes, unique = never and no ppk_id",
                ),
                error => error.into(),
            });
        }
        let after = self.sas(session)?;
        // if an IKE_SA with this key already existed, charon has added the new child to it
        let new = after.iter().find(|sa| sa.children.iter().any(|child| !known(child)));
        match new {
            Some(sa) if sa.established && sa.with_ppk => Ok(sa.id.clone()),
            Some(sa) if sa.established => {
                let id = sa.id.clone();
                terminate(session, &[("ike-id", &id)])?;
                Err(ConsumerError::new(
                    format!("the tunnel {} came up without its key", self.settings.connection),
                    "set ppk_required = yes in the connection at both ends",
                ))
            }
            _ => Err(ConsumerError::new(
                format!("the new IKE_SA of {} is not there any more", self.settings.connection),
                "charon's log says why it ended",
            )),
        }
    }

    /// Cleans up after a failed start, which charon would keep retrying in the background. Uses a new connection, since
    /// the deadline of the other one may have passed; whatever fails here is cleaned up by the next call.
    fn end_unfinished(&self, before: &[Sa]) {
        let Ok(mut session) = self.connect() else { return };
        let Ok(after) = self.sas(&mut session) else { return };
        for sa in after {
            if !sa.carries() && !before.iter().any(|old| old.id == sa.id && old.established) {
                let _ = terminate(&mut session, &[("ike-id", &sa.id)]);
            }
        }
    }

    /// Ends every `IKE_SA` except one with this key, and duplicate children of that one.
    fn end_others(&mut self, session: &mut Session, keep: &KeyId) -> Result<(), ConsumerError> {
        let mut sas = self.sas(session)?;
        if sas.len() > 1 || sas.iter().any(|sa| sa.children.len() > 1) {
            let known = self
                .in_use
                .as_ref()
                .filter(|(_, key_id)| key_id == keep)
                .map(|(id, _)| id.clone());
            let id = match known.filter(|id| sas.iter().any(|sa| sa.id == *id && sa.carries())) {
                Some(id) => id,
                // interrupted earlier: the IKE_SA with this key is the one that takes a new child
                None => self.start(session, keep, &sas)?,
            };
            sas = self.sas(session)?;
            self.in_use = Some((id.clone(), keep.clone()));
            for sa in &sas {
                if sa.id == id {
                    let newest = sa.children.iter().filter_map(|child| child.parse::<u64>().ok()).max();
                    let older = sa.children.iter().filter(|child| child.parse().ok() != newest);
                    for child in older {
                        terminate(session, &[("child-id", child)])?;
                    }
                } else {
                    terminate(session, &[("ike-id", &sa.id)])?;
                }
            }
        }
        Ok(())
    }

    fn load(&self, session: &mut Session, key_id: &KeyId) -> Result<(), ConsumerError> {
        let Settings {
            connection,
            child,
            definition,
            ..
        } = &self.settings;
        let Some(file) = definition else {
            return Err(self.no_definition());
        };
        let section = definition::read(file, connection, child, key_id.as_str()).map_err(cannot_use)?;
        session
            .call("load-conn", &Section::new().section(connection, section))
            .map_err(|error| {
                let hint = "charon's log says what it does not understand in the definition of the connection";
                ConsumerError::new(error.to_string(), hint)
            })?;
        Ok(())
    }

    /// Whether this end chooses the key, which it does by loading its connection with one.
    fn is_initiator(&self, session: &mut Session) -> Result<bool, ConsumerError> {
        if self.settings.definition.is_none() {
            return Ok(false);
        }
        let filter = Section::new().value("ike", &self.settings.connection);
        let events = session.stream("list-conns", "list-conn", &filter)?;
        let mut found = events.iter().filter_map(|event| event.child(&self.settings.connection));
        Ok(found.any(|connection| connection.has("ppk_id")))
    }

    fn sas(&self, session: &mut Session) -> Result<Vec<Sa>, ViciError> {
        let filter = Section::new().value("ike", &self.settings.connection);
        let events = session.stream("list-sas", "list-sa", &filter)?;
        let found = events.iter().filter_map(|event| event.child(&self.settings.connection));
        Ok(found.filter_map(|sa| self.sa(sa)).collect())
    }

    fn sa(&self, sa: &Section) -> Option<Sa> {
        let ours = |child: &Section| {
            child.text("name").is_none_or(|name| name == self.settings.child)
                && child.text("state") == Some("INSTALLED")
        };
        let children = sa.child("child-sas").into_iter().flat_map(Section::children);
        Some(Sa {
            id: sa.text("uniqueid")?.to_owned(),
            established: sa.text("state") == Some("ESTABLISHED"),
            with_ppk: sa.text("ppk") == Some("yes"),
            children: children
                .filter(|(_, child)| ours(child))
                .filter_map(|(_, child)| Some(child.text("uniqueid")?.to_owned()))
                .collect(),
        })
    }

    /// The keys of this tunnel that are loaded in charon.
    fn loaded(&self, session: &mut Session) -> Result<Vec<KeyId>, ViciError> {
        let answer = session.call("get-shared", &Section::new())?;
        let ours = answer.texts("keys").filter_map(|id| id.strip_prefix(&self.prefix));
        Ok(ours.filter_map(|id| KeyId::lenient(id).ok()).collect())
    }

    fn unload(&self, session: &mut Session, which: impl Fn(&KeyId) -> bool) -> Result<(), ConsumerError> {
        for key_id in self.loaded(session)? {
            if which(&key_id) {
                let secret = Section::new().value("id", self.secret_id(&key_id));
                session.call("unload-shared", &secret)?;
            }
        }
        Ok(())
    }
}

fn cannot_use(what: String) -> ConsumerError {
    ConsumerError::new(what, "correct the file; it is read again at each rotation")
}

/// Ends an SA and waits until the peer has agreed. An SA that no longer exists is not an error.
fn terminate(session: &mut Session, which: &[(&str, &str)]) -> Result<(), ConsumerError> {
    let limit = session
        .left()
        .saturating_sub(Duration::from_millis(200))
        .min(Duration::from_secs(3));
    let mut arguments = Section::new()
        .value("timeout", limit.as_millis().to_string())
        // do not wait for a peer that does not answer
        .value("force", "yes");
    for (name, value) in which {
        arguments = arguments.value(name, value);
    }
    match session.call("terminate", &arguments) {
        Ok(_) | Err(ViciError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// PID and start time of a process. Charon reports its start too (`stats`), but as an age, so that the result varies by
/// a second.
fn instance(pid: i32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the name, in parentheses, may contain spaces; the start time is the 20th field after it
    let since = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    format!("{pid}-{}", since.unwrap_or_default())
}

impl From<ViciError> for ConsumerError {
    fn from(error: ViciError) -> Self {
        let hint = match &error {
            ViciError::Connect(_) => "check that charon runs and that this user may open its vici socket",
            ViciError::Io(_) => "charon may be starting or overloaded; raise timeout if its peer is far away",
            ViciError::Protocol(_) | ViciError::Unknown(_) => "the agent needs strongSwan 5.7 or later",
            ViciError::Refused { .. } => "charon's log says more",
        };
        ConsumerError::new(error.to_string(), hint)
    }
}
