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

/** Blocking calls and futures with a Key Provider that never answers: uninterrupted, they would take five minutes. */
internal class BlockingTest {
    @Test
    fun `interrupting the caller ends the request`() {
        val calls =
            mapOf<String, (SkipClient) -> Any>(
                "newKey" to { it.newKeyBlocking("Bob") },
                "keyById" to { it.keyByIdBlocking("00112233", "Bob") },
                "entropy" to { it.entropyBlocking() },
            )
        for ((name, call) in calls) {
            var failure: Throwable? = null
            val caller = thread { failure = runCatching { call(stalled) }.exceptionOrNull() }
            // on the same thread: another one would cost each call two thread switches
            until { inLibrary() == setOf(caller) }
            caller.interrupt()
            caller.join(60_000)
            assertTrue(failure is InterruptedException, "$name: $failure")
            until { inLibrary().isEmpty() }
        }
    }

    @Test
    fun `a thread that is already interrupted sends no request`() {
        SkipClient("https://127.0.0.1:1", pair.options()).use { kp ->
            Thread.currentThread().interrupt()
            assertThrows<InterruptedException> { kp.newKeyBlocking("Bob") }
            assertFalse(Thread.interrupted(), "the exception stands for the flag")
        }
    }

    @Test
    fun `an interrupt that coincides with the reply loses no key`() {
        SkipClient(pair.alice, pair.options()).use { kp ->
            kp.capabilitiesBlocking()
            repeat(300) { at ->
                var ended = ""
                val caller =
                    thread {
                        ended =
                            try {
                                kp.newKeyBlocking("Bob").close()
                                "key"
                            } catch (_: InterruptedException) {
                                "interrupt, flag ${Thread.interrupted()}"
                            }
                    }
                Thread.sleep(0, at * NANOSECONDS)
                caller.interrupt()
                caller.join(60_000)
                assertTrue(ended == "key" || ended == "interrupt, flag false", ended)
            }
            // later calls are not affected
            assertEquals(256, kp.newKeyBlocking("Bob").use { it.bits })
        }
    }

    @Test
    fun `cancelling a future ends its request`() {
        val future = stalled.newKeyAsync("Bob")
        until { inLibrary().size == 1 }
        assertTrue(future.cancel(true))
        assertThrows<CancellationException> { future.get() }
        until { inLibrary().isEmpty() }
    }

    @Test
    fun `completing a future from outside ends its request too`() {
        val future = stalled.entropyAsync().orTimeout(1, TimeUnit.MILLISECONDS)
        assertThrows<ExecutionException> { future.get() }
        until { inLibrary().isEmpty() }
    }

    @Test
    fun `futures return keys and failures`() {
        SkipClient(pair.alice, pair.options()).use { alice ->
            val keys = List(20) { alice.newKeyAsync("Bob", 512) }
            CompletableFuture.allOf(*keys.toTypedArray()).get(60, TimeUnit.SECONDS)
            assertEquals(20, keys.map { it.get().keyId }.toSet().size)
            val failed = assertThrows<ExecutionException> { alice.newKeyAsync("Eve").get() }
            assertTrue(failed.cause is SkipException.UnknownRemote)
        }
    }

    @Test
    fun `the stack trace of a failure includes its caller`() {
        SkipClient(pair.alice, pair.options()).use { alice ->
            val failure = assertThrows<SkipException.UnknownRemote> { alice.newKeyBlocking("Eve") }
            assertTrue(failure.stackTrace.any { it.className.startsWith(BlockingTest::class.java.name) })
        }
    }

    internal companion object {
        /** Nanoseconds between interrupts; a call takes some hundred thousand. */
        private const val NANOSECONDS = 2_000
        private val pair = KeyProviderPair()
        private val stalling = KeyProviderPair("--fault", "stall")
        private val stalled = SkipClient(stalling.alice, stalling.options().apply { timeout = Duration.ofMinutes(5) })

        init {
            stalled.capabilitiesBlocking()
        }

        /** The threads that are in a call of the native library. */
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
