package io.github.skipclient

import com.fasterxml.jackson.databind.JsonNode
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.util.Base64

/** The vectors that all languages share. */
internal class VectorsTest {
    @TestFactory
    fun messages(): List<DynamicTest> =
        MessageKind.entries.flatMap { kind ->
            each(
                kind.text,
                "body",
                "body_base64",
                "valid",
                "errors",
                "warnings",
                "lenient",
                "as_published",
            ) { _, case ->
                val body =
                    case.text("body")?.encodeToByteArray() ?: Base64.getDecoder().decode(case.text("body_base64"))
                val problems = validate(kind, body)
                for ((severity, word) in listOf(Severity.ERROR to "errors", Severity.WARNING to "warnings")) {
                    val found = problems.filter { it.severity == severity }.map { "${it.path} ${it.code}" }.toSet()
                    assertEquals(case.texts(word).toSet(), found)
                }
                assertEquals(case["valid"].booleanValue(), isValid(kind, body))
                assertEquals(case["lenient"].booleanValue(), isValid(kind, body, Rules.LENIENT))
                assertEquals(case["as_published"].booleanValue(), isValid(kind, body, Rules.AS_PUBLISHED))
                case.text("body")?.let { assertEquals(problems, validate(kind, it)) }
            }
        }

    @TestFactory
    fun patterns(): List<DynamicTest> =
        each("patterns", "pattern", "matches", "matches_not") { _, case ->
            val list = listOf(case.text("pattern")!!)
            for (id in case.texts("matches")) assertTrue(matchesRemote(list, id), id)
            for (id in case.texts("matches_not")) assertFalse(matchesRemote(list, id), id)
        }

    @TestFactory
    fun payloads(): List<DynamicTest> =
        each("ikev2", "payload", "hex", "local_system_id", "key_id", "octets", "next_payload", "error") { _, case ->
            val bytes = case.text("hex")!!.unhex()
            val next = case["next_payload"]?.intValue() ?: 0
            val octets = case.has("octets")
            if (case.has("error")) {
                assertThrows<SkipException.InvalidArgument> {
                    if (case.text("payload") == "use_ppk") Ikev2.decodeUsePpk(bytes) else Ikev2.decodePpkIdentity(bytes)
                }
            } else if (case.text("payload") == "use_ppk") {
                assertEquals(case.text("local_system_id"), Ikev2.decodeUsePpk(bytes))
                assertArrayEquals(bytes, Ikev2.encodeUsePpk(case.text("local_system_id"), next))
            } else {
                val keyId = case.text(if (octets) "octets" else "key_id")!!
                assertEquals(keyId, Ikev2.decodePpkIdentity(bytes, octets))
                assertArrayEquals(bytes, Ikev2.encodePpkIdentity(keyId, octets, next))
            }
        }

    @TestFactory
    fun requests(): List<DynamicTest> =
        each("requests", "kind", "remote", "size", "key_id", "lenient", "target", "code") { number, case ->
            val options = pair.options().apply { checkRemote = false }
            if (case.has("lenient")) options.lenient = true
            SkipClient(server.url("requests", number), options).use { kp ->
                if (case.has("code")) {
                    val failure = assertThrows<SkipException> { kp.ask(case) }
                    assertEquals(case.text("code"), failure.code.text)
                    assertEquals(null, failure.status, "nothing was sent")
                } else {
                    kp.ask(case)
                }
            }
        }

    @TestFactory
    fun statuses(): List<DynamicTest> =
        each("statuses", "kind", "status", "code", "advice") { number, case ->
            val options = pair.options().apply { checkRemote = false }
            SkipClient(server.url("statuses", number), options).use { kp ->
                val failure = assertThrows<SkipException> { kp.ask(case) }
                assertEquals(case.text("code"), failure.code.text)
                assertEquals(case.text("advice"), failure.advice.text)
                assertEquals(case["status"].intValue(), failure.status)
                assertFalse(failure.message!!.contains("ad229dfb"))
            }
        }

    @TestFactory
    fun exports(): List<DynamicTest> =
        each("export", "format", "key_id", "key", "output", "output_hex", "code") { number, case ->
            val format = ExportFormat.entries.find { it.text == case.text("format") }
            if (format == null) {
                assertEquals("invalid_argument", case.text("code"))
                return@each
            }
            val options = pair.options().apply { checkRemote = false }
            options.lenient = true
            SkipClient(server.url("export", number), options).use { kp ->
                kp.newKeyBlocking("Bob", case.text("key")!!.length * 4).use { key ->
                    if (case.has("code")) {
                        assertThrows<SkipException.InvalidArgument> { key.useExport(format) { it.size } }
                    } else {
                        val expected = case.text("output")?.encodeToByteArray() ?: case.text("output_hex")!!.unhex()
                        key.useExport(format) { assertTrue(expected.contentEquals(it)) }
                    }
                }
            }
        }

    @Test
    fun `pre-shared keys`() {
        val cases = cases("psk", "form", "identity", "input", "input_base64", "is", "code")
        val file = File.createTempFile("psk", null)
        val identities = cases.mapNotNull { it.text("is") }.distinct()
        file.writeText(identities.joinToString("") { "#${it.encodeToByteArray().hex()}:${PSK.hex()}\n" })
        KeyProviderPair("--psk-file", file.path).use { pair ->
            for (case in cases) {
                val name = case.text("name")!!
                val input =
                    case.text("input")?.encodeToByteArray() ?: Base64.getDecoder().decode(case.text("input_base64"))
                val identity = case.text("identity")
                file.writeBytes(input)
                val options =
                    when (case.text("form")) {
                        "file" -> {
                            listOf({
                                ClientOptions(psk = Psk.file(input, identity))
                            }, { ClientOptions(pskFile = file, pskIdentity = identity) })
                        }

                        "hex" -> {
                            listOf { ClientOptions(psk = Psk.hex(identity!!, input.decodeToString())) }
                        }

                        "text" -> {
                            listOf({
                                ClientOptions(psk = Psk.text(identity!!, input.decodeToString()))
                            }, { ClientOptions(psk = Psk.raw(identity!!, input)) })
                        }

                        "base64" -> {
                            listOf { ClientOptions(psk = Psk.base64(identity!!, input.decodeToString())) }
                        }

                        else -> {
                            error("unknown form")
                        }
                    }
                for (make in options) {
                    fun connect() = SkipClient(pair.alicePsk, make()).use { kp -> runBlocking { kp.capabilities() } }
                    if (case.has("code")) {
                        assertEquals(case.text("code"), assertThrows<SkipException>(name) { connect() }.code.text, name)
                    } else {
                        assertEquals("Alice", connect().localSystemId, name)
                    }
                }
            }
        }
        file.delete()
    }

    @Test
    fun `codes, advice and export formats match the core`() {
        assertEquals(
            io.github.skipclient.ffi
                .errorCodes(),
            ErrorCode.entries.map { it.text },
        )
        assertEquals(
            io.github.skipclient.ffi
                .exportFormats(),
            ExportFormat.entries.map { it.text },
        )
        assertEquals(listOf("same_request", "new_key", "no"), Advice.entries.map { it.text })
    }

    @Test
    fun `lone surrogates make a message or an argument invalid`() {
        assertEquals(listOf("syntax"), validate(MessageKind.KEY, "{\"key\": \"\ud800\"}").map { it.code })
        assertThrows<SkipException.InvalidArgument> { matchesRemote(listOf("\ud800"), "a") }
    }

    @Test
    fun `a problem has a location, and shows nothing from the message`() {
        val problems = validate(MessageKind.KEY, """{"keyId": "00", "key": 5551234}""")
        val wrong = problems.single { it.code == "wrong_type" }
        assertEquals("/key" to "4.2", wrong.path to wrong.section)
        assertFalse("$problems".contains("5551234"))
    }

    @Test
    fun `the schemas are available`() {
        for (kind in MessageKind.entries) {
            assertTrue(schema(kind).contains("2020-12"))
            assertTrue(schema(kind, SchemaStyle.AS_PUBLISHED).contains("draft-04"))
        }
    }

    private fun SkipClient.ask(case: JsonNode) {
        val size = case["size"]?.intValue()
        val remote = case.text("remote") ?: "Bob"
        runBlocking {
            when (case.text("kind")) {
                "capabilities" -> capabilities()
                "new_key" -> newKey(remote, size).close()
                "key_by_id" -> keyById(case.text("key_id") ?: "00", remote).close()
                "entropy" -> entropy(size).close()
                else -> error("unknown kind ${case.text("kind")}")
            }
        }
    }

    private fun each(
        file: String,
        vararg words: String,
        test: (Int, JsonNode) -> Unit,
    ): List<DynamicTest> =
        cases(file, *words).mapIndexed { number, case ->
            DynamicTest.dynamicTest("$file: ${case.text("name")}") { test(number, case) }
        }

    internal companion object {
        /** The key in every valid case. */
        private val PSK = "0123456789abcdef0123456789abcdef".encodeToByteArray()
        private val pair = KeyProviderPair()
        private val server = VectorServer(pair)

        @JvmStatic
        @AfterAll
        fun stop() {
            server.close()
            pair.close()
        }
    }
}
