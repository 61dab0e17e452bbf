package skip_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

const root = "../.."

// server is a program that the tests start, and stop at the end of the test.
type server struct{ output *bufio.Scanner }

func start(t testing.TB, name string, arguments ...string) server {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	must(t, err)
	input, err := command.StdinPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return server{bufio.NewScanner(output)}
}

// pair is a pair of development Key Providers on free ports of 127.0.0.1.
type pair struct {
	dir        string
	alice, bob endpoint
}

type endpoint struct {
	URL    string `json:"url"`
	PSKURL string `json:"psk_url"`
}

func startPair(t testing.TB, arguments ...string) pair {
	t.Helper()
	program := os.Getenv("SKIP_TEST_PROGRAM")
	if program == "" {
		t.Fatal("run the tests by: make test-go")
	}
	dir := filepath.Join(t.TempDir(), "kp")
	command := []string{"serve", "--dir", dir}
	for _, name := range []string{"--alice", "--bob", "--psk-alice", "--psk-bob"} {
		command = append(command, name, "127.0.0.1:0")
	}
	serving := start(t, program, append(command, arguments...)...)
	for serving.output.Scan() && serving.output.Text() != "ready" {
	}
	var endpoints struct{ Alice, Bob endpoint }
	must(t, json.Unmarshal(read(t, filepath.Join(dir, "endpoints.json")), &endpoints))
	return pair{dir, endpoints.Alice, endpoints.Bob}
}

func (p pair) file(t testing.TB, name string) []byte {
	t.Helper()
	return read(t, filepath.Join(p.dir, name))
}

// mode is a way to authenticate: the URLs of Alice and Bob, and options for a busy machine.
type mode struct {
	name       string
	alice, bob string
	options    skip.Options
}

func (p pair) modes(t testing.TB) []mode {
	t.Helper()
	options := skip.Options{Timeout: time.Minute, ConnectTimeout: time.Minute}
	certificates, psk := options, options
	certificates.CA = p.file(t, "ca.pem")
	certificates.Cert, certificates.Key = p.file(t, "client.pem"), p.file(t, "client.key")
	line := strings.TrimSpace(string(p.file(t, "psk.txt")))
	colon := strings.LastIndex(line, ":")
	var secret []byte
	_, err := fmt.Sscanf(line[colon+1:], "%x", &secret)
	must(t, err)
	psk.PSK = &skip.PSK{Identity: line[:colon], Secret: secret}
	return []mode{
		{"certificates", p.alice.URL, p.bob.URL, certificates},
		{"psk", p.alice.PSKURL, p.bob.PSKURL, psk},
	}
}

// client is closed with the test.
func client(t testing.TB, url string, options skip.Options) *skip.Client {
	t.Helper()
	kp, err := skip.New(url, options)
	must(t, err)
	t.Cleanup(func() { must(t, kp.Close()) })
	return kp
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}
