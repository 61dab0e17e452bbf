import Foundation

// Spellings from before Apple's guidelines were followed (keyID, not keyId). They go with 1.0.

extension Client {
    /// See ``keyByID(_:remote:timeout:)``.
    ///
    /// - Throws: ``SkipError`` of any side, `CancellationError`.
    @available(*, deprecated, renamed: "keyByID(_:remote:timeout:)")
    public func keyById(_ keyId: String, remote: String, timeout: TimeInterval? = nil) async throws -> Key {
        try await keyByID(keyId, remote: remote, timeout: timeout)
    }
}

extension Key {
    /// See ``keyID``.
    @available(*, deprecated, renamed: "keyID")
    public var keyId: String { keyID }
}

extension Capabilities {
    /// See ``localSystemID``.
    @available(*, deprecated, renamed: "localSystemID")
    public var localSystemId: String { localSystemID }

    /// See ``remoteSystemIDs``.
    @available(*, deprecated, renamed: "remoteSystemIDs")
    public var remoteSystemIds: [String] { remoteSystemIDs }
}

extension IKEv2 {
    /// See ``encodeUsePPK(localSystemID:nextPayload:)``.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the id is invalid.
    @available(*, deprecated, renamed: "encodeUsePPK(localSystemID:nextPayload:)")
    public static func encodeUsePPK(localSystemId: String?, nextPayload: UInt8 = 0) throws -> Data {
        try encodeUsePPK(localSystemID: localSystemId, nextPayload: nextPayload)
    }

    /// See ``encodePPKIdentity(keyID:asOctets:nextPayload:)``.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the keyId is invalid, or has no octets.
    @available(*, deprecated, renamed: "encodePPKIdentity(keyID:asOctets:nextPayload:)")
    public static func encodePPKIdentity(
        keyId: String, asOctets: Bool = false, nextPayload: UInt8 = 0
    ) throws -> Data {
        try encodePPKIdentity(keyID: keyId, asOctets: asOctets, nextPayload: nextPayload)
    }
}
