package io.github.skipclient

import io.github.skipclient.ffi.CoreCall
import io.github.skipclient.ffi.CoreCancel
import io.github.skipclient.ffi.CoreClient
import io.github.skipclient.ffi.CoreLanguage
import io.github.skipclient.ffi.CoreOptions
import java.time.Duration
import java.util.concurrent.CompletableFuture

/**
 * A client of one Key Provider (KP), or of several in order of preference (draft-cisco-skip-02).
 *
 * One client serves many coroutines and threads; it reuses connections and caches the capabilities.
 * Each call has three forms: a `suspend` function, whose cancellation cancels the request at once;
 * `...Blocking`, whose thread waits for the reply or an interrupt (a virtual thread is parked); and
 * `...Async`, which returns a `CompletableFuture`. A request is sent once and never retried behind
 * your back; every [SkipException] says what to request next ([SkipException.advice]).
 *
 * Code that is written against [KeyProvider] can be tested without a Key Provider.
 *
 * ```kotlin
 * SkipClient("https://kp-alice:8443", ClientOptions(caPem = pem)).use { kp ->
 *     kp.newKey("Bob", 256).use { key -> sendToPeer(key.keyId) }
 * }
 * ```
 *
 * @param urls `https://host[:port][/path]` of each KP; the next is used only while no byte of a request has been sent
 * @throws SkipException.InvalidArgument when an option is invalid, or none says whom to trust
 */
public class SkipClient
    @Throws(SkipException::class)
    constructor(
        urls: List<String>,
        options: ClientOptions,
    ) : KeyProvider() {
        private val urls = urls.toList()
        private val blocking = BlockingCalls()
        private val core: CoreClient = translated { CoreClient(urls, options.toCore(), CoreLanguage.KOTLIN) }

        /** A client of the KP at [url], `https://host[:port][/path]`. */
        @JvmOverloads
        @Throws(SkipException::class)
        public constructor(url: String, options: ClientOptions = ClientOptions()) : this(listOf(url), options)

        override val connection: ConnectionInfo?
            get() = core.connection()?.toPublic()

        @Throws(SkipException::class)
        override suspend fun capabilities(
            refresh: Boolean,
            timeout: Duration?,
        ): Capabilities = awaiting({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

        @Throws(SkipException::class, InterruptedException::class)
        override fun capabilitiesBlocking(
            refresh: Boolean,
            timeout: Duration?,
        ): Capabilities = blocking.call({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

        override fun capabilitiesAsync(
            refresh: Boolean,
            timeout: Duration?,
        ): CompletableFuture<Capabilities> =
            started({}) { fetchCapabilities(refresh, CoreCall(timeout?.inSeconds(), it)) }

        @Throws(SkipException::class)
        override suspend fun newKey(
            remote: String,
            size: Int?,
            timeout: Duration?,
        ): Key = awaiting(Key::close) { fetchKey(remote, null, size, timeout, it) }

        @Throws(SkipException::class, InterruptedException::class)
        override fun newKeyBlocking(
            remote: String,
            size: Int?,
            timeout: Duration?,
        ): Key = blocking.call(Key::close) { fetchKey(remote, null, size, timeout, it) }

        override fun newKeyAsync(
            remote: String,
            size: Int?,
            timeout: Duration?,
        ): CompletableFuture<Key> = started(Key::close) { fetchKey(remote, null, size, timeout, it) }

        @Throws(SkipException::class)
        override suspend fun keyById(
            keyId: String,
            remote: String,
            timeout: Duration?,
        ): Key = awaiting(Key::close) { fetchKey(remote, keyId, null, timeout, it) }

        @Throws(SkipException::class, InterruptedException::class)
        override fun keyByIdBlocking(
            keyId: String,
            remote: String,
            timeout: Duration?,
        ): Key = blocking.call(Key::close) { fetchKey(remote, keyId, null, timeout, it) }

        override fun keyByIdAsync(
            keyId: String,
            remote: String,
            timeout: Duration?,
        ): CompletableFuture<Key> = started(Key::close) { fetchKey(remote, keyId, null, timeout, it) }

        @Throws(SkipException::class)
        override suspend fun entropy(
            bits: Int?,
            timeout: Duration?,
        ): Entropy = awaiting(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        @Throws(SkipException::class, InterruptedException::class)
        override fun entropyBlocking(
            bits: Int?,
            timeout: Duration?,
        ): Entropy = blocking.call(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        override fun entropyAsync(
            bits: Int?,
            timeout: Duration?,
        ): CompletableFuture<Entropy> =
            started(Entropy::close) { fetchEntropy(bits, CoreCall(timeout?.inSeconds(), it)) }

        /**
         * Cancels the running calls, including blocking ones; later calls throw [SkipException.InvalidArgument]. The
         * client's own secrets are wiped when the last of those calls has ended.
         */
        override fun close() {
            // the handle is freed with this object, so later calls get the core's own error
            core.shutDown()
        }

        /** The URLs. */
        override fun toString(): String = "SkipClient(urls=$urls)"

        private fun fetchCapabilities(
            refresh: Boolean,
            call: CoreCall,
        ): Capabilities = translated { core.capabilities(refresh, call) }.toPublic()

        private fun fetchKey(
            remote: String,
            keyId: String?,
            size: Int?,
            timeout: Duration?,
            cancel: CoreCancel,
        ): Key = Key(translated { core.askKey(remote, keyId, size, timeout?.inSeconds(), cancel) })

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
        files = files(),
        psk = psk?.core,
        pskIdentity = pskIdentity,
        settings = settings(),
    )
