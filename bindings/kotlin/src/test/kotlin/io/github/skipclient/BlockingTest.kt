package io.github.skipclient

import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.time.Duration
import java.util.concurrent.CancellationException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread

/** Blocking calls and futures, at a Key Provider that never answers: five minutes would pass without an interrupt. */
internal class BlockingTest {
    @Test
    fun `the caller waits outside the native library, and an interrupt ends the request`() {
        val calls =
            mapOf<String, (SkipClient) -> Any>(
                "newKey" to { it.newKeyBlocking("Bob") },
                "keyById" to { it.keyByIdBlocking("00112233", "Bob") },
                "entropy" to { it.entropyBlocking() },
            )
        for ((name, call) in calls) {
            var failure: Throwable? = null
            val caller = thread { failure = runCatching { call(stalled) }.exceptionOrNull() }
            until { inLibrary().size == 1 }
            // a virtual thread with native frames would keep its carrier
            assertFalse(caller in inLibrary(), "$name waits inside the library")
            until { caller.state == Thread.State.WAITING }
            caller.interrupt()
            caller.join(60_000)
            assertTrue(failure is InterruptedException, "$name: $failure")
            until { inLibrary().isEmpty() }
        }
    }

    @Test
    fun `a thread that was interrupted before does not ask`() {
        SkipClient("https://127.0.0.1:1", pair.options()).use { kp ->
            Thread.currentThread().interrupt()
            assertThrows<InterruptedException> { kp.newKeyBlocking("Bob") }
            assertFalse(Thread.interrupted(), "the exception stands for the flag")
        }
    }

    @Test
    fun `a cancelled future ends its request`() {
        val future = stalled.newKeyAsync("Bob")
        until { inLibrary().size == 1 }
        assertTrue(future.cancel(true))
        assertThrows<CancellationException> { future.get() }
        until { inLibrary().isEmpty() }
    }

    @Test
    fun `a future that somebody else completes ends its request too`() {
        val future = stalled.entropyAsync().orTimeout(1, TimeUnit.MILLISECONDS)
        assertThrows<ExecutionException> { future.get() }
        until { inLibrary().isEmpty() }
    }

    @Test
    fun `futures have keys and failures`() {
        SkipClient(pair.alice, pair.options()).use { alice ->
            val keys = List(20) { alice.newKeyAsync("Bob", 512) }
            CompletableFuture.allOf(*keys.toTypedArray()).get(60, TimeUnit.SECONDS)
            assertEquals(20, keys.map { it.get().keyId }.toSet().size)
            val failed = assertThrows<ExecutionException> { alice.newKeyAsync("Eve").get() }
            assertTrue(failed.cause is SkipException.UnknownRemote)
        }
    }

    @Test
    fun `the trace of a failure leads to its caller`() {
        SkipClient(pair.alice, pair.options()).use { alice ->
            val failure = assertThrows<SkipException.UnknownRemote> { alice.newKeyBlocking("Eve") }
            assertTrue(failure.stackTrace.any { it.className.startsWith(BlockingTest::class.java.name) })
        }
    }

    internal companion object {
        private val pair = KeyProviderPair()
        private val stalling = KeyProviderPair("--fault", "stall")
        private val stalled = SkipClient(stalling.alice, stalling.options().apply { timeout = Duration.ofMinutes(5) })

        init {
            stalled.capabilitiesBlocking()
        }

        /** The threads whose stack goes into the native library. */
        private fun inLibrary(): Set<Thread> =
            Thread
                .getAllStackTraces()
                .filterValues { stack ->
                    stack.any { it.className.startsWith("io.github.skipclient.ffi.") }
                }.keys

        private fun until(done: () -> Boolean) {
            val end = System.nanoTime() + Duration.ofMinutes(1).toNanos()
            while (!done()) {
                check(System.nanoTime() < end) { "it did not come to that within a minute" }
                Thread.sleep(1)
            }
        }

        @JvmStatic
        @AfterAll
        fun stop() {
            stalled.close()
            stalling.close()
            pair.close()
        }
    }
}
