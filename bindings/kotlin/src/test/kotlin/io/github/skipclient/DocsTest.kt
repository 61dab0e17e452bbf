package io.github.skipclient

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path

/** The Kotlin blocks of README.md and the guide, which are the code of these tests, word for word. */
internal class DocsTest {
    private val pem = pair.ca
    private val alice = pair.alice
    private val bob = pair.bob

    @Test
    fun readme() =
        runBlocking {
            val key = SkipClient(alice, ClientOptions(caPem = pem)).use { kp -> kp.newKey("Bob", 256) } // at site A
            println("${key.keyId} ${key.fingerprint}") // the keyId goes to the other encryptor

            val same = SkipClient(bob, ClientOptions(caPem = pem)).use { kp -> kp.keyById(key.keyId, "Alice") } // at B
            check(same == key) // compared in constant time
        }

    @Test
    fun guide() =
        runBlocking {
            val kp = SkipClient(alice, ClientOptions(caPem = pem)) // one for many coroutines and threads; close it
            val caps = kp.capabilities()
            println("${caps.localSystemId} reaches ${caps.remoteSystemIds}")

            kp.newKey("Bob", 256).use { key ->
                key.useBuffer { buffer -> check(buffer.remaining() == 32) } // never on the JVM heap
                key.useBytes { bytes -> check(bytes.size == 32) } // an array, filled with zeros afterwards
                key.useExport(ExportFormat.WIREGUARD) { text -> check(text.size == 44) }
            } // wiped

            val peer = SkipClient(bob, ClientOptions(caPem = pem))
            try {
                peer.keyById("00112233445566778899aabbccddeeff", "Alice")
            } catch (refused: SkipException.Rejected) {
                println("${refused.message}; ${refused.hint}")
                check(refused.advice == Advice.NEW_KEY && refused.status == 400)
            }
            kp.close()
            peer.close()
        }

    @Test
    fun `a pre-shared key`() {
        val psk = Psk.file(pair.file("psk.txt"))
        SkipClient(pair.modes("alice")[1].first, ClientOptions(psk = psk)).use { kp ->
            assertEquals(256, kp.newKeyBlocking("Bob").use { it.bits })
        }
    }

    @Test
    fun `the documentation contains this code`() {
        val tests = Path.of("src/test/kotlin/io/github/skipclient")
        val code =
            listOf(
                "DocsTest.kt",
                "FakesTest.kt",
            ).joinToString("\n") { lines(Files.readString(tests.resolve(it))) }
        var blocks = 0
        for (page in listOf("README.md", "docs/fetch-a-key-from-kotlin.md")) {
            val text = Files.readString(Places.repository.resolve(page))
            for (block in Regex("""```kotlin\n(.*?)```""", RegexOption.DOT_MATCHES_ALL).findAll(text)) {
                assertTrue(code.contains(lines(block.groupValues[1])), "$page: not the code of a test: ${block.value}")
                blocks++
            }
        }
        assertTrue(blocks >= 2)
    }

    private fun lines(text: String) =
        text
            .lines()
            .map { it.trim() }
            .filter { it.isNotEmpty() }
            .joinToString("\n")

    internal companion object {
        private val pair = KeyProviderPair()

        @JvmStatic
        @AfterAll
        fun stop() = pair.close()
    }
}
