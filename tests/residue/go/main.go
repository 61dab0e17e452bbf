// The same client as residue-target, with the Go package: a step for each line on stdin.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

func main() {
	kp := client(os.Args[1], os.Args[2:])
	ctx := context.Background()
	var keys []*skip.Key
	var random []*skip.Entropy
	fmt.Println("ready")
	for steps := bufio.NewScanner(os.Stdin); steps.Scan(); {
		words := strings.Fields(steps.Text())
		var err error
		switch words[0] {
		case "new_key", "key_by_id":
			fetch := func() (*skip.Key, error) { return kp.NewKey(ctx, "Bob", skip.Size(256)) }
			if words[0] == "key_by_id" {
				fetch = func() (*skip.Key, error) { return kp.KeyByID(ctx, words[1], "Bob") }
			}
			var key *skip.Key
			if key, err = fetch(); err == nil {
				keys = append(keys, key)
				// the borrowed bytes are wiped afterwards
				err = key.Use(func(secret []byte) error { return nil })
				must(key.Export(skip.StrongSwan, func(secret []byte) error { return nil }))
			}
		case "entropy":
			var fetched *skip.Entropy
			if fetched, err = kp.Entropy(ctx, 0); err == nil {
				random = append(random, fetched)
			}
		case "capabilities":
			_, err = kp.RefreshCapabilities(ctx)
		case "drop":
			for _, key := range keys {
				must(key.Close())
			}
			for _, fetched := range random {
				must(fetched.Close())
			}
			keys, random = nil, nil
		case "close":
			must(kp.Close())
		}
		var failed *skip.Error
		if errors.As(err, &failed) {
			fmt.Println(failed.Code)
		} else {
			must(err)
			fmt.Println("ok")
		}
	}
}

// client wipes its copies of the client's own secrets: the library has its own.
func client(url string, arguments []string) *skip.Client {
	options := skip.Options{Timeout: 2 * time.Second}
	for i, argument := range arguments {
		switch argument {
		case "--legacy":
			options.Legacy = true
		case "--ca":
			options.CA = read(arguments[i+1])
		case "--cert":
			options.Cert = read(arguments[i+1])
		case "--key":
			options.Key = read(arguments[i+1])
			defer clear(options.Key)
		case "--key_password":
			content := read(arguments[i+1])
			defer clear(content)
			options.KeyPassword = bytes.TrimSpace(content)
		case "--psk":
			content := read(arguments[i+1])
			defer clear(content)
			line := bytes.TrimSpace(content)
			colon := bytes.LastIndexByte(line, ':')
			secret := make([]byte, len(line[colon+1:])/2)
			defer clear(secret)
			for at := range secret {
				secret[at] = digit(line[colon+1+2*at])<<4 | digit(line[colon+2+2*at])
			}
			options.PSK = &skip.PSK{Identity: string(line[:colon]), Secret: secret}
		}
	}
	kp, err := skip.New(url, options)
	must(err)
	return kp
}

// read reads a file into one buffer of its exact size, because growing would leave copies behind.
func read(path string) []byte {
	file, err := os.Open(path)
	must(err)
	defer func() { must(file.Close()) }()
	about, err := file.Stat()
	must(err)
	content := make([]byte, about.Size())
	_, err = file.Read(content)
	must(err)
	return content
}

func digit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 32) - 'a' + 10
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
