import Foundation
import XCTest

@testable import SkipClient

/// The vectors that all languages share.
final class VectorsTests: XCTestCase, @unchecked Sendable {
    func testMessages() throws {
        let words: Set = ["body", "body_base64", "valid", "errors", "warnings", "lenient", "as_published"]
        for kind in MessageKind.allCases {
            for one in try cases(kind.rawValue, words) {
                let body = try XCTUnwrap(
                    one.body.map { Data($0.utf8) } ?? one.body_base64.flatMap { Data(base64Encoded: $0) })
                let problems = kind.validate(body)
                for (severity, expected) in [(Severity.error, one.errors), (.warning, one.warnings)] {
                    let found = problems.filter { $0.severity == severity }.map { "\($0.path) \($0.code)" }
                    XCTAssertEqual(Set(found), Set(try XCTUnwrap(expected)), one.name)
                }
                XCTAssertEqual(kind.isValid(body), one.valid, one.name)
                XCTAssertEqual(kind.isValid(body, rules: .lenient), one.lenient, one.name)
                XCTAssertEqual(kind.isValid(body, rules: .asPublished), one.as_published, one.name)
                if let text = one.body { XCTAssertEqual(kind.validate(text), problems, one.name) }
            }
        }
    }

    func testPatterns() throws {
        for one in try cases("patterns", ["pattern", "matches", "matches_not"]) {
            let list = [try XCTUnwrap(one.pattern)]
            for id in try XCTUnwrap(one.matches) { XCTAssert(matchesRemote(list, id), "\(one.name): \(id)") }
            for id in try XCTUnwrap(one.matches_not) { XCTAssertFalse(matchesRemote(list, id), "\(one.name): \(id)") }
        }
    }

    func testPayloads() throws {
        let words: Set = ["payload", "hex", "local_system_id", "key_id", "octets", "next_payload", "error"]
        for one in try cases("ikev2", words) {
            let bytes = Data(hex: try XCTUnwrap(one.hex))
            let next = one.next_payload ?? 0
            if one.error != nil {
                XCTAssertThrowsError(
                    one.payload == "use_ppk"
                        ? try IKEv2.decodeUsePPK(bytes) : try IKEv2.decodePPKIdentity(bytes), one.name)
            } else if one.payload == "use_ppk" {
                XCTAssertEqual(try IKEv2.decodeUsePPK(bytes), one.local_system_id, one.name)
                let made = try IKEv2.encodeUsePPK(localSystemID: one.local_system_id, nextPayload: next)
                XCTAssertEqual(made, bytes, one.name)
            } else {
                let keyId = try XCTUnwrap(one.octets ?? one.key_id)
                let asOctets = one.octets != nil
                XCTAssertEqual(try IKEv2.decodePPKIdentity(bytes, asOctets: asOctets), keyId, one.name)
                let made = try IKEv2.encodePPKIdentity(keyID: keyId, asOctets: asOctets, nextPayload: next)
                XCTAssertEqual(made, bytes, one.name)
            }
        }
    }

    func testPreSharedKeys() async throws {
        let shared = Data("0123456789abcdef0123456789abcdef".utf8)
        let all = try cases("psk", ["form", "identity", "input", "input_base64", "is", "code"])
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("psk-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        let lines = Set(all.compactMap(\.`is`)).map { "#\(Data($0.utf8).hex):\(shared.hex)\n" }
        try Data(lines.joined().utf8).write(to: file)
        let pair = try KeyProviderPair("--psk-file", file.path)
        for one in all {
            let input = try XCTUnwrap(
                one.input.map { Data($0.utf8) } ?? one.input_base64.flatMap { Data(base64Encoded: $0) })
            let identity = one.identity ?? ""
            try input.write(to: file)
            let text = String(decoding: input, as: UTF8.self)
            let ways: [() throws -> ClientOptions]
            switch one.form {
            case "file":
                ways = [
                    { ClientOptions(psk: try Psk.file(input, identity: one.identity)) },
                    { ClientOptions(pskFile: file, pskIdentity: one.identity) },
                ]
            case "hex": ways = [{ ClientOptions(psk: try Psk.hex(identity, text)) }]
            case "text":
                ways = [
                    { ClientOptions(psk: try Psk.text(identity, text)) },
                    { ClientOptions(psk: try Psk.raw(identity, input)) },
                ]
            case "base64": ways = [{ ClientOptions(psk: try Psk.base64(identity, text)) }]
            default: return XCTFail("\(one.name): unknown form")
            }
            for options in ways {
                let failure = try await failure {
                    let kp = try Client(url: pair.alicePSK, options: options())
                    let id = try await kp.capabilities().localSystemID
                    XCTAssertEqual(id, "Alice", one.name)
                }
                XCTAssertEqual(failure?.code.rawValue, one.code, one.name)
            }
        }
    }

    func testRequests() async throws {
        let (pair, server) = try servers()
        let words: Set = ["kind", "remote", "size", "key_id", "lenient", "target", "code"]
        for (number, one) in try cases("requests", words).enumerated() {
            var options = pair.options
            options.checkRemote = false
            options.lenient = one.lenient == true
            let kp = try Client(url: server.url("requests", number), options: options)
            let failure = try await failure { try await kp.ask(one) }
            XCTAssertEqual(failure?.code.rawValue, one.code, one.name)
            XCTAssertNil(failure?.status, one.name)
        }
    }

    func testStatuses() async throws {
        let (pair, server) = try servers()
        for (number, one) in try cases("statuses", ["kind", "status", "code", "advice"]).enumerated() {
            var options = pair.options
            options.checkRemote = false
            let kp = try Client(url: server.url("statuses", number), options: options)
            let failure = try await failure { try await kp.ask(one) }
            XCTAssertEqual(failure?.code.rawValue, one.code, one.name)
            XCTAssertEqual(failure?.advice.rawValue, one.advice, one.name)
            XCTAssertEqual(failure?.status, one.status, one.name)
        }
    }

    func testExports() async throws {
        let (pair, server) = try servers()
        let words: Set = ["format", "key_id", "key", "output", "output_hex", "code"]
        for (number, one) in try cases("export", words).enumerated() {
            guard let format = ExportFormat(rawValue: try XCTUnwrap(one.format)) else {
                XCTAssertEqual(one.code, "invalid_argument", one.name)
                continue
            }
            var options = pair.options
            options.checkRemote = false
            options.lenient = true
            let kp = try Client(url: server.url("export", number), options: options)
            let key = try await kp.newKey(remote: "Bob", size: try XCTUnwrap(one.key).count * 4)
            let failure = try await failure {
                try key.withExport(format) { exported in
                    let expected = one.output.map { Data($0.utf8) } ?? Data(hex: one.output_hex ?? "")
                    XCTAssert(exported == expected, one.name)
                }
            }
            XCTAssertEqual(failure?.code.rawValue, one.code, one.name)
        }
    }

    func testNamesMatchTheCore() throws {
        XCTAssertEqual(SkipError.Code.allCases.map(\.rawValue), errorCodes())
        XCTAssertEqual(ExportFormat.allCases.map(\.rawValue), exportFormats())
        for code in errorCodes() {
            let core = CoreError.Failed(
                code: code, reason: "r", hint: "h", advice: "no", status: 400, providerText: nil)
            let error = SkipError(core)
            XCTAssertEqual(error.code.rawValue, code)
            XCTAssertEqual("\(error)", "\(code): r")
            XCTAssertEqual(error.localizedDescription, "r")
            XCTAssertEqual([error.hint, error.advice.rawValue, "\(error.status ?? 0)"], ["h", "no", "400"])
        }
    }

    func testAProblemHasALocationAndShowsNothingFromTheMessage() throws {
        let problems = MessageKind.key.validate(#"{"keyId": "00", "key": 5551234}"#)
        let wrong = try XCTUnwrap(problems.first { $0.code == "wrong_type" })
        XCTAssertEqual([wrong.path, wrong.section], ["/key", "4.2"])
        XCTAssertFalse("\(problems)".contains("5551234"))
    }

    func testTheSchemasAreAvailable() {
        for kind in MessageKind.allCases {
            XCTAssert(kind.schema().contains("2020-12"))
            XCTAssert(kind.schema(.asPublished).contains("draft-04"))
        }
    }

    private func servers() throws -> (KeyProviderPair, VectorServer) {
        let pair = try KeyProviderPair()
        return (pair, try VectorServer(pair))
    }
}

extension Client {
    fileprivate func ask(_ one: Case) async throws {
        let remote = one.remote ?? "Bob"
        switch one.kind {
        case "capabilities": _ = try await capabilities()
        case "new_key": _ = try await newKey(remote: remote, size: one.size)
        case "key_by_id": _ = try await keyByID(one.key_id ?? "00", remote: remote)
        case "entropy": _ = try await entropy(bits: one.size)
        default: XCTFail("unknown kind \(one.kind ?? "")")
        }
    }
}
