import Foundation

/// A blocking call as an asynchronous one, ended by its token when the task is cancelled.
///
/// Each call waits in a thread of its own: the threads of Swift's tasks are few, and those of Dispatch are, on Linux,
/// the same ones, so that calls that wait for a slow Key Provider would stall everything else.
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
    // a key that came all the same is dropped here, and so wiped
    try Task.checkCancellation()
    return try answer.get()
}

/// Runs a call of the native library, and turns its failures into ``SkipError``.
func translated<Answer>(_ call: () throws -> Answer) throws -> Answer {
    do {
        return try call()
    } catch let failure as CoreError {
        throw SkipError(failure)
    }
}
