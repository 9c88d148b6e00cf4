/** The AIR as a straight-line program. zk/PROTOCOL.md section 4. */
import { P, embed, extAdd, extMul, extScale, extSub, inverse, mul, pow, rootOfUnity } from "./field.js";
import { ascii, sha256 } from "./bytes.js";
import { Rejected } from "./errors.js";

export const [REGISTER, COLUMN, NEXT, CONSTANT, SELECTOR, PUBLIC] = [0, 1, 2, 3, 4, 5];
export const [ADD, SUB, MUL, ASSERT, MESSAGE, NUMERATOR] = [0, 1, 2, 3, 4, 5];
export const TRANSITION = 2;
const ALONE = 0xffffffff;
const MAX_PROGRAM = 2 ** 22;

const bad = (what) => new Rejected("program", what);

/** Reads u32 words and refuses to read past the end. */
class Words {
  constructor(data) {
    if (data.length % 4 !== 0 || data.length > MAX_PROGRAM) throw bad("not whole words, or too long");
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
    this.at = 0;
  }

  next() {
    if (this.at === this.view.byteLength) throw bad("the encoding ends early");
    this.at += 4;
    return this.view.getUint32(this.at - 4);
  }

  /** u32 count, then count times what `read` reads. */
  list(read) {
    const count = this.next();
    if (4 * count > this.view.byteLength - this.at) throw bad("a list is longer than the encoding");
    return Array.from({ length: count }, read);
  }
}

/** A program from its encoding; Rejected("program") unless every reference in it can be followed. */
export function decodeProgram(data) {
  const words = new Words(data);
  const word = () => words.next();
  const program = { columns: word(), registers: word(), publics: word(), constraints: word() };
  program.constants = words.list(word);
  program.ops = words.list(() => [word(), word(), word(), word()]);
  program.interactions = words.list(() => ({ numerators: word(), messages: word() }));
  program.groups = words.list(() => [word(), word()].map((i) => (i === ALONE ? -1 : i)));
  program.nextColumns = words.list(word);
  if (words.at !== data.length) throw bad("words follow the end");
  program.digest = sha256(ascii("standstill/program/v1"), data);
  check(program);
  return program;
}

function check(program) {
  const { columns, registers, publics, constants, interactions, groups, nextColumns } = program;
  if (columns < 1 || columns > 65535 || registers > 65536 || publics > 65536) throw bad("sizes out of range");
  if (interactions.length === 0 || groups.length === 0) throw bad("there is no interaction");
  if (constants.some((c) => c >= P)) throw bad("a constant is not canonical");
  nextColumns.forEach((c, i) => {
    if (c >= columns || (i > 0 && nextColumns[i - 1] >= c)) throw bad("next_columns are not sorted columns");
  });
  const sizes = [registers, columns, columns, constants.length, 3, publics];
  const nextOnes = new Set(nextColumns);
  const written = new Set();
  const operand = (w) => {
    const kind = w >>> 24;
    const index = w & 0xffffff;
    if (kind > PUBLIC || index >= sizes[kind]) throw bad("an operand is out of range");
    if (kind === REGISTER && !written.has(index)) throw bad("a register is read before it is written");
    if (kind === NEXT && !nextOnes.has(index)) throw bad("a column is read in the next row and not listed");
  };
  let asserted = 0;
  const seen = new Set();
  for (const [op, dst, a, b] of program.ops) {
    operand(a);
    if (op <= MUL) {
      operand(b);
      if (dst >= registers) throw bad("a register is out of range");
      written.add(dst);
    } else if (op === ASSERT) {
      if (b !== asserted++) throw bad("constraints are not counted up");
    } else if (op === MESSAGE || op === NUMERATOR) {
      const item = interactions[dst];
      if (!item || b >= (op === MESSAGE ? item.messages : item.numerators)) throw bad("no such message or numerator");
      if (seen.size === seen.add(`${op} ${dst} ${b}`).size) throw bad("a message or numerator is given twice");
    } else {
      throw bad(`there is no opcode ${op}`);
    }
  }
  if (asserted !== program.constraints) throw bad("the number of constraints is another");
  const asked = interactions.reduce((sum, item) => sum + item.messages + item.numerators, 0);
  if (seen.size !== asked) throw bad("a message or numerator is missing");
  const grouped = groups.flat().filter((i) => i >= 0).sort((x, y) => x - y);
  if (groups.some(([i]) => i < 0) || grouped.length !== interactions.length || grouped.some((i, k) => i !== k)) {
    throw bad("groups do not hold every interaction once");
  }
}

/** Values of the three selectors at the extension point z, for 2^logRows rows; z^N is not 1. */
export function selectorsAt(z, zToN, logRows, extInverse) {
  const last = inverse(rootOfUnity(logRows)); // w^-1 = w^(N-1): the last row's point
  const vanishing = extSub(zToN, embed(1));
  const overN = inverse(pow(2, logRows));
  const lagrange = (point) =>
    extScale(extMul(vanishing, extInverse(extSub(z, embed(point)))), mul(point, overN));
  return [lagrange(1), lagrange(last), extSub(z, embed(last))];
}

/**
 * Runs the program on extension values.
 *
 * row: main columns here; next: Map of column index to its value in the next row; publics: base elements.
 * Returns {constraints, messages, numerators}, the latter two one list per interaction.
 */
export function evaluate(program, row, next, selectors, publics) {
  const registers = new Array(program.registers);
  const constants = program.constants.map(embed);
  const given = publics.map(embed);
  const constraints = [];
  const messages = program.interactions.map(() => []);
  const numerators = program.interactions.map(() => []);
  const value = (word) => {
    const index = word & 0xffffff;
    switch (word >>> 24) {
      case REGISTER: return registers[index];
      case COLUMN: return row[index];
      case NEXT: return next.get(index);
      case CONSTANT: return constants[index];
      case SELECTOR: return selectors[index];
      default: return given[index];
    }
  };
  for (const [op, dst, a, b] of program.ops) {
    const x = value(a);
    switch (op) {
      case ADD: registers[dst] = extAdd(x, value(b)); break;
      case SUB: registers[dst] = extSub(x, value(b)); break;
      case MUL: registers[dst] = extMul(x, value(b)); break;
      case ASSERT: constraints.push(x); break;
      case MESSAGE: messages[dst][b] = x; break;
      default: numerators[dst][b] = x;
    }
  }
  return { constraints, messages, numerators };
}

/** Largest degree of a constraint or LogUp constraint, with columns of degree `bound` (selectors: N - 1 and 1). */
export function constraintDegree(program, rows, bound) {
  const registers = new Array(program.registers).fill(0);
  const messages = program.interactions.map(() => 0);
  const numerators = program.interactions.map(() => 0);
  let largest = 0;
  const degree = (word) => {
    const index = word & 0xffffff;
    switch (word >>> 24) {
      case REGISTER: return registers[index];
      case COLUMN: case NEXT: return bound;
      case SELECTOR: return index === TRANSITION ? 1 : rows - 1;
      default: return 0;
    }
  };
  for (const [op, dst, a, b] of program.ops) {
    if (op === ADD || op === SUB) registers[dst] = Math.max(degree(a), degree(b));
    else if (op === MUL) registers[dst] = degree(a) + degree(b);
    else if (op === ASSERT) largest = Math.max(largest, degree(a));
    else if (op === MESSAGE) messages[dst] = Math.max(messages[dst], degree(a));
    else numerators[dst] = Math.max(numerators[dst], degree(a));
  }
  for (const [i, j] of program.groups) {
    const message = j < 0 ? 0 : messages[j];
    const numerator = j < 0 ? 0 : numerators[j];
    largest = Math.max(largest, bound + messages[i] + message, numerators[i] + message, numerator + messages[i]);
  }
  return largest;
}
