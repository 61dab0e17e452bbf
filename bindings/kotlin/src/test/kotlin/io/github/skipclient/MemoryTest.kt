package io.github.skipclient

import com.sun.jna.Native
import io.github.skipclient.ffi.liveBytes
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.experimental.xor
import kotlin.time.Duration
import kotlin.time.measureTime

/** Memory does not grow, and no part of a key remains in it. This class has its own JVM with a small heap: pom.xml. */
internal class MemoryTest {
    @Test
    fun `10,000 calls leave nothing behind`() {
        SkipClient(pair.alice, pair.options()).use { kp ->
            fun calls(times: Int) =
                repeat(times) {
                    kp.newKeyBlocking("Bob").use { key -> key.useBuffer { buffer -> check(buffer.remaining() == 32) } }
                }
            calls(500)
            val (bytes, files) = liveBytes() to openFiles()
            val counts =
                List(10) {
                    calls(1000)
                    liveBytes().toLong() - bytes.toLong()
                }
            println(
                "live bytes after each 1,000 of 10,000 calls, against the start: $counts; files ${openFiles() - files}",
            )
            assertTrue(counts.last() < 20_000, "$counts")
            assertTrue(openFiles() <= files + 5)
        }
    }

    @Test
    fun `no copy of a key remains in native memory`() {
        for ((url, options) in pair.modes("alice")) noCopyStays(url, options)
    }

    private fun noCopyStays(
        url: String,
        options: ClientOptions,
    ) {
        SkipClient(url, options).use { kp ->
            val key = kp.newKeyBlocking("Bob", 256)
            val masked = key.useBytes { bytes -> ByteArray(bytes.size) { bytes[it] xor MASK } }
            val tail = masked.copyOfRange(16, 32)
            // a broken search would always pass, so it must find the live key, and the copy that we put on the heap
            assertEquals(1, native(masked), "the living key")
            val onHeap = key.useBytes { heap(masked) }
            assertTrue(onHeap >= 1, "the heap is below 4 GiB, and searched")

            val others = List(OTHERS) { kp.newKeyBlocking("Bob", 256) }
            repeat(20) {
                key.useBuffer { buffer -> check(buffer.remaining() == 32) }
                key.useBytes { bytes -> check(bytes.size == 32) }
                key.useExport(ExportFormat.HEX) { bytes -> check(bytes.size == 64) }
                key.useExport(ExportFormat.RAW) { bytes -> check(bytes.size == 32) }
            }
            runBlocking { kp.newKey("Bob").close() }
            assertEquals(1, native(tail), "the living key alone")
            key.close()
            println(
                "copies in native memory after close: whole ${native(
                    masked,
                )}, last half ${native(tail)}; on the JVM heap: ${heap(tail)}",
            )
            assertEquals(listOf(0L, 0L), listOf(native(masked), native(tail)))

            val needles = others.map { other -> other.useBuffer { b -> ByteArray(16) { b.get(16 + it) xor MASK } } }
            for (other in others) other.close()
            val left = needles.sumOf { native(it) }
            println("copies of $OTHERS keys read by useBuffer and closed: $left")
            assertEquals(0, left)
        }
    }

    @Test
    fun `the time that a call takes`() {
        SkipClient(pair.alice, pair.options()).use { kp ->
            repeat(300) { kp.newKeyBlocking("Bob").close() }

            fun median(call: () -> Unit): Duration = List(1000) { measureTime(call) }.sorted()[500]
            val blocking = median { kp.newKeyBlocking("Bob").close() }
            val suspending = median { runBlocking { kp.newKey("Bob").close() } }
            val key = kp.newKeyBlocking("Bob")
            val read = median { key.useBuffer { } }
            println("median time of newKey and close: blocking $blocking, suspending $suspending; of useBuffer: $read")
        }
    }

    /** The number of copies of a masked needle outside the JVM's heap; one as small as ours is below 4 GiB. */
    private fun native(masked: ByteArray) = probe.skip_probe_count(masked, masked.size.toLong(), 0, FOUR_GIB, 0)

    private fun heap(masked: ByteArray) = probe.skip_probe_count(masked, masked.size.toLong(), 0, FOUR_GIB, 1)

    private fun openFiles() = File("/proc/self/fd").list()!!.size

    @Suppress("ktlint:standard:function-naming", "FunctionName", "FunctionNaming")
    internal interface Probe : com.sun.jna.Library {
        fun skip_probe_count(
            needle: ByteArray,
            length: Long,
            from: Long,
            to: Long,
            only: Int,
        ): Long
    }

    internal companion object {
        private const val MASK = 0xA5.toByte()
        private const val OTHERS = 50
        private const val FOUR_GIB = 1L shl 32
        private val probe = Native.load(Places.probe, Probe::class.java)
        private val pair = KeyProviderPair()

        @JvmStatic
        @AfterAll
        fun stop() = pair.close()
    }
}
