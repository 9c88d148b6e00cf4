module chainsum

go 1.23.0

require (
	github.com/consensys/gnark-crypto v0.18.0
	github.com/iden3/go-rapidsnark/prover v0.0.15
)

require (
	github.com/bits-and-blooms/bitset v1.20.0 // indirect
	github.com/iden3/go-rapidsnark/types v0.0.3 // indirect
	golang.org/x/sys v0.30.0 // indirect
)
