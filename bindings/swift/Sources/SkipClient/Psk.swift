import Foundation

/// What a client and a Key Provider share so that TLS needs no certificate (draft 3, Table 1): an identity of 1 to 128
/// bytes and a key of 1 to 256 bytes. A key has no encoding of its own, so each form has its own function.
///
/// The key is wiped when the last reference to it goes; a client keeps its own copy. A `String` cannot be wiped: take
/// ``raw(_:_:)`` or ``file(_:identity:)`` where that matters.
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
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another form, or an identity that is none.
    public static func hex(_ identity: String, _ digits: String) throws -> Psk {
        try Psk { try CorePsk.fromHex(identity: identity, digits: digits) }
    }

    /// A key that is the text itself, in UTF-8: what a router calls a key of type 0.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another form, or an identity that is none.
    public static func text(_ identity: String, _ text: String) throws -> Psk {
        try Psk { try CorePsk.fromText(identity: identity, text: text) }
    }

    /// A key in base64, the standard alphabet with padding.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another form, or an identity that is none.
    public static func base64(_ identity: String, _ text: String) throws -> Psk {
        try Psk { try CorePsk.fromBase64(identity: identity, text: text) }
    }

    /// A key of bytes as they are.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another length, or an identity that is none.
    public static func raw(_ identity: String, _ key: Data) throws -> Psk {
        try Psk { try CorePsk.fromBytes(identity: identity, key: key) }
    }

    /// The key of a file's content: lines `identity:hex`, of which `identity` chooses one, or one line of hexadecimal.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` for another form, or when there is no one line that fits.
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
