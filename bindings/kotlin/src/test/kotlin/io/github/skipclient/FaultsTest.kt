package io.github.skipclient

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.assertThrows
import java.io.PrintWriter
import java.io.StringWriter
import java.nio.file.Files
import java.time.Duration

/** Each fault and quirk of the development Key Providers, as listed in the tables of the guide. */
internal class FaultsTest {
    @TestFactory
    fun faults(): List<DynamicTest> {
        val faults = table("## Faults").filter { it.second.startsWith("`") }
        assertTrue(faults.size > 20)
        return faults.map { (fault, code) ->
            DynamicTest.dynamicTest("fault $fault") { breaks(fault, code.trim('`')) }
        }
    }

    @TestFactory
    fun quirks(): List<DynamicTest> {
        val quirks = table("## Quirks").filter { it.second.startsWith("works") }
        assertTrue(quirks.size > 8)
        return quirks.map { (quirk, _) -> DynamicTest.dynamicTest("quirk $quirk") { works(quirk) } }
    }

    private fun breaks(
        fault: String,
        code: String,
    ) {
        KeyProviderPair("--fault", fault).use { pair ->
            for ((url, options) in pair.modes("alice")) breaksAt(pair, url, options, fault, code)
        }
    }

    private fun breaksAt(
        pair: KeyProviderPair,
        url: String,
        options: ClientOptions,
        fault: String,
        code: String,
    ) {
        // two faults never end, so do not wait for the default timeout
        options.timeout = Duration.ofSeconds(if (code == "timed_out") 2 else 30)
        SkipClient(url, options).use { kp ->
            val failure =
                assertThrows<SkipException> {
                    when (fault) {
                        "entropy-503" -> kp.entropyBlocking()
                        "wrong-key-id" -> kp.keyByIdBlocking(peerKeyId(pair), "Bob")
                        else -> kp.newKeyBlocking("Bob", 256)
                    }
                }
            assertEquals(code, failure.code.text)
            assertEquals(code.replace("_", ""), failure.javaClass.simpleName.lowercase())
            assertTrue(failure.hint.isNotEmpty())
            val text = StringWriter().also { failure.printStackTrace(PrintWriter(it)) }
            for (shown in listOf("$text", "$failure", failure.hint, failure.providerText.orEmpty())) {
                assertFalse(Regex("[0-9a-fA-F]{16}").containsMatchIn(shown), "what could be a key is shown")
            }
            // advice and status depend on the code; a fault in a reply with status 200 has no status
            val (advice, status) = EXPECTED[code] ?: error("no expectation for $code")
            assertEquals(advice to status, failure.advice to failure.status)
        }
    }

    private fun peerKeyId(pair: KeyProviderPair): String =
        SkipClient(pair.bob, pair.options()).use { peer -> peer.newKeyBlocking("Alice").use { it.keyId } }

    private fun works(quirk: String) {
        KeyProviderPair("--quirk", quirk).use { pair ->
            SkipClient(pair.alice, pair.options()).use { alice ->
                SkipClient(pair.bob, pair.options()).use { bob ->
                    val key = alice.newKeyBlocking("Bob")
                    assertEquals(key, bob.keyByIdBlocking(key.keyId, "Alice"))
                }
            }
        }
    }

    /** The first and last cell of each row of a table in the guide. */
    private fun table(heading: String): List<Pair<String, String>> {
        val page = Files.readString(Places.repository.resolve("docs/development-key-providers.md"))
        val rows = Regex("""^\| `([a-z0-9-]+)` \|[^|]*\| (.*) \|$""", RegexOption.MULTILINE)
        return rows
            .findAll(page.substringAfter(heading).substringBefore("\n## "))
            .map {
                it.groupValues[1] to
                    it.groupValues[2]
            }.toList()
    }
}

private val EXPECTED =
    mapOf(
        "connection_lost" to (Advice.NEW_KEY to null),
        "timed_out" to (Advice.NEW_KEY to null),
        "key_id_mismatch" to (Advice.NO to 200),
        "size_mismatch" to (Advice.NO to 200),
        "malformed_response" to (Advice.NO to 200),
        "weak_key" to (Advice.NO to 200),
        "response_too_large" to (Advice.NO to null),
        // from the capabilities, before a key is requested
        "not_supported" to (Advice.NO to null),
        "unknown_remote" to (Advice.NO to null),
        "unexpected_status" to (Advice.NO to 302),
        "busy" to (Advice.SAME_REQUEST to 503),
        "provider_failed" to (Advice.NEW_KEY to 500),
        "rejected" to (Advice.NO to 400),
    )
