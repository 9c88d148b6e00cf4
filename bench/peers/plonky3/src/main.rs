//! S(N) in Plonky3: README.md beside Cargo.toml.
//!
//!     chain-sum-plonky3 prove VARIANT INSTANCE PROOF              also writes PROOF.statement.json
//!     chain-sum-plonky3 verify VARIANT PROOF [byte|most|end|readings]      after that change to proof or statement
//!     chain-sum-plonky3 forge VARIANT                             false proofs of a small instance; each must be refused
//!
//! VARIANT: plain-stock, hiding-stock, plain-std, hiding-std. The last line of output is a JSON object. Exit code: 0 done or accepted,
//! 1 rejected, 2 usage or input.

mod air;
mod settings;
mod trace;

use std::time::Instant;
use std::{env, fs, process};

use p3_air::Air;
use p3_challenger::GrindingChallenger;
use p3_field::{ExtensionField, PrimeCharacteristicRing};
use p3_matrix::dense::RowMajorMatrix;
use p3_uni_stark::{
    Proof, ProverConstraintFolder, StarkGenericConfig, SymbolicAirBuilder, Val, VerifierConstraintFolder, prove, verify,
};
use serde_json::{Value, json};

use air::{BITS, COLUMNS, COUNT, ChainSum, F, LEFT, READ};
use settings::{Quartic, Quintic, Variant};
use trace::{Instance, Statement};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, String>;

/// What S(N)'s AIR needs of a configuration, under one name.
trait Config: StarkGenericConfig<Pcs: Sized> {
    fn prove(&self, table: RowMajorMatrix<F>, statement: &Statement) -> Outcome<Vec<u8>>;
    fn verify(&self, proof: &[u8], statement: &Statement, log_rows: usize) -> Outcome<()>;
}

impl<C> Config for C
where
    C: StarkGenericConfig,
    C: StarkGenericConfig<Challenger: GrindingChallenger<Witness = F>>,
    C::Pcs: p3_commit::UnivariateStarkPcs<C::Challenge, C::Challenger, Domain: p3_commit::PolynomialSpace<Val = F>>,
    ChainSum:
        Air<SymbolicAirBuilder<F>> + for<'a> Air<ProverConstraintFolder<'a, C>> + for<'a> Air<VerifierConstraintFolder<'a, C>>,
{
    fn prove(&self, table: RowMajorMatrix<Val<C>>, statement: &Statement) -> Outcome<Vec<u8>> {
        let proof = prove(self, &ChainSum::new(), table, &statement.publics()).map_err(|e| format!("{e:?}"))?;
        postcard::to_allocvec(&proof).map_err(|e| e.to_string())
    }

    fn verify(&self, proof: &[u8], statement: &Statement, log_rows: usize) -> Outcome<()> {
        let (proof, rest): (Proof<C>, _) = postcard::take_from_bytes(proof).map_err(|e| e.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes too many", rest.len()));
        }
        if proof.degree_bits != log_rows + self.is_zk() {
            return Err(format!("a proof of 2^{} rows", proof.degree_bits));
        }
        verify(self, &ChainSum::new(), &proof, &statement.publics()).map_err(|e| format!("{e:?}"))
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [command, name, ref rest @ ..] => match Variant::parse(name) {
            Some(v) => match (v.hiding, v.std) {
                (false, false) => run::<_, Quartic>(v, Variant::plain::<Quartic>(v), command, rest),
                (false, true) => run::<_, Quintic>(v, Variant::plain::<Quintic>(v), command, rest),
                (true, false) => run::<_, Quartic>(v, Variant::hidden::<Quartic>(v), command, rest),
                (true, true) => run::<_, Quintic>(v, Variant::hidden::<Quintic>(v), command, rest),
            },
            None => Err(format!("no variant {name}")),
        },
        _ => Err("usage: prove|verify|forge VARIANT ...".into()),
    };
    match outcome {
        Ok((report, good)) => {
            println!("{report}");
            process::exit(if good { 0 } else { 1 });
        }
        Err(message) => {
            eprintln!("{message}");
            process::exit(2);
        }
    }
}

fn run<C: Config, E: ExtensionField<F>>(variant: Variant, config: C, command: &str, rest: &[&str]) -> Outcome<(Value, bool)> {
    match (command, rest) {
        ("prove", [instance, proof]) => prove_file::<C, E>(variant, &config, instance, proof),
        ("verify", [proof]) => verify_file::<C, E>(variant, &config, proof, ""),
        ("verify", [proof, change]) => verify_file::<C, E>(variant, &config, proof, change),
        ("forge", []) => forge(variant, &config),
        _ => Err(format!("usage: {command}?")),
    }
}

fn read(path: &str) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| format!("{path}: {e}"))
}

fn write(path: &str, content: &[u8]) -> Outcome<()> {
    fs::write(path, content).map_err(|e| format!("{path}: {e}"))
}

fn prove_file<C: Config, E: ExtensionField<F>>(v: Variant, config: &C, instance: &str, to: &str) -> Outcome<(Value, bool)> {
    let instance: Instance = serde_json::from_slice(&read(instance)?).map_err(|e| e.to_string())?;
    if let Some(fault) = instance.fault() {
        return Err(fault.into());
    }
    let clock = Instant::now();
    let (statement, inputs) = instance.chain();
    let chain = clock.elapsed().as_secs_f64();
    if let Some(fault) = statement.fault() {
        return Err(fault.into());
    }
    let log_rows = statement.log_rows(v.min_log_rows());
    let spare = if v.hiding { 0 } else { v.fri(()).log_blowup };
    let table = instance.trace(&statement, inputs, log_rows, spare);
    let trace = clock.elapsed().as_secs_f64() - chain;
    let proof = config.prove(table, &statement)?;
    let seconds = clock.elapsed().as_secs_f64();
    write(to, &proof)?;
    write(&format!("{to}.statement.json"), &serde_json::to_vec(&statement).map_err(|e| e.to_string())?)?;
    let phases = json!({"chain": chain, "trace": trace, "prove": seconds - chain - trace});
    let report = json!({"seconds": seconds, "phases": phases, "proof_bytes": proof.len()});
    Ok((with_bits::<E>(v, log_rows, report), true))
}

/// Adds the proven bits. Plonky3 counts them in whole bits.
fn with_bits<E: ExtensionField<F>>(variant: Variant, log_rows: usize, mut report: Value) -> Value {
    if let Some(bits) = variant.bits::<E>(log_rows) {
        report["log_rows"] = json!(log_rows);
        report["columns"] = json!(COLUMNS);
        report["security_bits"] = json!(bits.unique_decoding_bits);
        report["list_bits"] = json!(bits.list_decoding_bits);
    }
    report
}

fn verify_file<C: Config, E: ExtensionField<F>>(v: Variant, config: &C, path: &str, change: &str) -> Outcome<(Value, bool)> {
    let mut statement: Statement =
        serde_json::from_slice(&read(&format!("{path}.statement.json"))?).map_err(|e| e.to_string())?;
    let mut proof = read(path)?;
    match change {
        "" => {}
        "byte" => {
            let middle = proof.len() / 2;
            proof[middle] ^= 1;
        }
        "most" => statement.most -= 1,
        "end" => statement.end[0] ^= 1,
        "readings" => statement.readings -= 1,
        _ => return Err(format!("no change {change}")),
    }
    let clock = Instant::now();
    let log_rows = statement.log_rows(v.min_log_rows());
    let verdict = match statement.fault() {
        Some(fault) => Err(fault.into()),
        None => config.verify(&proof, &statement, log_rows),
    };
    let seconds = clock.elapsed().as_secs_f64();
    let mut report = json!({"accepted": verdict.is_ok(), "seconds": seconds, "proof_bytes": proof.len()});
    if let Err(reason) = &verdict {
        report["reason"] = json!(reason.chars().take(200).collect::<String>());
    }
    Ok((with_bits::<E>(v, log_rows, report), verdict.is_ok()))
}

/// Proofs from tables that break one rule each. Accepted: an honest one alone.
fn forge<C: Config>(variant: Variant, config: &C) -> Outcome<(Value, bool)> {
    type Change = fn(&mut Statement, &mut [F], usize);
    let honest = || Instance {
        readings: 40,
        most: ((1u64 << 48) * 3).to_string(),
        values: (0..40).map(|i| if i == 7 { (1 << 48) - 1 } else { i * 0x1_0203_0405 }).collect(),
        nonces: (0..40).map(|i| [i, i + 1, i + 2, 2_000_000_000 - i]).collect(),
    };
    let total: u64 = honest().values.iter().sum();
    let none: Change = |_, _, _| {};
    let cases: [(&str, u64, Change); 10] = [
        ("honest", total, none),
        ("honest with slack", u64::MAX, none),
        ("sum above T", total - 1, none),
        ("another end", total, |s, _, _| s.end[3] ^= 1),
        ("another start", total, |s, _, _| s.start[0] = 9),
        ("another N", total, |s, _, _| s.readings += 1),
        ("a bit of 2", total, |_, t, _| t[BITS + 5] = F::TWO),
        ("a value not charged", total, |_, t, _| t[COLUMNS + LEFT] += F::ONE),
        ("a reading skipped", total, |_, t, _| t[9 * COLUMNS + READ] = F::ZERO),
        ("count off", total, |_, t, rows| t[(rows - 1) * COLUMNS + COUNT] += F::ONE),
    ];
    let (mut report, mut good) = (json!({}), true);
    for (name, most, change) in cases {
        let mut instance = honest();
        instance.most = most.to_string();
        let (mut statement, inputs) = instance.chain();
        let log_rows = statement.log_rows(variant.min_log_rows());
        let mut table = instance.trace(&statement, inputs, log_rows, 0);
        change(&mut statement, &mut table.values, 1 << log_rows);
        let accepted = config.prove(table, &statement).and_then(|proof| config.verify(&proof, &statement, log_rows)).is_ok();
        report[name] = json!(accepted);
        good &= accepted == name.starts_with("honest");
    }
    Ok((json!({"accepted": report, "as_expected": good}), good))
}
