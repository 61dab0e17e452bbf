// This project's package for the JVM, from Kotlin: `MainKt URL CA`. Reads `warm N` or `cold N` from stdin and prints a
// JSON line with the nanoseconds per request.
import skipclient.ClientOptions
import skipclient.SkipClient
import java.io.File

fun main(arguments: Array<String>) {
    val (url, ca) = arguments
    val options = ClientOptions(caPem = File(ca).readBytes(), checkRemote = false)
    val warm = SkipClient(url, options)
    for (line in generateSequence(::readLine)) {
        val (command, number) = line.split(" ")
        val times =
            List(number.toInt()) {
                val started = System.nanoTime()
                when (command) {
                    "warm" -> fetch(warm)
                    "cold" -> SkipClient(url, options).use(::fetch)
                    else -> error("no command is called $command")
                }
                System.nanoTime() - started
            }
        println(times)
    }
}

private fun fetch(kp: SkipClient) = kp.newKeyBlocking("Bob").use { key -> check(key.bits == 256) }
