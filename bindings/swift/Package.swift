// swift-tools-version: 5.9
import Foundation
import PackageDescription

// The folder of the native library, for Linux and for tests: `cargo build --release -p skip-client-bindings` makes it.
// For Apple's systems scripts/xcframework makes SkipClientFFI.xcframework, which is then used instead.
let framework = "SkipClientFFI.xcframework"
let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let hasFramework = FileManager.default.fileExists(atPath: here.appendingPathComponent(framework).path)

let package = Package(
    name: "SkipClient",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "SkipClient", targets: ["SkipClient"])],
    targets: [
        hasFramework
            ? .binaryTarget(name: "SkipClientFFI", path: framework)
            : .systemLibrary(name: "SkipClientFFI"),
        .target(
            name: "SkipClient",
            dependencies: ["SkipClientFFI"],
            linkerSettings: hasFramework ? [] : [.linkedLibrary("skip_client_ffi")]
        ),
        .testTarget(name: "SkipClientTests", dependencies: ["SkipClient"]),
    ]
)
