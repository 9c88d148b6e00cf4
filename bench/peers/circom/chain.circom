pragma circom 2.1.0;
include "circuits/poseidon.circom";
include "circuits/bitify.circom";

// S(N): values of 48 bits and free nonces, chained by Poseidon from start to end; the sum of the values is at most `most`.
template ChainSum(N) {
    signal input start; signal input most; signal output end;
    signal input values[N]; signal input nonces[N];
    component hash[N]; component bits[N];
    signal state[N + 1];
    var total = 0;
    state[0] <== start;
    for (var i = 0; i < N; i++) {
        bits[i] = Num2Bits(48); bits[i].in <== values[i];
        hash[i] = Poseidon(3);
        hash[i].inputs[0] <== state[i]; hash[i].inputs[1] <== values[i]; hash[i].inputs[2] <== nonces[i];
        state[i + 1] <== hash[i].out;
        total += values[i];
    }
    component slack = Num2Bits(64); slack.in <== most - total;
    end <== state[N];
}
