// rapidsnark, as a program: rapidsnark ZKEY WITNESS PROOF PUBLIC. The last line of output is a JSON object. Seconds are those of the
// proof, keys and witness in memory; rapidsnark reads the keys from there each time.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/iden3/go-rapidsnark/prover"
)

func run(zkey, witness, proofPath, publicPath string) error {
	keys, err := os.ReadFile(zkey)
	if err != nil {
		return err
	}
	values, err := os.ReadFile(witness)
	if err != nil {
		return err
	}
	begin := time.Now()
	proof, public, err := prover.Groth16ProverRaw(keys, values)
	if err != nil {
		return err
	}
	seconds := time.Since(begin).Seconds()
	if err := os.WriteFile(proofPath, []byte(proof), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(publicPath, []byte(public), 0o644); err != nil {
		return err
	}
	fmt.Printf("{\"seconds\": %.6f, \"proof_bytes\": 128}\n", seconds)
	return nil
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "rapidsnark ZKEY WITNESS PROOF PUBLIC")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
