// Package skip fetches quantum-safe keys from a Key Provider of the Secure Key Integration Protocol
// (draft-cisco-skip-02), over TLS with certificates or with a pre-shared key.
//
//	kp, err := skip.New("https://kp-alice:8443", skip.Options{CA: pem})
//	key, err := kp.NewKey(ctx, "Bob", skip.Size(256))
//	defer key.Close()
//	err = key.Use(func(secret []byte) error { return install(secret) })
//
// It is a layer over the project's C library (libskip_client), which includes its own TLS, because
// Go's does not support pre-shared keys. Lengths are in bits. Keys stay in the library's memory,
// which is locked in RAM where the system allows it, and are wiped by Close; String, fmt and slog
// never show them.
package skip

/*
#cgo pkg-config: skip-client-static
#cgo noescape skip_client_new
#cgo nocallback skip_client_new
#cgo noescape skip_client_capabilities
#cgo nocallback skip_client_capabilities
#cgo noescape skip_client_new_key
#cgo nocallback skip_client_new_key
#cgo noescape skip_client_key_by_id
#cgo nocallback skip_client_key_by_id
#cgo noescape skip_client_entropy
#cgo nocallback skip_client_entropy
#include <skip_client.h>
*/
import "C"

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Client is a client of one Key Provider, or of several in order of preference. It is safe for use by several
// goroutines at once.
type Client struct {
	// a call holds it for reading; Close locks it to free the handle
	using  sync.RWMutex
	handle *C.skip_client
	closed *Error
	// a call in the library occupies a thread of the operating system
	turns   chan struct{}
	cleanup runtime.Cleanup
	ending  sync.Once
}

// New creates a client of the Key Provider at url (https://host[:port][/path]). It does not connect yet.
func New(url string, options Options) (*Client, error) {
	set, err := options.handle()
	defer C.skip_options_free(set)
	if err != nil {
		return nil, err
	}
	var handle *C.skip_client
	data, length := chars(url)
	if err := failure(C.skip_client_new(data, length, set, &handle)); err != nil {
		return nil, err
	}
	client := &Client{handle: handle, turns: make(chan struct{}, options.maxCalls())}
	client.cleanup = runtime.AddCleanup(client, func(handle *C.skip_client) { C.skip_client_free(handle) }, handle)
	return client, nil
}

// Close cancels the running calls and all later ones, and frees the client. Its keys remain valid.
func (c *Client) Close() error {
	c.ending.Do(func() {
		c.using.RLock()
		C.skip_client_close(c.handle)
		// the library's error for all later calls
		var none *C.skip_capabilities
		closed := failure(C.skip_client_capabilities(c.handle, false, nil, &none))
		c.using.RUnlock()

		c.using.Lock()
		defer c.using.Unlock()
		c.closed, _ = closed.(*Error)
		c.cleanup.Stop()
		C.skip_client_free(c.handle)
		c.handle = nil
	})
	return nil
}

// Capabilities returns the Key Provider's capabilities (draft 4.1): fetched once, then cached.
func (c *Client) Capabilities(ctx context.Context) (*Capabilities, error) {
	return c.capabilities(ctx, false)
}

// RefreshCapabilities fetches them again.
func (c *Client) RefreshCapabilities(ctx context.Context) (*Capabilities, error) {
	return c.capabilities(ctx, true)
}

func (c *Client) capabilities(ctx context.Context, refresh bool) (*Capabilities, error) {
	var handle *C.skip_capabilities
	err := c.call(ctx, func(client *C.skip_client, token *C.skip_cancel_token) *C.skip_error {
		return C.skip_client_capabilities(client, C.bool(refresh), token, &handle)
	})
	if err != nil {
		return nil, err
	}
	defer C.skip_capabilities_free(handle)
	return capabilitiesOf(handle), nil
}

// KeyOption is an option of NewKey.
type KeyOption func(*keyRequest)

type keyRequest struct{ bits int }

// Size requests a key of this many bits, a multiple of 8 from 8 to 65536; without it the Key Provider chooses.
func Size(bits int) KeyOption {
	return func(request *keyRequest) { request.bits = bits }
}

// NewKey requests a fresh key, shared with the Key Provider remote (draft 4.2). If an error has the
// advice NewKey, the key of this request may be lost: request another one.
func (c *Client) NewKey(ctx context.Context, remote string, options ...KeyOption) (*Key, error) {
	// 0 means no size in the library, so a size of 0 is passed as one that is too large, which it refuses
	request := keyRequest{bits: unset}
	for _, option := range options {
		option(&request)
	}
	bits := bitLength(request.bits)
	var handle *C.skip_key
	err := c.call(ctx, func(client *C.skip_client, token *C.skip_cancel_token) *C.skip_error {
		data, length := chars(remote)
		return C.skip_client_new_key(client, data, length, bits, token, &handle)
	})
	if err != nil {
		return nil, err
	}
	return newKey(handle), nil
}

// KeyByID requests the key that the initiator got from the Key Provider remote under keyID (draft 4.2). A Key Provider
// gives it once.
func (c *Client) KeyByID(ctx context.Context, keyID, remote string) (*Key, error) {
	var handle *C.skip_key
	err := c.call(ctx, func(client *C.skip_client, token *C.skip_cancel_token) *C.skip_error {
		id, idLength := chars(keyID)
		data, length := chars(remote)
		return C.skip_client_key_by_id(client, id, idLength, data, length, token, &handle)
	})
	if err != nil {
		return nil, err
	}
	return newKey(handle), nil
}

// Entropy requests random bytes with at least this many bits of entropy (draft 4.3): a multiple of
// 8 from 8 to 65536, or 0 for the Key Provider's default.
func (c *Client) Entropy(ctx context.Context, bits int) (*Entropy, error) {
	if bits == 0 {
		bits = unset
	}
	var handle *C.skip_entropy
	err := c.call(ctx, func(client *C.skip_client, token *C.skip_cancel_token) *C.skip_error {
		return C.skip_client_entropy(client, bitLength(bits), token, &handle)
	})
	if err != nil {
		return nil, err
	}
	return newEntropy(handle), nil
}

// Connection returns information about the last connection; nil before the first one.
func (c *Client) Connection() *Connection {
	c.using.RLock()
	defer c.using.RUnlock()
	handle := C.skip_client_connection(c.handle)
	if handle == nil {
		return nil
	}
	defer C.skip_connection_free(handle)
	return connectionOf(handle)
}

type callTimeout struct{}

// WithTimeout returns a context whose calls have this timeout instead of Options.Timeout; it may be
// longer. The context's own deadline still applies.
func WithTimeout(ctx context.Context, timeout time.Duration) context.Context {
	return context.WithValue(ctx, callTimeout{}, timeout)
}

// call waits for a free slot, and cancels the call when the context ends.
func (c *Client) call(ctx context.Context, ask func(*C.skip_client, *C.skip_cancel_token) *C.skip_error) error {
	select {
	case c.turns <- struct{}{}:
	default:
		select {
		case c.turns <- struct{}{}:
		case <-ctx.Done():
			return notAsked(ctx)
		}
	}
	defer func() { <-c.turns }()
	c.using.RLock()
	defer c.using.RUnlock()
	if c.handle == nil {
		return c.closed
	}
	timeout, hasTimeout := ctx.Value(callTimeout{}).(time.Duration)
	if ctx.Done() == nil && !hasTimeout {
		return failure(ask(c.handle, nil))
	}
	if ctx.Err() != nil {
		return notAsked(ctx)
	}
	token := C.skip_cancel_token_new()
	defer C.skip_cancel_token_free(token)
	if hasTimeout {
		// 0 would be the client's
		milliseconds := min(max(timeout.Milliseconds(), 1), 1<<32-1)
		C.skip_cancel_token_set_timeout(token, C.uint32_t(milliseconds))
	}
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.skip_cancel(token)
		close(cancelled)
	})
	err := failure(ask(c.handle, token))
	if !stop() {
		// the token is in use until then
		<-cancelled
		if failed, ok := err.(*Error); ok {
			failed.cause = context.Cause(ctx)
		}
	}
	return err
}

const (
	unset = -1 << 31
	// more than any length may have
	tooLong = 1 << 31
)

// bitLength converts a length for the library: 0 if there was none, and an invalid length for a
// number out of range.
func bitLength(bits int) C.uint32_t {
	switch {
	case bits == unset:
		return 0
	case bits <= 0 || bits > tooLong:
		return tooLong
	}
	return C.uint32_t(bits)
}
