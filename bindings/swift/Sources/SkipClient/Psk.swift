import Foundation

/// A TLS pre-shared key (draft 3, Table 1): an identity of 1 to 128 bytes and a key of 1 to 256
/// bytes. The form of a key cannot be detected, so there is a function for each form.
///
/// The key is wiped when the last reference to it is released; a client keeps its own copy. A
/// `String` cannot be wiped: use ``raw(_:_:)`` or ``file(_:identity:)`` if that matters.
public final class Psk: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The identity, which TLS sends in the clear.
    public let identity: String
    let core: CorePsk

    private init(_ make: () throws -> CorePsk) throws {
        core = try translated(make)
        identity = core.identity()
    }

    /// A key in hexadecimal digits, an even number from 2 to 512.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the key or the identity is malformed.
    public static func hex(_ identity: String, _ digits: String) throws -> Psk {
        try Psk { try CorePsk.fromHex(identity: identity, digits: digits) }
    }

    /// A key that is the text itself, in UTF-8: type 0 on a router.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the key or the identity is malformed.
    public static func text(_ identity: String, _ text: String) throws -> Psk {
        try Psk { try CorePsk.fromText(identity: identity, text: text) }
    }

    /// A key in base64, the standard alphabet with padding.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the key or the identity is malformed.
    public static func base64(_ identity: String, _ text: String) throws -> Psk {
        try Psk { try CorePsk.fromBase64(identity: identity, text: text) }
    }

    /// A key given as bytes.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the length or the identity is invalid.
    public static func raw(_ identity: String, _ key: Data) throws -> Psk {
        try Psk { try CorePsk.fromBytes(identity: identity, key: key) }
    }

    /// The key of a file's content: lines `identity:hex`, of which `identity` chooses one, or one line of hexadecimal.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another form, or unless exactly one line matches.
    public static func file(_ content: Data, identity: String? = nil) throws -> Psk {
        try Psk { try CorePsk.fromFileContent(content: content, identity: identity) }
    }

    /// The identity, never the key.
    public var description: String { "Psk(identity: \(identity), [redacted])" }
    /// As ``description``.
    public var debugDescription: String { description }
    /// The identity, never the key.
    public var customMirror: Mirror { Mirror(self, children: ["identity": identity]) }
}
