//! The AIR of S(N): one permutation a row, 220 columns, constraints of degree 3 at most.
//!
//! A row is a reading (`read` = 1) or belongs to the tail (`read` = 0); readings come first, the last row is tail.
//!
//! * Permutation: Plonky3's own `Poseidon2Air`, width 16, KoalaBear's published constants, in the first 164 columns.
//! * Chain: a reading overwrites the rate, lanes 0 to 7, with (value low 24 bits, value high 24 bits, nonce[0..4], 0, 0) and keeps
//!   the capacity, lanes 8 to 15, of the row before; the first capacity is the public start. The tail carries the rate of the last
//!   output on in its own lanes 0 to 7, up to the last row, where it is the public end.
//! * Values: 48 bits. `left[j]` starts at digit j of T (bytes 0 to 4, then the 24 bits above them) and loses byte j of every value. So
//!   left[j] is within (-2^28, 2^24) for 2^20 rows at most.
//! * Sum: a tail row writes left[0] = byte + 256 carry, a byte of 8 bits and a carry of 22 bits from -2^21, and shifts: the next
//!   left[0] is left[1] + carry. Both sides are below 2^30 in absolute value, so this holds over the integers. The last row has all
//!   left = 0: T minus the sum of the values is the sum of the bytes times powers of 256, and so not negative.
//! * Count: `count` counts the readings; the last row's is the public N.

use core::borrow::Borrow;

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear, KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS, KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL, KOALABEAR_POSEIDON2_RC_16_INTERNAL,
    KOALABEAR_S_BOX_DEGREE, KoalaBear,
};
use p3_poseidon2_air::{Poseidon2Air, Poseidon2Cols, RoundConstants, num_cols};
use p3_uni_stark::SubAirBuilder;

pub type F = KoalaBear;
pub type Linear = GenericPoseidon2LinearLayersKoalaBear;

pub const WIDTH: usize = 16;
pub const RATE: usize = 8;
pub const S_BOX: u64 = KOALABEAR_S_BOX_DEGREE;
pub const HALF: usize = KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS;
pub const PARTIAL: usize = KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16;

pub const PERMUTATION: usize = num_cols::<WIDTH, S_BOX, 0, HALF, PARTIAL>();
pub const VALUE_BITS: usize = 48;
pub const DIGITS: usize = VALUE_BITS / 8;
pub const CARRY_BITS: usize = 22;
pub const BITS: usize = PERMUTATION;
pub const LEFT: usize = BITS + VALUE_BITS;
pub const READ: usize = LEFT + DIGITS;
pub const COUNT: usize = READ + 1;
pub const COLUMNS: usize = COUNT + 1;
/// Start, end, N, digits of T.
pub const PUBLICS: usize = 2 * RATE + 1 + DIGITS;
/// Rows after the readings: eight digits of T < 2^64 and a row of zeros.
pub const TAIL: usize = 9;
pub const MAX_LOG_ROWS: usize = 20;

type Permutation = Poseidon2Air<F, Linear, WIDTH, S_BOX, 0, HALF, PARTIAL>;
type Lanes<T> = Poseidon2Cols<T, WIDTH, S_BOX, 0, HALF, PARTIAL>;

pub fn constants() -> RoundConstants<F, WIDTH, HALF, PARTIAL> {
    RoundConstants::new(
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
        KOALABEAR_POSEIDON2_RC_16_INTERNAL,
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    )
}

pub struct ChainSum {
    permutation: Permutation,
}

impl ChainSum {
    pub fn new() -> Self {
        Self { permutation: Permutation::new(constants()) }
    }
}

impl BaseAir<F> for ChainSum {
    fn width(&self) -> usize {
        COLUMNS
    }

    fn num_public_values(&self) -> usize {
        PUBLICS
    }
}

/// Little-endian bits as one expression.
fn number<AB: AirBuilder<F = F>>(bits: &[AB::Var]) -> AB::Expr {
    bits.iter().rev().fold(AB::Expr::ZERO, |sum, &bit| sum.double() + bit)
}

impl<AB: AirBuilder<F = F>> Air<AB> for ChainSum {
    fn eval(&self, builder: &mut AB) {
        self.permutation.eval(&mut SubAirBuilder::<AB, Permutation, AB::Var>::new(builder, 0..PERMUTATION));

        let main = builder.main();
        let (row, next) = (main.current_slice(), main.next_slice());
        let lanes: &Lanes<AB::Var> = row[..PERMUTATION].borrow();
        let then: &Lanes<AB::Var> = next[..PERMUTATION].borrow();
        let output = &lanes.ending_full_rounds[HALF - 1].post;
        let (bits, left, next_left) = (&row[BITS..LEFT], &row[LEFT..READ], &next[LEFT..READ]);
        let (read, next_read, count) = (row[READ], next[READ], row[COUNT]);
        let tail = AB::Expr::ONE - read;
        let public: Vec<AB::Expr> = builder.public_values().iter().map(|&value| value.into()).collect();
        let (start, rest) = public.split_at(RATE);
        let (end, rest) = rest.split_at(RATE);
        let (readings, most) = (rest[0].clone(), &rest[1..]);

        // Readings first, counted; the last row is tail.
        builder.assert_bool(read);
        builder.when_first_row().assert_one(read);
        builder.when_last_row().assert_zero(read);
        builder.when_transition().assert_zero(tail.clone() * next_read);
        builder.when_first_row().assert_one(count);
        builder.when_transition().assert_eq(next[COUNT], count + next_read);
        builder.when_last_row().assert_eq(count, readings);

        // The chain.
        for i in 0..RATE {
            builder.when_first_row().assert_eq(lanes.inputs[RATE + i], start[i].clone());
            builder.when_transition().assert_zero((then.inputs[RATE + i] - output[RATE + i]) * next_read);
            let carried = output[i] * read + lanes.inputs[i] * tail.clone();
            let next_tail = AB::Expr::ONE - next_read;
            builder.when_transition().assert_zero(next_tail * (carried - then.inputs[i]));
            builder.when_last_row().assert_eq(lanes.inputs[i], end[i].clone());
        }
        builder.when(read).assert_eq(lanes.inputs[0], number::<AB>(&bits[..24]));
        builder.when(read).assert_eq(lanes.inputs[1], number::<AB>(&bits[24..]));
        builder.when(read).assert_zero(lanes.inputs[6]);
        builder.when(read).assert_zero(lanes.inputs[7]);

        // The sum.
        for &bit in bits {
            builder.assert_bool(bit);
        }
        let carry = number::<AB>(&bits[8..8 + CARRY_BITS]) - AB::Expr::from_u32(1 << (CARRY_BITS - 1));
        builder.when(tail.clone()).assert_eq(left[0], number::<AB>(&bits[..8]) + carry.clone() * AB::Expr::from_u32(256));
        for j in 0..DIGITS {
            let byte = number::<AB>(&bits[8 * j..8 * (j + 1)]);
            let mut shifted = if j + 1 < DIGITS { left[j + 1].into() } else { AB::Expr::ZERO };
            if j == 0 {
                shifted += carry.clone();
            }
            builder.when_first_row().assert_eq(left[j], most[j].clone());
            builder.when_transition().when(read).assert_eq(next_left[j], left[j] - byte);
            builder.when_transition().when(tail.clone()).assert_eq(next_left[j], shifted);
            builder.when_last_row().assert_zero(left[j]);
        }
    }
}
