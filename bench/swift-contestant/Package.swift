// swift-tools-version: 5.9
import PackageDescription

// The contestant in Swift: `scripts/swift bench` builds it.
let package = Package(
    name: "Contestant",
    dependencies: [.package(name: "SkipClient", path: "../..")],
    targets: [
        .executableTarget(name: "Contestant", dependencies: [.product(name: "SkipClient", package: "SkipClient")])
    ]
)
