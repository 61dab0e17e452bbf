package io.github.skipclient

import java.io.File
import java.math.BigDecimal
import java.time.Duration

/**
 * How a [SkipClient] connects, and which deviations it accepts. Read once, when a client is created.
 *
 * At least one of [caPem], [caFile], [systemCa], [pin], [psk] and [pskFile] is required. In Kotlin use named arguments,
 * `ClientOptions(caPem = pem)`; in Java use [builder]. A Kotlin library that must work with several versions of
 * skip-client without recompiling also uses [builder], because new options change the constructor's signature.
 *
 * @param strict the opposite of [lenient], until 1.0
 */
@Suppress(
    // the generated help of an option is one line
    "ktlint:standard:max-line-length",
    "ktlint:standard:no-consecutive-comments",
    "MaxLineLength",
)
public class ClientOptions(
    /** Certificates of the CAs to trust, in PEM form. */
    public var caPem: ByteArray? = null,
    /** Trusts the certificate store of the system as well. */
    public var systemCa: Boolean = false,
    /** The client certificate with its chain, in PEM form, or PKCS#12 with both it and its private key. */
    public var clientCertPem: ByteArray? = null,
    /** The private key of [clientCertPem], in PEM form; fill the array with zeros afterwards. */
    public var clientKeyPem: ByteArray? = null,
    /** The password of an encrypted [clientKeyPem] (PKCS#8), or of a [clientCertPem] that is PKCS#12 with its key. */
    public var keyPassword: String? = null,
    /** The pre-shared key, instead of certificates. */
    public var psk: Psk? = null,
    /** A file with [caPem], reloaded when it changes. */
    public var caFile: File? = null,
    /** A file with [clientCertPem], reloaded when it changes. */
    public var clientCertFile: File? = null,
    /** A file with [clientKeyPem], reloaded when it changes. */
    public var clientKeyFile: File? = null,
    /** A file with [keyPassword] in its first line, reloaded when it changes. */
    public var keyPasswordFile: File? = null,
    /** A file with a line `identity:hex`, instead of [psk], reloaded when it changes. */
    public var pskFile: File? = null,
    /** Selects a line of [pskFile], or names the key of a file with `hex` alone. */
    public var pskIdentity: String? = null,
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
    /** URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored. */
    public var proxy: String? = null,
    /** Local IP address to connect from. */
    public var sourceAddress: String? = null,
    /** Accept some known deviations of real Key Providers from the draft. */
    public var lenient: Boolean = false,
    /** Refuse locally what the capabilities exclude, such as a remote that they do not list. */
    public var checkRemote: Boolean = true,
    /** Total time to keep retrying while a Key Provider is busy (429, 503). */
    public var waitWhenBusy: Duration = Duration.ZERO,
    /** Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure. */
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

    /** Shows no values, because some are secret. */
    override fun toString(): String = "ClientOptions([redacted])"

    /** Paths of credentials, by the core's option names. */
    internal fun files(): Map<String, String> =
        buildMap {
            caFile?.let { put("ca", it.path) }
            clientCertFile?.let { put("cert", it.path) }
            clientKeyFile?.let { put("key", it.path) }
            keyPasswordFile?.let { put("key_password", it.path) }
            pskFile?.let { put("psk", it.path) }
        }

    /** The other options, by the core's names. */
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

    /** Sets options one by one. New options in later versions do not break compiled callers. */
    public class Builder internal constructor() {
        private val changes = mutableListOf<(ClientOptions) -> Unit>()

        private fun set(change: (ClientOptions) -> Unit): Builder = apply { changes += change }

        /** See [ClientOptions.caPem]. */
        public fun caPem(caPem: ByteArray?): Builder = set { it.caPem = caPem }

        /** See [ClientOptions.systemCa]. */
        public fun systemCa(systemCa: Boolean): Builder = set { it.systemCa = systemCa }

        /** See [ClientOptions.clientCertPem]. */
        public fun clientCertPem(clientCertPem: ByteArray?): Builder = set { it.clientCertPem = clientCertPem }

        /** See [ClientOptions.clientKeyPem]. */
        public fun clientKeyPem(clientKeyPem: ByteArray?): Builder = set { it.clientKeyPem = clientKeyPem }

        /** See [ClientOptions.keyPassword]. */
        public fun keyPassword(keyPassword: String?): Builder = set { it.keyPassword = keyPassword }

        /** See [ClientOptions.psk]. */
        public fun psk(psk: Psk?): Builder = set { it.psk = psk }

        /** See [ClientOptions.caFile]. */
        public fun caFile(caFile: File?): Builder = set { it.caFile = caFile }

        /** See [ClientOptions.clientCertFile]. */
        public fun clientCertFile(clientCertFile: File?): Builder = set { it.clientCertFile = clientCertFile }

        /** See [ClientOptions.clientKeyFile]. */
        public fun clientKeyFile(clientKeyFile: File?): Builder = set { it.clientKeyFile = clientKeyFile }

        /** See [ClientOptions.keyPasswordFile]. */
        public fun keyPasswordFile(keyPasswordFile: File?): Builder = set { it.keyPasswordFile = keyPasswordFile }

        /** See [ClientOptions.pskFile]. */
        public fun pskFile(pskFile: File?): Builder = set { it.pskFile = pskFile }

        /** See [ClientOptions.pskIdentity]. */
        public fun pskIdentity(pskIdentity: String?): Builder = set { it.pskIdentity = pskIdentity }

        // options:builder begin (core/tests/front_ends.rs writes it)

        /** See [ClientOptions.serverName]. */
        public fun serverName(serverName: String?): Builder = set { it.serverName = serverName }

        /** See [ClientOptions.pin]. */
        public fun pin(pin: String?): Builder = set { it.pin = pin }

        /** See [ClientOptions.tls]. */
        public fun tls(tls: TlsVersion): Builder = set { it.tls = tls }

        /** See [ClientOptions.forwardSecrecy]. */
        public fun forwardSecrecy(forwardSecrecy: Boolean): Builder = set { it.forwardSecrecy = forwardSecrecy }

        /** See [ClientOptions.postQuantum]. */
        public fun postQuantum(postQuantum: Boolean): Builder = set { it.postQuantum = postQuantum }

        /** See [ClientOptions.timeout]. */
        public fun timeout(timeout: Duration): Builder = set { it.timeout = timeout }

        /** See [ClientOptions.connectTimeout]. */
        public fun connectTimeout(connectTimeout: Duration): Builder = set { it.connectTimeout = connectTimeout }

        /** See [ClientOptions.proxy]. */
        public fun proxy(proxy: String?): Builder = set { it.proxy = proxy }

        /** See [ClientOptions.sourceAddress]. */
        public fun sourceAddress(sourceAddress: String?): Builder = set { it.sourceAddress = sourceAddress }

        /** See [ClientOptions.lenient]. */
        public fun lenient(lenient: Boolean): Builder = set { it.lenient = lenient }

        /** See [ClientOptions.checkRemote]. */
        public fun checkRemote(checkRemote: Boolean): Builder = set { it.checkRemote = checkRemote }

        /** See [ClientOptions.waitWhenBusy]. */
        public fun waitWhenBusy(waitWhenBusy: Duration): Builder = set { it.waitWhenBusy = waitWhenBusy }

        /** See [ClientOptions.legacy]. */
        public fun legacy(legacy: Boolean): Builder = set { it.legacy = legacy }
        // options:builder end

        /** Builds the options. The builder can be reused; options built before do not change. */
        public fun build(): ClientOptions = ClientOptions().also { options -> changes.forEach { it(options) } }

        /** Shows no values, because some are secret. */
        override fun toString(): String = "ClientOptions.Builder([redacted])"
    }

    /** Creates builders. */
    public companion object {
        /** Starts from the defaults. */
        @JvmStatic
        public fun builder(): Builder = Builder()
    }
}

/** Versions of TLS that a client offers. */
public enum class TlsVersion(
    internal val text: String,
) {
    /** TLS 1.3 and 1.2. */
    AUTO("auto"),

    /** TLS 1.2 only. */
    TLS_1_2("1.2"),

    /** TLS 1.3 only. */
    TLS_1_3("1.3"),
}

/** As a plain number of seconds, validated by the core. */
internal fun Duration.inSeconds(): String =
    BigDecimal.valueOf(seconds).add(BigDecimal.valueOf(nano.toLong(), NANO_DIGITS)).toPlainString()

private const val NANO_DIGITS = 9
