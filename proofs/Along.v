(* A registry in its order: entries 0 .. a + b - 1, of which a stand before the before-head; what comes along: number, R, `owes`, sorted tags, flags. *)
From Coq Require Import ZArith List Bool Lia.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Entries.
From Standstill Require Export Joints.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- The shape of a registry ---- *)

Section Shape.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.
  Variable h : Z.
  Hypothesis Hrow : row h.
  Hypothesis Hhd : is h K_hd.
  Hypothesis Hfirst : is (nx h) K_e0 \/ is (nx h) K_mi.

  Notation at_ := (at_ h).

  Lemma entry_at q : is (at_ q) K_e0 -> entry (at_ q) (at_ (q + 1)) (at_ (q + 2)) (at_ (q + 3)) (at_ (q + 4)).
  Proof.
    intros H. pose proof (entry_has_five_rows (at_ q) (at_row h q) H) as E. rewrite !at_next in E.
    replace (q + 1)%nat with (S q) by lia. replace (q + 2)%nat with (S (S q)) by lia. replace (q + 3)%nat with (S (S (S q))) by lia.
    replace (q + 4)%nat with (S (S (S (S q)))) by lia. exact E.
  Qed.

  Lemma after_entry q : is (at_ q) K_e0 -> is (at_ (q + 5)) K_e0 \/ is (at_ (q + 5)) K_mi \/ is (at_ (q + 5)) K_er.
  Proof.
    intros H. pose proof (entry_at q H) as E. destruct (one_kind_each_row _ (at_row h (q + 5))) as [k Hk]. pose proof Hk as Hk'.
    replace (q + 5)%nat with (S (q + 4)) in Hk' by lia. rewrite <- at_next in Hk'.
    pose proof (order_of_rows _ K_e4 k (at_row h (q + 4)) (k4 _ _ _ _ _ E) Hk') as O. cbn [successors In] in O.
    destruct O as [<-|[<-|[<-|[]]]]; auto.
  Qed.

  Lemma five q j : is (at_ q) K_e0 -> (j < 5)%nat -> is (at_ (q + j)) (7 + Z.of_nat j).
  Proof.
    intros H Hj. pose proof (entry_at q H) as E. destruct j as [|[|[|[|[|j]]]]]; [rewrite Nat.add_0_r; exact H|exact (k1 _ _ _ _ _ E)|exact (k2 _ _ _ _ _ E)
      |exact (k3 _ _ _ _ _ E)|exact (k4 _ _ _ _ _ E)|lia].
  Qed.

  (* From q on there are c entries one after another, then a before-head or the end. *)
  Lemma run_of_entries q : is (at_ q) K_e0 \/ is (at_ q) K_mi \/ is (at_ q) K_er -> (exists m, is (at_ m) K_er /\ (q <= m)%nat) ->
    exists c, (forall y, (y < c)%nat -> is (at_ (q + 5 * y)) K_e0) /\ (is (at_ (q + 5 * c)) K_mi \/ is (at_ (q + 5 * c)) K_er).
  Proof.
    intros Hq (m & Hm & Lm).
    assert (G : forall x, (forall y, (y <= x)%nat -> is (at_ (q + 5 * y)) K_e0)
      \/ exists c, (forall y, (y < c)%nat -> is (at_ (q + 5 * y)) K_e0) /\ (is (at_ (q + 5 * c)) K_mi \/ is (at_ (q + 5 * c)) K_er)).
    { induction x as [|x [IH|IH]].
      - replace (q + 5 * 0)%nat with q by lia. destruct Hq as [Hq|Hq].
        + left. intros y Hy. replace (q + 5 * y)%nat with q by lia. exact Hq.
        + right. exists 0%nat. split; [lia|]. replace (q + 5 * 0)%nat with q by lia. exact Hq.
      - pose proof (after_entry _ (IH x (le_n x))) as A. replace (q + 5 * x + 5)%nat with (q + 5 * S x)%nat in A by lia. destruct A as [A|A].
        + left. intros y Hy. destruct (Nat.eq_dec y (S x)) as [->|]; [exact A|apply IH; lia].
        + right. exists (S x). split; [|exact A]. intros y Hy. apply IH. lia.
      - right. exact IH. }
    destruct (G m) as [A|A]; [|exact A]. exfalso.
    pose proof (Nat.div_mod (m - q) 5 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound (m - q) 5 ltac:(lia)) as M.
    set (y := ((m - q) / 5)%nat) in *. set (j := ((m - q) mod 5)%nat) in *.
    pose proof (five (q + 5 * y) j (A y ltac:(lia)) M) as K. replace (q + 5 * y + j)%nat with m in K by lia.
    pose proof (kind_unique _ _ _ Hm K). lia.
  Qed.

  Lemma new_along q c : (forall y, (y < c)%nat -> is (at_ (q + 5 * y)) K_e0) -> (is (at_ (q + 5 * c)) K_mi \/ is (at_ (q + 5 * c)) K_er) -> 0 <= T (at_ q) 221 <= 1 ->
    forall y, (y <= c)%nat -> T (at_ (q + 5 * y)) 221 = T (at_ q) 221.
  Proof.
    intros A B R. induction y as [|y IH]; intros Hy; [replace (q + 5 * 0)%nat with q by lia; reflexivity|].
    rewrite <- (IH ltac:(lia)). pose proof (entry_at _ (A y ltac:(lia))) as E. destruct (new_is_kept _ _ _ _ _ E) as (_ & _ & _ & N4). rewrite <- N4.
    replace (q + 5 * S y)%nat with (S (q + 5 * y + 4))%nat in * by lia.
    assert (K5 : exists k5, is (at_ (S (q + 5 * y + 4))) k5 /\ In (K_e4, k5) registry_pairs).
    { pose proof (after_entry _ (A y ltac:(lia))) as C. replace (q + 5 * y + 5)%nat with (S (q + 5 * y + 4)) in C by lia.
      destruct C as [C|[C|C]]; eexists; (split; [exact C|cbn [registry_pairs In]; tauto]). }
    destruct K5 as (k5 & K5 & P). rewrite <- at_next in *. rewrite (new_steps _ K_e4 k5 (at_row h _) (k4 _ _ _ _ _ E) K5 P).
    - cbn [Z.eqb Pos.eqb]. lia.
    - rewrite N4, (IH ltac:(lia)). exact R.
  Qed.

  (* Where entry x begins: behind the before-head, one row later. *)
  Definition pos (a x : nat) : nat := (1 + 5 * x + if (x <? a)%nat then 0 else 1)%nat.

  (* a old entries, the before-head, b new entries, at least one, the end. *)
  Theorem registry_shape : exists a b, (1 <= b)%nat /\ Z.of_nat (2 + 5 * (a + b)) <= N
    /\ (forall x, (x < a + b)%nat -> is (at_ (pos a x)) K_e0) /\ is (at_ (1 + 5 * a)) K_mi /\ is (at_ (2 + 5 * (a + b))) K_er.
  Proof.
    destruct (registry_is_finite h Hrow Hhd Hfirst) as (n & N1 & In1 & En).
    assert (New0 : T h 221 = 0) by (apply header_is_not_new; assumption).
    assert (New1 : T (at_ 1) 221 = 0).
    { rewrite at_1. destruct Hfirst as [F|F]; [rewrite (new_steps h K_hd K_e0)|rewrite (new_steps h K_hd K_mi)]; auto; try (cbn [registry_pairs In]; tauto); cbn [Z.eqb Pos.eqb]; lia. }
    destruct (run_of_entries 1) as (a & A1 & A2).
    { rewrite at_1. destruct Hfirst; auto. }
    { exists (S n). split; [exact En|lia]. }
    pose proof (new_along 1 a A1 A2 ltac:(lia) a (le_n a)) as Na. rewrite New1 in Na.
    destruct A2 as [A2|A2]; [|rewrite (after_head_is_new _ (at_row h _) A2) in Na; lia].
    assert (Q : is (at_ (2 + 5 * a)) K_e0). { replace (2 + 5 * a)%nat with (S (1 + 5 * a)) by lia. rewrite <- at_next. apply (follows _ K_mi); auto. apply at_row. }
    assert (Nq : T (at_ (2 + 5 * a)) 221 = 1).
    { assert (Eq : at_ (2 + 5 * a) = nx (at_ (1 + 5 * a))) by (rewrite at_next; f_equal; lia). pose proof Q as Q'. rewrite Eq in Q' |- *.
      rewrite (new_steps _ K_mi K_e0 (at_row h _) A2 Q'); [cbn [Z.eqb Pos.eqb]; lia|cbn [registry_pairs In]; tauto|lia]. }
    assert (Before : forall m, (1 <= m <= 1 + 5 * a)%nat -> ~ is (at_ m) K_er).
    { intros m Hm Er. destruct (Nat.eq_dec m (1 + 5 * a)) as [->|Ne]; [discriminate (kind_unique _ _ _ A2 Er)|].
      pose proof (Nat.div_mod (m - 1) 5 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound (m - 1) 5 ltac:(lia)) as M.
      pose proof (five (1 + 5 * ((m - 1) / 5)) ((m - 1) mod 5) (A1 ((m - 1) / 5)%nat ltac:(lia)) M) as K. replace (1 + 5 * ((m - 1) / 5) + (m - 1) mod 5)%nat with m in K by lia.
      pose proof (kind_unique _ _ _ Er K). lia. }
    destruct (run_of_entries (2 + 5 * a)) as (b & B1 & B2).
    { left. exact Q. }
    { exists (S n). split; [exact En|]. destruct (le_lt_dec (2 + 5 * a) (S n)) as [|L]; [assumption|]. exfalso. apply (Before (S n)); [lia|exact En]. }
    pose proof (new_along (2 + 5 * a) b B1 B2 ltac:(lia) b (le_n b)) as Nb. rewrite Nq in Nb.
    destruct B2 as [B2|B2]; [rewrite (before_head_is_old _ (at_row h _) B2) in Nb; lia|].
    assert (Hb : (1 <= b)%nat).
    { destruct b as [|b]; [|lia]. replace (2 + 5 * a + 5 * 0)%nat with (2 + 5 * a)%nat in B2 by lia. discriminate (kind_unique _ _ _ Q B2). }
    replace (2 + 5 * a + 5 * b)%nat with (2 + 5 * (a + b))%nat in B2 by lia.
    assert (All : forall x, (x < a + b)%nat -> is (at_ (pos a x)) K_e0).
    { intros x Hx. unfold pos. destruct (Nat.ltb_spec x a) as [L|L].
      - replace (1 + 5 * x + 0)%nat with (1 + 5 * x)%nat by lia. apply A1, L.
      - replace (1 + 5 * x + 1)%nat with (2 + 5 * a + 5 * (x - a))%nat by lia. apply B1. lia. }
    exists a, b. split; [exact Hb|]. split; [|auto]. destruct (Z_le_gt_dec (Z.of_nat (2 + 5 * (a + b))) N) as [|G]; [assumption|]. exfalso.
    pose proof size as Sz. set (m := Z.to_nat N). assert (Wrap : is (at_ m) K_hd).
    { unfold Readings.at_, m. rewrite Z2Nat.id by lia. replace (h + N) with (h + 1 * N) by ring. rewrite Z.mod_add by lia. rewrite Z.mod_small by exact Hrow. exact Hhd. }
    assert (Hm : (1 <= m < 2 + 5 * (a + b))%nat) by (unfold m; lia).
    destruct (Nat.eq_dec m (1 + 5 * a)) as [Em|Em]; [rewrite Em in Wrap; discriminate (kind_unique _ _ _ A2 Wrap)|].
    assert (X : exists x j, (x < a + b)%nat /\ (j < 5)%nat /\ m = (pos a x + j)%nat).
    { destruct (le_lt_dec (1 + 5 * a) m) as [L|L].
      - exists ((m - 2) / 5)%nat, ((m - 2) mod 5)%nat. pose proof (Nat.div_mod (m - 2) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (m - 2) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((m - 2) / 5) a); lia.
      - exists ((m - 1) / 5)%nat, ((m - 1) mod 5)%nat. pose proof (Nat.div_mod (m - 1) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (m - 1) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((m - 1) / 5) a); lia. }
    destruct X as (x & j & Hx & Hj & Ex). pose proof (five _ j (All x Hx) Hj) as K. rewrite <- Ex in K. pose proof (kind_unique _ _ _ Wrap K). lia.
  Qed.

  (* ---- What comes along ---- *)

  Section Ordered.
    Variables a b : nat.
    Hypothesis Hb : (1 <= b)%nat.
    Hypothesis Hlen : Z.of_nat (2 + 5 * (a + b)) <= N.
    Hypothesis He0 : forall x, (x < a + b)%nat -> is (at_ (pos a x)) K_e0.
    Hypothesis Hmi : is (at_ (1 + 5 * a)) K_mi.
    Hypothesis Her : is (at_ (2 + 5 * (a + b))) K_er.

    (* Row j of entry x. *)
    Definition erow (x j : nat) : Z := at_ (pos a x + j).
    Definition end_row : Z := at_ (2 + 5 * (a + b)).

    Lemma entry_x x : (x < a + b)%nat -> entry (erow x 0) (erow x 1) (erow x 2) (erow x 3) (erow x 4).
    Proof. intros Hx. unfold erow. rewrite Nat.add_0_r. apply entry_at, He0, Hx. Qed.

    (* The row before entry x, and before the end: the header, or the last row of the entry before. *)
    Definition before_row (x : nat) : Z := match x with O => h | S y => erow y 4 end.
    Definition target (x : nat) : Z := if (x <? a + b)%nat then erow x 0 else end_row.
    Definition target_kind (x : nat) : Z := if (x <? a + b)%nat then K_e0 else K_er.

    Lemma before_row_is x : (x <= a + b)%nat -> row (before_row x) /\ is (before_row x) (match x with O => K_hd | S _ => K_e4 end).
    Proof.
      intros Hx. destruct x as [|y]; [auto|]. cbn [before_row]. split; [apply at_row|]. apply (k4 _ _ _ _ _ (entry_x y ltac:(lia))).
    Qed.

    Lemma target_is x : (x <= a + b)%nat -> is (target x) (target_kind x).
    Proof.
      intros Hx. unfold target, target_kind. destruct (Nat.ltb_spec x (a + b)).
      - unfold erow. rewrite Nat.add_0_r. apply He0. assumption.
      - exact Her.
    Qed.

    Lemma before_at x : (x <= a + b)%nat -> before_row x = at_ (5 * x + if (x <=? a)%nat then 0 else 1).
    Proof.
      intros Hx. destruct x as [|y]; cbn [before_row].
      - destruct (Nat.leb_spec 0 a); [|lia]. symmetry. apply at_0, Hrow.
      - unfold erow, pos. f_equal. destruct (Nat.ltb_spec y a), (Nat.leb_spec (S y) a); lia.
    Qed.

    Lemma target_at x : (x <= a + b)%nat -> target x = at_ (1 + 5 * x + if (x <? a)%nat then 0 else 1).
    Proof.
      intros Hx. unfold target, end_row, erow, pos. destruct (Nat.ltb_spec x (a + b)); f_equal; [lia|]. destruct (Nat.ltb_spec x a); lia.
    Qed.

    (* From one to the other there is one step, or the before-head between. *)
    Lemma steps_between x : (x <= a + b)%nat ->
      (x <> a /\ nx (before_row x) = target x)
      \/ (x = a /\ is (nx (before_row x)) K_mi /\ nx (nx (before_row x)) = target x).
    Proof.
      intros Hx. rewrite before_at, target_at by exact Hx. destruct (Nat.eq_dec x a) as [->|Ne].
      - right. split; [reflexivity|]. rewrite Nat.leb_refl, Nat.ltb_irrefl. rewrite !at_next. replace (S (5 * a + 0)) with (1 + 5 * a)%nat by lia.
        split; [exact Hmi|]. f_equal. lia.
      - left. split; [exact Ne|]. rewrite at_next. f_equal. destruct (Nat.ltb_spec x a), (Nat.leb_spec x a); lia.
    Qed.

    Lemma joints_between x : (x <= a + b)%nat -> exists k, is (before_row x) k /\ row (before_row x)
      /\ ((x <> a /\ In (k, target_kind x) joints /\ is (nx (before_row x)) (target_kind x) /\ nx (before_row x) = target x)
       \/ (x = a /\ In (k, K_mi) joints /\ is (nx (before_row x)) K_mi /\ In (K_mi, target_kind x) joints /\ is (nx (nx (before_row x))) (target_kind x)
           /\ nx (nx (before_row x)) = target x)).
    Proof.
      intros Hx. destruct (before_row_is x Hx) as [R K]. eexists. split; [exact K|]. split; [exact R|]. pose proof (target_is x Hx) as Tk.
      destruct (steps_between x Hx) as [[Ne E]|(Ea & Mi & E)].
      - left. split; [exact Ne|]. rewrite E. split; [|auto]. unfold target_kind. destruct (Nat.ltb_spec x (a + b)); destruct x; cbn [joints In]; try tauto. lia.
      - right. split; [exact Ea|]. split; [destruct x; cbn [joints In]; tauto|]. split; [exact Mi|]. rewrite E. split; [|auto].
        unfold target_kind. destruct (Nat.ltb_spec x (a + b)); [cbn [joints In]; tauto|lia].
    Qed.

    Lemma index_is x : (x < a + b)%nat -> T (erow x 0) c_index = Z.of_nat x + 1.
    Proof.
      assert (G : forall x, (x <= a + b)%nat -> T (before_row x) c_index = Z.of_nat x /\ ((x < a + b)%nat -> T (target x) c_index = Z.of_nat x + 1)).
      { clear x. pose proof size as Sz.
        assert (Go : forall x, (x <= a + b)%nat -> T (before_row x) c_index = Z.of_nat x -> (x < a + b)%nat -> T (target x) c_index = Z.of_nat x + 1).
        { intros y Hy Bf L. destruct (joints_between y Hy) as (k & Kb & Rb & [(_ & P & K' & E)|(_ & P & K' & P2 & K2 & E)]); rewrite <- E.
          - rewrite (index_between _ _ _ Rb Kb K' P) by (rewrite Bf; unfold p; lia). unfold target_kind. destruct (Nat.ltb_spec y (a + b)); [cbn; lia|lia].
          - pose proof (index_between _ _ _ Rb Kb K' P) as I1. rewrite Bf in I1. specialize (I1 ltac:(unfold p; lia)). cbn [Z.eqb Pos.eqb] in I1.
            rewrite (index_between _ _ _ (next_row _) K' K2 P2) by (rewrite I1; unfold p; lia). rewrite I1. unfold target_kind. destruct (Nat.ltb_spec y (a + b)); [cbn; lia|lia]. }
        induction x as [|x IH]; intros Hx.
        - assert (B : T (before_row 0) c_index = Z.of_nat 0) by (cbn [before_row]; apply (header_starts h Hrow Hhd)). split; [exact B|]. apply Go; assumption.
        - destruct IH as [B Tg]; [lia|]. specialize (Tg ltac:(lia)). unfold target in Tg. destruct (Nat.ltb_spec x (a + b)); [|lia].
          assert (B' : T (before_row (S x)) c_index = Z.of_nat (S x)).
          { cbn [before_row]. destruct (index_is_kept _ _ _ _ _ (entry_x x ltac:(lia))) as (_ & _ & _ & ->). lia. }
          split; [exact B'|]. apply Go; assumption. }
      intros Hx. destruct (G x ltac:(lia)) as [_ A]. specialize (A Hx). unfold target in A. destruct (Nat.ltb_spec x (a + b)); [exact A|lia].
    Qed.

    (* R before entry x, or at the end: the cumulative of the last RESIDUE entry before, or 0. *)
    Definition is_residue (x : nat) : bool := T (erow x 0) c_residue =? 1.
    Fixpoint residue_before (x : nat) : Z := match x with O => 0 | S y => if is_residue y then lanes012 (erow y 4) else residue_before y end.

    Hypothesis Hpeak : T h 223 = 0 /\ T h 224 = 0 /\ T h 225 = 0.

    Lemma residue_bit x : (x < a + b)%nat -> T (erow x 0) c_residue = 0 \/ T (erow x 0) c_residue = 1.
    Proof. intros Hx. apply (flag_bits _ _ _ _ _ (entry_x x Hx)). Qed.

    Theorem residue_comes_along x : (x <= a + b)%nat -> residue_total (target x) = residue_before x /\ three_limbs (target x) c_res.
    Proof.
      unfold three_limbs, residue_total. columns. induction x as [|x IH]; intros Hx.
      - assert (E0 : T (target 0) 223 = 0 /\ T (target 0) 224 = 0 /\ T (target 0) 225 = 0).
        { destruct (joints_between 0 Hx) as (k & Kb & Rb & J). cbn [before_row] in *. pose proof (kind_unique _ _ _ Hhd Kb) as <-.
          destruct J as [(_ & P & K' & E)|(_ & P & K' & P2 & K2 & E)]; rewrite <- E.
          - destruct (res_into _ _ _ Rb Kb K' P ltac:(discriminate)) as (-> & -> & ->). exact Hpeak.
          - destruct (res_into _ _ _ (next_row _) K' K2 P2 ltac:(discriminate)) as (-> & -> & ->).
            destruct (res_into _ _ _ Rb Kb K' P ltac:(discriminate)) as (-> & -> & ->). exact Hpeak. }
        destruct E0 as (-> & -> & ->). cbn [residue_before]. lia.
      - destruct (IH ltac:(lia)) as (V & L0 & L1 & L2). assert (Lx : (x < a + b)%nat) by lia. unfold target in V, L0, L1, L2. destruct (Nat.ltb_spec x (a + b)); [|lia].
        pose proof (entry_x x Lx) as En. destruct (residue_amount_is_kept _ _ _ _ _ En) as (S0 & S1 & S2). unfold same_all in *.
        destruct (residue_is_kept _ _ _ _ _ En) as (_ & _ & _ & R4e).
        destruct (cumulative_lanes _ _ _ _ _ En) as (C0 & C1 & C2).
        destruct (joints_between (S x) Hx) as (k & Kb & Rb & J). cbn [before_row] in *. pose proof (kind_unique _ _ _ (k4 _ _ _ _ _ En) Kb) as <-.
        pose proof (residue_bit x Lx) as Rbit. cbn [residue_before]. unfold is_residue.
        assert (Nxt : if T (erow x 0) c_residue =? 1 then T (target (S x)) 223 = T (erow x 4) 0 /\ T (target (S x)) 224 = T (erow x 4) 1 /\ T (target (S x)) 225 = T (erow x 4) 2
                      else T (target (S x)) 223 = T (erow x 4) 223 /\ T (target (S x)) 224 = T (erow x 4) 224 /\ T (target (S x)) 225 = T (erow x 4) 225).
        { destruct J as [(_ & P & K' & E)|(_ & P & K' & P2 & K2 & E)]; rewrite <- E.
          - pose proof (res_between _ _ _ Rb Kb K' P eq_refl) as H'. rewrite R4e in H'. exact (H' Rbit).
          - destruct (res_into _ _ _ (next_row _) K' K2 P2 ltac:(discriminate)) as (-> & -> & ->).
            pose proof (res_between _ _ _ Rb Kb K' P eq_refl) as H'. rewrite R4e in H'. exact (H' Rbit). }
        destruct (T (erow x 0) c_residue =? 1); destruct Nxt as (-> & -> & ->).
        + unfold lanes012. split; [reflexivity|]. split; [exact C0|]. split; [exact C1|]. lia.
        + destruct S0 as (_ & _ & _ & ->). destruct S1 as (_ & _ & _ & ->). destruct S2 as (_ & _ & _ & ->). auto.
    Qed.

    (* `owes` at the end: whether the last RESIDUE entry received work. *)
    Fixpoint owes_before (x : nat) : Z := match x with O => T h c_owes | S y => if is_residue y then T (erow y 2) c_works else owes_before y end.

    Theorem owes_comes_along x : (x <= a + b)%nat -> T (target x) c_owes = owes_before x.
    Proof.
      assert (Into : forall x, (x <= a + b)%nat -> T (target x) c_owes = T (before_row x) c_owes).
      { intros y Hy. destruct (joints_between y Hy) as (k & Kb & Rb & [(_ & P & K' & E)|(_ & P & K' & P2 & K2 & E)]); rewrite <- E.
        - apply (owes_between _ _ _ Rb Kb K' P).
        - rewrite (owes_between _ _ _ (next_row _) K' K2 P2). apply (owes_between _ _ _ Rb Kb K' P). }
      induction x as [|x IH]; intros Hx; rewrite (Into _ Hx); [reflexivity|]. cbn [before_row owes_before].
      rewrite (owes_moves _ _ _ _ _ (entry_x x ltac:(lia))). fold (is_residue x). destruct (is_residue x); [reflexivity|].
      rewrite <- (IH ltac:(lia)). unfold target. destruct (Nat.ltb_spec x (a + b)); [reflexivity|lia].
    Qed.

    Theorem entry_is_new x : (x < a + b)%nat -> T (erow x 0) c_new = if (x <? a)%nat then 0 else 1.
    Proof.
      intros Hx. pose proof size as Sz.
      assert (New1 : T (at_ 1) 221 = 0).
      { pose proof (header_is_not_new h Hrow Hhd) as New0. rewrite at_1. destruct Hfirst as [F|F]; [rewrite (new_steps h K_hd K_e0)|rewrite (new_steps h K_hd K_mi)]; auto; try (cbn [registry_pairs In]; tauto); cbn [Z.eqb Pos.eqb]; lia. }
      assert (A1 : forall y, (y < a)%nat -> is (at_ (1 + 5 * y)) K_e0).
      { intros y Hy. pose proof (He0 y ltac:(lia)) as K. unfold pos in K. destruct (Nat.ltb_spec y a); [|lia]. replace (1 + 5 * y + 0)%nat with (1 + 5 * y)%nat in K by lia. exact K. }
      assert (B1 : forall y, (y < b)%nat -> is (at_ (2 + 5 * a + 5 * y)) K_e0).
      { intros y Hy. pose proof (He0 (a + y)%nat ltac:(lia)) as K. unfold pos in K. destruct (Nat.ltb_spec (a + y) a); [lia|]. replace (1 + 5 * (a + y) + 1)%nat with (2 + 5 * a + 5 * y)%nat in K by lia. exact K. }
      pose proof (new_along 1 a A1 (or_introl Hmi) ltac:(lia)) as Na. rewrite New1 in Na.
      assert (Q : is (at_ (2 + 5 * a)) K_e0) by (replace (2 + 5 * a)%nat with (2 + 5 * a + 5 * 0)%nat by lia; apply B1; lia).
      assert (Nq : T (at_ (2 + 5 * a)) 221 = 1).
      { assert (Eq : at_ (2 + 5 * a) = nx (at_ (1 + 5 * a))) by (rewrite at_next; f_equal; lia). pose proof Q as Q'. rewrite Eq in Q' |- *.
        rewrite (new_steps _ K_mi K_e0 (at_row h _) Hmi Q'); [rewrite (Na a (le_n a)); reflexivity|cbn [registry_pairs In]; tauto|rewrite (Na a (le_n a)); lia]. }
      unfold erow, pos. rewrite Nat.add_0_r. destruct (Nat.ltb_spec x a) as [L|L].
      - replace (1 + 5 * x + 0)%nat with (1 + 5 * x)%nat by lia. apply Na. lia.
      - replace (1 + 5 * x + 1)%nat with (2 + 5 * a + 5 * (x - a))%nat by lia. rewrite (new_along (2 + 5 * a) b B1) by (try lia; right; replace (2 + 5 * a + 5 * b)%nat with (2 + 5 * (a + b))%nat by lia; exact Her).
        exact Nq.
    Qed.

    (* Of the new entries the first one is the RESIDUE entry, and no other. *)
    Theorem one_new_residue x : (a <= x < a + b)%nat -> is_residue x = (x =? a)%nat.
    Proof.
      intros Hx. pose proof (residue_bit x ltac:(lia)) as Rb. unfold is_residue. pose proof (entry_is_new x ltac:(lia)) as Nw. destruct (Nat.ltb_spec x a); [lia|].
      assert (Tx : target x = erow x 0) by (unfold target; destruct (Nat.ltb_spec x (a + b)); [reflexivity|lia]).
      destruct (joints_between x ltac:(lia)) as (k & Kb & Rwb & [(Ne & P & K' & E)|(Ea & P & K' & P2 & K2 & E)]); rewrite Tx in E.
      - destruct (Nat.eqb_spec x a); [contradiction|]. unfold target_kind in K'. destruct (Nat.ltb_spec x (a + b)); [|lia]. rewrite <- E in *.
        rewrite (residue_only_there _ k Rwb Kb K'); [reflexivity| | |exact Nw|exact Rb].
        + destruct (before_row_is x ltac:(lia)) as [_ K2]. rewrite (kind_unique _ _ _ Kb K2). destruct x; discriminate.
        + destruct (before_row_is x ltac:(lia)) as [_ K2]. rewrite (kind_unique _ _ _ Kb K2). destruct x; cbn [In]; auto.
      - subst x. rewrite Nat.eqb_refl, <- E. rewrite (residue_follows _ (next_row _) K'). reflexivity.
    Qed.

    (* ---- Sorted tags ---- *)

    Definition sorted_tag x := T (erow x 0) c_key.

    Lemma sorted_state x : (x <= a + b)%nat -> 2 <= T (target x) c_sorted_prev < 2 ^ 24
      /\ (forall y, (y < x)%nat -> is_residue y = false -> 2 < sorted_tag y <= T (target x) c_sorted_prev)
      /\ (forall y z, (y < z < x)%nat -> is_residue y = false -> is_residue z = false -> sorted_tag y < sorted_tag z).
    Proof.
      assert (Into : forall x, (x <= a + b)%nat -> T (target x) c_sorted_prev = T (before_row x) c_sorted_prev).
      { intros y Hy. destruct (joints_between y Hy) as (k & Kb & Rb & [(_ & P & K' & E)|(_ & P & K' & P2 & K2 & E)]); rewrite <- E.
        - apply (sorted_between _ _ _ Rb Kb K' P).
        - rewrite (sorted_between _ _ _ (next_row _) K' K2 P2). apply (sorted_between _ _ _ Rb Kb K' P). }
      induction x as [|x IH]; intros Hx; rewrite (Into _ Hx); cbn [before_row].
      - rewrite (proj2 (header_starts h Hrow Hhd)). split; [lia|]. split; intros; lia.
      - destruct (IH ltac:(lia)) as (A & B & C). pose proof (entry_x x ltac:(lia)) as En.
        assert (Tx : target x = erow x 0) by (unfold target; destruct (Nat.ltb_spec x (a + b)); [reflexivity|lia]). rewrite Tx in *.
        rewrite (sorted_tag_moves _ _ _ _ _ En). fold (is_residue x). fold (sorted_tag x).
        pose proof (residue_bit x ltac:(lia)) as Rb.
        destruct (is_residue x) eqn:Er.
        + split; [exact A|]. split.
          * intros y Hy Ry. destruct (Nat.eq_dec y x) as [->|]; [congruence|]. apply B; [lia|exact Ry].
          * intros y z Hy Ry Rz. destruct (Nat.eq_dec z x) as [->|]; [congruence|]. apply C; auto. lia.
        + assert (R0' : T (erow x 0) c_residue = 0) by (unfold is_residue in Er; destruct Rb as [|Rb]; [assumption|rewrite Rb in Er; discriminate]).
          pose proof (sorted_tag_ascends _ _ _ _ _ En R0' ltac:(lia)) as As. fold (sorted_tag x) in As.
          split; [lia|]. split.
          * intros y Hy Ry. destruct (Nat.eq_dec y x) as [->|]; [lia|]. specialize (B y ltac:(lia) Ry). lia.
          * intros y z Hy Ry Rz. destruct (Nat.eq_dec z x) as [->|]; [specialize (B y ltac:(lia) Ry); lia|]. apply C; auto. lia.
    Qed.

    Theorem sorted_tags_ascend y z : (y < z < a + b)%nat -> is_residue y = false -> is_residue z = false -> sorted_tag y < sorted_tag z.
    Proof. intros H. apply (sorted_state (a + b)); lia. Qed.
    Theorem sorted_tags_start y : (y < a + b)%nat -> is_residue y = false -> 2 < sorted_tag y < 2 ^ 24.
    Proof. intros H Ry. destruct (sorted_state (a + b) ltac:(lia)) as (A & B & _). specialize (B y ltac:(lia) Ry). lia. Qed.
  End Ordered.
End Shape.
