import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A key and its keyId (draft 4.2). The key is wiped by ``close()``, or when the last reference to it is released.
public final class Key: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The keyId (draft 4.2): public, hexadecimal unless the client is lenient.
    public let keyID: String
    /// The length of the key in bits.
    public let bits: Int
    /// Eight hexadecimal digits for people to compare: equal at both ends if the keys are.
    public let fingerprint: String
    /// Warnings about a valid reply.
    public let warnings: [Problem]
    private let core: Closable<CoreKey>

    /// A key of your own, for a fake ``KeyProvider`` in tests. The bytes are copied; `keyID` may
    /// have any form that a lenient client accepts.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the keyId is invalid.
    public convenience init(keyID: String, bytes: some ContiguousBytes) throws {
        let answer = try bytes.lent { address, length in
            try translated { try keyOf(keyId: keyID, address: address, length: length) }
        }
        self.init(answer)
    }

    init(_ answer: CoreKeyAnswer) {
        keyID = answer.keyId
        bits = Int(answer.bits)
        fingerprint = answer.fingerprint
        warnings = answer.warnings.map(Problem.init)
        core = Closable(answer.handle)
    }

    /// Lends the key, ``bits`` / 8 bytes. The bytes are wiped when the last reference to the `Data`
    /// is released; copies, including a `Data` that you modify, are yours to wipe.
    ///
    /// - Precondition: the key was not closed.
    public func withBytes<Answer>(_ body: (Data) throws -> Answer) rethrows -> Answer {
        try body(WipedRoom.filled(bits / 8, core.open.writeTo).data)
    }

    /// Lends the key, ``bits`` / 8 bytes, without Foundation; the memory is wiped when `body` returns.
    ///
    /// - Precondition: the key was not closed.
    public func withUnsafeBytes<Answer>(_ body: (UnsafeRawBufferPointer) throws -> Answer) rethrows -> Answer {
        try WipedRoom.filled(bits / 8, core.open.writeTo).lend(body)
    }

    /// Lends the key in an export format. All formats except `raw` are ASCII text. Wiped as ``withBytes(_:)``.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when the format does not support this length or this keyId.
    /// - Precondition: the key was not closed.
    public func withExport<Answer>(_ format: ExportFormat, _ body: (Data) throws -> Answer) throws -> Answer {
        let core = core.open
        // the longest format has a few words, the keyId several times, and the key in hexadecimal
        let room = try WipedRoom.filled(512 + 4 * keyID.utf8.count + bits) { address, capacity in
            try translated { try core.exportTo(format: format.rawValue, address: address, capacity: capacity) }
        }
        return try body(room.data)
    }

    /// Wipes the key now. Its other properties remain available. Can be called repeatedly.
    public func close() {
        core.close()
    }

    /// Whether the bytes are equal, in constant time; keyIds are not compared. A closed key equals only itself.
    public static func == (one: Key, other: Key) -> Bool {
        if one === other { return true }
        guard let first = one.core.value, let second = other.core.value else { return false }
        return first.equalsKey(other: second)
    }

    /// keyId and length, never the key.
    public var description: String { "Key(keyID: \(keyID), bits: \(bits), [redacted])" }
    /// As ``description``.
    public var debugDescription: String { description }
    /// keyId and length, never the key.
    public var customMirror: Mirror { Mirror(self, children: ["keyID": keyID, "bits": bits]) }
}

/// Random bytes from a Key Provider (draft 4.3), wiped by ``close()``, or when the last reference
/// to them is released.
public final class Entropy: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The entropy in bits according to the Key Provider, at least as much as requested.
    public let bits: Int
    /// The number of bytes.
    public let count: Int
    /// Warnings about a valid reply.
    public let warnings: [Problem]
    private let core: Closable<CoreEntropy>

    /// Random bytes of your own, of full entropy, for a fake ``KeyProvider`` in tests. The bytes are copied.
    public convenience init(bytes: some ContiguousBytes) {
        self.init(bytes.lent(entropyOf))
    }

    init(_ answer: CoreEntropyAnswer) {
        bits = Int(answer.bits)
        count = Int(answer.length)
        warnings = answer.warnings.map(Problem.init)
        core = Closable(answer.handle)
    }

    /// Lends the bytes; see ``Key/withBytes(_:)``.
    ///
    /// - Precondition: the entropy was not closed.
    public func withBytes<Answer>(_ body: (Data) throws -> Answer) rethrows -> Answer {
        try body(WipedRoom.filled(count, core.open.writeTo).data)
    }

    /// Lends the bytes without Foundation; see ``Key/withUnsafeBytes(_:)``.
    ///
    /// - Precondition: the entropy was not closed.
    public func withUnsafeBytes<Answer>(_ body: (UnsafeRawBufferPointer) throws -> Answer) rethrows -> Answer {
        try WipedRoom.filled(count, core.open.writeTo).lend(body)
    }

    /// Wipes the bytes now. Can be called repeatedly.
    public func close() {
        core.close()
    }

    /// The bits, never the bytes.
    public var description: String { "Entropy(bits: \(bits), [redacted])" }
    /// As ``description``.
    public var debugDescription: String { description }
    /// The bits, never the bytes.
    public var customMirror: Mirror { Mirror(self, children: ["bits": bits]) }
}

/// The export formats of a key.
public enum ExportFormat: String, Sendable, CaseIterable {
    /// Hexadecimal, lower case.
    case hex
    /// Base64 with padding.
    case base64
    /// The bytes themselves.
    case raw
    /// A `secrets` block for strongSwan's `swanctl.conf`.
    case strongswan
    /// A line for libreswan's `ipsec.secrets`; keyIds of at most 64 bytes.
    case libreswan
    /// `set` commands for VyOS.
    case vyos
    /// Base64 of exactly 256 bits, as `wg set ... preshared-key` reads it.
    case wireguard
    /// `mka_cak` and `mka_ckn` for wpa_supplicant (MACsec); keys of 128 or 256 bits.
    case wpa
    /// A `ppk manual` line for a Cisco IOS XE IKEv2 keyring.
    case cisco
}

extension ContiguousBytes {
    /// Calls the native library with address and length.
    fileprivate func lent<Answer>(_ take: (UInt64, UInt32) throws -> Answer) rethrows -> Answer {
        try withUnsafeBytes { bytes in
            try take(UInt64(UInt(bitPattern: bytes.baseAddress)), UInt32(bytes.count))
        }
    }
}

/// A native object that is released before its owner.
private final class Closable<Object: AnyObject & Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var object: Object?

    init(_ object: Object) {
        self.object = object
    }

    var value: Object? {
        lock.lock()
        defer { lock.unlock() }
        return object
    }

    var open: Object {
        guard let value else { preconditionFailure("the secret was closed, and so wiped") }
        return value
    }

    func close() {
        lock.lock()
        defer { lock.unlock() }
        object = nil
    }
}

/// Memory that the native library fills, and that is wiped when the last reference is released.
private struct WipedRoom {
    /// The bytes, which are wiped on release; bytes lent without Foundation have the same owner.
    let data: Data

    static func filled(_ capacity: Int, _ write: (UInt64, UInt32) throws -> UInt32) rethrows -> WipedRoom {
        let room = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 1), alignment: 16)
        room.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
        let length: Int
        do {
            length = Int(try write(UInt64(UInt(bitPattern: room)), UInt32(capacity)))
        } catch {
            room.deallocate()
            throw error
        }
        precondition(length <= capacity, "a bug in skip-client: \(length) bytes are too many for \(capacity)")
        return WipedRoom(
            data: Data(
                bytesNoCopy: room, count: length,
                deallocator: .custom { room, length in
                    wipe(room, length)
                    room.deallocate()
                }))
    }

    func lend<Answer>(_ body: (UnsafeRawBufferPointer) throws -> Answer) rethrows -> Answer {
        try data.withUnsafeBytes(body)
    }
}

/// Writes zeros in a way that the optimizer does not remove, although the memory is freed next.
private func wipe(_ room: UnsafeMutableRawPointer, _ count: Int) {
    #if canImport(Darwin)
        memset_s(room, count, 0, count)
    #else
        explicit_bzero(room, count)
    #endif
}
