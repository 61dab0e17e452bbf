import Foundation

/// An error: ``message`` says what happened, ``hint`` what to do, and ``advice`` what to request
/// next. None of them contains a secret.
public enum SkipError: Error, Sendable, Equatable {
    /// An argument breaks a rule; nothing was sent.
    case invalidArgument(Details)
    /// No entry of the KP's remoteSystemID list matches the remote (draft 4.1.2); no key was requested.
    case unknownRemote(Details)
    /// The KP does not offer this method (draft 4.1); nothing was requested.
    case notSupported(Details)
    /// No connection could be made: name, address, route, port or proxy.
    case connectFailed(Details)
    /// TCP connected, but the TLS handshake failed.
    case tlsFailed(Details)
    /// A deadline passed.
    case timedOut(Details)
    /// The connection was lost after all or part of the request had been sent.
    case connectionLost(Details)
    /// The KP refused the request (400, 409, 410, 422 and other 4xx).
    case rejected(Details)
    /// The KP does not accept this client (401, 403).
    case unauthorized(Details)
    /// The KP has no such path (404), or answers 404 for a keyId.
    case notFound(Details)
    /// The KP refused the method GET (405).
    case methodNotAllowed(Details)
    /// The KP is busy, or currently has no entropy (429, 503).
    case busy(Details)
    /// The KP failed internally (5xx).
    case providerFailed(Details)
    /// A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599).
    case unexpectedStatus(Details)
    /// The reply does not conform to the draft.
    case malformedResponse(Details)
    /// The reply is larger than any SKIP message can be.
    case responseTooLarge(Details)
    /// The reply has a different keyId from the one requested (draft 4.2).
    case keyIdMismatch(Details)
    /// The key or random string has a different length from the one requested.
    case sizeMismatch(Details)
    /// The key is all zeros, all ones, or can be read from its keyId.
    case weakKey(Details)

    /// The properties of an error other than its case.
    public struct Details: Sendable, Equatable {
        /// What happened, in one line.
        public let message: String
        /// What to do about it; empty when there is nothing to add.
        public let hint: String
        /// What to request next so that both encryptors end up with the same key.
        public let advice: Advice
        /// The HTTP status, if the Key Provider replied.
        public let status: Int?
        /// The body of a reply with a status other than 200: at most 512 bytes, with anything that
        /// could be a key replaced by `[redacted]`. It is not our text: show it to a person, do not
        /// log it.
        public let providerText: String?

        /// Details of an error for a fake ``KeyProvider`` in tests.
        public init(
            message: String, hint: String = "", advice: Advice = .no, status: Int? = nil, providerText: String? = nil
        ) {
            self.message = message
            self.hint = hint
            self.advice = advice
            self.status = status
            self.providerText = providerText
        }
    }

    /// What to request next. The raw values are the same in every language of the project.
    public enum Advice: String, Sendable, CaseIterable {
        /// No key was consumed: the same request can be retried.
        case sameRequest = "same_request"
        /// The key of this request may be lost: the initiator should request a new key and pass its keyId on.
        case newKey = "new_key"
        /// Retrying will not help until something is changed.
        case no
    }

    /// The stable error codes. The raw values are the same in every language of the project.
    public enum Code: String, Sendable, CaseIterable {
        /// An argument breaks a rule; nothing was sent.
        case invalidArgument = "invalid_argument"
        /// No entry of the KP's remoteSystemID list matches the remote (draft 4.1.2); no key was requested.
        case unknownRemote = "unknown_remote"
        /// The KP does not offer this method (draft 4.1); nothing was requested.
        case notSupported = "not_supported"
        /// No connection could be made: name, address, route, port or proxy.
        case connectFailed = "connect_failed"
        /// TCP connected, but the TLS handshake failed.
        case tlsFailed = "tls_failed"
        /// A deadline passed.
        case timedOut = "timed_out"
        /// The connection was lost after all or part of the request had been sent.
        case connectionLost = "connection_lost"
        /// The KP refused the request (400, 409, 410, 422 and other 4xx).
        case rejected
        /// The KP does not accept this client (401, 403).
        case unauthorized
        /// The KP has no such path (404), or answers 404 for a keyId.
        case notFound = "not_found"
        /// The KP refused the method GET (405).
        case methodNotAllowed = "method_not_allowed"
        /// The KP is busy, or currently has no entropy (429, 503).
        case busy
        /// The KP failed internally (5xx).
        case providerFailed = "provider_failed"
        /// A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599).
        case unexpectedStatus = "unexpected_status"
        /// The reply does not conform to the draft.
        case malformedResponse = "malformed_response"
        /// The reply is larger than any SKIP message can be.
        case responseTooLarge = "response_too_large"
        /// The reply has a different keyId from the one requested (draft 4.2).
        case keyIdMismatch = "key_id_mismatch"
        /// The key or random string has a different length from the one requested.
        case sizeMismatch = "size_mismatch"
        /// The key is all zeros, all ones, or can be read from its keyId.
        case weakKey = "weak_key"
    }

    /// The properties of the error.
    public var details: Details { parts.details }
    /// The stable code.
    public var code: Code { parts.code }
    /// What happened, in one line.
    public var message: String { details.message }
    /// What to do about it; empty when there is nothing to add.
    public var hint: String { details.hint }
    /// What to request next so that both encryptors end up with the same key.
    public var advice: Advice { details.advice }
    /// The HTTP status, if the Key Provider replied.
    public var status: Int? { details.status }
    /// The Key Provider's text in a reply with a status other than 200; see ``Details/providerText``.
    public var providerText: String? { details.providerText }

    init(_ core: CoreError) {
        guard case .Failed(let code, let reason, let hint, let advice, let status, let providerText) = core,
            let code = Code(rawValue: code), let advice = Advice(rawValue: advice)
        else { preconditionFailure("a bug in skip-client: the core's names are not those of this package") }
        let details = Details(
            message: reason, hint: hint, advice: advice, status: status.map(Int.init), providerText: providerText)
        switch code {
        case .invalidArgument: self = .invalidArgument(details)
        case .unknownRemote: self = .unknownRemote(details)
        case .notSupported: self = .notSupported(details)
        case .connectFailed: self = .connectFailed(details)
        case .tlsFailed: self = .tlsFailed(details)
        case .timedOut: self = .timedOut(details)
        case .connectionLost: self = .connectionLost(details)
        case .rejected: self = .rejected(details)
        case .unauthorized: self = .unauthorized(details)
        case .notFound: self = .notFound(details)
        case .methodNotAllowed: self = .methodNotAllowed(details)
        case .busy: self = .busy(details)
        case .providerFailed: self = .providerFailed(details)
        case .unexpectedStatus: self = .unexpectedStatus(details)
        case .malformedResponse: self = .malformedResponse(details)
        case .responseTooLarge: self = .responseTooLarge(details)
        case .keyIdMismatch: self = .keyIdMismatch(details)
        case .sizeMismatch: self = .sizeMismatch(details)
        case .weakKey: self = .weakKey(details)
        }
    }

    private var parts: (code: Code, details: Details) {
        switch self {
        case .invalidArgument(let details): (.invalidArgument, details)
        case .unknownRemote(let details): (.unknownRemote, details)
        case .notSupported(let details): (.notSupported, details)
        case .connectFailed(let details): (.connectFailed, details)
        case .tlsFailed(let details): (.tlsFailed, details)
        case .timedOut(let details): (.timedOut, details)
        case .connectionLost(let details): (.connectionLost, details)
        case .rejected(let details): (.rejected, details)
        case .unauthorized(let details): (.unauthorized, details)
        case .notFound(let details): (.notFound, details)
        case .methodNotAllowed(let details): (.methodNotAllowed, details)
        case .busy(let details): (.busy, details)
        case .providerFailed(let details): (.providerFailed, details)
        case .unexpectedStatus(let details): (.unexpectedStatus, details)
        case .malformedResponse(let details): (.malformedResponse, details)
        case .responseTooLarge(let details): (.responseTooLarge, details)
        case .keyIdMismatch(let details): (.keyIdMismatch, details)
        case .sizeMismatch(let details): (.sizeMismatch, details)
        case .weakKey(let details): (.weakKey, details)
        }
    }
}

extension SkipError: LocalizedError, CustomStringConvertible {
    /// ``message``, for people.
    public var errorDescription: String? { message }
    /// ``hint``, for people.
    public var recoverySuggestion: String? { hint.isEmpty ? nil : hint }
    /// Code and message.
    public var description: String { "\(code.rawValue): \(message)" }
}
