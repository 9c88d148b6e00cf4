// setup | witness | prove | verify | tamper-NAME, in the job's folder: node peer.mjs ROLE INSTANCE SHARED
// SHARED: circuit and keys of this size, for all peers that take them. The keys are INSECURE: keys/main.go.
// The last line of output is a JSON object; exit code 2 and no such line: something failed.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HOME = dirname(fileURLToPath(import.meta.url));
const snarkjs = createRequire(import.meta.url)("snarkjs");
const SMALL_HEAP = "--max-old-space-size=16384";
const END = 0, MOST = 2;

const now = () => performance.now() / 1000;
const read = (name) => JSON.parse(readFileSync(name, "utf8"));
const write = (name, value) => writeFileSync(name, JSON.stringify(value));
const nonce = (lanes) => lanes.reduceRight((sum, lane) => (sum << 31n) + BigInt(lane), 0n).toString();
const [role, instancePath, shared] = process.argv.slice(2);

/** Circuit and keys, made by the first peer that comes here; the others are told what they took. */
async function setup() {
  if (!existsSync(join(shared, "setup.json"))) {
    const folder = `${shared}.new`;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const phases = {};
    let since = now();
    const lap = (name) => ([phases[name], since] = [now() - since, now()]);
    const source = readFileSync(join(HOME, "chain.circom"), "utf8");
    writeFileSync(join(folder, "chain.circom"), `${source}\ncomponent main {public [start, most]} = ChainSum(${read(instancePath).readings});\n`);
    // the compiler sees files below its folder only
    cpSync(join(HOME, "node_modules", "circomlib", "circuits"), join(folder, "library", "circuits"), { recursive: true });
    const circom = join(HOME, "node_modules", "circom2", "cli.js");
    execFileSync(process.execPath, [circom, "chain.circom", "--r1cs", "--wasm", "--O1", "-l", "library"], { cwd: folder, stdio: "ignore" });
    lap("compile");
    const said = execFileSync(join(HOME, "bin", "keys"), ["chain.r1cs", "chain.zkey"], { cwd: folder, encoding: "utf8" });
    write(join(folder, "vk.json"), await snarkjs.zKey.exportVerificationKey(join(folder, "chain.zkey")));
    lap("insecure_keys");
    const { constraints, wires } = JSON.parse(said.trim().split("\n").at(-1));
    write(join(folder, "setup.json"), { seconds: phases.compile + phases.insecure_keys, phases, constraints, wires, insecure: true });
    rmSync(shared, { recursive: true, force: true });
    renameSync(folder, shared);
  }
  return read(join(shared, "setup.json"));
}

async function witness() {
  const instance = read(instancePath);
  const input = { start: "0", most: instance.most, values: instance.values, nonces: instance.nonces.map(nonce) };
  const since = now();
  await snarkjs.wtns.calculate(input, join(shared, "chain_js", "chain.wasm"), "witness.wtns");
  return { seconds: now() - since };
}

async function prove() {
  const since = now();
  const { proof, publicSignals } = await snarkjs.groth16.prove(join(shared, "chain.zkey"), "witness.wtns");
  const seconds = now() - since;
  write("proof.json", proof);
  write("public.json", publicSignals);
  return { seconds, proof_bytes: 128 };
}

async function verify(change = () => {}) {
  const [key, publics, proof] = [read(join(shared, "vk.json")), read("public.json"), read("proof.json")];
  change(proof, publics);
  const since = now();
  const accepted = await snarkjs.groth16.verify(key, publics, proof);
  return { accepted, seconds: now() - since };
}

/** Whether the circuit has a witness for a bound of one less than the sum of the values. */
async function falseSum() {
  const instance = read(instancePath);
  const most = instance.values.reduce((sum, value) => sum + BigInt(value), -1n).toString();
  const input = { start: "0", most, values: instance.values, nonces: instance.nonces.map(nonce) };
  try {
    await snarkjs.wtns.calculate(input, join(shared, "chain_js", "chain.wasm"), { type: "mem" });
  } catch (error) {
    if (/assert/i.test(String(error))) return { accepted: false };
    throw error;
  }
  return { accepted: true };
}

const more = (text, by = 1n) => (BigInt(text) + by).toString();
const roles = {
  setup,
  witness,
  prove,
  verify: () => verify(),
  "tamper-byte": () => verify((proof) => (proof.pi_c[0] = (BigInt(proof.pi_c[0]) ^ 1n).toString())),
  "tamper-point": () => verify((proof) => (proof.pi_c = proof.pi_a)),
  "tamper-most": () => verify((_, publics) => (publics[MOST] = more(publics[MOST], -1n))),
  "tamper-end": () => verify((_, publics) => (publics[END] = more(publics[END]))),
  "tamper-sum": falseSum,
};
try {
  if (!Object.hasOwn(roles, role)) throw new Error(`no role ${role}`);
  const result = await roles[role]();
  process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
} catch (error) {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(2));
}
