//! The host's OpenSSL configuration: ignored by the bundled OpenSSL, respected by the system's.
#![cfg(feature = "psk")]

use std::process::Command;

use skip_client::{Client, Psk};

/// Disables OpenSSL's default provider, as on a host in FIPS mode without a FIPS provider. A module named here would be loaded by the same
/// mechanism.
const FIPS_WITHOUT_PROVIDER: &str = "\
    openssl_conf = init\n\
    [init]\n\
    alg_section = algorithms\n\
    [algorithms]\n\
    default_properties = fips=yes\n";

/// Set in the process that builds a client: OpenSSL reads its configuration once.
const CHILD: &str = "SKIP_TEST_OPENSSL_CONF_CHILD";
const TEST: &str = "the_built_in_openssl_reads_no_configuration_and_the_systems_is_named_when_it_forbids_everything";

fn build() -> String {
    let psk = Psk::from_hex("encryptor", &[b'5'; 64]).expect("a key");
    match Client::builder("https://127.0.0.1:9").expect("a URL").psk(psk).build() {
        Ok(_) => "built".into(),
        Err(error) => format!("{}\n{}", error.message(), error.hint()),
    }
}

/// The output of building a client in a process with this configuration.
fn build_with(configuration: &str) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("openssl.cnf");
    std::fs::write(&file, configuration).expect("written");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", TEST, "--nocapture"])
        .env("OPENSSL_CONF", &file)
        .env(CHILD, "1")
        .output()
        .expect("a child");
    assert!(child.status.success(), "{child:?}");
    String::from_utf8(child.stdout).expect("text")
}

#[test]
fn the_built_in_openssl_reads_no_configuration_and_the_systems_is_named_when_it_forbids_everything() {
    if std::env::var_os(CHILD).is_some() {
        println!("{}", build());
        return;
    }
    let said = build_with(FIPS_WITHOUT_PROVIDER);
    if cfg!(feature = "psk-vendored") {
        assert!(said.contains("built"), "{said}");
    } else {
        assert!(said.contains("OpenSSL cannot be used as it is configured"), "{said}");
        assert!(said.contains("OPENSSL_CONF") && said.contains("FIPS"), "{said}");
    }
    assert!(build_with("").contains("built"));
}
