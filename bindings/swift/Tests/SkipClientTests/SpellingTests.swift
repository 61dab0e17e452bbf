import XCTest

import SkipClient

/// Names as another module sees them, so without `@testable`.
final class SpellingTests: XCTestCase, @unchecked Sendable {
    func testEveryTypeCanBeQualifiedByTheModule() {
        XCTAssertEqual(String(reflecting: SkipClient.Key.self), "SkipClient.Key")
        XCTAssertEqual(String(reflecting: SkipClient.Client.self), "SkipClient.Client")
    }

    @available(*, deprecated, message: "calls what is deprecated")
    func testTheOldSpellingsStillWork() async throws {
        let new = try IKEv2.encodeUsePPK(localSystemID: "Alice")
        XCTAssertEqual(new, try IKEv2.encodeUsePPK(localSystemId: "Alice"))
        XCTAssertEqual(
            try IKEv2.encodePPKIdentity(keyID: "00ff"), try IKEv2.encodePPKIdentity(keyId: "00ff"))
        let old = (\Key.keyId, \Capabilities.localSystemId, \Capabilities.remoteSystemIds)
        XCTAssert(old.0 != \Key.keyID)
        let pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        let kp = try Client(url: "https://127.0.0.1:1", options: ClientOptions(pin: pin))
        do {
            _ = try await kp.keyById("not hexadecimal", remote: "Alice")
            XCTFail("the id is not hexadecimal")
        } catch SkipError.invalidArgument {}
    }
}
