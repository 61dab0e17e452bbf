package skip_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

// lineLog keeps what a logger writes, from any goroutine.
type lineLog struct {
	mutex sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func (l *lineLog) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.text.Write(line)
}

func (l *lineLog) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// until waits for a line that has all these words.
func (l *lineLog) until(t *testing.T, words ...string) {
	t.Helper()
	patience := time.After(time.Minute)
	for {
		for line := range strings.Lines(l.String()) {
			found := 0
			for _, word := range words {
				if strings.Contains(line, word) {
					found++
				}
			}
			if found == len(words) {
				return
			}
		}
		select {
		case <-l.wrote:
		case <-patience:
			t.Fatalf("no line has %q:\n%s", words, l)
		}
	}
}

func TestALoggerGetsLinesAboutConnectionsWithoutSecrets(t *testing.T) {
	ctx := context.Background()
	kps := startPair(t, "--quirk", "classic-psk", "--fault", "entropy-503")
	modes := kps.modes(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed := "https://" + listener.Addr().String()
	must(t, listener.Close())

	log := &lineLog{wrote: make(chan struct{}, 1)}
	var level slog.LevelVar
	level.Set(slog.LevelDebug)
	skip.SetLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: &level})))
	t.Cleanup(func() { skip.SetLogger(nil) })

	var secrets []string
	keep := func(secret []byte) error {
		secrets = append(secrets, hex.EncodeToString(secret))
		return nil
	}
	certificates := modes[0]
	certificates.options.URLs = []string{certificates.alice}
	first := client(t, closed, certificates.options)
	key, err := first.NewKey(ctx, "Bob")
	must(t, err)
	must(t, key.Use(keep))
	log.until(t, "level=WARN", closed, "; trying "+certificates.alice)
	log.until(t, "level=DEBUG", certificates.alice+": connected to 127.0.0.1:", "TLS 1.3")

	psk := modes[1]
	must(t, keep(psk.options.PSK.Secret))
	psk.options.WaitWhenBusy = time.Second
	second := client(t, psk.alice, psk.options)
	key, err = second.NewKey(ctx, "Bob")
	must(t, err)
	must(t, key.Use(keep))
	log.until(t, "level=INFO", "the handshake for TLS 1.3 with SHA-384 failed: ")
	_, err = second.Entropy(ctx, 256)
	if err == nil {
		t.Error("the Key Provider is busy")
	}
	log.until(t, "level=INFO", psk.alice+": busy; asking again in 1 s")
	for _, secret := range secrets {
		if strings.Contains(strings.ToLower(log.String()), secret) {
			t.Error("a secret is in a line")
		}
	}

	// the logger's level may change; and nothing is logged after it was removed
	before := strings.Count(log.String(), "level=DEBUG")
	level.Set(slog.LevelWarn)
	_, err = client(t, certificates.alice, modes[0].options).Capabilities(ctx)
	must(t, err)
	skip.SetLogger(nil)
	all := log.String()
	_, err = client(t, closed, certificates.options).Capabilities(ctx)
	must(t, err)
	if log.String() != all || strings.Count(all, "level=DEBUG") != before {
		t.Errorf("more lines than wanted:\n%s", log)
	}
}

func TestALoggerCanBeReplacedWhileCallsRun(t *testing.T) {
	kps := startPair(t)
	mode := kps.modes(t)[0]
	var running sync.WaitGroup
	for range 4 {
		running.Add(1)
		go func() {
			defer running.Done()
			for range 5 {
				kp, err := skip.New(mode.alice, mode.options)
				if err == nil {
					_, err = kp.Capabilities(context.Background())
					_ = kp.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range 20 {
		skip.SetLogger(slog.New(slog.DiscardHandler))
	}
	skip.SetLogger(nil)
	running.Wait()
}
