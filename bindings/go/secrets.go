package skip

/*
#include <skip_client.h>
*/
import "C"

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Key is a key from a Key Provider (draft 4.2) and its keyId. It is wiped by Close, or when it
// becomes unreachable.
type Key struct {
	secret
	id          string
	bits        int
	fingerprint string
	warnings    []Problem
}

// Entropy is random bytes from a Key Provider (draft 4.3). They are wiped by Close, or when they
// become unreachable.
type Entropy struct {
	secret
	bits     int
	warnings []Problem
}

// open counts the secrets that are not freed yet, for leak tests.
var open atomic.Int64

// secret is a handle that is freed exactly once, and never while it is in use.
type secret struct {
	using sync.RWMutex
	// C's handle types are incomplete, so they cannot be type arguments
	handle  unsafe.Pointer
	free    func(unsafe.Pointer)
	cleanup runtime.Cleanup
}

// Close wipes the secret. Its other properties, such as the length, remain available. A second Close does nothing.
func (s *secret) Close() error {
	s.using.Lock()
	defer s.using.Unlock()
	if s.handle != nil {
		s.cleanup.Stop()
		s.free(s.handle)
		s.handle = nil
	}
	return nil
}

// with keeps the handle from being freed while a function uses it.
func (s *secret) with(do func(unsafe.Pointer) error) error {
	s.using.RLock()
	defer s.using.RUnlock()
	if s.handle == nil {
		return &Error{
			Code: CodeInvalidArgument, Side: SideYou, Advice: AdviceNo, Message: "the secret was closed, and is wiped",
			Hint: "use it before Close",
		}
	}
	return do(s.handle)
}

func newKey(handle *C.skip_key) *Key {
	open.Add(1)
	free := func(handle unsafe.Pointer) {
		C.skip_key_free((*C.skip_key)(handle))
		open.Add(-1)
	}
	key := &Key{
		secret:      secret{handle: unsafe.Pointer(handle), free: free},
		id:          text(func(length *C.size_t) *C.char { return C.skip_key_id(handle, length) }),
		bits:        int(C.skip_key_bits(handle)),
		fingerprint: text(func(length *C.size_t) *C.char { return C.skip_key_fingerprint(handle, length) }),
		warnings:    problemsOf(C.skip_key_warnings(handle)),
	}
	key.cleanup = runtime.AddCleanup(key, free, unsafe.Pointer(handle))
	return key
}

// ID is the keyId, as received for a fresh key, or as requested for a key by its keyId.
func (k *Key) ID() string { return k.id }

// Bits is the length of the key in bits.
func (k *Key) Bits() int { return k.bits }

// Fingerprint is eight hexadecimal digits that are equal at both ends if the keys are. It is for
// people; programs use Equal.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Warnings returns the warnings about a valid reply.
func (k *Key) Warnings() []Problem { return k.warnings }

// Use lends the key's bytes to a function and wipes them when it returns. It returns the function's
// error.
func (k *Key) Use(borrow func(secret []byte) error) error {
	return k.with(func(handle unsafe.Pointer) error {
		return lend(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
			return C.skip_key_copy((*C.skip_key)(handle), buffer, capacity, length)
		}, borrow)
	})
}

// Format is an export format of a key.
type Format string

// The forms; see docs/command-line.md.
const (
	Hex        Format = "hex"
	Base64     Format = "base64"
	Raw        Format = "raw"
	StrongSwan Format = "strongswan"
	Libreswan  Format = "libreswan"
	VyOS       Format = "vyos"
	WireGuard  Format = "wireguard"
	WPA        Format = "wpa"
	Cisco      Format = "cisco"
)

// Export lends the key in the form that a consumer wants, as Use does.
func (k *Key) Export(format Format, borrow func(secret []byte) error) error {
	return k.with(func(handle unsafe.Pointer) error {
		return lend(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
			data, formatLength := chars(string(format))
			return C.skip_key_export((*C.skip_key)(handle), data, formatLength, buffer, capacity, length)
		}, borrow)
	})
}

// Equal says whether two keys have equal bytes, in constant time; keyIds are not compared, and a closed key equals none.
func (k *Key) Equal(other *Key) bool {
	if k == other {
		return k != nil && k.with(func(unsafe.Pointer) error { return nil }) == nil
	}
	if k == nil || other == nil {
		return false
	}
	equal := false
	// errors: one of them was closed
	_ = k.with(func(one unsafe.Pointer) error {
		return other.with(func(two unsafe.Pointer) error {
			equal = bool(C.skip_key_equal((*C.skip_key)(one), (*C.skip_key)(two)))
			return nil
		})
	})
	return equal
}

// String shows the keyId and the length.
func (k *Key) String() string { return fmt.Sprintf("skip.Key(%s, %d bits, [redacted])", k.id, k.bits) }

// Format shows the same for every verb.
func (k *Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// LogValue shows the keyId and the length.
func (k *Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("keyId", k.id), slog.Int("bits", k.bits))
}

// MarshalText shows the same: encoders of logs and configurations never write a key.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func newEntropy(handle *C.skip_entropy) *Entropy {
	open.Add(1)
	free := func(handle unsafe.Pointer) {
		C.skip_entropy_free((*C.skip_entropy)(handle))
		open.Add(-1)
	}
	entropy := &Entropy{
		secret:   secret{handle: unsafe.Pointer(handle), free: free},
		bits:     int(C.skip_entropy_bits(handle)),
		warnings: problemsOf(C.skip_entropy_warnings(handle)),
	}
	entropy.cleanup = runtime.AddCleanup(entropy, free, unsafe.Pointer(handle))
	return entropy
}

// Bits is the entropy in bits according to the Key Provider, at least as much as requested.
func (e *Entropy) Bits() int { return e.bits }

// Warnings returns the warnings about a valid reply.
func (e *Entropy) Warnings() []Problem { return e.warnings }

// Use lends the random bytes, at least Bits bits, to a function and wipes them when it returns. It
// returns the function's error.
func (e *Entropy) Use(borrow func(secret []byte) error) error {
	return e.with(func(handle unsafe.Pointer) error {
		return lend(func(buffer *C.uint8_t, capacity C.size_t, length *C.size_t) *C.skip_error {
			return C.skip_entropy_copy((*C.skip_entropy)(handle), buffer, capacity, length)
		}, borrow)
	})
}

// String shows the number of bits.
func (e *Entropy) String() string { return fmt.Sprintf("skip.Entropy(%d bits, [redacted])", e.bits) }

// Format shows the same for every verb.
func (e *Entropy) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, e.String()) }

// LogValue shows the number of bits.
func (e *Entropy) LogValue() slog.Value { return slog.GroupValue(slog.Int("bits", e.bits)) }

// MarshalText shows the same.
func (e *Entropy) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
