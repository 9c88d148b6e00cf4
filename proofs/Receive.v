(* R4 and R6 over a table with a registry: who receives work, that it is all of its tag, and caps. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Along Bases Lineage Books.
Import ListNotations.
Local Open Scope Z_scope.

Section Receive.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Variable h : Z.
  Variables a b : nat.
  Hypothesis G : is_registry h a b.
  Variable r : books.
  Hypothesis Hr : registry s = Some r.

  Notation e x j := (erow h a x j).
  Notation n := (a + b)%nat.
  Notation residue x := (is_residue h a x).
  Notation kind x := (e_kind h a x).
  Notation tag x := (e_tag h a x).

  Lemma no_record_is_received i k : row i -> is i k -> In k [K_side; K_got] -> False.
  Proof.
    intros Hi Hk I0. destruct (body_has_a_header [K_side; K_got] i ltac:(vm_compute; reflexivity) Hi ltac:(eauto)) as (h' & m & Hh & Kh & Hm & _ & Bd).
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_side; K_got] K_eg h' ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (m' & _ & _ & _ & En).
    destruct (received_end _ (at_row h' _) En) as (E & _). congruence.
  Qed.

  (* New entries that may have work. *)
  Definition receives (x : nat) : bool := (a <=? x)%nat && ((kind x =? CHECKPOINT) || (kind x =? SNAPSHOT) || (kind x =? RESIDUE)).

  Tactic Notation "nothing" constr(i) constr(k) constr(c) := let H := fresh "Q" in use_constraint i (Some k) (@None Z) c H; cbn [eval row_leaves] in H.

  (* An entry that is old, or of a kind without work, receives nothing. *)
  Theorem who_receives_nothing x : (x < n)%nat -> receives x = false ->
    (T (e x 1) 245 = 0 /\ T (e x 1) 246 = 0 /\ T (e x 1) 247 = 0) /\ (T (e x 2) 245 = 0 /\ T (e x 2) 246 = 0 /\ T (e x 2) 247 = 0 /\ T (e x 2) 248 = 0).
  Proof.
    intros Hx Rv. pose proof (en h a b G x Hx) as E. destruct (kind_of_entry h a b G x Hx) as (Kr & Fo & Fe & Fw & Fm & Fr).
    pose proof (is_new h a b G x Hx) as Nw. destruct (new_is_kept _ _ _ _ _ E) as (N1 & N2 & _).
    destruct (opening_is_kept _ _ _ _ _ E) as (o1 & o2 & _), (external_is_kept _ _ _ _ _ E) as (x1 & x2 & _), (merge_is_kept _ _ _ _ _ E) as (m1 & m2 & _).
    pose proof (k1 _ _ _ _ _ E) as K1. pose proof (k2 _ _ _ _ _ E) as K2. pose proof (erow_row h a x 1) as W1. pose proof (erow_row h a x 2) as W2.
    nothing (e x 1) (K_e1) (k_old_or_workless_receives_nothing_0). nothing (e x 1) (K_e1) (k_old_or_workless_receives_nothing_1). nothing (e x 1) (K_e1) (k_old_or_workless_receives_nothing_2).
    nothing (e x 2) (K_e2) (k_old_or_workless_receives_nothing_0). nothing (e x 2) (K_e2) (k_old_or_workless_receives_nothing_1). nothing (e x 2) (K_e2) (k_old_or_workless_receives_nothing_2).
    nothing (e x 2) (K_e2) (k_old_or_workless_receives_no_readings).
    rewrite Z.mul_comm in Q5.
    rewrite ?N1, ?N2, ?o1, ?o2, ?x1, ?x2, ?m1, ?m2, ?Nw, ?Fo, ?Fe, ?Fm in *. unfold receives, OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE in *.
    pose proof (fun c => cell_canonical (e x 1) c) as C1. pose proof (fun c => cell_canonical (e x 2) c) as C2.
    assert (Six : kind x = 1 \/ kind x = 2 \/ kind x = 3 \/ kind x = 4 \/ kind x = 5 \/ kind x = 6) by lia.
    assert (Zero : forall w v, (w = 1 \/ w = 2) -> 0 <= v < p -> (w * v) mod p = 0 -> v = 0).
    { intros w v Hw Hv H. apply product_zero in H as [H|H]; [destruct Hw as [-> | ->]; discriminate H|]. rewrite Z.mod_small in H by exact Hv. exact H. }
    assert (Lt : (a <=? x)%nat = negb (x <? a)%nat) by (destruct (Nat.leb_spec a x), (Nat.ltb_spec x a); reflexivity || lia). rewrite Lt in Rv.
    destruct (x <? a)%nat; destruct Six as [D|[D|[D|[D|[D|D]]]]]; rewrite D in *; cbn [Z.eqb Pos.eqb orb andb negb] in Rv; try discriminate Rv; cbn [Z.eqb Pos.eqb orb] in *;
      repeat split; first [eapply Zero; [|apply C1|eassumption]; lia|eapply Zero; [|apply C2|eassumption]; lia].
  Qed.

  (* ---- What takes on the TAG bus ---- *)

  Lemma takes_nothing c i k : is i k -> ~ In k [K_e1; K_e2; K_side; K_got] -> takes c i = 0.
  Proof.
    intros Hk N0. unfold takes. rewrite (proj2 Hk 188 eq_refl), (proj2 Hk 189 eq_refl), (proj2 Hk 194 eq_refl), (proj2 Hk 195 eq_refl).
    destruct (Z.eqb_spec 188 (c_iv + k)), (Z.eqb_spec 189 (c_iv + k)), (Z.eqb_spec 194 (c_iv + k)), (Z.eqb_spec 195 (c_iv + k));
      try (exfalso; apply N0; cbn [In]; lia); ring.
  Qed.

  Lemma takes_of_entry c x j : (x < n)%nat -> (1 <= j <= 2)%nat -> takes c (e x j) =
    if (j =? 1)%nat then nth c [T (e x 1) 245; T (e x 1) 246; T (e x 1) 247; 0; 0; 0; 0] 0 else nth c [0; 0; 0; T (e x 2) 245; T (e x 2) 246; T (e x 2) 247; T (e x 2) 248] 0.
  Proof.
    intros Hx Hj. pose proof (erow_is h a b G x j Hx ltac:(lia)) as K. unfold takes.
    assert (j = 1 \/ j = 2)%nat as [-> | ->] by lia; cbn [Nat.eqb];
      pose proof (proj2 K 188 eq_refl) as A1; pose proof (proj2 K 189 eq_refl) as A2; pose proof (proj2 K 194 eq_refl) as A3; pose proof (proj2 K 195 eq_refl) as A4;
      cbn in A1, A2, A3, A4; rewrite A1, A2, A3, A4; ring.
  Qed.

  Lemma same_tag_same_entry x y : (x < n)%nat -> (y < n)%nat -> receives x = true -> receives y = true -> tag x = tag y -> x = y.
  Proof.
    intros Hx Hy Rx Ry Et. unfold receives in *. apply andb_true_iff in Rx as [Lx _], Ry as [Ly _]. apply Nat.leb_le in Lx, Ly.
    pose proof (new_residue h a b G x ltac:(lia)) as Qx. pose proof (new_residue h a b G y ltac:(lia)) as Qy.
    destruct (residue x) eqn:Ex, (residue y) eqn:Ey.
    - destruct (Nat.eqb_spec x a), (Nat.eqb_spec y a); congruence.
    - pose proof (residue_has_tag_two h a b G x Hx Ex). pose proof (tag_is_above_two h a b G y Hy Ey). lia.
    - pose proof (residue_has_tag_two h a b G y Hy Ey). pose proof (tag_is_above_two h a b G x Hx Ex). lia.
    - apply (tags_are_distinct h a b G); auto.
  Qed.

  (* Only E1 and E2 rows of receiving entries take. *)
  Lemma who_takes c i : row i -> takes c i <> 0 -> exists x j, (x < n)%nat /\ (1 <= j <= 2)%nat /\ i = e x j /\ receives x = true /\ T i c_key = tag x.
  Proof.
    intros Hi Ne. destruct (one_kind_each_row i Hi) as [k Hk].
    assert (I0 : In k [K_e1; K_e2; K_side; K_got]).
    { destruct (in_dec Z.eq_dec k [K_e1; K_e2; K_side; K_got]) as [|N0]; [assumption|]. exfalso. apply Ne, (takes_nothing c i k Hk N0). }
    assert (I1 : In k [K_e1; K_e2]).
    { cbn [In] in *. destruct I0 as [<-|[<-|[<-|[<-|[]]]]]; auto; exfalso; eapply (no_record_is_received i); eauto; cbn; tauto. }
    destruct (which h a b G i k Hi Hk) as (x & j & Hx & Hj & Ek & ->); [cbn [In] in *; tauto|].
    assert (Hj' : (1 <= j <= 2)%nat) by (cbn [In] in I1; lia).
    exists x, j. split; [exact Hx|]. split; [exact Hj'|]. split; [reflexivity|]. split; [|apply (tag_of_row h a b G); [exact Hx|lia]].
    destruct (receives x) eqn:Rv; [reflexivity|]. exfalso. apply Ne. rewrite takes_of_entry by assumption.
    destruct (who_receives_nothing x Hx Rv) as ((A & B & C) & (D & E & F & H)). rewrite A, B, C, D, E, F, H.
    destruct (j =? 1)%nat; do 8 (destruct c as [|c]; [reflexivity|]); reflexivity.
  Qed.

  (* ---- What gives ---- *)

  Lemma sent_once i j : row i -> row j -> is i K_sent -> is j K_sent -> T i c_key = T j c_key -> T i c_chain = T j c_chain -> i = j.
  Proof.
    intros Hi Hj Ki Kj Ek Ec.
    assert (X : forall i, row i -> is i K_sent -> exists h m, row h /\ is h K_hd /\ (1 <= m < Z.to_nat N)%nat /\ i = at_ h m /\ (forall q, (1 <= q <= m)%nat -> is (at_ h q) K_sent) /\ T h c_chain = T i c_chain).
    { clear i j Hi Hj Ki Kj Ek Ec. intros i Hi Ki. destruct (body_has_a_header [K_sent] i ltac:(vm_compute; reflexivity) Hi) as (h' & m & Hh & Kh & Hm & E0 & Bd); [exists K_sent; cbn; auto|].
      assert (Bd' : forall q, (1 <= q <= m)%nat -> is (at_ h' q) K_sent) by (intros q Hq; destruct (Bd q Hq) as (k & Hk & [<-|[]]); exact Hk).
      exists h', m. repeat (split; [assumption|]). rewrite E0. symmetry. apply chain_along; [exact Hh|]. intros q Hq. exists K_sent. split; [apply Bd', Hq|]. split; discriminate. }
    destruct (X i Hi Ki) as (h1 & m1 & H1 & K1 & M1 & -> & B1 & C1). destruct (X j Hj Kj) as (h2 & m2 & H2 & K2 & M2 & -> & B2 & C2).
    assert (h1 = h2) as <- by (apply (one_row_a_chain K_hd); auto; [left; reflexivity|congruence]).
    destruct (lt_eq_lt_dec m1 m2) as [[L|E0]|L]; [|rewrite E0; reflexivity|].
    - pose proof (sent_tags_ascend h1 m2 B2 m1 m2 ltac:(lia) ltac:(lia)). lia.
    - pose proof (sent_tags_ascend h1 m1 B1 m2 m1 ltac:(lia) ltac:(lia)). lia.
  Qed.

  Lemma sent_chain i : row i -> is i K_sent -> exists j, (j < length (summaries s))%nat /\ T i c_chain = 1 + n_meters s + Z.of_nat j.
  Proof.
    intros Hi Ki. destruct (body_has_a_header [K_sent] i ltac:(vm_compute; reflexivity) Hi) as (h' & m & Hh & Kh & Hm & E0 & Bd); [exists K_sent; cbn; auto|].
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_sent] K_es h' ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (m' & _ & _ & Bd' & En).
    destruct (sent_end _ (at_row h' _) En) as (_ & j & x & Ex & Cx & _). exists j. split; [apply nth_error_Some; congruence|]. rewrite <- Cx.
    rewrite (chain_of_end h' m' [K_sent] Hh Bd' ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_es En ltac:(discriminate) ltac:(discriminate)).
    rewrite E0. apply chain_along; [exact Hh|]. intros q Hq. destruct (Bd q Hq) as (k & Hk & [<-|[]]). exists K_sent. split; [exact Hk|]. split; discriminate.
  Qed.

  Definition is_sent_of tg i : bool := (T i 192 =? 1) && (T i c_key =? tg).

  (* A tag is sent at most once by each summary. *)
  Lemma few_sent tg : (length (filter (is_sent_of tg) (rows N)) <= 256)%nat.
  Proof.
    set (l := filter (is_sent_of tg) (rows N)).
    assert (In_l : forall i, In i l -> row i /\ is i K_sent /\ T i c_key = tg).
    { intros i I0. apply filter_In in I0 as [R0 Q]. apply rows_in in R0. unfold is_sent_of in Q. apply andb_true_iff in Q as [Q1 Q2]. apply Z.eqb_eq in Q1, Q2.
      split; [exact R0|]. split; [apply (kind_of_cell i 192 R0 ltac:(lia) Q1)|exact Q2]. }
    assert (Nd : NoDup (map (fun i => T i c_chain) l)).
    { assert (Nl : NoDup l) by (apply NoDup_filter, rows_nodup). revert In_l Nl. generalize l. clear l. induction l as [|i l IH]; intros In_l Nl; [constructor|].
      inversion Nl as [|? ? N1 N2]; subst. cbn [map]. constructor; [|apply IH; [intros; apply In_l; right; assumption|exact N2]].
      intros I0. apply in_map_iff in I0 as (j & Ec & Ij). apply N1. destruct (In_l i (or_introl eq_refl)) as (Ri & Ki & Ei). destruct (In_l j (or_intror Ij)) as (Rj & Kj & Ej).
      rewrite (sent_once i j Ri Rj Ki Kj ltac:(congruence) ltac:(congruence)). exact Ij. }
    rewrite <- (map_length (fun i => T i c_chain) l).
    assert (Inc : incl (map (fun i => T i c_chain) l) (map (fun j => 1 + n_meters s + Z.of_nat j) (seq 0 (length (summaries s))))).
    { intros c Hc. apply in_map_iff in Hc as (i & <- & Hi). destruct (In_l i Hi) as (Ri & Ki & _). destruct (sent_chain i Ri Ki) as (j & Hj & ->).
      apply in_map_iff. exists j. split; [reflexivity|]. apply in_seq. lia. }
    pose proof (NoDup_incl_length Nd Inc) as L. rewrite !map_length, seq_length in *. pose proof (valid_counts s is_valid) as [_ B]. unfold n_summaries in B. lia.
  Qed.

  Lemma gives_bound c i : (c < 7)%nat -> row i -> 0 <= gives c i <= 255 + (if T i 192 =? 1 then 65280 else 0).
  Proof.
    intros Hc Hi. destruct (one_kind_each_row i Hi) as [k Hk]. unfold gives. rewrite (proj2 Hk 182 eq_refl), (proj2 Hk 192 eq_refl).
    pose proof (every_byte_is_a_byte i 6 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 7 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 8 Hi ltac:(lia)).
    pose proof (every_byte_is_a_byte i 9 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 10 Hi ltac:(lia)). pose proof (every_byte_is_a_byte i 11 Hi ltac:(lia)).
    pose proof (every_byte_is_a_byte i 12 Hi ltac:(lia)). columns.
    destruct (Z.eqb_spec 182 (c_iv + k)), (Z.eqb_spec 192 (c_iv + k)); try lia; cbn [Z.eqb Pos.eqb];
      do 7 (destruct c as [|c]; [cbn [nth]; lia|]); lia.
  Qed.

  Lemma sum_split {A} (f g : A -> Z) l : sum (map (fun x => f x + g x) l) = sum (map f l) + sum (map g l).
  Proof. induction l as [|x l IH]; [reflexivity|]. cbn [map sum fold_right]. unfold sum in *. lia. Qed.

  Lemma sum_filter {A} (q : A -> bool) c l : sum (map (fun x => if q x then c else 0) l) = c * Z.of_nat (length (filter q l)).
  Proof. induction l as [|x l IH]; [cbn; lia|]. cbn [map sum fold_right filter]. unfold sum in *. rewrite IH. destruct (q x); cbn [length]; lia. Qed.

  Lemma sum_le {A} (f g : A -> Z) l : (forall x, In x l -> f x <= g x) -> sum (map f l) <= sum (map g l).
  Proof.
    induction l as [|x l IH]; intros H; [cbn; lia|]. cbn [map sum fold_right]. pose proof (H x (or_introl eq_refl)). specialize (IH (fun y Y => H y (or_intror Y))). unfold sum in *. lia.
  Qed.

  Theorem given_is_small tg c : (c < 7)%nat -> digit_sum (of_tag tg (gives c)).
  Proof.
    intros Hc. unfold digit_sum, of_tag. split.
    - pose proof (sum_le (fun _ => 0) (fun i => if T i c_key =? tg then gives c i else 0) (rows N)) as L.
      assert (Z0 : sum (map (fun _ : Z => 0) (rows N)) = 0) by (clear; induction (rows N) as [|x l IH]; [reflexivity|cbn [map sum fold_right]; unfold sum in IH; lia]).
      rewrite Z0 in L. apply L. intros i Hi. apply rows_in in Hi. destruct (_ =? _); [|lia]. apply (gives_bound c i Hc Hi).
    - apply Z.le_trans with (sum (map (fun i => 255 + (if is_sent_of tg i then 65280 else 0)) (rows N))).
      + apply sum_le. intros i Hi. apply rows_in in Hi. pose proof (gives_bound c i Hc Hi) as B. unfold is_sent_of. destruct (T i c_key =? tg); [|destruct (T i 192 =? 1); cbn [andb]; lia].
        destruct (T i 192 =? 1); cbn [andb]; lia.
      + rewrite (sum_split (fun _ => 255) (fun i => if is_sent_of tg i then 65280 else 0)), sum_filter. pose proof (few_sent tg) as F.
        destruct (sum_bounds (fun _ : Z => 255) 255 (rows N)) as [_ B]; [intros; lia|].
        assert (Ln : length (rows N) = Z.to_nat N) by (unfold rows; rewrite map_length, seq_length; reflexivity). rewrite Ln in B. pose proof size. lia.
  Qed.

  (* ---- R4 ---- *)

  (* Work that row i gives: a busy reading's, a sent record's. *)
  Definition given i : Z := gives 0 i + 2 ^ 8 * gives 1 i + 2 ^ 16 * gives 2 i + 2 ^ 24 * gives 3 i + 2 ^ 32 * gives 4 i + 2 ^ 40 * gives 5 i.

  Lemma of_tag_given tg : of_tag tg given = of_tag tg (gives 0) + 2 ^ 8 * of_tag tg (gives 1) + 2 ^ 16 * of_tag tg (gives 2)
    + 2 ^ 24 * of_tag tg (gives 3) + 2 ^ 32 * of_tag tg (gives 4) + 2 ^ 40 * of_tag tg (gives 5).
  Proof.
    unfold of_tag. induction (rows N) as [|i l IH]; [reflexivity|]. cbn [map sum fold_right]. unfold sum in *. rewrite IH. unfold given. destruct (T i c_key =? tg); lia.
  Qed.

  Lemma taken_by x c : (x < n)%nat -> receives x = true -> (c < 7)%nat -> takes c (e x (if (c <? 3)%nat then 1 else 2)) = of_tag (tag x) (gives c).
  Proof.
    intros Hx Rv Hc. set (j := if (c <? 3)%nat then 1%nat else 2%nat). assert (Hj : (1 <= j <= 2)%nat) by (unfold j; destruct (c <? 3)%nat; lia).
    apply (one_receiver_takes_all (tag x) c (e x j) Hc (erow_row h a x j) (tag_of_row h a b G x j Hx ltac:(lia))).
    - intros i Hi Ek Ne. destruct (Z.eq_dec (takes c i) 0) as [|Tk]; [assumption|]. exfalso. destruct (who_takes c i Hi Tk) as (y & j' & Hy & Hj' & -> & Ry & Ky).
      assert (y = x) as -> by (apply same_tag_same_entry; auto; congruence). rewrite takes_of_entry in Tk by assumption. apply Ne. f_equal. unfold j in *.
      assert (j' = 1 \/ j' = 2)%nat as [-> | ->] by lia; cbn [Nat.eqb] in Tk; destruct (Nat.ltb_spec c 3) as [L|L]; try reflexivity; exfalso; apply Tk;
        do 7 (destruct c as [|c]; [try reflexivity; lia|]); lia.
    - rewrite takes_of_entry by assumption. pose proof (fun c => cell_canonical (e x 1) c) as C1. pose proof (fun c => cell_canonical (e x 2) c) as C2.
      assert (P0 : 0 <= 0 < p) by (unfold p; lia).
      destruct (j =? 1)%nat; do 7 (destruct c as [|c]; [cbn [nth]; auto|]); lia.
    - pose proof (given_is_small (tag x) c Hc) as B. unfold digit_sum in B. unfold p. lia.
  Qed.

  (* R4: the work of a receiving entry is all that readings and records gave under its tag. *)
  Theorem work_is_all_that_is_given x : (x < n)%nat -> receives x = true -> e_work h a x = of_tag (tag x) given.
  Proof.
    intros Hx Rv. pose proof (en h a b G x Hx) as E. pose proof (taken_by x) as Tk.
    pose proof (Tk 0%nat Hx Rv ltac:(lia)) as T0. pose proof (Tk 1%nat Hx Rv ltac:(lia)) as T1. pose proof (Tk 2%nat Hx Rv ltac:(lia)) as T2.
    pose proof (Tk 3%nat Hx Rv ltac:(lia)) as T3. pose proof (Tk 4%nat Hx Rv ltac:(lia)) as T4. pose proof (Tk 5%nat Hx Rv ltac:(lia)) as T5. clear Tk.
    cbn [Nat.ltb Nat.leb] in *. rewrite takes_of_entry in T0, T1, T2, T3, T4, T5 by (auto; lia). cbn [Nat.eqb nth] in *.
    assert (Nw : T (e x 0) c_new = 1).
    { rewrite (is_new h a b G x Hx). unfold receives in Rv. apply andb_true_iff in Rv as [L _]. apply Nat.leb_le in L. destruct (Nat.ltb_spec x a); [lia|reflexivity]. }
    destruct (new_is_kept _ _ _ _ _ E) as (N1 & N2 & _).
    unfold e_work. rewrite (work_is_what_is_received _ _ _ _ _ E); [|columns; rewrite T0, T1, T2, T3, T4, T5; repeat split; apply given_is_small; lia|congruence|congruence].
    columns. rewrite T0, T1, T2, T3, T4, T5, of_tag_given. reflexivity.
  Qed.

  (* R4: what is given has a receiver. *)
  Theorem given_has_a_receiver i : row i -> is i K_busy \/ is i K_sent -> exists x, (x < n)%nat /\ receives x = true /\ tag x = T i c_key.
  Proof.
    intros Hi Ki. set (tg := T i c_key).
    destruct (existsb (fun x => receives x && (tag x =? tg)) (seq 0 n)) eqn:Ex.
    - apply existsb_exists in Ex as (x & Ix & Q). apply in_seq in Ix. apply andb_true_iff in Q as [Q1 Q2]. apply Z.eqb_eq in Q2. exists x. split; [lia|]. auto.
    - exfalso. pose proof (a_tag_without_receiver_has_no_giver tg) as No.
      assert (Z0 : of_tag tg (gives 6) = 0).
      { apply No. intros j Hj Kj. destruct (Z.eq_dec (takes 6 j) 0) as [|Tk]; [assumption|]. exfalso. destruct (who_takes 6 j Hj Tk) as (x & j' & Hx & _ & _ & Rx & Kx).
        rewrite <- not_true_iff_false in Ex. apply Ex, existsb_exists. exists x. split; [apply in_seq; lia|]. rewrite Rx. cbn [andb]. apply Z.eqb_eq. congruence. }
      pose proof (sum_at_least (fun j => if T j c_key =? tg then gives 6 j else 0) (rows N) i) as L. cbv beta in L. rewrite Z.eqb_refl in L.
      assert (One : gives 6 i = 1).
      { unfold gives. cbn [nth]. destruct Ki as [K|K]; pose proof (proj2 K 182 eq_refl) as A1; pose proof (proj2 K 192 eq_refl) as A2; cbn in A1, A2; rewrite A1, A2; reflexivity. }
      assert (L' := L ltac:(intros j Hj; apply rows_in in Hj; destruct (_ =? _); [apply (gives_bound 6 j ltac:(lia) Hj)|lia]) (proj1 (rows_in i) Hi)). unfold of_tag in Z0. lia.
  Qed.

  Lemma given_by_reading i : row i -> is i K_busy -> given i = work i /\ T i c_key = Readings.tag i.
  Proof.
    intros Hi Hk. destruct (reading_lanes i Hi (or_introl Hk)) as (_ & _ & L4 & L5). unfold given, gives, work, three_bytes in *.
    pose proof (proj2 Hk 182 eq_refl) as A1. pose proof (proj2 Hk 192 eq_refl) as A2. cbn in A1, A2. rewrite A1, A2. cbn [nth]. columns. split; [lia|].
    use i (Some K_busy) (@None Z) k_busy_key_is_the_tag as Q. cbn [eval row_leaves] in Q. unfold Readings.tag.
    pose proof (cell_canonical i 230). pose proof (cell_canonical i 1). apply mod_zero_iff in Q as [q Q]. unfold p in *. lia.
  Qed.

  (* ---- R6 ---- *)

  Lemma pub_range c : 0 <= pub c < p.
  Proof. pose proof (env_canonical 0 (Pub c)) as C. exact C. Qed.

  Lemma limb_value v : 0 <= v < 2 ^ 64 -> limbs3 (limb v 0) (limb v 1) (limb v 2) = v /\ limb24 (limb v 0) /\ limb24 (limb v 1) /\ limb24 (limb v 2).
  Proof.
    intros Hv. unfold limb. change (24 * 0) with 0. change (24 * 1) with 24. change (24 * 2) with 48. rewrite Z.pow_0_r, Z.div_1_r.
    assert (Hd : v / 2 ^ 48 mod 2 ^ 24 = v / 2 ^ 48) by (apply Z.mod_small; split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]).
    rewrite Hd. pose proof (Z.div_mod v (2 ^ 24) ltac:(lia)). pose proof (Z.div_mod (v / 2 ^ 24) (2 ^ 24) ltac:(lia)) as D.
    rewrite Z.div_div in D by lia. change (2 ^ 24 * 2 ^ 24) with (2 ^ 48) in D.
    pose proof (Z.mod_pos_bound v (2 ^ 24) ltac:(lia)). pose proof (Z.mod_pos_bound (v / 2 ^ 24) (2 ^ 24) ltac:(lia)).
    assert (0 <= v / 2 ^ 48 < 2 ^ 24) by (split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]). lia.
  Qed.

  Lemma caps_are : total_cap = total_limit s /\ public_limbs u_total_cap_0 /\ unattributed_cap = unattributed_limit s /\ public_limbs u_unattributed_cap_0
    /\ lineage_cap = lineage_limit s /\ public_limbs u_lineage_cap_0 /\ freeze = effective_freeze s /\ public_limbs u_freeze_0
    /\ pub u_charge_residue = charges_residue s /\ (pub u_charge_residue = 0 \/ pub u_charge_residue = 1).
  Proof.
    pose proof (is_valid (t := t) (s := s)) as V. destruct (valid_caps s V) as (A & B & C & D). destruct (valid_flags s V) as (_ & F). unfold bits in *.
    unfold total_cap, unattributed_cap, lineage_cap, freeze, cap3, public_limbs.
    change (2 + 1) with 3. change (2 + 2) with 4. change (5 + 1) with 6. change (5 + 2) with 7. change (8 + 1) with 9. change (8 + 2) with 10. change (11 + 1) with 12. change (11 + 2) with 13.
    assert (P2 : pub 2 = limb (total_limit s) 0) by (rewrite pub_is; reflexivity).
    assert (P3 : pub 3 = limb (total_limit s) 1) by (rewrite pub_is; reflexivity).
    assert (P4 : pub 4 = limb (total_limit s) 2) by (rewrite pub_is; reflexivity).
    assert (P5 : pub 5 = limb (unattributed_limit s) 0) by (rewrite pub_is; reflexivity).
    assert (P6 : pub 6 = limb (unattributed_limit s) 1) by (rewrite pub_is; reflexivity).
    assert (P7 : pub 7 = limb (unattributed_limit s) 2) by (rewrite pub_is; reflexivity).
    assert (P8 : pub 8 = limb (lineage_limit s) 0) by (rewrite pub_is; reflexivity).
    assert (P9 : pub 9 = limb (lineage_limit s) 1) by (rewrite pub_is; reflexivity).
    assert (P10 : pub 10 = limb (lineage_limit s) 2) by (rewrite pub_is; reflexivity).
    assert (P11 : pub 11 = limb (effective_freeze s) 0) by (rewrite pub_is; reflexivity).
    assert (P12 : pub 12 = limb (effective_freeze s) 1) by (rewrite pub_is; reflexivity).
    assert (P13 : pub 13 = limb (effective_freeze s) 2) by (rewrite pub_is; reflexivity).
    assert (P15 : pub 15 = charges_residue s) by (rewrite pub_is; reflexivity).
    rewrite P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P15.
    destruct (limb_value _ A) as (-> & A'), (limb_value _ B) as (-> & B'), (limb_value _ C) as (-> & C'), (limb_value _ D) as (-> & D').
    repeat (split; [reflexivity || assumption|]). change (2 ^ 1) with 2 in F. lia.
  Qed.

  Notation r_before x := (residue_before h a x).

  (* R of the period: what the RESIDUE entry leaves, its cumulative. *)
  Lemma r_of_the_period x : (a < x <= n)%nat -> r_before x = e_cumulative h a a.
  Proof.
    induction x as [|x IH]; intros Hx; [lia|]. cbn [residue_before]. rewrite (new_residue h a b G x ltac:(lia)). destruct (Nat.eqb_spec x a) as [->|Ne]; [reflexivity|apply IH; lia].
  Qed.

  Lemma r_at_e4 x : (x < n)%nat -> residue_total (e x 4) = r_before x /\ three_limbs (e x 4) c_res.
  Proof.
    intros Hx. destruct (r_at h a b G x Hx) as [V L]. destruct (residue_amount_is_kept _ _ _ _ _ (en h a b G x Hx)) as ((_ & _ & _ & A) & (_ & _ & _ & B) & (_ & _ & _ & C)).
    unfold residue_total, three_limbs in *. columns. rewrite A, B, C. auto.
  Qed.

  (* R6 of each new entry. *)
  Theorem new_entry_is_capped x : (a < x < n)%nat ->
    e_cumulative h a x + charges_residue s * e_cumulative h a a <= (if e_work h a x =? 0 then lineage_limit s else effective_freeze s).
  Proof.
    intros Hx. pose proof (en h a b G x ltac:(lia)) as E. destruct (r_at_e4 x ltac:(lia)) as [Rv Rl].
    destruct caps_are as (_ & _ & _ & Cu & <- & Cl & <- & Cf & <- & Ch).
    assert (Nw : T (e x 4) c_new = 1).
    { destruct (new_is_kept _ _ _ _ _ E) as (_ & _ & _ & ->). rewrite (is_new h a b G x ltac:(lia)). destruct (Nat.ltb_spec x a); [lia|reflexivity]. }
    assert (Rs : T (e x 0) c_residue = 0).
    { rewrite (flag h a b G x ltac:(lia)), (new_residue h a b G x ltac:(lia)). destruct (Nat.eqb_spec x a); [lia|reflexivity]. }
    pose proof (valid_freeze s is_valid) as Fz.
    rewrite <- (r_of_the_period x ltac:(lia)), <- Rv. unfold e_cumulative, e_work.
    apply (new_entry_is_under_its_limit _ _ _ _ _ E (conj Cl (conj Cf Cu)) Ch Rl Nw Rs).
    destruct caps_are as (_ & _ & _ & _ & -> & _ & -> & _). exact Fz.
  Qed.

  Lemma a_is_an_entry : (a < n)%nat.
  Proof. pose proof (g_some _ _ _ G). lia. Qed.

  Lemma a_is_residue : residue a = true.
  Proof. rewrite (new_residue h a b G a); [apply Nat.eqb_refl|]. pose proof a_is_an_entry. lia. Qed.

  (* R6 of unattributed work. *)
  Theorem unattributed_is_capped : e_work h a a <= unattributed_limit s.
  Proof.
    pose proof a_is_an_entry as Ha. pose proof (en h a b G a Ha) as E. destruct (r_at_e4 a Ha) as [Rv Rl].
    destruct caps_are as (_ & _ & <- & Cu & _ & Cl & _ & Cf & _ & Ch).
    assert (Nw : T (e a 4) c_new = 1).
    { destruct (new_is_kept _ _ _ _ _ E) as (_ & _ & _ & ->). rewrite (is_new h a b G a Ha). destruct (Nat.ltb_spec a a); [lia|reflexivity]. }
    assert (Rs : T (e a 0) c_residue = 1) by (rewrite (flag h a b G a Ha), a_is_residue; reflexivity).
    pose proof (residue_entry_is_under_its_cap _ _ _ _ _ E (conj Cl (conj Cf Cu)) Rl Nw Rs) as B. rewrite Rv in B.
    destruct (residue_is_the_sum h a b G a Ha a_is_residue) as (S & _). unfold e_cumulative in S. lia.
  Qed.

  (* R6 of R: where the period has unattributed work and R is charged. *)
  Theorem residue_is_capped : charges_residue s = 1 -> e_work h a a <> 0 -> e_cumulative h a a <= effective_freeze s.
  Proof.
    intros Ch Wk. pose proof a_is_an_entry as Ha. destruct caps_are as (_ & _ & _ & _ & _ & _ & <- & Cf & Pc & _).
    destruct (r_comes h a b G n (le_n _)) as [Rv Rl]. rewrite (r_of_the_period n ltac:(lia)) in Rv. rewrite <- Rv.
    assert (Tn : target h a b n = end_row h a b) by (unfold target; destruct (Nat.ltb_spec n (a + b)); [lia|reflexivity]). rewrite Tn in *.
    assert (Ow : T (end_row h a b) c_owes = 1).
    { rewrite <- Tn, (owes_comes_along h) by (try apply G; lia).
      assert (X : forall x, (a < x <= n)%nat -> owes_before h a x = T (e a 2) c_works).
      { induction x as [|x IH]; intros Hx; [lia|]. cbn [owes_before]. rewrite (new_residue h a b G x ltac:(lia)). destruct (Nat.eqb_spec x a) as [->|Ne]; [reflexivity|apply IH; lia]. }
      rewrite (X n ltac:(lia)). pose proof (en h a b G a Ha) as E. destruct (works_stay _ _ _ _ _ E) as ([W0|W1] & _); [|exact W1].
      exfalso. apply Wk. apply (who_works _ _ _ _ _ E W0). }
    apply (residue_is_under_the_freeze (end_row h a b) (at_row h _) (g_after _ _ _ G) Ow); [congruence|exact Rl|exact Cf].
  Qed.
End Receive.
