package io.github.skipclient

import com.sun.jna.Platform

/** The systems that a package may have a native library for, by JNA's names. */
private val systems =
    mapOf(
        "linux-x86-64" to "libskip_client_ffi.so",
        "linux-aarch64" to "libskip_client_ffi.so",
        "win32-x86-64" to "skip_client_ffi.dll",
        "darwin-aarch64" to "libskip_client_ffi.dylib",
        "darwin-x86-64" to "libskip_client_ffi.dylib",
    )

/** The error for a native library that is missing or cannot be loaded, which [failure] says in JNA's words. */
internal fun notLoaded(failure: LinkageError): UnsatisfiedLinkError {
    val here = Platform.RESOURCE_PREFIX
    val supported = systems.filter { (system, file) -> hasResource("$system/$file") }.keys
    val message =
        when {
            Platform.isAndroid() -> {
                "skip-client has no native library for this device ($here): " +
                    "build the AAR with the libraries that scripts/android makes"
            }

            here in supported -> {
                "the native library of skip-client for $here cannot be loaded: " +
                    "JNA must be able to unpack and run it (-Djna.tmpdir=FOLDER when the temporary folder is noexec)"
            }

            else -> {
                "skip-client has no native library for this system ($here), only for " +
                    supported.ifEmpty { listOf("none") }.joinToString()
            }
        }
    return UnsatisfiedLinkError(message).apply { initCause(failure) }
}

private fun hasResource(path: String) = SkipClient::class.java.classLoader?.getResource(path) != null
