//! The checks: what each one requires, the section of the draft, its weight, its control, and the remedy.
//!
//! The IDs are API: they are never renamed, and never reused for another check.

/// The weight of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The draft requires it, or nothing works without it. A violation is a failure.
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

/// The successful request that a check depends on. A refusal proves something only if a good request is served, so no
/// check passes without its control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// A connection over TLS.
    Connection,
    /// `GET /capabilities` answered with status 200.
    Service,
    /// Readable capabilities.
    Capabilities,
    /// A fresh key.
    Key,
    /// A fresh key of a requested size.
    SizedKey,
    /// One of the peer's keys, fetched here by its keyId.
    KeyById,
    /// A connection with the peer.
    Peer,
    /// One of the Key Provider's keys, fetched from the peer by its keyId.
    PeerKey,
    /// Random bytes.
    Entropy,
    /// Random bytes of a requested length.
    SizedEntropy,
}

impl Control {
    pub(crate) const COUNT: usize = 10;

    /// What must have succeeded, as a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Connection => "A TLS connection can be established.",
            Self::Service => "`GET /capabilities` is answered with status 200.",
            Self::Capabilities => "The capabilities can be read.",
            Self::Key => "`GET /key` with only the remote returns a key.",
            Self::SizedKey => "`GET /key` with a common size returns a key.",
            Self::KeyById => "A key created at the peer is returned here by its keyId (needs `--peer`).",
            Self::Peer => "A connection to the peer can be established (needs `--peer`).",
            Self::PeerKey => "A key created here is returned by the peer by its keyId (needs `--peer`).",
            Self::Entropy => "`GET /entropy` returns random bytes.",
            Self::SizedEntropy => "`GET /entropy` with a common minentropy returns random bytes.",
        }
    }
}

/// The subject of a check. Groups run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The connection.
    Tls,
    /// What the Key Provider says about itself.
    Capabilities,
    /// Requests that any web server may get.
    Http,
    /// Keys at the Key Provider that creates them.
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
        $name:ident = $id:literal, $group:ident, $section:literal, $level:ident, $control:ident,
        $title:literal, $asked:literal, $about:literal, $remedy:literal;
    )*) => {
        /// The checks. `as_str` is the stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each says what it is in `title` and `about`")]
        pub enum Id { $($name,)* }

        impl Id {
            /// All of them, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $id,)* } }

            /// The check with this name.
            #[must_use]
            pub fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|id| id.as_str() == name)
            }

            /// Its group.
            #[must_use]
            pub const fn group(self) -> Group { match self { $(Self::$name => Group::$group,)* } }

            /// The section of draft-cisco-skip-02.
            #[must_use]
            pub const fn section(self) -> &'static str { match self { $(Self::$name => $section,)* } }

            /// Its weight in the profile `draft`.
            #[must_use]
            pub const fn level(self) -> Level { match self { $(Self::$name => Level::$level,)* } }

            /// Its control.
            #[must_use]
            pub const fn control(self) -> Control { match self { $(Self::$name => Control::$control,)* } }

            /// The requirement, as a statement that fits any result.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }

            /// What is requested, and which response is right.
            #[must_use]
            pub const fn asked(self) -> &'static str { match self { $(Self::$name => $asked,)* } }

            /// Why it matters.
            #[must_use]
            pub const fn about(self) -> &'static str { match self { $(Self::$name => $about,)* } }

            /// What to do if the requirement is not met.
            #[must_use]
            pub const fn remedy(self) -> &'static str { match self { $(Self::$name => $remedy,)* } }

            /// The page about it.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/docs/checks/", $id, ".md"),)*
                }
            }
        }
    };
}

checks! {
    Connect = "connect", Tls, "3", Must, Connection, "the Key Provider must be reachable over TLS",
        "A TLS connection with the credentials given, and one request, because a server with TLS 1.3 refuses a client only \
         after its handshake.",
        "Everything else needs a connection.",
        "Check address, port, and what each side trusts.";
    Tls13 = "tls-1.3", Tls, "3", Must, Connection, "TLS 1.3 with TLS_AES_256_GCM_SHA384 must be offered",
        "A handshake that offers TLS 1.3 only. It must end with TLS_AES_256_GCM_SHA384.",
        "Table 1 requires this suite, for certificates and for pre-shared keys.",
        "Enable TLS 1.3, with TLS_AES_256_GCM_SHA384.";
    Tls12Suites = "tls-1.2-suites", Tls, "3", Should, Connection, "TLS 1.2, if offered, should have a suite of Table 1",
        "TLS 1.2 hellos that offer the suites with 256-bit keys, fewer each time, until none is accepted.",
        "An encryptor that supports only TLS 1.2 offers the suites that Table 1 recommends.",
        "Add a suite that Table 1 recommends.";
    TlsOldVersions = "tls-old-versions", Tls, "3", Security, Connection, "TLS 1.0 and 1.1 should be refused",
        "A TLS 1.1 hello, and a TLS 1.0 hello. Both should be refused.",
        "The draft allows TLS 1.2 and 1.3; older versions are broken.",
        "Set the minimum TLS version to 1.2.";
    TlsWeakSuites = "tls-weak-suites", Tls, "3", Security, Connection, "broken cipher suites should be refused",
        "A TLS 1.2 hello that offers only suites without encryption, without authentication, or with RC4, DES or 3DES.",
        "Such suites protect no key.",
        "Allow only suites with AES-256.";
    TlsForwardSecrecy = "tls-forward-secrecy", Tls, "3", Security, Connection, "forward secrecy should be offered",
        "The handshakes of the other checks: TLS 1.3, or a TLS 1.2 suite with DHE or ECDHE.",
        "Without it, whoever records traffic today and learns the server's key later reads every key that was fetched.",
        "Offer TLS 1.3, or suites with DHE or ECDHE.";
    TlsPostQuantum = "tls-post-quantum", Tls, "8", Security, Connection,
        "recorded traffic should be safe from quantum computers",
        "The key exchange of the connection (X25519MLKEM768), or the length of the pre-shared key (256 bits).",
        "The keys protect against quantum computers; their transport should not be the weak point.",
        "Enable X25519MLKEM768 (OpenSSL 3.5 has it), or use pre-shared keys of 256 bits.";
    TlsCertificate = "tls-certificate", Tls, "3", Security, Connection, "the certificate should be strong",
        "The public key and the signature of the certificate: ECDSA or Ed25519, or RSA of 2048 bits; not SHA-1 or MD5.",
        "Whoever can forge the certificate can hand out keys.",
        "Use a certificate of your own CA with an ECDSA key on P-256 or P-384 and the name or address that clients use.";
    TlsCertificateExpiry = "tls-certificate-expiry", Tls, "3", Interop, Connection,
        "the certificate should be valid for at least 30 more days",
        "The expiry date of the certificate.",
        "Once it has expired, no encryptor gets a key.",
        "Renew the certificate.";
    TlsClientAuthentication = "tls-client-authentication", Tls, "8", Security, Service,
        "clients without credentials should be refused",
        "`GET /capabilities` as a client without a certificate, or with a wrong key and with an unknown identity. It should be \
         refused.",
        "A client that is served can request keys.",
        "Require authentication of clients.";
    TlsCloseNotify = "tls-close-notify", Tls, "3", Interop, Service, "connections should end with close_notify",
        "`GET /capabilities` with `Connection: close`, then the end of the connection.",
        "Without close_notify a client cannot tell the end of a reply from an attack that cuts it off.",
        "Shut TLS down (close_notify) before closing TCP.";
    DevicePsk = "device-psk", Tls, "3", Interop, Connection, "the device should be able to authenticate this way",
        "How this connection authenticates: a certificate or a pre-shared key, and its identity.",
        "Cisco IOS XE has pre-shared keys only; Cisco NX-OS is used with numeric identities.",
        "Give the Key Provider a listener for pre-shared keys, and examine that one.";
    DevicePort = "device-port", Tls, "4", Interop, Connection, "the device should accept the port",
        "The port of the URL.",
        "Cisco IOS XE accepts port 443 and ports from 1025 on.",
        "Listen on port 443, or on one from 1025 to 65535.";
    CapabilitiesSchema = "capabilities-schema", Capabilities, "4.1", Must, Connection, "capabilities must be valid",
        "`GET /capabilities`. The status must be 200, and the body the object of Figure 3 and Table 4.",
        "Encryptors learn from it whether keys are offered, and for which remotes.",
        "Compare the reply with Figure 3; `skip-client validate capabilities` lists every problem of a saved reply.";
    CapabilitiesIds = "capabilities-ids", Capabilities, "4.1.2", Interop, Capabilities,
        "ids and patterns should be unambiguous",
        "The entries of remoteSystemID: no repeated entry, not the Key Provider's own id, only the patterns of Table 5.",
        "Implementations interpret other entries differently.",
        "List each remote once, and use only the patterns of Table 5.";
    CapabilitiesIdLength = "capabilities-id-length", Capabilities, "4.1", Interop, Capabilities,
        "ids should have at most 18 ASCII characters",
        "The length of localSystemID and of each entry of remoteSystemID.",
        "Every implementation supports 32 bytes; Cisco IOS XR supports only 18 ASCII characters.",
        "Choose ids of at most 18 ASCII characters.";
    CapabilitiesAlgorithm = "capabilities-algorithm", Capabilities, "4.1", Interop, Capabilities,
        "`algorithm` should have 1 to 16 bytes",
        "The length of `algorithm`.",
        "Every implementation supports 16 bytes; some support no more.",
        "Shorten the text to 16 bytes.";
    CapabilitiesStable = "capabilities-stable", Capabilities, "4.1", Interop, Capabilities,
        "capabilities should be the same each time",
        "`GET /capabilities` on a second connection. The members should be equal.",
        "Encryptors may cache them.",
        "Return the same reply on each connection while nothing changes.";
    CapabilitiesPeer = "capabilities-peer", Peer, "4.1.1", Should, Peer, "each side should list the other",
        "`GET /capabilities` at both ends: each localSystemID should match the other's list.",
        "Otherwise an encryptor does not request keys, or requests them under a name that the peer does not know.",
        "At each Key Provider, configure the localSystemID of the other as a remoteSystemID.";
    HttpJson = "http-json", Http, "4", Interop, Capabilities, "replies should have the type application/json",
        "The Content-Type of `GET /capabilities`.",
        "Some clients refuse JSON with another type.",
        "Send Content-Type: application/json.";
    HttpUnknownPath = "http-unknown-path", Http, "4", Should, Service, "unknown paths should be answered with 404",
        "`GET /no-such-path`. Table 3 has the status 404.",
        "Another status makes a mistyped base URL look like something else.",
        "Answer unknown paths with 404.";
    HttpMethodRefused = "http-method-refused", Http, "4", Must, Service, "methods other than GET must be refused",
        "POST, PUT, DELETE and PATCH on `/capabilities`, and POST on `/entropy` and `/key`. None may succeed.",
        "Only GET is supported (Table 3); a key must not be available through another method.",
        "Refuse every method except GET, on all paths.";
    HttpMethodStatus = "http-method-status", Http, "4", Should, Service,
        "methods other than GET should be answered with 405",
        "The statuses of the same requests. Table 3 has 405.",
        "A 405 in the log shows what is wrong.",
        "Answer other methods with 405.";
    HttpKeepAlive = "http-keep-alive", Http, "3", Interop, Service, "a connection should carry several requests",
        "Three `GET /capabilities` on one connection.",
        "Otherwise each key costs a TLS handshake.",
        "Keep connections open (HTTP/1.1 without Connection: close).";
    HttpPipelining = "http-pipelining", Http, "3", Interop, Service, "pipelined requests should be answered in order",
        "Three `GET /capabilities` sent at once. All are answered, or the connection is closed after a reply that says so \
         (RFC 9112, 9.3.2).",
        "Requests must not be lost or mixed up when they arrive together.",
        "Answer pipelined requests in order, or close the connection after announcing it.";
    HttpConnectionClose = "http-connection-close", Http, "3", Interop, Service, "Connection: close should be obeyed",
        "`GET /capabilities` with `Connection: close`. The connection should end within a second.",
        "An encryptor that wants to end a connection should not wait for a timeout.",
        "Close the connection after the reply to a request with Connection: close.";
    HttpPercentEncoding = "http-percent-encoding", Http, "4", Interop, Service, "percent-encoding should be decoded",
        "`GET /%63apabilities`. It should be answered as `GET /capabilities` is.",
        "Clients encode ids with characters that URLs do not allow, and may encode others (RFC 3986, 2.1).",
        "Decode percent-encoding in the path and in parameters.";
    CapabilitiesKeyFlag = "capabilities-key-flag", Key, "4.1", Must, Capabilities,
        "`key` must say whether GET /key is supported",
        "`key` in the capabilities, and the status of `GET /key`.",
        "Encryptors rely on the flag, without sending a request.",
        "Set `key` to whether the Key Provider supports GET /key.";
    KeyNew = "key-new", Key, "4.2", Must, Connection, "GET /key must return a new key",
        "`GET /key` with the remote, as method 2 of Table 2. The status must be 200.",
        "This is the main purpose of a Key Provider.",
        "See the message; the Key Provider's log may say more.";
    KeySchema = "key-schema", Key, "4.2", Must, Connection, "key replies must be valid",
        "The reply with the key must be the object of Figure 5.",
        "Encryptors accept nothing else.",
        "Compare the reply with Figure 5.";
    KeyHex = "key-hex", Key, "4.2", Must, Connection, "keyId and key must be hexadecimal",
        "The digits of keyId and key (Table 6): hexadecimal, and an even number of them.",
        "Encryptors cannot decode anything else.",
        "Encode the bytes of keyId and key as hexadecimal digits.";
    KeyDefaultSize = "key-default-size", Key, "4.2.2", Should, Connection, "a key should have 256 bits by default",
        "The length of a key that was requested without a size.",
        "This is the default of the draft, and what AES-256 needs.",
        "Create keys of 256 bits if no size is requested.";
    KeySizeKept = "key-size-kept", Key, "4.2", Must, Connection, "a key must have the requested size",
        "`GET /key` with `size` 128, 192, 256, 384 and 512, as method 3 of Table 2. Each key that is returned must \
         have that size.",
        "The encryptor at the other end expects this length too.",
        "Return a key of the requested size, in bits, or refuse with 400.";
    KeySizes = "key-sizes", Key, "4.2", Should, Key, "sizes of 128, 192, 256, 384 and 512 bits should be served",
        "The statuses of the same requests.",
        "Encryptors request the length that their protocol needs.",
        "Serve these sizes.";
    KeyOddSizes = "key-odd-sizes", Key, "4.2", Interop, SizedKey, "impossible sizes should be refused",
        "`GET /key` with `size` x, 7, -1 and 0, until one is not refused with a status of 400 to 499.",
        "Such a size is a mistake that should be noticed.",
        "Refuse such sizes with 400.";
    KeyParameters = "key-parameters", Key, "4.2", Interop, SizedKey, "parameters should be accepted in any order",
        "`GET /key` with `size` before `remoteSystemID`.",
        "Clients build queries in different orders.",
        "Read parameters by their names.";
    KeyIdLength = "key-id-length", Key, "4.2.1", Interop, Key, "a keyId should have 32 digits",
        "The length of the keyId.",
        "The default is 128 bits; libreswan takes at most 64 characters.",
        "Use keyIds of 128 bits.";
    KeyIdIndependent = "key-id-independent", Key, "4.2.1", Must, Key, "the key must not be derivable from its keyId",
        "The key is compared with the keyId, its reverse, its complement and its common hashes.",
        "The keyId travels in the clear.",
        "Generate keyId and key independently: the keyId at random, the key at random or from a secret.";
    KeyIdHash = "key-id-hash", Key, "8", Security, Key, "the keyId should not be a hash of the key",
        "The keyId is compared with common hashes of the key.",
        "A hash of the key lets anyone who sees the keyId verify guesses, and recognize equal keys.",
        "Generate keyIds at random.";
    KeyRemoteNeeded = "key-remote-needed", Key, "4.2", Should, Key, "missing and unknown remotes should be refused",
        "`GET /key` without a remote, and with one that is not in the list. A status of 400 to 499 is right.",
        "A key that no peer can fetch is useless.",
        "Refuse a remoteSystemID that is missing or is not in the list with 400.";
    KeyRemotePattern = "key-remote-pattern", Key, "4.1.2", Should, Key, "patterns should match whole ids only",
        "For each pattern in the list: `GET /key` with a matching id that is extended at its end or beginning, so that \
         no entry matches it. It should be refused, and a matching id served.",
        "Table 5 uses POSIX patterns, which match the whole id.",
        "Compare the whole id: fnmatch, or a regular expression with fullmatch and escaped dots.";
    KeyCache = "key-cache", Key, "8", Security, Key, "keys should be marked as not to be cached",
        "Cache-Control of the reply with the key. It should have no-store.",
        "Proxies and libraries may store replies to GET unless told otherwise (RFC 9111, 5.2.2).",
        "Send Cache-Control: no-store with every reply.";
    KeyIssuer = "key-issuer", Key, "4.2.2", Must, KeyById, "the issuer must not hand out its key again",
        "`GET /key/{keyId}` at the Key Provider that has just created this key. It must be refused.",
        "A Key Provider zeroizes its copy after handing out the key; from outside, this is visible as a refusal.",
        "Delete the issuer's copy once the key has been handed out.";
    KeyUnknown = "key-unknown", Key, "4.2.1", Must, KeyById, "a keyId that does not exist must be refused",
        "`GET /key/{keyId}` with a random keyId, with an odd number of digits, and with other letters.",
        "Anything returned for it cannot be a key that the other end has.",
        "Refuse unknown and malformed keyIds.";
    KeyUnknownStatus = "key-unknown-status", Key, "4.2", Should, KeyById,
        "unknown and malformed keyIds should be answered with 400",
        "The statuses of the same requests. Table 7 has 400.",
        "It tells encryptors that the initiator has to request a new key.",
        "Answer unknown and malformed keyIds with 400.";
    PeerConnect = "peer-connect", Peer, "3", Must, Connection, "the peer must be reachable over TLS",
        "A TLS connection to the peer, and one request.",
        "Every key is needed at both ends.",
        "Check address, port, and what each side trusts.";
    PeerSameKey = "peer-same-key", Peer, "4.2", Must, Key, "the peer must return the same key for the keyId",
        "Keys of 128, 256 and 512 bits are created here, and fetched from the peer by their keyIds. They are compared \
         in constant time.",
        "This is the purpose of the protocol.",
        "Check how the two Key Providers synchronize, and that their clocks and configurations agree.";
    PeerKeyId = "peer-key-id", Peer, "4.2", Must, Key, "the peer's reply must have the requested keyId",
        "The keyId in the replies of the peer.",
        "A reply with another keyId contains another key.",
        "Return the keyId of the request.";
    PeerOnce = "peer-once", Peer, "4.2.2", Must, PeerKey, "the peer must hand out a key only once",
        "`GET /key/{keyId}` for a key that the peer has just handed out. It must be refused.",
        "A Key Provider zeroizes its copy after handing out the key.",
        "Delete the key once it has been handed out.";
    PeerOtherDirection = "peer-other-direction", Peer, "1", Must, Peer, "keys created at the peer must be available \
                                                                         here",
        "A key is created at the peer and fetched here by its keyId. Both must be equal.",
        "Either encryptor may be the initiator.",
        "Configure both Key Providers as issuers.";
    PeerBinding = "peer-binding", Peer, "4.2", Security, PeerKey, "a key should be bound to its remote",
        "`GET /key/{keyId}` at the peer, naming another remote of its list. It should be refused.",
        "A client that names another remoteSystemID is not the one that the key is for.",
        "Refuse a keyId that was created at another remote than the one named.";
    PeerPatience = "peer-patience", Peer, "4.2", Interop, PeerKey, "a wrong request should not destroy the key",
        "A request with another remote, then the right request, which should get the key.",
        "Otherwise anybody who sees a keyId can destroy its key.",
        "Delete a key only after handing it out.";
    PeerCase = "peer-case", Peer, "4.2.1", Interop, PeerKey, "keyIds should match in either case",
        "`GET /key/{keyId}` at the peer with the keyId in upper case (or lower case); if that is refused, as it was \
         received.",
        "Hexadecimal digits mean the same in either case, and encryptors may use either.",
        "Compare the bytes of keyIds, not their spelling.";
    CapabilitiesEntropyFlag = "capabilities-entropy-flag", Entropy, "4.1", Must, Capabilities,
        "`entropy` must say whether GET /entropy is supported",
        "`entropy` in the capabilities, and the status of `GET /entropy`.",
        "Encryptors rely on the flag, without sending a request.",
        "Set `entropy` to whether the Key Provider supports GET /entropy.";
    EntropySchema = "entropy-schema", Entropy, "4.3", Must, Connection, "entropy replies must be valid",
        "The reply of `GET /entropy` must be the object of Figure 7.",
        "Encryptors accept nothing else.",
        "Compare the reply with Figure 7; minentropy is a number of bits.";
    EntropyHex = "entropy-hex", Entropy, "4.3", Must, Connection, "randomStr must be hexadecimal",
        "The digits of randomStr (Table 8): hexadecimal, and an even number of them.",
        "Encryptors cannot decode anything else.",
        "Encode the bytes as hexadecimal digits.";
    EntropyAvailable = "entropy-available", Entropy, "4.3", Must, Connection, "GET /entropy must return entropy",
        "`GET /entropy`, as method 5 of Table 2. The status must be 200, unless the capabilities say that entropy is \
         not offered.",
        "Table 9 allows a temporary 503, during which an encryptor has to wait.",
        "See the message; check the random generator.";
    EntropyDefaultSize = "entropy-default-size", Entropy, "4.3", Should, Entropy,
        "entropy should have 256 bits by default",
        "The length of a random string that was requested without minentropy.",
        "This is the default of the draft.",
        "Return 256 bits if the request has no minentropy.";
    EntropySizeKept = "entropy-size-kept", Entropy, "4.3", Must, Entropy, "a reply must have at least the requested \
                                                                           entropy",
        "`GET /entropy` with `minentropy` 128, 192, 256, 384, 512 and 4096, as method 6 of Table 2.",
        "An encryptor relies on the bits that it requested.",
        "Return at least the requested bits, or refuse.";
    EntropySizes = "entropy-sizes", Entropy, "4.3", Should, Entropy,
        "entropy of 128, 192, 256, 384 and 512 bits should be served",
        "The statuses of the same requests.",
        "Encryptors request what their generator needs.",
        "Serve these sizes.";
    EntropyOddSizes = "entropy-odd-sizes", Entropy, "4.3", Interop, SizedEntropy,
        "impossible values of minentropy should be refused",
        "`GET /entropy` with `minentropy` x, -1 and 0, until one is not refused with a status of 400 to 499.",
        "Such a value is a mistake that should be noticed.",
        "Refuse such values with 400.";
    EntropyDistinct = "entropy-distinct", Entropy, "4.3", Must, Entropy, "random strings must differ",
        "All random strings of the examination: none is a prefix of another, or consists of equal bytes.",
        "A constant string has no entropy.",
        "Take each string directly from the random generator.";
    EntropyStatistics = "entropy-statistics", Entropy, "4.3", Security, Entropy,
        "random strings should show no gross defect",
        "The counts of one bits and of each byte value in all random strings together.",
        "Counts detect a generator that is stuck; they cannot prove that one is good.",
        "Check the random generator.";
    Connections = "connections", Load, "3", Interop, Service, "50 connections at the same time should be served",
        "50 connections are opened and kept open, then each requests the capabilities.",
        "Encryptors with many tunnels send requests at the same time.",
        "Allow more connections.";
    Latency = "latency", Load, "3", Interop, Service, "half of the replies should arrive within 500 ms",
        "Up to 40 `GET /capabilities` on one connection.",
        "Routers give up after a few seconds, and rekeying waits for the key.",
        "Look at the plot of the HTML report; generate keys ahead of time.";
    Parallel10 = "parallel-10", Load, "4.2", Interop, Connection, "10 requests at the same time should be served",
        "10 requests for keys (for the capabilities if there is no key), each on a new connection.",
        "Tunnels are set up together after a reboot.",
        "Handle requests in parallel.";
    Parallel100 = "parallel-100", Load, "4.2", Interop, Connection, "100 requests at the same time should be served",
        "As in `parallel-10`. The message names the limit that was reached, and the number of replies.",
        "A hub with many branches requests that many keys after a reboot.",
        "Handle requests in parallel, and queue connections.";
    KeyIdDistinct = "key-id-distinct", Overall, "4.2.1", Must, Key, "all keyIds must differ",
        "The keyIds of all keys of the examination.",
        "A keyId belongs to one key.",
        "Use random keyIds of 128 bits.";
    KeyDistinct = "key-distinct", Overall, "4.2.1", Must, Key, "all keys must differ",
        "Salted hashes of all keys of the examination; and no key consists of equal bytes.",
        "Equal keys, and keys of equal bytes, come from a broken generator or key store.",
        "Check the random generator and the key store.";
    KeyStatistics = "key-statistics", Overall, "8", Security, Key, "keys should show no gross defect",
        "The counts of one bits and of each byte value in all keys together.",
        "Counts detect a generator that is stuck; they cannot prove that one is good.",
        "Check the random generator.";
    ErrorBodies = "error-bodies", Overall, "4", Interop, Service, "errors should be JSON or plain text",
        "The bodies of all replies of status 400 and above: not HTML, not empty.",
        "An HTML page in a router's log helps nobody.",
        "Answer errors with a short JSON object.";
    ErrorSecrets = "error-secrets", Overall, "8", Security, Service, "errors should contain nothing that looks like a \
                                                                      key",
        "The same bodies: no 16 hexadecimal digits in a row that were not in the request.",
        "Errors end up in logs.",
        "Leave keys, random strings and long identifiers out of error texts.";
}
