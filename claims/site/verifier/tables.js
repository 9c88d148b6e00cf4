/**
 * The tables of a claim: their statements, from the agreement and the claim alone, and the check of their proofs. A lab without sites has one table, whose proof is in the claim file; of a lab with
 * sites each site has one, and the registry has one, whose proofs are files, known by their SHA-256. As claims/verify/tables.py.
 */
import { sitesOf } from "./terms.js";
import { toHex } from "./bytes.js";
import { claimProgram } from "./claim-program.js";
import { Rejected } from "./errors.js";
import { lostHead, lostMeters, lostSites, lostSummary } from "./losses.js";
import { verifyProof } from "./stark.js";
import { statementOf } from "./statement.js";

/** What joins the tables of a claim is a collision-resistant hash of that many bits, conjectural. */
export const LINK_BITS = 124;

/** [{name, sha256 (hex, or null: in the claim file), statement: a function}] of a claim whose terms were checked against the agreement's. `caps`: of limitsOf. */
export function tablesOf(agreement, lab, claim, caps) {
  const [lost, gone] = [lostMeters(agreement, lab, claim), lostSites(claim)];
  const heads = new Map(claim.meters.map(({ name, head }) => [name, head]));
  const headsOf = (meters) => meters.map((meter) => (lost.has(meter.name) ? lostHead(agreement, lab, meter, claim) : heads.get(meter.name)));
  const table = (name, sha256, terms) => ({ name, sha256, statement: () => statementOf(agreement, lab, claim, terms()) });
  if (claim.sites.length === 0) {
    return [table("", null, () => ({ caps, meters: lab.meters, heads: headsOf(lab.meters), summaries: [], registry: true, logRows: lab.logRows }))];
  }
  const agreed = new Map(sitesOf(lab).map(({ name, meters }) => [name, meters]));
  const sites = claim.sites.filter(({ name }) => !gone.has(name)).map((site) => table(`site ${site.name}`, toHex(site.proof), () => {
    const meters = agreed.get(site.name);
    return { caps: null, meters, heads: headsOf(meters), summaries: [site], registry: false, logRows: lab.logRows };
  }));
  const summaries = () => claim.sites.map(({ name, head }) => ({ name, head: gone.has(name) ? lostSummary(agreement, lab, name, claim) : head }));
  const registry = table("the registry", toHex(claim.registryProof), () => ({ caps, meters: [], heads: [], summaries: summaries(), registry: true, logRows: lab.registryRows }));
  return [...sites, registry];
}

/** The security of a table's proof; Rejected("proof"). `where`: what stands before the reason. */
export function checkTable(table, proof, where = "") {
  const { publics, interactions, logRows } = table.statement();
  try {
    return verifyProof(claimProgram(), publics, interactions, logRows, proof).security;
  } catch (error) {
    if (error instanceof Rejected) throw Object.assign(new Rejected("proof", `${where}${table.name ? `${table.name}: ` : ""}${error.message}`), { inner: error.check });
    throw error;
  }
}

/** {security of the weakest, or null where one is missing, missing: [{kind, what}]} of all tables. `files`: of filesBySum. */
export function checkTables(tables, claim, files, where = "") {
  const here = tables.map((table) => [table, table.sha256 === null ? claim.proof : files.get(table.sha256)]);
  const missing = here.filter(([, proof]) => !proof).map(([table]) => ({ kind: "proof", what: `${where}the proof of ${table.name}, a file with the SHA-256 ${table.sha256}` }));
  const found = here.filter(([, proof]) => proof).map(([table, proof]) => checkTable(table, proof, where));
  return { security: missing.length > 0 ? null : found.reduce((least, item) => (item.unique.bits < least.unique.bits ? item : least)), missing };
}
