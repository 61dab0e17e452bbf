package io.github.skipclient

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import java.lang.invoke.MethodHandles
import java.lang.invoke.MethodType
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** The package on a newer Java than the one that runs the tests. */
internal class VirtualThreadsTest {
    @Test
    fun `calls that wait in virtual threads do not pin their carrier threads`() {
        val java = javaWithVirtualThreads()
        assumeTrue(java != null, "no Java 21 or newer in JAVA_HOME, /usr/lib/jvm")
        KeyProviderPair("--fault", "stall").use { pair ->
            val process =
                ProcessBuilder(
                    "$java",
                    // two carrier threads, and no extra one when one is pinned
                    "-Djdk.virtualThreadScheduler.parallelism=2",
                    "-Djdk.virtualThreadScheduler.maxPoolSize=2",
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Callers::class.java.name,
                    pair.alice,
                    "${pair.dir.resolve("ca.pem")}",
                ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
            val said = process.inputStream.bufferedReader().readText()
            assertEquals(0, process.waitFor(), said)
            assertEquals("the other thread ran\n40 interrupted\n", said)
        }
    }

    private fun javaWithVirtualThreads(): Path? {
        val installed = Path.of("/usr/lib/jvm")
        val others = if (Files.isDirectory(installed)) Files.list(installed).use { it.toList() } else emptyList()
        return (listOf(Path.of(System.getProperty("java.home"))) + others)
            .filter { home ->
                val release = home.resolve("release")
                val version = Regex("""JAVA_VERSION="(\d+)""")
                Files.isRegularFile(release) &&
                    version.find(Files.readString(release))?.let { it.groupValues[1].toInt() >= VIRTUAL } == true
            }.map { it.resolve("bin/java") }
            .firstOrNull { Files.isExecutable(it) }
    }

    private companion object {
        /** The first version with virtual threads. */
        const val VIRTUAL = 21
    }
}

/** Waits in 40 virtual threads for a Key Provider that never answers. */
internal object Callers {
    private val start =
        MethodHandles.lookup().findStatic(
            Thread::class.java,
            "startVirtualThread",
            MethodType.methodType(Thread::class.java, Runnable::class.java),
        )

    private fun virtual(task: Runnable) = start.invokeWithArguments(task) as Thread

    @JvmStatic
    fun main(arguments: Array<String>) {
        val (url, ca) = arguments
        val options = ClientOptions(caPem = Files.readAllBytes(Path.of(ca)), timeout = Duration.ofMinutes(10))
        SkipClient(url, options).use { kp ->
            kp.capabilitiesBlocking()
            val ended = CountDownLatch(CALLS)
            val callers =
                List(CALLS) {
                    virtual {
                        try {
                            kp.newKeyBlocking("Bob").close()
                        } catch (_: InterruptedException) {
                            ended.countDown()
                        }
                    }
                }
            val other = CountDownLatch(1)
            virtual {
                Thread.sleep(1)
                other.countDown()
            }
            check(other.await(1, TimeUnit.MINUTES)) { "the callers keep the carriers" }
            println("the other thread ran")
            callers.forEach { it.interrupt() }
            check(ended.await(1, TimeUnit.MINUTES)) { "an interrupt does not end a call" }
            println("$CALLS interrupted")
        }
    }

    private const val CALLS = 40
}
