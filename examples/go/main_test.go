package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

const sockets = "/var/run/wireguard"

// Both sites rotate, and their devices have the same key. A device is what wgctrl sees of wireguard-go: a socket.
func TestRotate(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make a device: sudo make test-go")
	}
	dir := filepath.Join(t.TempDir(), "kp")
	serve := exec.Command(os.Getenv("SKIP_TEST_PROGRAM"), "serve", "--dir", dir, "--alice", "127.0.0.1:0",
		"--bob", "127.0.0.1:0", "--psk-alice", "127.0.0.1:0", "--psk-bob", "127.0.0.1:0")
	output, err := serve.StdoutPipe()
	must(t, err)
	must(t, serve.Start())
	t.Cleanup(func() { _ = serve.Process.Kill(); _ = serve.Wait() })
	for lines := bufio.NewScanner(output); lines.Scan() && lines.Text() != "ready"; {
	}
	content, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	must(t, err)
	var endpoints struct{ Alice, Bob struct{ URL string } }
	must(t, json.Unmarshal(content, &endpoints))

	peer, err := wgtypes.GenerateKey()
	must(t, err)
	here, there := device(t, "here"), device(t, "there")
	ca := filepath.Join(dir, "ca.pem")
	keyID, err := rotate(context.Background(), endpoints.Alice.URL, ca, "Bob", here.name, peer.String(), nil)
	must(t, err)
	_, err = rotate(context.Background(), endpoints.Bob.URL, ca, "Alice", there.name, peer.String(), []string{keyID})
	must(t, err)
	one, other := <-here.set, <-there.set
	if len(one["preshared_key"]) != 64 || one["preshared_key"] != other["preshared_key"] {
		t.Error("the two sites have different keys")
	}
	if one["public_key"] != hex.EncodeToString(peer[:]) || one["update_only"] != "true" {
		t.Error("another peer was changed")
	}
}

type fake struct {
	name string
	set  chan map[string]string
}

// device answers as a WireGuard in user space does: `get=1` shows it, `set=1` changes it.
func device(t *testing.T, name string) fake {
	t.Helper()
	must(t, os.MkdirAll(sockets, 0o700))
	made := fake{fmt.Sprintf("skip-%s-%d", name, os.Getpid()), make(chan map[string]string, 8)}
	listener, err := net.Listen("unix", filepath.Join(sockets, made.name+".sock"))
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			asked := map[string]string{}
			for lines := bufio.NewScanner(connection); lines.Scan() && lines.Text() != ""; {
				name, value, _ := strings.Cut(lines.Text(), "=")
				asked[name] = value
			}
			if asked["set"] == "1" {
				made.set <- asked
			}
			_, _ = fmt.Fprint(connection, "errno=0\n\n")
			_ = connection.Close()
		}
	}()
	return made
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
