import Foundation
import XCTest

@testable import SkipClient

#if os(Linux)
    import Glibc

    /// Memory does not grow, and no part of a key remains in it. It is read from Linux's /proc.
    final class MemoryTests: XCTestCase, @unchecked Sendable {
        func testTenThousandCallsLeaveNothingBehind() async throws {
            let (pair, kp) = try client()
            func calls(_ times: Int) async throws {
                for _ in 0..<times {
                    let key = try await kp.newKey(remote: "Bob")
                    XCTAssertEqual(key.withUnsafeBytes { $0.count }, 32)
                }
            }
            try await calls(500)
            let (bytes, files) = (Int64(liveBytes()), openFiles())
            var counts: [Int64] = []
            for _ in 0..<10 {
                try await calls(1000)
                counts.append(Int64(liveBytes()) - bytes)
            }
            print("live bytes after each 1,000 of 10,000 calls: \(counts); files \(openFiles() - files)")
            XCTAssertLessThan(try XCTUnwrap(counts.last), 20_000)
            XCTAssertLessThan(openFiles(), files + 5)
            withExtendedLifetime(pair) {}
        }

        func testNoCopyOfAKeyRemains() async throws {
            let pair = try KeyProviderPair()
            for (alice, _, options) in try pair.modes() {
                try await noCopyStays(Client(url: alice, options: options))
            }
        }

        private func noCopyStays(_ kp: Client) async throws {
            let key = try await kp.newKey(remote: "Bob", size: 256)
            let masked = key.withUnsafeBytes { bytes in bytes.map { $0 ^ 0xA5 } }
            let tail = Array(masked[16...])
            let probe = try Probe()
            // a broken search would always pass, so it must find the live key
            XCTAssertEqual(probe.count(masked), 1, "the living key")
            XCTAssertEqual(key.withBytes { _ in probe.count(masked) }, 2, "the living key, and what is lent")

            let others = try await self.keys(50, of: kp)
            for _ in 0..<20 {
                XCTAssertEqual(key.withUnsafeBytes { $0.count }, 32)
                XCTAssertEqual(key.withBytes { $0.count }, 32)
                XCTAssertEqual(try key.withExport(.hex) { $0.count }, 64)
                XCTAssertEqual(try key.withExport(.raw) { $0.count }, 32)
            }
            var escaped: Data? = key.withBytes { $0 }
            XCTAssertEqual(escaped?.count, 32)
            escaped = nil
            XCTAssertEqual(probe.count(tail), 1, "the living key alone")
            key.close()
            print("copies after close: whole \(probe.count(masked)), last half \(probe.count(tail))")
            XCTAssertEqual([probe.count(masked), probe.count(tail)], [0, 0])

            var needles: [[UInt8]] = []
            for (number, other) in others.enumerated() {
                // by one read and by the other
                needles.append(
                    number % 2 == 0
                        ? other.withUnsafeBytes { bytes in bytes[16...].map { $0 ^ 0xA5 } }
                        : other.withBytes { bytes in bytes[16...].map { $0 ^ 0xA5 } })
                other.close()
            }
            let left = needles.map(probe.count).reduce(0, +)
            print("copies of 50 keys that were read and closed: \(left)")
            XCTAssertEqual(left, 0)
        }

        func testTheTimeThatACallTakes() async throws {
            let (pair, kp) = try client()
            _ = try await keys(300, of: kp)
            var times: [Double] = []
            for _ in 0..<1000 {
                times.append(try await seconds { try await kp.newKey(remote: "Bob").close() })
            }
            print("median time of newKey and close: \(times.sorted()[500] * 1e6) us")
            withExtendedLifetime(pair) {}
        }

        private func client() throws -> (KeyProviderPair, Client) {
            let pair = try KeyProviderPair()
            return (pair, try Client(url: pair.alice, options: pair.options))
        }

        private func keys(_ count: Int, of kp: Client) async throws -> [Key] {
            var keys: [Key] = []
            for _ in 0..<count { keys.append(try await kp.newKey(remote: "Bob", size: 256)) }
            return keys
        }

        private func openFiles() -> Int {
            ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).count
        }
    }

    /// The library that searches the memory of this process.
    private struct Probe {
        private typealias Count = @convention(c) (UnsafePointer<UInt8>, Int, UInt64, UInt64, Int32) -> Int64
        private let function: Count

        init() throws {
            let library = try XCTUnwrap(dlopen(Places.probe, RTLD_NOW))
            function = unsafeBitCast(try XCTUnwrap(dlsym(library, "skip_probe_count")), to: Count.self)
        }

        func count(_ masked: [UInt8]) -> Int64 { function(masked, masked.count, 0, 0, 0) }
    }
#endif
