package skip

/*
#include <skip_client.h>
*/
import "C"

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Options are the options of a client. The zero value of each field is its default. At least one of
// CA, CAFile, SystemCA, Pin, PSK and PSKFile is required.
//
// The tags are the names of the options in the core's table; "=" precedes the value that the field
// sets, and "file" marks an option whose value is in a file.
type Options struct {
	// CA has the certificates of the CAs to trust, in PEM form.
	CA []byte `option:"ca"`
	// CAFile is the path of such a file. A client reads this and the other files when it is created,
	// and reloads them when they change.
	CAFile string `file:"ca"`
	// SystemCA also trusts the system's store.
	SystemCA bool `option:"ca=system"`
	// Cert is the client certificate with its chain, in PEM form, or PKCS#12 with both it and its private key.
	Cert []byte `option:"cert"`
	// CertFile is the path of such a file.
	CertFile string `file:"cert"`
	// Key is the private key of the client certificate, in PEM form. New copies it; wiping this copy is up to the caller.
	Key []byte `option:"key"`
	// KeyFile is the path of such a file.
	KeyFile string `file:"key"`
	// KeyPassword is the password of an encrypted Key (PKCS#8), or of a Cert that is PKCS#12.
	KeyPassword []byte `option:"key_password"`
	// KeyPasswordFile is the path of a file with the password in its first line.
	KeyPasswordFile string `file:"key_password"`
	// PSK is the pre-shared key, instead of certificates.
	PSK *PSK `option:"psk"`
	// PSKFile is the path of a file with a line identity:hex.
	PSKFile string `file:"psk"`
	// PSKIdentity selects a line of PSKFile, or names the key of a file with hex alone.
	PSKIdentity string

	// options:fields begin (core/tests/front_ends.rs writes it)

	// ServerName: The name that the Key Provider's certificate must have, instead of the URL's host.
	ServerName string `option:"server_name"`

	// Pin: The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`.
	Pin string `option:"pin"`

	// TLS: Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3.
	TLS string `option:"tls"`

	// ForwardSecrecy: Refuse cipher suites without forward secrecy.
	ForwardSecrecy bool `option:"forward_secrecy=true"`

	// NoPostQuantum: do not offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger.
	NoPostQuantum bool `option:"post_quantum=false"`

	// Timeout: Time for the whole call; 10 s unless given.
	Timeout time.Duration `option:"timeout"`

	// ConnectTimeout: Time for resolving the name, TCP and TLS of one Key Provider together; 3 s unless given.
	ConnectTimeout time.Duration `option:"connect_timeout"`

	// Proxy: URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored.
	Proxy string `option:"proxy"`

	// SourceAddress: Local IP address to connect from.
	SourceAddress string `option:"source_address"`

	// Lenient: Accept some known deviations of real Key Providers from the draft.
	Lenient bool `option:"lenient=true"`

	// NoCheckRemote: do not refuse locally what the capabilities exclude, such as a remote that they do not list.
	NoCheckRemote bool `option:"check_remote=false"`

	// WaitWhenBusy: Total time to keep retrying while a Key Provider is busy (429, 503); 0 s unless given.
	WaitWhenBusy time.Duration `option:"wait_when_busy"`

	// Legacy: Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure.
	Legacy bool `option:"legacy=true"`
	// options:fields end

	// URLs are further Key Providers, used when those before them cannot be reached.
	URLs []string
	// MaxCalls is the maximum number of concurrent calls, each on its own thread; 128 by default.
	// Other calls wait without a thread, until their context ends.
	MaxCalls int
}

// PSK is a pre-shared key of TLS.
type PSK struct {
	// Identity is the name of the key, which TLS sends in the clear.
	Identity string
	// Secret is the key. For a router's text key, these are the bytes of the text.
	Secret []byte
	// Form says how Secret is written: Raw (the default), Hex or Base64.
	Form Format
}

// String shows only the identity.
func (p PSK) String() string { return "skip.PSK(" + p.Identity + ", [redacted])" }

// Format shows the same for every verb.
func (p PSK) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, p.String()) }

// MarshalText returns the same, so that encoders of logs and configurations never write a key.
func (p PSK) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String shows which options are set, and no value.
func (o Options) String() string {
	var names []string
	values := reflect.ValueOf(o)
	for i := range values.NumField() {
		if !values.Field(i).IsZero() {
			names = append(names, values.Type().Field(i).Name)
		}
	}
	return "skip.Options(" + strings.Join(names, ", ") + ")"
}

// Format shows the same for every verb.
func (o Options) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, o.String()) }

// MarshalText shows the same.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func (o *Options) maxCalls() int {
	if o.MaxCalls > 0 {
		return o.MaxCalls
	}
	return 128
}

// handle returns the options as a handle of the library, which must be freed even if there is an
// error.
func (o *Options) handle() (*C.skip_options, error) {
	set := C.skip_options_new()
	for _, url := range o.URLs {
		if err := setOption(set, "url", []byte(url)); err != nil {
			return set, err
		}
	}
	values := reflect.ValueOf(o).Elem()
	for i := range values.NumField() {
		if values.Field(i).IsZero() {
			continue
		}
		if name, ok := values.Type().Field(i).Tag.Lookup("file"); ok {
			n, nameLength := chars(name)
			path, length := chars(values.Field(i).String())
			var err error
			if name == "psk" && o.PSKIdentity != "" {
				identity, identityLength := chars(o.PSKIdentity)
				err = failure(C.skip_options_set_psk_file(set, path, length, identity, identityLength))
			} else {
				err = failure(C.skip_options_set_file(set, n, nameLength, path, length))
			}
			if err != nil {
				return set, err
			}
			continue
		}
		tag, ok := values.Type().Field(i).Tag.Lookup("option")
		if !ok {
			continue
		}
		name, fixed, _ := strings.Cut(tag, "=")
		var err error
		switch value := values.Field(i).Interface().(type) {
		case bool:
			err = setOption(set, name, []byte(fixed))
		case string:
			err = setOption(set, name, []byte(value))
		case []byte:
			err = setOption(set, name, value)
		case time.Duration:
			err = setOption(set, name, []byte(strconv.FormatFloat(value.Seconds(), 'f', -1, 64)))
		case *PSK:
			identity, length := chars(value.Identity)
			form, formLength := chars(string(cmp.Or(value.Form, Raw)))
			secret, secretLength := charsOf(value.Secret)
			err = failure(C.skip_options_set_psk(
				set, identity, length, form, formLength, (*C.uint8_t)(unsafe.Pointer(secret)), secretLength))
		}
		if err != nil {
			return set, err
		}
	}
	return set, nil
}

func setOption(set *C.skip_options, name string, value []byte) error {
	n, nameLength := chars(name)
	v, valueLength := charsOf(value)
	return failure(C.skip_options_set(set, n, nameLength, v, valueLength))
}

// optionNames are the options of the core's table.
func optionNames() []string {
	var names []string
	for i := C.size_t(0); ; i++ {
		name := text(func(length *C.size_t) *C.char { return C.skip_option_name(i, length) })
		if name == "" {
			return names
		}
		names = append(names, name)
	}
}
