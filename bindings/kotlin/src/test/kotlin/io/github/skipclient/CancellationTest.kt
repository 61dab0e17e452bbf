package io.github.skipclient

import io.github.skipclient.ffi.liveBytes
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.time.Duration
import kotlin.concurrent.thread
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/**
 * Cancels calls to a Key Provider that never answers. Each must end because of that, not because of its timeout of five
 * minutes; the time that it took is printed.
 */
internal class CancellationTest {
    @Test
    fun `a cancelled call ends at once and leaves no thread in the library`() =
        runBlocking(Dispatchers.Default) {
            val times =
                List(30) {
                    val call = async { stalled.newKey("Bob") }
                    delay(30.milliseconds)
                    measureTime { withTimeout(60.seconds) { call.cancelAndJoin() } }
                }.sorted()
            println("cancel of one waiting call: median ${times[times.size / 2]}, longest ${times.last()}")
            println("no thread was in the library after ${measureTime { untilIdle() }}")
        }

    @Test
    fun `200 waiting calls do not hold up other coroutines, and are cancelled together`() =
        runBlocking(Dispatchers.Default) {
            val waiting = List(200) { launch { runCatching { stalled.newKey("Bob") } } }
            withTimeout(60.seconds) { while (inLibrary() < 200) delay(10.milliseconds) }
            println("threads in the library while 200 calls wait: ${inLibrary()}")
            assertEquals(200, inLibrary())
            val unrelated = measureTime { withTimeout(60.seconds) { withContext(Dispatchers.IO) { } } }
            println("an unrelated coroutine meanwhile took $unrelated")
            val together =
                measureTime {
                    for (call in waiting) call.cancel()
                    withTimeout(60.seconds) { waiting.joinAll() }
                }
            println("cancel of 200 waiting calls together: $together")
            untilIdle()
        }

    @Test
    fun `a call that is cancelled before it starts does not start`() =
        runBlocking<Unit> {
            val call = launch { stalled.newKey("Bob") }
            call.cancel()
            call.join()
            assertTrue(call.isCancelled)
            assertThrows<CancellationException> { withTimeout(300.milliseconds) { stalled.newKey("Bob") } }
        }

    @Test
    fun `a key that arrives while its call is being cancelled is wiped`() {
        SkipClient(pair.alice, pair.options()).use { kp ->
            runBlocking(Dispatchers.Default) {
                // an exchange takes about a millisecond, so some calls are cancelled just as it ends
                suspend fun race() {
                    val call = launch { kp.newKey("Bob").close() }
                    delay(Random.nextLong(0, 3).milliseconds)
                    call.cancelAndJoin()
                }
                repeat(20) { race() }
                untilIdle()
                val before = liveBytes()
                repeat(300) { race() }
                untilIdle()
                val grown = liveBytes().toLong() - before.toLong()
                println("live bytes after 300 races of cancel and key: $grown more")
                // a connection in the pool is worth some 20 KB; a key and its token, 300 bytes
                assertTrue(grown < 60_000, "$grown bytes")
            }
        }
    }

    @Test
    fun `closing the client ends its calls, including blocking ones`() {
        val kp = SkipClient(stalling.alice, stalling.options().apply { timeout = Duration.ofMinutes(5) })
        kp.capabilitiesBlocking()
        var failure: Throwable? = null
        val waiting = thread { failure = runCatching { kp.newKeyBlocking("Bob") }.exceptionOrNull() }
        val suspended =
            runBlocking {
                async(Dispatchers.Default) { runCatching { kp.newKey("Bob") } }
                    .also {
                        delay(1.seconds)
                        kp.close()
                    }.await()
            }
        waiting.join(60_000)
        assertEquals(Advice.NEW_KEY, (failure as SkipException).advice)
        assertTrue(suspended.exceptionOrNull() is SkipException)
    }

    internal companion object {
        private val pair = KeyProviderPair()
        private val stalling = KeyProviderPair("--fault", "stall")
        private val stalled = SkipClient(stalling.alice, stalling.options().apply { timeout = Duration.ofMinutes(5) })

        init {
            stalled.capabilitiesBlocking()
        }

        /** The number of threads that are in a call of the native library. */
        private fun inLibrary(): Int =
            Thread.getAllStackTraces().values.count { stack ->
                stack.any { it.className.startsWith("io.github.skipclient.ffi.") }
            }

        private suspend fun untilIdle() = withTimeout(60.seconds) { while (inLibrary() > 0) delay(1.milliseconds) }

        @JvmStatic
        @AfterAll
        fun stop() {
            stalled.close()
            stalling.close()
            pair.close()
        }
    }
}
