//! Instance, statement and trace of S(N).

use p3_field::{PrimeCharacteristicRing, PrimeField32, PrimeField64};
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_matrix::dense::RowMajorMatrix;
use p3_maybe_rayon::prelude::*;
use p3_poseidon2_air::generate_trace_rows;
use p3_symmetric::Permutation;
use serde::{Deserialize, Serialize};

use crate::air::*;

/// The public start: a capacity.
pub const START: [u32; RATE] = [1, 2, 3, 4, 5, 6, 7, 8];

/// The readings as the benchmark writes them: `most` is T in decimal.
#[derive(Deserialize)]
pub struct Instance {
    pub readings: usize,
    pub most: String,
    pub values: Vec<u64>,
    pub nonces: Vec<[u32; 4]>,
}

/// What a verifier is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct Statement {
    pub readings: usize,
    pub start: [u32; RATE],
    pub end: [u32; RATE],
    pub most: u64,
}

impl Statement {
    /// Height: the readings and the tail, at least 2^minimum.
    pub fn log_rows(&self, minimum: usize) -> usize {
        ((self.readings + TAIL).next_power_of_two().ilog2() as usize).max(minimum)
    }

    pub fn publics(&self) -> Vec<F> {
        let numbers = self.start.into_iter().chain(self.end).chain([self.readings as u32]);
        numbers.chain(digits(self.most)).map(F::from_u32).collect()
    }

    /// Why this is no statement of S(N), if it is none.
    pub fn fault(&self) -> Option<&'static str> {
        let canonical = self.start.iter().chain(&self.end).all(|&x| x < F::ORDER_U32);
        match self.readings {
            0 => Some("no readings"),
            n if n + TAIL > 1 << MAX_LOG_ROWS => Some("more than 2^20 rows"),
            _ if !canonical => Some("start or end is not a list of field elements"),
            _ => None,
        }
    }
}

/// Bytes 0 to 4 of T and the 24 bits above.
fn digits(most: u64) -> [u32; DIGITS] {
    core::array::from_fn(|j| if j + 1 < DIGITS { (most >> (8 * j)) as u32 & 255 } else { (most >> 40) as u32 })
}

impl Instance {
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            _ if self.values.len() != self.readings || self.nonces.len() != self.readings => Some("lengths differ"),
            _ if self.values.iter().any(|&v| v >> VALUE_BITS != 0) => Some("a value has more than 48 bits"),
            _ if self.nonces.iter().flatten().any(|&x| u64::from(x) >= F::ORDER_U64) => Some("a nonce is not canonical"),
            _ if self.most.parse::<u64>().is_err() => Some("T is not below 2^64"),
            _ => None,
        }
    }

    /// The hash chain: the statement and the input of every reading's permutation.
    pub fn chain(&self) -> (Statement, Vec<[F; WIDTH]>) {
        let hash = default_koalabear_poseidon2_16();
        let mut state = [F::ZERO; WIDTH];
        state[RATE..].copy_from_slice(&START.map(F::from_u32));
        let mut inputs = Vec::with_capacity(self.readings);
        for (&value, nonce) in self.values.iter().zip(&self.nonces) {
            state[0] = F::from_u32(value as u32 & 0xFF_FFFF);
            state[1] = F::from_u32((value >> 24) as u32);
            for (lane, &limb) in state[2..6].iter_mut().zip(nonce) {
                *lane = F::from_u32(limb);
            }
            state[6..RATE].fill(F::ZERO);
            inputs.push(state);
            hash.permute_mut(&mut state);
        }
        let end = core::array::from_fn(|i| state[i].as_canonical_u32());
        let most = self.most.parse().unwrap_or(0);
        (Statement { readings: self.readings, start: START, end, most }, inputs)
    }

    /// The table. Values that no constraint allows are written as they come, so that tests can ask for a false proof.
    ///
    /// `spare`: log2 of the capacity over the size; Plonky3's extension then need not move the table.
    pub fn trace(&self, statement: &Statement, mut inputs: Vec<[F; WIDTH]>, log_rows: usize, spare: usize) -> RowMajorMatrix<F> {
        let rows = 1 << log_rows;
        let mut last = [F::ZERO; WIDTH];
        last[..RATE].copy_from_slice(&statement.end.map(F::from_u32));
        inputs.resize(rows, last);
        let hashes = generate_trace_rows::<F, Linear, WIDTH, S_BOX, 0, HALF, PARTIAL>(inputs, &constants(), 0);

        let mut cells = Vec::with_capacity(rows * COLUMNS << spare);
        cells.resize(rows * COLUMNS, F::ZERO);
        cells
            .par_chunks_exact_mut(COLUMNS)
            .zip(hashes.values.par_chunks_exact(PERMUTATION))
            .for_each(|(row, hash)| row[..PERMUTATION].copy_from_slice(hash));
        let mut left: [i64; DIGITS] = digits(statement.most).map(i64::from);
        for (i, row) in cells.chunks_exact_mut(COLUMNS).enumerate() {
            for (cell, &digit) in row[LEFT..READ].iter_mut().zip(&left) {
                *cell = F::from_i64(digit);
            }
            let read = i < self.readings;
            row[READ] = F::from_bool(read);
            row[COUNT] = F::from_usize(self.readings.min(i + 1));
            let word = if read {
                for (j, digit) in left.iter_mut().enumerate() {
                    *digit -= (self.values[i] >> (8 * j) & 255) as i64;
                }
                self.values[i]
            } else {
                let (byte, carry) = (left[0].rem_euclid(256), left[0].div_euclid(256));
                left.rotate_left(1);
                left[DIGITS - 1] = 0;
                left[0] += carry;
                byte as u64 | ((carry + (1 << (CARRY_BITS - 1))) as u64) << 8
            };
            for (j, cell) in row[BITS..LEFT].iter_mut().enumerate() {
                *cell = F::from_bool(word >> j & 1 == 1);
            }
        }
        RowMajorMatrix::new(cells, COLUMNS)
    }
}
