(* The constraint machine of zk/PROTOCOL.md section 4, and what it means that a trace satisfies a program.

   TO BE READ AND TRUSTED: this file states what is assumed of a trace. It has no lemma. *)
From Coq Require Import ZArith List Bool FMapPositive.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- The field, as canonical integers ---- *)

Definition p : Z := 2130706433.

Record Algebra (A : Type) := { add : A -> A -> A; sub : A -> A -> A; mul : A -> A -> A; const : Z -> A }.
Arguments add {A}. Arguments sub {A}. Arguments mul {A}. Arguments const {A}.

Definition Fp : Algebra Z :=
  {| add := fun a b => (a + b) mod p; sub := fun a b => (a - b) mod p; mul := fun a b => (a * b) mod p; const := fun c => c mod p |}.

(* ---- Programs ---- *)

(* What an op can read besides registers and constants: columns of this row and the next, selectors, public inputs. *)
Inductive leaf := Col (n : Z) | Next (n : Z) | Sel (n : Z) | Pub (n : Z).
Inductive operand := Reg (r : positive) | Cst (c : Z) | Leaf (l : leaf).
Inductive binop := Add | Sub | Mul.
(* What a program puts out: constraint k; element k of the message of interaction i; numerator k of interaction i. *)
Inductive event := Assert (k : Z) | Msg (i k : Z) | Num (i k : Z).
Inductive op := Bin (o : binop) (dst : positive) (a b : operand) | Out (e : event) (a : operand).

Record program := { n_columns : Z; n_publics : Z; n_constraints : Z; ops : list op; shapes : list (Z * Z) }.

(* ---- Decoding: the words of PROTOCOL section 4 ---- *)

Section Decode.
  Variable constants : list Z.

  Definition decode_operand (w : Z) : option operand :=
    let kind := w / 16777216 in
    let index := w mod 16777216 in
    match kind with
    | 0 => Some (Reg (Z.to_pos (index + 1)))
    | 1 => Some (Leaf (Col index))
    | 2 => Some (Leaf (Next index))
    | 3 => option_map Cst (nth_error constants (Z.to_nat index))
    | 4 => Some (Leaf (Sel index))
    | 5 => Some (Leaf (Pub index))
    | _ => None
    end.

  Definition decode_op (code dst a b : Z) : option op :=
    match decode_operand a with
    | None => None
    | Some x =>
      let bin o := option_map (Bin o (Z.to_pos (dst + 1)) x) (decode_operand b) in
      match code with
      | 0 => bin Add
      | 1 => bin Sub
      | 2 => bin Mul
      | 3 => Some (Out (Assert b) x)
      | 4 => Some (Out (Msg dst b) x)
      | 5 => Some (Out (Num dst b) x)
      | _ => None
      end
    end.

  (* n ops, then the words after them. *)
  Fixpoint decode_ops (n : nat) (ws : list Z) : option (list op * list Z) :=
    match n, ws with
    | O, rest => Some ([], rest)
    | S n', code :: dst :: a :: b :: rest =>
      match decode_op code dst a b, decode_ops n' rest with
      | Some o, Some (os, others) => Some (o :: os, others)
      | _, _ => None
      end
    | _, _ => None
    end.
End Decode.

Fixpoint decode_shapes (n : nat) (ws : list Z) : option (list (Z * Z)) :=
  match n, ws with
  | O, _ => Some []
  | S n', nums :: msgs :: rest => option_map (cons (nums, msgs)) (decode_shapes n' rest)
  | _, _ => None
  end.

Definition decode (ws : list Z) : option program :=
  match ws with
  | columns :: _ :: publics :: constraints :: count :: rest =>
    let constants := firstn (Z.to_nat count) rest in
    match skipn (Z.to_nat count) rest with
    | n :: rest' =>
      match decode_ops constants (Z.to_nat n) rest' with
      | Some (os, k :: after) =>
        match decode_shapes (Z.to_nat k) after with
        | Some ss => Some {| n_columns := columns; n_publics := publics; n_constraints := constraints; ops := os; shapes := ss |}
        | None => None
        end
      | _ => None
      end
    | [] => None
    end
  | _ => None
  end.

(* ---- Running a program over any algebra ---- *)

Module Regs := PositiveMap.

Section Run.
  Context {A : Type} (alg : Algebra A) (leaves : leaf -> A).

  (* A register is read only after it was written. *)
  Definition value (regs : Regs.t A) (x : operand) : A :=
    match x with
    | Reg r => match Regs.find r regs with Some v => v | None => const alg 0 end
    | Cst c => const alg c
    | Leaf l => leaves l
    end.

  Definition apply (o : binop) : A -> A -> A := match o with Add => add alg | Sub => sub alg | Mul => mul alg end.

  Fixpoint run (os : list op) (regs : Regs.t A) : list (event * A) :=
    match os with
    | [] => []
    | Bin o dst a b :: rest => run rest (Regs.add dst (apply o (value regs a) (value regs b)) regs)
    | Out e a :: rest => (e, value regs a) :: run rest regs
    end.
End Run.

(* ---- What it means that a trace satisfies a program ---- *)

(* A fraction of a row or of the verifier: numerators, message. *)
Definition fraction : Type := (list Z * list Z)%type.

Section Meaning.
  Variable prog : program.
  Variable N : Z.                       (* rows; the table is cyclic *)
  Variable T : Z -> Z -> Z.             (* T row column *)
  Variable pub : Z -> Z.                (* public inputs *)
  Variable sel : Z -> Z -> Z.           (* sel row selector *)
  Variable publics : list fraction.     (* what the verifier adds to the buses *)

  Definition next (i : Z) : Z := (i + 1) mod N.

  Definition row_leaves (i : Z) (l : leaf) : Z :=
    match l with Col n => T i n | Next n => T (next i) n | Sel n => sel i n | Pub n => pub n end.

  Definition row_events (i : Z) : list (event * Z) := run Fp (row_leaves i) (ops prog) (Regs.empty Z).

  (* All cells are field elements, and selectors are on the rows what PROTOCOL section 4 says: 0 or not 0. *)
  Definition canonical (v : Z) : Prop := 0 <= v < p.
  Definition well_formed : Prop :=
    (forall i c, canonical (T i c)) /\ (forall c, canonical (pub c)) /\ (forall i s, canonical (sel i s))
    /\ (forall i, 0 <= i < N -> (sel i 0 <> 0 <-> i = 0) /\ (sel i 1 <> 0 <-> i = N - 1) /\ (sel i 2 = 0 <-> i = N - 1)).

  (* Every constraint is 0 on every row. *)
  Definition constraints_hold : Prop :=
    forall i, 0 <= i < N -> forall k v, In (Assert k, v) (row_events i) -> v = 0.

  (* The fractions of a row, in the order of the program's interactions. *)
  Definition numerators_of (evs : list (event * Z)) (i : Z) : list Z :=
    flat_map (fun ev => match fst ev with Num j _ => if j =? i then [snd ev] else [] | _ => [] end) evs.
  Definition message_of (evs : list (event * Z)) (i : Z) : list Z :=
    flat_map (fun ev => match fst ev with Msg j _ => if j =? i then [snd ev] else [] | _ => [] end) evs.
  Definition interactions : list Z := map Z.of_nat (seq 0 (length (shapes prog))).
  Definition row_fractions (i : Z) : list fraction :=
    map (fun j => (numerators_of (row_events i) j, message_of (row_events i) j)) interactions.

  (* Messages are equal if they are, filled up with zeros. *)
  Definition same_message (a b : list Z) : bool :=
    forallb (fun k => nth k a 0 =? nth k b 0) (seq 0 16).

  Definition sum (l : list Z) : Z := fold_right Z.add 0 l.
  (* What all fractions with message m have together, in numerator k. *)
  Definition booked (k : nat) (m : list Z) (fs : list fraction) : Z :=
    sum (map (fun f => if same_message (snd f) m then nth k (fst f) 0 else 0) fs).

  Definition rows : list Z := map Z.of_nat (seq 0 (Z.to_nat N)).
  Definition all_fractions : list fraction := flat_map row_fractions rows ++ publics.

  (* LogUp's conclusion, the one thing assumed of it: each message balances, in each numerator. *)
  Definition buses_balance : Prop := forall k m, booked k m all_fractions mod p = 0.

  Definition satisfied : Prop := well_formed /\ constraints_hold /\ buses_balance.
End Meaning.
