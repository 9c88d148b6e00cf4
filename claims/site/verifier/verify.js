/**
 * Verification of a claim: everything public is derived from the agreement, only heads are taken from the claim.
 *
 * Checks in order, as in claims/verify/claim.py: format, agreement, lab, period, meters, signatures, lists, log, continuity, proof.
 */
import { equalBytes, toHex } from "./bytes.js";
import { decodeAgreement } from "./agreement.js";
import { firstPeriod, labOf, periodEpochs, rulesAt } from "./terms.js";
import {
  claimMessage, decodeSignatures, ledgerHeadMessage, missingSignatures, registryHeadMessage,
} from "./signatures.js";
import { verifySignature } from "./ed25519.js";
import { decodeClaim, headsDigest } from "./claim.js";
import { allowanceOf } from "./allowances.js";
import { capacity, formatShare, formatWork, limitWords, limitsOf, oversAfter, sameOvers, unbounded } from "./limits.js";
import { checkLog, hasAgreedMeters, isLogged, keysForClaim, readLog, saidOf } from "./log.js";
import { LOST_METER, checkHistory, checkLosses, lostShare, unsignedMeters } from "./losses.js";
import { powerWords } from "./power.js";
import { filesBySum } from "./roots.js";
import { LINK_BITS, checkTable, checkTables, tablesOf } from "./tables.js";
import { Rejected } from "./errors.js";

export const CHECKS = ["format", "agreement", "lab", "period", "meters", "signatures", "lists", "log", "continuity", "proof"];
const MAX_PREVIOUS = 4096;

/**
 * Verifies a claim file.
 *
 * claim, agreement (agreement.bin), signatures (agreement.sigs or null): Uint8Array. roots: Uint8Array, a list of them in any order, or null; proofs: a list of proof files, in any order.
 * log: null, or what log.js takes; delivered: entries that receipts say were delivered to the log's operator. previous: claim files of the periods right before, oldest first; previousRoots: their roots files, in any order.
 * previousAgreement: agreement.bin of the amended agreement, or a list of them. previousAccepted: the previous claims
 * were accepted before by this very verifier: their proofs are not checked again. now: Unix seconds, by default this machine's clock. later: the caller checks the proofs of a claim with sites
 * itself (verifyTable): until then they are missing, and `then` has verdict and shows for when they all hold.
 *
 * A check that fails rejects; what is missing never does. Returns {verdict: "REJECTED", check, reason}, or {verdict: "PROVEN", "OVER" or "INCOMPLETE", missing: [{kind, what}],
 * lab, period, agreement, continuity, heads (digest of all heads, hex), shows, over, lost, earlier (limits that are over, now and earlier, and what is lost, in words), transfers (of cap, that it
 * lists, in words), moved (what they add to its total, units of 10^12 FLOP as a decimal text, or null), power (how far it was recorded, in words, or null), bits: {unique, johnson, link (null without
 * sites)}, tables: [{name, sha256}], then}; the kinds are those of claims/verify/report.py. Hostile bytes never make it throw.
 */
export function verifyClaim(request) {
  try {
    return judge(request);
  } catch (error) {
    if (error instanceof Rejected) return { verdict: "REJECTED", check: error.check, reason: error.reason };
    throw error;
  }
}

/**
 * What a claim file commits those who signed it to: [[who, text]], where the lab signed the file as a whole, else Rejected. Two files of one agreement, lab and period with different texts of
 * one signer contradict each other.
 */
export function signedHeads(data, agreementData) {
  const claim = decodeClaim(data);
  const agreement = decodeAgreement(agreementData);
  const lab = labOf(agreement, claim.lab);
  const { key } = agreement.parties.find((party) => party.name === lab.name);
  if (!verifySignature(key, claim.signature, claimMessage(claim))) throw new Rejected("signatures", `the signature of lab ${lab.name} on the claim does not verify`);
  const { digest } = agreement;
  const found = [];
  if (verifySignature(key, claim.registrySignature, registryHeadMessage(digest, lab.name, claim.period, claim.headAfter, claim.listsDigest))) {
    found.push([`lab ${lab.name}`, `${claim.headAfter} ${toHex(claim.listsDigest)}`]);
  }
  for (const { name, head, rootsDigest, signature } of claim.meters) {
    const meter = lab.meters.find((item) => item.name === name);
    const isSigned = meter && verifySignature(meter.wholeKey, signature, ledgerHeadMessage(digest, lab.name, name, claim.period, head, rootsDigest));
    if (isSigned) found.push([`meter ${name}`, `${head} ${toHex(rootsDigest)}`]);
  }
  return found;
}

function bytesOf(value, check, what) {
  if (!(value instanceof Uint8Array)) throw new Rejected(check, `${what} is not given as bytes`);
  return value;
}

function judge(request) {
  const { signatures = null, previous = [], previousAccepted = false, previousRoots = [], log: given = null, delivered = [], now = Math.floor(Date.now() / 1000), later = false } = request;
  const claim = decodeClaim(bytesOf(request.claim, "format", "the claim"));
  const agreement = decodeAgreement(bytesOf(request.agreement, "agreement", "the agreement"));
  const missing = [];
  checkAgreement(agreement, signatures, missing);
  const lab = checkTerms(claim, agreement);
  const log = readLog(agreement, lab, given, now);
  const { entries, problem } = log;
  const published = entries && log.opened.entries;
  checkSigned(claim, agreement, lab, keysForClaim(claim, agreement, agreement, published), missing);
  const dated = log.opened && ((index, names) => log.opened.dates(names).quorum(index));
  const listed = checkLists(claim, agreement, lab, published, delivered, dated);
  missing.push(...listed.missing);
  const roots = filesBySum(request.roots ?? [], previousRoots);
  const isOver = now >= agreement.start + (claim.lastEpoch + 1) * agreement.epochSeconds;
  if (!isOver) missing.push({ kind: "period", what: "the end of the period: by this clock it is not over" });
  let epochs = null;
  if (problem) missing.push({ kind: "log", what: problem });
  else if (isOver) { // before, epochs are missing that nobody could commit to
    const found = checkLog(claim, agreement, lab, entries, roots);
    missing.push(...found.missing);
    epochs = found.epochs;
  }
  const chain = [{ claim, agreement, lab, ...listed }];
  if (!Array.isArray(previous) || previous.length > MAX_PREVIOUS) throw new Rejected("continuity", "too many previous claims");
  const amended = amendedAgreements(request.previousAgreement);
  let whole = true;
  for (let i = previous.length - 1; whole && i >= 0; i--) {
    whole = continueBack(bytesOf(previous[i], "format", "a previous claim"), chain, { amended, entries, published, delivered, dated, previousAccepted, roots, missing });
  }
  const continuity = checkContinuity(chain, { entries, previousAccepted, whole, missing });
  const proofs = filesBySum(request.proofs ?? []);
  if (!previousAccepted) {
    for (let i = chain.length - 1; i > 0; i--) checkProofs(chain[i], proofs, missing, `previous claim, period ${chain[i].claim.period}: `);
  }
  const isLater = later && claim.sites.length > 0;
  const security = isLater ? null : checkProofs(chain[0], proofs, missing, "");
  const power = missing.length === 0 && epochs ? powerWords(agreement, lab, claim, entries, epochs) : null;
  const leftOut = chain.slice(1).reverse().filter(({ allowance }) => allowance.over.length > 0).map((link) => `in period ${link.claim.period} it was over by this copy of the log: ${link.allowance.over[0]}`);
  return report(chain[0], { missing, continuity, security, isLater, power, leftOut });
}

function checkAgreement(agreement, signatures, missing) {
  if (signatures === null || signatures === undefined) {
    missing.push({ kind: "signatures", what: "the parties\u2019 signatures of the agreement" });
    return;
  }
  let unsigned;
  try {
    unsigned = missingSignatures(decodeSignatures(bytesOf(signatures, "agreement", "the signatures file")), agreement);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    missing.push({ kind: "signatures", what: `the parties\u2019 signatures of the agreement (${error.reason})` }); // a mirror can swap them
    return;
  }
  if (unsigned.length > 0) missing.push({ kind: "unsigned", what: `signatures of the agreement by ${unsigned.join(", ")}: it is a draft` });
}

/** Checks agreement to meters of one claim: the lab's terms. */
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
  if (!hasAgreedMeters(claim, lab)) throw new Rejected("meters", meterDifference(lab, claim));
  return lab;
}

/** Check signatures by {terms, fixed} of keysForClaim: where no log says which keys were in force, one that fails by those that are known rejects nothing. */
function checkSigned(claim, agreement, lab, { terms, fixed }, missing) {
  try {
    checkSignatures(claim, terms, labOf(terms, lab.name));
  } catch (error) {
    if (fixed || !(error instanceof Rejected)) throw error;
    const what = `the keys that were in force at the entry of lab ${lab.name}\u2019s claim for period ${claim.period}, which no log here has (${error.reason} by the keys that are known)`;
    if (!missing.some((item) => item.what === what)) missing.push({ kind: "keys", what });
  }
}

/**
 * Check lists of one claim, as far as the log is at hand: {allowance, caps (the limits that the claim is about, or null where a transfer that it lists is not here), missing}. `published`: the log's
 * entries, or null; `delivered`: of receipts; `dated`: of transfersOf, or null.
 */
function checkLists(claim, agreement, lab, published, delivered, dated) {
  checkLosses(agreement, lab, claim);
  const allowance = allowanceOf(claim, agreement, lab, published, delivered, dated);
  return { allowance, caps: allowance.moved === null ? null : limitsOf(agreement, lab, claim, allowance.moved), missing: allowance.missing };
}

function meterDifference(lab, claim) {
  const claimed = new Set(claim.meters.map((meter) => meter.name));
  const left = lab.meters.map((meter) => meter.name).filter((name) => !claimed.has(name));
  if (left.length > 0) return `the claim leaves out ${left.length} of the agreement's meters: ${left.slice(0, 8).join(", ")}`;
  if (lab.meters.length === claim.meters.length) return `the claim's sites are not those that the agreement gives lab ${lab.name}`;
  return "the claim has meters that are not in the agreement";
}

function checkSignatures(claim, agreement, lab) {
  const { digest } = agreement;
  const { key } = agreement.parties.find((party) => party.name === lab.name);
  const check = (who, publicKey, signature, message) => {
    if (!verifySignature(publicKey, signature, message)) throw new Rejected("signatures", `the signature of ${who} does not verify`);
  };
  check(`lab ${lab.name} on the claim`, key, claim.signature, claimMessage(claim));
  const registry = registryHeadMessage(digest, lab.name, claim.period, claim.headAfter, claim.listsDigest);
  check(`lab ${lab.name} on its registry head`, key, claim.registrySignature, registry);
  const unsigned = unsignedMeters(lab, claim);
  lab.meters.forEach((meter, i) => {
    const { head, rootsDigest, signature } = claim.meters[i];
    if (unsigned.has(meter.name)) return;
    const message = ledgerHeadMessage(digest, lab.name, meter.name, claim.period, head, rootsDigest);
    check(`meter ${meter.name} on its ledger head`, meter.wholeKey, signature, message);
  });
}

function amendedAgreements(given) {
  if (given === null || given === undefined) return [];
  const list = Array.isArray(given) ? given : [given];
  if (list.length > 64) throw new Rejected("continuity", "too many amended agreements");
  return list.map((data) => decodeAgreement(bytesOf(data, "agreement", "an amended agreement")));
}

/** Goes back to the claim file right before the oldest in `chain`, and appends it; false where something is missing to do so. */
function continueBack(data, chain, { amended, entries, published, delivered, dated, previousAccepted, roots, missing }) {
  const link = decodeClaim(data);
  const { claim, lab: after } = chain[chain.length - 1];
  let { agreement } = chain[chain.length - 1];
  if (link.lab !== claim.lab || link.period !== claim.period - 1) {
    throw new Rejected("continuity", `a previous claim is lab ${link.lab}'s for period ${link.period}; the one before is ${claim.lab}'s for period ${claim.period - 1}`);
  }
  if (claim.period === after.sincePeriod) {
    throw new Rejected("continuity", `lab ${claim.lab} starts from its opening head in period ${claim.period}: no claim before it counts`);
  }
  while (agreement && link.period < firstPeriod(agreement)) agreement = predecessor(agreement, amended, missing);
  if (!agreement || !isLogged(link, agreement, chain[0].agreement, { entries, previousAccepted, roots, missing })) return false;
  let [terms, listed] = [null, null];
  try {
    terms = checkTerms(link, agreement);
    checkSigned(link, agreement, terms, keysForClaim(link, agreement, chain[0].agreement, published), missing);
    listed = checkLists(link, agreement, terms, agreement.log ? published : null, delivered, equalBytes(agreement.digest, chain[0].agreement.digest) ? dated : null);
  } catch (error) {
    if (error instanceof Rejected) throw new Rejected("continuity", `the claim given for period ${link.period} is rejected: ${error.message}`);
    throw error;
  }
  if (!previousAccepted) missing.push(...listed.missing.filter(({ what }) => !missing.some((item) => item.what === what)));
  if (link.headAfter.some((word, i) => word !== claim.headBefore[i])) {
    throw new Rejected("continuity", `the head before is not the head after of the claim given for period ${link.period}`);
  }
  if (!sameOvers(claim.overs, oversAfter(link))) {
    throw new Rejected("continuity", `the claim does not repeat exactly the limits that earlier claims of the lab were over: the one given for period ${link.period} lists others, or was over others itself`);
  }
  const [newer, before] = [chain[chain.length - 1], { claim: link, agreement, lab: terms, ...listed }];
  checkHistory(newer, before, saidOf(entries, newer.agreement, chain[0].agreement, claim));
  chain.push(before);
  return true;
}

function predecessor(agreement, amended, missing) {
  if (!agreement.amends) throw new Rejected("continuity", "there is no period before the agreement's first");
  const found = amended.find((other) => equalBytes(other.digest, agreement.amends.digest));
  if (!found) {
    missing.push({ kind: "amended", what: "the amended agreement, under which the earlier claims were made" });
    return null;
  }
  for (const field of ["start", "epochSeconds", "epochsPerPeriod"]) {
    if (found[field] !== agreement[field]) throw new Rejected("continuity", "the amendment changes the calendar (start, epoch or period)");
  }
  return found;
}

/** What the chain rests on, in words; a chain that does not reach back to the opening head rests on a claim that was accepted before. */
function checkContinuity(chain, { entries, previousAccepted, whole, missing }) {
  const { claim, agreement, lab } = chain[chain.length - 1];
  if (claim.period === lab.sincePeriod) {
    if (lab.openingHead.some((word, i) => word !== claim.headBefore[i])) {
      throw new Rejected("continuity", "the head before is not the agreement's opening head");
    }
    if (claim.overs.length > 0) throw new Rejected("continuity", "the lab's first claim lists earlier ones that were over a limit");
    checkHistory(chain[chain.length - 1], null, saidOf(entries, agreement, chain[0].agreement, claim));
    if (chain.length === 1) return "starts at the agreement\u2019s opening head";
    return `an unbroken chain of claims from the opening head, period ${claim.period} on`;
  }
  if (chain.length > 1 && previousAccepted) return `an unbroken chain of claims from period ${claim.period} on, which were accepted before`;
  if (whole) missing.push({ kind: "previous", what: `the claim for period ${claim.period - 1}: without it the lab may have started from a registry of its own invention` });
  return "not checked";
}

/** The security of the weakest proof; null where one is missing, or what the claim is about. */
function checkProofs({ claim, agreement, lab, caps }, proofs, missing, where) {
  if (!caps) return null;
  const found = checkTables(tablesOf(agreement, lab, claim, caps), claim, proofs, where);
  missing.push(...found.missing);
  return found.security;
}

/** One table of a claim with sites, by its place: {bits: {unique, johnson}}, or {check, reason}. The statement is that of the agreement and of `moved`, as verifyClaim has it; nothing else of the claim is checked. */
export function verifyTable({ claim: data, agreement: terms, place, proof, moved }) {
  try {
    const claim = decodeClaim(data);
    const agreement = decodeAgreement(terms);
    const lab = checkTerms(claim, agreement);
    return { bits: bitsOf(checkTable(tablesOf(agreement, lab, claim, limitsOf(agreement, lab, claim, BigInt(moved)))[place], proof)) };
  } catch (error) {
    if (error instanceof Rejected) return { check: error.check, reason: error.reason };
    throw error;
  }
}

const tenths = (bits) => Math.round(bits * 10) / 10;
const bitsOf = ({ unique, johnson }) => ({ unique: tenths(unique.bits), johnson: tenths(johnson.bits) });

function shown({ claim, agreement, lab, caps }) {
  const rules = rulesAt(agreement, claim.period);
  const count = lab.meters.length;
  const work = rules.chargePeak ? "every busy one charged at its chip's peak" : "work as the meters signed it";
  const residue = rules.chargeResidue ? ", unattributed work since the agreement began included" : "";
  const trained = caps.freeze === null || caps.freeze > caps.lineage ? caps.lineage : caps.freeze;
  const either = caps.freeze === null ? [3] : [3, 4];
  const lines = [
    [[1], `total compute of the period: at most ${formatWork(caps.total)}`],
    [[2], `unattributed compute of the period: at most ${formatWork(caps.unattributed)}`],
    [[3], `cumulative compute behind every checkpoint of the period: at most ${formatWork(caps.lineage)}${residue}`],
  ];
  if (rules.chargeResidue) lines.push([either, `unattributed compute since the agreement began: at most ${formatWork(trained)}, if the period added to it`]);
  if (caps.freeze !== null) lines.push([either, `every checkpoint that was trained further: at most ${formatWork(trained)} (freeze)`]);
  const isFree = unbounded(claim.limits, capacity(agreement, lab));
  const chips = `${count === 1 ? "the one meter" : `all ${count} meters`} accounted for every chip-second; ${work}`;
  return [chips, ...lines.filter(([which]) => !isFree(which)).map(([, line]) => line)];
}

/** What a claim lists as lost, in a sentence; none where nothing is. */
function lostWords({ claim, agreement, lab }) {
  if (claim.losses.length === 0) return [];
  const named = claim.losses.map(({ kind, name, firstEpoch }) => `${kind === LOST_METER ? "meter" : "site"} ${name} from epoch ${firstEpoch} on`);
  const more = named.length > 8 ? ` and ${named.length - 8} more` : "";
  return [`lost, and charged in full: ${named.slice(0, 8).join(", ")}${more}; ${formatShare(lostShare(agreement, lab, claim))} of the period's chip-seconds, agreed at most ${formatShare(BigInt(lab.lost))}`];
}

function report(link, { missing, continuity, security, isLater, power, leftOut }) {
  const { claim, agreement, lab, caps, allowance } = link;
  const over = [...claim.limits.map((limit) => limitWords(limit, capacity(agreement, lab))), ...allowance.over];
  const then = missing.length > 0 ? null : { verdict: over.length > 0 ? "OVER" : "PROVEN", shows: shown(link) };
  const tables = isLater && caps ? tablesOf(agreement, lab, claim, caps).map(({ name, sha256 }) => ({ name, sha256 })) : [];
  if (tables.length > 0) missing.push({ kind: "tables", what: "the check of its tables" });
  return {
    verdict: missing.length > 0 ? "INCOMPLETE" : then.verdict,
    missing,
    lab: lab.name,
    period: claim.period,
    agreement: { name: agreement.name, digest: agreement.digestHex },
    continuity,
    shows: missing.length > 0 ? [] : then.shows,
    over,
    heads: toHex(headsDigest(claim)),
    lost: lostWords(link),
    losses: claim.losses.map(({ kind, name, firstEpoch }) => ({ kind, name, firstEpoch })),
    transfers: allowance.texts,
    moved: allowance.moved === null ? null : allowance.moved.toString(),
    power,
    earlier: [...leftOut, ...claim.overs.map((item) => `in period ${item.period}: ${limitWords(item)}`)],
    bits: security && { ...bitsOf(security), link: claim.sites.length > 0 ? LINK_BITS : null },
    tables,
    then,
  };
}
