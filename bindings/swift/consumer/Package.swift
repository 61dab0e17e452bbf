// swift-tools-version: 5.9
import PackageDescription

// A package of somebody else: `scripts/swift test` builds it with a clone of this repository in place of the URL.
let package = Package(
    name: "consumer",
    platforms: [.macOS(.v12)],
    dependencies: [
        .package(url: "https://github.com/skip-client/skip-client", branch: "main")
    ],
    targets: [
        .executableTarget(
            name: "consumer",
            dependencies: [.product(name: "SkipClient", package: "skip-client")])
    ]
)
