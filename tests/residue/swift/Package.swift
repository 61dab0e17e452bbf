// swift-tools-version: 5.9
import PackageDescription

// The client whose memory is searched: `scripts/swift residue` builds it.
let package = Package(
    name: "Residue",
    dependencies: [.package(name: "SkipClient", path: "../../..")],
    targets: [
        .executableTarget(name: "Target", dependencies: [.product(name: "SkipClient", package: "SkipClient")])
    ]
)
