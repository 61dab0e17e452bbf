package skipclient

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Runnable
import kotlinx.coroutines.suspendCancellableCoroutine
import skipclient.ffi.CoreCancel
import skipclient.ffi.CoreException
import skipclient.ffi.InternalException
import skipclient.ffi.invalidArgument
import java.nio.charset.CharacterCodingException
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.resumeWithException

/**
 * Threads for calls that wait. A view of the IO dispatcher is elastic: its threads are beside the 64 that the whole
 * application shares, so that calls that wait for a slow Key Provider stall nobody else.
 */
private val calls = Dispatchers.IO.limitedParallelism(AT_ONCE, "skip-client")

/** More calls than that wait for one another. */
private const val AT_ONCE = 256

/**
 * A blocking call as a suspending one. It returns at once when its coroutine is cancelled; the request is ended by its
 * token, and an answer that came all the same is given to [discard].
 */
@Suppress("TooGenericExceptionCaught") // whatever it is, it belongs to the caller
internal suspend fun <T> awaiting(
    discard: (T) -> Unit,
    call: (CoreCancel) -> T,
): T =
    suspendCancellableCoroutine { continuation ->
        val token = CoreCancel()
        // cancellation may come after the call has ended and the token is closed: then there is nothing to cancel
        continuation.invokeOnCancellation { runCatching { token.cancel() } }
        val task =
            Runnable {
                token.use {
                    try {
                        val answer = call(token)
                        continuation.resume(answer) { _, late, _ -> discard(late) }
                    } catch (failure: Throwable) {
                        continuation.resumeWithException(failure)
                    }
                }
            }
        calls.dispatch(EmptyCoroutineContext, task)
    }

/** Runs a call of the native library, and turns its failures into [SkipException]s. */
internal inline fun <T> translated(call: () -> T): T =
    try {
        call()
    } catch (failure: CoreException.Failed) {
        throw failure.toPublic()
    } catch (_: CharacterCodingException) {
        throw unencodable()
    } catch (bug: InternalException) {
        throw IllegalStateException("a bug in skip-client, please report it: ${bug.message}", bug)
    }

/** The core's error for a text that UTF-8 cannot carry. */
internal fun unencodable(): SkipException =
    try {
        invalidArgument("text", "has characters that UTF-8 cannot carry", "remove lone surrogates")
        error("unreachable: the function always fails")
    } catch (failure: CoreException.Failed) {
        failure.toPublic()
    }
