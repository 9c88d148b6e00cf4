package main

import (
	"runtime"
	"sync"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

const (
	window  = 10
	windows = (fr.Bits + window - 1) / window
)

// A point in Jacobian coordinates, J, of a group whose affine points are A.
type jacobian[A, J any] interface {
	*J
	AddMixed(*A) *J
	DoubleAssign() *J
	FromAffine(*A) *J
}

type affine[A, J any] interface {
	*A
	FromJacobian(*J) *A
}

// The multiples of one point, on all cores, from a table of d 2^(window w) times the point for every digit d of every window w.
func multiples[A, J any, PJ jacobian[A, J], PA affine[A, J]](base A, scalars []fr.Element) []A {
	var table [windows][1 << window]A
	for w := range windows {
		var sum J
		PJ(&sum).FromAffine(&base)
		for digit := 1; digit < 1<<window; digit++ {
			PA(&table[w][digit]).FromJacobian(&sum)
			PJ(&sum).AddMixed(&base)
		}
		PA(&base).FromJacobian(&sum)
	}
	points := make([]A, len(scalars))
	var group sync.WaitGroup
	share := len(scalars)/runtime.NumCPU() + 1
	for first := 0; first < len(scalars); first += share {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := first; i < min(first+share, len(scalars)); i++ {
				var sum J
				limbs := scalars[i].Bits()
				for w := range windows {
					if digit := bitsAt(&limbs, w*window); digit != 0 {
						PJ(&sum).AddMixed(&table[w][digit])
					}
				}
				PA(&points[i]).FromJacobian(&sum)
			}
		}()
	}
	group.Wait()
	return points
}

func bitsAt(limbs *[4]uint64, at int) uint64 {
	word, shift := at/64, at%64
	value := limbs[word] >> shift
	if shift > 64-window && word < 3 {
		value |= limbs[word+1] << (64 - shift)
	}
	return value & (1<<window - 1)
}
