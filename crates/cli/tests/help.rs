//! The exact help texts.

mod common;

use common::run;

macro_rules! help_is_as_recorded {
    ($($name:ident: $args:expr,)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(run(&$args).ok());
        }
    )*};
}

help_is_as_recorded! {
    all: ["--help"],
    capabilities: ["capabilities", "--help"],
    new_key: ["new-key", "--help"],
    key: ["key", "--help"],
    entropy: ["entropy", "--help"],
    validate: ["validate", "--help"],
    doctor: ["doctor", "--help"],
    serve: ["serve", "--help"],
    agent: ["agent", "--help"],
    agent_check: ["agent", "check", "--help"],
    agent_handoff_certs: ["agent", "handoff-certs", "--help"],
    agent_rotate: ["agent", "rotate", "--help"],
    agent_status: ["agent", "status", "--help"],
    demo: ["demo", "--help"],
    explain: ["explain", "--help"],
}

#[test]
fn version_is_the_crates_and_names_the_tls_libraries() {
    let libraries = skip_client::process::tls_libraries();
    assert_eq!(
        run(&["--version"]).ok(),
        format!(
            "skip-client {}\nTLS: {}, {}\n",
            env!("CARGO_PKG_VERSION"),
            libraries[0],
            libraries[1]
        )
    );
    assert_eq!(
        run(&["-V"]).ok(),
        concat!("skip-client ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn values_of_variables_are_not_shown() {
    let help = common::command(&["key", "--help"])
        .env("SKIP_URL", "https://marker")
        .output()
        .expect("runs");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("marker"));
}
