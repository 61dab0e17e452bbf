//! Encrypted private keys: the password comes from a file, a variable or the terminal, never from an argument.

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{PROGRAM, Ran, command};
use skip_key_provider::{KeyProviderPair, PairOptions};

const PASSWORD: &str = "secret marker";

/// Key Providers that want a client certificate, and a folder with an encrypted key for it.
struct Sealed {
    pair: KeyProviderPair,
    folder: tempfile::TempDir,
}

impl Sealed {
    fn start() -> Self {
        let options = PairOptions {
            require_client_cert: true,
            ..PairOptions::default()
        };
        let sealed = Self {
            pair: KeyProviderPair::start(options).expect("starts"),
            folder: tempfile::tempdir().expect("a folder"),
        };
        fs::write(sealed.path("password"), format!("{PASSWORD}\n")).expect("written");
        let (cert, key) = (sealed.pair.client_cert(), sealed.pair.client_key());
        sealed.openssl("pkcs8 -topk8 -in", &key, "sealed.key", &[]);
        let inkey = ["-inkey".as_ref(), key.as_os_str()];
        sealed.openssl("pkcs12 -export -in", &cert, "sealed.p12", &inkey);
        sealed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, start: &str, from: &Path, to: &str, more: &[&std::ffi::OsStr]) {
        let mut run = Command::new("openssl");
        run.args(start.split(' '))
            .arg(from)
            .args(more)
            .arg("-out")
            .arg(self.path(to));
        let password = format!("file:{}", self.path("password").display());
        let out = run.args(["-passout", &password]).output().expect("openssl runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// The arguments of a connection with the encrypted key, or with PKCS#12.
    fn args(&self, is_pkcs12: bool) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
        let mut args = vec![
            "capabilities".to_owned(),
            self.pair.alice().url.clone(),
            "--json".to_owned(),
        ];
        args.extend(["--ca".to_owned(), text(self.pair.ca())]);
        if is_pkcs12 {
            args.extend(["--cert".to_owned(), text(self.path("sealed.p12"))]);
        } else {
            args.extend(["--cert".to_owned(), text(self.pair.client_cert())]);
            args.extend(["--key".to_owned(), text(self.path("sealed.key"))]);
        }
        args
    }
}

#[test]
fn the_password_comes_from_a_file_or_a_variable() {
    let sealed = Sealed::start();
    for is_pkcs12 in [false, true] {
        let args = sealed.args(is_pkcs12);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = |change: &dyn Fn(&mut Command)| -> Ran {
            let mut command = command(&args);
            change(&mut command);
            command.output().expect("runs").into()
        };
        let file = |name: &str| {
            let path = sealed.path(name);
            move |command: &mut Command| _ = command.arg("--key-password-file").arg(&path)
        };
        assert_eq!(ran(&file("password")).json()["localSystemID"], "Alice");
        let variable = |value: &'static str| move |command: &mut Command| _ = command.env("SKIP_KEY_PASSWORD", value);
        assert_eq!(ran(&variable(PASSWORD)).json()["localSystemID"], "Alice");
        for (outcome, message) in [
            (ran(&|_| ()), "is encrypted"),
            (ran(&variable("other")), "does not open"),
            (ran(&variable("other\n")), "SKIP_KEY_PASSWORD: ends with a line feed"),
            (ran(&file(PASSWORD)), "the file cannot be read"),
        ] {
            let error = outcome.json_error(2).to_string();
            assert!(error.contains(message) && !error.contains(PASSWORD), "{error}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_asks_for_the_password_and_does_not_show_it() {
    let sealed = Sealed::start();
    for (typed, status) in [(PASSWORD, 0), ("other", 2), ("", 2)] {
        let words: Vec<String> = sealed.args(false).iter().map(|arg| format!("'{arg}'")).collect();
        let line = format!("'{PROGRAM}' {}", words.join(" "));
        // a pseudo-terminal (util-linux)
        let mut script = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_remove("SKIP_KEY_PASSWORD")
            .env_remove("SKIP_KEY_PASSWORD_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        let (mut keyboard, mut screen) = (
            script.stdin.take().expect("a pipe"),
            script.stdout.take().expect("a pipe"),
        );
        let mut seen = Vec::new();
        let asks = |seen: &[u8]| String::from_utf8_lossy(seen).contains("sealed.key: ");
        while !asks(&seen) {
            let mut byte = [0];
            screen.read_exact(&mut byte).expect("a question");
            seen.extend(byte);
        }
        keyboard.write_all(format!("{typed}\n").as_bytes()).expect("typed");
        screen.read_to_end(&mut seen).expect("the rest");
        drop(keyboard);
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert_eq!(script.wait().expect("ends").code(), Some(status), "{seen}");
        assert!(typed.is_empty() || !seen.contains(typed), "{seen}");
        assert!(status != 0 || seen.contains("Alice"), "{seen}");
    }
}
