(* One kind for each row, and which kinds may follow which. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names.
Import ListNotations.
Local Open Scope Z_scope.

(* A table on which the published program is satisfied. `publics` are the verifier's terms on the buses. *)
Global Opaque the_program.

Class Table := { N : Z; T : Z -> Z -> Z; pub : Z -> Z; sel : Z -> Z -> Z; publics : list fraction }.
Class Satisfied (t : Table) : Prop :=
  { size : 2 <= N <= 2 ^ 22; satisfies : satisfied the_program N T pub sel publics }.

Notation row i := (0 <= i < N).
Notation nx i := (next N i).
Notation env i := (row_leaves N T pub sel i).

(* Fixing the kinds of a row and of the next one: 0..16 are KINDS of circuits/gadgets.py, 17 is padding. *)
Definition kind_column (n : Z) : bool := (c_iv <=? n) && (n <? c_iv + 17).
Definition fix_kind (k : option Z) (n : Z) : option Z :=
  if kind_column n then option_map (fun k => if n =? c_iv + k then 1 else 0) k else None.
Definition fx (k k' : option Z) (l : leaf) : option Z :=
  match l with Col n => fix_kind k n | Next n => fix_kind k' n | _ => None end.
Definition sym (fixed : leaf -> option Z) : list (event * expr) := run Sym (sym_leaf fixed) (ops the_program) (Regs.empty expr).

(* Bounds of leaves: those listed, else those of a field element. *)
Definition leaf_eqb (a b : leaf) : bool :=
  match a, b with Col x, Col y | Next x, Next y | Sel x, Sel y | Pub x, Pub y => x =? y | _, _ => false end.
Fixpoint bound_in (bs : list (leaf * ival)) (l : leaf) : ival :=
  match bs with [] => (0, p - 1) | (l', b) :: rest => if leaf_eqb l' l then b else bound_in rest l end.

Section Rows.
  Context {t : Table} {ok : Satisfied t}.

  Definition is i (k : Z) : Prop := 0 <= k <= 17 /\ forall n, kind_column n = true -> T i n = if n =? c_iv + k then 1 else 0.

  Lemma N_pos : 0 < N. Proof. pose proof size. lia. Qed.
  Lemma next_row i : row (nx i). Proof. unfold next. apply Z.mod_pos_bound, N_pos. Qed.

  Lemma env_canonical i l : canonical (env i l).
  Proof. destruct satisfies as [(A & B & C & _) _]. destruct l; cbn; auto. Qed.

  Lemma cell_canonical i c : 0 <= T i c < p.
  Proof. destruct satisfies as [(A & _) _]. apply A. Qed.

  Definition kind_known i (k : option Z) : Prop := match k with Some k => is i k | None => True end.

  Lemma env_fixed i k k' : kind_known i k -> kind_known (nx i) k' -> forall l c, fx k k' l = Some c -> env i l = c.
  Proof.
    intros Hk Hk' l c. destruct l as [n|n|n|n]; cbn; try discriminate; unfold fix_kind.
    - destruct (kind_column n) eqn:E; [|discriminate]. destruct k as [k|]; [|discriminate]. cbn. intros [= <-]. apply Hk, E.
    - destruct (kind_column n) eqn:E; [|discriminate]. destruct k' as [k'|]; [|discriminate]. cbn. intros [= <-]. apply Hk', E.
  Qed.

  Lemma sym_agrees i k k' : kind_known i k -> kind_known (nx i) k' ->
    Forall2 (fun a b => fst a = fst b /\ agrees (env i) (snd a) (snd b)) (sym (fx k k')) (row_events the_program N T pub sel i).
  Proof. intros Hk Hk'. unfold row_events. unfold sym. apply symbolic_agrees; [apply env_canonical|apply env_fixed; assumption]. Qed.

  Opaque sym.

  (* The use of a constraint: by its number, with kinds fixed. *)
  Lemma fact i k k' c e : row i -> kind_known i k -> kind_known (nx i) k' ->
    constraint c (sym (fx k k')) = Some e -> eval (env i) e mod p = 0.
  Proof.
    intros Hi Hk Hk' He. eapply constraint_is_zero; [apply (sym_agrees i k k'); assumption| |exact He].
    intros j v. destruct satisfies as (_ & H & _). apply H, Hi.
  Qed.

  Lemma in_bounds i bs : Forall (fun b => within (env i (fst b)) (snd b)) bs -> forall l, within (env i l) (bound_in bs l).
  Proof.
    intros H l. induction H as [|[l' b] bs Hb H IH]; cbn.
    - pose proof (env_canonical i l) as C. unfold canonical in C. unfold within. cbn [fst snd]. unfold p in *. lia.
    - destruct (leaf_eqb l' l) eqn:E; [|exact IH]. cbn in Hb.
      destruct l', l; try discriminate; apply Z.eqb_eq in E; subst; exact Hb.
  Qed.

  Lemma bit v : 0 <= v < p -> (v * v - v) mod p = 0 -> v = 0 \/ v = 1.
  Proof.
    intros Hv H. replace (v * v - v) with (v * (v - 1)) in H by ring. apply product_zero in H as [H|H].
    - rewrite Z.mod_small in H by lia. lia.
    - destruct (Z.eq_dec v 0); [lia|]. rewrite Z.mod_small in H by lia. lia.
  Qed.
End Rows.

Arguments is {t} i k.
Global Opaque sym.

(* `use i k k' c as H`: constraint c on row i of kind k with a next row of kind k' (options). *)
Tactic Notation "use_constraint" constr(i) constr(k) constr(k') constr(c) ident(H) :=
  let e := eval vm_compute in (constraint c (sym (fx k k'))) in
  match e with
  | Some ?e =>
    assert (H : eval (env i) e mod p = 0)
      by (apply (fact i k k' c e); [try assumption | cbn [kind_known]; try exact I; try assumption
           | cbn [kind_known]; try exact I; try assumption | vm_cast_no_check (eq_refl (Some e))])
  end.
Tactic Notation "use" constr(i) constr(k) constr(k') constr(c) "as" ident(H) := use_constraint i k k' c H.

(* Turns `eval (env i) e mod p = 0` into `e = 0` over the integers by the bounds of its leaves, then shows e. *)
Ltac integral H bs :=
  eapply (zero_if_small _ (bound_in bs)) in H;
  [ cbn [eval row_leaves] in H
  | apply in_bounds; repeat constructor; cbn [fst snd row_leaves]; unfold within; cbn [fst snd]; auto
  | vm_compute; reflexivity ].

Section Kinds.
  Context {t : Table} {ok : Satisfied t}.

  Fixpoint total (f : Z -> Z) (n : nat) : Z := match n with O => 0 | S m => total f m + f (Z.of_nat m) end.

  Lemma none_set f n : (forall j, 0 <= j < Z.of_nat n -> f j = 0 \/ f j = 1) -> 0 <= total f n /\ (total f n = 0 -> forall j, 0 <= j < Z.of_nat n -> f j = 0).
  Proof.
    induction n as [|n IH]; intros H; [cbn; split; [lia|intros; lia]|]. destruct IH as [A B]; [intros; apply H; lia|].
    assert (C := H (Z.of_nat n) ltac:(lia)). cbn [total]. split; [lia|]. intros E j Hj.
    destruct (Z.eq_dec j (Z.of_nat n)) as [->|]; [lia|]. apply B; lia.
  Qed.

  Lemma one_set f n : (forall j, 0 <= j < Z.of_nat n -> f j = 0 \/ f j = 1) -> total f n = 1 ->
    exists k, 0 <= k < Z.of_nat n /\ forall j, 0 <= j < Z.of_nat n -> f j = if j =? k then 1 else 0.
  Proof.
    induction n as [|n IH]; intros H E; [cbn in E; lia|]. cbn [total] in E.
    destruct (none_set f n) as [A B]; [intros; apply H; lia|].
    destruct (H (Z.of_nat n) ltac:(lia)) as [F|F].
    - destruct IH as (k & Hk & K); [intros; apply H; lia|lia|]. exists k. split; [lia|]. intros j Hj.
      destruct (Z.eq_dec j (Z.of_nat n)) as [->|]; [|apply K; lia]. destruct (Z.eqb_spec (Z.of_nat n) k); lia.
    - exists (Z.of_nat n). split; [lia|]. intros j Hj. destruct (Z.eqb_spec j (Z.of_nat n)) as [->|]; [exact F|]. apply B; lia.
  Qed.

  Tactic Notation "kind_bit" constr(i) constr(c) := let H := fresh in use_constraint i (@None Z) (@None Z) c H; cbn [eval row_leaves] in H; apply bit in H; [|apply cell_canonical].

  Lemma kinds_are_bits i : row i -> forall j, 0 <= j < 17 -> T i (c_iv + j) = 0 \/ T i (c_iv + j) = 1.
  Proof.
    intros Hi j Hj.
    kind_bit i k_iv_is_a_bit. kind_bit i k_hd_is_a_bit. kind_bit i k_busy_is_a_bit. kind_bit i k_idle_is_a_bit. kind_bit i k_el_is_a_bit.
    kind_bit i k_mi_is_a_bit. kind_bit i k_er_is_a_bit. kind_bit i k_e0_is_a_bit. kind_bit i k_e1_is_a_bit. kind_bit i k_e2_is_a_bit.
    kind_bit i k_e3_is_a_bit. kind_bit i k_e4_is_a_bit. kind_bit i k_sent_is_a_bit. kind_bit i k_es_is_a_bit. kind_bit i k_side_is_a_bit.
    kind_bit i k_got_is_a_bit. kind_bit i k_eg_is_a_bit.
    assert (E : j = 0 \/ j = 1 \/ j = 2 \/ j = 3 \/ j = 4 \/ j = 5 \/ j = 6 \/ j = 7 \/ j = 8 \/ j = 9 \/ j = 10 \/ j = 11 \/ j = 12
      \/ j = 13 \/ j = 14 \/ j = 15 \/ j = 16) by lia.
    repeat destruct E as [E|E]; subst j; assumption.
  Qed.

  Theorem one_kind_each_row i : row i -> exists k, is i k.
  Proof.
    intros Hi. pose proof (kinds_are_bits i Hi) as Bits.
    assert (U : total (fun j => T i (c_iv + j)) 17 = 0 \/ total (fun j => T i (c_iv + j)) 17 = 1).
    { assert (R : 0 <= total (fun j => T i (c_iv + j)) 17 < p).
      { assert (G : forall n, (n <= 17)%nat -> 0 <= total (fun j => T i (c_iv + j)) n <= Z.of_nat n).
        { induction n as [|n IH]; intros Hn; [cbn; lia|]. cbn [total]. specialize (IH ltac:(lia)). specialize (Bits (Z.of_nat n) ltac:(lia)). lia. }
        specialize (G 17%nat ltac:(lia)). unfold p. lia. }
      use i (@None Z) (@None Z) k_one_kind_of_row as H. apply bit; [exact R|].
      cbn [eval row_leaves] in H. rewrite <- H. f_equal. cbn [total].
      repeat match goal with |- context [180 + ?z] => let v := eval vm_compute in (180 + z) in change (180 + z) with v end. ring. }
    destruct U as [U|U].
    - destruct (none_set _ 17 Bits) as [_ Z0]. specialize (Z0 U). exists 17. split; [lia|]. intros n Hn. unfold kind_column in Hn.
      apply andb_true_iff in Hn as [A B]. apply Z.leb_le in A. apply Z.ltb_lt in B.
      replace n with (c_iv + (n - c_iv)) at 1 by lia. rewrite Z0 by lia. destruct (Z.eqb_spec n (c_iv + 17)); lia.
    - destruct (one_set _ 17 Bits U) as (k & Hk & K). exists k. split; [lia|]. intros n Hn. unfold kind_column in Hn.
      apply andb_true_iff in Hn as [A B]. apply Z.leb_le in A. apply Z.ltb_lt in B.
      replace n with (c_iv + (n - c_iv)) at 1 by lia. rewrite K by lia.
      destruct (Z.eqb_spec (n - c_iv) k), (Z.eqb_spec n (c_iv + k)); lia.
  Qed.

  Lemma kind_unique i k k' : is i k -> is i k' -> k = k'.
  Proof.
    intros [R H] [R' H']. destruct (Z.eq_dec k 17) as [->|Hk]; destruct (Z.eq_dec k' 17) as [->|Hk']; try reflexivity.
    - specialize (H (c_iv + k')). specialize (H' (c_iv + k')). rewrite Z.eqb_refl in H'.
      assert (C : kind_column (c_iv + k') = true) by (unfold kind_column; apply andb_true_iff; split; [apply Z.leb_le|apply Z.ltb_lt]; lia).
      rewrite H in H' by exact C. destruct (Z.eqb_spec (c_iv + k') (c_iv + 17)); [lia|]. specialize (H' C). lia.
    - specialize (H (c_iv + k)). specialize (H' (c_iv + k)). rewrite Z.eqb_refl in H.
      assert (C : kind_column (c_iv + k) = true) by (unfold kind_column; apply andb_true_iff; split; [apply Z.leb_le|apply Z.ltb_lt]; lia).
      rewrite H in H' by exact C. specialize (H' C). destruct (Z.eqb_spec (c_iv + k) (c_iv + 17)); lia.
    - specialize (H (c_iv + k)). specialize (H' (c_iv + k)). rewrite Z.eqb_refl in H.
      assert (C : kind_column (c_iv + k) = true) by (unfold kind_column; apply andb_true_iff; split; [apply Z.leb_le|apply Z.ltb_lt]; lia).
      rewrite H in H' by exact C. specialize (H' C). destruct (Z.eqb_spec (c_iv + k) (c_iv + k')); lia.
  Qed.

  (* ---- Order ---- *)

  (* The kinds that may follow each kind: circuits/README.md section 5, Order of rows. *)
  Definition successors (k : Z) : list Z :=
    match k with
    | K_iv => [K_hd]
    | K_hd => [K_busy; K_idle; K_e0; K_mi; K_sent; K_es; K_side; K_eg]
    | K_busy | K_idle => [K_busy; K_idle; K_el]
    | K_mi => [K_e0]
    | K_e0 => [K_e1]
    | K_e1 => [K_e2]
    | K_e2 => [K_e3]
    | K_e3 => [K_e4]
    | K_e4 => [K_e0; K_mi; K_er]
    | K_sent => [K_sent; K_es]
    | K_side => [K_got]
    | K_got => [K_side; K_eg]
    | _ => [K_iv; K_padding]   (* el, er, es, eg, padding *)
    end.

  Definition kinds : list Z := map Z.of_nat (seq 0 18).
  Definition refused (evs : list (event * expr)) : bool :=
    existsb (fun ev => match ev with (Assert _, Const c) => negb (c mod p =? 0) | _ => false end) evs.
  Definition order_is_decided : bool :=
    forallb (fun k => forallb (fun k' => existsb (Z.eqb k') (successors k) || refused (sym (fx (Some k) (Some k')))) kinds) kinds.

  Lemma order_decided : order_is_decided = true.
  Proof. vm_cast_no_check (eq_refl true). Qed.

  Lemma refused_pair i k k' : row i -> is i k -> is (nx i) k' -> refused (sym (fx (Some k) (Some k'))) = false.
  Proof.
    intros Hi Hk Hk'. pose proof (sym_agrees i (Some k) (Some k') Hk Hk') as A.
    destruct satisfies as (_ & C & _). specialize (C i Hi). revert C.
    unfold refused. induction A as [|[ev e] [ev' v] l l' [E V] A IH]; intros C; [reflexivity|]. cbn in E, V. subst ev'.
    cbn [existsb]. rewrite IH by (intros; eapply C; right; eauto). rewrite orb_false_r. destruct ev as [j| |]; try reflexivity.
    destruct e; try reflexivity. unfold agrees in V. cbn [eval] in V. rewrite (C j v) in V by (left; reflexivity).
    apply negb_false_iff, Z.eqb_eq. congruence.
  Qed.

  Lemma kinds_all k : 0 <= k <= 17 -> In k kinds.
  Proof. intros H. apply in_map_iff. exists (Z.to_nat k). split; [lia|]. apply in_seq. lia. Qed.

  Theorem order_of_rows i k k' : row i -> is i k -> is (nx i) k' -> In k' (successors k).
  Proof.
    intros Hi Hk Hk'. pose proof order_decided as D. unfold order_is_decided in D. rewrite forallb_forall in D.
    specialize (D k (kinds_all k (proj1 Hk))). cbv beta in D. rewrite forallb_forall in D. specialize (D k' (kinds_all k' (proj1 Hk'))).
    rewrite (refused_pair i k k' Hi Hk Hk'), orb_false_r in D. apply existsb_exists in D as (x & Hx & E). apply Z.eqb_eq in E. congruence.
  Qed.
End Kinds.
