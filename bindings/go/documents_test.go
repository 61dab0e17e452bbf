package skip_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"regexp"
	"strings"
	"testing"

	skip "github.com/skip-client/skip-client/bindings/go"
)

// The Go blocks of README.md and of the guide are the code of these tests, word for word.
func TestReadme(t *testing.T) {
	kps := startPair(t)
	alice, bob, pem, ctx := kps.alice.URL, kps.bob.URL, kps.file(t, "ca.pem"), context.Background()
	fetch := func() error {
		kp, err := skip.New(alice, skip.Options{CA: pem})
		if err != nil {
			return err
		}
		defer kp.Close()
		key, err := kp.NewKey(ctx, "Bob", skip.Size(256)) // at site A
		if err != nil {
			return err
		}
		defer key.Close()                        // wipes it
		log.Println(key.ID(), key.Fingerprint()) // the keyId goes to the other encryptor

		peer, err := skip.New(bob, skip.Options{CA: pem})
		if err != nil {
			return err
		}
		same, err := peer.KeyByID(ctx, key.ID(), "Alice") // at site B
		if err != nil {
			return err
		}
		log.Println(same.Equal(key)) // compared in constant time
		return nil
	}
	must(t, fetch())
}

func TestGuide(t *testing.T) {
	kps := startPair(t)
	alice, bob, pem, ctx := kps.alice.URL, kps.bob.URL, kps.file(t, "ca.pem"), context.Background()
	install := func(secret []byte) error {
		if len(secret) != 44 && len(secret) != 32 {
			return errors.New("that is no key")
		}
		return nil
	}
	fetch := func() error {
		kp, err := skip.New(alice, skip.Options{CA: pem}) // one for many goroutines
		if err != nil {
			return err
		}
		defer kp.Close()
		caps, err := kp.Capabilities(ctx)
		if err != nil {
			return err
		}
		fmt.Println(caps.LocalSystemID, "reaches", caps.RemoteSystemIDs)

		key, err := kp.NewKey(ctx, "Bob", skip.Size(256))
		if err != nil {
			return err
		}
		defer key.Close()                        // wipes it
		if err := key.Use(install); err != nil { // func(secret []byte) error; wiped afterwards
			return err
		}
		return key.Export(skip.WireGuard, install)
	}
	must(t, fetch())

	peer := client(t, bob, skip.Options{CA: pem})
	const unknown = "00112233445566778899aabbccddeeff"
	_, err := peer.KeyByID(ctx, unknown, "Alice")
	var failed *skip.Error
	if errors.As(err, &failed) && failed.Advice == skip.AdviceNewKey {
		fmt.Println(failed, failed.Hint) // the initiator has to ask for another key
	}
	if failed == nil || failed.Code != skip.CodeRejected {
		t.Error(err)
	}
}

func TestTheDocumentsHaveThisCode(t *testing.T) {
	code := lines(string(read(t, "documents_test.go")))
	for _, page := range []string{"README.md", "docs/fetch-a-key-from-go.md"} {
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(read(t, root+"/"+page)), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no block", page)
		}
		for _, block := range blocks {
			if !strings.Contains(code, lines(block[1])) {
				t.Errorf("%s: not the code of a test:\n%s", page, block[1])
			}
		}
	}
}

// lines returns text without indentation and empty lines, and with one space between words.
func lines(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 {
			kept = append(kept, strings.Join(words, " "))
		}
	}
	return strings.Join(kept, "\n")
}
