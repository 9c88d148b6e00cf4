pragma circom 2.1.0;
include "circuits/bitify.circom";
include "circuits/poseidon_constants.circom";

// S(N): values of 48 bits and free nonces, chained by Poseidon from start to end; the sum of the values is at most `most`.

// circomlib's Poseidon(3), with its constants and sparse matrices: (state, value, nonce) to one element. Linear layers are variables
// here and not signals, which takes 265 constraints; from circomlib's own circuit the compiler needs minutes (--O2) to come to 264.
// Partial rounds: entry[r] goes into the S-box of round r, and its fifth power is, linearly, what entry[r + 1] makes of it.
template Absorb() {
    var T = 4, HALF = 4, PARTIAL = 56;
    signal input state; signal input value; signal input nonce; signal output out;
    signal square[2 * HALF][T]; signal fourth[2 * HALF][T]; signal fifth[2 * HALF][T];
    signal entry[PARTIAL + 1]; signal entry2[PARTIAL]; signal entry4[PARTIAL];
    var C[2 * T * HALF + PARTIAL] = POSEIDON_C(T), S[PARTIAL * (2 * T - 1)] = POSEIDON_S(T), M[T][T] = POSEIDON_M(T), P[T][T] = POSEIDON_P(T);
    var s[T] = [0, state, value, nonce], c = T;
    for (var j = 0; j < T; j++) { s[j] += C[j]; }
    for (var round = 0; round < 2 * HALF; round++) {
        if (round == HALF) {
            entry[0] <== s[0];
            for (var r = 0; r < PARTIAL; r++) {
                var at = (2 * T - 1) * r, others = 0;
                for (var j = 1; j < T; j++) { others += S[at + j] * s[j]; }
                entry2[r] <== entry[r] * entry[r];
                entry4[r] <== entry2[r] * entry2[r];
                entry[r + 1] <-- S[at] * (entry4[r] * entry[r] + C[c]) + others;
                s[0] = (entry[r + 1] - others) / S[at];
                entry4[r] * entry[r] === s[0] - C[c];
                c++;
                for (var j = 1; j < T; j++) { s[j] += S[at + T + j - 1] * s[0]; }
            }
            s[0] = entry[PARTIAL];
        }
        for (var j = 0; j < T; j++) {
            square[round][j] <== s[j] * s[j];
            fourth[round][j] <== square[round][j] * square[round][j];
            fifth[round][j] <== fourth[round][j] * s[j];
        }
        for (var i = 0; i < T; i++) {
            s[i] = 0;
            for (var j = 0; j < T; j++) {
                var constant = round == 2 * HALF - 1 ? 0 : C[c + j];
                s[i] += (round == HALF - 1 ? P[j][i] : M[j][i]) * (fifth[round][j] + constant);
            }
        }
        c += T;
    }
    out <== s[0];
}

template ChainSum(N) {
    signal input start; signal input most; signal output end;
    signal input values[N]; signal input nonces[N];
    signal state[N + 1];
    var total = 0;
    state[0] <== start;
    for (var i = 0; i < N; i++) {
        _ <== Num2Bits(48)(values[i]);
        state[i + 1] <== Absorb()(state[i], values[i], nonces[i]);
        total += values[i];
    }
    _ <== Num2Bits(64)(most - total);
    end <== state[N];
}
