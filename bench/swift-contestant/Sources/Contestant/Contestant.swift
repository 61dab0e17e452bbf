import Foundation
import SkipClient

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Contestants in Swift: `Contestant skip-client|URLSession URL CA`. Reads `warm N`, `cold N` or `many CALLERS N` from
/// stdin and prints a JSON line with the nanoseconds of each request; for `many` the total of all callers comes first.
@main
struct Main {
    static func main() async throws {
        let make = try contestant(CommandLine.arguments[1], CommandLine.arguments[2], CommandLine.arguments[3])
        let warm = try make()
        while let line = readLine() {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().map { Int($0)! }
            let found: [Int64]
            switch words[0] {
            case "warm":
                found = try await times(numbers[0]) { try await warm.request() }
            case "cold":
                found = try await times(numbers[0]) {
                    let one = try make()
                    try await one.request()
                    one.end()
                }
            case "many":
                found = try await many(warm, numbers[0], numbers[1])
            default:
                fatalError("no command is called \(words[0])")
            }
            print(found)
            fflush(stdout)
        }
        // not ended: see `Session.end`
        withExtendedLifetime(warm) { exit(0) }
    }
}

func times(_ n: Int, _ request: () async throws -> Void) async rethrows -> [Int64] {
    let clock = ContinuousClock()
    var found: [Int64] = []
    found.reserveCapacity(n)
    for _ in 0..<n {
        let started = clock.now
        try await request()
        found.append(nanoseconds(clock.now - started))
    }
    return found
}

func many(_ contestant: any Contestant, _ callers: Int, _ each: Int) async throws -> [Int64] {
    // connects
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<callers { group.addTask { try await contestant.request() } }
        try await group.waitForAll()
    }
    let clock = ContinuousClock()
    let started = clock.now
    let calls = try await withThrowingTaskGroup(of: [Int64].self) { group in
        for _ in 0..<callers {
            group.addTask { try await times(each) { try await contestant.request() } }
        }
        return try await group.reduce(into: []) { all, mine in all += mine }
    }
    return [nanoseconds(clock.now - started)] + calls
}

func nanoseconds(_ taken: Duration) -> Int64 {
    taken.components.seconds * 1_000_000_000 + taken.components.attoseconds / 1_000_000_000
}

/// A client; all callers share one.
protocol Contestant: Sendable {
    /// Fetches one key and checks it.
    func request() async throws
    func end()
}

func contestant(_ name: String, _ url: String, _ ca: String) throws -> @Sendable () throws -> any Contestant {
    switch name {
    case "skip-client":
        let options = ClientOptions(caPEM: try Data(contentsOf: URL(fileURLWithPath: ca)), checkRemote: false)
        return { Skip(kp: try Client(url: url, options: options)) }
    case "URLSession":
        // the CA is the system's: see the script `contestant`
        return { Session(url: url) }
    default:
        fatalError("no contestant is called \(name)")
    }
}

/// This project.
struct Skip: Contestant {
    let kp: Client

    func request() async throws {
        let key = try await kp.newKey(remote: "Bob")
        precondition(key.bits == 256)
    }

    func end() { kp.close() }
}

final class Session: Contestant {
    private let session: URLSession
    private let ask: URLRequest

    init(url: String) {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 10
        // as many connections as there are callers; the default is 6
        configuration.httpMaximumConnectionsPerHost = 128
        session = URLSession(configuration: configuration)
        var ask = URLRequest(url: URL(string: "\(url)/key?remoteSystemID=Bob")!)
        ask.setValue("application/json", forHTTPHeaderField: "Accept")
        ask.setValue("no-store", forHTTPHeaderField: "Cache-Control")
        self.ask = ask
    }

    private struct Message: Decodable { let key: String }

    func request() async throws {
        // without the async method of newer versions, which Foundation of Debian 13 may lack
        let body: Data = try await withCheckedThrowingContinuation { waiting in
            session.dataTask(with: ask) { data, _, error in
                waiting.resume(with: error.map { .failure($0) } ?? .success(data ?? Data()))
            }.resume()
        }
        let digits = Array(try JSONDecoder().decode(Message.self, from: body).key.utf8)
        let key = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
        }
        precondition(key.count == 32)
    }

    /// Does nothing: Foundation on Linux crashes if a session ends at the same time as its last task, so each session
    /// lives as long as the process.
    func end() { _ = Unmanaged.passRetained(session) }
}
