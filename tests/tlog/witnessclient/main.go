// Acts as a log that asks a witness for cosignatures, with the proofs of golang.org/x/mod and the verifiers of filippo.io/torchwood.
//
// Usage: witnessclient URL LOG-SIGNER-KEY WITNESS-VERIFIER-KEY...
//
// The tree grows to sizes 1, 2, 3, 7, 8, 300; each head has to be cosigned by each key given. Between them it asks for what no witness does.
// Prints one line for each answer that was as it has to be, and ends with code 1 at the first other one.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = h[index]
	}
	return out, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func grown(size int64, word string) hashes {
	var stored hashes
	for n := range size {
		stored = append(stored, must(tlog.StoredHashes(n, fmt.Appendf(nil, "%s %d", word, n), stored))...)
	}
	return stored
}

func head(signer note.Signer, size int64, stored hashes) []byte {
	root := must(tlog.TreeHash(size, stored))
	text := torchwood.Checkpoint{Origin: signer.Name(), Tree: tlog.Tree{N: size, Hash: root}}.String()
	return must(note.Sign(&note.Note{Text: text}, signer))
}

func ask(url string, old, size int64, stored hashes, signed []byte) (int, string, []byte) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", old)
	if 0 < old && old < size {
		for _, hash := range must(tlog.ProveTree(size, old, stored)) {
			fmt.Fprintf(&body, "%s\n", hash)
		}
	}
	body.WriteString("\n")
	body.Write(signed)
	answer := must(http.Post(url+"add-checkpoint", "", &body))
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Content-Type"), must(io.ReadAll(answer.Body))
}

func expect(what string, good bool) {
	if !good {
		fmt.Fprintln(os.Stderr, "not so:", what)
		os.Exit(1)
	}
	fmt.Println(what)
}

func main() {
	url, signer := os.Args[1], must(note.NewSigner(os.Args[2]))
	stored, forked := grown(300, "entry"), grown(300, "another")
	status, _, _ := ask(url, 0, 1, stored, []byte(strings.Replace(string(head(signer, 1, stored)), signer.Name(), "unknown.example", 1)))
	expect("an unknown log: 404", status == 404)
	status, _, _ = ask(url, 0, 1, stored, []byte(strings.Replace(string(head(signer, 1, stored)), "\n1\n", "\n2\n", 1)))
	expect("another head than the signed one: 403", status == 403)
	old := int64(0)
	for _, size := range []int64{1, 2, 3, 7, 8, 300} {
		signed := head(signer, size, stored)
		if old > 0 {
			status, kind, body := ask(url, 0, size, stored, signed)
			expect("another old size: 409 and the size", status == 409 && kind == "text/x.tlog.size" && string(body) == fmt.Sprintf("%d\n", old))
			status, _, _ = ask(url, old, size, forked, head(signer, size, forked))
			expect("a fork: 422", status == 422)
			status, kind, _ = ask(url, old, old, forked, head(signer, old, forked))
			expect("another tree of the same size: 409", status == 409 && kind != "text/x.tlog.size")
		}
		status, _, body := ask(url, old, size, stored, signed)
		for _, key := range os.Args[3:] {
			verifier := must(torchwood.NewCosignatureVerifier(key))
			opened, err := note.Open(append(bytes.Clone(signed), body...), note.VerifierList(verifier))
			expect(fmt.Sprintf("size %d cosigned: 200", size), status == 200 && err == nil && len(opened.Sigs) == 1)
			expect("at a time", must(torchwood.CosignatureTimestamp(opened.Sigs[0])) > 0)
		}
		old = size
	}
	status, _, _ = ask(url, old, old, stored, nil)
	expect("no head: 400", status == 400)
	status, _, _ = ask(url, 301, 300, stored, head(signer, 300, stored))
	expect("an old size above the head's: 400", status == 400)
}
