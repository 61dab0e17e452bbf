import Foundation
import SkipClient

/// This project's package for Swift: `Contestant URL CA`. Reads `warm N` or `cold N` from stdin and prints a JSON line
/// with the nanoseconds per request.
@main
struct Contestant {
    static func main() async throws {
        let url = CommandLine.arguments[1]
        let ca = try Data(contentsOf: URL(fileURLWithPath: CommandLine.arguments[2]))
        let options = ClientOptions(caPEM: ca, checkRemote: false)
        let warm = try Client(url: url, options: options)
        let clock = ContinuousClock()
        while let line = readLine() {
            let words = line.split(separator: " ")
            var times: [Int64] = []
            for _ in 0..<Int(words[1])! {
                let taken = try await clock.measure {
                    let kp = words[0] == "warm" ? warm : try Client(url: url, options: options)
                    let key = try await kp.newKey(remote: "Bob")
                    precondition(key.bits == 256)
                    if words[0] != "warm" { kp.close() }
                }
                times.append(taken.components.seconds * 1_000_000_000 + taken.components.attoseconds / 1_000_000_000)
            }
            print(times)
            fflush(stdout)
        }
    }
}
