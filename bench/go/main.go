// Contestants in Go: `bench skip-client|net/http URL CA [PSK_FILE]`. Reads `warm N`, `cold N` or `many CALLERS N` from
// stdin and prints a JSON line with the nanoseconds of each request; for `many` the total of all callers comes first.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

// contestant is a client; all callers share one.
type contestant struct {
	request func()
	end     func()
}

func main() {
	newContestant := map[string]func() contestant{"skip-client": skipClient, "net/http": netHTTP}[os.Args[1]]
	warm := newContestant()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var command string
		var n, each int
		// the second number is there for `many` only
		_, _ = fmt.Sscanf(lines.Text(), "%s %d %d", &command, &n, &each)
		var found []int64
		switch command {
		case "warm":
			found = times(n, warm.request)
		case "cold":
			for range n {
				one := newContestant()
				found = append(found, times(1, one.request)...)
				one.end()
			}
		case "many":
			found = many(warm, n, each)
		default:
			panic("no command is called " + command)
		}
		must(json.NewEncoder(os.Stdout).Encode(found))
	}
}

func times(n int, request func()) []int64 {
	found := make([]int64, n)
	for i := range found {
		started := time.Now()
		request()
		found[i] = time.Since(started).Nanoseconds()
	}
	return found
}

func many(one contestant, callers, each int) []int64 {
	var connected, done sync.WaitGroup
	start := make(chan struct{})
	calls := make([][]int64, callers)
	connected.Add(callers)
	done.Add(callers)
	for i := range callers {
		go func() {
			defer done.Done()
			one.request()
			connected.Done()
			<-start
			calls[i] = times(each, one.request)
		}()
	}
	connected.Wait()
	started := time.Now()
	close(start)
	done.Wait()
	found := []int64{time.Since(started).Nanoseconds()}
	for _, mine := range calls {
		found = append(found, mine...)
	}
	return found
}

func skipClient() contestant {
	options := skip.Options{NoCheckRemote: true}
	if len(os.Args) > 4 {
		text, err := os.ReadFile(os.Args[4])
		must(err)
		identity, digits, _ := strings.Cut(strings.TrimSpace(string(text)), ":")
		secret, err := hex.DecodeString(digits)
		must(err)
		options.PSK = &skip.PSK{Identity: identity, Secret: secret}
	} else {
		pem, err := os.ReadFile(os.Args[3])
		must(err)
		options.CA = pem
	}
	kp, err := skip.New(os.Args[2], options)
	must(err)
	request := func() {
		key, err := kp.NewKey(context.Background(), "Bob")
		must(err)
		if key.Bits() != 256 {
			panic("not a key")
		}
		key.Close()
	}
	return contestant{request, func() { must(kp.Close()) }}
}

func netHTTP() contestant {
	pem, err := os.ReadFile(os.Args[3])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	// as many idle connections as there are callers; the default is 2
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 128}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return contestant{func() { fetch(client) }, client.CloseIdleConnections}
}

func fetch(client *http.Client) {
	request, err := http.NewRequest("GET", os.Args[2]+"/key?remoteSystemID=Bob", nil)
	must(err)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Cache-Control", "no-store")
	reply, err := client.Do(request)
	must(err)
	body, err := io.ReadAll(reply.Body)
	must(err)
	must(reply.Body.Close())
	var message struct{ Key string }
	must(json.Unmarshal(body, &message))
	if key, err := hex.DecodeString(message.Key); err != nil || len(key) != 32 {
		panic("not a key")
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
