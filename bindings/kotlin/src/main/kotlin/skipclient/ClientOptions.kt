package skipclient

import java.time.Duration

/**
 * How a [SkipClient] connects, and how strict it is. Read once, when a client is made.
 *
 * Something must say whom to trust: [caPem], [systemCa], [pin] or [psk]. In Kotlin name the arguments,
 * `ClientOptions(caPem = pem)`; in Java make an empty one and set what differs.
 *
 * @property caPem certificates of the CAs to trust, in PEM form
 * @property systemCa trusts the certificate store of the system as well
 * @property clientCertPem the client certificate with its chain, in PEM form, for Key Providers that want one
 * @property clientKeyPem the private key of [clientCertPem], in PEM form; fill the array with zeros afterwards
 * @property psk the pre-shared key, instead of certificates
 * @property pin the public key to trust: `sha256/` and the base64 of SHA-256 over the SubjectPublicKeyInfo
 * @property serverName the name that the server's certificate must have, instead of the URL's host
 * @property tls which versions of TLS to offer
 * @property timeout the time for a whole call, more than zero
 * @property connectTimeout the time for name, TCP and TLS of one Key Provider, more than zero
 * @property proxy `http://[user:password@]host[:port]` of a proxy with CONNECT; those of the environment are never used
 * @property strict whether replies must follow the draft; `false` accepts known deviations of real Key Providers
 * @property checkRemote whether capabilities are asked first (draft 4.1.2), and what they exclude is refused unsent
 * @property waitWhenBusy how long to wait in all for a Key Provider that is busy (429, 503), asking again
 */
public class ClientOptions(
    public var caPem: ByteArray? = null,
    public var systemCa: Boolean = false,
    public var clientCertPem: ByteArray? = null,
    public var clientKeyPem: ByteArray? = null,
    public var psk: Psk? = null,
    public var pin: String? = null,
    public var serverName: String? = null,
    public var tls: TlsVersion = TlsVersion.AUTO,
    public var timeout: Duration = Duration.ofSeconds(DEFAULT_TIMEOUT),
    public var connectTimeout: Duration = Duration.ofSeconds(DEFAULT_CONNECT_TIMEOUT),
    public var proxy: String? = null,
    public var strict: Boolean = true,
    public var checkRemote: Boolean = true,
    public var waitWhenBusy: Duration = Duration.ZERO,
) {
    /** Shows none of the values: there are secrets among them. */
    override fun toString(): String = "ClientOptions([redacted])"
}

/** Versions of TLS that a client offers. */
public enum class TlsVersion(
    internal val text: String,
) {
    /** TLS 1.3 and 1.2. */
    AUTO("auto"),

    /** TLS 1.2 alone. */
    TLS_1_2("1.2"),

    /** TLS 1.3 alone. */
    TLS_1_3("1.3"),
}

private const val DEFAULT_TIMEOUT = 10L
private const val DEFAULT_CONNECT_TIMEOUT = 3L
