"""A second verifier, written from zk/PROTOCOL.md alone: slow, obvious, standard library only.

It shares no code with the package zk. Section and step numbers are those of zk/PROTOCOL.md. It computes no security
level (section 10): whoever calls it chooses the options.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tests.reference.extension import (
    E,
    Ext,
    P,
    eadd,
    einv,
    emul,
    epow,
    escale,
    esub,
    ext,
    from_coordinates,
    horner,
    inv,
    root_of_unity,
)

ALONE = 0xFFFFFFFF
REG, COL, NEXT, CONST, SEL, PUB = range(6)
ADD, SUB, MUL, ASSERT, MSG, NUM = range(6)


class Reject(Exception):
    """The proof, or the question put to the verifier, is not accepted. `check` is a name of section 11."""

    def __init__(self, check: str, detail: str = "") -> None:
        self.check = check
        super().__init__(f"{check}: {detail}" if detail else check)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def u8(n: int) -> bytes:
    return n.to_bytes(1, "big")


def u16(n: int) -> bytes:
    return n.to_bytes(2, "big")


def u32(n: int) -> bytes:
    return n.to_bytes(4, "big")


def u64(n: int) -> bytes:
    return n.to_bytes(8, "big")


# ---- 2. Transcript ----------------------------------------------------------------------------------------------


class Transcript:
    def __init__(self) -> None:
        self.state = sha(b"standstill/stark/v1")

    def absorb(self, label: str, data: bytes) -> None:
        name = label.encode()
        self.state = sha(b"A", self.state, u8(len(name)), name, u64(len(data)), data)

    def _words(self, tag: bytes, label: str, n: int):  # type: ignore[no-untyped-def]
        name = label.encode()
        seed = sha(tag, self.state, u8(len(name)), name, u64(n))
        self.state = sha(b"R", seed)
        counter = 0
        while True:
            block = sha(b"S", seed, u32(counter))
            for i in range(0, 32, 4):
                yield int.from_bytes(block[i : i + 4], "big")
            counter += 1

    def elements(self, label: str, n: int) -> list[int]:
        found: list[int] = []
        words = self._words(b"C", label, n)
        word = next(words)
        while len(found) < n:
            word &= 0x7FFFFFFF
            if word < P:
                found.append(word)
            word = next(words)
        return found

    def extension(self, label: str, n: int) -> list[Ext]:
        flat = self.elements(label, 5 * n)
        return [flat[5 * i : 5 * i + 5] for i in range(n)]

    def indices(self, label: str, n: int, bits: int) -> list[int]:
        words = self._words(b"I", label, n)
        return [next(words) & ((1 << bits) - 1) for _ in range(n)]

    def grind(self, label: str, bits: int, nonce: int) -> bool:
        """Whether the nonce passes; absorbs it either way, so that the parse can go on to the end."""
        digest = int.from_bytes(sha(b"G", self.state, u8(bits), u64(nonce)), "big")
        self.absorb(label, u64(nonce))
        return nonce == 0 if bits == 0 else digest >> (256 - bits) == 0


# ---- 3. Options -------------------------------------------------------------------------------------------------


class Parameters:
    """Options and what is derived from them for N = 2^k rows."""

    def __init__(self, options: Sequence[int], k: int) -> None:
        if len(options) != 8 or any(type(o) is not int or not 0 <= o < 2**32 for o in options):
            raise Reject("options")
        self.options = list(options)
        b, q, query_grinding, round_grinding, log_arity, slack_shift, log_final, salt = options
        if type(k) is not int or not (3 <= k <= 22 and k + b <= 24):
            raise Reject("options", "log_rows")
        if not (2 <= b <= 4 and 1 <= q <= 1024 and query_grinding <= 32 and round_grinding <= 32 and log_arity == 3):
            raise Reject("options")
        if not (1 <= slack_shift <= 8 and 3 <= log_final <= 12 and 16 <= salt <= 32 and salt % 4 == 0):
            raise Reject("options")
        self.k, self.b, self.q = k, b, q
        self.query_grinding, self.round_grinding, self.salt = query_grinding, round_grinding, salt
        self.n = 2**k
        self.blowup = 2**b
        self.d = self.n + self.n // 2**slack_shift
        h = 2 * (2 * E + q)
        self.m = self.n + 3 * h // 2
        if self.m + E + q > self.d or self.d >= self.blowup * self.n:
            raise Reject("options", "slack")
        self.folds = 0
        while k - 3 * self.folds > log_final:
            self.folds += 1
        if k - 3 * self.folds < 0:
            raise Reject("options", "folds")
        self.final_length = -(-self.d // 8**self.folds)

    def point(self, j: int, i: int) -> int:
        """Section 5: point j N + i of the LDE domain."""
        return 3 * pow(root_of_unity(self.k + self.b), j, P) * pow(root_of_unity(self.k), i, P) % P


# ---- 4. Program -------------------------------------------------------------------------------------------------


class Words:
    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise Reject("program", "length")
        self.words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
        self.at = 0

    def take(self) -> int:
        if self.at >= len(self.words):
            raise Reject("program", "too short")
        self.at += 1
        return self.words[self.at - 1]

    def many(self, width: int) -> list[list[int]]:
        """count || count items of `width` words."""
        count = self.take()
        if count * width > len(self.words) - self.at:
            raise Reject("program", "too short")
        return [[self.take() for _ in range(width)] for _ in range(count)]


class Program:
    """The parsed encoding. Refuses what section 4 gives no meaning."""

    def __init__(self, data: bytes) -> None:
        self.digest = sha(b"standstill/program/v1", data)
        w = Words(data)
        self.n_columns, self.n_registers, self.n_publics, self.n_constraints = (w.take() for _ in range(4))
        self.constants = [c for (c,) in w.many(1)]
        self.ops = w.many(4)
        self.interactions = w.many(2)
        self.groups = w.many(2)
        self.next_columns = [c for (c,) in w.many(1)]
        if w.at != len(w.words):
            raise Reject("program", "too long")
        in_groups = [i for group in self.groups for i in group if i != ALONE]
        if any(i == ALONE for i, _ in self.groups) or sorted(in_groups) != list(
            range(len(self.interactions))
        ):
            raise Reject("program", "groups")
        if not self.groups or not 0 < self.n_columns < 2**16 or 5 * len(self.groups) >= 2**16:
            raise Reject("program", "shape")
        if sorted(set(self.next_columns)) != self.next_columns or any(c >= P for c in self.constants):
            raise Reject("program", "encoding")

    def run(
        self, main: Sequence[Ext], following: dict[int, Ext], selectors: Sequence[Ext], publics: Sequence[int]
    ):  # type: ignore[no-untyped-def]
        """Runs the ops once. Returns constraint values, numerators and messages per interaction."""
        registers: dict[int, Ext] = {}
        constraints: list[Ext] = []
        numerators: list[list[Ext]] = [[] for _ in self.interactions]
        messages: list[list[Ext]] = [[] for _ in self.interactions]

        def value(operand: int) -> Ext:
            kind, index = operand >> 24, operand & 0xFFFFFF
            if kind == REG:
                return registers[index]
            if kind == COL:
                return main[index]
            if kind == NEXT:
                return following[index]
            if kind == CONST:
                return ext(self.constants[index])
            if kind == SEL:
                return selectors[index]
            if kind == PUB:
                return ext(publics[index])
            raise Reject("program", "operand")

        try:
            for opcode, dst, a, b in self.ops:
                if opcode == ADD:
                    registers[dst] = eadd(value(a), value(b))
                elif opcode == SUB:
                    registers[dst] = esub(value(a), value(b))
                elif opcode == MUL:
                    registers[dst] = emul(value(a), value(b))
                elif opcode == ASSERT and b == len(constraints):
                    constraints.append(value(a))
                elif opcode == MSG and b == len(messages[dst]):
                    messages[dst].append(value(a))
                elif opcode == NUM and b == len(numerators[dst]):
                    numerators[dst].append(value(a))
                else:
                    raise Reject("program", "opcode")
        except (IndexError, KeyError):
            raise Reject("program", "index") from None
        shape = [[len(n), len(m)] for n, m in zip(numerators, messages, strict=True)]
        if len(constraints) != self.n_constraints or shape != self.interactions:
            raise Reject("program", "counts")
        return constraints, numerators, messages


def public_sum(public_interactions: Sequence[tuple[int, Sequence[int]]], alpha: Ext, beta: Ext) -> Ext:
    """P of section 4."""
    total = ext(0)
    for multiplicity, message in public_interactions:
        denominator = eadd(alpha, horner([ext(m) for m in message], beta))
        if denominator == ext(0):
            raise Reject("public interaction")
        total = eadd(total, escale(einv(denominator), multiplicity))
    return total


# ---- 7. Merkle trees --------------------------------------------------------------------------------------------


def leaf_hash(tree: int, salt: bytes, words: Sequence[int]) -> bytes:
    return sha(b"\x00", u8(tree), u16(len(words)), salt, *(u32(w) for w in words))


def merkle_root(tree: int, depth: int, leaves: dict[int, bytes], siblings: list[bytes]) -> bytes:
    """The root that the opened leaves and the sibling hashes give."""
    nodes, stream = dict(leaves), iter(siblings)
    for level in range(1, depth + 1):
        above: dict[int, bytes] = {}
        for number in sorted(nodes):
            if number // 2 in above:
                continue
            sibling = nodes[number ^ 1] if number ^ 1 in nodes else next(stream)
            pair = (nodes[number], sibling) if number % 2 == 0 else (sibling, nodes[number])
            above[number // 2] = sha(b"\x01", u8(tree), u16(level), *pair)
        nodes = above
    return nodes[0]


def sibling_count(depth: int, numbers: Sequence[int]) -> int:
    """How many sibling hashes an opening of these leaves carries."""
    count, known = 0, set(numbers)
    for _ in range(depth):
        count += sum(1 for number in known if number ^ 1 not in known)
        known = {number // 2 for number in known}
    return count


# ---- 8. Proof bytes ---------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise Reject("format", "too short")
        self.at += n
        return self.data[self.at - n : self.at]

    def nonce(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def run(self, n: int) -> list[int]:
        """A run of n elements."""
        data = self.take((31 * n + 7) // 8)
        bits = "".join(f"{byte:08b}" for byte in data)
        values = [int(bits[31 * i : 31 * i + 31], 2) for i in range(n)]
        if any(v >= P for v in values):
            raise Reject("format", "element not below p")
        if "1" in bits[31 * n :]:
            raise Reject("format", "a bit that fills up is set")
        return values

    def extension(self, n: int) -> list[Ext]:
        flat = self.run(5 * n)
        return [flat[5 * i : 5 * i + 5] for i in range(n)]


class Opening:
    """One tree's opened leaves, as far as they are sent, and sibling hashes. widths: words sent of each leaf, by its number, ascending."""

    def __init__(self, r: Reader, tree: int, depth: int, widths: dict[int, int]) -> None:
        self.tree, self.depth = tree, depth
        words = iter(r.run(sum(widths.values())))
        self.rows = {number: [next(words) for _ in range(width)] for number, width in widths.items()}
        self.siblings = [r.take(32) for _ in range(sibling_count(depth, list(widths)))]

    def root(self, salts: dict[int, bytes]) -> bytes:
        """The root that the rows, by now whole, and the sibling hashes give."""
        hashes = {number: leaf_hash(self.tree, salts.get(number, b""), row) for number, row in self.rows.items()}
        return merkle_root(self.tree, self.depth, hashes, self.siblings)


# ---- 6. and 11. The verifier ------------------------------------------------------------------------------------


def absorb_statement(
    t: Transcript,
    program: Program,
    options: Sequence[int],
    log_rows: int,
    publics: Sequence[int],
    public_interactions: Sequence[tuple[int, Sequence[int]]],
) -> None:
    """Step 0."""
    t.absorb("program", program.digest)
    t.absorb("options", b"".join(u32(o) for o in options))
    t.absorb("log_rows", u32(log_rows))
    t.absorb("publics", b"".join(u32(v) for v in publics))
    data = u32(len(public_interactions))
    for multiplicity, message in public_interactions:
        data += u32(multiplicity) + u32(len(message)) + b"".join(u32(m) for m in message)
    t.absorb("public interactions", data)


def canonical(value: object) -> bool:
    return type(value) is int and 0 <= value < P


class Verification:
    """One run. The steps read the proof and run the transcript; then the checks come in the order of section 11."""

    def __init__(
        self,
        program_bytes: bytes,
        publics: Sequence[int],
        public_interactions: Sequence[tuple[int, Sequence[int]]],
        log_rows: int,
        options: Sequence[int],
        proof: bytes,
    ) -> None:
        self.par = Parameters(options, log_rows)
        self.program = Program(program_bytes)
        self.publics = list(publics)
        self.public_interactions = [(m, list(message)) for m, message in public_interactions]
        flat = self.publics + [m for m, _ in self.public_interactions]
        flat += [v for _, message in self.public_interactions for v in message]
        if len(self.publics) != self.program.n_publics or not all(canonical(v) for v in flat):
            raise Reject("statement")
        self.t = Transcript()
        absorb_statement(self.t, self.program, options, log_rows, self.publics, self.public_interactions)
        self.r = Reader(proof)
        self.grinding: list[tuple[str, bool]] = []

    def grind(self, label: str, bits: int) -> None:
        self.grinding.append((label, self.t.grind(label, bits, self.r.nonce())))

    def root(self, label: str) -> bytes:
        root = self.r.take(32)
        self.t.absorb(label, root)
        return root

    def read(self) -> None:
        """Steps 1 to 7, as far as they read the proof."""
        par, program, t, r = self.par, self.program, self.t, self.r
        if r.take(4) != b"SSPF" or r.take(2) != u16(2):
            raise Reject("format", "magic or version")
        n_groups = len(program.groups)
        # Step 1.
        self.main_root = self.root("main root")
        self.grind("lookup grinding", par.round_grinding)
        self.alpha, self.beta, self.gamma = t.extension("lookup", 3)
        # Step 2.
        self.aux_root = self.root("aux root")
        self.grind("constraint grinding", par.round_grinding)
        self.constraint_coefficients = t.extension("constraint", program.n_constraints + n_groups)
        # Step 3.
        self.quotient_root = self.root("quotient root")
        self.grind("zeta grinding", par.round_grinding)
        (self.zeta,) = t.extension("zeta", 1)
        # Step 4.
        here = program.n_columns + 5 * n_groups + 10
        there = len(program.next_columns) + 5
        values = r.extension(here + there)
        t.absorb("out of domain", b"".join(u32(c) for v in values for c in v))
        self.at_zeta, self.at_next = values[:here], values[here:]
        # Step 5.
        self.grind("deep grinding", par.round_grinding)
        self.deep = t.extension("deep", here + there)
        # Step 6.
        self.fri_roots: list[bytes] = []
        self.betas: list[Ext] = []
        for _ in range(par.folds):
            self.fri_roots.append(self.root("fri root"))
            self.grind("fold grinding", par.round_grinding)
            self.betas += t.extension("fold", 1)
        self.final = r.extension(par.final_length)
        t.absorb("final", b"".join(u32(c) for v in self.final for c in v))
        # Step 7.
        self.grind("query grinding", par.query_grinding)
        self.queries = sorted(set(t.indices("query", par.q, par.k + par.b)))
        depth = par.k + par.b
        self.salts = {index: r.take(par.salt) for index in self.queries}
        n_words = {1: program.n_columns, 2: 5 * n_groups, 3: 15}
        self.main, self.aux, self.quotient = (
            Opening(r, tree, depth, dict.fromkeys(self.queries, width)) for tree, width in n_words.items()
        )
        self.layers: list[Opening] = []
        self.reached: list[dict[int, list[int]]] = []  # of each layer: leaf number to the positions that the verifier computes
        for layer in range(par.folds):
            places = sorted({self.leaf(layer, index) for index in self.queries})
            reached: dict[int, list[int]] = {}
            for number, position in places:
                reached.setdefault(number, []).append(position)
            self.reached.append(reached)
            widths = {number: 40 - 5 * len(positions) for number, positions in reached.items()}
            self.layers.append(Opening(r, 16 + layer, depth - 3 * (layer + 1), widths))
        if r.at != len(r.data):
            raise Reject("format", "too long")

    def leaf(self, layer: int, index: int) -> tuple[int, int]:
        """Leaf number and position t of query `index` in a layer."""
        eighth = self.par.n // 8**layer // 8
        j, i = divmod(index, self.par.n)
        return j * eighth + i % eighth, i // eighth % 8

    def check(self) -> None:
        """Section 11."""
        named = {}
        for label, good in self.grinding:
            named[label] = named.get(label, True) and good
        for label in ("lookup grinding", "constraint grinding", "zeta grinding"):
            if not named[label]:
                raise Reject(label)
        par = self.par
        if epow(self.zeta, par.n) == ext(1) or epow(escale(self.zeta, inv(3)), par.blowup * par.n) == ext(1):
            raise Reject("zeta")
        for label in ("deep grinding", "fold grinding", "query grinding"):
            if not named.get(label, True):
                raise Reject(label)
        self.check_out_of_domain()
        if self.main.root(self.salts) != self.main_root:
            raise Reject("main root")
        if self.aux.root(self.salts) != self.aux_root:
            raise Reject("aux root")
        if self.quotient.root(self.salts) != self.quotient_root:
            raise Reject("quotient root")
        values = {index: self.deep_value(index) for index in self.queries}
        for layer in range(par.folds):
            values = self.next_layer(layer, values)
        for index in self.queries:
            x = pow(par.point(*divmod(index, par.n)), 8**par.folds, P)
            if horner(self.final, ext(x)) != values[index]:
                raise Reject("final")

    def check_out_of_domain(self) -> None:
        """The identity of step 4."""
        par, program = self.par, self.program
        n_main, n_groups = program.n_columns, len(program.groups)
        main = self.at_zeta[:n_main]
        aux = [from_coordinates(self.at_zeta[n_main + 5 * g : n_main + 5 * g + 5]) for g in range(n_groups)]
        chunk_0 = from_coordinates(self.at_zeta[-10:-5])
        chunk_1 = from_coordinates(self.at_zeta[-5:])
        following = dict(zip(program.next_columns, self.at_next[:-5], strict=True))
        acc, acc_next = aux[-1], from_coordinates(self.at_next[-5:])

        w, one = root_of_unity(par.k), ext(1)
        vanishing = esub(epow(self.zeta, par.n), one)
        first = emul(vanishing, einv(escale(esub(self.zeta, one), par.n)))
        last = emul(escale(vanishing, inv(w)), einv(escale(esub(self.zeta, ext(inv(w))), par.n)))
        transition = esub(self.zeta, ext(inv(w)))
        values, numerators, messages = program.run(main, following, (first, last, transition), self.publics)

        total = public_sum(self.public_interactions, self.alpha, self.beta)
        step = esub(esub(acc_next, acc), escale(total, inv(par.n)))
        for h in aux[:-1]:
            step = esub(step, h)
        for g, (i, j) in enumerate(program.groups):
            column = aux[g] if g < n_groups - 1 else step
            num_i = horner(numerators[i], self.gamma)
            fp_i = eadd(self.alpha, horner(messages[i], self.beta))
            if j == ALONE:
                values.append(esub(emul(column, fp_i), num_i))
                continue
            num_j = horner(numerators[j], self.gamma)
            fp_j = eadd(self.alpha, horner(messages[j], self.beta))
            value = emul(column, emul(fp_i, fp_j))
            values.append(esub(esub(value, emul(num_i, fp_j)), emul(num_j, fp_i)))

        left = ext(0)
        for coefficient, value in zip(self.constraint_coefficients, values, strict=True):
            left = eadd(left, emul(coefficient, value))
        right = emul(vanishing, eadd(chunk_0, emul(epow(self.zeta, par.m), chunk_1)))
        if left != right:
            raise Reject("out of domain")

    def deep_value(self, index: int) -> Ext:
        """F at point `index` of the LDE domain, from the opened rows (step 5)."""
        program, x = self.program, ext(self.par.point(*divmod(index, self.par.n)))
        main, aux, quotient = self.main.rows[index], self.aux.rows[index], self.quotient.rows[index]
        here = main + aux + quotient[:10]
        there = [main[c] for c in program.next_columns] + aux[-5:]
        total = list(quotient[10:])
        zeta_next = escale(self.zeta, root_of_unity(self.par.k))
        coefficients = iter(self.deep)
        for opened, claimed, z in ((here, self.at_zeta, self.zeta), (there, self.at_next, zeta_next)):
            part = ext(0)
            for f_x, f_z in zip(opened, claimed, strict=True):
                part = eadd(part, emul(next(coefficients), esub(ext(f_x), f_z)))
            total = eadd(total, emul(part, einv(esub(x, z))))
        return total

    def next_layer(self, layer: int, values: dict[int, Ext]) -> dict[int, Ext]:
        """Steps 6 and 7 for one layer: from each query's value in it to its value in the next, the leaves in between being the layer's."""
        computed = {self.leaf(layer, index): value for index, value in values.items()}
        opening = self.layers[layer]
        for number, positions in self.reached[layer].items():
            sent = iter(opening.rows[number])
            leaf = [computed[number, t] if t in positions else [next(sent) for _ in range(5)] for t in range(8)]
            opening.rows[number] = [word for value in leaf for word in value]
        if opening.root({}) != self.fri_roots[layer]:
            raise Reject("fri root")
        folded = {}
        for index in values:
            number, _ = self.leaf(layer, index)
            row = opening.rows[number]
            j, i = divmod(index, self.par.n)
            x = pow(self.par.point(j, i % (self.par.n // 8**layer // 8)), 8**layer, P)
            folded[index] = fold([row[5 * t : 5 * t + 5] for t in range(8)], x, self.betas[layer])
        return folded


def fold(values: Sequence[Ext], x: int, beta: Ext) -> Ext:
    """The last formula of section 6."""
    z = root_of_unity(3)
    ratio, total = escale(beta, inv(x)), ext(0)
    for m in range(8):
        c = ext(0)
        for t in range(8):
            c = eadd(c, escale(values[t], inv(pow(z, m * t, P))))
        total = eadd(total, emul(epow(ratio, m), escale(c, inv(8))))
    return total


def verify(
    program_bytes: bytes,
    publics: Sequence[int],
    public_interactions: Sequence[tuple[int, Sequence[int]]],
    log_rows: int,
    options: Sequence[int],
    proof: bytes,
) -> None:
    """Accepts by returning, rejects by raising Reject."""
    run = Verification(program_bytes, publics, public_interactions, log_rows, options, proof)
    run.read()
    run.check()
