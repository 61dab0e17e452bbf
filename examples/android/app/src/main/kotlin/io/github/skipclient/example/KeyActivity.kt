package io.github.skipclient.example

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import io.github.skipclient.ClientOptions
import io.github.skipclient.SkipClient
import io.github.skipclient.SkipException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** Asks for a key when it opens, shows what may be shown, and ends the request when it closes. */
class KeyActivity : Activity() {
    private val scope: CoroutineScope = MainScope()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val text = TextView(this)
        setContentView(text)
        scope.launch {
            text.text =
                try {
                    fetch()
                } catch (failure: SkipException) {
                    "${failure.message}\n${failure.hint}"
                }
        }
    }

    private suspend fun fetch(): String {
        val ca = withContext(Dispatchers.IO) { assets.open("ca.pem").use { it.readBytes() } }
        return SkipClient("https://kp-alice:8443", ClientOptions(caPem = ca)).use { kp ->
            kp.newKey("Bob", 256).use { key -> "keyId ${key.keyId}, fingerprint ${key.fingerprint}" }
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }
}
