(* The joined theorem: a table that satisfies the program, with the buses balanced for a statement with a registry, holds ledgers, records and a registry
   of which R1 to R6 hold. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Along Bases Lineage Books Receive Sponge Extract.
From Standstill Require Relation.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- Every reading and every sent record is on the list ---- *)

Lemma in_turn_distinct {A} (g : A -> list Z) (c : Z -> Z) : forall (ls : list A) (base : Z),
  (forall k l, nth_error ls k = Some l -> NoDup (g l) /\ forall i, In i (g l) -> c i = base + Z.of_nat k) ->
  NoDup (flat_map g ls) /\ forall i, In i (flat_map g ls) -> base <= c i < base + Z.of_nat (length ls).
Proof.
  induction ls as [|l ls IH]; intros base H; [split; [constructor|intros ? []]|]. cbn [flat_map length].
  destruct (H 0%nat l eq_refl) as [N0 C0]. destruct (IH (base + 1)) as [N1 C1].
  { intros k l' E. destruct (H (S k) l' E) as [N2 C2]. split; [exact N2|]. intros i Hi. rewrite (C2 i Hi). lia. }
  split.
  - apply NoDup_app; [exact N0|exact N1|]. intros i I0 I1. apply C0 in I0. apply C1 in I1. lia.
  - intros i Hi. apply in_app_iff in Hi as [Hi|Hi]; [apply C0 in Hi|apply C1 in Hi]; lia.
Qed.

Section Given.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Variables ledgers sents : list (Z * nat).
  Hypothesis Lg : length ledgers = length (meters s).
  Hypothesis Ls : forall k l, nth_error ledgers k = Some l -> is_ledger k l.
  Hypothesis Cs : forall k l, nth_error sents k = Some l -> is_sent_chain (s := s) k l.
  Hypothesis Cg : registry s <> None -> length sents = length (summaries s).

  Definition rows_of (l : Z * nat) : list Z := body (fst l) (snd l).

  Lemma body_nodup h n : row h -> Z.of_nat n < N -> NoDup (body h n).
  Proof.
    intros Hh Hn. unfold body. assert (X : forall l, NoDup l -> (forall j, In j l -> Z.of_nat j < N) -> NoDup (map (at_ h) l)).
    { induction l as [|j l IH]; intros Nd B; [constructor|]. inversion Nd as [|? ? N1 N2]; subst. cbn [map]. constructor.
      - intros I0. apply in_map_iff in I0 as (k & E & Ik). apply at_injective in E; [subst; contradiction|exact Hh|apply B; right; exact Ik|apply B; left; reflexivity].
      - apply IH; [exact N2|intros; apply B; right; assumption]. }
    apply X; [apply seq_NoDup|]. intros j Hj. apply in_seq in Hj. lia.
  Qed.

  Lemma body_chain h n i : row h -> (forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ k <> K_iv /\ k <> K_padding) -> In i (body h n) -> T i c_chain = T h c_chain.
  Proof. intros Hh Bd Hi. apply in_body in Hi as (j & Hj & ->). apply chain_along; [exact Hh|]. intros q Hq. apply Bd. lia. Qed.

  Lemma reading_kind i : is_reading i -> exists k, is i k /\ k <> K_iv /\ k <> K_padding.
  Proof. intros [K|K]; eexists; (split; [exact K|split; discriminate]). Qed.

  Definition all_rows : list Z := flat_map rows_of ledgers ++ flat_map rows_of sents.

  Lemma ledger_rows k l : nth_error ledgers k = Some l -> NoDup (rows_of l) /\ forall i, In i (rows_of l) -> T i c_chain = 1 + Z.of_nat k.
  Proof.
    intros E. destruct l as [h n]. destruct (Ls k _ E) as (Hh & Kh & Ch & Hn & Rd & El). unfold rows_of. cbn [fst snd]. split; [apply body_nodup; assumption|].
    intros i Hi. rewrite <- Ch. apply (body_chain h n i Hh); [|exact Hi]. intros j Hj. apply reading_kind, Rd, Hj.
  Qed.
  Lemma sent_rows k l : nth_error sents k = Some l -> NoDup (rows_of l) /\ forall i, In i (rows_of l) -> T i c_chain = 1 + n_meters s + Z.of_nat k.
  Proof.
    intros E. destruct l as [h n]. destruct (Cs k _ E) as (Hh & Kh & Ch & Hn & Rd & El). unfold rows_of. cbn [fst snd]. split; [apply body_nodup; assumption|].
    intros i Hi. rewrite <- Ch. apply (body_chain h n i Hh); [|exact Hi]. intros j Hj. exists K_sent. split; [apply Rd, Hj|split; discriminate].
  Qed.

  Lemma all_rows_once : NoDup all_rows.
  Proof.
    destruct (in_turn_distinct rows_of (fun i => T i c_chain) ledgers 1 ledger_rows) as [N1 C1].
    destruct (in_turn_distinct rows_of (fun i => T i c_chain) sents (1 + n_meters s) sent_rows) as [N2 C2].
    apply NoDup_app; [exact N1|exact N2|]. intros i I1 I2. apply C1 in I1. apply C2 in I2. unfold n_meters in I2. rewrite Lg in I1. lia.
  Qed.

  Lemma of_a_body i : In i all_rows -> row i.
  Proof.
    unfold all_rows. rewrite in_app_iff, !in_flat_map. intros [(l & _ & Hi)|(l & _ & Hi)]; apply in_body in Hi as (j & _ & ->); apply at_row.
  Qed.

  Lemma busy_is_listed i : row i -> is i K_busy -> exists l, In l ledgers /\ In i (rows_of l).
  Proof.
    intros Hi Ki. destruct (body_has_a_header [K_busy; K_idle] i ltac:(vm_compute; reflexivity) Hi) as (h & m & Hh & Kh & Hm & Ei & Bd); [exists K_busy; cbn; auto|].
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_busy; K_idle] K_el h ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (q & _ & _ & Bd' & En).
    pose proof (chain_of_end h q [K_busy; K_idle] Hh Bd' ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_el En ltac:(discriminate) ltac:(discriminate)) as Ce.
    destruct (ledger_end _ (at_row h _) En) as (k & mt & Em & Ck & _).
    assert (Lk : (k < length ledgers)%nat) by (rewrite Lg; apply nth_error_Some; congruence).
    destruct (nth_error ledgers k) as [l|] eqn:El; [|apply nth_error_None in El; lia]. destruct l as [h' n]. destruct (Ls k _ El) as (Hh' & Kh' & Ch & Hn & Rd & El').
    assert (h' = h) as -> by (apply (one_row_a_chain K_hd); auto; [left; reflexivity|congruence]).
    exists (h, n). split; [apply (nth_error_In _ _ El)|]. unfold rows_of. cbn [fst snd]. apply in_body. exists m. split; [|exact Ei].
    destruct (le_lt_dec m n) as [|L]; [lia|]. exfalso. destruct (Bd (S n) ltac:(lia)) as (k2 & K2 & I2). rewrite (kind_unique _ _ _ K2 El') in I2. clear - I2. cbn in I2. intuition discriminate.
  Qed.

  Lemma sent_is_listed i : row i -> is i K_sent -> exists l, In l sents /\ In i (rows_of l).
  Proof.
    intros Hi Ki. destruct (body_has_a_header [K_sent] i ltac:(vm_compute; reflexivity) Hi) as (h & m & Hh & Kh & Hm & Ei & Bd); [exists K_sent; cbn; auto|].
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_sent] K_es h ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (q & _ & _ & Bd' & En).
    pose proof (chain_of_end h q [K_sent] Hh Bd' ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_es En ltac:(discriminate) ltac:(discriminate)) as Ce.
    destruct (sent_end _ (at_row h _) En) as (Rs & k & mt & Em & Ck & _).
    assert (Lk : (k < length sents)%nat) by (rewrite (Cg Rs); apply nth_error_Some; congruence).
    destruct (nth_error sents k) as [l|] eqn:El; [|apply nth_error_None in El; lia]. destruct l as [h' n]. destruct (Cs k _ El) as (Hh' & Kh' & Ch & Hn & Rd & El').
    assert (h' = h) as -> by (apply (one_row_a_chain K_hd); auto; [left; reflexivity|congruence]).
    exists (h, n). split; [apply (nth_error_In _ _ El)|]. unfold rows_of. cbn [fst snd]. apply in_body. exists m. split; [|exact Ei].
    destruct (le_lt_dec m n) as [|L]; [lia|]. exfalso. destruct (Bd (S n) ltac:(lia)) as (k2 & K2 & I2). rewrite (kind_unique _ _ _ K2 El') in I2. clear - I2. cbn in I2. intuition discriminate.
  Qed.

  Lemma gives_nothing i k : is i k -> k <> K_busy -> k <> K_sent -> Receive.given i = 0.
  Proof.
    intros Hk N1 N2. unfold Receive.given, gives. rewrite (proj2 Hk 182 eq_refl), (proj2 Hk 192 eq_refl).
    destruct (Z.eqb_spec 182 (c_iv + k)), (Z.eqb_spec 192 (c_iv + k)); try lia; ring.
  Qed.

  Lemma given_by_record i : row i -> is i K_sent -> Receive.given i = record_work i /\ T i c_key = T i 1.
  Proof.
    intros Hi Hk. destruct (sent_is_its_block i Hi Hk) as (_ & _ & E). split; [|congruence].
    use i (Some K_sent) (@None Z) k_reading_lane_4_is_its_bytes as W4. use i (Some K_sent) (@None Z) k_reading_lane_5_is_its_bytes as W5. use i (Some K_sent) (@None Z) k_sent_work_top_is_its_byte as W6.
    cbn [eval row_leaves] in *. pose proof (cell_canonical i 4). pose proof (cell_canonical i 5). pose proof (cell_canonical i 6).
    pose proof (every_byte_is_a_byte i 6 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 7 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 8 Hi ltac:(lia)).
    pose proof (every_byte_is_a_byte i 9 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 10 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 11 Hi ltac:(lia)).
    pose proof (every_byte_is_a_byte i 12 Hi ltac:(lia)). columns.
    apply eq_if_small in W4; [|unfold p in *; lia]. apply eq_if_small in W5; [|unfold p in *; lia]. apply eq_if_small in W6; [|unfold p in *; lia].
    unfold Receive.given, gives, record_work. pose proof (proj2 Hk 182 eq_refl) as A1. pose proof (proj2 Hk 192 eq_refl) as A2. cbn in A1, A2. rewrite A1, A2. cbn [nth]. lia.
  Qed.

  Lemma readings_listed ls : flat_map Relation.readings (map ledger_at ls) = map reading_at (flat_map rows_of ls).
  Proof. induction ls as [|[h n] l IH]; [reflexivity|]. cbn [map flat_map]. rewrite map_app, IH. reflexivity. Qed.
  Lemma records_listed cs : flat_map Relation.records (map sent_at cs) = map record_at (flat_map rows_of cs).
  Proof. induction cs as [|[h n] l IH]; [reflexivity|]. cbn [map flat_map]. rewrite map_app, IH. reflexivity. Qed.

  (* What rows give under a tag is what readings and records give. *)
  Theorem given_is_given tg : of_tag tg Receive.given = Relation.given (map ledger_at ledgers) (map sent_at sents) tg.
  Proof.
    unfold of_tag. rewrite (sum_supported (fun i => if T i c_key =? tg then Receive.given i else 0) (rows N) all_rows rows_nodup all_rows_once).
    - unfold all_rows. rewrite sum_app'. unfold Relation.given, Relation.total_of. rewrite readings_listed, records_listed, !sum_filtered, !map_map. f_equal.
      + f_equal. apply map_ext_in. intros i Hi. apply in_flat_map in Hi as (l & Hl & Hi). apply In_nth_error in Hl as [k Ek]. destruct l as [h n].
        destruct (Ls k _ Ek) as (Hh & Kh & Ch & Hn & Rd & El). apply in_body in Hi as (j & Hj & ->). cbn [reading_at Relation.busy Relation.tag Relation.work fst snd].
        destruct (Rd j Hj) as [K|K]; pose proof (proj2 K 182 eq_refl) as Q; cbn in Q; rewrite Q; cbn [Z.eqb Pos.eqb andb].
        * destruct (given_by_reading _ (at_row h j) K) as [-> ->]. reflexivity.
        * rewrite (gives_nothing _ _ K) by discriminate. destruct (_ =? tg); reflexivity.
      + f_equal. apply map_ext_in. intros i Hi. apply in_flat_map in Hi as (l & Hl & Hi). apply In_nth_error in Hl as [k Ek]. destruct l as [h n].
        destruct (Cs k _ Ek) as (Hh & Kh & Ch & Hn & Rd & El). apply in_body in Hi as (j & Hj & ->). cbn [record_at Relation.record_tag Relation.record_work fst snd].
        destruct (given_by_record _ (at_row h j) (Rd j Hj)) as [-> ->]. reflexivity.
    - intros i Hi Ne. apply rows_in in Hi. destruct (T i c_key =? tg); [|congruence]. destruct (one_kind_each_row i Hi) as [k Hk].
      unfold all_rows. rewrite in_app_iff, !in_flat_map. destruct (Z.eq_dec k K_busy) as [->|N1]; [left; apply busy_is_listed; assumption|].
      destruct (Z.eq_dec k K_sent) as [->|N2]; [right; apply sent_is_listed; assumption|]. exfalso. apply Ne, (gives_nothing i k); assumption.
    - intros i Hi. apply rows_in, of_a_body, Hi.
  Qed.
End Given.
