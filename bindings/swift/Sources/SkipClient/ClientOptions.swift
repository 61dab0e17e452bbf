import Foundation

/// How a ``SkipClient`` connects, and how strict it is.
///
/// Something must say whom to trust: ``caPEM``, ``systemCA``, ``pin`` or ``psk``.
public struct ClientOptions: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Certificates of the CAs to trust, in PEM form.
    public var caPEM: Data?
    /// Trusts the certificate store of the system as well.
    public var systemCA: Bool
    /// The client certificate with its chain, in PEM form, for Key Providers that want one.
    public var clientCertPEM: Data?
    /// The private key of ``clientCertPEM``, in PEM form.
    public var clientKeyPEM: Data?
    /// The pre-shared key, instead of certificates.
    public var psk: Psk?
    /// The public key to trust: `sha256/` and the base64 of SHA-256 over the SubjectPublicKeyInfo.
    public var pin: String?
    /// The name that the server's certificate must have, instead of the URL's host.
    public var serverName: String?
    /// Which versions of TLS to offer.
    public var tls: TLSVersion
    /// The seconds that a whole call may take, more than zero.
    public var timeout: TimeInterval
    /// The seconds for name, TCP and TLS of one Key Provider, more than zero.
    public var connectTimeout: TimeInterval
    /// `http://[user:password@]host[:port]` of a proxy with CONNECT; those of the environment are never used.
    public var proxy: String?
    /// Whether replies must follow the draft; `false` accepts known deviations of real Key Providers.
    public var strict: Bool
    /// Whether capabilities are asked first (draft 4.1.2), and what they exclude is refused unsent.
    public var checkRemote: Bool
    /// How many seconds to wait in all for a Key Provider that is busy (429, 503), asking again.
    public var waitWhenBusy: TimeInterval

    /// Options; each is described at its property.
    public init(
        caPEM: Data? = nil,
        systemCA: Bool = false,
        clientCertPEM: Data? = nil,
        clientKeyPEM: Data? = nil,
        psk: Psk? = nil,
        pin: String? = nil,
        serverName: String? = nil,
        tls: TLSVersion = .auto,
        timeout: TimeInterval = 10,
        connectTimeout: TimeInterval = 3,
        proxy: String? = nil,
        strict: Bool = true,
        checkRemote: Bool = true,
        waitWhenBusy: TimeInterval = 0
    ) {
        self.caPEM = caPEM
        self.systemCA = systemCA
        self.clientCertPEM = clientCertPEM
        self.clientKeyPEM = clientKeyPEM
        self.psk = psk
        self.pin = pin
        self.serverName = serverName
        self.tls = tls
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.proxy = proxy
        self.strict = strict
        self.checkRemote = checkRemote
        self.waitWhenBusy = waitWhenBusy
    }

    /// Shows none of the values: there are secrets among them.
    public var description: String { "ClientOptions([redacted])" }
    /// As ``description``.
    public var debugDescription: String { description }
    /// Shows none of the values, to `dump` either.
    public var customMirror: Mirror { Mirror(self, children: []) }

    func toCore() -> CoreOptions {
        CoreOptions(
            caPem: caPEM, caSystem: systemCA, clientCertPem: clientCertPEM, clientKeyPem: clientKeyPEM, psk: psk?.core,
            pin: pin, serverName: serverName, tls: tls.rawValue, proxy: proxy,
            connectTimeout: milliseconds(connectTimeout), timeout: milliseconds(timeout),
            waitWhenBusy: milliseconds(waitWhenBusy), strict: strict,
            checkRemote: checkRemote)
    }
}

/// Versions of TLS that a client offers.
public enum TLSVersion: String, Sendable, CaseIterable {
    /// TLS 1.3 and 1.2.
    case auto = "auto"
    /// TLS 1.2 alone.
    case v12 = "1.2"
    /// TLS 1.3 alone.
    case v13 = "1.3"
}

/// What does not fit, or is no number, is for the core to refuse.
private func milliseconds(_ seconds: TimeInterval) -> Int64 {
    let milliseconds = (seconds * 1000).rounded(.up)
    if milliseconds.isNaN { return .min }
    return Int64(exactly: milliseconds) ?? (milliseconds < 0 ? .min : .max)
}
