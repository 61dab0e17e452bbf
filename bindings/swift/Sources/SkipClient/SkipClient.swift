import Foundation

/// The interface of ``Client``, for code that is tested without a Key Provider: a fake conforms to
/// it as well.
public protocol KeyProvider: Sendable {
    /// Information about the last connection; `nil` before the first one.
    var connection: ConnectionInfo? { get }

    /// The KP's capabilities; see ``Client/capabilities(refresh:timeout:)``.
    func capabilities(refresh: Bool, timeout: TimeInterval?) async throws -> Capabilities
    /// A fresh key; see ``Client/newKey(remote:size:timeout:)``.
    func newKey(remote: String, size: Int?, timeout: TimeInterval?) async throws -> Key
    /// The key with a keyId; see ``Client/keyByID(_:remote:timeout:)``.
    func keyByID(_ keyID: String, remote: String, timeout: TimeInterval?) async throws -> Key
    /// Random bytes; see ``Client/entropy(bits:timeout:)``.
    func entropy(bits: Int?, timeout: TimeInterval?) async throws -> Entropy

    /// Cancels the running calls.
    func close()
}

/// Default arguments.
extension KeyProvider {
    /// The KP's capabilities.
    public func capabilities(refresh: Bool = false) async throws -> Capabilities {
        try await capabilities(refresh: refresh, timeout: nil)
    }

    /// A fresh key.
    public func newKey(remote: String, size: Int? = nil) async throws -> Key {
        try await newKey(remote: remote, size: size, timeout: nil)
    }

    /// The key with a keyId.
    public func keyByID(_ keyID: String, remote: String) async throws -> Key {
        try await keyByID(keyID, remote: remote, timeout: nil)
    }

    /// Random bytes.
    public func entropy(bits: Int? = nil) async throws -> Entropy {
        try await entropy(bits: bits, timeout: nil)
    }
}

/// Default implementations for fakes.
extension KeyProvider {
    /// None.
    public var connection: ConnectionInfo? { nil }

    /// Nothing is offered.
    public func capabilities(refresh: Bool, timeout: TimeInterval?) async throws -> Capabilities {
        throw absent("capabilities")
    }

    /// No key.
    public func newKey(remote: String, size: Int?, timeout: TimeInterval?) async throws -> Key {
        throw absent("newKey")
    }

    /// No key.
    public func keyByID(_ keyID: String, remote: String, timeout: TimeInterval?) async throws -> Key {
        throw absent("keyByID")
    }

    /// No random bytes.
    public func entropy(bits: Int?, timeout: TimeInterval?) async throws -> Entropy {
        throw absent("entropy")
    }

    /// Nothing to end.
    public func close() {}

    private func absent(_ call: String) -> SkipError {
        .notSupported(SkipError.Details(message: "this fake has no \(call)"))
    }
}

/// A client of one Key Provider (KP), or of several in order of preference (draft-cisco-skip-02).
///
/// One client serves many tasks; it reuses connections and caches the capabilities. Cancelling a
/// task cancels its request at once. A request is sent once and never retried behind your back;
/// every ``SkipError`` says what to request next (``SkipError/advice``).
///
/// ```swift
/// let kp = try Client(url: "https://kp-alice:8443", options: ClientOptions(caPEM: pem))
/// let key = try await kp.newKey(remote: "Bob", size: 256)
/// ```
public final class Client: KeyProvider, CustomStringConvertible {
    private let core: CoreClient
    private let urls: [String]

    /// A client of the KPs at `urls`, `https://host[:port][/path]` each; the next is used only
    /// while no byte of a request has been sent. It does not connect yet.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when an option is invalid, or none says whom to trust.
    public init(urls: [String], options: ClientOptions = ClientOptions()) throws {
        self.urls = urls
        core = try translated { try CoreClient(urls: urls, options: options.toCore(), language: .swift) }
    }

    /// A client of the KP at `url`, `https://host[:port][/path]`.
    ///
    /// - Throws: ``SkipError/invalidArgument(_:)`` when an option is invalid, or none says whom to trust.
    public convenience init(url: String, options: ClientOptions = ClientOptions()) throws {
        try self.init(urls: [url], options: options)
    }

    deinit {
        core.shutDown()
    }

    /// Information about the last connection; `nil` before the first one.
    public var connection: ConnectionInfo? { core.connection().map(ConnectionInfo.init) }

    /// The KP's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again.
    /// Here and in the other calls, `timeout`, in seconds, replaces that of the options for this
    /// call.
    ///
    /// - Throws: ``SkipError`` of the network's and the provider's sides, `CancellationError`.
    public func capabilities(refresh: Bool = false, timeout: TimeInterval? = nil) async throws -> Capabilities {
        try await waiting { [core] in Capabilities(try core.capabilities(refresh: refresh, call: CoreCall(timeout, $0)))
        }
    }

    /// A fresh key of `size` bits, a multiple of 8 from 8 to 65536, shared with the KP `remote` (draft 4.2). Without a
    /// size the KP chooses, usually 256 bits.
    ///
    /// A key that arrives while its task is cancelled is wiped: request another one.
    ///
    /// - Throws: ``SkipError`` of any side, `CancellationError`.
    public func newKey(remote: String, size: Int? = nil, timeout: TimeInterval? = nil) async throws -> Key {
        try await waiting { [core] in
            Key(try core.newKey(remote: remote, size: size.map(Int64.init), call: CoreCall(timeout, $0)))
        }
    }

    /// The key that the initiator got from the KP `remote` under `keyID` (draft 4.2), which is hexadecimal, of even
    /// length, 2 to 512 digits. A KP gives it once.
    /// - Throws: ``SkipError`` of any side, `CancellationError`; with the advice `newKey` the initiator has to request
    ///   another key.
    public func keyByID(_ keyID: String, remote: String, timeout: TimeInterval? = nil) async throws -> Key {
        try await waiting { [core] in
            Key(try core.keyById(keyId: keyID, remote: remote, call: CoreCall(timeout, $0)))
        }
    }

    /// Random bytes of at least `bits` bits, a multiple of 8 from 8 to 65536, or of the KP's
    /// default size (draft 4.3).
    ///
    /// - Throws: ``SkipError`` of any side, `CancellationError`.
    public func entropy(bits: Int? = nil, timeout: TimeInterval? = nil) async throws -> Entropy {
        try await waiting { [core] in
            Entropy(try core.entropy(bits: bits.map(Int64.init), call: CoreCall(timeout, $0)))
        }
    }

    /// Cancels the running calls and closes all connections; later calls throw ``SkipError/invalidArgument(_:)``.
    public func close() {
        core.shutDown()
    }

    /// The URLs.
    public var description: String { "Client(urls: \(urls))" }
}

extension CoreCall {
    fileprivate init(_ timeout: TimeInterval?, _ cancel: CoreCancel?) {
        self.init(timeout: timeout.map(inSeconds), cancel: cancel)
    }
}
