package consumer

import kotlinx.coroutines.runBlocking
import io.github.skipclient.ClientOptions
import io.github.skipclient.Key
import io.github.skipclient.SkipClient

/** The exchange in Kotlin, by the oldest compiler that the package is for: URL of Alice, URL of Bob, CA. */
object Exchange {
    @JvmStatic
    fun run(
        alice: String,
        bob: String,
        ca: ByteArray,
    ): String =
        runBlocking {
            val options = ClientOptions(caPem = ca)
            val key: Key = SkipClient(alice, options).use { it.newKey("Bob", size = 256) }
            val same = SkipClient(bob, options).use { it.keyById(key.keyId, "Alice") }
            check(key == same) { "the keys differ" }
            "$key"
        }
}
