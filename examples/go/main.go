// Rotate gives a WireGuard peer a new pre-shared key from a Key Provider: rotate URL CA REMOTE DEVICE PEER [KEYID]
//
// The initiator's side prints the keyId; the responder's side is given it. Both ends need the key before the next handshake.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

func main() {
	if len(os.Args) < 6 {
		log.Fatal("usage: rotate URL CA REMOTE DEVICE PEER [KEYID]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	keyID, err := rotate(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6:])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(keyID)
}

func rotate(ctx context.Context, url, ca, remote, device, peer string, keyID []string) (string, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return "", err
	}
	public, err := wgtypes.ParseKey(peer)
	if err != nil {
		return "", err
	}
	kp, err := skip.New(url, skip.Options{CA: pem})
	if err != nil {
		return "", err
	}
	defer kp.Close()
	fetch := func() (*skip.Key, error) { return kp.NewKey(ctx, remote, skip.Size(256)) }
	if len(keyID) > 0 {
		fetch = func() (*skip.Key, error) { return kp.KeyByID(ctx, keyID[0], remote) }
	}
	key, err := fetch()
	if err != nil {
		return "", err
	}
	defer key.Close()
	return key.ID(), key.Use(func(secret []byte) error { return configure(device, public, secret) })
}

func configure(device string, public wgtypes.Key, secret []byte) error {
	wireguard, err := wgctrl.New()
	if err != nil {
		return err
	}
	defer wireguard.Close()
	preshared, err := wgtypes.NewKey(secret)
	if err != nil {
		return err
	}
	defer clear(preshared[:])
	change := wgtypes.PeerConfig{PublicKey: public, UpdateOnly: true, PresharedKey: &preshared}
	return wireguard.ConfigureDevice(device, wgtypes.Config{Peers: []wgtypes.PeerConfig{change}})
}
