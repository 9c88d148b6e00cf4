/**
 * Verification of a claim: everything public is derived from the agreement, only heads are taken from the claim.
 *
 * Checks in order, as in claims/verify.py: format, agreement, lab, period, meters, signatures, log, continuity, proof.
 */
import { equalBytes } from "./bytes.js";
import { decodeAgreement, capsAt, firstPeriod, labOf, periodEpochs, rulesAt } from "./agreement.js";
import {
  claimMessage, decodeSignatures, ledgerHeadMessage, missingSignatures, registryHeadMessage,
} from "./signatures.js";
import { verifySignature } from "./ed25519.js";
import { decodeClaim } from "./claim.js";
import { claimProgram } from "./claim-program.js";
import { statementOf } from "./statement.js";
import { checkLog, isLogged, readLog } from "./log.js";
import { verifyProof } from "./stark.js";
import { Rejected } from "./errors.js";

export const CHECKS = ["format", "agreement", "lab", "period", "meters", "signatures", "log", "continuity", "proof"];
const MAX_PREVIOUS = 4096;

/**
 * Verifies a claim file.
 *
 * claim, agreement (agreement.bin), signatures (agreement.sigs or null), roots (or null): Uint8Array.
 * log: null, or what log.js takes. previous: claim files of the periods right before, oldest first.
 * previousAgreement: agreement.bin of the amended agreement, or a list of them. previousAccepted: the oldest previous
 * claim was accepted before by this very verifier. allow: {unsignedAgreement, noContinuity}, both false by default:
 * what may be left out, at the price of `proven`.
 *
 * Returns {accepted: false, proven: false, check, reason} or {accepted: true, proven, lab, period, agreement, continuity,
 * limitations, shows, bits: {unique, johnson}, ...}. Hostile bytes never make it throw.
 */
export function verifyClaim(request) {
  try {
    return judge(request);
  } catch (error) {
    if (error instanceof Rejected) return { accepted: false, proven: false, check: error.check, reason: error.reason };
    throw error;
  }
}

function bytesOf(value, check, what) {
  if (!(value instanceof Uint8Array)) throw new Rejected(check, `${what} is not given as bytes`);
  return value;
}

function judge(request) {
  const { signatures = null, previous = [], previousAccepted = false, roots = null, log = null, allow = {} } = request;
  const claim = decodeClaim(bytesOf(request.claim, "format", "the claim"));
  const agreement = decodeAgreement(bytesOf(request.agreement, "agreement", "the agreement"));
  const unsigned = checkAgreement(agreement, signatures, allow);
  const lab = checkTerms(claim, agreement);
  const published = readLog(agreement, lab, log, roots);
  let logged = checkLog(claim, agreement, lab, published, roots);
  const chain = [{ claim, agreement, lab }];
  if (!Array.isArray(previous) || previous.length > MAX_PREVIOUS) throw new Rejected("continuity", "too many previous claims");
  const amended = amendedAgreements(request.previousAgreement);
  for (let i = previous.length - 1; i >= 0; i--) {
    continueBack(bytesOf(previous[i], "format", "a previous claim"), chain, amended);
    if (!isLogged(chain[chain.length - 1], agreement, published, previousAccepted)) logged = "previous not checked";
  }
  const continuity = checkContinuity(chain, previousAccepted, allow);
  if (!previousAccepted) {
    for (let i = chain.length - 1; i > 0; i--) checkProof(chain[i], `previous claim, period ${chain[i].claim.period}: `);
  }
  const security = checkProof(chain[0], "");
  return report(chain, { unsigned, logged, continuity, security, previousAccepted });
}

function checkAgreement(agreement, signatures, allow) {
  const everyone = agreement.parties.map((party) => party.name);
  const given = signatures === null || signatures === undefined;
  const missing = given ? everyone : missingSignatures(decodeSignatures(bytesOf(signatures, "agreement", "the signatures file")), agreement);
  if (missing.length > 0 && !allow.unsignedAgreement) throw new Rejected("agreement", `not signed by ${missing.join(", ")}`);
  return missing;
}

/** Checks agreement to signatures of one claim; the lab's terms. */
function checkTerms(claim, agreement) {
  if (!equalBytes(claim.agreementDigest, agreement.digest)) throw new Rejected("agreement", "the claim is about another agreement");
  const lab = labOf(agreement, claim.lab);
  const [first, last] = periodEpochs(agreement, claim.period);
  if (claim.period < lab.sincePeriod) {
    throw new Rejected("period", `lab ${lab.name} claims from period ${lab.sincePeriod} on, this is ${claim.period}`);
  }
  if (claim.firstEpoch !== first || claim.lastEpoch !== last) {
    throw new Rejected("period", `period ${claim.period} has the epochs ${first} to ${last}, the claim says ${claim.firstEpoch} to ${claim.lastEpoch}`);
  }
  if (lab.meters.length !== claim.meters.length || lab.meters.some((meter, i) => meter.name !== claim.meters[i].name)) {
    throw new Rejected("meters", meterDifference(lab, claim));
  }
  checkSignatures(claim, agreement, lab);
  return lab;
}

function meterDifference(lab, claim) {
  const claimed = new Set(claim.meters.map((meter) => meter.name));
  const left = lab.meters.map((meter) => meter.name).filter((name) => !claimed.has(name));
  if (left.length > 0) return `the claim leaves out ${left.length} of the agreement's meters: ${left.slice(0, 8).join(", ")}`;
  return "the claim has meters that are not in the agreement";
}

function checkSignatures(claim, agreement, lab) {
  const { digest } = agreement;
  const { key } = agreement.parties.find((party) => party.name === lab.name);
  const check = (who, publicKey, signature, message) => {
    if (!verifySignature(publicKey, signature, message)) throw new Rejected("signatures", `the signature of ${who} does not verify`);
  };
  check(`lab ${lab.name} on the claim`, key, claim.signature, claimMessage(claim));
  const registry = registryHeadMessage(digest, lab.name, claim.period, claim.headAfter);
  check(`lab ${lab.name} on its registry head`, key, claim.registrySignature, registry);
  lab.meters.forEach((meter, i) => {
    const { head, rootsDigest, signature } = claim.meters[i];
    const message = ledgerHeadMessage(digest, lab.name, meter.name, claim.period, head, rootsDigest);
    check(`meter ${meter.name} on its ledger head`, meter.key, signature, message);
  });
}

function amendedAgreements(given) {
  if (given === null || given === undefined) return [];
  const list = Array.isArray(given) ? given : [given];
  if (list.length > 64) throw new Rejected("continuity", "too many amended agreements");
  return list.map((data) => decodeAgreement(bytesOf(data, "agreement", "an amended agreement")));
}

/** Checks that a claim file is the one right before the oldest in `chain`, and appends it. */
function continueBack(data, chain, amended) {
  const link = decodeClaim(data);
  const { claim } = chain[chain.length - 1];
  let { agreement } = chain[chain.length - 1];
  if (link.lab !== claim.lab || link.period !== claim.period - 1) {
    throw new Rejected("continuity", `a previous claim is lab ${link.lab}'s for period ${link.period}; the one before is ${claim.lab}'s for period ${claim.period - 1}`);
  }
  if (claim.period === chain[chain.length - 1].lab.sincePeriod) {
    throw new Rejected("continuity", `lab ${claim.lab} starts from its opening head in period ${claim.period}: no claim before it counts`);
  }
  while (link.period < firstPeriod(agreement)) agreement = predecessor(agreement, amended);
  let lab;
  try {
    lab = checkTerms(link, agreement);
  } catch (error) {
    if (error instanceof Rejected) throw new Rejected("continuity", `the claim given for period ${link.period} is rejected: ${error.message}`);
    throw error;
  }
  if (link.headAfter.some((word, i) => word !== claim.headBefore[i])) {
    throw new Rejected("continuity", `the head before is not the head after of the claim given for period ${link.period}`);
  }
  chain.push({ claim: link, agreement, lab });
}

function predecessor(agreement, amended) {
  if (!agreement.amends) throw new Rejected("continuity", "there is no period before the agreement's first");
  const found = amended.find((other) => equalBytes(other.digest, agreement.amends.digest));
  if (!found) throw new Rejected("continuity", "the amended agreement is needed and was not given");
  for (const field of ["start", "epochSeconds", "epochsPerPeriod"]) {
    if (found[field] !== agreement[field]) throw new Rejected("continuity", "the amendment changes the calendar (start, epoch or period)");
  }
  return found;
}

/** "opening head", "previous claim" or "not checked". */
function checkContinuity(chain, previousAccepted, allow) {
  const { claim, lab } = chain[chain.length - 1];
  if (claim.period === lab.sincePeriod) {
    if (lab.openingHead.some((word, i) => word !== claim.headBefore[i])) {
      throw new Rejected("continuity", "the head before is not the agreement's opening head");
    }
    return "opening head";
  }
  if (chain.length > 1) {
    if (!previousAccepted) {
      throw new Rejected("continuity", `NOT CHECKED before period ${claim.period}: the older claims are needed too`);
    }
    return "previous claim";
  }
  if (!allow.noContinuity) throw new Rejected("continuity", `NOT CHECKED: the claim for period ${claim.period - 1} is needed`);
  return "not checked";
}

function checkProof({ claim, agreement, lab }, where) {
  const { publics, interactions, logRows } = statementOf(agreement, lab, claim);
  try {
    return verifyProof(claimProgram(), publics, interactions, logRows, claim.proof).security;
  } catch (error) {
    if (error instanceof Rejected) throw Object.assign(new Rejected("proof", `${where}${error.message}`), { inner: error.check });
    throw error;
  }
}

/** Units of 10^12 FLOP as exact text. */
function formatWork(units) {
  if (units === 0n) return "0 FLOP";
  const digits = units.toString();
  const mantissa = digits.replace(/0+$/, "");
  return `${mantissa[0]}${mantissa.length > 1 ? `.${mantissa.slice(1)}` : ""}e${digits.length - 1 + 12} FLOP`;
}

function shown(agreement, lab, period) {
  const caps = capsAt(lab, period);
  const rules = rulesAt(agreement, period);
  const count = lab.meters.length;
  const work = rules.chargePeak ? "every chip-second charged at the class peak" : "work as the meters signed it";
  const residue = rules.chargeResidue ? ", unattributed work since the agreement began included" : "";
  const out = [
    `${count === 1 ? "the one meter" : `all ${count} meters`} accounted for every chip-second; ${work}`,
    `total compute of the period: at most ${formatWork(caps.total)}`,
    `unattributed compute of the period: at most ${formatWork(caps.unattributed)}`,
    `cumulative compute behind every checkpoint of the period: at most ${formatWork(caps.lineage)}${residue}`,
  ];
  if (caps.freeze !== null) out.push(`every checkpoint that was trained further: at most ${formatWork(caps.freeze)} (freeze)`);
  return out;
}

const CONTINUITY = {
  "opening head": (oldest, first, skipped) => (first
    ? "checked: starts at the agreement's opening head"
    : `checked: an unbroken chain of claims from the opening head, period ${oldest} on${skipped ? " (their proofs taken as accepted before)" : ""}`),
  "previous claim": (oldest) => `checked: an unbroken chain of claims from period ${oldest} on, which you accepted before`,
  "not checked": () => "NOT CHECKED",
};

function report(chain, { unsigned, logged, continuity, security, previousAccepted }) {
  const [{ claim, agreement, lab }] = chain;
  const oldest = chain[chain.length - 1].claim.period;
  const limitations = [];
  if (continuity === "not checked") limitations.push("continuity: NOT CHECKED: the lab may have started from a registry of its own invention");
  if (unsigned.length > 0) limitations.push(`agreement: NOT SIGNED by ${unsigned.join(", ")}`);
  if (logged === "not checked") limitations.push("log: NOT CHECKED: the readings may have been committed to only after the fact");
  if (logged === "previous not checked") limitations.push("log: NOT CHECKED for the previous claims whose agreement has another log");
  return {
    accepted: true,
    proven: limitations.length === 0,
    lab: lab.name,
    period: claim.period,
    agreement: { name: agreement.name, digest: agreement.digestHex },
    continuity: CONTINUITY[continuity](oldest, chain.length === 1, previousAccepted),
    log: logged,
    limitations,
    shows: shown(agreement, lab, claim.period),
    bits: { unique: Math.round(security.unique.bits * 10) / 10, johnson: Math.round(security.johnson.bits * 10) / 10 },
  };
}
