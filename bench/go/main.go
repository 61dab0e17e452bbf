// One contestant in Go, net/http: `bench URL CA`. Reads `warm N` or `cold N` from stdin and prints a JSON line with the
// nanoseconds per request.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	makeClient := func() *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		return &http.Client{Transport: transport, Timeout: 10 * time.Second}
	}
	warm := makeClient()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var command string
		var n int
		_, err := fmt.Sscanf(lines.Text(), "%s %d", &command, &n)
		must(err)
		times := make([]int64, 0, n)
		for i := 0; i < n; i++ {
			client := warm
			if command == "cold" {
				client = makeClient()
			}
			started := time.Now()
			fetch(client)
			times = append(times, time.Since(started).Nanoseconds())
			if command == "cold" {
				client.CloseIdleConnections()
			}
		}
		must(json.NewEncoder(os.Stdout).Encode(times))
	}
}

func fetch(client *http.Client) {
	request, err := http.NewRequest("GET", os.Args[1]+"/key?remoteSystemID=Bob", nil)
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
