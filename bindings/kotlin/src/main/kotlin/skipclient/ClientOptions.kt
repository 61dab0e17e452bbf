package skipclient

import java.math.BigDecimal
import java.time.Duration

/**
 * How a [SkipClient] connects, and which deviations it accepts. Read once, when a client is made.
 *
 * Something must say whom to trust: [caPem], [systemCa], [pin] or [psk]. In Kotlin name the arguments,
 * `ClientOptions(caPem = pem)`; in Java make an empty one and set what differs.
 *
 * @param strict the opposite of [lenient], until 1.0
 */
@Suppress("ktlint:standard:max-line-length", "MaxLineLength") // the help of an option is one line
public class ClientOptions(
    /** Certificates of the CAs to trust, in PEM form. */
    public var caPem: ByteArray? = null,
    /** Trusts the certificate store of the system as well. */
    public var systemCa: Boolean = false,
    /** The client certificate with its chain, in PEM form, for Key Providers that want one. */
    public var clientCertPem: ByteArray? = null,
    /** The private key of [clientCertPem], in PEM form; fill the array with zeros afterwards. */
    public var clientKeyPem: ByteArray? = null,
    /** The pre-shared key, instead of certificates. */
    public var psk: Psk? = null,
    // options:parameters begin (core/tests/front_ends.rs writes it)
    /** The name that the Key Provider's certificate must have, instead of the URL's host. */
    public var serverName: String? = null,
    /** The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`. */
    public var pin: String? = null,
    /** Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3. */
    public var tls: TlsVersion = TlsVersion.AUTO,
    /** Refuse cipher suites without forward secrecy. */
    public var forwardSecrecy: Boolean = false,
    /** Offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger. */
    public var postQuantum: Boolean = true,
    /** Time for the whole call. */
    public var timeout: Duration = Duration.ofSeconds(10),
    /** Time for resolving the name, TCP and TLS of one Key Provider together. */
    public var connectTimeout: Duration = Duration.ofSeconds(3),
    /** URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxies of the environment are ignored. */
    public var proxy: String? = null,
    /** Local IP address to connect from. */
    public var sourceAddress: String? = null,
    /** Accept some known deviations of real Key Providers from the draft. */
    public var lenient: Boolean = false,
    /** Refuse locally what the capabilities exclude, such as a remote that they do not list. */
    public var checkRemote: Boolean = true,
    /** Total time to wait for a Key Provider that is busy (429, 503), asking again. */
    public var waitWhenBusy: Duration = Duration.ZERO,
    /** Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends and which is not safe today. */
    public var legacy: Boolean = false,
    // options:parameters end
    strict: Boolean? = null,
) {
    init {
        if (strict != null) lenient = !strict
    }

    /** The opposite of [lenient], until 1.0. */
    public var strict: Boolean
        get() = !lenient
        set(value) {
            lenient = !value
        }

    /** Shows none of the values: there are secrets among them. */
    override fun toString(): String = "ClientOptions([redacted])"

    /** What is not a credential, by the names of the core. */
    internal fun settings(): Map<String, String> =
        buildMap {
            // options:settings begin (core/tests/front_ends.rs writes it)
            serverName?.let { put("server_name", it) }
            pin?.let { put("pin", it) }
            put("tls", tls.text)
            put("forward_secrecy", forwardSecrecy.toString())
            put("post_quantum", postQuantum.toString())
            put("timeout", timeout.inSeconds())
            put("connect_timeout", connectTimeout.inSeconds())
            proxy?.let { put("proxy", it) }
            sourceAddress?.let { put("source_address", it) }
            put("lenient", lenient.toString())
            put("check_remote", checkRemote.toString())
            put("wait_when_busy", waitWhenBusy.inSeconds())
            put("legacy", legacy.toString())
            // options:settings end
        }
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

/** As a plain number of seconds; the core judges it. */
internal fun Duration.inSeconds(): String =
    BigDecimal.valueOf(seconds).add(BigDecimal.valueOf(nano.toLong(), NANO_DIGITS)).toPlainString()

private const val NANO_DIGITS = 9
