package io.github.skipclient

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Element
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import javax.xml.parsers.DocumentBuilderFactory

/** The package as users and Maven Central see it. */
internal class PackageTest {
    @Test
    fun `the POMs have what Maven Central requires`() {
        for (file in listOf("pom.xml", "android/aar.pom")) {
            val pom = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(Path.of(file).toFile())

            fun under(path: String): List<String> =
                path
                    .split("/")
                    .fold(listOf(pom.documentElement)) { parents, name ->
                        parents.flatMap { parent ->
                            List(parent.childNodes.length) { parent.childNodes.item(it) }
                                .filterIsInstance<Element>()
                                .filter { it.tagName == name }
                        }
                    }.map { it.textContent }
            for (path in listOf(
                "name",
                "description",
                "url",
                "developers/developer/name",
                "scm/url",
                "scm/connection",
                "scm/developerConnection",
            )) {
                assertFalse(under(path).singleOrNull().isNullOrBlank(), "$file: $path")
            }
            assertEquals(listOf("Apache-2.0", "MIT"), under("licenses/license/name"), file)
            assertEquals(2, under("licenses/license/url").size, file)
        }
    }

    @Test
    fun `without a native library for the system, the error lists the systems that have one`() {
        val here = com.sun.jna.Platform.RESOURCE_PREFIX
        val unknown = inJvm("-Dos.arch=riscv64")
        assertEquals("skip-client has no native library for this system (linux-riscv64), only for $here", unknown)
        val broken = inJvm("-Duniffi.component.skip_client_ffi.libraryOverride=/nowhere/lib.so")
        assertTrue(broken.startsWith("the native library of skip-client for $here cannot be loaded: "), broken)
    }

    @Test
    fun `a builder sets every option, and does not change what it has built`() {
        val builder = ClientOptions.builder().caPem(byteArrayOf(1)).systemCa(true)
        val names =
            ClientOptions.Builder::class.java.methods
                .filter { it.returnType == ClientOptions.Builder::class.java }
                .map { it.name }
        val properties =
            ClientOptions::class.java.methods
                .filter { it.name.startsWith("set") && it.parameterCount == 1 && '$' !in it.name }
                .map { it.name.removePrefix("set").replaceFirstChar(Char::lowercase) }
        assertEquals(properties.filter { it != "strict" }.sorted(), names.sorted())
        val first = builder.timeout(Duration.ofSeconds(7)).tls(TlsVersion.TLS_1_3).build()
        val second = builder.timeout(Duration.ofSeconds(8)).build()
        assertNotSame(first, second)
        assertEquals(listOf<Long>(7, 8), listOf(first, second).map { it.timeout.seconds })
        assertEquals(TlsVersion.TLS_1_3, second.tls)
        assertTrue(first.systemCa && !first.lenient)
        assertFalse("$builder".contains("caPem"))
    }

    @Test
    fun `the Android example has an application id that app stores accept`() {
        val gradle = Files.readString(Places.repository.resolve("examples/android/app/build.gradle.kts"))
        for (word in listOf("applicationId", "namespace")) {
            val id = Regex("""$word = "(.*)"""").find(gradle)!!.groupValues[1]
            assertTrue(Regex("""[a-zA-Z]\w*(\.[a-zA-Z]\w*)+""").matches(id), "$word: $id")
        }
    }

    private fun inJvm(option: String): String {
        val java = Path.of(System.getProperty("java.home"), "bin", "java")
        val process =
            ProcessBuilder("$java", option, "-cp", System.getProperty("java.class.path"), Loads::class.java.name)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start()
        return process.inputStream
            .bufferedReader()
            .readText()
            .trim()
            .also { assertEquals(0, process.waitFor(), it) }
    }
}

/** Prints why the native library cannot be loaded; a second attempt must give the same reason. */
internal object Loads {
    @JvmStatic
    fun main(arguments: Array<String>) {
        check(arguments.isEmpty())
        val messages =
            List(2) {
                runCatching { SkipClient("https://kp", ClientOptions()) }.exceptionOrNull().let {
                    check(it is UnsatisfiedLinkError) { "$it" }
                    it.message
                }
            }
        println(messages.distinct().joinToString("\n"))
    }
}
