package skip

/*
#include <skip_client.h>
*/
import "C"

// Capabilities are the capabilities of a Key Provider (draft 4.1).
type Capabilities struct {
	// LocalSystemID is the id of the Key Provider itself; empty if a lenient client found none.
	LocalSystemID string
	// RemoteSystemIDs are the ids, or patterns of ids, of the Key Providers that share keys with this one.
	RemoteSystemIDs []string
	// Algorithm says how keys are generated and synchronised, in the Key Provider's own words.
	Algorithm string
	// SupportsKey and SupportsEntropy say which methods it offers.
	SupportsKey, SupportsEntropy bool
	// Warnings are about a valid message.
	Warnings []Problem
}

// MatchesRemote reports whether one of the RemoteSystemIDs matches the id.
func (c *Capabilities) MatchesRemote(id string) bool { return MatchesRemote(c.RemoteSystemIDs, id) }

// Connection is information about a connection to a Key Provider.
type Connection struct {
	URL, Address, TLSVersion, CipherSuite string
	// Group is the key exchange group, for example X25519MLKEM768; empty if there was none.
	Group string
	// Warnings are about anything weaker than Table 1 of the draft.
	Warnings []string
}

// Problem is a problem with a message. It never contains a value of the message.
type Problem struct {
	// Path is a JSON Pointer (RFC 6901), empty for the whole message.
	Path string
	// Code is a stable name, for example not_hex.
	Code string
	// Message is for people.
	Message string
	// Severity is error or warning.
	Severity string
	// Section is the section of the draft with the violated rule.
	Section string
}

// MessageKind is one of the draft's three kinds of message.
type MessageKind string

// The kinds.
const (
	CapabilitiesMessage MessageKind = "capabilities"
	KeyMessage          MessageKind = "key"
	EntropyMessage      MessageKind = "entropy"
)

// Rules are the rules for valid messages.
type Rules bool

const (
	// Strict is the draft, with limits where it has none.
	Strict Rules = false
	// Lenient accepts known deviations of real Key Providers.
	Lenient Rules = true
)

// Validate lists the problems of a message, which is valid if none has the severity error. It
// returns an error for an unknown kind.
func Validate(kind MessageKind, message []byte, rules Rules) ([]Problem, error) {
	var handle *C.skip_problems
	name, nameLength := chars(string(kind))
	data, length := charsOf(message)
	err := failure(C.skip_validate(name, nameLength, data, length, C.bool(rules), &handle))
	if err != nil {
		return nil, err
	}
	defer C.skip_problems_free(handle)
	return problemsOf(handle), nil
}

// IsValid reports whether a message has no problems other than warnings. It returns an error for an unknown kind.
func IsValid(kind MessageKind, message []byte, rules Rules) (bool, error) {
	var valid C.bool
	name, nameLength := chars(string(kind))
	data, length := charsOf(message)
	err := failure(C.skip_is_valid(name, nameLength, data, length, C.bool(rules), &valid))
	return bool(valid), err
}

// MatchesRemote reports whether an entry of a remoteSystemID list matches the id (draft 4.1.2, Table 5).
func MatchesRemote(remoteSystemIDs []string, id string) bool {
	data, length := chars(id)
	for _, entry := range remoteSystemIDs {
		pattern, patternLength := chars(entry)
		if C.skip_matches_remote(pattern, patternLength, data, length) {
			return true
		}
	}
	return false
}

// SchemaStyle is a style of JSON Schema.
type SchemaStyle string

// The styles.
const (
	// StrictSchema is ours (2020-12).
	StrictSchema SchemaStyle = "strict"
	// AsPublishedSchema is that of the draft (draft-04).
	AsPublishedSchema SchemaStyle = "as-published"
)

// Schema is the JSON Schema of a kind of message.
func Schema(kind MessageKind, style SchemaStyle) (string, error) {
	content, err := fill(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
		name, nameLength := chars(string(kind))
		styleName, styleLength := chars(string(style))
		return C.skip_schema(name, nameLength, styleName, styleLength, buffer, capacity, length)
	})
	return string(content), err
}

// Version is the version of the library.
func Version() string {
	return text(func(length *C.size_t) *C.char { return C.skip_version(length) })
}

func capabilitiesOf(handle *C.skip_capabilities) *Capabilities {
	return &Capabilities{
		LocalSystemID: text(func(length *C.size_t) *C.char {
			return C.skip_capabilities_local_system_id(handle, length)
		}),
		RemoteSystemIDs: texts(C.skip_capabilities_remote_system_id_count(handle),
			func(index C.size_t, length *C.size_t) *C.char {
				return C.skip_capabilities_remote_system_id(handle, index, length)
			}),
		Algorithm:       text(func(length *C.size_t) *C.char { return C.skip_capabilities_algorithm(handle, length) }),
		SupportsKey:     bool(C.skip_capabilities_supports_key(handle)),
		SupportsEntropy: bool(C.skip_capabilities_supports_entropy(handle)),
		Warnings:        problemsOf(C.skip_capabilities_warnings(handle)),
	}
}

func connectionOf(handle *C.skip_connection) *Connection {
	return &Connection{
		URL:         text(func(length *C.size_t) *C.char { return C.skip_connection_url(handle, length) }),
		Address:     text(func(length *C.size_t) *C.char { return C.skip_connection_address(handle, length) }),
		TLSVersion:  text(func(length *C.size_t) *C.char { return C.skip_connection_tls_version(handle, length) }),
		CipherSuite: text(func(length *C.size_t) *C.char { return C.skip_connection_cipher_suite(handle, length) }),
		Group:       text(func(length *C.size_t) *C.char { return C.skip_connection_group(handle, length) }),
		Warnings: texts(C.skip_connection_warning_count(handle),
			func(index C.size_t, length *C.size_t) *C.char {
				return C.skip_connection_warning(handle, index, length)
			}),
	}
}

func problemsOf(handle *C.skip_problems) []Problem {
	count := C.skip_problems_count(handle)
	if count == 0 {
		return nil
	}
	list := make([]Problem, 0, count)
	for i := range count {
		list = append(list, Problem{
			Path:     text(func(length *C.size_t) *C.char { return C.skip_problems_path(handle, i, length) }),
			Code:     text(func(length *C.size_t) *C.char { return C.skip_problems_code(handle, i, length) }),
			Message:  text(func(length *C.size_t) *C.char { return C.skip_problems_message(handle, i, length) }),
			Severity: text(func(length *C.size_t) *C.char { return C.skip_problems_severity(handle, i, length) }),
			Section:  text(func(length *C.size_t) *C.char { return C.skip_problems_section(handle, i, length) }),
		})
	}
	return list
}
