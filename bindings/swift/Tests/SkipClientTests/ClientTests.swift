import Foundation
import XCTest

@testable import SkipClient

/// The client against the development Key Providers.
final class ClientTests: XCTestCase, @unchecked Sendable {
    func testAKeyExchange() async throws {
        let (_, alice, bob) = try clients()
        let caps = try await alice.capabilities()
        XCTAssertEqual([caps.localSystemID] + caps.remoteSystemIDs, ["Alice", "Bob"])
        XCTAssert(caps.supportsKey && caps.supportsEntropy && caps.matchesRemote("Bob") && !caps.matchesRemote("Eve"))
        let key = try await alice.newKey(remote: "Bob", size: 512)
        let same = try await bob.keyByID(key.keyID, remote: "Alice")
        XCTAssertEqual(key, same)
        XCTAssertEqual(key.fingerprint, same.fingerprint)
        XCTAssertEqual(key.bits, 512)
        do {
            _ = try await bob.keyByID(key.keyID, remote: "Alice")
            XCTFail("the key came twice")
        } catch SkipError.rejected(let refused) {
            XCTAssertEqual(refused.advice, .newKey)
            XCTAssertEqual(refused.status, 400)
            XCTAssertFalse(refused.hint.isEmpty)
            XCTAssertFalse(refused.message.isEmpty)
            XCTAssertFalse(refused.providerText?.isEmpty ?? true)
        }
        let salt = try await alice.entropy(bits: 128)
        XCTAssertEqual([salt.bits, salt.count, salt.withBytes { $0.count }], [128, 16, 16])
        let bits = try await alice.entropy().bits
        XCTAssertEqual(bits, 256)
    }

    func testBothTLSModes() async throws {
        let pair = try KeyProviderPair()
        for (alice, bob, options) in try pair.modes() {
            let kp = try Client(url: alice, options: options)
            let key = try await kp.newKey(remote: "Bob", size: 384)
            let same = try await Client(url: bob, options: options).keyByID(key.keyID, remote: "Alice")
            XCTAssertEqual(key, same)
            print("a key over \(kp.connection?.tlsVersion ?? "") \(kp.connection?.cipherSuite ?? "")")
        }
    }

    func testAPreSharedKeyHasSeveralFormsAndShowsNoneOfThem() async throws {
        let forms = [
            try Psk.hex("me", "6D61726b"), try Psk.text("me", "mark"), try Psk.base64("me", "bWFyaw=="),
            try Psk.raw("me", Data("mark".utf8)), try Psk.file(Data("you:00\nme:6d61726b\n".utf8), identity: "me"),
        ]
        for psk in forms { XCTAssertEqual("\(psk)", "Psk(identity: me, [redacted])") }
        for bad in ["", "0", "0g", "00 1"] { XCTAssertThrowsError(try Psk.hex("me", bad)) }
        XCTAssertThrowsError(try Psk.hex("", "00"))
        let pair = try KeyProviderPair()
        let wrong = ClientOptions(psk: try Psk.hex("client", String(repeating: "00", count: 32)))
        let kp = try Client(url: pair.alicePSK, options: wrong)
        let refused = try await failure { try await kp.capabilities() }
        XCTAssertEqual(refused?.code, .tlsFailed)
    }

    func testAKeyIsLentToABlockAndThenWiped() async throws {
        let (_, alice, _) = try clients()
        let key = try await alice.newKey(remote: "Bob", size: 256)
        let hex = key.withBytes { $0.hex }
        XCTAssertEqual(hex.count, 64)
        XCTAssertEqual(key.withUnsafeBytes { Data($0).hex }, hex)
        XCTAssertEqual(try key.withExport(.hex) { String(decoding: $0, as: UTF8.self) }, hex)
        let escaped = key.withBytes { $0 }
        let other = try await alice.newKey(remote: "Bob")
        XCTAssertNotEqual(key, other)
        key.close()
        key.close()
        XCTAssertNotEqual(key, other)
        XCTAssertEqual(key, key)
        XCTAssertEqual(key.bits, 256)
        XCTAssertEqual(escaped.hex, hex, "a Data that escaped stays valid")
    }

    func testNoSecretIsEverShown() async throws {
        let (pair, alice, _) = try clients()
        let key = try await alice.newKey(remote: "Bob")
        let salt = try await alice.entropy()
        let markers = [key.withBytes { $0.hex }, salt.withBytes { $0.hex }, "hunter2", Data("hunter2".utf8).hex]
        var options = pair.options
        options.clientKeyPEM = Data("hunter2".utf8)
        var shown = ""
        for value: Any in [key, salt, options, alice, alice.connection as Any, try await alice.capabilities()] {
            shown += "\(value) \(String(reflecting: value)) "
            dump(value, to: &shown)
        }
        for marker in markers { XCTAssertFalse(shown.lowercased().contains(marker)) }
        XCTAssert(shown.contains(key.keyID) && shown.contains("[redacted]"))
    }

    func testTheClientDescribesItsConnection() async throws {
        let (_, alice, _) = try clients()
        XCTAssertNil(alice.connection)
        _ = try await alice.capabilities()
        XCTAssertEqual(alice.connection?.tlsVersion, "TLS 1.3")
        XCTAssertEqual(alice.connection?.group, "X25519MLKEM768")
    }

    func testATLSVersionCanBeRequested() async throws {
        let pair = try KeyProviderPair()
        for (version, name) in [(TLSVersion.v12, "TLS 1.2"), (.v13, "TLS 1.3")] {
            var options = pair.options
            options.tls = version
            let kp = try Client(url: pair.alice, options: options)
            _ = try await kp.newKey(remote: "Bob")
            XCTAssertEqual(kp.connection?.tlsVersion, name)
        }
    }

    func testAClientCertificate() async throws {
        let pair = try KeyProviderPair("--require-client-cert")
        let without = try Client(url: pair.alice, options: pair.options)
        let refused = try await failure { try await without.capabilities() }
        XCTAssertEqual(refused?.code, .tlsFailed)
        var options = pair.options
        options.clientCertPEM = pair.file("client.pem")
        options.clientKeyPEM = pair.file("client.key")
        _ = try await Client(url: pair.alice, options: options).newKey(remote: "Bob")
    }

    func testSeveralKeyProvidersAreTriedInOrder() async throws {
        let pair = try KeyProviderPair()
        let kp = try Client(urls: ["https://127.0.0.1:1", pair.alice], options: pair.options)
        let key = try await kp.newKey(remote: "Bob")
        XCTAssertEqual(key.bits, 256)
    }

    func testBadOptionsAreInvalidArguments() async throws {
        let pair = try KeyProviderPair()
        let changes: [(inout ClientOptions) -> Void] = [
            { $0.caPEM = nil }, { $0.caPEM = Data("nonsense".utf8) }, { $0.clientCertPEM = Data("x".utf8) },
            { $0.pin = "md5/x" }, { $0.serverName = "a b" }, { $0.timeout = 0 }, { $0.timeout = -1 },
            { $0.timeout = .nan }, { $0.connectTimeout = 0 }, { $0.waitWhenBusy = -1 },
            { $0.proxy = "socks5://x" },
        ]
        for (number, change) in changes.enumerated() {
            var options = pair.options
            change(&options)
            let failure = try await failure { try Client(url: "https://kp", options: options) }
            XCTAssertEqual(failure?.code, .invalidArgument, "option \(number)")
            XCTAssertFalse(failure?.hint.isEmpty ?? true)
        }
        for urls in [[], ["http://kp"], ["https://"]] {
            let failure = try await failure { try Client(urls: urls, options: pair.options) }
            XCTAssertEqual(failure?.code, .invalidArgument)
        }
    }

    func testBadArgumentsAreInvalidArguments() async throws {
        let (_, alice, _) = try clients()
        for (remote, size) in [
            ("", nil), ("a\nb", nil), ("KP_*", nil), ("Bob", 0), ("Bob", -8), ("Bob", 250), ("Bob", Int.max),
        ] as [(String, Int?)] {
            let failure = try await failure { try await alice.newKey(remote: remote, size: size) }
            XCTAssertEqual(failure?.code, .invalidArgument)
        }
        let unknown = try await failure { try await alice.newKey(remote: "Eve") }
        XCTAssertEqual(unknown?.code, .unknownRemote)
    }

    func testAClosedClientSaysSo() async throws {
        let (_, alice, _) = try clients()
        alice.close()
        alice.close()
        let failure = try await failure { try await alice.newKey(remote: "Bob") }
        XCTAssertEqual(failure?.code, .invalidArgument)
        XCTAssert(failure?.message.contains("closed") ?? false)
    }

    func testOneClientServesManyTasks() async throws {
        let (_, alice, bob) = try clients()
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    let key = try await alice.newKey(remote: "Bob")
                    let same = try await bob.keyByID(key.keyID, remote: "Alice")
                    XCTAssertEqual(key, same)
                    return key.keyID
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        XCTAssertEqual(ids.count, 100)
    }

    private func clients() throws -> (KeyProviderPair, Client, Client) {
        let pair = try KeyProviderPair()
        addTeardownBlock { pair.stop() }
        return (
            pair, try Client(url: pair.alice, options: pair.options),
            try Client(url: pair.bob, options: pair.options)
        )
    }
}
