/** What the page and other programs use. */
export { signedHeads, verifyClaim, verifyTable, CHECKS } from "./verify.js";
export { LINK_BITS } from "./tables.js";
export { verifyProof, FLOOR_BITS } from "./stark.js";
export { decodeProgram } from "./program.js";
export { claimProgram, CLAIM_PROGRAM_DIGEST } from "./claim-program.js";
export { decodeAgreement } from "./agreement.js";
export { decodeClaim } from "./claim.js";
export { Rejected } from "./errors.js";
