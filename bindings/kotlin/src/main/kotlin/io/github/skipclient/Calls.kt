package io.github.skipclient

import io.github.skipclient.ffi.CoreCancel
import io.github.skipclient.ffi.CoreException
import io.github.skipclient.ffi.InternalException
import io.github.skipclient.ffi.invalidArgument
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Runnable
import kotlinx.coroutines.suspendCancellableCoroutine
import java.nio.channels.spi.AbstractInterruptibleChannel
import java.nio.charset.CharacterCodingException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.ExecutionException
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.resumeWithException

/**
 * Threads for calls that wait. A view of the IO dispatcher is elastic: its threads are in addition to the 64 that the
 * whole application shares, so calls that wait for a slow Key Provider do not block others.
 */
private val calls = Dispatchers.IO.limitedParallelism(AT_ONCE, "skip-client")

/** The maximum number of concurrent calls; others wait. */
private const val AT_ONCE = 256

/**
 * Starts a call of the native library on a thread of [calls]. Completing the future, for example by `cancel`, cancels
 * the request; a result that still arrives is passed to [discard].
 */
@Suppress("TooGenericExceptionCaught") // whatever it is, it belongs to the caller
internal fun <T> started(
    discard: (T) -> Unit,
    call: (CoreCancel) -> T,
): CompletableFuture<T> {
    val token = translated { CoreCancel() }
    val future = CompletableFuture<T>()
    val running = AtomicBoolean(true)
    // a completed call has closed its token; detecting that with an exception would cost each call a stack trace
    future.whenComplete { _, _ -> if (running.get()) runCatching { token.cancel() } }
    val task =
        Runnable {
            try {
                val answer = token.use(call).also { running.set(false) }
                if (!future.complete(answer)) discard(answer)
            } catch (failure: Throwable) {
                future.completeExceptionally(failure)
            }
        }
    calls.dispatch(EmptyCoroutineContext, task)
    return future
}

/** A suspending call. It returns at once when its coroutine is cancelled. */
internal suspend fun <T> awaiting(
    discard: (T) -> Unit,
    call: (CoreCancel) -> T,
): T =
    suspendCancellableCoroutine { continuation ->
        val future = started(discard, call)
        continuation.invokeOnCancellation { future.cancel(true) }
        future.whenComplete { answer, failure ->
            if (failure == null) {
                continuation.resume(answer) { _, late, _ -> discard(late) }
            } else {
                continuation.resumeWithException(failure)
            }
        }
    }

/** The blocking calls of a client. An interrupt cancels the request. */
internal class BlockingCalls {
    private val idle = ConcurrentLinkedQueue<InterruptibleCall>()

    fun <T> call(
        discard: (T) -> Unit,
        call: (CoreCancel) -> T,
    ): T {
        if (Thread.interrupted()) throw InterruptedException()
        if (Thread.currentThread().isVirtualThread) return parked(discard, call)
        val here = idle.poll() ?: InterruptibleCall()
        try {
            return here.run(call)
        } finally {
            if (here.isOpen) idle.add(here)
        }
    }
}

/** A call on the caller's thread, unless that is virtual: it would pin its carrier inside the native library. */
private class InterruptibleCall : AbstractInterruptibleChannel() {
    private val token = translated { CoreCancel() }

    fun <T> run(call: (CoreCancel) -> T): T {
        begin()
        val answer = runCatching { call(token) }
        val interrupted = runCatching { end(true) }.isFailure
        // a result that still arrived is returned; the caller gets the interrupt at its next wait
        if (interrupted && answer.isFailure) {
            Thread.interrupted()
            throw InterruptedException()
        }
        return answer.getOrThrow()
    }

    /** Called when the thread is interrupted. */
    override fun implCloseChannel() = token.cancel()
}

/** `Thread.isVirtual`, which Android and Java before 21 do not have. */
private val Thread.isVirtualThread
    get() = threadGroup?.name == "VirtualThreads"

/** A blocking call whose caller is parked outside the native library, so a virtual thread does not pin its carrier. */
@Suppress("ThrowsCount")
private fun <T> parked(
    discard: (T) -> Unit,
    call: (CoreCancel) -> T,
): T {
    if (Thread.interrupted()) throw InterruptedException()
    val future = started(discard, call)
    try {
        return future.get()
    } catch (interrupt: InterruptedException) {
        // a result that arrived at the same moment has no owner
        if (!future.cancel(true) && !future.isCompletedExceptionally) discard(future.join())
        throw interrupt
    } catch (failed: ExecutionException) {
        val failure = failed.cause ?: failed
        // the stack trace includes the caller
        failure.stackTrace = failure.stackTrace + Thread.currentThread().stackTrace.drop(1)
        throw failure
    }
}

/** Runs a call of the native library, and converts its errors to [SkipException]s. */
internal inline fun <T> translated(call: () -> T): T =
    try {
        call()
    } catch (failure: CoreException.Failed) {
        throw failure.toPublic()
    } catch (_: CharacterCodingException) {
        throw unencodable()
    } catch (bug: InternalException) {
        throw IllegalStateException("a bug in skip-client, please report it: ${bug.message}", bug)
    } catch (missing: LinkageError) {
        throw notLoaded(missing)
    }

/** The core's error for a string that cannot be encoded as UTF-8. */
internal fun unencodable(): SkipException =
    try {
        invalidArgument("text", "has characters that UTF-8 cannot carry", "remove lone surrogates")
        error("unreachable: the function always fails")
    } catch (failure: CoreException.Failed) {
        failure.toPublic()
    }
