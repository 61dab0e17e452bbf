package skip_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

func TestBothEndsHaveTheSameKey(t *testing.T) {
	kps := startPair(t)
	ctx := context.Background()
	for _, mode := range kps.modes(t) {
		alice, bob := client(t, mode.alice, mode.options), client(t, mode.bob, mode.options)
		if alice.Connection() != nil {
			t.Error("there was no connection yet")
		}
		capabilities, err := alice.Capabilities(ctx)
		must(t, err)
		if capabilities.LocalSystemID != "Alice" || !capabilities.MatchesRemote("Bob") || !capabilities.SupportsKey {
			t.Errorf("%s: %+v", mode.name, capabilities)
		}
		key, err := alice.NewKey(ctx, "Bob", skip.Size(512))
		must(t, err)
		same, err := bob.KeyByID(ctx, key.ID(), "Alice")
		must(t, err)
		if key.Bits() != 512 || !key.Equal(same) || key.Fingerprint() != same.Fingerprint() {
			t.Errorf("%s: %v and %v", mode.name, key, same)
		}
		other, err := alice.NewKey(ctx, "Bob")
		must(t, err)
		if other.Bits() != 256 || key.Equal(other) {
			t.Errorf("%s: %v equals %v", mode.name, key, other)
		}
		_, err = bob.KeyByID(ctx, key.ID(), "Alice")
		var failed *skip.Error
		if !errors.As(err, &failed) || failed.Advice != skip.AdviceNewKey || failed.Side != skip.SideProviderRefused ||
			failed.Status != 400 || failed.Hint == "" {
			t.Errorf("%s: %v", mode.name, err)
		}
		random, err := alice.Entropy(ctx, 384)
		must(t, err)
		must(t, random.Use(func(secret []byte) error {
			if random.Bits() != 384 || len(secret) != 48 {
				t.Errorf("%s: %v of %d bytes", mode.name, random, len(secret))
			}
			return nil
		}))
		connection := alice.Connection()
		if connection.TLSVersion != "TLS 1.3" || connection.CipherSuite != "TLS_AES_256_GCM_SHA384" {
			t.Errorf("%s: %+v", mode.name, connection)
		}
	}
}

func TestASecretIsWipedWhenItIsClosedAndWhatWasLentIsWiped(t *testing.T) {
	kps := startPair(t)
	mode := kps.modes(t)[0]
	key, err := client(t, mode.alice, mode.options).NewKey(context.Background(), "Bob")
	must(t, err)
	var lent []byte
	stop := errors.New("stop")
	err = key.Use(func(secret []byte) error {
		lent = secret
		if len(secret) != 32 || len(bytes.Trim(secret, "\x00")) == 0 {
			t.Error("that is no key")
		}
		return stop
	})
	if !errors.Is(err, stop) || !bytes.Equal(lent, make([]byte, 32)) {
		t.Errorf("%v, or what was lent is left", err)
	}
	must(t, key.Close())
	must(t, key.Close())
	used := func([]byte) error { t.Error("a closed key was lent"); return nil }
	if codeOf(key.Use(used)) != skip.CodeInvalidArgument || codeOf(key.Export(skip.Hex, used)) != skip.CodeInvalidArgument {
		t.Error("a closed key can be used")
	}
	if key.Equal(key) || key.Bits() != 256 || key.ID() == "" {
		t.Error("what is known of a closed key")
	}
}

func TestNoSecretIsShown(t *testing.T) {
	kps := startPair(t)
	mode := kps.modes(t)[1]
	key, err := client(t, mode.alice, mode.options).NewKey(context.Background(), "Bob")
	must(t, err)
	random, err := client(t, mode.alice, mode.options).Entropy(context.Background(), 256)
	must(t, err)
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{key, random, mode.options.PSK, *mode.options.PSK, mode.options, &mode.options} {
			fmt.Fprintf(&shown, verb+"\n", value)
		}
	}
	for _, logger := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(logger).Info("fetched", "key", key, "entropy", random, "psk", mode.options.PSK, "options", mode.options)
	}
	encoded, err := json.Marshal([]any{key, random, mode.options, mode.options.PSK})
	must(t, err)
	text := strings.ToLower(shown.String() + string(encoded))
	if !strings.Contains(text, strings.ToLower(key.ID())) {
		t.Error("the keyId may be shown")
	}
	check := func(secret []byte) error {
		encoded := base64.StdEncoding.EncodeToString(secret[:6])
		for _, form := range []string{hex.EncodeToString(secret[:8]), string(secret[:8]), fmt.Sprint(secret[:8]), encoded} {
			if strings.Contains(text, strings.ToLower(strings.Trim(form, "[]"))) {
				t.Error("a secret is shown")
			}
		}
		return nil
	}
	must(t, key.Use(check))
	must(t, random.Use(check))
	must(t, check(mode.options.PSK.Secret))
}

func TestAContextEndsACall(t *testing.T) {
	kps := startPair(t, "--fault", "stall")
	for _, mode := range kps.modes(t) {
		mode.options.NoCheckRemote = true
		kp := client(t, mode.alice, mode.options)
		var cancelled time.Time
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, func() { cancelled = time.Now(); cancel() })
		_, err := kp.NewKey(ctx, "Bob")
		t.Logf("%s: returned %v after the cancellation", mode.name, time.Since(cancelled))
		if codeOf(err) != skip.CodeConnectionLost || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", mode.name, err)
		}
		ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err = kp.NewKey(ctx, "Bob")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", mode.name, err)
		}
		_, err = kp.NewKey(ctx, "Bob")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: over before it began: %v", mode.name, err)
		}
	}
}

func TestCloseEndsCalls(t *testing.T) {
	kps := startPair(t, "--fault", "stall")
	mode := kps.modes(t)[0]
	mode.options.NoCheckRemote = true
	kp := client(t, mode.alice, mode.options)
	result := make(chan error)
	go func() {
		_, err := kp.NewKey(context.Background(), "Bob")
		result <- err
	}()
	time.Sleep(200 * time.Millisecond)
	must(t, kp.Close())
	if err := <-result; codeOf(err) != skip.CodeInvalidArgument {
		t.Error(err)
	}
	if _, err := kp.Capabilities(context.Background()); codeOf(err) != skip.CodeInvalidArgument {
		t.Error(err)
	}
	if kp.Connection() != nil {
		t.Error("a closed client has no connection")
	}
}

// Ten thousand waiting calls do not take ten thousand threads.
func TestWaitingCallsShareThreads(t *testing.T) {
	const calls, bound = 10_000, 32
	kps := startPair(t, "--fault", "stall")
	mode := kps.modes(t)[0]
	mode.options.NoCheckRemote, mode.options.MaxCalls = true, bound
	mode.options.Timeout = 10 * time.Minute
	kp := client(t, mode.alice, mode.options)
	threadsBefore, memoryBefore := status(t, "Threads"), status(t, "VmRSS")
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	failures := make(chan error, calls)
	for range calls {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			_, err := kp.NewKey(ctx, "Bob")
			failures <- err
		}()
	}
	time.Sleep(2 * time.Second)
	threads, memory := status(t, "Threads")-threadsBefore, status(t, "VmRSS")-memoryBefore
	began := time.Now()
	cancel()
	waiting.Wait()
	t.Logf("%d calls: %d threads and %d KiB more; all ended %v after the cancellation", calls, threads, memory, time.Since(began))
	if threads > bound+4*runtime.GOMAXPROCS(0)+16 {
		t.Errorf("%d threads", threads)
	}
	for range calls {
		if err := <-failures; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// status is a number of /proc/self/status.
func status(t *testing.T, name string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + `:\s*(\d+)`).FindSubmatch(read(t, "/proc/self/status"))
	var number int
	_, err := fmt.Sscan(string(found[1]), &number)
	must(t, err)
	return number
}

// For the race detector: one client and one key in many goroutines, closed while they are used.
func TestManyGoroutines(t *testing.T) {
	kps := startPair(t)
	for _, mode := range kps.modes(t) {
		kp := client(t, mode.alice, mode.options)
		key, err := kp.NewKey(context.Background(), "Bob")
		must(t, err)
		var all sync.WaitGroup
		for worker := range 16 {
			all.Add(1)
			go func() {
				defer all.Done()
				for round := range 8 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					if worker%4 == 3 {
						// ends somewhere in the call
						time.AfterFunc(time.Duration(worker*round)*100*time.Microsecond, cancel)
					}
					fresh, err := kp.NewKey(ctx, "Bob")
					cancel()
					if err == nil {
						_ = fresh.Equal(key)
						_ = fresh.Close()
					} else if worker%4 != 3 && codeOf(err) != skip.CodeInvalidArgument {
						t.Error(err)
					}
					_ = key.Use(func([]byte) error { return nil })
					_ = kp.Connection()
					if worker == 0 && round == 5 {
						_ = key.Close()
					}
					if worker == 1 && round == 6 {
						_ = kp.Close()
					}
				}
			}()
		}
		all.Wait()
	}
}

func TestWhatIsForgottenIsFreed(t *testing.T) {
	kps := startPair(t)
	mode := kps.modes(t)[0]
	before := skip.OpenSecrets()
	func() {
		kp := client(t, mode.alice, mode.options)
		for range 10 {
			_, err := kp.NewKey(context.Background(), "Bob")
			must(t, err)
		}
	}()
	for range 1000 {
		if skip.OpenSecrets() <= before {
			return
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d keys were not freed", skip.OpenSecrets()-before)
}

func TestOptions(t *testing.T) {
	kps := startPair(t)
	mode := kps.modes(t)[0]
	ctx := context.Background()
	for name, change := range map[string]func(*skip.Options){
		"TLS":            func(o *skip.Options) { o.TLS = "1.1" },
		"Timeout":        func(o *skip.Options) { o.Timeout = -time.Second },
		"ConnectTimeout": func(o *skip.Options) { o.ConnectTimeout = 1 << 62 },
		"Pin":            func(o *skip.Options) { o.Pin = "sha1/x" },
		"CA":             func(o *skip.Options) { o.CA = []byte("no PEM") },
		"Cert":           func(o *skip.Options) { o.Key = nil },
		"PSK":            func(o *skip.Options) { o.PSK = &skip.PSK{Identity: "me"} },
		"Proxy":          func(o *skip.Options) { o.Proxy = "socks5://localhost" },
		"URL":            func(o *skip.Options) { o.URLs = []string{"http://localhost"} },
	} {
		options := mode.options
		change(&options)
		if _, err := skip.New(mode.alice, options); codeOf(err) != skip.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	options := mode.options
	options.URLs, options.TLS, options.ServerName = []string{mode.alice}, "1.2", "localhost"
	capabilities, err := client(t, "https://127.0.0.1:9", options).Capabilities(ctx)
	must(t, err)
	if capabilities.LocalSystemID != "Alice" {
		t.Error(capabilities)
	}
	kp := client(t, mode.alice, mode.options)
	for name, call := range map[string]func() error{
		"an odd size":     func() error { _, err := kp.NewKey(ctx, "Bob", skip.Size(12)); return err },
		"a size of 0":     func() error { _, err := kp.NewKey(ctx, "Bob", skip.Size(0)); return err },
		"a negative size": func() error { _, err := kp.NewKey(ctx, "Bob", skip.Size(-8)); return err },
		"a large size":    func() error { _, err := kp.NewKey(ctx, "Bob", skip.Size(1<<32+256)); return err },
		"a pattern":       func() error { _, err := kp.NewKey(ctx, "B*"); return err },
		"no keyId":        func() error { _, err := kp.KeyByID(ctx, "", "Bob"); return err },
		"negative bits":   func() error { _, err := kp.Entropy(ctx, -8); return err },
	} {
		if err := call(); codeOf(err) != skip.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := kp.NewKey(ctx, "Nobody"); codeOf(err) != skip.CodeUnknownRemote {
		t.Error(err)
	}
}

func TestEveryOptionOfTheTableHasAField(t *testing.T) {
	var fields []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[skip.Options]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("option"), "="); name != "" && !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	names := skip.OptionNames()
	slices.Sort(fields)
	slices.Sort(names)
	if len(names) < 10 || !slices.Equal(fields, names) {
		t.Errorf("%v instead of %v", fields, names)
	}
}

func TestCodesAreThoseOfTheHeader(t *testing.T) {
	header := string(read(t, root+"/bindings/c/include/skip_client.h"))
	source := string(read(t, "errors.go"))
	var inHeader, here []string
	for _, found := range regexp.MustCompile(`SKIP_CODE_(\w+) = [1-9]`).FindAllStringSubmatch(header, -1) {
		inHeader = append(inHeader, strings.ToLower(found[1]))
	}
	for _, found := range regexp.MustCompile(`Code\w+\s+Code = "(\w+)"`).FindAllStringSubmatch(source, -1) {
		here = append(here, found[1])
	}
	if len(here) < 20 || !slices.Equal(inHeader, here) {
		t.Errorf("%v instead of %v", here, inHeader)
	}
}

// expected has the advice and status of a code.
var expected = map[skip.Code]struct {
	advice skip.Advice
	status int
}{
	skip.CodeConnectionLost: {skip.AdviceNewKey, 0}, skip.CodeTimedOut: {skip.AdviceNewKey, 0},
	skip.CodeKeyIDMismatch: {skip.AdviceNo, 200}, skip.CodeSizeMismatch: {skip.AdviceNo, 200},
	skip.CodeMalformedResponse: {skip.AdviceNo, 200}, skip.CodeWeakKey: {skip.AdviceNo, 200},
	skip.CodeResponseTooLarge: {skip.AdviceNo, 0}, skip.CodeUnexpectedStatus: {skip.AdviceNo, 302},
	skip.CodeBusy: {skip.AdviceSameRequest, 503}, skip.CodeProviderFailed: {skip.AdviceNewKey, 500},
	skip.CodeRejected: {skip.AdviceNo, 400},
	// from the capabilities, before a key is requested
	skip.CodeNotSupported: {skip.AdviceNo, 0}, skip.CodeUnknownRemote: {skip.AdviceNo, 0},
}

func TestFaults(t *testing.T) {
	ctx := context.Background()
	faults := 0
	for _, row := range guide(t, "## Faults") {
		if !strings.HasPrefix(row.last, "`") {
			continue
		}
		faults++
		fault, code := row.first, skip.Code(strings.Trim(row.last, "`"))
		t.Run(fault, func(t *testing.T) {
			kps := startPair(t, "--fault", fault)
			for _, mode := range kps.modes(t) {
				if code == skip.CodeTimedOut {
					// there is no need to wait for the two that never end
					mode.options.Timeout = 5 * time.Second
				}
				kp := client(t, mode.alice, mode.options)
				var err error
				switch fault {
				case "entropy-503":
					_, err = kp.Entropy(ctx, 0)
				case "wrong-key-id":
					key, failed := client(t, mode.bob, mode.options).NewKey(ctx, "Alice")
					must(t, failed)
					_, err = kp.KeyByID(ctx, key.ID(), "Bob")
				default:
					_, err = kp.NewKey(ctx, "Bob", skip.Size(256))
				}
				var failed *skip.Error
				if !errors.As(err, &failed) || failed.Code != code {
					t.Fatalf("%s: %v", mode.name, err)
				}
				wanted := expected[code]
				if failed.Advice != wanted.advice || failed.Status != wanted.status || failed.Hint == "" {
					t.Errorf("%s: %v, %s, %d", mode.name, failed, failed.Advice, failed.Status)
				}
				shown := fmt.Sprintf("%v %+v %#v %s", err, err, err, failed.ProviderText())
				if regexp.MustCompile(`[0-9a-fA-F]{16}`).MatchString(shown) {
					t.Errorf("%s: could be a key", mode.name)
				}
			}
		})
	}
	if faults <= 20 {
		t.Error("the table has too few faults")
	}
}

func TestQuirks(t *testing.T) {
	ctx := context.Background()
	quirks := 0
	for _, row := range guide(t, "## Quirks") {
		if !strings.HasPrefix(row.last, "works") {
			continue
		}
		quirks++
		kps := startPair(t, "--quirk", row.first)
		mode := kps.modes(t)[0]
		key, err := client(t, mode.alice, mode.options).NewKey(ctx, "Bob")
		must(t, err)
		same, err := client(t, mode.bob, mode.options).KeyByID(ctx, key.ID(), "Alice")
		must(t, err)
		if !key.Equal(same) {
			t.Error(row.first)
		}
	}
	if quirks <= 8 {
		t.Error("the table has too few quirks")
	}
}

type row struct{ first, last string }

// guide has the first and last cells of a table of the guide to the development Key Providers.
func guide(t *testing.T, heading string) []row {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/development-key-providers.md")
	must(t, err)
	part, _, _ := strings.Cut(strings.SplitN(string(page), heading, 2)[1], "\n## ")
	var rows []row
	for line := range strings.Lines(part) {
		cells := strings.Split(line, "|")
		if len(cells) == 5 && strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			rows = append(rows, row{strings.Trim(cells[1], " `"), strings.TrimSpace(cells[3])})
		}
	}
	return rows
}
