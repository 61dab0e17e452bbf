//! The checks: what each asks for, by which section of the draft, how much it weighs, and what to do when it is not
//! met.
//!
//! The ids are API: they are never renamed, and an id is not used again for something else.

/// How much a check weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The draft demands it, or nothing works without it. What is not met is a failure.
    Must,
    /// The draft recommends it.
    Should,
    /// The draft leaves it open; security suffers without it.
    Security,
    /// The draft leaves it open; some encryptors have trouble without it.
    Interop,
}

impl Level {
    /// `MUST`, `SHOULD`, `security` or `interop`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::Security => "security",
            Self::Interop => "interop",
        }
    }
}

/// What a check is about. Groups run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The connection.
    Tls,
    /// What the Key Provider says of itself.
    Capabilities,
    /// Requests that every web server gets.
    Http,
    /// Keys at the Key Provider that makes them.
    Key,
    /// The same keys at the peer.
    Peer,
    /// Random bytes.
    Entropy,
    /// Many requests and connections.
    Load,
    /// What all requests together show.
    Overall,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tls,
        Self::Capabilities,
        Self::Http,
        Self::Key,
        Self::Peer,
        Self::Entropy,
        Self::Load,
        Self::Overall,
    ];

    /// A heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Tls => "Connection",
            Self::Capabilities => "Capabilities",
            Self::Http => "HTTP",
            Self::Key => "Keys",
            Self::Peer => "Keys at the peer",
            Self::Entropy => "Entropy",
            Self::Load => "Load",
            Self::Overall => "All requests together",
        }
    }
}

/// Declares the checks.
macro_rules! checks {
    ($(
        $name:ident = $id:literal, $group:ident, $section:literal, $level:ident,
        $title:literal, $about:literal, $remedy:literal;
    )*) => {
        /// The checks. `as_str` is the stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each says what it is in `title` and `about`")]
        pub enum Id { $($name,)* }

        impl Id {
            /// Every one of them, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $id,)* } }

            /// What it is about.
            #[must_use]
            pub const fn group(self) -> Group { match self { $(Self::$name => Group::$group,)* } }

            /// The section of draft-cisco-skip-02.
            #[must_use]
            pub const fn section(self) -> &'static str { match self { $(Self::$name => $section,)* } }

            /// The weight in the profile `draft`.
            #[must_use]
            pub const fn level(self) -> Level { match self { $(Self::$name => Level::$level,)* } }

            /// What should be, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }

            /// Why it matters.
            #[must_use]
            pub const fn about(self) -> &'static str { match self { $(Self::$name => $about,)* } }

            /// What to do when it is not met.
            #[must_use]
            pub const fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy,)* } }
        }
    };
}

checks! {
    Connect = "connect", Tls, "3", Must, "can be reached over TLS",
        "Everything else needs a connection.",
        "Check address, port, and what each side trusts.";
    Tls13 = "tls-1.3", Tls, "3", Must, "TLS 1.3 with TLS_AES_256_GCM_SHA384",
        "Table 1 requires this suite, for certificates and for pre-shared keys.",
        "Switch TLS 1.3 on with TLS_AES_256_GCM_SHA384; a pre-shared key must be bound to SHA-384 \
         (RFC 8446, 4.2.11), which OpenSSL's callback of TLS 1.2 cannot do.";
    Tls12Suites = "tls-1.2-suites", Tls, "3", Should, "TLS 1.2 has a suite of Table 1",
        "An encryptor that has TLS 1.2 only offers the suites that Table 1 recommends.",
        "Add a suite that Table 1 recommends: TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 with an ECDSA certificate, or \
         TLS_DHE_PSK_WITH_AES_256_CBC_SHA384 with pre-shared keys; or switch TLS 1.2 off.";
    TlsOldVersions = "tls-old-versions", Tls, "3", Security, "TLS 1.0 and 1.1 are refused",
        "The draft allows TLS 1.2 and 1.3; older versions are broken.",
        "Set the lowest version of TLS to 1.2.";
    TlsWeakSuites = "tls-weak-suites", Tls, "3", Security, "broken cipher suites are refused",
        "Suites without encryption, without authentication, or with RC4, DES or 3DES protect no key.",
        "Leave only suites with AES-256 in the server's list.";
    TlsForwardSecrecy = "tls-forward-secrecy", Tls, "3", Security, "the connection has forward secrecy",
        "Without it, who records traffic today and learns the server's key later reads every key that was fetched.",
        "Offer TLS 1.3, or suites with DHE or ECDHE, before all others.";
    TlsPostQuantum = "tls-post-quantum", Tls, "8", Security, "a quantum computer cannot open recorded traffic",
        "The keys are fetched for protection from quantum computers; the way to them should not be the weak point.",
        "Enable X25519MLKEM768 (OpenSSL 3.5 has it), or use pre-shared keys of 256 bits.";
    TlsCertificate = "tls-certificate", Tls, "3", Security, "the certificate is verified and strong",
        "A certificate that is not verified, or can be forged, lets anybody hand out keys.",
        "Use a certificate of your own CA with an ECDSA key on P-256 or P-384 and the name or \
         address that clients use.";
    TlsCertificateExpiry = "tls-certificate-expiry", Tls, "3", Interop, "the certificate is valid for 30 days more",
        "On the day after its end no encryptor gets a key.",
        "Renew the certificate.";
    TlsClientAuthentication = "tls-client-authentication", Tls, "8", Security, "strangers are refused",
        "Whoever can connect can ask for keys.",
        "Have the Key Provider demand a client certificate, and check identity and key of pre-shared keys.";
    TlsCloseNotify = "tls-close-notify", Tls, "3", Interop, "the end of a connection is announced",
        "Without close_notify a client cannot tell the end of a reply from an attack that cuts it off.",
        "Shut TLS down (close_notify) before closing TCP.";
    CapabilitiesSchema = "capabilities-schema", Capabilities, "4.1", Must, "capabilities are valid",
        "Figure 3 and Table 4 say which members there are, and of which types.",
        "Compare the reply with Figure 3; `skip-client validate capabilities` lists every problem of a saved reply.";
    CapabilitiesKeyFlag = "capabilities-key-flag", Capabilities, "4.1", Must, "`key` says whether GET /key is there",
        "Encryptors believe the flag and do not ask.",
        "Set `key` to what the Key Provider does.";
    CapabilitiesEntropyFlag = "capabilities-entropy-flag", Capabilities, "4.1", Must,
        "`entropy` says whether GET /entropy is there",
        "Encryptors believe the flag and do not ask.",
        "Set `entropy` to what the Key Provider does.";
    CapabilitiesIds = "capabilities-ids", Capabilities, "4.1.2", Interop, "ids and patterns are clear",
        "Repeated entries, the Key Provider's own id, and patterns that implementations read differently \
         confuse encryptors.",
        "List each remote once, and use only the patterns of Table 5.";
    CapabilitiesIdLength = "capabilities-id-length", Capabilities, "4.1", Interop, "ids are short enough for all",
        "Every implementation has room for 32 bytes; Cisco IOS XR has room for 18 ASCII characters.",
        "Choose ids of at most 18 ASCII characters.";
    CapabilitiesAlgorithm = "capabilities-algorithm", Capabilities, "4.1", Interop,
        "`algorithm` is short enough for all",
        "Every implementation has room for 16 bytes.",
        "Shorten the text to 16 bytes.";
    CapabilitiesStable = "capabilities-stable", Capabilities, "4.1", Interop, "capabilities are the same each time",
        "Encryptors may remember them.",
        "Answer the same on each connection while nothing changes.";
    CapabilitiesPeer = "capabilities-peer", Capabilities, "4.1.1", Should, "each side lists the other",
        "Without that an encryptor does not ask for keys, or asks under a name that the peer does not know.",
        "Configure at each Key Provider the localSystemID of the other as a remoteSystemID.";
    HttpJson = "http-json", Http, "4", Interop, "replies are called application/json",
        "Some clients refuse JSON under another name.",
        "Send Content-Type: application/json.";
    HttpUnknownPath = "http-unknown-path", Http, "4", Should, "404 for a path that Table 2 does not have",
        "Table 3 has this status.",
        "Answer unknown paths with 404.";
    HttpMethodRefused = "http-method-refused", Http, "4", Must, "methods other than GET are refused",
        "Only GET is supported (Table 3); a key must not come by another method.",
        "Refuse every method but GET, on all paths.";
    HttpMethodStatus = "http-method-status", Http, "4", Should, "405 for a method other than GET",
        "Table 3 has this status.",
        "Answer other methods with 405.";
    HttpKeepAlive = "http-keep-alive", Http, "3", Interop, "a connection carries several requests",
        "Without that each key costs a TLS handshake.",
        "Keep connections open (HTTP/1.1 without Connection: close).";
    HttpPipelining = "http-pipelining", Http, "3", Interop, "requests that follow at once are answered in order",
        "Requests must not be lost or mixed up when they arrive together (RFC 9112, 9.3.2).",
        "Answer pipelined requests in order, or close the connection after announcing it.";
    HttpConnectionClose = "http-connection-close", Http, "3", Interop, "Connection: close is obeyed",
        "An encryptor that wants to end a connection should not wait for a timeout.",
        "Close the connection after the reply to a request with Connection: close.";
    HttpPercentEncoding = "http-percent-encoding", Http, "4", Interop, "percent-encoded paths and queries are decoded",
        "Clients encode ids with characters that URLs do not allow, and may encode others (RFC 3986, 2.1).",
        "Decode percent-encoding in the path and in parameters.";
    KeyNew = "key-new", Key, "4.2", Must, "GET /key gives a new key",
        "It is what a Key Provider is for.",
        "See the message; the Key Provider's log may say more.";
    KeySchema = "key-schema", Key, "4.2", Must, "key replies are valid",
        "Figure 5 says which members there are, and of which types.",
        "Compare the reply with Figure 5.";
    KeyHex = "key-hex", Key, "4.2", Must, "keyId and key are hexadecimal",
        "Table 6: both are hexadecimal; whole bytes have an even number of digits.",
        "Encode the bytes of keyId and key as hexadecimal digits.";
    KeyDefaultSize = "key-default-size", Key, "4.2.2", Should, "a key has 256 bits unless asked otherwise",
        "This is the default of the draft, and what the protection of AES-256 needs.",
        "Make keys of 256 bits when no size is asked for.";
    KeySizeKept = "key-size-kept", Key, "4.2", Must, "a key has the size that was asked for",
        "The encryptor at the other end expects this length too.",
        "Give a key of the size asked for, in bits, or refuse with 400.";
    KeySizes = "key-sizes", Key, "4.2", Should, "sizes of 128, 192, 256, 384 and 512 bits are served",
        "Encryptors ask for the length that their protocol needs.",
        "Serve these sizes.";
    KeyOddSizes = "key-odd-sizes", Key, "4.2", Interop, "sizes that make no sense are refused",
        "A size of 0, a fraction of a byte, or a text is a mistake that somebody should notice.",
        "Refuse such sizes with 400.";
    KeyParameters = "key-parameters", Key, "4.2", Interop, "parameters may come in any order",
        "Clients build queries in different orders.",
        "Read parameters by their names.";
    KeyIdLength = "key-id-length", Key, "4.2.1", Interop, "a keyId has 32 digits",
        "The default is 128 bits; libreswan takes at most 64 characters.",
        "Make keyIds of 128 bits.";
    KeyIdIndependent = "key-id-independent", Key, "4.2.1", Must, "the key cannot be computed from its keyId",
        "The keyId travels in the clear. It is compared with the key, and their common hashes with each other.",
        "Make keyId and key independently: the keyId random, the key random or by a secret.";
    KeyIdHash = "key-id-hash", Key, "8", Security, "the keyId is not a hash of the key",
        "A hash of the key lets everybody who sees the keyId test guesses, and find equal keys.",
        "Make keyIds random.";
    KeyRemoteNeeded = "key-remote-needed", Key, "4.2", Should, "a missing or unknown remote is refused",
        "A key that nobody else gets helps nobody.",
        "Refuse a remoteSystemID that is missing or is not in the list with 400.";
    KeyCache = "key-cache", Key, "8", Security, "keys are not to be cached",
        "Proxies and libraries may store replies of GET unless told otherwise (RFC 9111, 5.2.2).",
        "Send Cache-Control: no-store with every reply.";
    KeyIssuer = "key-issuer", Key, "4.2.2", Must, "the issuer does not give its key again",
        "A Key Provider zeroizes its copy after it gave the key; from outside, this shows as a refusal.",
        "Delete the issuer's copy when the key was given.";
    KeyUnknown = "key-unknown", Key, "4.2.1", Must, "a keyId that does not exist has no key",
        "Whatever is given for it cannot be a key that the other end has.",
        "Refuse unknown and malformed keyIds.";
    KeyUnknownStatus = "key-unknown-status", Key, "4.2", Should, "400 for an unknown or malformed keyId",
        "Table 7 has this status.",
        "Answer unknown and malformed keyIds with 400.";
    PeerConnect = "peer-connect", Peer, "3", Must, "the peer can be reached over TLS",
        "Every key is needed at both ends.",
        "Check address, port, and what each side trusts.";
    PeerSameKey = "peer-same-key", Peer, "4.2", Must, "the peer gives the same key for the keyId",
        "This is the purpose of the protocol.",
        "Check how the two Key Providers synchronise, and that both have the same time and configuration.";
    PeerKeyId = "peer-key-id", Peer, "4.2", Must, "the peer's reply names the keyId that was asked for",
        "A reply with another keyId has another key.",
        "Answer with the keyId of the request.";
    PeerOnce = "peer-once", Peer, "4.2.2", Must, "the peer gives a key once",
        "A Key Provider zeroizes its copy after it gave the key.",
        "Delete the key when it was given.";
    PeerOtherDirection = "peer-other-direction", Peer, "1", Must, "keys of the peer come here as well",
        "Either encryptor may begin.",
        "Configure both Key Providers as issuers.";
    PeerBinding = "peer-binding", Peer, "4.2", Security, "a key is bound to its remote",
        "Who asks under another remoteSystemID is not the one that the key is for.",
        "Refuse a keyId that was made by another remote than the one named.";
    PeerPatience = "peer-patience", Peer, "4.2", Interop, "a wrong request leaves the key",
        "Else anybody who sees a keyId can destroy its key.",
        "Delete a key only when it was given.";
    PeerCase = "peer-case", Peer, "4.2.1", Interop, "keyIds match in either case",
        "Hexadecimal digits mean the same in either case, and encryptors may write them as they like.",
        "Compare the bytes of keyIds, not their spelling.";
    EntropySchema = "entropy-schema", Entropy, "4.3", Must, "entropy replies are valid",
        "Figure 7 says which members there are, and of which types.",
        "Compare the reply with Figure 7; minentropy is a number of bits.";
    EntropyHex = "entropy-hex", Entropy, "4.3", Must, "randomStr is hexadecimal",
        "Table 8: the random bytes are hexadecimal, with an even number of digits.",
        "Encode the bytes as hexadecimal digits.";
    EntropyAvailable = "entropy-available", Entropy, "4.3", Must, "GET /entropy gives entropy",
        "Who says that there is entropy gives some; Table 9 allows 503 meanwhile, and an encryptor has to wait then.",
        "See the message; check the random generator.";
    EntropyDefaultSize = "entropy-default-size", Entropy, "4.3", Should, "256 bits unless asked otherwise",
        "This is the default of the draft.",
        "Give 256 bits when minentropy is not asked for.";
    EntropySizeKept = "entropy-size-kept", Entropy, "4.3", Must, "as much entropy as was asked for",
        "An encryptor relies on the bits that it asked for.",
        "Give at least the bits asked for, or refuse.";
    EntropySizes = "entropy-sizes", Entropy, "4.3", Should, "128, 192, 256, 384 and 512 bits are served",
        "Encryptors ask for what their generator needs.",
        "Serve these sizes.";
    EntropyOddSizes = "entropy-odd-sizes", Entropy, "4.3", Interop, "a minentropy that makes no sense is refused",
        "A minentropy of 0 or a text is a mistake that somebody should notice.",
        "Refuse such values with 400.";
    EntropyDistinct = "entropy-distinct", Entropy, "4.3", Must, "random strings differ",
        "A constant string is no entropy.",
        "Take each string fresh from the random generator.";
    EntropyStatistics = "entropy-statistics", Entropy, "4.3", Security, "random strings show no gross defect",
        "Counts of bits and bytes find a generator that is stuck; they cannot show that one is good.",
        "Check the random generator.";
    Connections = "connections", Load, "3", Interop, "50 connections at the same time",
        "Encryptors with many tunnels ask at the same time.",
        "Allow more connections.";
    Latency = "latency", Load, "3", Interop, "half of the replies come within 500 ms",
        "Routers give up after few seconds, and a rekeying waits for the key.",
        "Look at the plot of the HTML report; make keys ahead of time.";
    Parallel10 = "parallel-10", Load, "4.2", Interop, "10 requests at the same time",
        "Tunnels are set up together after a reboot.",
        "Handle requests in parallel.";
    Parallel100 = "parallel-100", Load, "4.2", Interop, "100 requests at the same time",
        "A hub with many branches asks for that many keys after a reboot.",
        "Handle requests in parallel, and queue connections.";
    KeyIdDistinct = "key-id-distinct", Overall, "4.2.1", Must, "all keyIds differ",
        "A keyId belongs to one key.",
        "Make keyIds random, of 128 bits.";
    KeyDistinct = "key-distinct", Overall, "4.2.1", Must, "all keys differ",
        "Equal keys, and keys of equal bytes, come from a broken generator or key store.",
        "Check the random generator and the key store.";
    KeyStatistics = "key-statistics", Overall, "8", Security, "keys show no gross defect",
        "Counts of bits and bytes find a generator that is stuck; they cannot show that one is good.",
        "Check the random generator.";
    ErrorBodies = "error-bodies", Overall, "4", Interop, "errors are said in JSON or plain text",
        "An HTML page in a router's log helps nobody.",
        "Answer errors with a short JSON object.";
    ErrorSecrets = "error-secrets", Overall, "8", Security, "errors carry nothing that looks like a key",
        "Errors end in logs.",
        "Leave keys, random strings and long identifiers out of error texts.";
    DevicePsk = "device-psk", Tls, "3", Interop, "what the device can authenticate with",
        "Cisco IOS XE has pre-shared keys only; Cisco NX-OS is used with numeric identities.",
        "Give the Key Provider a listener for pre-shared keys, and examine that one.";
    DevicePort = "device-port", Tls, "4", Interop, "a port that the device takes",
        "Cisco IOS XE takes port 443 and ports from 1025 on.",
        "Listen on port 443, or on one from 1025 to 65535.";
}
