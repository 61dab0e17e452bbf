import Foundation

/// The IKEv2 notify payloads that carry the ids from encryptor to encryptor (draft 5; RFC 8784).
/// All are complete payloads, from the next-payload byte on. `nextPayload` is the type of the
/// payload that follows, 0 for none.
public enum IKEv2 {
    /// `USE_PPK` with the localSystemID of the sender's Key Provider (draft 5, step 3), or empty as in RFC 8784.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the id is invalid.
    public static func encodeUsePPK(localSystemID: String?, nextPayload: UInt8 = 0) throws -> Data {
        try translated { try encodeUsePpk(localSystemId: localSystemID, nextPayload: nextPayload) }
    }

    /// The localSystemID of a `USE_PPK`; `nil` when there is none.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when `payload` is not a `USE_PPK`.
    public static func decodeUsePPK(_ payload: Data) throws -> String? {
        try translated { try decodeUsePpk(payload: payload) }
    }

    /// `PPK_IDENTITY` for a keyId: as text, which every known implementation accepts, or as the
    /// octets of its hexadecimal digits.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the keyId is invalid, or has no octets.
    public static func encodePPKIdentity(
        keyID: String, asOctets: Bool = false, nextPayload: UInt8 = 0
    ) throws -> Data {
        try translated { try encodePpkIdentity(keyId: keyID, asOctets: asOctets, nextPayload: nextPayload) }
    }

    /// The keyId of a `PPK_IDENTITY` that has it as text, or as octets.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when `payload` is not a `PPK_IDENTITY` of that form.
    public static func decodePPKIdentity(_ payload: Data, asOctets: Bool = false) throws -> String {
        try translated { try decodePpkIdentity(payload: payload, asOctets: asOctets) }
    }
}
