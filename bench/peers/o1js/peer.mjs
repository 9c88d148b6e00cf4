// S(N) in o1js (Kimchi and Pickles). Run in a job's folder: node peer.mjs setup|prove|verify|tamper-NAME INSTANCE
// The last line of output is a JSON object; exit code 2 and no such line: something failed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Cache, Field, Gadgets, Poseidon, Provable, SelfProof, Struct, ZkProgram, initializeBindings, setBackend, verify } from "o1js";

const CHUNK = 2048;
const START = Field(7);

const now = () => performance.now() / 1000;

/** What a proof says: `readings` readings lead from `start` to `end`, and their sum is at most `most`. */
class Statement extends Struct({ start: Field, end: Field, most: Field, readings: Field }) {}

/** The relation of one step, over `size` readings: value of 48 bits, nonce of 64 + 60 bits. */
function absorb(size, chain, sum, values, low, high) {
  for (let i = 0; i < size; i++) {
    Gadgets.rangeCheck64(values[i]);
    Gadgets.rangeCheck64(values[i].mul(1n << 16n));
    Gadgets.rangeCheck64(low[i]);
    Gadgets.rangeCheck64(high[i]);
    Gadgets.rangeCheck64(high[i].mul(1n << 4n));
    const reading = values[i].add(low[i].mul(1n << 48n)).add(high[i].mul(1n << 112n));
    chain = Poseidon.hash([chain, reading]);
    sum = sum.add(values[i]).seal();
  }
  return { chain, sum };
}

/** Steps of `size` readings. A step's bound is the sum so far, at most: the last one's is T, so no proof shows a sum. */
function programOf(size, recursive) {
  const column = Provable.Array(Field, size);
  const conclude = (statement, { chain, sum }) => {
    chain.assertEquals(statement.end);
    Gadgets.rangeCheck64(statement.most.sub(sum));
  };
  const first = {
    privateInputs: [column, column, column],
    async method(statement, values, low, high) {
      statement.readings.assertEquals(size);
      conclude(statement, absorb(size, statement.start, Field(0), values, low, high));
    },
  };
  const next = {
    privateInputs: [SelfProof, column, column, column],
    async method(statement, before, values, low, high) {
      before.verify();
      before.publicInput.start.assertEquals(statement.start);
      before.publicInput.readings.add(size).assertEquals(statement.readings);
      conclude(statement, absorb(size, before.publicInput.end, before.publicInput.most, values, low, high));
    },
  };
  return ZkProgram({ name: `chain-sum-${size}-${recursive}`, publicInput: Statement, methods: recursive ? { first, next } : { first } });
}

function read(path) {
  const { readings, most, values, nonces } = JSON.parse(readFileSync(path, "utf8"));
  const packed = nonces.map((lanes) => lanes.reduceRight((sum, lane) => (sum << 31n) + BigInt(lane), 0n));
  return {
    readings, most: BigInt(most), values: values.map(BigInt),
    low: packed.map((x) => Field(x & ((1n << 64n) - 1n))), high: packed.map((x) => Field(x >> 64n)), packed,
  };
}

/** The program for N readings, its keys from the job's folder where they are, and the verification key. */
async function compiled(readings) {
  const size = Math.min(readings, CHUNK);
  if (readings % size) throw new Error(`${readings} readings are no whole number of steps of ${size}`);
  const program = programOf(size, readings > size);
  return { program, size, verificationKey: (await program.compile({ cache: Cache.FileSystem("keys") })).verificationKey };
}

async function setup({ readings }) {
  const since = now();
  const { program, verificationKey } = await compiled(readings);
  const seconds = now() - since;
  writeFileSync("verification-key.json", JSON.stringify({ data: verificationKey.data, hash: verificationKey.hash.toString() }));
  const methods = await program.analyzeMethods();
  return { seconds, rows: Object.fromEntries(Object.entries(methods).map(([name, { rows }]) => [name, rows])) };
}

/** The statements after each step; the last one's bound is T. */
function statements({ readings, most, values, packed }, size) {
  const all = [];
  let end = START, sum = 0n;
  for (let i = 0; i < readings; i++) {
    end = Poseidon.hash([end, Field(values[i] + (packed[i] << 48n))]);
    sum += values[i];
    if ((i + 1) % size === 0) {
      const bound = i + 1 === readings ? most : sum;
      all.push(new Statement({ start: START, end, most: Field(bound), readings: Field(i + 1) }));
    }
  }
  return all;
}

async function proveSteps(instance, program, size) {
  const since = now();
  const all = statements(instance, size), phases = { chain: now() - since };
  let proof;
  for (const [k, statement] of all.entries()) {
    const slice = (column) => column.slice(k * size, (k + 1) * size);
    const columns = [slice(instance.values.map(Field)), slice(instance.low), slice(instance.high)];
    const start = now();
    ({ proof } = k ? await program.next(statement, proof, ...columns) : await program.first(statement, ...columns));
    phases[`step_${k}`] = now() - start;
  }
  return { proof, seconds: now() - since, phases };
}

async function prove(instance) {
  const { program, size } = await compiled(instance.readings);
  const { proof, seconds, phases } = await proveSteps(instance, program, size);
  const json = proof.toJSON();
  writeFileSync("proof.json", JSON.stringify(json));
  const { start, end, most, readings } = proof.publicInput;
  writeFileSync("statement.json", JSON.stringify([start, end, most, readings].map(String)));
  return { seconds, phases, proof_bytes: Buffer.from(json.proof, "base64").length };
}

/** Verifies with the public input of statement.json, which the verifier has from elsewhere, not from the prover. */
async function check(change = () => {}) {
  const key = JSON.parse(readFileSync("verification-key.json", "utf8"));
  const proof = { ...JSON.parse(readFileSync("proof.json", "utf8")), publicInput: JSON.parse(readFileSync("statement.json", "utf8")) };
  if (BigInt(proof.publicInput[2]) >> 64n) throw new Error("T is not below 2^64");
  change(proof);
  await initializeBindings();
  const first = now();
  const accepted = await verify(proof, key.data);
  const since = now();
  if (accepted) await verify(proof, key.data); // the first one in a process also makes the commitment basis
  return { accepted, seconds: now() - since, first_seconds: since - first };
}

/** Another digit in a number of the proof, which is text in base64. */
function anotherByte(proof) {
  const bytes = Buffer.from(proof.proof, "base64");
  const text = bytes.toString("latin1"), at = text.search(/0x[0-9A-Fa-f]{60,64}/) + 60;
  if (at < 60) throw new Error("no field element found in the proof");
  bytes[at] = bytes[at] === 0x31 ? 0x32 : 0x31;
  proof.proof = bytes.toString("base64");
}

async function falseSum(instance) {
  const most = instance.values.reduce((sum, v) => sum + v, 0n) - 1n;
  const { program, size } = await compiled(instance.readings);
  const last = { ...instance, most };
  try {
    await proveSteps(last, program, size);
  } catch (error) {
    if (/proof could not be constructed|rangeCheck64|constraint/i.test(String(error))) return { accepted: false };
    throw error;
  }
  return { accepted: true };
}

const [command, path] = process.argv.slice(2);
const bump = (index) => (proof) => (proof.publicInput[index] = String(BigInt(proof.publicInput[index]) + 1n));
const commands = {
  setup: () => setup(read(path)),
  prove: () => prove(read(path)),
  verify: () => check(),
  "tamper-byte": () => check(anotherByte),
  "tamper-end": () => check(bump(1)),
  "tamper-most": () => check(bump(2)),
  "tamper-sum": () => falseSum(read(path)),
};
try {
  if (!Object.hasOwn(commands, command)) throw new Error(`no command ${command}`);
  if (process.env.O1JS_BACKEND === "native") setBackend("native");
  const result = await commands[command]();
  process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0));
} catch (error) {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(2));
}
