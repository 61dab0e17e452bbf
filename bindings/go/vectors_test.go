package skip_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	skip "github.com/skip-client/skip-client/bindings/go"
)

// vector is a case of any file; unknown members are rejected when it is read.
type vector struct {
	Name          string   `json:"name"`
	Body          *string  `json:"body"`
	BodyBase64    string   `json:"body_base64"`
	Valid         bool     `json:"valid"`
	Errors        []string `json:"errors"`
	Warnings      []string `json:"warnings"`
	Lenient       bool     `json:"lenient"`
	Pattern       string   `json:"pattern"`
	Matches       []string `json:"matches"`
	MatchesNot    []string `json:"matches_not"`
	Payload       string   `json:"payload"`
	Hex           string   `json:"hex"`
	LocalSystemID string   `json:"local_system_id"`
	KeyID         string   `json:"key_id"`
	Octets        string   `json:"octets"`
	NextPayload   byte     `json:"next_payload"`
	Error         bool     `json:"error"`
	Kind          string   `json:"kind"`
	Remote        string   `json:"remote"`
	Size          *int     `json:"size"`
	Code          string   `json:"code"`
	Status        int      `json:"status"`
	Advice        string   `json:"advice"`
	Format        string   `json:"format"`
	Key           string   `json:"key"`
	Output        *string  `json:"output"`
	OutputHex     string   `json:"output_hex"`
	Form          string   `json:"form"`
	Identity      string   `json:"identity"`
	Input         *string  `json:"input"`
	InputBase64   string   `json:"input_base64"`
	Is            string   `json:"is"`
}

// vectors reads a file; one without cases, or with an unknown word, is an error.
func vectors(t *testing.T, file, words string) []vector {
	t.Helper()
	content := read(t, filepath.Join(root, "tests/vectors/draft-cisco-skip-02", file+".json"))
	var raw struct{ Cases []map[string]any }
	must(t, json.Unmarshal(content, &raw))
	known := append(strings.Fields(words), "name")
	for _, one := range raw.Cases {
		for word := range one {
			if !slices.Contains(known, word) {
				t.Fatalf("%s: unknown word %s", file, word)
			}
		}
	}
	var read struct{ Cases []vector }
	must(t, json.Unmarshal(content, &read))
	if len(read.Cases) == 0 {
		t.Fatalf("%s has no cases", file)
	}
	return read.Cases
}

func TestMessages(t *testing.T) {
	for _, kind := range []skip.MessageKind{skip.CapabilitiesMessage, skip.KeyMessage, skip.EntropyMessage} {
		for _, one := range vectors(t, string(kind), "body body_base64 valid errors warnings lenient as_published") {
			body, err := base64.StdEncoding.DecodeString(one.BodyBase64)
			must(t, err)
			if one.Body != nil {
				body = []byte(*one.Body)
			}
			problems, err := skip.Validate(kind, body, skip.Strict)
			must(t, err)
			for severity, expected := range map[string][]string{"error": one.Errors, "warning": one.Warnings} {
				found := map[string]bool{}
				for _, problem := range problems {
					if problem.Severity == severity {
						found[problem.Path+" "+problem.Code] = true
					}
				}
				wanted := map[string]bool{}
				for _, text := range expected {
					wanted[text] = true
				}
				if fmt.Sprint(found) != fmt.Sprint(wanted) {
					t.Errorf("%s: %v instead of %v", one.Name, found, wanted)
				}
			}
			for rules, expected := range map[skip.Rules]bool{skip.Strict: one.Valid, skip.Lenient: one.Lenient} {
				valid, err := skip.IsValid(kind, body, rules)
				must(t, err)
				if valid != expected {
					t.Errorf("%s: %v with %v", one.Name, valid, rules)
				}
			}
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, one := range vectors(t, "patterns", "pattern matches matches_not") {
		for _, id := range one.Matches {
			if !skip.MatchesRemote([]string{"no", one.Pattern}, id) {
				t.Errorf("%s: %q", one.Name, id)
			}
		}
		for _, id := range one.MatchesNot {
			if skip.MatchesRemote([]string{one.Pattern}, id) {
				t.Errorf("%s: %q", one.Name, id)
			}
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, one := range vectors(t, "ikev2", "payload hex local_system_id key_id octets next_payload error") {
		payload, err := hex.DecodeString(one.Hex)
		must(t, err)
		usePPK, asOctets, id := one.Payload == "use_ppk", one.Octets != "", one.LocalSystemID+one.KeyID+one.Octets
		decode := func() (string, error) { return skip.DecodePPKIdentity(payload, asOctets) }
		encode := func() ([]byte, error) { return skip.EncodePPKIdentity(id, asOctets, one.NextPayload) }
		if usePPK {
			decode = func() (string, error) { return skip.DecodeUsePPK(payload) }
			encode = func() ([]byte, error) { return skip.EncodeUsePPK(id, one.NextPayload) }
		}
		decoded, err := decode()
		if one.Error {
			if codeOf(err) != skip.CodeInvalidArgument {
				t.Errorf("%s: %v", one.Name, err)
			}
			continue
		}
		encoded, encodeErr := encode()
		if err != nil || encodeErr != nil || decoded != id || !bytes.Equal(encoded, payload) {
			t.Errorf("%s: %q %x %v %v", one.Name, decoded, encoded, err, encodeErr)
		}
	}
}

func TestRequests(t *testing.T) {
	kps := startPair(t)
	url := startVectors(t, kps)
	for number, one := range vectors(t, "requests", "kind remote size key_id lenient target code") {
		options := kps.modes(t)[0].options
		options.NoCheckRemote, options.Lenient = true, one.Lenient
		err := ask(client(t, fmt.Sprintf("%s/requests/%d", url, number), options), one)
		if string(codeOf(err)) != one.Code {
			t.Errorf("%s: %v", one.Name, err)
		}
	}
}

func TestStatuses(t *testing.T) {
	kps := startPair(t)
	url := startVectors(t, kps)
	for number, one := range vectors(t, "statuses", "kind status code advice") {
		options := kps.modes(t)[0].options
		options.NoCheckRemote = true
		err := ask(client(t, fmt.Sprintf("%s/statuses/%d", url, number), options), one)
		var failed *skip.Error
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v", one.Name, err)
		} else if string(failed.Code) != one.Code || string(failed.Advice) != one.Advice || failed.Status != one.Status {
			t.Errorf("%s: %v, %s, %d", one.Name, failed, failed.Advice, failed.Status)
		} else if shown := fmt.Sprintf("%v %+v %#v %s", failed, failed, failed, failed.ProviderText()); strings.Contains(shown, "ad229dfb") {
			t.Errorf("%s: what could be a key is shown", one.Name)
		}
	}
}

func TestExports(t *testing.T) {
	kps := startPair(t)
	url := startVectors(t, kps)
	for number, one := range vectors(t, "export", "format key_id key output output_hex code") {
		options := kps.modes(t)[0].options
		options.NoCheckRemote, options.Lenient = true, true
		kp := client(t, fmt.Sprintf("%s/export/%d", url, number), options)
		key, err := kp.NewKey(context.Background(), "Bob", skip.Size(len(one.Key)*4))
		must(t, err)
		expected, err := hex.DecodeString(one.OutputHex)
		must(t, err)
		if one.Output != nil {
			expected = []byte(*one.Output)
		}
		var lent []byte
		err = key.Export(skip.Format(one.Format), func(secret []byte) error {
			if !bytes.Equal(secret, expected) {
				t.Errorf("%s: not as expected", one.Name)
			}
			lent = secret
			return nil
		})
		if string(codeOf(err)) != one.Code {
			t.Errorf("%s: %v", one.Name, err)
		}
		if len(bytes.Trim(lent, "\x00")) > 0 {
			t.Errorf("%s: what was lent is not wiped", one.Name)
		}
	}
}

// FuzzValidate: any bytes can be validated, both functions agree, and no problem contains a value.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"keyId": "00", "key": 5551234}`))
	f.Add([]byte("\xff{\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, kind := range []skip.MessageKind{skip.CapabilitiesMessage, skip.KeyMessage, skip.EntropyMessage} {
			problems, err := skip.Validate(kind, message, skip.Strict)
			must(t, err)
			valid, err := skip.IsValid(kind, message, skip.Strict)
			must(t, err)
			errors := slices.ContainsFunc(problems, func(p skip.Problem) bool { return p.Severity == "error" })
			if valid == errors {
				t.Errorf("%v, but %v", valid, problems)
			}
			for _, problem := range problems {
				if strings.Contains(problem.Message, "5551234") {
					t.Error("a problem shows a value")
				}
			}
		}
	})
}

func TestPreSharedKeys(t *testing.T) {
	const psk = "0123456789abcdef0123456789abcdef"
	cases := vectors(t, "psk", "form identity input input_base64 is code")
	dir := t.TempDir()
	known, file := filepath.Join(dir, "known"), filepath.Join(dir, "psk.txt")
	var lines []string
	for _, one := range cases {
		line := fmt.Sprintf("#%x:%x\n", one.Is, psk)
		if one.Is != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	must(t, os.WriteFile(known, []byte(strings.Join(lines, "")), 0o600))
	pair := startPair(t, "--psk-file", known)
	for _, one := range cases {
		content, err := base64.StdEncoding.DecodeString(one.InputBase64)
		must(t, err)
		if one.Input != nil {
			content = []byte(*one.Input)
		}
		options := skip.Options{Timeout: time.Minute, ConnectTimeout: time.Minute}
		switch one.Form {
		case "file":
			must(t, os.WriteFile(file, content, 0o600))
			options.PSKFile, options.PSKIdentity = file, one.Identity
		case "text":
			options.PSK = &skip.PSK{Identity: one.Identity, Secret: content}
		default:
			options.PSK = &skip.PSK{Identity: one.Identity, Secret: content, Form: skip.Format(one.Form)}
		}
		kp, err := skip.New(pair.alice.PSKURL, options)
		if err == nil {
			_, err = kp.Capabilities(t.Context())
			kp.Close()
		}
		var failed *skip.Error
		errors.As(err, &failed)
		switch {
		case one.Is != "" && err != nil:
			t.Errorf("%s: %v", one.Name, err)
		case one.Is == "" && (failed == nil || string(failed.Code) != one.Code):
			t.Errorf("%s: %v", one.Name, err)
		}
	}
}

// startVectors is the server that answers as the vectors say, under the certificate of a pair.
func startVectors(t *testing.T, kps pair) string {
	t.Helper()
	serving := start(t, "python3", filepath.Join(root, "bindings/tests/vector_server.py"),
		filepath.Join(kps.dir, "alice.pem"), filepath.Join(kps.dir, "alice.key"),
		filepath.Join(root, "tests/vectors/draft-cisco-skip-02"))
	serving.output.Scan()
	return "https://127.0.0.1:" + serving.output.Text()
}

// ask sends the request of a case.
func ask(kp *skip.Client, one vector) error {
	ctx := context.Background()
	remote := one.Remote
	if remote == "" && one.Code != "invalid_argument" {
		remote = "Bob"
	}
	var err error
	switch one.Kind {
	case "capabilities":
		_, err = kp.Capabilities(ctx)
	case "new_key":
		var options []skip.KeyOption
		if one.Size != nil {
			options = append(options, skip.Size(*one.Size))
		}
		_, err = kp.NewKey(ctx, remote, options...)
	case "key_by_id":
		keyID := one.KeyID
		if keyID == "" && one.Code != "invalid_argument" {
			keyID = "00"
		}
		_, err = kp.KeyByID(ctx, keyID, remote)
	case "entropy":
		bits := 0
		if one.Size != nil && *one.Size == 0 {
			bits = -1
		} else if one.Size != nil {
			bits = *one.Size
		}
		_, err = kp.Entropy(ctx, bits)
	default:
		return errors.New("unknown kind " + one.Kind)
	}
	return err
}

// codeOf is the code of an error; empty without one.
func codeOf(err error) skip.Code {
	var failed *skip.Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}
