// compile | setup | witness | prove | verify | tamper-byte | tamper-most | tamper-end, in the job's folder: node peer.mjs ROLE INSTANCE
// Key generation here is INSECURE: one contribution, made on this machine, from a fixed text.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, "x.js"));
const snarkjs = require("snarkjs");
const [role, instancePath] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const read = (name) => JSON.parse(readFileSync(name, "utf8"));
const seconds = async (work) => {
  const begin = performance.now();
  const result = await work();
  return [(performance.now() - begin) / 1000, result];
};
const nonce = (lanes) => lanes.reduceRight((sum, lane) => (sum << 31n) + BigInt(lane), 0n).toString();

function compile(instance) {
  const source = readFileSync(join(here, "chain.circom"), "utf8");
  writeFileSync("chain.circom", `${source}\ncomponent main {public [start, most]} = ChainSum(${instance.readings});\n`);
  const circom = join(here, "node_modules", "circom2", "cli.js");
  execFileSync(process.execPath, [circom, "chain.circom", "--r1cs", "--wasm", "--O2", "-l", "library"], { stdio: "ignore" });
}

async function setup(instance) {
  compile(instance);
  const info = await snarkjs.r1cs.info("chain.r1cs", quiet);
  const power = Math.ceil(Math.log2(info.nConstraints + info.nPubInputs + info.nOutputs + 1));
  const curve = await snarkjs.curves.getCurveFromName("bn128");
  await snarkjs.powersOfTau.newAccumulator(curve, power, "0.ptau", quiet);
  await snarkjs.powersOfTau.contribute("0.ptau", "1.ptau", "INSECURE", "INSECURE: a fixed text", quiet);
  await snarkjs.powersOfTau.preparePhase2("1.ptau", "2.ptau", quiet);
  await snarkjs.zKey.newZKey("chain.r1cs", "2.ptau", "0.zkey", quiet);
  await snarkjs.zKey.contribute("0.zkey", "1.zkey", "INSECURE", "INSECURE: a fixed text", quiet);
  writeFileSync("vk.json", JSON.stringify(await snarkjs.zKey.exportVerificationKey("1.zkey", quiet)));
  return { constraints: info.nConstraints };
}

async function witness(instance) {
  const input = { start: "0", most: instance.most, values: instance.values, nonces: instance.nonces.map(nonce) };
  await snarkjs.wtns.calculate(input, "chain_js/chain.wasm", "witness.wtns", quiet);
  const values = await snarkjs.wtns.exportJson("witness.wtns");
  writeFileSync("public.json", JSON.stringify(values.slice(1, 4).map(String)));
}

async function prove() {
  const { proof, publicSignals } = await snarkjs.groth16.prove("1.zkey", "witness.wtns", quiet);
  writeFileSync("proof.json", JSON.stringify(proof));
  writeFileSync("public.json", JSON.stringify(publicSignals));
  return { proof_bytes: 128 };
}

async function verify(change) {
  const [key, publics, proof] = [read("vk.json"), read("public.json"), read("proof.json")];
  if (change === "byte") proof.pi_c = proof.pi_a;
  if (change === "most") publics[2] = (BigInt(publics[2]) - 1n).toString();
  if (change === "end") publics[0] = (BigInt(publics[0]) ^ 1n).toString();
  return { accepted: await snarkjs.groth16.verify(key, publics, proof, quiet) };
}

const instance = instancePath ? read(instancePath) : null;
const roles = {
  compile: async () => compile(instance),
  setup: () => setup(instance),
  witness: () => witness(instance),
  prove,
  verify: () => verify(""),
  "tamper-byte": () => verify("byte"),
  "tamper-most": () => verify("most"),
  "tamper-end": () => verify("end"),
};
const [time, result] = await seconds(roles[role]);
if (role === "setup") statSync("1.zkey");
console.log(JSON.stringify({ seconds: time, ...(result ?? {}) }));
process.exit(0);
