package consumer

import kotlinx.coroutines.runBlocking
import io.github.skipclient.ClientOptions
import io.github.skipclient.Entropy
import io.github.skipclient.Key
import io.github.skipclient.SkipClient
import io.github.skipclient.SkipException
import java.io.File
import java.time.Duration

/** The client whose memory tests/residue searches: a step for each line on stdin. */
object Residue {
    private lateinit var kp: SkipClient
    private val keys = mutableListOf<Key>()
    private val entropies = mutableListOf<Entropy>()

    @JvmStatic
    fun main(arguments: Array<String>) {
        kp = SkipClient(arguments[0], options(arguments.drop(1)))
        println("ready")
        for (line in generateSequence(::readlnOrNull)) {
            println(
                try {
                    runBlocking { step(line.split(" ")) }
                    "ok"
                } catch (failure: SkipException) {
                    failure.code.text
                },
            )
        }
    }

    /** Files, so that the library alone reads what is in them. */
    private fun options(arguments: List<String>): ClientOptions {
        fun option(name: String): File? = arguments.indexOf(name).takeIf { it >= 0 }?.let { File(arguments[it + 1]) }
        return ClientOptions(
            caFile = option("--ca"),
            clientCertFile = option("--cert"),
            clientKeyFile = option("--key"),
            keyPasswordFile = option("--key_password"),
            pskFile = option("--psk"),
            legacy = "--legacy" in arguments,
            timeout = Duration.ofSeconds(2),
        )
    }

    private suspend fun step(words: List<String>) {
        when (words[0]) {
            "new_key" -> keys += kp.newKey("Bob", 256).also { key -> key.useBuffer { check(it.remaining() == 32) } }
            "key_by_id" -> keys += kp.keyByIdBlocking(words[1], "Bob")
            "entropy" -> entropies += kp.entropy()
            "capabilities" -> kp.capabilities(refresh = true)
            "drop" -> {
                keys.onEach(Key::close).clear()
                entropies.onEach(Entropy::close).clear()
            }
            "close" -> kp.close()
            else -> error("no step is called $words")
        }
    }
}
