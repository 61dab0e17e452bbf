import Foundation

/// How a ``Client`` connects, and which deviations it accepts.
///
/// At least one of ``caPEM``, ``caFile``, ``systemCA``, ``pin``, ``psk`` and ``pskFile`` is
/// required.
public struct ClientOptions: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Certificates of the CAs to trust, in PEM form.
    public var caPEM: Data?
    /// Trusts the certificate store of the system as well.
    public var systemCA: Bool
    /// The client certificate with its chain, in PEM form, or PKCS#12 with both it and its private key.
    public var clientCertPEM: Data?
    /// The private key of ``clientCertPEM``, in PEM form.
    public var clientKeyPEM: Data?
    /// The password of an encrypted ``clientKeyPEM`` (PKCS#8), or of a ``clientCertPEM`` that is PKCS#12 with its key.
    public var keyPassword: String?
    /// The pre-shared key, instead of certificates.
    public var psk: Psk?
    /// A file with ``caPEM``, reloaded when it changes.
    public var caFile: URL?
    /// A file with ``clientCertPEM``, reloaded when it changes.
    public var clientCertFile: URL?
    /// A file with ``clientKeyPEM``, reloaded when it changes.
    public var clientKeyFile: URL?
    /// A file with ``keyPassword`` in its first line, reloaded when it changes.
    public var keyPasswordFile: URL?
    /// A file with a line `identity:hex`, instead of ``psk``, reloaded when it changes.
    public var pskFile: URL?
    /// Selects a line of ``pskFile``, or names the key of a file with `hex` alone.
    public var pskIdentity: String?
    // options:properties begin (core/tests/front_ends.rs writes it)
    /// The name that the Key Provider's certificate must have, instead of the URL's host.
    public var serverName: String?
    /// The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`.
    public var pin: String?
    /// Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3.
    public var tls: TLSVersion
    /// Refuse cipher suites without forward secrecy.
    public var forwardSecrecy: Bool
    /// Offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger.
    public var postQuantum: Bool
    /// Time for the whole call, in seconds.
    public var timeout: TimeInterval
    /// Time for resolving the name, TCP and TLS of one Key Provider together, in seconds.
    public var connectTimeout: TimeInterval
    /// URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored.
    public var proxy: String?
    /// Local IP address to connect from.
    public var sourceAddress: String?
    /// Accept some known deviations of real Key Providers from the draft.
    public var lenient: Bool
    /// Refuse locally what the capabilities exclude, such as a remote that they do not list.
    public var checkRemote: Bool
    /// Total time to keep retrying while a Key Provider is busy (429, 503), in seconds.
    public var waitWhenBusy: TimeInterval
    /// Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure.
    public var legacy: Bool
    // options:properties end

    /// The options; each is described at its property.
    public init(
        caPEM: Data? = nil,
        systemCA: Bool = false,
        clientCertPEM: Data? = nil,
        clientKeyPEM: Data? = nil,
        keyPassword: String? = nil,
        psk: Psk? = nil,
        caFile: URL? = nil,
        clientCertFile: URL? = nil,
        clientKeyFile: URL? = nil,
        keyPasswordFile: URL? = nil,
        pskFile: URL? = nil,
        pskIdentity: String? = nil,
        // options:parameters begin (core/tests/front_ends.rs writes it)
        serverName: String? = nil,
        pin: String? = nil,
        tls: TLSVersion = .auto,
        forwardSecrecy: Bool = false,
        postQuantum: Bool = true,
        timeout: TimeInterval = 10,
        connectTimeout: TimeInterval = 3,
        proxy: String? = nil,
        sourceAddress: String? = nil,
        lenient: Bool = false,
        checkRemote: Bool = true,
        waitWhenBusy: TimeInterval = 0,
        legacy: Bool = false
            // options:parameters end
    ) {
        self.caPEM = caPEM
        self.systemCA = systemCA
        self.clientCertPEM = clientCertPEM
        self.clientKeyPEM = clientKeyPEM
        self.keyPassword = keyPassword
        self.psk = psk
        self.caFile = caFile
        self.clientCertFile = clientCertFile
        self.clientKeyFile = clientKeyFile
        self.keyPasswordFile = keyPasswordFile
        self.pskFile = pskFile
        self.pskIdentity = pskIdentity
        // options:assignments begin (core/tests/front_ends.rs writes it)
        self.serverName = serverName
        self.pin = pin
        self.tls = tls
        self.forwardSecrecy = forwardSecrecy
        self.postQuantum = postQuantum
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.proxy = proxy
        self.sourceAddress = sourceAddress
        self.lenient = lenient
        self.checkRemote = checkRemote
        self.waitWhenBusy = waitWhenBusy
        self.legacy = legacy
        // options:assignments end
    }

    /// Shows no values, because some are secret.
    public var description: String { "ClientOptions([redacted])" }
    /// As ``description``.
    public var debugDescription: String { description }
    /// Shows no values to `dump` either.
    public var customMirror: Mirror { Mirror(self, children: []) }

    func toCore() -> CoreOptions {
        CoreOptions(
            caPem: caPEM, caSystem: systemCA, clientCertPem: clientCertPEM, clientKeyPem: clientKeyPEM,
            keyPassword: keyPassword, psk: psk?.core, pskIdentity: pskIdentity, files: files, settings: settings)
    }

    /// Paths of credentials, by the core's option names.
    private var files: [String: String] {
        [
            "ca": caFile,
            "cert": clientCertFile,
            "key": clientKeyFile,
            "key_password": keyPasswordFile,
            "psk": pskFile,
        ].compactMapValues { $0?.path }
    }

    /// The other options, by the core's names.
    private var settings: [String: String] {
        var settings: [String: String] = [:]
        // options:settings begin (core/tests/front_ends.rs writes it)
        settings["server_name"] = serverName
        settings["pin"] = pin
        settings["tls"] = tls.rawValue
        settings["forward_secrecy"] = String(forwardSecrecy)
        settings["post_quantum"] = String(postQuantum)
        settings["timeout"] = inSeconds(timeout)
        settings["connect_timeout"] = inSeconds(connectTimeout)
        settings["proxy"] = proxy
        settings["source_address"] = sourceAddress
        settings["lenient"] = String(lenient)
        settings["check_remote"] = String(checkRemote)
        settings["wait_when_busy"] = inSeconds(waitWhenBusy)
        settings["legacy"] = String(legacy)
        // options:settings end
        return settings
    }
}

/// Versions of TLS that a client offers.
public enum TLSVersion: String, Sendable, CaseIterable {
    /// TLS 1.3 and 1.2.
    case auto = "auto"
    /// TLS 1.2 only.
    case v12 = "1.2"
    /// TLS 1.3 only.
    case v13 = "1.3"
}

/// As a plain number of seconds, validated by the core.
func inSeconds(_ seconds: TimeInterval) -> String {
    guard seconds.isFinite, let milliseconds = Int64(exactly: (seconds * 1000).rounded(.up)), milliseconds >= 0 else {
        return "\(seconds)"
    }
    let fraction = String(milliseconds % 1000)
    return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
}
