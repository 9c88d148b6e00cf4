// Judges what a JSON request on standard input describes, with the verifier of claims/site/verifier; answers in JSON.
import { readFileSync } from "node:fs";
import * as field from "../../claims/site/verifier/field.js";
import { decodeAgreement } from "../../claims/site/verifier/agreement.js";
import { labOf } from "../../claims/site/verifier/terms.js";
import { transfersOf } from "../../claims/site/verifier/allowances.js";
import { decodeClaim } from "../../claims/site/verifier/claim.js";
import { filesBySum, judgeRoots } from "../../claims/site/verifier/roots.js";
import { limitsOf } from "../../claims/site/verifier/limits.js";
import { saidOf } from "../../claims/site/verifier/log.js";
import { checkHistory } from "../../claims/site/verifier/losses.js";
import { keysOf } from "../../claims/site/verifier/keys.js";
import { openLog } from "../../claims/site/verifier/log.js";
import { permute } from "../../claims/site/verifier/poseidon2.js";
import { tablesOf } from "../../claims/site/verifier/tables.js";
import { claimProgram } from "../../claims/site/verifier/claim-program.js";
import { decodeProgram } from "../../claims/site/verifier/program.js";
import { derive } from "../../claims/site/verifier/options.js";
import { concat, fromHex, sha256, toHex } from "../../claims/site/verifier/bytes.js";
import { securityReport } from "../../claims/site/verifier/security.js";
import { verifyClaim, verifyProof } from "../../claims/site/verifier/index.js";
import { halfVerifies, verifySignature, isPublicKey } from "../../claims/site/verifier/ed25519.js";
import { openHead } from "../../claims/site/verifier/note.js";
import { isKeyName, isProse } from "../../claims/site/verifier/text.js";
import { dated, moment } from "../../claims/site/page/text.js";
import { Rejected } from "../../claims/site/verifier/errors.js";

const decoded64 = (text) => Uint8Array.from(Buffer.from(text, "base64"));
const bytes = (path) => new Uint8Array(readFileSync(path));

/** {cut, flips: [[position, mask]], tail: hex} applied to a copy. */
function edited(data, { cut = data.length, flips = [], tail = "" }) {
  const more = fromHex(tail);
  const out = new Uint8Array(cut + more.length);
  out.set(data.subarray(0, cut));
  out.set(more, cut);
  for (const [at, mask] of flips) out[at] ^= mask;
  return out;
}

function outcome(job) {
  try {
    return { ok: job() };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { check: error.check, reason: error.reason };
  }
}

const tasks = {
  /** What is missing of each claim's roots files, which may not hold. */
  roots: ({ cases }) => cases.map(({ claim, agreement, named, files, epochs }) => outcome(() => {
    const terms = decodeAgreement(decoded64(agreement));
    const decoded = decodeClaim(decoded64(claim));
    const entries = new Map(epochs.map(([epoch, root]) => [epoch, { first: decoded64(root) }]));
    return judgeRoots(decoded, decoded64(named), filesBySum(files.map(decoded64)), terms, labOf(terms, decoded.lab), entries);
  })),
  field: ({ pairs }) => pairs.map(([a, b]) => ({
    mul: field.extMul(a, b),
    add: field.extAdd(a, b),
    sub: field.extSub(a, b),
    inverse: field.extIsZero(a) ? null : field.extInverse(a),
    base: field.mul(a[0], b[0]),
  })),
  /** Each edit of one proof, or each other statement for it. */
  proofs: ({ program, proof, options, logRows, statements, edits }) => {
    const parsed = program ? decodeProgram(bytes(program)) : claimProgram();
    const data = bytes(proof);
    const insecure = options ? { options, floor: 0 } : null;
    const out = [];
    for (const [publics, interactions] of statements) {
      for (const edit of edits) {
        out.push(outcome(() => verifyProof(parsed, publics, interactions, logRows, edited(data, edit), insecure).security.unique.bits));
      }
    }
    return out;
  },
  /** [publics, interactions, log rows] of each table of each claim. */
  statements: ({ cases }) => cases.map(([claimText, agreementText, moved]) => {
    const [claim, agreement] = [decodeClaim(decoded64(claimText)), decodeAgreement(decoded64(agreementText))];
    const lab = labOf(agreement, claim.lab);
    return tablesOf(agreement, lab, claim, limitsOf(agreement, lab, claim, BigInt(moved))).map((table) => {
      const { publics, interactions, logRows } = table.statement();
      return [publics, interactions, logRows];
    });
  }),
  /** [digest, void, state, text] of each transfer of each log, whose entries have these dates, or those that heads give them. */
  transfers: ({ cases }) => cases.map(({ agreement: text, period, entries: given, dates, heads }) => {
    const [agreement, entries] = [decodeAgreement(decoded64(text)), given.map(decoded64)];
    const log = heads && openLog(agreement, { heads: heads.map(decoded64), entries });
    const dated = heads ? (index, names) => log.dates(names).quorum(index) : (index) => dates[index];
    return transfersOf(entries, [], agreement, period, dated).map((item) => [item.digest, item.void, item.state, item.text]);
  }),
  /** For each log: the keys in force at each place and after the last, and those that count for what no entry fixes, newest first; as one text for each set. */
  keys: ({ agreement, cases }) => {
    const terms = decodeAgreement(decoded64(agreement));
    const set = ({ parties, labs, feeds }) => toHex(sha256(concat([parties, ...labs.map(({ meters }) => meters), feeds].flat().flatMap(({ key, wholeKey }) => [Uint8Array.of((wholeKey ?? key).length & 255), wholeKey ?? key]))));
    return cases.map((given) => {
      const entries = given.map(decoded64);
      const keys = keysOf(entries, terms);
      return [[...entries.keys(), entries.length].map((at) => set(keys.at(at))), keys.undated.map(set), terms.parties.map(({ name }) => keys.silencedAt(name))];
    });
  },
  /** Losses of each claim, held against those of the claim before, or none, and against these entries of the log. */
  histories: ({ agreement, cases }) => {
    const terms = decodeAgreement(decoded64(agreement));
    const link = (text) => ((claim) => ({ claim, agreement: terms, lab: labOf(terms, claim.lab) }))(decodeClaim(decoded64(text)));
    return cases.map(({ claim, before, entries }) => outcome(() => {
      const own = link(claim);
      checkHistory(own, before && link(before), saidOf(entries.map(decoded64), terms, terms, own.claim));
      return "";
    }));
  },
  permutations: ({ states }) => states.map((state) => { permute(state); return state; }),
  program: ({ file, edits }) => edits.map((edit) => outcome(() => toHex(decodeProgram(edited(bytes(file), edit)).digest))),
  security: ({ cases }) => cases.map(({ options, logRows, interactions }) => outcome(() => {
    const report = securityReport(claimProgram(), derive(options, logRows), options, interactions);
    return { unique: report.unique.bits, johnson: report.johnson.bits, terms: report.unique.terms.map((t) => [t.name, t.bits]) };
  })),
  signatures: ({ cases }) => cases.map(([key, signature, message]) =>
    [isPublicKey(fromHex(key)), verifySignature(fromHex(key), fromHex(signature), fromHex(message))]),
  halves: ({ cases }) => cases.map(([half, signature, message]) => halfVerifies(fromHex(half), fromHex(signature), fromHex(message))),
  heads: ({ notes, origin, key, cosigners }) => notes.map((note) => outcome(() => {
    const trust = { origin, key: fromHex(key), cosigners: Object.entries(cosigners).map(([name, hex]) => ({ name, key: fromHex(hex) })) };
    const { size, times, stamps, dated } = openHead(decoded64(note), trust);
    return { size, times: Object.fromEntries(times), stamps: Object.fromEntries([...stamps].map(([name, all]) => [name, all.toSorted((a, b) => a - b)])), dated: dated && [dated.time, dated.previous] };
  })),
  agreements: ({ file, edits }) => edits.map((edit) => outcome(() => decodeAgreement(edited(bytes(file), edit)).digestHex)),
  /** Verdicts on each text, as 1 and 0; and on every code point alone, as the points where the verdict changes. */
  moments: ({ times, stamps }) => ({ times: times.map(moment), stamps: stamps.map(dated) }),
  text: ({ prose, names }) => {
    const changes = (judge) => {
      const out = [];
      for (let code = 0, last = true; code < 0x110000; code++) {
        const now = judge(String.fromCodePoint(code));
        if (now !== last) out.push(code);
        last = now;
      }
      return out;
    };
    return { prose: prose.map(isProse), names: names.map(isKeyName), proseChanges: changes(isProse), nameChanges: changes(isKeyName) };
  },
  /** Each request holds paths; edits change the named file. */
  claims: ({ requests }) => requests.map(({ paths, previous = [], previousRoots = [], edit = null, other = {} }) => {
    const request = { now: 10 ** 11, ...other, previous: previous.map(bytes), previousRoots: previousRoots.map(bytes) };
    for (const [name, path] of Object.entries(paths)) request[name] = bytes(path);
    if (edit) {
      const [name, change] = edit;
      if (name === "previous") request.previous[0] = edited(request.previous[0], change);
      else request[name] = edited(request[name], change);
    }
    return verifyClaim(request);
  }),
  /** Each case holds program and proof in base64, and [publics, interactions, log_rows, options]. */
  whole: ({ cases }) => {
    const programs = new Map();
    return cases.map(({ program, proof, statement: [publics, interactions, logRows, options] }) => outcome(() => {
      if (!programs.has(program)) programs.set(program, decodeProgram(Uint8Array.from(Buffer.from(program, "base64"))));
      const data = Uint8Array.from(Buffer.from(proof, "base64"));
      return verifyProof(programs.get(program), publics, interactions, logRows, data, { options, floor: 0 }).security.unique.bits;
    }));
  },
  agreementBytes: ({ cases }) => cases.map((text) => outcome(() => decodeAgreement(Uint8Array.from(Buffer.from(text, "base64"))).digestHex)),
  /** Each request holds bytes in base64, by name; `previous`, `previousRoots`, `roots` and `proofs` are lists. */
  cases: ({ requests }) => requests.map(({ files, previous, previousRoots, roots, proofs, previousAccepted, now }) => {
    const decoded = (list) => list.map((text) => Uint8Array.from(Buffer.from(text, "base64")));
    const request = { now, previousAccepted, previous: decoded(previous), previousRoots: decoded(previousRoots), roots: decoded(roots), proofs: decoded(proofs) };
    for (const [name, text] of Object.entries(files)) request[name] = text === null ? null : Uint8Array.from(Buffer.from(text, "base64"));
    return verifyClaim(request);
  }),
  time: ({ program, proof, logRows, statements, rounds }) => {
    const parsed = program ? decodeProgram(bytes(program)) : claimProgram();
    const data = bytes(proof);
    const [[publics, interactions]] = statements;
    return Array.from({ length: rounds }, () => {
      const began = performance.now();
      verifyProof(parsed, publics, interactions, logRows, data);
      return performance.now() - began;
    });
  },
};

const request = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(tasks[request.task](request)));
