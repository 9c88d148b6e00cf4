/**
 * The one error of this verifier.
 *
 * `check` is the short name of the failed check: for a proof one of zk/PROTOCOL.md section 11, for a claim one of
 * claims/verify/claim.py's CHECKS. Nothing else is thrown for hostile bytes.
 */
export class Rejected extends Error {
  constructor(check, reason = "") {
    super(reason ? `${check}: ${reason}` : check);
    this.name = "Rejected";
    this.check = check;
    this.reason = reason || check;
  }
}
