import Foundation

/// The log of the connections of all clients: new connections (`debug`), weaker handshakes with
/// pre-shared keys and waits for a busy Key Provider (`info`), warnings about connections, and
/// failover to another Key Provider (`warning`). No line contains a secret.
///
/// ```swift
/// let logger = Logger(label: "skip-client")  // of swift-log
/// SkipLog.send { level, line in logger.log(level: .init(rawValue: level.rawValue)!, "\(line)") }
/// ```
public enum SkipLog {
    /// How important a line is; the raw values are those of swift-log.
    public enum Level: String, Sendable, CaseIterable {
        /// Something that needs attention.
        case warning
        /// Something unusual that the client handled.
        case info
        /// Normal operation.
        case debug
    }

    /// Sends all lines from now on to `log`, which is called on a dedicated thread. With `nil`,
    /// nothing is formatted, and that thread ends. Must not be called from `log`.
    public static func send(_ log: (@Sendable (Level, String) -> Void)?) {
        current.replace(log)
    }

    private static let current = Current()
}

private final class Current: @unchecked Sendable {
    private let lock = NSLock()
    private var writer: Writer?

    func replace(_ log: (@Sendable (SkipLog.Level, String) -> Void)?) {
        lock.lock()
        defer { lock.unlock() }
        writer?.end()
        writer = log.map(Writer.init)
    }
}

/// The native library keeps lines until they are fetched; it has no callbacks.
private final class Writer: @unchecked Sendable {
    private let state = NSCondition()
    private var goesOn = true
    private var ended = false

    init(_ log: @escaping @Sendable (SkipLog.Level, String) -> Void) {
        keepLog(on: true)
        let thread = Thread { [self] in
            while isOn {
                guard let line = nextLogLine() else { continue }
                log(SkipLog.Level(rawValue: line.level) ?? .warning, line.text)
            }
            state.lock()
            ended = true
            state.broadcast()
            state.unlock()
        }
        thread.name = "skip-client-log"
        thread.stackSize = 512 << 10
        thread.start()
    }

    private var isOn: Bool {
        state.lock()
        defer { state.unlock() }
        return goesOn
    }

    func end() {
        state.lock()
        goesOn = false
        state.unlock()
        keepLog(on: false)
        state.lock()
        while !ended { state.wait() }
        state.unlock()
    }
}
