package skip_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

func TestFilesAreReadAgain(t *testing.T) {
	pair := startPair(t)
	path := filepath.Join(t.TempDir(), "ca.pem")
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(pair.file(t, "ca.pem"))
	client, err := skip.New(pair.alice.URL, skip.Options{CAFile: path})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Capabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	write([]byte("half written"))
	if _, err := client.RefreshCapabilities(t.Context()); err != nil {
		t.Fatalf("the earlier CA is no longer used: %v", err)
	}
	if _, err := skip.New(pair.alice.URL, skip.Options{CAFile: path}); err == nil || !strings.Contains(err.Error(), " CA: ") {
		t.Fatalf("%v", err)
	}
}

func TestErrorsHaveTheNamesOfFields(t *testing.T) {
	for _, test := range []struct {
		options       skip.Options
		message, hint string
	}{
		{skip.Options{SystemCA: true, TLS: "1.1"}, "TLS: must be auto", `TLS: "auto"`},
		{skip.Options{}, "CA: nothing says", "SystemCA: true"},
		{skip.Options{SystemCA: true, Cert: []byte("x")}, "Key: is missing", "Cert and Key"},
		{skip.Options{SystemCA: true, CertFile: "/nowhere"}, "Cert: the file cannot be read", "path"},
	} {
		_, err := skip.New("https://kp", test.options)
		failed, ok := err.(*skip.Error)
		if !ok || !strings.HasPrefix(failed.Message, test.message) || !strings.Contains(failed.Hint, test.hint) {
			t.Errorf("%v: %+v", test.options, failed)
		}
	}
}

func TestACallHasItsOwnTimeout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	options := skip.Options{SystemCA: true, Timeout: time.Hour, ConnectTimeout: time.Hour}
	client, err := skip.New("https://"+silent.Addr().String(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Capabilities(skip.WithTimeout(context.Background(), 50*time.Millisecond))
	if failed, ok := err.(*skip.Error); !ok || failed.Code != "timed_out" {
		t.Fatalf("%v", err)
	}
}
