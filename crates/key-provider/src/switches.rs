//! The switches: quirks that real Key Providers have, and faults that a client must survive.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A name that is no quirk or no fault; the message lists the names that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: String,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownName { kind, name, known } = self;
        write!(f, "no {kind} is called {name:?}; known: {known}")
    }
}

impl Error for UnknownName {}

/// Declares an enum of switches with kebab-case names: one line a switch.
macro_rules! switches {
    ($(#[$doc:meta])* $type:ident, $kind:literal, { $($(#[doc = $line:literal])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[doc = $line])* $variant,)* }

        impl $type {
            /// Every one of them, in the order of this page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does, in one line.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($line),*).trim_start(),)* }
            }

            const fn bit(self) -> u64 {
                1 << self as u64
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name).ok_or_else(|| UnknownName {
                    kind: $kind,
                    name: name.to_owned(),
                    known: [$($name),*].join(", "),
                })
            }
        }
    };
}

switches! {
    /// Something that Key Providers of the field do, and that a client has to live with. A quirk acts on every answer;
    /// one about TLS acts on the connections that are accepted while it is on.
    Quirk, "quirk", {
        /// Closes TCP without the closing message of TLS.
        NoCloseNotify = "no-close-notify",
        /// Closes the connection after each answer and says so.
        ConnectionClose = "connection-close",
        /// Sends bodies in chunks, without a length.
        Chunked = "chunked",
        /// Takes paths and queries as they are, percent signs included.
        NoPercentDecoding = "no-percent-decoding",
        /// Writes keyId, key and randomStr with capital letters.
        UppercaseHex = "uppercase-hex",
        /// Calls every keyId malformed that has not exactly 32 digits.
        KeyId32Only = "key-id-32-only",
        /// Refuses a size or minentropy other than 128, 192 and 256 bits.
        Sizes128192256 = "sizes-128-192-256",
        /// Adds members to each message that the draft does not know.
        ExtraMembers = "extra-members",
        /// Answers 500 with an HTML page.
        Html500 = "html-500",
        /// Answers 404 for an unknown, used or expired keyId.
        NotFoundUnknownKey = "404-unknown-key",
        /// Answers 422 where the draft has 400 for a bad keyId, size or minentropy.
        Unprocessable = "422",
        /// Waits one second before each answer.
        Slow = "slow",
        /// Calls its JSON `text/html`.
        TextHtmlType = "text-html-type",
        /// Offers TLS 1.2 only.
        Tls12Only = "tls-1.2-only",
        /// Offers TLS 1.3 only; with tls-1.2-only, that one counts.
        Tls13Only = "tls-1.3-only",
        /// Takes pre-shared keys in TLS 1.3 with SHA-256 suites only, like programs written for OpenSSL 1.0.
        ClassicPsk = "classic-psk",
        /// Sends an identity hint before a client names its pre-shared key (TLS 1.2).
        PskIdentityHint = "psk-identity-hint",
        /// Takes pre-shared keys in TLS 1.2 with AES-256-GCM only.
        PskGcmOnly = "psk-gcm-only",
        /// Takes pre-shared keys as Python's ssl module does: bound to SHA-256 in TLS 1.3, and in TLS 1.2 without
        /// Diffie-Hellman parameters, so that plain PSK is all that works there.
        PskNoDh = "psk-no-dh",
        /// Gives a key by its keyId whichever remote of its list is named.
        UnboundKeys = "unbound-keys",
        /// Finds a key only by the letters in which it gave the keyId.
        CaseSensitiveKeyIds = "case-sensitive-key-ids",
        /// Matches patterns from their beginning only, so that ids with more behind a match are served too.
        PrefixPatterns = "prefix-patterns",
        /// Gives a key by its keyId at the Key Provider that made it, too.
        IssuerGivesAgain = "issuer-gives-again",
        /// Sends no `Cache-Control`.
        NoCacheControl = "no-cache-control",
        /// Gives 128 bits where no size or minentropy is asked for.
        Default128 = "default-128",
        /// Makes keyIds of 66 digits.
        LongKeyIds = "long-key-ids",
        /// Describes its algorithm in more than 16 bytes.
        LongAlgorithm = "long-algorithm",
        /// Answers 400 to methods other than GET.
        Method400 = "method-400",
        /// Answers 405 for paths that Table 2 does not have.
        UnknownPath405 = "unknown-path-405",
        /// Offers clients without a pre-shared key TLS 1.3 alone, and no post-quantum key exchange.
        NoMlKem = "no-ml-kem",
        /// Answers errors without a body.
        EmptyErrors = "empty-errors",
        /// Keeps a connection open that the client wants closed.
        IgnoresConnectionClose = "ignores-connection-close",
        /// Takes pre-shared keys in TLS 1.2 without a fresh key exchange only.
        NoForwardSecrecy = "no-forward-secrecy",
        /// Takes pre-shared keys in TLS 1.0 and 1.1 too.
        OldTls = "old-tls",
        /// Takes pre-shared keys in suites of TLS 1.2 without encryption too.
        NullSuites = "null-suites",
    }
}

switches! {
    /// Something that no Key Provider should do. Faults act on `/key` and `/entropy` only, so that a client that asks
    /// for the capabilities first still gets to them; [`Fault::OnCapabilities`] lifts that.
    ///
    /// The key of a faulty reply is spent, except with [`Fault::Stall`] and [`Fault::Redirect`], which never get that
    /// far.
    Fault, "fault", {
        /// Handles the request, then closes the connection instead of answering.
        DropBeforeResponse = "drop-before-response",
        /// Closes the connection in the middle of the body.
        DropMidBody = "drop-mid-body",
        /// Answers a request by keyId with another keyId.
        WrongKeyId = "wrong-key-id",
        /// Gives a key (64 bits, or 128 where 64 were asked for) or randomStr (64 bits or less) of another length than
        /// asked for.
        WrongSize = "wrong-size",
        /// Puts a letter that is no hexadecimal digit into key or randomStr.
        NotHex = "not-hex",
        /// Gives a key or randomStr of zeros.
        AllZeroKey = "all-zero-key",
        /// Sends a body of 10 MB (a valid message with a long extra member).
        HugeBody = "huge-body",
        /// Sends a header line of 100 KB.
        HugeHeader = "huge-header",
        /// Sends 10,000 header lines.
        ManyHeaders = "many-headers",
        /// Answers 302 with the same address, and handles nothing.
        Redirect = "redirect",
        /// Has one member twice.
        DuplicateMember = "duplicate-member",
        /// Leaves out keyId, minentropy or the remoteSystemID list; the secret is still there.
        MissingMember = "missing-member",
        /// Answers 503 with `Retry-After: 1` on `/entropy`.
        Entropy503 = "entropy-503",
        /// Answers 500 on `/key`.
        Key500 = "key-500",
        /// Sends the body at one byte a second.
        Drip = "drip",
        /// Takes the request and never answers.
        Stall = "stall",
        /// Claims `Content-Encoding: gzip`.
        ContentEncoding = "content-encoding",
        /// Has a byte in the message that is not UTF-8.
        NotUtf8 = "not-utf8",
        /// Answers 200 with an HTML page.
        Html200 = "html-200",
        /// Cuts the JSON in the middle, with a Content-Length that fits the rest.
        TruncatedJson = "truncated-json",
        /// Drops the last digit of key or randomStr.
        OddKey = "odd-key",
        /// Answers 400 with an error text that has the key or randomStr in it.
        EchoKeyInError = "echo-key-in-error",
        // up to here one reply shows the fault: `Fault::is_in_one_reply`
        /// Denies in the capabilities that there are keys and entropy, and gives both.
        FalseFlags = "false-flags",
        /// Lists another remote than the one that it shares keys with.
        WrongList = "wrong-list",
        /// Gives other capabilities each time.
        UnstableCapabilities = "unstable-capabilities",
        /// Answers with the capabilities on paths that Table 2 does not have.
        AnyPath = "any-path",
        /// Takes other methods for GET.
        AnyMethod = "any-method",
        /// Answers the first of several requests that come at once, and closes the connection without saying so.
        LosesPipelined = "loses-pipelined",
        /// Accepts any text as a size or minentropy, and uses the default if it is invalid.
        AnySize = "any-size",
        /// Refuses a size in front of the remote.
        FixedOrder = "fixed-order",
        /// Makes keys for remotes that are not in its list, and without one.
        AnyRemote = "any-remote",
        /// Makes a key that is a hash of its keyId.
        KeyFromKeyId = "key-from-key-id",
        /// Makes a keyId that is a hash of its key.
        KeyIdFromKey = "key-id-from-key",
        /// Gives a key for a malformed keyId.
        InventsKeys = "invents-keys",
        /// Gives another key by the keyId than was given when it was made.
        OtherKeys = "other-keys",
        /// Gives a key by its keyId as often as asked.
        GivesTwice = "gives-twice",
        /// Bob makes no keys (403).
        OneDirection = "one-direction",
        /// Wipes a key when it is asked for with another remote.
        Impatient = "impatient",
        /// Gives keys and random strings in which the first bit of each byte is 0.
        Biased = "biased",
        /// Gives each key the same keyId.
        RepeatedKeyIds = "repeated-key-ids",
        /// Gives the same key for each keyId of a size.
        RepeatedKeys = "repeated-keys",
        /// Gives the same random string each time.
        RepeatedEntropy = "repeated-entropy",
        /// Writes 32 hexadecimal digits into each error.
        TalkativeErrors = "talkative-errors",
        /// Answers 503 where more than eight new keys are asked for within a second and a half.
        FewAtOnce = "few-at-once",
        /// Answers 503 where more than 40 new keys are asked for within a second and a half.
        SomeAtOnce = "some-at-once",
        /// Closes new connections while 40 are open.
        FewConnections = "few-connections",
        /// Answers 503 on `/key` once both sides together have made ten keys.
        FewKeys = "few-keys",
        /// Lets all other faults act on `/capabilities` too (key-500 and entropy-503 included).
        OnCapabilities = "on-capabilities",
    }
}

impl Fault {
    /// Whether one reply to a request for a key or entropy shows it. The others are seen in the capabilities, or by comparing replies.
    #[must_use]
    pub fn is_in_one_reply(self) -> bool {
        self.bit() < Self::FalseFlags.bit()
    }
}

/// The switches of a running pair; may change at any time.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    quirks: AtomicU64,
    faults: AtomicU64,
}

/// The switches as they were when a request came in, so that one answer is all of a piece.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Snapshot {
    quirks: u64,
    faults: u64,
}

impl Switches {
    pub(crate) fn set_quirks(&self, quirks: &[Quirk]) {
        self.quirks
            .store(quirks.iter().fold(0, |set, one| set | one.bit()), Ordering::SeqCst);
    }

    pub(crate) fn set_faults(&self, faults: &[Fault]) {
        self.faults
            .store(faults.iter().fold(0, |set, one| set | one.bit()), Ordering::SeqCst);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            quirks: self.quirks.load(Ordering::SeqCst),
            faults: self.faults.load(Ordering::SeqCst),
        }
    }
}

/// The versions of TLS that a listener offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Both,
    Tls12,
    Tls13,
}

impl Snapshot {
    pub(crate) fn versions(self) -> Versions {
        if self.quirk(Quirk::Tls12Only) {
            Versions::Tls12
        } else if self.quirk(Quirk::Tls13Only) {
            Versions::Tls13
        } else {
            Versions::Both
        }
    }

    pub(crate) fn quirk(self, quirk: Quirk) -> bool {
        self.quirks & quirk.bit() != 0
    }

    pub(crate) fn fault(self, fault: Fault) -> bool {
        self.faults & fault.bit() != 0
    }

    /// For `/capabilities` and for paths that Table 2 does not have: only the faults that are about these.
    pub(crate) fn without_faults(self) -> Self {
        const KEPT: [Fault; 6] = [
            Fault::FalseFlags,
            Fault::WrongList,
            Fault::UnstableCapabilities,
            Fault::AnyPath,
            Fault::AnyMethod,
            Fault::TalkativeErrors,
        ];
        let kept = KEPT.iter().fold(0, |set, fault| set | fault.bit());
        Self {
            faults: self.faults & kept,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Quirk, Switches};

    #[test]
    fn names_are_read_back() {
        for &quirk in Quirk::ALL {
            assert_eq!(quirk.as_str().parse(), Ok(quirk));
        }
        for &fault in Fault::ALL {
            assert_eq!(fault.as_str().parse(), Ok(fault));
        }
    }

    #[test]
    fn an_unknown_name_gets_the_list() {
        let text = "chunky".parse::<Quirk>().expect_err("unknown").to_string();
        assert!(text.contains("chunky") && text.contains("chunked"), "{text}");
    }

    #[test]
    fn setting_replaces_what_was_set() {
        let switches = Switches::default();
        switches.set_faults(&[Fault::Drip, Fault::Stall]);
        switches.set_faults(&[Fault::Drip]);
        switches.set_quirks(&[Quirk::Slow]);
        let now = switches.snapshot();
        assert!(now.fault(Fault::Drip) && !now.fault(Fault::Stall));
        assert!(now.quirk(Quirk::Slow) && !now.quirk(Quirk::Chunked));
    }
}
