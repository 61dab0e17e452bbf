// swift-tools-version: 5.9
import PackageDescription

// SwiftPM finds packages at the root of a repository only; the sources are in bindings/swift.
//
// The native library is linked from a folder that -Xlinker -L names: `scripts/build-bindings library` builds it. For Apple's
// systems scripts/xcframework makes SkipClientFFI.xcframework and changes the next line. A look for the folder here would not do:
// SwiftPM remembers what a manifest says for as long as its text is the same.
let hasFramework = false

let package = Package(
    name: "SkipClient",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "SkipClient", targets: ["SkipClient"])],
    targets: [
        hasFramework
            ? .binaryTarget(name: "SkipClientFFI", path: "bindings/swift/SkipClientFFI.xcframework")
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
