(* What a claim says, on plain records: R1 to R6 over the integers. circuits/README.md sections 1, 2 and 5.

   TO BE READ AND TRUSTED, as Statement.v is; of Sponge.v the definitions `permute` and `sponge`. It has no lemma.
   `claim_holds` is for tables with a registry: whole ones, and a registry's, whose summaries are sent; `site_holds` for a site's, whose one
   summary is received. *)
From Coq Require Import ZArith List Bool.
From Standstill Require Import Machine Statement Sponge.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- Records and their blocks ---- *)

Record reading := { epoch : Z; tag : Z; seconds : Z; work : Z; busy : bool }.
Record ledger := { iv : list Z; readings : list reading; trailer : list Z }.
Record record := { record_tag : Z; record_work : Z }.
Record site_records := { records_iv : list Z; records : list record; records_trailer : list Z }.
Record entry := {
  entry_tag : Z; kind : Z; parent1 : Z; parent2 : Z; base : Z; entry_epoch : Z;
  entry_work : Z; declared : Z; cumulative : Z; weights : list Z }.   (* weights: eleven limbs of a digest *)
Record history := { history_iv : list Z; old : list entry; before_trailer : list Z; new : list entry; after_trailer : list Z }.

Definition OPENING := 1. Definition EXTERNAL := 2. Definition CHECKPOINT := 3. Definition SNAPSHOT := 4. Definition MERGE := 5. Definition RESIDUE := 6.
Definition IDLE := 1.

Definition amount (v : Z) : list Z := [limb v 0; limb v 1; limb v 2].
Definition reading_block (r : reading) : list Z :=
  [epoch r; tag r; limb (seconds r) 0; limb (seconds r) 1; limb (work r) 0; limb (work r) 1; 0; 0].
Definition record_block (r : record) : list Z := [0; record_tag r; 0; 0] ++ amount (record_work r) ++ [0].
Definition entry_blocks (e : entry) : list (list Z) :=
  let w := weights e in
  [ [entry_tag e; kind e; parent1 e; base e; entry_epoch e] ++ firstn 3 w; parent2 e :: firstn 7 (skipn 3 w);
    amount (entry_work e) ++ skipn 10 w ++ [0; 0; 0; 0]; amount (declared e) ++ [0; 0; 0; 0; 0]; amount (cumulative e) ++ [0; 0; 0; 0; 0] ].

Definition total_of {A} (f : A -> Z) (l : list A) : Z := sum (map f l).

(* ---- R1 to R3: a meter and its ledger ---- *)

Definition ledger_holds (s : statement) (m : meter) (l : ledger) : Prop :=
  (* R1: its blocks lead to the meter's head. *)
  sponge (iv l :: header m :: map reading_block (readings l)) (trailer l) = head m
  /\ (forall r, In r (readings l) -> bits 48 (seconds r) /\ bits 48 (work r))
  (* R2: readings are of the period's epochs, which ascend, and each epoch has exactly the coverage. *)
  /\ (forall r, In r (readings l) -> first s <= epoch r <= last s)
  /\ (forall k r q, nth_error (readings l) k = Some r -> nth_error (readings l) (S k) = Some q -> epoch r <= epoch q <= epoch r + 1)
  /\ (forall e, total_of seconds (filter (fun r => epoch r =? e) (readings l)) = if (first s <=? e) && (e <=? last s) then meter_coverage m else 0)
  (* R3: idle time has no work; busy time is charged at the peak. *)
  /\ (forall r, In r (readings l) -> (busy r = false -> tag r = IDLE /\ work r = 0)
      /\ (charges_peak s = 1 -> busy r = true -> work r = seconds r * meter_peak m)).

(* ---- A summary and its records ---- *)

Definition summary_holds (x : summary) (c : site_records) : Prop :=
  sponge (records_iv c :: summary_header x :: map record_block (records c)) (records_trailer c) = summary_head x
  /\ (forall r, In r (records c) -> bits 56 (record_work r))
  /\ (forall i j r q, (i < j)%nat -> nth_error (records c) i = Some r -> nth_error (records c) j = Some q -> record_tag r < record_tag q).

(* ---- R1, R4 to R6: the registry ---- *)

Definition is_residue (e : entry) : bool := kind e =? RESIDUE.
Definition receives (e : entry) : bool := (kind e =? CHECKPOINT) || (kind e =? SNAPSHOT) || (kind e =? RESIDUE).

(* Work given under a tag by readings and records. *)
Definition given (ls : list ledger) (cs : list site_records) (t : Z) : Z :=
  total_of work (filter (fun r => busy r && (tag r =? t)) (flat_map readings ls))
  + total_of record_work (filter (fun r => record_tag r =? t) (flat_map records cs)).

(* The entry with a tag: RESIDUE entries are nobody's parent. *)
Definition has_tag (t : Z) (e : entry) : bool := negb (is_residue e) && (entry_tag e =? t).
Definition cumulative_of (es : list entry) (t : Z) : Z := match find (has_tag t) es with Some e => cumulative e | None => 0 end.
Definition base_of (es : list entry) (t : Z) : Z := match find (has_tag t) es with Some e => base e | None => 0 end.
(* R after these entries: the cumulative of the last RESIDUE entry, 0 without one. *)
Definition residue_after (es : list entry) : Z := fold_left (fun r e => if is_residue e then cumulative e else r) es 0.

(* The lineage of entry x, by position: itself, and the lineages of its parents. *)
Inductive lineage (es : list entry) : nat -> nat -> Prop :=
| itself x : (x < length es)%nat -> lineage es x x
| by_parent x y z e : nth_error es x = Some e -> find (has_tag (parent1 e)) es = nth_error es y \/ find (has_tag (parent2 e)) es = nth_error es y ->
    (y < length es)%nat -> lineage es y z -> lineage es x z.

Definition added (es : list entry) (x : nat) : Z := match nth_error es x with Some e => entry_work e + declared e | None => 0 end.

Definition entry_holds (es : list entry) (x : nat) (e : entry) : Prop :=
  bits 64 (entry_work e) /\ bits 64 (declared e) /\ bits 64 (cumulative e)
  /\ 1 <= kind e <= 6 /\ (if is_residue e then entry_tag e = 2 else 2 < entry_tag e < 2 ^ 24)
  (* parents and base are NONE or stand before *)
  /\ (forall t, In t [parent1 e; parent2 e; base e] -> t = 0 \/ exists y f, (y < x)%nat /\ nth_error es y = Some f /\ has_tag t f = true)
  /\ (base e = parent1 e \/ base e = base_of es (parent1 e))
  (* what each kind may have *)
  /\ (In (kind e) [OPENING; EXTERNAL; RESIDUE] -> parent1 e = 0) /\ (kind e <> MERGE -> parent2 e = 0)
  /\ (In (kind e) [OPENING; EXTERNAL; MERGE] -> entry_work e = 0) /\ (In (kind e) [CHECKPOINT; SNAPSHOT; MERGE; RESIDUE] -> declared e = 0)
  (* the sum *)
  /\ (exists shared : bool, (shared = true -> kind e = MERGE) /\
      cumulative e = entry_work e + declared e + (if is_residue e then residue_after (firstn x es) else 0)
        + cumulative_of es (parent1 e) + cumulative_of es (parent2 e) - if shared then cumulative_of es (base e) else 0)
  (* bases never undercount: no set of its lineage added more *)
  /\ (forall l, NoDup l -> (forall y, In y l -> lineage es x y) -> total_of (added es) l <= cumulative e).

Definition registry_holds (s : statement) (r : books) (ls : list ledger) (cs : list site_records) (h : history) : Prop :=
  let es := old h ++ new h in
  (* R1 *)
  sponge (history_iv h :: books_header r :: flat_map entry_blocks (old h)) (before_trailer h) = before r
  /\ sponge (history_iv h :: books_header r :: flat_map entry_blocks es) (after_trailer h) = after r
  (* R4: each busy reading and each record goes to a receiver, which has all that is given under its tag *)
  /\ (forall t, (exists l q, In l ls /\ In q (readings l) /\ busy q = true /\ tag q = t) \/ (exists c q, In c cs /\ In q (records c) /\ record_tag q = t) ->
      exists e, In e (new h) /\ receives e = true /\ entry_tag e = t)
  /\ (forall e, In e (new h) -> receives e = true -> entry_work e = given ls cs (entry_tag e))
  (* R5 *)
  /\ (forall x y e f, nth_error es x = Some e -> nth_error es y = Some f -> is_residue e = false -> is_residue f = false -> entry_tag e = entry_tag f -> x = y)
  /\ (forall x e, nth_error es x = Some e -> entry_holds es x e)
  (* R6: the first new entry is the RESIDUE entry, with R' its cumulative; no other new entry is one *)
  /\ exists u others, new h = u :: others /\ is_residue u = true
    /\ (forall e, In e (new h) -> kind e <> OPENING /\ first s <= entry_epoch e <= last s)
    /\ total_of entry_work (new h) <= total_limit s /\ entry_work u <= unattributed_limit s
    /\ (charges_residue s = 1 -> entry_work u <> 0 -> cumulative u <= effective_freeze s)
    /\ (forall e, In e others -> is_residue e = false
        /\ cumulative e + charges_residue s * cumulative u <= if entry_work e =? 0 then lineage_limit s else effective_freeze s).

(* ---- The claim of a table ---- *)

Definition claim_holds (s : statement) (r : books) (ls : list ledger) (cs : list site_records) (h : history) : Prop :=
  Forall2 (ledger_holds s) (meters s) ls /\ Forall2 summary_holds (summaries s) cs /\ registry_holds s r ls cs h.

(* R4 of a site: each busy reading goes to a record, which has all that is given under its tag. *)
Definition site_holds (s : statement) (x : summary) (ls : list ledger) (c : site_records) : Prop :=
  Forall2 (ledger_holds s) (meters s) ls /\ summary_holds x c
  /\ (forall l q, In l ls -> In q (readings l) -> busy q = true -> exists r, In r (records c) /\ record_tag r = tag q)
  /\ (forall r, In r (records c) -> record_work r = given ls [] (record_tag r)).
