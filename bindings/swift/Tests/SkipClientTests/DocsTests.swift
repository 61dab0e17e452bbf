import Foundation
import XCTest

@testable import SkipClient

/// The Swift blocks of README.md and the guide, which are the code of these tests, word for word.
final class DocsTests: XCTestCase, @unchecked Sendable {
    func testReadme() async throws {
        let pair = try KeyProviderPair()
        let (alice, bob, pem) = (pair.alice, pair.bob, pair.file("ca.pem"))

        let kp = try Client(url: alice, options: ClientOptions(caPEM: pem))
        let key = try await kp.newKey(remote: "Bob", size: 256)  // at site A
        print(key.keyID, key.fingerprint)  // the keyId goes to the other encryptor

        let peer = try Client(url: bob, options: ClientOptions(caPEM: pem))
        let same = try await peer.keyByID(key.keyID, remote: "Alice")  // at site B
        assert(same == key)  // compared in constant time
    }

    func testGuide() async throws {
        let pair = try KeyProviderPair()
        let (alice, bob, pem) = (pair.alice, pair.bob, pair.file("ca.pem"))

        let kp = try Client(url: alice, options: ClientOptions(caPEM: pem))  // one for many tasks
        let caps = try await kp.capabilities()
        print("\(caps.localSystemID) reaches \(caps.remoteSystemIDs)")

        let key = try await kp.newKey(remote: "Bob", size: 256)
        key.withUnsafeBytes { bytes in assert(bytes.count == 32) }  // wiped afterwards
        key.withBytes { data in assert(data.count == 32) }  // wiped when its last reference goes
        try key.withExport(.wireguard) { text in assert(text.count == 44) }
        key.close()  // wiped; also when the last reference goes

        let peer = try Client(url: bob, options: ClientOptions(caPEM: pem))
        do {
            _ = try await peer.keyByID("00112233445566778899aabbccddeeff", remote: "Alice")
        } catch SkipError.rejected(let refused) {
            print("\(refused.message); \(refused.hint)")
            assert(refused.advice == .newKey && refused.status == 400)
        }
    }

    func testTheDocumentationContainsThisCode() throws {
        let here = URL(fileURLWithPath: #filePath)
        let fakes = here.deletingLastPathComponent().appendingPathComponent("FakesTests.swift")
        let code = lines(try String(contentsOf: here, encoding: .utf8) + String(contentsOf: fakes, encoding: .utf8))
        var blocks = 0
        for page in ["README.md", "docs/fetch-a-key-from-swift.md"] {
            let text = try String(contentsOf: Places.repository.appendingPathComponent(page), encoding: .utf8)
            for part in text.components(separatedBy: "```swift\n").dropFirst() {
                let block = part.components(separatedBy: "```")[0]
                XCTAssert(code.contains(lines(block)), "\(page): not the code of a test: \(block)")
                blocks += 1
            }
        }
        XCTAssertGreaterThanOrEqual(blocks, 2)
    }

    private func lines(_ text: String) -> String {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            .joined(separator: "\n")
    }
}
