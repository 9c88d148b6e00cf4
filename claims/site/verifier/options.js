/** Proof options: the verifier's choice, never read from a proof. zk/PROTOCOL.md section 3. */
import { words } from "./bytes.js";
import { DEGREE, TWO_ADICITY } from "./field.js";
import { Rejected } from "./errors.js";

/** The only preset for real use. */
export const STD = Object.freeze({
  name: "std",
  log_blowup: 2,
  queries: 124,
  query_grinding: 20,
  round_grinding: 18,
  log_arity: 3,
  slack_shift: 6,
  log_final_rows: 10,
  salt_bytes: 16,
});

const BOUNDS = {
  log_blowup: [2, 4],
  queries: [1, 1024],
  query_grinding: [0, 32],
  round_grinding: [0, 32],
  log_arity: [3, 3],
  slack_shift: [1, 8],
  log_final_rows: [3, 12],
  salt_bytes: [16, 32],
};
const MIN_LOG_ROWS = 3;
const MAX_LOG_ROWS = 22;

/** Numbers derived from options and height; Rejected("options") unless they are consistent and hide. */
export function derive(options, logRows) {
  const bad = (what) => new Rejected("options", what);
  for (const [name, [low, high]] of Object.entries(BOUNDS)) {
    const value = options[name];
    if (!Number.isInteger(value) || value < low || value > high) throw bad(`${name} is not within ${low}..${high}`);
  }
  if (options.salt_bytes % 4 !== 0) throw bad("salt_bytes is not a multiple of 4");
  if (!Number.isInteger(logRows) || logRows < MIN_LOG_ROWS || logRows > MAX_LOG_ROWS) {
    throw bad(`a height of 2^${logRows} rows is not within 2^${MIN_LOG_ROWS}..2^${MAX_LOG_ROWS}`);
  }
  if (logRows + options.log_blowup > TWO_ADICITY) throw bad("there is no domain of that size");
  const rows = 2 ** logRows;
  const blowup = 2 ** options.log_blowup;
  const bound = rows + Math.floor(rows / 2 ** options.slack_shift);
  const mask = 2 * (2 * DEGREE + options.queries);
  const chunk = rows + (3 * mask) / 2;
  if (chunk + DEGREE + options.queries > bound) throw bad(`the masks do not fit a table of 2^${logRows} rows`);
  let folds = 0;
  while (rows / 8 ** folds > 2 ** options.log_final_rows) folds++;
  const bounds = [];
  for (let r = 0; r <= folds; r++) bounds.push(Math.ceil(bound / 8 ** r));
  return { logRows, rows, blowup, points: rows * blowup, bound, chunk, folds, bounds };
}

/** The eight u32 that the transcript absorbs. */
export const encodeOptions = (options) => words(Object.keys(BOUNDS).map((name) => options[name]));
