package io.github.skipclient

import java.time.Duration
import java.util.concurrent.CompletableFuture

/**
 * The interface of [SkipClient], for code that is tested without a Key Provider: a fake overrides what the code under
 * test calls. The suspending and asynchronous calls of a fake delegate to its blocking calls.
 *
 * ```kotlin
 * val fake = object : KeyProvider() {
 *     override fun newKeyBlocking(remote: String, size: Int?, timeout: Duration?) = Key.of("00ff", ByteArray(32))
 * }
 * ```
 */
public abstract class KeyProvider : AutoCloseable {
    /** Information about the last connection; `null` before the first one. */
    public open val connection: ConnectionInfo?
        get() = null

    /**
     * The KP's capabilities (draft 4.1): fetched once, then cached; [refresh] fetches them again.
     * Here and in the other calls, [timeout] replaces that of the options for this call.
     *
     * @throws SkipException of the network's and the provider's sides
     */
    @Throws(SkipException::class)
    public open suspend fun capabilities(
        refresh: Boolean = false,
        timeout: Duration? = null,
    ): Capabilities = capabilitiesBlocking(refresh, timeout)

    /** [capabilities], blocking. Interrupting the thread cancels the request. */
    @JvmOverloads
    @Throws(SkipException::class, InterruptedException::class)
    public open fun capabilitiesBlocking(
        refresh: Boolean = false,
        timeout: Duration? = null,
    ): Capabilities = absent("capabilitiesBlocking")

    /** [capabilities] as a future, which fails with a [SkipException]. Cancelling it cancels the request. */
    @JvmOverloads
    public open fun capabilitiesAsync(
        refresh: Boolean = false,
        timeout: Duration? = null,
    ): CompletableFuture<Capabilities> = completed { capabilitiesBlocking(refresh, timeout) }

    /**
     * A fresh key of [size] bits, a multiple of 8 from 8 to 65536, shared with the KP [remote] (draft 4.2). Without
     * a size the KP chooses, usually 256 bits.
     *
     * A key that arrives while its coroutine is cancelled is wiped: request another one.
     *
     * @throws SkipException of any side
     */
    @Throws(SkipException::class)
    public open suspend fun newKey(
        remote: String,
        size: Int? = null,
        timeout: Duration? = null,
    ): Key = newKeyBlocking(remote, size, timeout)

    /** [newKey], blocking. Interrupting the thread cancels the request. */
    @JvmOverloads
    @Throws(SkipException::class, InterruptedException::class)
    public open fun newKeyBlocking(
        remote: String,
        size: Int? = null,
        timeout: Duration? = null,
    ): Key = absent("newKeyBlocking")

    /** [newKey] as a future, which fails with a [SkipException]. Cancelling it cancels the request. */
    @JvmOverloads
    public open fun newKeyAsync(
        remote: String,
        size: Int? = null,
        timeout: Duration? = null,
    ): CompletableFuture<Key> = completed { newKeyBlocking(remote, size, timeout) }

    /**
     * The key that the initiator got from the KP [remote] under [keyId] (draft 4.2), which is hexadecimal, of even
     * length, 2 to 512 digits. A KP gives it once.
     *
     * @throws SkipException of any side; with the advice `NEW_KEY` the initiator has to request another key
     */
    @Throws(SkipException::class)
    public open suspend fun keyById(
        keyId: String,
        remote: String,
        timeout: Duration? = null,
    ): Key = keyByIdBlocking(keyId, remote, timeout)

    /** [keyById], blocking. Interrupting the thread cancels the request. */
    @JvmOverloads
    @Throws(SkipException::class, InterruptedException::class)
    public open fun keyByIdBlocking(
        keyId: String,
        remote: String,
        timeout: Duration? = null,
    ): Key = absent("keyByIdBlocking")

    /** [keyById] as a future, which fails with a [SkipException]. Cancelling it cancels the request. */
    @JvmOverloads
    public open fun keyByIdAsync(
        keyId: String,
        remote: String,
        timeout: Duration? = null,
    ): CompletableFuture<Key> = completed { keyByIdBlocking(keyId, remote, timeout) }

    /**
     * Random bytes of at least [bits] bits, a multiple of 8 from 8 to 65536, or of the KP's default size (draft 4.3).
     *
     * @throws SkipException of any side
     */
    @Throws(SkipException::class)
    public open suspend fun entropy(
        bits: Int? = null,
        timeout: Duration? = null,
    ): Entropy = entropyBlocking(bits, timeout)

    /** [entropy], blocking. Interrupting the thread cancels the request. */
    @JvmOverloads
    @Throws(SkipException::class, InterruptedException::class)
    public open fun entropyBlocking(
        bits: Int? = null,
        timeout: Duration? = null,
    ): Entropy = absent("entropyBlocking")

    /** [entropy] as a future, which fails with a [SkipException]. Cancelling it cancels the request. */
    @JvmOverloads
    public open fun entropyAsync(
        bits: Int? = null,
        timeout: Duration? = null,
    ): CompletableFuture<Entropy> = completed { entropyBlocking(bits, timeout) }

    /** Releases the resources of the calls; a fake has none. */
    override fun close(): Unit = Unit

    private fun absent(call: String): Nothing = throw UnsupportedOperationException("this fake has no $call")

    @Suppress("TooGenericExceptionCaught") // whatever it is, it belongs to the caller
    private fun <T> completed(call: () -> T): CompletableFuture<T> =
        try {
            CompletableFuture.completedFuture(call())
        } catch (failure: Exception) {
            CompletableFuture<T>().apply { completeExceptionally(failure) }
        }
}
