//! The development pair passes everything.

mod common;

use std::time::Duration;

use common::{Mode, both, ids, pair, run};
use skip_client_doctor::{Outcome, Verdict, text};

#[test]
fn the_pair_passes_with_certificates_and_with_pre_shared_keys() {
    for (mode, skipped) in [
        // nobody asks for a client certificate
        (Mode::Certificate, vec!["tls-client-authentication"]),
        (Mode::Psk, vec!["tls-certificate", "tls-certificate-expiry"]),
    ] {
        let pair = pair();
        let report = run(&both(&pair, mode, Duration::from_mins(1)));
        let shown = text(&report);
        assert_eq!(report.verdict(), Verdict::Pass, "{mode:?}: {shown}");
        assert_eq!(ids(&report, Outcome::Warn), Vec::<&str>::new(), "{mode:?}: {shown}");
        assert_eq!(ids(&report, Outcome::Skip), skipped, "{mode:?}: {shown}");
        let made = u32::try_from(pair.stats().keys_issued).expect("few");
        assert!(
            made <= report.keys.used && report.keys.used <= report.keys.at_most,
            "{:?}",
            report.keys
        );
    }
}
