import Foundation
import XCTest

@testable import SkipClient

/// Cancels calls to a Key Provider that never answers. Each must end because of that, not because of its timeout of five
/// minutes; the time that it took is printed.
final class CancellationTests: XCTestCase, @unchecked Sendable {
    func testACancelledCallEndsAtOnce() async throws {
        let (pair, kp) = try await stalled()
        let before = threads()
        var times: [Double] = []
        var ended: [Bool] = []
        for _ in 0..<30 {
            let call = Task { try await kp.newKey(remote: "Bob") }
            try await Task.sleep(nanoseconds: 30_000_000)
            times.append(
                await seconds {
                    call.cancel()
                    let result = await call.result
                    if case .failure(let error) = result { ended.append(error is CancellationError) }
                })
        }
        XCTAssertEqual(ended, Array(repeating: true, count: 30))
        times.sort()
        print("cancel of one waiting call: median \(times[15] * 1000) ms, longest \(times[29] * 1000) ms")
        try await untilIdle(before)
        withExtendedLifetime(pair) {}
    }

    func testTwoHundredWaitingCallsDoNotHoldUpOtherTasksAndAreCancelledTogether() async throws {
        let (pair, kp) = try await stalled()
        let before = threads()
        let waiting = (0..<200).map { _ in Task { try? await kp.newKey(remote: "Bob") } }
        #if os(Linux)
            for _ in 0..<6000 where threads() < before + 190 { try await Task.sleep(nanoseconds: 10_000_000) }
            print("threads while 200 calls wait: \(threads()), before: \(before)")
            XCTAssertGreaterThanOrEqual(threads(), before + 190)
        #endif
        let unrelated = await seconds { await Task.detached { await Task.yield() }.value }
        print("an unrelated task meanwhile took \(unrelated * 1000) ms")
        let together = await seconds {
            for call in waiting { call.cancel() }
            for call in waiting { _ = await call.value }
        }
        print("cancel of 200 waiting calls together: \(together * 1000) ms")
        try await untilIdle(before)
        withExtendedLifetime(pair) {}
    }

    func testAKeyThatArrivesWhileItsCallIsBeingCancelledIsWiped() async throws {
        let pair = try KeyProviderPair()
        let kp = try Client(url: pair.alice, options: pair.options)
        // an exchange takes about a millisecond, so some calls are cancelled just as it ends
        func race() async throws {
            let call = Task { _ = try await kp.newKey(remote: "Bob") }
            try await Task.sleep(nanoseconds: UInt64.random(in: 0..<3_000_000))
            call.cancel()
            _ = await call.result
        }
        for _ in 0..<20 { try await race() }
        let before = threads()
        let bytes = Int64(liveBytes())
        for _ in 0..<300 { try await race() }
        try await untilIdle(before)
        let grown = Int64(liveBytes()) - bytes
        print("live bytes after 300 races of cancel and key: \(grown) more")
        // a connection in the pool is worth some 20 KB; a key and its token, 300 bytes
        XCTAssertLessThan(grown, 60_000)
    }

    func testATaskThatIsAlreadyCancelledSendsNoRequest() async throws {
        let (pair, kp) = try await stalled()
        let call = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await kp.newKey(remote: "Bob")
        }
        call.cancel()
        let result = await call.result
        XCTAssertThrowsError(try result.get()) { XCTAssert($0 is CancellationError) }
        withExtendedLifetime(pair) {}
    }

    func testClosingTheClientEndsItsCalls() async throws {
        let (pair, kp) = try await stalled()
        let call = Task { try await failure { try await kp.newKey(remote: "Bob") } }
        try await Task.sleep(nanoseconds: 1_000_000_000)
        kp.close()
        let advice = try await call.value?.advice
        XCTAssertEqual(advice, .newKey)
        withExtendedLifetime(pair) {}
    }

    private func stalled() async throws -> (KeyProviderPair, Client) {
        let pair = try KeyProviderPair("--fault", "stall")
        var options = pair.options
        options.timeout = 300
        let kp = try Client(url: pair.alice, options: options)
        _ = try await kp.capabilities()
        return (pair, kp)
    }

    /// Waits until the threads of the calls are gone: only those from before are left, and some of Swift's own pool.
    private func untilIdle(_ before: Int) async throws {
        for _ in 0..<12_000 where threads() > before + 16 { try await Task.sleep(nanoseconds: 5_000_000) }
        XCTAssertLessThanOrEqual(threads(), before + 16)
    }

    /// The number of threads of this process; 0 on systems without /proc.
    private func threads() -> Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []).count
    }
}
