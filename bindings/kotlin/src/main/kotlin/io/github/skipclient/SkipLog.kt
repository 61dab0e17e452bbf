package io.github.skipclient

import io.github.skipclient.ffi.keepLog
import io.github.skipclient.ffi.nextLogLine
import java.util.Locale

/**
 * Takes lines about the connections of all clients: new connections ([SkipLog.Level.DEBUG]), weaker handshakes with
 * pre-shared keys and waits for a busy Key Provider ([SkipLog.Level.INFO]), warnings about connections, and Key
 * Providers that cannot be reached while another one is tried ([SkipLog.Level.WARNING]). No line has a secret.
 *
 * ```kotlin
 * SkipLog.set(SkipLog.toSystemLogger()) // on the JVM
 * SkipLog.set { level, line -> Log.d("skip-client", line) } // on Android
 * ```
 */
public fun interface SkipLog {
    /** Takes a line, in a thread that does nothing else. */
    public fun log(
        level: Level,
        line: String,
    )

    /** How important a line is. */
    public enum class Level {
        /** Something that somebody should see to. */
        WARNING,

        /** Something unusual that the client dealt with. */
        INFO,

        /** Something usual. */
        DEBUG,
    }

    /** Where the lines go. */
    public companion object {
        private val lock = Any()
        private var writer: Writer? = null

        /**
         * Has lines from now on go to [log], or nowhere: then nothing is formatted, and the thread for the log ends.
         * Not to be called from [log].
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

/** A class of its own: Android never loads it. */
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
        // lines of a next log are not for this one
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
