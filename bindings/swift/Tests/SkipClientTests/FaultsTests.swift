import Foundation
import XCTest

@testable import SkipClient

/// Each fault and quirk of the development Key Providers, as listed in the tables of the guide.
final class FaultsTests: XCTestCase, @unchecked Sendable {
    func testFaults() async throws {
        let faults = try table("## Faults").filter { $0.last.hasPrefix("`") }
        XCTAssertGreaterThan(faults.count, 20)
        for (fault, code) in faults {
            try await breaks(fault, code.trimmingCharacters(in: ["`"]))
        }
    }

    func testQuirks() async throws {
        let quirks = try table("## Quirks").filter { $0.last.hasPrefix("works") }
        XCTAssertGreaterThan(quirks.count, 8)
        for (quirk, _) in quirks {
            let pair = try KeyProviderPair("--quirk", quirk)
            let alice = try Client(url: pair.alice, options: pair.options)
            let key = try await alice.newKey(remote: "Bob")
            let bob = try Client(url: pair.bob, options: pair.options)
            let same = try await bob.keyByID(key.keyID, remote: "Alice")
            XCTAssertEqual(key, same, quirk)
        }
    }

    private func breaks(_ fault: String, _ code: String) async throws {
        let pair = try KeyProviderPair("--fault", fault)
        for (alice, bob, options) in try pair.modes() {
            try await breaks(fault, code, alice, bob, options)
        }
    }

    private func breaks(
        _ fault: String, _ code: String, _ alice: String, _ bob: String, _ given: ClientOptions
    ) async throws {
        var options = given
        // two faults never end, so do not wait for the default timeout
        options.timeout = code == "timed_out" ? 2 : 30
        let kp = try Client(url: alice, options: options)
        let caught = try await failure { [options] in
            switch fault {
            case "entropy-503":
                _ = try await kp.entropy()
            case "wrong-key-id":
                let peer = try Client(url: bob, options: options)
                _ = try await kp.keyByID(try await peer.newKey(remote: "Alice").keyID, remote: "Bob")
            default:
                _ = try await kp.newKey(remote: "Bob", size: 256)
            }
        }
        let failure = try XCTUnwrap(caught, fault)
        XCTAssertEqual(failure.code.rawValue, code, fault)
        XCTAssertEqual("\(failure)", "\(code): \(failure.localizedDescription)", fault)
        XCTAssertFalse(failure.hint.isEmpty, fault)
        var shown = "\(failure) \(String(reflecting: failure)) \(failure.providerText ?? "")"
        dump(failure, to: &shown)
        XCTAssertNil(shown.range(of: "[0-9a-fA-F]{16}", options: .regularExpression), "\(fault): could be a key")
        let (advice, status) = try XCTUnwrap(Self.expected[code], fault)
        XCTAssertEqual(failure.advice, advice, fault)
        XCTAssertEqual(failure.status, status, fault)
    }

    private static let expected: [String: (SkipError.Advice, Int?)] = [
        "connection_lost": (.newKey, nil),
        "timed_out": (.newKey, nil),
        "key_id_mismatch": (.no, 200),
        "size_mismatch": (.no, 200),
        "malformed_response": (.no, 200),
        "weak_key": (.no, 200),
        "response_too_large": (.no, nil),
        // from the capabilities, before a key is requested
        "not_supported": (.no, nil),
        "unknown_remote": (.no, nil),
        "unexpected_status": (.no, 302),
        "busy": (.sameRequest, 503),
        "provider_failed": (.newKey, 500),
        "rejected": (.no, 400),
    ]

    /// The first and last cell of each row of a table in the guide.
    private func table(_ heading: String) throws -> [(first: String, last: String)] {
        let page = try String(
            contentsOf: Places.repository.appendingPathComponent("docs/development-key-providers.md"), encoding: .utf8)
        let part = page.components(separatedBy: heading)[1].components(separatedBy: "\n## ")[0]
        return part.split(separator: "\n").compactMap { row in
            let cells = row.components(separatedBy: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, cells[1].hasPrefix("`") else { return nil }
            return (cells[1].trimmingCharacters(in: ["`"]), cells[3])
        }
    }
}
