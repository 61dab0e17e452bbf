package io.github.skipclient

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.time.Duration
import java.util.concurrent.ExecutionException

/** Code that uses a client, tested without a Key Provider: the blocks of the guide, word for word. */
internal class FakesTest {
    /** A Key Provider with one key, which it hands out once at each end. */
    class FakeProvider : KeyProvider() {
        private val bytes = ByteArray(32) { it.toByte() }
        private var fetched = false

        override fun newKeyBlocking(
            remote: String,
            size: Int?,
            timeout: Duration?,
        ): Key = Key.of("00ff", bytes)

        override fun keyByIdBlocking(
            keyId: String,
            remote: String,
            timeout: Duration?,
        ): Key {
            if (fetched) throw SkipException.of(ErrorCode.REJECTED, "used", advice = Advice.NEW_KEY, status = 400)
            fetched = true
            return Key.of(keyId, bytes)
        }
    }

    /** Code under test. */
    private class Tunnel(
        private val provider: KeyProvider,
    ) {
        var psk = ""
            private set

        suspend fun rotate(peer: String) {
            provider.newKey(peer, 256).use { key ->
                key.useExport(ExportFormat.WIREGUARD) { psk = String(it) }
            }
        }
    }

    @Test
    fun `the code under test gets the key of the fake`() =
        runBlocking {
            val tunnel = Tunnel(FakeProvider())
            tunnel.rotate("Bob")
            assertEquals("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", tunnel.psk)
        }

    @Test
    fun `a fake supports all three kinds of calls, and fails as the real client does`() {
        val fake = FakeProvider()
        val (one, other) = fake.newKeyBlocking("Bob") to fake.newKeyAsync("Bob").get()
        assertEquals(one, other)
        assertEquals(one, runBlocking { fake.keyById("00ff", "Alice") })
        val refused = assertThrows<SkipException.Rejected> { fake.keyByIdBlocking("00ff", "Alice") }
        assertEquals(
            listOf(ErrorCode.REJECTED, Advice.NEW_KEY, 400),
            listOf(refused.code, refused.advice, refused.status),
        )
        val late = assertThrows<ExecutionException> { fake.keyByIdAsync("00ff", "Alice").get() }
        assertTrue(late.cause is SkipException.Rejected)
        assertThrows<UnsupportedOperationException> { fake.entropyBlocking() }
        fake.close()
    }

    @Test
    fun `a key created by hand behaves like one from a Key Provider`() {
        val bytes = ByteArray(32) { 7 }
        val key = Key.of("SKIP-1", bytes)
        bytes.fill(0)
        assertEquals("Key(keyId=SKIP-1, bits=256, [redacted])", "$key")
        key.useBytes { assertArrayEquals(ByteArray(32) { 7 }, it) }
        assertEquals(8, key.fingerprint.length)
        assertNotEquals(key, Key.of("SKIP-1", ByteArray(32)))
        assertTrue(key.warnings.isEmpty())
        key.close()
        assertThrows<IllegalStateException> { key.useBytes { it.size } }
        assertThrows<SkipException.InvalidArgument> { Key.of("a/b", ByteArray(32)) }
        val salt = Entropy.of(ByteArray(16) { 9 })
        assertEquals(listOf(128, 16), listOf(salt.bits, salt.length))
        salt.useBytes { assertArrayEquals(ByteArray(16) { 9 }, it) }
        assertEquals(0, Key.of("00", ByteArray(0)).bits)
    }

    @Test
    fun `every exception can be created`() {
        for (code in ErrorCode.entries) {
            val made = SkipException.of(code, "text", "what to do", Advice.SAME_REQUEST, 503, "theirs")
            assertSame(code, made.code)
            assertEquals(
                listOf("text", "what to do", Advice.SAME_REQUEST, 503, "theirs"),
                listOf(made.message, made.hint, made.advice, made.status, made.providerText),
            )
        }
        val caps = Capabilities("Alice", listOf("Bob"), "test", supportsKey = true, supportsEntropy = false)
        assertTrue(caps.matchesRemote("Bob") && caps.warnings.isEmpty())
        assertFalse(ConnectionInfo("https://kp", "[::1]:1", "TLS 1.3", "TLS_AES_256_GCM_SHA384").warnings.any())
    }
}
