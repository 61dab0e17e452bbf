import Foundation
import XCTest

@testable import SkipClient

/// The paths of the shared vectors, the program and the helpers, from variables set by scripts/swift.
enum Places {
    static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("../../../..").standardizedFileURL
    static let vectors = repository.appendingPathComponent("tests/vectors/draft-cisco-skip-02")
    static let vectorServer = repository.appendingPathComponent("bindings/tests/vector_server.py")
    static var program: String { given("SKIP_TEST_PROGRAM") }
    static var probe: String { given("SKIP_TEST_PROBE") }

    private static func given(_ name: String) -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            fatalError("run the tests by: make test-swift")
        }
        return value
    }
}

/// A program started by a test, and ended when this object is released.
final class Server: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()
    private let input = Pipe()

    init(_ program: String, _ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardInput = input
        try process.run()
    }

    /// The next line that the program prints, or `nil` if it has ended.
    func line() -> String? {
        var line = Data()
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
            if byte[0] == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    /// Ends the program; may be called again.
    func stop() {
        guard process.isRunning else { return }
        // not SIGTERM: a program started from a task has every signal blocked that can be
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    deinit {
        stop()
    }
}

/// A pair of development Key Providers, on free ports of 127.0.0.1.
final class KeyProviderPair: @unchecked Sendable {
    let dir: URL
    let alice: String
    let bob: String
    let alicePSK: String
    let bobPSK: String
    private let server: Server

    private struct Endpoints: Decodable {
        struct Endpoint: Decodable {
            let url: String
            let psk_url: String
        }
        let alice: Endpoint
        let bob: Endpoint
    }

    init(_ arguments: String...) throws {
        dir = FileManager.default.temporaryDirectory.appendingPathComponent("skip-client-test-\(UUID())")
        server = try Server(
            Places.program,
            ["serve", "--dir", dir.path]
                + ["--alice", "--bob", "--psk-alice", "--psk-bob"].flatMap { [$0, "127.0.0.1:0"] } + arguments)
        while let line = server.line(), line != "ready" {}
        let text = try Data(contentsOf: dir.appendingPathComponent("endpoints.json"))
        let endpoints = try JSONDecoder().decode(Endpoints.self, from: text)
        (alice, bob) = (endpoints.alice.url, endpoints.bob.url)
        (alicePSK, bobPSK) = (endpoints.alice.psk_url, endpoints.bob.psk_url)
    }

    func file(_ name: String) -> Data {
        guard let data = try? Data(contentsOf: dir.appendingPathComponent(name)) else { fatalError("no file \(name)") }
        return data
    }

    /// Alice and Bob in both TLS modes: with certificates and with a pre-shared key.
    func modes() throws -> [(alice: String, bob: String, options: ClientOptions)] {
        [(alice, bob, options), (alicePSK, bobPSK, ClientOptions(psk: try Psk.file(file("psk.txt"))))]
    }

    var options: ClientOptions { ClientOptions(caPEM: file("ca.pem")) }

    /// Ends the Key Providers; may be called again.
    func stop() {
        server.stop()
        try? FileManager.default.removeItem(at: dir)
    }

    deinit {
        stop()
    }
}

/// A server that sends the replies of the vectors, with the certificate of a pair.
final class VectorServer: @unchecked Sendable {
    private let server: Server
    private let port: String

    init(_ pair: KeyProviderPair) throws {
        server = try Server(
            "/usr/bin/env",
            [
                "python3", Places.vectorServer.path, pair.dir.appendingPathComponent("alice.pem").path,
                pair.dir.appendingPathComponent("alice.key").path, Places.vectors.path,
            ])
        guard let port = server.line() else { fatalError("the vector server did not start") }
        self.port = port
    }

    /// The URL of a Key Provider for one case.
    func url(_ file: String, _ number: Int) -> String { "https://127.0.0.1:\(port)/\(file)/\(number)" }
}

/// One case of the vectors, with the members of all files; reading a file checks which of them it may have.
struct Case: Decodable {
    let name: String
    var body: String?
    var body_base64: String?
    var valid: Bool?
    var errors: [String]?
    var warnings: [String]?
    var lenient: Bool?
    var as_published: Bool?
    var pattern: String?
    var matches: [String]?
    var matches_not: [String]?
    var payload: String?
    var hex: String?
    var local_system_id: String?
    var key_id: String?
    var octets: String?
    var next_payload: UInt8?
    var error: Bool?
    var kind: String?
    var remote: String?
    var size: Int?
    var target: String?
    var code: String?
    var status: Int?
    var advice: String?
    var format: String?
    var key: String?
    var output: String?
    var output_hex: String?
    var form: String?
    var identity: String?
    var input: String?
    var input_base64: String?
    var `is`: String?
}

/// The cases of a vector file. A file without cases or with an unknown member is an error.
func cases(_ file: String, _ words: Set<String>) throws -> [Case] {
    struct File: Decodable {
        let cases: [Case]
    }
    let text = try Data(contentsOf: Places.vectors.appendingPathComponent("\(file).json"))
    let raw = try XCTUnwrap(JSONSerialization.jsonObject(with: text) as? [String: Any])
    for one in try XCTUnwrap(raw["cases"] as? [[String: Any]]) {
        XCTAssert(Set(one.keys).isSubset(of: words.union(["name"])), "\(file): unknown word in \(one.keys)")
    }
    let cases = try JSONDecoder().decode(File.self, from: text).cases
    XCTAssertFalse(cases.isEmpty, "\(file) has no cases")
    return cases
}

/// The error of a call, or `nil` if there was none.
func failure<Answer>(_ call: () async throws -> Answer) async throws -> SkipError? {
    do {
        _ = try await call()
        return nil
    } catch let error as SkipError {
        return error
    }
}

extension Data {
    var hex: String { map { String(format: "%02x", $0) }.joined() }

    init(hex: String) {
        let digits = Array(hex.utf8)
        self.init(
            stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
            })
    }
}

/// The seconds that a block takes.
func seconds(_ work: () async throws -> Void) async rethrows -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    try await work()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
}
