import Foundation
import XCTest

@testable import SkipClient

#if os(Linux)
    import Glibc

    /// Processes that fork. Dispatch, and so `await`, does not work in a child process; the lower-level calls do, and do not
    /// touch the parent's connections.
    final class ForkTests: XCTestCase, @unchecked Sendable {
        func testAChildHasItsOwnConnections() async throws {
            let pair = try KeyProviderPair()
            for (alice, bob, options) in try pair.modes() {
                let (kp, peer) = (try core(alice, options), try core(bob, options))
                var ids = [try exchange(kp, peer)]
                for _ in 0..<3 {
                    ids.append(
                        try inChild {
                            let id = try self.exchange(kp, peer)
                            // what the child sends must not end the parent's connections
                            kp.shutDown()
                            peer.shutDown()
                            return id
                        })
                    ids.append(try exchange(kp, peer))
                }
                XCTAssertEqual(Set(ids).count, 7, "\(ids)")
            }
        }

        func testAForkDuringCallsOfOtherThreads() async throws {
            let pair = try KeyProviderPair()
            for (alice, bob, options) in try pair.modes() {
                let (kp, peer) = (try core(alice, options), try core(bob, options))
                let busy = Busy()
                let threads = (0..<3).map { _ in
                    Thread { while busy.goesOn { busy.add { try self.exchange(kp, peer) } } }
                }
                threads.forEach { $0.start() }
                let ids = try (0..<10).map { _ in try inChild { try self.exchange(kp, peer) } }
                busy.stop()
                while !threads.allSatisfy(\.isFinished) { usleep(1000) }
                XCTAssertNil(busy.failure)
                XCTAssertEqual(Set(ids + busy.ids).count, ids.count + busy.ids.count)
            }
        }

        private func core(_ url: String, _ options: ClientOptions) throws -> CoreClient {
            try CoreClient(urls: [url], options: options.toCore(), language: .swift)
        }

        /// Fetches a key at both ends and returns its keyId.
        private func exchange(_ kp: CoreClient, _ peer: CoreClient) throws -> String {
            let call = { CoreCall(timeout: "60", cancel: nil) }
            let key = Key(try kp.newKey(remote: "Bob", size: 256, call: call()))
            let same = Key(try peer.keyById(keyId: key.keyID, remote: "Alice", call: call()))
            guard key == same else { throw CocoaError(.fileReadCorruptFile) }
            return key.keyID
        }

        /// Runs a block in a child process, and returns what it printed. Swift hides fork() because a child has only one thread.
        private func inChild(_ run: () throws -> String) throws -> String {
            typealias Fork = @convention(c) () -> pid_t
            let fork = unsafeBitCast(try XCTUnwrap(dlsym(nil, "fork")), to: Fork.self)
            var ends: [Int32] = [0, 0]
            XCTAssertEqual(pipe(&ends), 0)
            let child = fork()
            if child == 0 {
                close(ends[0])
                let said = Array((try? run())?.utf8 ?? "failed".utf8)
                _ = write(ends[1], said, said.count)
                _exit(0)
            }
            close(ends[1])
            defer { close(ends[0]) }
            var said = [UInt8](repeating: 0, count: 1024)
            var waiting = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, 120_000) != 1 { kill(child, SIGKILL) }
            let count = read(ends[0], &said, said.count)
            var status: Int32 = 0
            XCTAssertEqual(waitpid(child, &status, 0), child)
            XCTAssertEqual(status, 0, "the child")
            return String(decoding: said[..<max(count, 0)], as: UTF8.self)
        }
    }

    /// The results of busy threads.
    private final class Busy: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var ids: [String] = []
        private(set) var failure: (any Error)?
        private var stopped = false

        var goesOn: Bool { lock.withLock { !stopped } }

        func stop() { lock.withLock { stopped = true } }

        func add(_ call: () throws -> String) {
            let result = Result { try call() }
            lock.withLock {
                switch result {
                case .success(let id): ids.append(id)
                case .failure(let error):
                    failure = error
                    stopped = true
                }
            }
        }
    }
#endif
