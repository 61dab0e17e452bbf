package skipclient

import skipclient.ffi.CoreCancel
import skipclient.ffi.CoreClient
import skipclient.ffi.CoreOptions
import java.time.Duration

/**
 * A client of one Key Provider (KP), or of several in order of preference (draft-cisco-skip-02).
 *
 * One client serves many coroutines and threads at once; it keeps connections and remembers the capabilities. Each
 * call comes twice: as a `suspend` function, whose cancellation ends the request at once, and with `Blocking` in its
 * name for Java and for threads of your own. A request goes out once and is never repeated behind your back; every
 * [SkipException] says what to ask next ([SkipException.advice]).
 *
 * ```kotlin
 * SkipClient("https://kp-alice:8443", ClientOptions(caPem = pem)).use { kp ->
 *     kp.newKey("Bob", 256).use { key -> sendToPeer(key.keyId) }
 * }
 * ```
 *
 * @param urls `https://host[:port][/path]` of each KP; the next is asked only while no byte of a request has gone out
 * @throws SkipException.InvalidArgument when an option breaks a rule or nothing says whom to trust
 */
public class SkipClient
    @Throws(SkipException::class)
    constructor(
        urls: List<String>,
        options: ClientOptions,
    ) : AutoCloseable {
        private val urls = urls.toList()
        private val core: CoreClient = translated { CoreClient(urls, options.toCore()) }

        /** A client of the KP at [url], `https://host[:port][/path]`. */
        @JvmOverloads
        @Throws(SkipException::class)
        public constructor(url: String, options: ClientOptions = ClientOptions()) : this(listOf(url), options)

        /** How the last connection was made; `null` before the first one. */
        public val connection: ConnectionInfo?
            get() = core.connection()?.toPublic()

        /**
         * What the KP offers (draft 4.1): fetched once, then remembered; [refresh] asks again.
         *
         * @throws SkipException of the network's and the provider's sides
         */
        @Throws(SkipException::class)
        public suspend fun capabilities(refresh: Boolean = false): Capabilities =
            awaiting({}) { fetchCapabilities(refresh, it) }

        /** [capabilities] in this thread. */
        @JvmOverloads
        @Throws(SkipException::class)
        public fun capabilitiesBlocking(refresh: Boolean = false): Capabilities = fetchCapabilities(refresh, null)

        /**
         * A fresh key of [size] bits, a multiple of 8 from 8 to 65536, shared with the KP [remote] (draft 4.2). Without
         * a size the KP chooses, mostly 256 bits.
         *
         * A key that arrives while its coroutine is cancelled is wiped: ask for another one.
         *
         * @throws SkipException of any side
         */
        @Throws(SkipException::class)
        public suspend fun newKey(
            remote: String,
            size: Int? = null,
        ): Key = awaiting(Key::close) { fetchNewKey(remote, size, it) }

        /** [newKey] in this thread. */
        @JvmOverloads
        @Throws(SkipException::class)
        public fun newKeyBlocking(
            remote: String,
            size: Int? = null,
        ): Key = fetchNewKey(remote, size, null)

        /**
         * The key that the initiator got from the KP [remote] under [keyId] (draft 4.2), which is hexadecimal, of even
         * length, 2 to 512 digits. A KP gives it once.
         *
         * @throws SkipException of any side; with the advice `NEW_KEY` the initiator has to ask for another key
         */
        @Throws(SkipException::class)
        public suspend fun keyById(
            keyId: String,
            remote: String,
        ): Key = awaiting(Key::close) { fetchKeyById(keyId, remote, it) }

        /** [keyById] in this thread. */
        @Throws(SkipException::class)
        public fun keyByIdBlocking(
            keyId: String,
            remote: String,
        ): Key = fetchKeyById(keyId, remote, null)

        /**
         * Random bytes of at least [bits] bits, a multiple of 8 from 8 to 65536, or of the KP's own choice (draft 4.3).
         *
         * @throws SkipException of any side
         */
        @Throws(SkipException::class)
        public suspend fun entropy(bits: Int? = null): Entropy = awaiting(Entropy::close) { fetchEntropy(bits, it) }

        /** [entropy] in this thread. */
        @JvmOverloads
        @Throws(SkipException::class)
        public fun entropyBlocking(bits: Int? = null): Entropy = fetchEntropy(bits, null)

        /** Ends the running calls, blocking ones too; later calls throw [SkipException.InvalidArgument]. */
        override fun close() {
            // the handle itself goes with this object: later calls have the core's own error
            core.shutDown()
        }

        /** The URLs. */
        override fun toString(): String = "SkipClient(urls=$urls)"

        private fun fetchCapabilities(
            refresh: Boolean,
            token: CoreCancel?,
        ): Capabilities = translated { core.capabilities(refresh, token) }.toPublic()

        private fun fetchNewKey(
            remote: String,
            size: Int?,
            token: CoreCancel?,
        ): Key = Key(translated { core.newKey(remote, size?.toLong(), token) })

        private fun fetchKeyById(
            keyId: String,
            remote: String,
            token: CoreCancel?,
        ): Key = Key(translated { core.keyById(keyId, remote, token) })

        private fun fetchEntropy(
            bits: Int?,
            token: CoreCancel?,
        ): Entropy = Entropy(translated { core.entropy(bits?.toLong(), token) })
    }

private fun ClientOptions.toCore() =
    CoreOptions(
        caPem = caPem,
        caSystem = systemCa,
        clientCertPem = clientCertPem,
        clientKeyPem = clientKeyPem,
        psk = psk?.core,
        pin = pin,
        serverName = serverName,
        tls = tls.text,
        proxy = proxy,
        connectTimeout = connectTimeout.milliseconds(),
        timeout = timeout.milliseconds(),
        waitWhenBusy = waitWhenBusy.milliseconds(),
        strict = strict,
        checkRemote = checkRemote,
    )

/** What does not fit is as good as for ever, or never; the core judges it. */
private fun Duration.milliseconds(): Long =
    try {
        toMillis()
    } catch (_: ArithmeticException) {
        if (isNegative) Long.MIN_VALUE else Long.MAX_VALUE
    }
