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
            /// All of them, in the order of this page.
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
    /// A deviation found in real Key Providers that a client has to cope with. A quirk affects every reply; a TLS quirk
    /// affects the connections that are accepted while it is on.
    Quirk, "quirk", {
        /// Closes TCP without a TLS `close_notify`.
        NoCloseNotify = "no-close-notify",
        /// Closes the connection after each reply, and announces it.
        ConnectionClose = "connection-close",
        /// Sends bodies in chunks, without a length.
        Chunked = "chunked",
        /// Uses paths and queries without decoding them.
        NoPercentDecoding = "no-percent-decoding",
        /// Writes keyId, key and randomStr with capital letters.
        UppercaseHex = "uppercase-hex",
        /// Rejects every keyId that does not have exactly 32 digits as malformed.
        KeyId32Only = "key-id-32-only",
        /// Refuses a size or minentropy other than 128, 192 and 256 bits.
        Sizes128192256 = "sizes-128-192-256",
        /// Adds members that are not in the draft.
        ExtraMembers = "extra-members",
        /// Answers 500 with an HTML page.
        Html500 = "html-500",
        /// Answers 404 for an unknown, used or expired keyId.
        NotFoundUnknownKey = "404-unknown-key",
        /// Answers 422 where the draft has 400 for an invalid keyId, size or minentropy.
        Unprocessable = "422",
        /// Waits one second before each reply.
        Slow = "slow",
        /// Sends its JSON as `text/html`.
        TextHtmlType = "text-html-type",
        /// Offers TLS 1.2 only.
        Tls12Only = "tls-1.2-only",
        /// Offers TLS 1.3 only; tls-1.2-only takes precedence.
        Tls13Only = "tls-1.3-only",
        /// Accepts pre-shared keys in TLS 1.3 with SHA-256 suites only, like programs written for OpenSSL 1.0.
        ClassicPsk = "classic-psk",
        /// Sends an identity hint in TLS 1.2.
        PskIdentityHint = "psk-identity-hint",
        /// Accepts pre-shared keys in TLS 1.2 with AES-256-GCM only.
        PskGcmOnly = "psk-gcm-only",
        /// Accepts pre-shared keys as Python's ssl module does: bound to SHA-256 in TLS 1.3, and in TLS 1.2 without
        /// Diffie-Hellman parameters, so with plain PSK only.
        PskNoDh = "psk-no-dh",
        /// Returns a key by its keyId for any remote in its list.
        UnboundKeys = "unbound-keys",
        /// Finds a key only if the keyId is in its original case.
        CaseSensitiveKeyIds = "case-sensitive-key-ids",
        /// Matches patterns as prefixes, so that ids with trailing characters are served too.
        PrefixPatterns = "prefix-patterns",
        /// The Key Provider that created a key returns it by its keyId too.
        IssuerGivesAgain = "issuer-gives-again",
        /// Sends no `Cache-Control`.
        NoCacheControl = "no-cache-control",
        /// Returns 128 bits if no size or minentropy is given.
        Default128 = "default-128",
        /// Creates keyIds of 66 digits.
        LongKeyIds = "long-key-ids",
        /// Describes its algorithm in more than 16 bytes.
        LongAlgorithm = "long-algorithm",
        /// Answers 400 to methods other than GET.
        Method400 = "method-400",
        /// Answers 405 for paths that are not in Table 2.
        UnknownPath405 = "unknown-path-405",
        /// Offers clients without a pre-shared key only TLS 1.3, and no post-quantum key exchange.
        NoMlKem = "no-ml-kem",
        /// Answers errors without a body.
        EmptyErrors = "empty-errors",
        /// Keeps a connection open that the client asked to close.
        IgnoresConnectionClose = "ignores-connection-close",
        /// Accepts pre-shared keys only in TLS 1.2 without a fresh key exchange.
        NoForwardSecrecy = "no-forward-secrecy",
        /// Also accepts pre-shared keys in TLS 1.0 and 1.1.
        OldTls = "old-tls",
        /// Also accepts pre-shared keys in TLS 1.2 suites without encryption.
        NullSuites = "null-suites",
    }
}

switches! {
    /// Something that no Key Provider should do. Faults affect only `/key` and `/entropy`, so that a client that first
    /// requests the capabilities gets that far; [`Fault::OnCapabilities`] extends them.
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
        /// Returns a key (64 bits, or 128 if 64 were requested) or randomStr (64 bits or less) of another length than
        /// requested.
        WrongSize = "wrong-size",
        /// Puts a character that is not a hex digit into key or randomStr.
        NotHex = "not-hex",
        /// Returns a key or randomStr of zeros.
        AllZeroKey = "all-zero-key",
        /// Sends a body of 10 MB (a valid message with a long extra member).
        HugeBody = "huge-body",
        /// Sends a header line of 100 KB.
        HugeHeader = "huge-header",
        /// Sends 10,000 header lines.
        ManyHeaders = "many-headers",
        /// Answers 302 with the same address, without handling the request.
        Redirect = "redirect",
        /// Repeats a member.
        DuplicateMember = "duplicate-member",
        /// Omits keyId, minentropy or the remoteSystemID list, but not the secret.
        MissingMember = "missing-member",
        /// Answers 503 with `Retry-After: 1` on `/entropy`.
        Entropy503 = "entropy-503",
        /// Answers 500 on `/key`.
        Key500 = "key-500",
        /// Sends the body at one byte per second.
        Drip = "drip",
        /// Accepts the request and never answers.
        Stall = "stall",
        /// Claims `Content-Encoding: gzip`.
        ContentEncoding = "content-encoding",
        /// Sends a byte that is not UTF-8.
        NotUtf8 = "not-utf8",
        /// Answers 200 with an HTML page.
        Html200 = "html-200",
        /// Truncates the JSON, with a matching Content-Length.
        TruncatedJson = "truncated-json",
        /// Drops the last digit of key or randomStr.
        OddKey = "odd-key",
        /// Answers 400 with a text that contains the key or randomStr.
        EchoKeyInError = "echo-key-in-error",
        // up to here one reply shows the fault: `Fault::is_in_one_reply`
        /// Denies keys and entropy in the capabilities, but serves both.
        FalseFlags = "false-flags",
        /// Lists a remote other than the one that it shares keys with.
        WrongList = "wrong-list",
        /// Returns different capabilities each time.
        UnstableCapabilities = "unstable-capabilities",
        /// Answers with the capabilities on paths that are not in Table 2.
        AnyPath = "any-path",
        /// Treats other methods as GET.
        AnyMethod = "any-method",
        /// Answers the first of several pipelined requests, and closes the connection without notice.
        LosesPipelined = "loses-pipelined",
        /// Accepts any text as a size or minentropy, and uses the default if it is invalid.
        AnySize = "any-size",
        /// Rejects requests with the size before the remote.
        FixedOrder = "fixed-order",
        /// Creates keys for remotes that are not in its list, and without a remote.
        AnyRemote = "any-remote",
        /// Creates keys that are a hash of their keyId.
        KeyFromKeyId = "key-from-key-id",
        /// Creates keyIds that are a hash of their key.
        KeyIdFromKey = "key-id-from-key",
        /// Returns a key for a malformed keyId.
        InventsKeys = "invents-keys",
        /// Returns a different key by the keyId than on creation.
        OtherKeys = "other-keys",
        /// Returns a key by its keyId any number of times.
        GivesTwice = "gives-twice",
        /// Bob creates no keys (403).
        OneDirection = "one-direction",
        /// Wipes a key when it is requested with a wrong remote.
        Impatient = "impatient",
        /// Returns keys and random strings in which the first bit of each byte is 0.
        Biased = "biased",
        /// Uses the same keyId for every key.
        RepeatedKeyIds = "repeated-key-ids",
        /// Returns the same key for every keyId of a size.
        RepeatedKeys = "repeated-keys",
        /// Returns the same random string each time.
        RepeatedEntropy = "repeated-entropy",
        /// Writes 32 hexadecimal digits into each error.
        TalkativeErrors = "talkative-errors",
        /// Answers 503 if more than eight new keys are requested within 1.5 seconds.
        FewAtOnce = "few-at-once",
        /// Answers 503 if more than 40 new keys are requested within 1.5 seconds.
        SomeAtOnce = "some-at-once",
        /// Closes new connections while 40 are open.
        FewConnections = "few-connections",
        /// Answers 503 on `/key` once both sides together have created ten keys.
        FewKeys = "few-keys",
        /// Extends the other faults to `/capabilities` (including key-500 and entropy-503).
        OnCapabilities = "on-capabilities",
    }
}

impl Fault {
    /// Whether a single reply with a key or entropy shows it. The others show in the capabilities, or by comparing replies.
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

/// A snapshot of the switches for one request, so that its reply is consistent.
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
