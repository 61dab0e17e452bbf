import Foundation
import SkipClient
import XCTest

/// A Key Provider with one key, which it hands out once at each end.
private final class FakeProvider: KeyProvider, @unchecked Sendable {
    private let bytes = Data(0..<32)
    private var fetched = false

    func newKey(remote: String, size: Int?, timeout: TimeInterval?) async throws -> Key {
        try Key(keyID: "00ff", bytes: bytes)
    }

    func keyByID(_ keyID: String, remote: String, timeout: TimeInterval?) async throws -> Key {
        if fetched { throw SkipError.rejected(.init(message: "used", advice: .newKey, status: 400)) }
        fetched = true
        return try Key(keyID: keyID, bytes: bytes)
    }
}

/// Code under test.
private struct Tunnel {
    let provider: any KeyProvider

    func psk(of peer: String) async throws -> String {
        let key = try await provider.newKey(remote: peer, size: 256)
        defer { key.close() }
        return try key.withExport(.wireguard) { text in String(decoding: text, as: UTF8.self) }
    }
}

/// Code that uses a client, tested without a Key Provider: the blocks of the guide, word for word.
final class FakesTests: XCTestCase, @unchecked Sendable {
    func testTheCodeUnderTestGetsTheKeyOfTheFake() async throws {
        let psk = try await Tunnel(provider: FakeProvider()).psk(of: "Bob")
        XCTAssertEqual(psk, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    }

    func testAFakeFailsAsTheRealClientDoes() async throws {
        let fake = FakeProvider()
        let (one, same) = (try await fake.newKey(remote: "Bob"), try await fake.keyByID("00ff", remote: "Alice"))
        XCTAssertEqual(one, same)
        do {
            _ = try await fake.keyByID("00ff", remote: "Alice")
            XCTFail("the key came twice")
        } catch SkipError.rejected(let refused) {
            XCTAssertEqual(refused.advice, .newKey)
        }
        do {
            _ = try await fake.entropy()
            XCTFail("a fake without entropy gave some")
        } catch let missing as SkipError {
            XCTAssertEqual(missing.code, .notSupported)
        }
        fake.close()
    }

    func testAKeyCreatedByHandBehavesLikeOneFromAKeyProvider() throws {
        let key = try Key(keyID: "SKIP-1", bytes: Data(repeating: 7, count: 32))
        XCTAssertEqual(key.description, "Key(keyID: SKIP-1, bits: 256, [redacted])")
        key.withBytes { XCTAssertEqual($0, Data(repeating: 7, count: 32)) }
        XCTAssertNotEqual(key, try Key(keyID: "SKIP-1", bytes: [UInt8](repeating: 8, count: 32)))
        XCTAssertThrowsError(try Key(keyID: "a/b", bytes: Data(count: 32)))
        XCTAssertEqual(try Key(keyID: "00", bytes: Data()).bits, 0)
        let salt = Entropy(bytes: [UInt8](repeating: 9, count: 16))
        XCTAssertEqual([salt.bits, salt.count], [128, 16])
        salt.withBytes { XCTAssertEqual($0, Data(repeating: 9, count: 16)) }
        XCTAssert(Capabilities(localSystemID: "Alice", remoteSystemIDs: ["KP_*"]).matchesRemote("KP_B"))
    }
}
