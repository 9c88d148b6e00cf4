// S(N) in Barretenberg's UltraHonk. Run in a job's folder: node peer.mjs setup|witness|verify|tamper-NAME INSTANCE TARGET
// Proving is bb's own command. The last line of output is a JSON object; exit code 2 and no such line: something failed.
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HOME = dirname(fileURLToPath(import.meta.url));
const BB = join(HOME, "node_modules/@aztec/bb.js/build", `${{ x64: "amd64", arm64: "arm64" }[process.arch]}-linux/bb`);
const STRING = join(HOME, "insecure-reference-string"), POINT = 64, G2_BYTES = 128;
const START = 7n, NONCE_SHIFT = 48n, MARGIN = 64;
// [tau]_2 of the ceremony, which bb's verifier has as a constant and does not read from the reference string.
const CEREMONY_G2 = Buffer.from(
  "0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1" +
  "22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e5504fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4",
  "hex",
);

const now = () => performance.now() / 1000;
const hex = (x) => "0x" + x.toString(16);
const word = (x) => Buffer.from(x.toString(16).padStart(64, "0"), "hex");

/** Runs bb without touching the network: what it misses it cannot download, the reference string is there. */
function bb(program, ...args) {
  const run = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, CRS_PATH: "crs" } });
  if (run.error) throw run.error;
  return run;
}

function mustRun(...args) {
  const run = bb(BB, ...args);
  if (run.status !== 0) throw new Error(`bb ${args[0]}: ${run.stderr}`);
  return run.stdout;
}

/** The packaged bb with the verifier's [tau]_2 replaced by the one of the string made here: 128 bytes in a copy. */
function localVerifier(g2) {
  const program = readFileSync(BB), at = program.indexOf(CEREMONY_G2);
  if (at < 0 || program.indexOf(CEREMONY_G2, at + 1) >= 0) throw new Error("this bb does not hold the ceremony's point once");
  g2.copy(program, at);
  writeFileSync("bb-local", program, { mode: 0o755 });
}

/** Lays a string of `count` points into the job's folder; the home's is made anew where it is shorter. Returns [tau]_2. */
async function referenceString(count) {
  if (!existsSync(STRING) || statSync(STRING).size < G2_BYTES + count * POINT) {
    const { makeReferenceString } = await import("./srs.mjs");
    const { g1, g2 } = makeReferenceString(count);
    writeFileSync(`${STRING}.new`, Buffer.concat([g2, g1]));
    renameSync(`${STRING}.new`, STRING);
  }
  const file = openSync(STRING, "r"), g2 = Buffer.alloc(G2_BYTES), g1 = Buffer.alloc(POINT * count);
  readSync(file, g2);
  readSync(file, g1);
  closeSync(file);
  mkdirSync("crs", { recursive: true });
  writeFileSync("crs/bn254_g1.dat", g1);
  writeFileSync("crs/bn254_g2.dat", g2);
  return g2;
}

async function setup({ readings }, target) {
  const { compile, createFileManager } = await import("@noir-lang/noir_wasm");
  const phases = {};
  let since = now();
  const lap = (name) => {
    phases[name] = now() - since;
    since = now();
  };
  mkdirSync("circuit/src", { recursive: true });
  writeFileSync("circuit/Nargo.toml", readFileSync(join(HOME, "circuit/Nargo.toml")));
  const source = readFileSync(join(HOME, "circuit/src/main.nr"), "utf8");
  writeFileSync("circuit/src/main.nr", source.replace("global N: u32 = 64;", `global N: u32 = ${readings};`));
  const { program } = await compile(createFileManager(join(process.cwd(), "circuit")));
  writeFileSync("circuit.json", JSON.stringify({ abi: program.abi, bytecode: program.bytecode, noir_version: program.noir_version }));
  lap("compile");
  const gates = JSON.parse(mustRun("gates", "-b", "circuit.json", "-t", target)).functions[0].circuit_size;
  lap("gates");
  const count = 2 ** Math.ceil(Math.log2(gates + MARGIN)) + 1;
  const g2 = await referenceString(count);
  localVerifier(g2);
  lap("insecure_reference_string");
  mustRun("write_vk", "-b", "circuit.json", "-o", ".", "-t", target);
  lap("keys");
  return { seconds: phases.compile + phases.gates + phases.keys, phases, gates, reference_string_points: count };
}

/** Executes the circuit; throws where the readings do not satisfy it. */
async function witness({ values, nonces, most }) {
  const { Noir } = await import("@noir-lang/noir_js");
  const { BarretenbergSync } = await import("@aztec/bb.js");
  const api = await BarretenbergSync.initSingleton();
  const since = now();
  const packed = nonces.map((lanes) => lanes.reduceRight((sum, lane) => (sum << 31n) + BigInt(lane), 0n));
  let end = START;
  values.forEach((value, i) => {
    const inputs = [end, BigInt(value) + (packed[i] << NONCE_SHIFT), 0n, 2n << 64n].map(word);
    end = BigInt("0x" + Buffer.from(api.poseidon2Permutation({ inputs }).outputs[0]).toString("hex"));
  });
  const circuit = JSON.parse(readFileSync("circuit.json", "utf8"));
  const input = { values: values.map((v) => hex(BigInt(v))), nonces: packed.map(hex), start: hex(START), end: hex(end), most: hex(BigInt(most)) };
  writeFileSync("witness.gz", (await new Noir(circuit).execute(input)).witness);
  writeFileSync("statement", Buffer.concat([START, end, BigInt(most)].map(word)));
  return { seconds: now() - since };
}

/** Verifies `proof` for the public inputs in `statement`, which the verifier has from elsewhere, not from the prover. */
function verify(target, proof = "proof/proof", statement = "statement") {
  const since = now();
  const run = bb("./bb-local", "verify", "-p", proof, "-k", "vk", "-i", statement, "-t", target);
  const seconds = now() - since;
  if (run.status === 0 && run.stderr.includes("Proof verified successfully")) return { accepted: true, seconds };
  if (run.status === 1 && run.stderr.includes("Proof verification failed")) return { accepted: false, seconds };
  throw new Error(`bb verify: ${run.stderr}`);
}

function changed(from, to, at, bit = 1) {
  const copy = readFileSync(from);
  copy[at < 0 ? copy.length + at : at] ^= bit;
  writeFileSync(to, copy);
  return to;
}

async function falseSum(instance) {
  const most = instance.values.reduce((sum, v) => sum + BigInt(v), 0n) - 1n;
  try {
    await witness({ ...instance, most });
  } catch (error) {
    if (/constraint|assert|range/i.test(String(error))) return { accepted: false };
    throw error;
  }
  return { accepted: true };
}

const [command, path, target] = process.argv.slice(2);
const instance = () => JSON.parse(readFileSync(path, "utf8"));
const commands = {
  setup: () => setup(instance(), target),
  witness: () => witness(instance()),
  verify: () => verify(target),
  "tamper-byte": () => verify(target, changed("proof/proof", "proof.tampered", 4000)),
  "tamper-most": () => verify(target, undefined, changed("statement", "statement.most", -1)),
  "tamper-end": () => verify(target, undefined, changed("statement", "statement.end", 63)),
  "tamper-sum": () => falseSum(instance()),
};
try {
  if (!Object.hasOwn(commands, command)) throw new Error(`no command ${command}`);
  if (existsSync(BB)) chmodSync(BB, 0o755);
  const result = await commands[command]();
  process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
} catch (error) {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(2));
}
