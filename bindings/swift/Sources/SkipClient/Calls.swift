import Foundation

/// Runs a blocking call asynchronously; its token cancels it when the task is cancelled.
///
/// Each call waits on its own thread: Swift's tasks have few threads, which on Linux they share
/// with Dispatch, so calls that wait for a slow Key Provider would block everything else.
func waiting<Answer: Sendable>(_ call: @escaping @Sendable (CoreCancel) throws -> Answer) async throws -> Answer {
    let token = CoreCancel()
    let answer = await withTaskCancellationHandler {
        await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, any Error>, Never>) in
            let thread = Thread {
                continuation.resume(returning: Result { try translated { try call(token) } })
            }
            thread.name = "skip-client"
            thread.stackSize = 512 << 10
            thread.start()
        }
    } onCancel: {
        token.cancel()
    }
    // a key that still arrived is dropped here, and so wiped
    try Task.checkCancellation()
    return try answer.get()
}

/// Runs a call of the native library, and converts its errors to ``SkipError``.
func translated<Answer>(_ call: () throws -> Answer) throws -> Answer {
    do {
        return try call()
    } catch let failure as CoreError {
        throw SkipError(failure)
    }
}
