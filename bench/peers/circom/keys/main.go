// Groth16 keys for a Circom circuit, in the format of snarkjs: keys R1CS ZKEY. The last line of output is a JSON object.
//
// INSECURE: one party, this process, draws all secrets, and whoever reads its memory can forge proofs. That is the point: the secrets
// being known, each element is one multiplication of the generator, where a ceremony passes powers of tau from hand to hand and
// transforms points. A proof and its verification take the same with these keys as with a ceremony's.
//
// Notation of Groth16 with gamma = 1, as snarkjs has it. H, as snarkjs and rapidsnark use it: for the quotient's values on the odd
// powers of the root of unity of order 2 n, the Lagrange polynomials of the domain of order 2 n at tau, over delta.
package main

import (
	"fmt"
	"math/big"
	"math/bits"
	"os"
	"slices"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

const (
	twoAdicity = 28
	nonResidue = 5
)

// 2^256 as a field element.
var montgomery = power(fr.NewElement(2), 256)

type keys struct {
	domain          int
	alpha1, beta1   bn254.G1Affine
	delta1          bn254.G1Affine
	beta2, gamma2   bn254.G2Affine
	delta2          bn254.G2Affine
	ic, a, b1, c, h []bn254.G1Affine
	b2              []bn254.G2Affine
}

func power(base fr.Element, exponent int64) (result fr.Element) {
	result.Exp(base, big.NewInt(exponent))
	return result
}

// The root of unity of order 2^log that snarkjs uses.
func root(log int) (w fr.Element) {
	odd := new(big.Int).Sub(fr.Modulus(), big.NewInt(1))
	odd.Rsh(odd, twoAdicity)
	w.Exp(fr.NewElement(nonResidue), odd)
	for range twoAdicity - log {
		w.Square(&w)
	}
	return w
}

// The Lagrange polynomials of the domain of order 2^log at tau: (tau^n - 1) / n w^i / (tau - w^i).
func lagrange(tau fr.Element, log int) []fr.Element {
	size := 1 << log
	w, point, one := root(log), fr.One(), fr.One()
	points, values := make([]fr.Element, size), make([]fr.Element, size)
	for i := range points {
		points[i] = point
		values[i].Sub(&tau, &point)
		point.Mul(&point, &w)
	}
	values = fr.BatchInvert(values)
	vanishing, n := power(tau, int64(size)), fr.NewElement(uint64(size))
	vanishing.Sub(&vanishing, &one)
	vanishing.Div(&vanishing, &n)
	for i := range values {
		values[i].Mul(&values[i], &points[i]).Mul(&values[i], &vanishing)
	}
	return values
}

func secret() fr.Element {
	for {
		var value fr.Element
		if _, err := value.SetRandom(); err != nil {
			panic(err)
		}
		if !value.IsZero() {
			return value
		}
	}
}

func generate(c *circuit) *keys {
	tau, alpha, beta, delta := secret(), secret(), secret(), secret()
	log := bits.Len(uint(len(c.constraints)) + uint(c.publics))
	at := lagrange(tau, log)

	sides := [3][]fr.Element{}
	for side := range sides {
		sides[side] = make([]fr.Element, c.wires)
	}
	for row, constraint := range c.constraints {
		for side, terms := range constraint {
			for _, t := range terms {
				var product fr.Element
				product.Mul(&t.value, &at[row])
				sides[side][t.wire].Add(&sides[side][t.wire], &product)
			}
		}
	}
	for wire := range int(c.publics) + 1 {
		sides[0][wire].Add(&sides[0][wire], &at[len(c.constraints)+wire])
	}

	var perDelta fr.Element
	perDelta.Inverse(&delta)
	both := make([]fr.Element, c.wires)
	for wire := range both {
		var x, y fr.Element
		x.Mul(&beta, &sides[0][wire])
		y.Mul(&alpha, &sides[1][wire])
		both[wire].Add(&x, &y).Add(&both[wire], &sides[2][wire])
		if wire > int(c.publics) {
			both[wire].Mul(&both[wire], &perDelta)
		}
	}
	quotient := make([]fr.Element, 1<<log)
	for i, value := range lagrange(tau, log+1) {
		if i%2 == 1 {
			quotient[i/2].Mul(&value, &perDelta)
		}
	}

	_, _, g1, g2 := bn254.Generators()
	first := multiples[bn254.G1Affine, bn254.G1Jac](g1, slices.Concat([]fr.Element{alpha, beta, delta}, both))
	second := multiples[bn254.G2Affine, bn254.G2Jac](g2, slices.Concat([]fr.Element{beta, delta}, sides[1]))
	mixed := first[3:]
	return &keys{
		domain: 1 << log,
		alpha1: first[0], beta1: first[1], delta1: first[2], beta2: second[0], gamma2: g2, delta2: second[1],
		ic: mixed[:c.publics+1], c: mixed[c.publics+1:],
		a:  multiples[bn254.G1Affine, bn254.G1Jac](g1, sides[0]),
		b1: multiples[bn254.G1Affine, bn254.G1Jac](g1, sides[1]),
		b2: second[2:],
		h:  multiples[bn254.G1Affine, bn254.G1Jac](g1, quotient),
	}
}

func run(from, to string) error {
	begin := time.Now()
	c, err := readCircuit(from)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "INSECURE keys: made by one party, who could forge proofs; for measurements only")
	if err := generate(c).write(to, c); err != nil {
		return err
	}
	fmt.Printf("{\"seconds\": %.6f, \"constraints\": %d, \"wires\": %d, \"insecure\": true}\n",
		time.Since(begin).Seconds(), len(c.constraints), c.wires)
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "keys R1CS ZKEY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
