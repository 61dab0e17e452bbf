import Foundation
import SkipClient

/// The same client as `residue-target`, with the Swift package: a step for each line on stdin.
@main
struct Target {
    static func main() async throws {
        let arguments = CommandLine.arguments
        func option(_ name: String) -> URL? {
            arguments.firstIndex(of: name).map { URL(fileURLWithPath: arguments[$0 + 1]) }
        }
        // files, so that the library alone reads what is in them
        let options = ClientOptions(
            caFile: option("--ca"), clientCertFile: option("--cert"), clientKeyFile: option("--key"),
            keyPasswordFile: option("--key_password"), pskFile: option("--psk"), timeout: 2,
            legacy: arguments.contains("--legacy"))
        let kp = try Client(url: arguments[1], options: options)
        var keys: [Key] = []
        var entropies: [Entropy] = []
        say("ready \(ProcessInfo.processInfo.processIdentifier)")
        while let line = readLine() {
            let words = line.split(separator: " ").map(String.init)
            do {
                switch words[0] {
                case "new_key":
                    let key = try await kp.newKey(remote: "Bob", size: 256)
                    precondition(key.withUnsafeBytes { $0.count } == 32)
                    keys.append(key)
                case "key_by_id": keys.append(try await kp.keyByID(words[1], remote: "Bob"))
                case "entropy": entropies.append(try await kp.entropy())
                case "capabilities": _ = try await kp.capabilities(refresh: true)
                case "drop": (keys, entropies) = ([], [])
                case "close": kp.close()
                default: fatalError("no step is called \(line)")
                }
                say("ok")
            } catch let failure as SkipError {
                say(failure.code.rawValue)
            }
        }
    }

    private static func say(_ word: String) {
        print(word)
        fflush(stdout)
    }
}
