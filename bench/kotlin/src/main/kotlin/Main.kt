// Contestants on the JVM: `MainKt skip-client|OkHttp|java.net.http URL CA`. Reads `warm N`, `cold N` or `many CALLERS N`
// from stdin and prints a JSON line with the nanoseconds of each request; for `many` the total of all callers comes first.
import io.github.skipclient.ClientOptions
import io.github.skipclient.SkipClient
import okhttp3.ConnectionPool
import okhttp3.OkHttpClient
import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.time.Duration
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.TimeUnit
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager
import kotlin.concurrent.thread

/** A client; all callers share one. */
private interface Contestant : AutoCloseable {
    /** Fetches one key and checks it. */
    fun request()
}

fun main(arguments: Array<String>) {
    val (name, url, ca) = arguments
    val make = contestant(name, url, File(ca))
    val warm = make()
    for (line in generateSequence(::readLine)) {
        val words = line.split(" ")
        val number = words.drop(1).map(String::toInt)
        println(
            when (words[0]) {
                "warm" -> times(number[0], warm::request)
                "cold" -> times(number[0]) { make().use(Contestant::request) }
                "many" -> many(warm, number[0], number[1])
                else -> error("no command is called ${words[0]}")
            },
        )
    }
}

private fun times(
    n: Int,
    request: () -> Unit,
) = List(n) {
    val started = System.nanoTime()
    request()
    System.nanoTime() - started
}

private fun many(
    contestant: Contestant,
    callers: Int,
    each: Int,
): List<Long> {
    val start = CyclicBarrier(callers + 1)
    val calls = List(callers) { mutableListOf<Long>() }
    val threads =
        calls.map { mine ->
            thread {
                // warms up the just-in-time compiler
                times(maxOf(each, WARM_UP / callers), contestant::request)
                start.await()
                mine += times(each, contestant::request)
            }
        }
    start.await()
    val started = System.nanoTime()
    threads.forEach(Thread::join)
    return listOf(System.nanoTime() - started) + calls.flatten()
}

private const val WARM_UP = 3000
private const val PATH = "/key?remoteSystemID=Bob"

private fun contestant(
    name: String,
    url: String,
    ca: File,
): () -> Contestant =
    when (name) {
        "skip-client" -> {
            val options = ClientOptions(caPem = ca.readBytes(), checkRemote = false)
            val make = { Skip(SkipClient(url, options)) }
            make
        }
        "OkHttp" -> {
            val (tls, manager) = trust(ca)
            val make = {
                // as many idle connections as there are callers; its default is 5
                val pool = ConnectionPool(128, 5, TimeUnit.MINUTES)
                val http = OkHttpClient.Builder().sslSocketFactory(tls.socketFactory, manager).connectionPool(pool)
                Ok(http.callTimeout(Duration.ofSeconds(10)).build(), url + PATH)
            }
            make
        }
        "java.net.http" -> {
            val (tls, _) = trust(ca)
            val make = { Java(HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_1_1).build(), url + PATH) }
            make
        }
        else -> error("no contestant is called $name")
    }

private fun trust(ca: File): Pair<SSLContext, X509TrustManager> {
    val store = KeyStore.getInstance(KeyStore.getDefaultType()).apply { load(null) }
    store.setCertificateEntry("ca", ca.inputStream().use(CertificateFactory.getInstance("X.509")::generateCertificate))
    val managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).apply { init(store) }.trustManagers
    val tls = SSLContext.getInstance("TLS").apply { init(null, managers, null) }
    // a new handshake each time, as for all contestants
    tls.clientSessionContext.sessionCacheSize = 1
    return tls to managers.first() as X509TrustManager
}

/** This project. */
private class Skip(private val kp: SkipClient) : Contestant {
    override fun request() = kp.newKeyBlocking("Bob").use { key -> check(key.bits == 256) }

    override fun close() = kp.close()
}

private class Ok(private val http: OkHttpClient, url: String) : Contestant {
    private val ask =
        okhttp3.Request.Builder().url(url).header("Accept", "application/json").header("Cache-Control", "no-store").build()

    override fun request() = http.newCall(ask).execute().use { reply -> checkKey(reply.body.string()) }

    override fun close() {
        http.connectionPool.evictAll()
        http.dispatcher.executorService.shutdown()
    }
}

private class Java(private val http: HttpClient, url: String) : Contestant {
    private val ask =
        HttpRequest.newBuilder(URI(url)).header("Accept", "application/json").header("Cache-Control", "no-store")
            .timeout(Duration.ofSeconds(10)).build()

    override fun request() = checkKey(http.send(ask, HttpResponse.BodyHandlers.ofString()).body())

    // since Java 21, close() waits for its threads; before, they end when the client is garbage-collected
    override fun close() = Unit
}

/** The minimum that every user of such a response does: the JDK reads no JSON. */
private fun checkKey(body: String) {
    val digits = body.substringAfter("\"key\"").substringAfter('"').substringBefore('"')
    val key = ByteArray(digits.length / 2) { digits.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
    check(key.size == 32)
}
