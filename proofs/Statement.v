(* The statement of a claim: what is public, and what the verifier adds to the buses. circuits/README.md sections 1 and 9.

   TO BE READ AND TRUSTED, as Machine.v is. Header and head elements are lists of eight. *)
From Coq Require Import ZArith List.
From Standstill Require Import Machine.
Import ListNotations.
Local Open Scope Z_scope.

Record meter := { header : list Z; meter_peak : Z; meter_coverage : Z; head : list Z }.
Record summary := { summary_header : list Z; summary_head : list Z }.
Record books := { books_header : list Z; before : list Z; after : list Z }.

(* `effective_freeze` is the smaller of the freeze and the lineage cap. *)
Record statement := {
  first : Z; last : Z;
  total_limit : Z; unattributed_limit : Z; lineage_limit : Z; effective_freeze : Z;
  charges_peak : Z; charges_residue : Z;
  meters : list meter; summaries : list summary; registry : option books }.

(* Limb k of an amount. *)
Definition limb (v k : Z) : Z := (v / 2 ^ (24 * k)) mod 2 ^ 24.

Definition public_vector (s : statement) : list Z :=
  [first s; last s] ++ flat_map (fun v => [limb v 0; limb v 1; limb v 2]) [total_limit s; unattributed_limit s; lineage_limit s; effective_freeze s]
  ++ [charges_peak s; charges_residue s].

(* The verifier takes each header and each head once: multiplicity -1. *)
Definition term (bus chain : Z) (rest : list Z) : fraction := ([p - 1], bus :: chain :: rest).

(* f c x for the elements x of a list, counted from c on. *)
Fixpoint counted {A B} (f : Z -> A -> list B) (c : Z) (l : list A) : list B :=
  match l with [] => [] | x :: rest => f c x ++ counted f (c + 1) rest end.

Definition header_of (m : meter) : list Z :=
  header m ++ [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1].
Definition meter_terms (c : Z) (m : meter) : list fraction := [term 5 c (header_of m); term 6 c (head m)].
Definition summary_terms (s : statement) (c : Z) (x : summary) : list fraction :=
  [term 5 c (summary_header x); term (match registry s with Some _ => 9 | None => 10 end) c (summary_head x)].
Definition books_terms (r : books) : list fraction := [term 5 0 (books_header r); term 7 0 (before r); term 8 0 (after r)].

Definition n_meters (s : statement) : Z := Z.of_nat (length (meters s)).
Definition n_summaries (s : statement) : Z := Z.of_nat (length (summaries s)).
Definition terms (s : statement) : list fraction :=
  counted meter_terms 1 (meters s) ++ counted (summary_terms s) (1 + n_meters s) (summaries s)
  ++ match registry s with Some r => books_terms r | None => [] end.

(* The verifier refuses a statement whose values are out of these ranges. *)
Definition elements (l : list Z) : Prop := length l = 8%nat /\ Forall canonical l.
Definition bits (k v : Z) : Prop := 0 <= v < 2 ^ k.
Record valid (s : statement) : Prop := {
  valid_epochs : bits 24 (first s) /\ bits 24 (last s);
  valid_caps : bits 64 (total_limit s) /\ bits 64 (unattributed_limit s) /\ bits 64 (lineage_limit s) /\ bits 64 (effective_freeze s);
  valid_freeze : effective_freeze s <= lineage_limit s;
  valid_flags : bits 1 (charges_peak s) /\ bits 1 (charges_residue s);
  valid_meters : forall m, In m (meters s) -> elements (header m) /\ elements (head m) /\ bits 24 (meter_peak m) /\ bits 48 (meter_coverage m);
  valid_summaries : forall x, In x (summaries s) -> elements (summary_header x) /\ elements (summary_head x);
  valid_registry : forall r, registry s = Some r -> elements (books_header r) /\ elements (before r) /\ elements (after r);
  valid_counts : n_meters s < 2 ^ 20 /\ n_summaries s <= 256;
  (* whole: meters and a registry; a site's: meters and one summary; a registry's: summaries and a registry *)
  valid_kind : match registry s with Some _ => meters s = [] \/ summaries s = [] | None => length (summaries s) = 1%nat end }.
