package io.github.skipclient

import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.net.InetAddress
import java.net.ServerSocket
import java.time.Duration
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger

/** Log lines about connections, for a user's function and for System.Logger. */
internal class LogTest {
    private val lines = LinkedBlockingQueue<Pair<SkipLog.Level, String>>()

    @AfterEach
    fun off() = SkipLog.set(null)

    private fun next(): Pair<SkipLog.Level, String> = checkNotNull(lines.poll(1, TimeUnit.MINUTES)) { "no line came" }

    @Test
    fun `each line is logged at its level, and none contains a secret`() {
        KeyProviderPair("--quirk", "classic-psk", "--fault", "entropy-503").use { pair ->
            val closed =
                ServerSocket(
                    0,
                    1,
                    InetAddress.getLoopbackAddress(),
                ).use { "https://127.0.0.1:${it.localPort}" }
            val all = mutableListOf<String>()
            val secrets =
                mutableListOf(
                    pair
                        .file("psk.txt")
                        .decodeToString()
                        .substringAfterLast(':')
                        .trim(),
                )
            SkipLog.set { level, line -> lines.add(level to line) }

            SkipClient(listOf(closed, pair.alice), pair.options()).use { kp ->
                kp.newKeyBlocking("Bob").use { secrets.add(it.useBytes { bytes -> bytes.hex() }) }
            }
            val (warning, connected) = listOf(next(), next())
            assertEquals(SkipLog.Level.WARNING to SkipLog.Level.DEBUG, warning.first to connected.first)
            assertTrue(
                warning.second.startsWith(closed) && warning.second.endsWith("; trying ${pair.alice}"),
                "$warning",
            )
            assertTrue(connected.second.startsWith("${pair.alice}: connected to 127.0.0.1:"), "$connected")
            all += listOf(warning.second, connected.second)

            val (url, options) = pair.modes("alice")[1]
            SkipClient(url, options.apply { waitWhenBusy = Duration.ofSeconds(1) }).use { kp ->
                kp.newKeyBlocking("Bob").use { secrets.add(it.useBytes { bytes -> bytes.hex() }) }
                assertThrows<SkipException.Busy> { kp.entropyBlocking() }
            }
            val (weaker, weak, suite) = listOf(next(), next(), next())
            assertTrue("the handshake for TLS 1.3 with SHA-384 failed: " in weaker.second, "$weaker")
            assertEquals(
                listOf(SkipLog.Level.INFO, SkipLog.Level.DEBUG, SkipLog.Level.WARNING),
                listOf(weaker, weak, suite).map { it.first },
            )
            all += listOf(weaker, weak, suite).map { it.second }
            while (all.last() != "$url: busy; asking again in 1 s") all += next().second
            assertFalse(all.any { line -> secrets.any { it in line.lowercase() } }, "a secret is in a line")
        }
    }

    @Test
    fun `System Logger gets the lines, a log that throws gets the next ones, and nothing is logged when it is off`() {
        val handler =
            object : Handler() {
                override fun publish(record: LogRecord) {
                    lines.add(SkipLog.Level.DEBUG to "${record.level} ${record.loggerName} ${record.message}")
                }

                override fun flush() = Unit

                override fun close() = Unit
            }
        val logger = Logger.getLogger("io.github.skipclient")
        logger.level = Level.ALL
        logger.useParentHandlers = false
        logger.addHandler(handler)
        KeyProviderPair().use { pair ->
            fun connect() = SkipClient(pair.alice, pair.options()).use { it.capabilitiesBlocking() }
            SkipLog.set(SkipLog.toSystemLogger())
            connect()
            val line = next().second
            assertTrue(line.startsWith("FINE io.github.skipclient ${pair.alice}: connected to "), line)

            var failures = 0
            SkipLog.set { level, text ->
                lines.add(level to text)
                if (failures++ == 0) error("the log failed, as it should in this test")
            }
            repeat(2) { connect() }
            assertEquals(listOf(SkipLog.Level.DEBUG, SkipLog.Level.DEBUG), List(2) { next().first })

            SkipLog.set(null)
            connect()
            assertTrue(lines.isEmpty())
            assertFalse(Thread.getAllStackTraces().keys.any { it.name == "skip-client-log" })
        }
        logger.removeHandler(handler)
    }
}
