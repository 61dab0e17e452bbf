// swift-tools-version: 5.9
import Foundation
import PackageDescription

// SwiftPM finds packages at the root of a repository only; the sources are in bindings/swift.
//
// The native library is linked from a folder that -Xlinker -L names: `scripts/build-bindings library` builds it. For Apple's
// systems scripts/xcframework makes SkipClientFFI.xcframework, which is then used instead.
let framework = "bindings/swift/SkipClientFFI.xcframework"
let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let hasFramework = FileManager.default.fileExists(atPath: here.appendingPathComponent(framework).path)

let package = Package(
    name: "SkipClient",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "SkipClient", targets: ["SkipClient"])],
    targets: [
        hasFramework
            ? .binaryTarget(name: "SkipClientFFI", path: framework)
            : .systemLibrary(name: "SkipClientFFI", path: "bindings/swift/Sources/SkipClientFFI"),
        .target(
            name: "SkipClient",
            dependencies: ["SkipClientFFI"],
            path: "bindings/swift/Sources/SkipClient",
            linkerSettings: hasFramework ? [] : [.linkedLibrary("skip_client_ffi")]
        ),
        .testTarget(
            name: "SkipClientTests",
            dependencies: ["SkipClient"],
            path: "bindings/swift/Tests/SkipClientTests"
        ),
    ]
)
