package io.github.skipclient

import io.github.skipclient.ffi.keepLog
import io.github.skipclient.ffi.nextLogLine
import java.util.Locale

/**
 * Receives log lines about the connections of all clients: new connections ([SkipLog.Level.DEBUG]), weaker handshakes
 * with pre-shared keys and waits for a busy Key Provider ([SkipLog.Level.INFO]), warnings about connections, and
 * failover to another Key Provider ([SkipLog.Level.WARNING]). No line contains a secret.
 *
 * ```kotlin
 * SkipLog.set(SkipLog.toSystemLogger()) // on the JVM
 * SkipLog.set { level, line -> Log.d("skip-client", line) } // on Android
 * ```
 */
public fun interface SkipLog {
    /** Receives a line, on a dedicated thread. */
    public fun log(
        level: Level,
        line: String,
    )

    /** How important a line is. */
    public enum class Level {
        /** Something that needs attention. */
        WARNING,

        /** Something unusual that the client handled. */
        INFO,

        /** Normal operation. */
        DEBUG,
    }

    /** Where the lines go. */
    public companion object {
        private val lock = Any()
        private var writer: Writer? = null

        /**
         * Sends all lines from now on to [log]. With `null`, nothing is formatted, and the log's thread ends. Must not
         * be called from [log].
         */
        @JvmStatic
        public fun set(log: SkipLog?): Unit =
            synchronized(lock) {
                writer?.end()
                writer = log?.let { Writer(it).apply { start() } }
            }

        /** Writes to the `System.Logger` of that name. Not on Android, which has none. */
        @JvmStatic
        @JvmOverloads
        public fun toSystemLogger(name: String = "io.github.skipclient"): SkipLog = ToSystemLogger(name)
    }
}

/** A separate class, so that Android never loads it. */
private class ToSystemLogger(
    name: String,
) : SkipLog {
    private val logger = System.getLogger(name)

    override fun log(
        level: SkipLog.Level,
        line: String,
    ) = logger.log(System.Logger.Level.valueOf(level.name), line)
}

/** The native library keeps lines until they are fetched: it never calls the JVM. */
private class Writer(
    private val log: SkipLog,
) : Thread("skip-client-log") {
    @Volatile
    private var goesOn = true

    init {
        isDaemon = true
        translated { keepLog(true) }
    }

    fun end() {
        goesOn = false
        keepLog(false)
        // lines for a later log are not for this one
        if (currentThread() !== this) join()
    }

    @Suppress("TooGenericExceptionCaught") // whatever it is, the next line may fare better
    override fun run() {
        while (goesOn) {
            val line = nextLogLine() ?: continue
            try {
                log.log(SkipLog.Level.valueOf(line.level.uppercase(Locale.ROOT)), line.text)
            } catch (failure: Exception) {
                uncaughtExceptionHandler.uncaughtException(this, failure)
            }
        }
    }
}
