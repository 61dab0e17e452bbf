package io.github.skipclient

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.ObjectMapper
import java.io.File
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit

/** The paths of the shared vectors, the program and the helpers, from properties set by scripts/kotlin. */
internal object Places {
    val repository: Path = Path.of("../..").toRealPath()
    val vectors: Path = repository.resolve("tests/vectors/draft-cisco-skip-02")
    val program: String = given("skip.client")
    val probe: String = given("skip.probe")
    val tests: Path = Path.of(given("skip.tests"))

    private fun given(name: String): String =
        System.getProperty(name).also { check(!it.isNullOrEmpty()) { "run the tests by: make test-kotlin" } }
}

internal val json = ObjectMapper()

/** A pair of development Key Providers, on free ports of 127.0.0.1. */
internal class KeyProviderPair(
    vararg arguments: String,
) : AutoCloseable {
    val dir: Path = Files.createTempDirectory("skip-client-test")
    private val process: Process
    private val endpoints: JsonNode

    init {
        val listen = listOf("--alice", "--bob", "--psk-alice", "--psk-bob").flatMap { listOf(it, "127.0.0.1:0") }
        process =
            ProcessBuilder(listOf(Places.program, "serve", "--dir", "$dir") + listen + arguments)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start()
        val lines = process.inputStream.bufferedReader().lineSequence()
        check(lines.any { it == "ready" }) { "the Key Providers did not start" }
        endpoints = json.readTree(dir.resolve("endpoints.json").toFile())
    }

    val alice: String = endpoints["alice"]["url"].textValue()
    val bob: String = endpoints["bob"]["url"].textValue()
    val alicePsk: String = endpoints["alice"]["psk_url"].textValue()
    val ca: ByteArray = file("ca.pem")

    /** One Key Provider of the pair in both TLS modes: with certificates and with a pre-shared key. */
    fun modes(end: String): List<Pair<String, ClientOptions>> =
        listOf(
            endpoints[end]["url"].textValue() to options(),
            endpoints[end]["psk_url"].textValue() to ClientOptions(psk = Psk.file(file("psk.txt"))),
        )

    fun file(name: String): ByteArray = Files.readAllBytes(dir.resolve(name))

    fun options() = ClientOptions(caPem = ca)

    override fun close() {
        process.stop()
        dir.toFile().deleteRecursively()
    }
}

/** A server that sends the replies of the vectors, with the certificate of a pair. */
internal class VectorServer(
    pair: KeyProviderPair,
) : AutoCloseable {
    private val process: Process =
        ProcessBuilder(
            "python3",
            "${Places.tests.resolve("vector_server.py")}",
            "${pair.dir.resolve("alice.pem")}",
            "${pair.dir.resolve("alice.key")}",
            "${Places.vectors}",
        ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    private val port = process.inputStream.bufferedReader().readLine()

    /** The URL of a Key Provider for one case. */
    fun url(
        file: String,
        number: Int,
    ) = "https://127.0.0.1:$port/$file/$number"

    override fun close() = process.stop()
}

private fun Process.stop() {
    destroy()
    if (!waitFor(10, TimeUnit.SECONDS)) destroyForcibly()
}

/** The cases of a vector file. A file without cases or with an unknown member is an error. */
internal fun cases(
    file: String,
    vararg words: String,
): List<JsonNode> {
    val document = json.readTree(File("${Places.vectors}", "$file.json"))
    check(document.fieldNames().next() == "_comment") { "$file: the comment comes first" }
    val cases = document["cases"].toList()
    check(cases.isNotEmpty()) { "$file has no cases" }
    for (case in cases) {
        for (word in case.fieldNames()) check(word == "name" || word in words) { "$file: unknown word $word" }
    }
    return cases
}

internal fun JsonNode.text(word: String): String? = get(word)?.takeUnless { it.isNull }?.textValue()

internal fun JsonNode.texts(word: String): List<String> = get(word).map { it.textValue() }

internal fun ByteArray.hex() = joinToString("") { "%02x".format(it) }

internal fun String.unhex() = chunked(2).map { it.toInt(16).toByte() }.toByteArray()
