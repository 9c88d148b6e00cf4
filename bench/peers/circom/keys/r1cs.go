package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

var errShort = errors.New("r1cs: file ends early")

// A term of a linear combination: coefficient times wire.
type term struct {
	wire  uint32
	value fr.Element
}

// A constraint is a b = c, three linear combinations.
type constraint [3][]term

// What iden3's binary format says of a circuit: wire 0 is one, wires 1 to publics are public.
type circuit struct {
	wires, publics uint32
	constraints    []constraint
}

// The rest of a file; a read beyond its end leaves err.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(count uint64) []byte {
	if r.err != nil || uint64(len(r.rest)) < count {
		r.err = errShort
		return make([]byte, min(count, 64))
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) scalar() (value fr.Element) {
	var big [fr.Bytes]byte
	for i, b := range r.take(fr.Bytes) {
		big[fr.Bytes-1-i] = b
	}
	value.SetBytes(big[:])
	return value
}

func readCircuit(path string) (*circuit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file := &reader{rest: data}
	if string(file.take(4)) != "r1cs" || file.u32() != 1 {
		return nil, fmt.Errorf("%s is not an r1cs file of version 1", path)
	}
	sections := map[uint32]*reader{}
	for count := file.u32(); count > 0 && file.err == nil; count-- {
		kind := file.u32()
		sections[kind] = &reader{rest: file.take(file.u64())}
	}
	header, body := sections[1], sections[2]
	if file.err != nil || header == nil || body == nil {
		return nil, errShort
	}
	if header.u32() != fr.Bytes {
		return nil, errors.New("r1cs: the field does not have 32 bytes")
	}
	modulus := fr.Modulus().FillBytes(make([]byte, fr.Bytes))
	for i, b := range header.take(fr.Bytes) {
		if modulus[fr.Bytes-1-i] != b {
			return nil, errors.New("r1cs: the field is not BN254's")
		}
	}
	c := &circuit{wires: header.u32()}
	c.publics = header.u32() + header.u32()
	header.u32()
	header.u64()
	c.constraints = make([]constraint, header.u32())
	for i := range c.constraints {
		for side := range 3 {
			terms := make([]term, body.u32())
			for k := range terms {
				terms[k].wire = body.u32()
				terms[k].value = body.scalar()
				if terms[k].wire >= c.wires {
					return nil, errors.New("r1cs: no such wire")
				}
			}
			c.constraints[i][side] = terms
			if body.err != nil {
				return nil, body.err
			}
		}
	}
	return c, header.err
}
