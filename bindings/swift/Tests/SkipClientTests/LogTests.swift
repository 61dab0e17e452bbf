import Foundation
import XCTest

@testable import SkipClient

/// Log lines, which come from another thread.
private final class Lines: @unchecked Sendable {
    private let lock = NSCondition()
    private var waiting: [(SkipLog.Level, String)] = []

    func add(_ level: SkipLog.Level, _ line: String) {
        lock.lock()
        waiting.append((level, line))
        lock.signal()
        lock.unlock()
    }

    /// Waits for the next line.
    func next() throws -> (level: SkipLog.Level, text: String) {
        lock.lock()
        defer { lock.unlock() }
        let patience = Date(timeIntervalSinceNow: 60)
        while waiting.isEmpty {
            guard lock.wait(until: patience) else { throw CocoaError(.coderReadCorrupt) }
        }
        return waiting.removeFirst()
    }

    var isEmpty: Bool {
        lock.lock()
        defer { lock.unlock() }
        return waiting.isEmpty
    }
}

final class LogTests: XCTestCase, @unchecked Sendable {
    func testEachLineIsLoggedAtItsLevelAndNoneContainsASecret() async throws {
        let pair = try KeyProviderPair("--quirk", "classic-psk", "--fault", "entropy-503")
        let closed = try KeyProviderPair()
        closed.stop()
        let lines = Lines()
        SkipLog.send { lines.add($0, $1) }
        defer { SkipLog.send(nil) }
        var all: [String] = []
        let psk = String(decoding: pair.file("psk.txt"), as: UTF8.self).split(separator: ":").last ?? ""
        var secrets = [psk.trimmingCharacters(in: .whitespacesAndNewlines)]

        let first = try Client(urls: [closed.alice, pair.alice], options: pair.options)
        secrets.append(hex(try await first.newKey(remote: "Bob")))
        let (warning, connected) = (try lines.next(), try lines.next())
        XCTAssertEqual([warning.level, connected.level], [.warning, .debug])
        XCTAssert(warning.text.hasSuffix("; trying \(pair.alice)"), warning.text)
        XCTAssert(connected.text.hasPrefix("\(pair.alice): connected to 127.0.0.1:"), connected.text)
        all += [warning.text, connected.text]

        var options = try pair.modes()[1].options
        options.waitWhenBusy = 1
        let second = try Client(url: pair.alicePSK, options: options)
        secrets.append(hex(try await second.newKey(remote: "Bob")))
        let three = [try lines.next(), try lines.next(), try lines.next()]
        XCTAssertEqual(three.map(\.level), [.info, .debug, .warning])
        XCTAssert(three[0].text.contains("the handshake for TLS 1.3 with SHA-384 failed: "), three[0].text)
        all += three.map(\.text)
        let busy = try await failure { try await second.entropy() }
        XCTAssertEqual(busy?.code, .busy)
        while all.last?.hasSuffix(": busy; asking again in 1 s") != true { all.append(try lines.next().text) }
        XCTAssertFalse(all.contains { line in secrets.contains { line.lowercased().contains($0) } })

        SkipLog.send(nil)
        _ = try await Client(url: pair.alice, options: pair.options).capabilities()
        XCTAssert(lines.isEmpty)
    }

    private func hex(_ key: Key) -> String {
        key.withBytes { $0.map { String(format: "%02x", $0) }.joined() }
    }
}
