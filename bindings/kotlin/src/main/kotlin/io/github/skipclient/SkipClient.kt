package io.github.skipclient

import io.github.skipclient.ffi.CoreCall
import io.github.skipclient.ffi.CoreClient
import io.github.skipclient.ffi.CoreLanguage
import io.github.skipclient.ffi.CoreOptions
import java.time.Duration
import java.util.concurrent.CompletableFuture

/**
 * A client of one Key Provider (KP), or of several in order of preference (draft-cisco-skip-02).
 *
 * One client serves many coroutines and threads at once; it keeps connections and remembers the capabilities. Each
 * call has three forms: a `suspend` function, whose cancellation ends the request at once; `...Blocking`, which parks
 * the calling thread (virtual threads too) until the answer or an interrupt comes; and `...Async` with a
 * `CompletableFuture`. A request goes out once and is never repeated behind your back; every
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
        private val core: CoreClient = translated { CoreClient(urls, options.toCore(), CoreLanguage.KOTLIN) }

        /** A client of the KP at [url], `https://host[:port][/path]`. */
        @JvmOverloads
        @Throws(SkipException::class)
        public constructor(url: String, options: ClientOptions = ClientOptions()) : this(listOf(url), options)

        /** How the last connection was made; `null` before the first one. */
        public val connection: ConnectionInfo?
            get() = core.connection()?.toPublic()

        /**
         * What the KP offers (draft 4.1): fetched once, then remembered; [refresh] asks again.
         * Here and at the other calls, [timeout] is the time for this call instead of that of the options.
         *
         * @throws SkipException of the network's and the provider's sides
         */
        @Throws(SkipException::class)
        public suspend fun capabilities(
            refresh: Boolean = false,
            timeout: Duration? = null,
        ): Capabilities = awaiting({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

        /** [capabilities], waiting for it. An interrupt of this thread ends the request. */
        @JvmOverloads
        @Throws(SkipException::class, InterruptedException::class)
        public fun capabilitiesBlocking(
            refresh: Boolean = false,
            timeout: Duration? = null,
        ): Capabilities = parked({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

        /** [capabilities] as a future: it fails with a [SkipException], and whoever cancels it ends the request. */
        @JvmOverloads
        public fun capabilitiesAsync(
            refresh: Boolean = false,
            timeout: Duration? = null,
        ): CompletableFuture<Capabilities> =
            started({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

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
            timeout: Duration? = null,
        ): Key = awaiting(Key::close) { fetchNewKey(remote, size, CoreCall(timeout?.inSeconds(), it)) }

        /** [newKey], waiting for it. An interrupt of this thread ends the request. */
        @JvmOverloads
        @Throws(SkipException::class, InterruptedException::class)
        public fun newKeyBlocking(
            remote: String,
            size: Int? = null,
            timeout: Duration? = null,
        ): Key = parked(Key::close) { fetchNewKey(remote, size, CoreCall(timeout?.inSeconds(), it)) }

        /** [newKey] as a future: it fails with a [SkipException], and whoever cancels it ends the request. */
        @JvmOverloads
        public fun newKeyAsync(
            remote: String,
            size: Int? = null,
            timeout: Duration? = null,
        ): CompletableFuture<Key> =
            started(Key::close) { fetchNewKey(remote, size, CoreCall(timeout?.inSeconds(), it)) }

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
            timeout: Duration? = null,
        ): Key = awaiting(Key::close) { fetchKeyById(keyId, remote, CoreCall(timeout?.inSeconds(), it)) }

        /** [keyById], waiting for it. An interrupt of this thread ends the request. */
        @JvmOverloads
        @Throws(SkipException::class, InterruptedException::class)
        public fun keyByIdBlocking(
            keyId: String,
            remote: String,
            timeout: Duration? = null,
        ): Key = parked(Key::close) { fetchKeyById(keyId, remote, CoreCall(timeout?.inSeconds(), it)) }

        /** [keyById] as a future: it fails with a [SkipException], and whoever cancels it ends the request. */
        @JvmOverloads
        public fun keyByIdAsync(
            keyId: String,
            remote: String,
            timeout: Duration? = null,
        ): CompletableFuture<Key> =
            started(Key::close) { fetchKeyById(keyId, remote, CoreCall(timeout?.inSeconds(), it)) }

        /**
         * Random bytes of at least [bits] bits, a multiple of 8 from 8 to 65536, or of the KP's own choice (draft 4.3).
         *
         * @throws SkipException of any side
         */
        @Throws(SkipException::class)
        public suspend fun entropy(
            bits: Int? = null,
            timeout: Duration? = null,
        ): Entropy = awaiting(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        /** [entropy], waiting for it. An interrupt of this thread ends the request. */
        @JvmOverloads
        @Throws(SkipException::class, InterruptedException::class)
        public fun entropyBlocking(
            bits: Int? = null,
            timeout: Duration? = null,
        ): Entropy = parked(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        /** [entropy] as a future: it fails with a [SkipException], and whoever cancels it ends the request. */
        @JvmOverloads
        public fun entropyAsync(
            bits: Int? = null,
            timeout: Duration? = null,
        ): CompletableFuture<Entropy> =
            started(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        /** Ends the running calls, blocking ones too; later calls throw [SkipException.InvalidArgument]. */
        override fun close() {
            // the handle itself goes with this object: later calls have the core's own error
            core.shutDown()
        }

        /** The URLs. */
        override fun toString(): String = "SkipClient(urls=$urls)"

        private fun fetchCapabilities(
            refresh: Boolean,
            call: CoreCall,
        ): Capabilities = translated { core.capabilities(refresh, call) }.toPublic()

        private fun fetchNewKey(
            remote: String,
            size: Int?,
            call: CoreCall,
        ): Key = Key(translated { core.newKey(remote, size?.toLong(), call) })

        private fun fetchKeyById(
            keyId: String,
            remote: String,
            call: CoreCall,
        ): Key = Key(translated { core.keyById(keyId, remote, call) })

        private fun fetchEntropy(
            bits: Int?,
            call: CoreCall,
        ): Entropy = Entropy(translated { core.entropy(bits?.toLong(), call) })
    }

private fun ClientOptions.toCore() =
    CoreOptions(
        caPem = caPem,
        caSystem = systemCa,
        clientCertPem = clientCertPem,
        clientKeyPem = clientKeyPem,
        keyPassword = keyPassword,
        psk = psk?.core,
        settings = settings(),
    )
