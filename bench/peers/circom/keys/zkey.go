package main

import (
	"bufio"
	"encoding/binary"
	"os"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

const (
	g1Bytes, g2Bytes, coefficientBytes = 64, 128, 12 + fr.Bytes
	groth16                            = 1
	noContributions                    = 64 + 4
)

// A zkey file, section by section. Points are affine, coordinates little-endian in Montgomery form, as gnark-crypto has them in memory.
type writer struct {
	to  *bufio.Writer
	err error
}

func (w *writer) put(value any) {
	if w.err == nil {
		w.err = binary.Write(w.to, binary.LittleEndian, value)
	}
}

func (w *writer) limbs(limbs [4]uint64) {
	var bytes [32]byte
	for i, limb := range limbs {
		binary.LittleEndian.PutUint64(bytes[8*i:], limb)
	}
	if w.err == nil {
		_, w.err = w.to.Write(bytes[:])
	}
}

func (w *writer) section(kind uint32, size int) {
	w.put(kind)
	w.put(uint64(size))
}

func (w *writer) g1(points ...bn254.G1Affine) {
	for i := range points {
		w.limbs(points[i].X)
		w.limbs(points[i].Y)
	}
}

func (w *writer) g2(points ...bn254.G2Affine) {
	for i := range points {
		for _, c := range []fp.Element{points[i].X.A0, points[i].X.A1, points[i].Y.A0, points[i].Y.A1} {
			w.limbs(c)
		}
	}
}

func (w *writer) modulus(big []byte) {
	w.put(uint32(len(big)))
	for i := range big {
		w.put(big[len(big)-1-i])
	}
}

// A coefficient is written times R^2: snarkjs multiplies it by a witness that is not in Montgomery form.
func (w *writer) coefficient(matrix, row, wire uint32, value *fr.Element) {
	var scaled fr.Element
	scaled.Mul(value, &montgomery)
	w.put([3]uint32{matrix, row, wire})
	w.limbs(scaled)
}

func (k *keys) write(path string, c *circuit) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := &writer{to: bufio.NewWriterSize(file, 1<<20)}
	w.put([]byte("zkey"))
	w.put([]uint32{1, 10})
	w.section(1, 4)
	w.put(uint32(groth16))

	w.section(2, 2*(4+32)+12+3*g1Bytes+3*g2Bytes)
	w.modulus(fp.Modulus().FillBytes(make([]byte, fp.Bytes)))
	w.modulus(fr.Modulus().FillBytes(make([]byte, fr.Bytes)))
	w.put([]uint32{c.wires, c.publics, uint32(k.domain)})
	w.g1(k.alpha1, k.beta1)
	w.g2(k.beta2, k.gamma2)
	w.g1(k.delta1)
	w.g2(k.delta2)

	w.section(3, len(k.ic)*g1Bytes)
	w.g1(k.ic...)

	count := int(c.publics) + 1
	for _, constraint := range c.constraints {
		count += len(constraint[0]) + len(constraint[1])
	}
	w.section(4, 4+count*coefficientBytes)
	w.put(uint32(count))
	for row, constraint := range c.constraints {
		for matrix := range uint32(2) {
			for _, t := range constraint[matrix] {
				w.coefficient(matrix, uint32(row), t.wire, &t.value)
			}
		}
	}
	one := fr.One()
	for wire := uint32(0); wire <= c.publics; wire++ {
		w.coefficient(0, uint32(len(c.constraints))+wire, wire, &one)
	}

	w.section(5, len(k.a)*g1Bytes)
	w.g1(k.a...)
	w.section(6, len(k.b1)*g1Bytes)
	w.g1(k.b1...)
	w.section(7, len(k.b2)*g2Bytes)
	w.g2(k.b2...)
	w.section(8, len(k.c)*g1Bytes)
	w.g1(k.c...)
	w.section(9, len(k.h)*g1Bytes)
	w.g1(k.h...)
	w.section(10, noContributions)
	w.put(make([]byte, noContributions))
	if w.err != nil {
		return w.err
	}
	return w.to.Flush()
}
