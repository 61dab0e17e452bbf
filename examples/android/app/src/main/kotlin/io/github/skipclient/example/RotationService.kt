package io.github.skipclient.example

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.Service
import android.content.Intent
import android.os.IBinder
import android.util.Log
import io.github.skipclient.Advice
import io.github.skipclient.ClientOptions
import io.github.skipclient.Key
import io.github.skipclient.SkipClient
import io.github.skipclient.SkipException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Gets a fresh key every hour and hands it on, for as long as the service runs. */
class RotationService : Service() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private lateinit var kp: SkipClient

    override fun onCreate() {
        super.onCreate()
        val ca = assets.open("ca.pem").use { it.readBytes() }
        kp = SkipClient(listOf("https://kp-1:8443", "https://kp-2:8443"), ClientOptions(caPem = ca))
        startForeground(1, notification())
        scope.launch {
            while (isActive) delay(if (rotate()) 60.minutes else 30.seconds)
        }
    }

    /** Whether there is a new key; if not, it is tried again soon. */
    private suspend fun rotate(): Boolean =
        try {
            kp.newKey("Bob").use { key -> install(key) }
            true
        } catch (failure: SkipException) {
            Log.w("skip", "${failure.code.text}: ${failure.message}; ${failure.hint}")
            if (failure.advice == Advice.NO) stopSelf()
            false
        }

    /** Where your tunnel takes the key; the keyId goes to the peer. The buffer is wiped afterwards. */
    private fun install(key: Key) =
        key.useBuffer { buffer -> Log.i("skip", "${key.keyId}: ${buffer.remaining()} bytes") }

    private fun notification(): Notification {
        val channel = NotificationChannel("skip", "Key rotation", NotificationManager.IMPORTANCE_LOW)
        getSystemService(NotificationManager::class.java)?.createNotificationChannel(channel)
        return Notification.Builder(this, "skip").setContentTitle("Keys are rotated").build()
    }

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onDestroy() {
        scope.cancel()
        kp.close()
        super.onDestroy()
    }
}
