import Foundation

/// Runs a blocking call asynchronously; its token cancels it when the task is cancelled.
func waiting<Answer: Sendable>(_ call: @escaping @Sendable (CoreCancel) throws -> Answer) async throws -> Answer {
    let token = CoreCancel()
    let answer = await withTaskCancellationHandler {
        await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, any Error>, Never>) in
            Threads.shared.run {
                continuation.resume(returning: Result { try translated { try call(token) } })
            }
        }
    } onCancel: {
        token.cancel()
    }
    // a key that still arrived is dropped here, and so wiped
    try Task.checkCancellation()
    return try answer.get()
}

/// Threads for blocking calls, one for each: Swift's tasks have few threads, which on Linux they share with Dispatch, so calls
/// that wait for a slow Key Provider would block everything else.
///
/// A thread waits for another call before it ends: the scheduler lets a new thread wait longer than one that is woken.
private final class Threads: @unchecked Sendable {
    static let shared = Threads()
    private static let idleTime: TimeInterval = 10

    private let changed = NSCondition()
    private var calls: [@Sendable () -> Void] = []
    private var idle = 0

    func run(_ call: @escaping @Sendable () -> Void) {
        changed.lock()
        calls.append(call)
        let enough = calls.count <= idle
        changed.signal()
        changed.unlock()
        if enough { return }
        let thread = Thread { self.work() }
        thread.name = "skip-client"
        thread.stackSize = 512 << 10
        thread.start()
    }

    private func work() {
        while let call = next() { call() }
    }

    /// The next call; nil if none has come for a while.
    private func next() -> (@Sendable () -> Void)? {
        changed.lock()
        defer { changed.unlock() }
        idle += 1
        defer { idle -= 1 }
        let end = Date(timeIntervalSinceNow: Self.idleTime)
        while calls.isEmpty {
            if !changed.wait(until: end) && calls.isEmpty { return nil }
        }
        return calls.removeFirst()
    }
}

/// Runs a call of the native library, and converts its errors to ``SkipError``.
func translated<Answer>(_ call: () throws -> Answer) throws -> Answer {
    do {
        return try call()
    } catch let failure as CoreError {
        throw SkipError(failure)
    }
}
