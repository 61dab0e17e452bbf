package skip

/*
#include <skip_client.h>
*/
import "C"

import (
	"context"
	"errors"
)

// Code is a stable error code; the codes are the same in every language of the project.
type Code string

// The codes, in the order of the four sides.
const (
	CodeInvalidArgument   Code = "invalid_argument"
	CodeUnknownRemote     Code = "unknown_remote"
	CodeNotSupported      Code = "not_supported"
	CodeConnectFailed     Code = "connect_failed"
	CodeTLSFailed         Code = "tls_failed"
	CodeTimedOut          Code = "timed_out"
	CodeConnectionLost    Code = "connection_lost"
	CodeRejected          Code = "rejected"
	CodeUnauthorized      Code = "unauthorized"
	CodeNotFound          Code = "not_found"
	CodeMethodNotAllowed  Code = "method_not_allowed"
	CodeBusy              Code = "busy"
	CodeProviderFailed    Code = "provider_failed"
	CodeUnexpectedStatus  Code = "unexpected_status"
	CodeMalformedResponse Code = "malformed_response"
	CodeResponseTooLarge  Code = "response_too_large"
	CodeKeyIDMismatch     Code = "key_id_mismatch"
	CodeSizeMismatch      Code = "size_mismatch"
	CodeWeakKey           Code = "weak_key"
	// CodeInternal is a bug of the library that was caught. Please report it.
	CodeInternal Code = "internal"
)

// Side is the side at fault.
type Side string

// The sides.
const (
	// SideYou is the caller: an invalid argument, or a request that this Key Provider does not support.
	SideYou Side = "you"
	// SideNetwork is the network between the caller and the Key Provider.
	SideNetwork Side = "network"
	// SideProviderRefused means that the Key Provider refused the request.
	SideProviderRefused Side = "provider_refused"
	// SideProviderAnswer means that the Key Provider's reply is invalid.
	SideProviderAnswer Side = "provider_answer"
)

// Advice is what to request next so that both encryptors end up with the same key.
type Advice string

// The advice.
const (
	// AdviceNo: retrying will not help until something is changed.
	AdviceNo Advice = "no"
	// AdviceSameRequest: no key was consumed; the same request can be retried.
	AdviceSameRequest Advice = "same_request"
	// AdviceNewKey: the key of this request may be lost; the initiator should request a new key and pass its keyId on.
	AdviceNewKey Advice = "new_key"
)

// Error is the type of all errors of this package; use errors.As. If a context ended the call,
// errors.Is also finds its error, for example context.DeadlineExceeded.
type Error struct {
	Code   Code
	Side   Side
	Advice Advice
	// Status is the HTTP status; 0 if the Key Provider did not reply.
	Status int
	// Message says what happened, in one line.
	Message string
	// Hint says what to do about it.
	Hint string

	providerText string
	cause        error
}

// Error returns the message with the code.
func (e *Error) Error() string { return "skip: " + e.Message + " (" + string(e.Code) + ")" }

// GoString returns the same: only ProviderText shows the Key Provider's text.
func (e *Error) GoString() string { return e.Error() }

// Unwrap returns the context's error, if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// ProviderText is the body of an error reply: printable text of at most 512 bytes, with anything
// that could be a key redacted. It is not our text: show it to a person, do not log it.
func (e *Error) ProviderText() string { return e.providerText }

// failure converts and frees an error of the library; nil stays nil.
func failure(handle *C.skip_error) error {
	if handle == nil {
		return nil
	}
	defer C.skip_error_free(handle)
	C.skip_error_spell(handle, C.SKIP_SPELLING_GO)
	sides := map[C.skip_side]Side{
		C.SKIP_SIDE_YOU: SideYou, C.SKIP_SIDE_NETWORK: SideNetwork,
		C.SKIP_SIDE_PROVIDER_REFUSED: SideProviderRefused, C.SKIP_SIDE_PROVIDER_ANSWER: SideProviderAnswer,
	}
	advice := map[C.skip_advice]Advice{
		C.SKIP_ADVICE_NO: AdviceNo, C.SKIP_ADVICE_SAME_REQUEST: AdviceSameRequest, C.SKIP_ADVICE_NEW_KEY: AdviceNewKey,
	}
	return &Error{
		Code:    Code(text(func(length *C.size_t) *C.char { return C.skip_error_code_name(handle, length) })),
		Side:    sides[C.skip_error_side(handle)],
		Advice:  advice[C.skip_error_advice(handle)],
		Status:  int(C.skip_error_status(handle)),
		Message: text(func(length *C.size_t) *C.char { return C.skip_error_message(handle, length) }),
		Hint:    text(func(length *C.size_t) *C.char { return C.skip_error_hint(handle, length) }),
		providerText: text(func(length *C.size_t) *C.char {
			return C.skip_error_provider_text(handle, length)
		}),
	}
}

// notAsked is the error for a context that ended before the request.
func notAsked(ctx context.Context) error {
	cause := context.Cause(ctx)
	code, message := CodeConnectionLost, "the call was cancelled before its turn"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code, message = CodeTimedOut, "the context's deadline passed before the call's turn"
	}
	return &Error{
		Code: code, Side: SideNetwork, Advice: AdviceSameRequest, Message: message,
		Hint: "nothing was sent; MaxCalls bounds how many calls run at once", cause: cause,
	}
}
