//! Plonky3's settings: its stock ones, and those with the proven bits of Standstill's `std`; plain and hiding.
//!
//! | | stock plain | stock hiding | std |
//! |---|---|---|---|
//! | source | `FriParameters::new_benchmark` | `new_benchmark_zk` | as zk/options.py |
//! | challenges | degree 4 | degree 4 | degree 5 |
//! | blow-up | 2 | 4 | 4 |
//! | queries | 100 | 100 | 124 |
//! | grinding: queries, batching, folds, zeta | 16, 0, 0, 0 | 16, 10, 0, 0 | 20, 18, 18, 18 |
//! | folding arity, final length | 2, 1 | 2, 1 | 8, 32 |
//!
//! Hashing is that of Plonky3's own Poseidon2 example over KoalaBear: Keccak-f[1600] (17 of 25 words of rate, four words of digest), eight at
//! a time in its Merkle trees, Keccak-256 in its transcript. Hiding means `HidingFriPcs` with as many random codewords as the challenge
//! field has degrees, `MerkleTreeHidingMmcs` with salts of four elements, and generators seeded by the operating system.

use p3_challenger::{HashChallenger, SerializingChallenger32};
use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_field::PrimeField64;
use p3_field::coset::TwoAdicMultiplicativeCoset;
use p3_field::extension::{BinomialExtensionField, QuinticTrinomialExtensionField};
use p3_field::{BasedVectorSpace, ExtensionField, PrimeCharacteristicRing};
use p3_fri::{FriParameters, HidingFriPcs, TwoAdicFriPcs};
use p3_keccak::{Keccak256Hash, KeccakF};
use p3_merkle_tree::{MerkleTreeHidingMmcs, MerkleTreeMmcs};
use p3_symmetric::{CompressionFunctionFromHasher, PaddingFreeSponge, SerializingHasher};
use p3_uni_stark::{AirLayout, OpeningShape, ProvenSecurity, StarkConfig, StarkSecurityParams};
use rand::rngs::StdRng;

use crate::air::{ChainSum, F};

pub type Quartic = BinomialExtensionField<F, 4>;
pub type Quintic = QuinticTrinomialExtensionField<F>;

type Words = PaddingFreeSponge<KeccakF, 25, 17, 4>;
type Hasher = SerializingHasher<Words>;
type Compress = CompressionFunctionFromHasher<Words, 2, 4>;
type Leaves = [F; p3_keccak::VECTOR_LEN];
type Digests = [u64; p3_keccak::VECTOR_LEN];
type Tree = MerkleTreeMmcs<Leaves, Digests, Hasher, Compress, 2, 4>;
type SaltedTree = MerkleTreeHidingMmcs<Leaves, Digests, Hasher, Compress, StdRng, 2, 4, SALT>;
type Dft = Radix2DitParallel<F>;
type Challenger = SerializingChallenger32<F, HashChallenger<u8, Keccak256Hash, 32>>;
pub type Plain<E> = StarkConfig<TwoAdicFriPcs<F, Dft, Tree, ExtensionMmcs<F, E, Tree>>, E, Challenger>;
pub type Hiding<E> = StarkConfig<HidingFriPcs<F, Dft, SaltedTree, ExtensionMmcs<F, E, SaltedTree>, StdRng>, E, Challenger>;

const SALT: usize = 4;
/// log2 of the top layer that a tree publishes in place of a root, as in Plonky3's examples: plain, hiding.
const CAPS: (usize, usize) = (3, 0);
const ROUND_GRINDING: usize = 18;
const HASH_BITS: usize = 128;

/// Plain and hiding, at stock or `std` settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    pub hiding: bool,
    pub std: bool,
}

impl Variant {
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, settings) = name.split_once('-')?;
        let hiding = ["plain", "hiding"].iter().position(|&x| x == kind)? == 1;
        let std = ["stock", "std"].iter().position(|&x| x == settings)? == 1;
        Some(Self { hiding, std })
    }

    /// Least height. Hiding needs 2 (queries + degree x points) rows of mask; both need room above the final polynomial.
    pub fn min_log_rows(self) -> usize {
        if self.hiding { 9 } else { 6 }
    }

    pub fn fri<M>(self, mmcs: M) -> FriParameters<M> {
        match (self.std, self.hiding) {
            (false, false) => FriParameters::new_benchmark(mmcs),
            (false, true) => FriParameters::new_benchmark_zk(mmcs),
            (true, _) => FriParameters {
                log_blowup: 2,
                log_final_poly_len: 5,
                max_log_arity: 3,
                num_queries: 124,
                batch_proof_of_work_bits: ROUND_GRINDING,
                commit_proof_of_work_bits: ROUND_GRINDING,
                query_proof_of_work_bits: 20,
                mmcs,
            },
        }
    }

    fn zeta_grinding(self) -> usize {
        if self.std { ROUND_GRINDING } else { 0 }
    }

    /// Proven bits by Plonky3's own account (p3-security), round by round: unique decoding, list decoding. Whole bits, rounded down.
    pub fn bits<E: ExtensionField<F>>(self, log_rows: usize) -> Option<ProvenSecurity> {
        let (fri, air) = (self.fri(()), ChainSum::new());
        let mut grinding = fri.grinding_sites();
        grinding.out_of_domain = self.zeta_grinding();
        let degree = <E as BasedVectorSpace<F>>::DIMENSION;
        let openings = if self.hiding { OpeningShape::hiding(degree) } else { OpeningShape::new() };
        let field_bits = (degree as f64 * (F::ORDER_U64 as f64).log2()).floor() as usize;
        let parameters = StarkSecurityParams::from_air::<F, E, _>(
            fri.security_regime(),
            &air,
            AirLayout::from_air::<F>(&air),
            TwoAdicMultiplicativeCoset::new(F::ONE, log_rows)?,
            field_bits,
            HASH_BITS,
            2,
            openings,
            grinding,
        );
        Some(ProvenSecurity::compute_from_proof(log_rows + usize::from(self.hiding), &parameters))
    }

    pub fn plain<E: ExtensionField<F>>(self) -> Plain<E> {
        let tree = Tree::new(hasher(), compress(), CAPS.0);
        let pcs = TwoAdicFriPcs::new(Dft::default(), tree.clone(), self.fri(ExtensionMmcs::new(tree)));
        StarkConfig::new(pcs, challenger()).with_ood_proof_of_work_bits(self.zeta_grinding())
    }

    pub fn hidden<E: ExtensionField<F>>(self) -> Hiding<E> {
        let tree = SaltedTree::new(hasher(), compress(), CAPS.1, rand::make_rng());
        let fri = self.fri(ExtensionMmcs::new(tree.clone()));
        let codewords = <E as BasedVectorSpace<F>>::DIMENSION;
        let pcs = HidingFriPcs::new(Dft::default(), tree, fri, codewords, rand::make_rng());
        StarkConfig::new(pcs, challenger()).with_ood_proof_of_work_bits(self.zeta_grinding())
    }
}

fn hasher() -> Hasher {
    Hasher::new(Words::new(KeccakF {}))
}

fn compress() -> Compress {
    Compress::new(Words::new(KeccakF {}))
}

fn challenger() -> Challenger {
    Challenger::from_hasher(vec![], Keccak256Hash {})
}
