package io.github.skipclient

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.nio.ReadOnlyBufferException
import java.time.Duration

/** The client against the development Key Providers. */
internal class ClientTest {
    @Test
    fun `a key exchange`() =
        runBlocking<Unit> {
            clients { alice, bob ->
                val caps = alice.capabilities()
                assertEquals("Alice" to listOf("Bob"), caps.localSystemId to caps.remoteSystemIds)
                assertTrue(caps.supportsKey && caps.supportsEntropy)
                assertTrue(caps.matchesRemote("Bob"))
                assertFalse(caps.matchesRemote("Eve"))
                val key = alice.newKey("Bob", 512)
                val same = bob.keyById(key.keyId, "Alice")
                assertEquals(key, same)
                assertEquals(key.hashCode(), same.hashCode())
                assertEquals(512 to key.fingerprint, key.bits to same.fingerprint)
                val refused = assertThrows<SkipException.Rejected> { bob.keyByIdBlocking(key.keyId, "Alice") }
                assertEquals(ErrorCode.REJECTED to Advice.NEW_KEY, refused.code to refused.advice)
                assertEquals(400, refused.status)
                assertTrue(refused.hint.isNotEmpty())
                assertFalse(refused.providerText.isNullOrEmpty())
                val salt = alice.entropy(128)
                assertEquals(128 to 16, salt.bits to salt.useBytes { it.size })
                assertEquals(256, alice.entropy().bits)
            }
        }

    @Test
    fun `both TLS modes`() {
        for ((alice, bob) in pair.modes("alice").zip(pair.modes("bob"))) {
            SkipClient(alice.first, alice.second).use { kp ->
                val key = kp.newKeyBlocking("Bob", 384)
                SkipClient(bob.first, bob.second).use { assertEquals(key, it.keyByIdBlocking(key.keyId, "Alice")) }
                println("a key over ${kp.connection!!.tlsVersion} ${kp.connection!!.cipherSuite}")
            }
        }
    }

    @Test
    fun `a pre-shared key has several forms, and shows none of them`() {
        val forms =
            listOf(
                Psk.hex("me", "6D61726b"),
                Psk.text("me", "mark"),
                Psk.base64("me", "bWFyaw=="),
                Psk.raw("me", "mark".encodeToByteArray()),
                Psk.file("you:00\nme:6d61726b\n".encodeToByteArray(), "me"),
            )
        for (psk in forms) assertEquals("Psk(identity=me, [redacted])", "$psk")
        for (bad in listOf("", "0", "0g", "00 1")) assertThrows<SkipException.InvalidArgument> { Psk.hex("me", bad) }
        assertThrows<SkipException.InvalidArgument> { Psk.hex("", "00") }
        val closed = Psk.text("me", "mark")
        SkipClient("https://kp", ClientOptions(psk = closed)).use { closed.close() }
        val wrong = ClientOptions(psk = Psk.hex("client", "00".repeat(32)))
        SkipClient(pair.modes("alice")[1].first, wrong).use { kp ->
            assertThrows<SkipException.TlsFailed> { kp.capabilitiesBlocking() }
        }
    }

    @Test
    fun `a key is lent to a block and then wiped`() {
        clients { alice, _ ->
            val key = alice.newKeyBlocking("Bob", 256)
            var lent = ByteArray(0)
            val copy =
                key.useBytes {
                    lent = it
                    it.clone()
                }
            assertEquals(32, copy.size)
            assertArrayEquals(ByteArray(32), lent)
            key.useBuffer { buffer ->
                assertTrue(buffer.isDirect)
                assertEquals(32, buffer.remaining())
                assertThrows<ReadOnlyBufferException> { buffer.put(0, 1) }
                val read = ByteArray(32)
                buffer.get(read)
                assertArrayEquals(copy, read)
            }
            key.useExport(ExportFormat.HEX) { assertArrayEquals(copy.hex().encodeToByteArray(), it) }
            key.close()
            key.close()
            assertThrows<IllegalStateException> { key.useBytes { it.size } }
            assertThrows<IllegalStateException> { key.useBuffer { it.remaining() } }
            assertEquals(256, key.bits)
            assertNotEquals(key, alice.newKeyBlocking("Bob"))
            val salt = alice.entropyBlocking(64)
            salt.useBuffer { assertEquals(8, it.remaining()) }
            salt.close()
            assertThrows<IllegalStateException> { salt.useBytes { it.size } }
        }
    }

    @Test
    fun `a block that throws leaves no copy of a key behind`() {
        clients { alice, _ ->
            val key = alice.newKeyBlocking("Bob")
            var lent = ByteArray(0)
            assertThrows<ArithmeticException> {
                key.useBytes<Unit> {
                    lent = it
                    throw ArithmeticException()
                }
            }
            assertArrayEquals(ByteArray(32), lent)
        }
    }

    @Test
    fun `no secret is ever shown`() {
        clients { alice, _ ->
            val key = alice.newKeyBlocking("Bob")
            val salt = alice.entropyBlocking()
            val marker = key.useBytes { it.hex() }
            val options = pair.options().apply { clientKeyPem = "hunter2".encodeToByteArray() }
            for (shown in listOf(
                "$key",
                "$salt",
                "$options",
                "$alice",
                "${alice.connection}",
                "${alice.capabilitiesBlocking()}",
            )) {
                assertFalse(shown.lowercase().contains(marker), "a key is shown")
                assertFalse(shown.contains("hunter2"))
            }
            assertTrue("$key".contains(key.keyId) && "$key".contains("[redacted]"))
        }
    }

    @Test
    fun `the client describes its connection`() {
        clients { alice, _ ->
            assertNull(alice.connection)
            alice.capabilitiesBlocking()
            val info = alice.connection!!
            assertEquals("TLS 1.3" to "X25519MLKEM768", info.tlsVersion to info.group)
        }
    }

    @Test
    fun `a TLS version can be requested`() {
        for ((version, name) in listOf(TlsVersion.TLS_1_2 to "TLS 1.2", TlsVersion.TLS_1_3 to "TLS 1.3")) {
            SkipClient(pair.alice, pair.options().apply { tls = version }).use { kp ->
                kp.newKeyBlocking("Bob").close()
                assertEquals(name, kp.connection!!.tlsVersion)
            }
        }
    }

    @Test
    fun `a client certificate`() {
        KeyProviderPair("--require-client-cert").use { pair ->
            SkipClient(pair.alice, pair.options()).use { kp ->
                assertThrows<SkipException.TlsFailed> { kp.capabilitiesBlocking() }
            }
            val options =
                ClientOptions(
                    caPem = pair.ca,
                    clientCertPem = pair.file("client.pem"),
                    clientKeyPem = pair.file("client.key"),
                )
            SkipClient(pair.alice, options).use { kp -> kp.newKeyBlocking("Bob").close() }
        }
    }

    @Test
    fun `several Key Providers are tried in order`() {
        SkipClient(listOf("https://127.0.0.1:1", pair.alice), pair.options()).use { kp ->
            assertEquals(256, kp.newKeyBlocking("Bob").use { it.bits })
        }
    }

    @Test
    fun `bad options are invalid arguments`() {
        val changes =
            listOf<ClientOptions.() -> Unit>(
                { caPem = null },
                { caPem = "nonsense".encodeToByteArray() },
                { clientCertPem = pair.ca },
                { pin = "md5/x" },
                { serverName = "a b" },
                { serverName = "\ud800" },
                { timeout = Duration.ZERO },
                { timeout = Duration.ofSeconds(-1) },
                { connectTimeout = Duration.ZERO },
                { waitWhenBusy = Duration.ofSeconds(Long.MIN_VALUE) },
                { proxy = "socks5://x" },
            )
        for ((number, change) in changes.withIndex()) {
            val failure =
                assertThrows<SkipException.InvalidArgument>("option $number") {
                    SkipClient("https://kp", pair.options().apply(change))
                }
            assertTrue(failure.hint.isNotEmpty() && !failure.message.isNullOrEmpty())
        }
        for (urls in listOf(listOf(), listOf("http://kp"), listOf("https://\ud800"))) {
            assertThrows<SkipException.InvalidArgument> { SkipClient(urls, pair.options()) }
        }
    }

    @Test
    fun `bad arguments are invalid arguments`() {
        clients { alice, _ ->
            val calls =
                listOf(
                    "" to null,
                    "a\nb" to null,
                    "KP_*" to null,
                    "\ud800" to null,
                    "Bob" to 0,
                    "Bob" to -8,
                    "Bob" to 250,
                )
            for ((remote, size) in calls) {
                assertThrows<SkipException.InvalidArgument> { alice.newKeyBlocking(remote, size) }
            }
            assertThrows<SkipException.InvalidArgument> { alice.entropyBlocking(Int.MIN_VALUE) }
            assertThrows<SkipException.UnknownRemote> { alice.newKeyBlocking("Eve") }
            assertThrows<IllegalArgumentException> { Ikev2.encodeUsePpk(null, 256) }
        }
    }

    @Test
    fun `a closed client says so`() {
        val kp = SkipClient(pair.alice, pair.options())
        kp.close()
        kp.close()
        val failure = assertThrows<SkipException.InvalidArgument> { kp.newKeyBlocking("Bob") }
        assertTrue(failure.message!!.contains("closed"))
    }

    @Test
    fun `one client serves many coroutines`() {
        clients { alice, bob ->
            val ids =
                runBlocking {
                    List(100) {
                        async {
                            val key = alice.newKey("Bob")
                            assertEquals(key, bob.keyById(key.keyId, "Alice"))
                            key.keyId
                        }
                    }.awaitAll()
                }
            assertEquals(100, ids.toSet().size)
        }
    }

    @Test
    fun `files are read again, and the error for an unusable file names its option`() {
        val file = File.createTempFile("skip-ca", ".pem").apply { deleteOnExit() }
        file.writeBytes(pair.ca)
        SkipClient(pair.alice, ClientOptions.builder().caFile(file).build()).use { kp ->
            kp.newKeyBlocking("Bob")
            file.writeText("half written")
            kp.newKeyBlocking("Bob")
        }
        val error = assertThrows<SkipException.InvalidArgument> { SkipClient(pair.alice, ClientOptions(caFile = file)) }
        assertTrue("$error".contains("caPem: must hold"), "$error")
    }

    private inline fun clients(test: (SkipClient, SkipClient) -> Unit) {
        SkipClient(pair.alice, pair.options()).use { alice ->
            SkipClient(pair.bob, pair.options()).use { bob -> test(alice, bob) }
        }
    }

    internal companion object {
        private val pair = KeyProviderPair()

        @JvmStatic
        @AfterAll
        fun stop() = pair.close()
    }
}
