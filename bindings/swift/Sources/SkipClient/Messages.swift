import Foundation

/// The capabilities of a Key Provider (draft 4.1, Table 4).
public struct Capabilities: Sendable, Equatable {
    /// The id of the KP itself (draft 4.1.1).
    public let localSystemID: String
    /// Ids, or patterns of ids, of the KPs that share keys with this one (draft 4.1.2).
    public let remoteSystemIDs: [String]
    /// How the KP generates and synchronises keys, in its own words, up to 1024 bytes.
    public let algorithm: String
    /// Whether the KP offers `GET /key`.
    public let supportsKey: Bool
    /// Whether the KP offers `GET /entropy`.
    public let supportsEntropy: Bool
    /// Warnings about a valid message.
    public let warnings: [Problem]

    /// Capabilities for a fake ``KeyProvider`` in tests.
    public init(
        localSystemID: String, remoteSystemIDs: [String], algorithm: String = "", supportsKey: Bool = true,
        supportsEntropy: Bool = true, warnings: [Problem] = []
    ) {
        self.localSystemID = localSystemID
        self.remoteSystemIDs = remoteSystemIDs
        self.algorithm = algorithm
        self.supportsKey = supportsKey
        self.supportsEntropy = supportsEntropy
        self.warnings = warnings
    }

    init(_ core: CoreCapabilities) {
        self.init(
            localSystemID: core.localSystemId, remoteSystemIDs: core.remoteSystemIds, algorithm: core.algorithm,
            supportsKey: core.supportsKey, supportsEntropy: core.supportsEntropy,
            warnings: core.warnings.map(Problem.init))
    }

    /// Whether the KP lists `id` as a remote.
    public func matchesRemote(_ id: String) -> Bool {
        listMatchesRemote(remoteSystemIds: remoteSystemIDs, id: id)
    }
}

/// A problem with a message. It contains no value of the message.
public struct Problem: Sendable, Hashable {
    /// The location as a JSON Pointer (RFC 6901); empty for the whole document.
    public let path: String
    /// A stable code.
    public let code: String
    /// A text for people.
    public let message: String
    /// Whether it makes the message invalid.
    public let severity: Severity
    /// The section of the draft with the violated rule.
    public let section: String

    /// A problem for tests.
    public init(path: String, code: String, message: String, severity: Severity, section: String) {
        self.path = path
        self.code = code
        self.message = message
        self.severity = severity
        self.section = section
    }

    init(_ core: CoreProblem) {
        self.init(
            path: core.path, code: core.code, message: core.text,
            severity: core.severity == Severity.warning.rawValue ? .warning : .error, section: core.section)
    }
}

/// Whether a ``Problem`` makes a message invalid.
public enum Severity: String, Sendable, CaseIterable {
    /// The message is invalid.
    case error
    /// The message is valid, but this is likely to cause trouble.
    case warning
}

/// Information about a connection to a Key Provider.
public struct ConnectionInfo: Sendable, Equatable {
    /// The Key Provider's URL.
    public let url: String
    /// Address and port of the Key Provider, or of the proxy.
    public let address: String
    /// `TLS 1.2` or `TLS 1.3`.
    public let tlsVersion: String
    /// The IANA name of the cipher suite, as in Table 1 of the draft.
    public let cipherSuite: String
    /// The key exchange group, for example `X25519MLKEM768`.
    public let group: String?
    /// Deviations from Table 1 of the draft.
    public let warnings: [String]

    /// Connection information for a fake ``KeyProvider`` in tests.
    public init(
        url: String, address: String, tlsVersion: String, cipherSuite: String, group: String? = nil,
        warnings: [String] = []
    ) {
        self.url = url
        self.address = address
        self.tlsVersion = tlsVersion
        self.cipherSuite = cipherSuite
        self.group = group
        self.warnings = warnings
    }

    init(_ core: CoreConnection) {
        self.init(
            url: core.url, address: core.address, tlsVersion: core.tlsVersion, cipherSuite: core.cipherSuite,
            group: core.group, warnings: core.warnings)
    }
}

/// The draft's three kinds of message.
public enum MessageKind: String, Sendable, CaseIterable {
    /// The reply to `GET /capabilities` (draft 4.1).
    case capabilities
    /// The reply to `GET /key` and `GET /key/{keyId}` (draft 4.2).
    case key
    /// The reply to `GET /entropy` (draft 4.3).
    case entropy

    /// All problems of a message of this kind; empty, or only warnings, if it is valid.
    public func validate(_ message: Data, rules: Rules = .strict) -> [Problem] {
        // the core knows every kind, so this cannot fail
        let problems = try? validateMessage(kind: rawValue, message: message, rules: rules.core)
        return problems.unwrapped.map(Problem.init)
    }

    /// Whether `validate` finds no problems other than warnings.
    public func isValid(_ message: Data, rules: Rules = .strict) -> Bool {
        (try? isValidMessage(kind: rawValue, message: message, rules: rules.core)).unwrapped
    }

    /// As for `Data`.
    public func validate(_ message: String, rules: Rules = .strict) -> [Problem] {
        validate(Data(message.utf8), rules: rules)
    }

    /// As for `Data`.
    public func isValid(_ message: String, rules: Rules = .strict) -> Bool {
        isValid(Data(message.utf8), rules: rules)
    }

    /// The JSON Schema of a message of this kind, as text.
    public func schema(_ style: SchemaStyle = .strict) -> String {
        (try? messageSchema(kind: rawValue, style: style.rawValue)).unwrapped
    }
}

/// The rules for valid messages.
public enum Rules: Sendable, CaseIterable {
    /// The draft, with limits where it has none.
    case strict
    /// As `strict`, but accepts known deviations of real Key Providers: other keyIds, `minentropy` as a string,
    /// capabilities without `algorithm` or `localSystemID`.
    case lenient
    /// Only the constraints of the JSON Schemas in the draft.
    case asPublished

    var core: CoreRules {
        switch self {
        case .strict: .strict
        case .lenient: .lenient
        case .asPublished: .asPublished
        }
    }
}

/// The two sets of schemas.
public enum SchemaStyle: String, Sendable, CaseIterable {
    /// JSON Schema 2020-12 with the rules of this project.
    case strict
    /// JSON Schema draft-04 with the constraints of the draft's figures.
    case asPublished = "as-published"
}

/// Whether an entry of a remoteSystemID list matches `id`: literal ids, and patterns with `*`, `?`
/// and `[...]` (draft 4.1.2, Table 5).
public func matchesRemote(_ remoteSystemIDs: [String], _ id: String) -> Bool {
    listMatchesRemote(remoteSystemIds: remoteSystemIDs, id: id)
}

extension Optional {
    /// The value of a call of the core that has no way to fail.
    fileprivate var unwrapped: Wrapped {
        guard let self else { preconditionFailure("a bug in skip-client: the core does not know this name") }
        return self
    }
}
