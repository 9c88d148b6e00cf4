(* R6: along a registry, from its header to its end, the work of the period's entries is at most the total cap. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry.
Import ListNotations.
Local Open Scope Z_scope.

Section Steps.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Definition running_total i := limbs3 (T i c_tot) (T i (c_tot + 1)) (T i (c_tot + 2)).

  (* The pairs of rows in a registry. *)
  Definition registry_pairs : list (Z * Z) :=
    [(K_hd, K_e0); (K_hd, K_mi); (K_mi, K_e0); (K_e0, K_e1); (K_e1, K_e2); (K_e2, K_e3); (K_e3, K_e4); (K_e4, K_e0); (K_e4, K_mi); (K_e4, K_er)].

  Tactic Notation "same" constr(i) constr(k) constr(k') constr(c) := let H := fresh "S" in use_constraint i (Some k) (Some k') c H;
    cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H].
  Tactic Notation "sames" constr(i) constr(k) constr(k') :=
    same i k k' (k_total_or_coverage_0); same i k k' (k_total_or_coverage_1); same i k k' (k_total_or_coverage_2);
    pose proof (cell_canonical i 226); pose proof (cell_canonical i 227); pose proof (cell_canonical i 228);
    pose proof (cell_canonical (nx i) 226); pose proof (cell_canonical (nx i) 227); pose proof (cell_canonical (nx i) 228);
    unfold p in *; repeat split; lia.

  Definition same_total i j := T j 226 = T i 226 /\ T j 227 = T i 227 /\ T j 228 = T i 228.

  Lemma total_is_kept i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') registry_pairs -> k <> K_e2 -> same_total i (nx i).
  Proof.
    intros Hi Hk Hn P Ne. unfold same_total. cbn [registry_pairs In] in P.
    destruct P as [P|[P|[P|[P|[P|[P|[P|[P|[P|[P|[]]]]]]]]]]]; injection P as <- <-.
    - sames i (K_hd) (K_e0).
    - sames i (K_hd) (K_mi).
    - sames i (K_mi) (K_e0).
    - sames i (K_e0) (K_e1).
    - sames i (K_e1) (K_e2).
    - congruence.
    - sames i (K_e3) (K_e4).
    - sames i (K_e4) (K_e0).
    - sames i (K_e4) (K_mi).
    - sames i (K_e4) (K_er).
  Qed.

  Tactic Notation "news" constr(i) constr(k) constr(k') := same i k k' (k_new_turns_at_the_before_head);
    pose proof (cell_canonical (nx i) 221); unfold p in *; lia.

  (* `new` turns at MI, and nowhere else. *)
  Lemma new_steps i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') registry_pairs -> 0 <= T i 221 <= 1 ->
    T (nx i) 221 = T i 221 + (if k =? K_mi then 1 else 0).
  Proof.
    intros Hi Hk Hn P B. cbn [registry_pairs In] in P.
    destruct P as [P|[P|[P|[P|[P|[P|[P|[P|[P|[P|[]]]]]]]]]]]; injection P as <- <-; cbn [Z.eqb Pos.eqb].
    - news i (K_hd) (K_e0).
    - news i (K_hd) (K_mi).
    - news i (K_mi) (K_e0).
    - news i (K_e0) (K_e1).
    - news i (K_e1) (K_e2).
    - news i (K_e2) (K_e3).
    - news i (K_e3) (K_e4).
    - news i (K_e4) (K_e0).
    - news i (K_e4) (K_mi).
    - news i (K_e4) (K_er).
  Qed.

  Lemma before_head_is_old i : row i -> is i K_mi -> T i 221 = 0.
  Proof.
    intros Hi Hk. use i (Some K_mi) (@None Z) k_before_head_comes_once as H. cbn [eval row_leaves] in H.
    rewrite Z.mod_small in H by apply cell_canonical. exact H.
  Qed.

  Lemma after_head_is_new i : row i -> is i K_er -> T i 221 = 1.
  Proof.
    intros Hi Hk. use i (Some K_er) (@None Z) k_after_head_follows_before_head as H. cbn [eval row_leaves] in H.
    apply same_if_canonical in H; [exact H|apply cell_canonical|unfold canonical, p; lia].
  Qed.

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  (* An E2 row adds its work to the total of a new entry, or more: never less. *)
  Lemma total_adds i : row i -> is i K_e1 -> is (nx i) K_e2 -> is (nx (nx i)) K_e3 -> 0 <= T (nx i) 221 <= 1 ->
    three_limbs (nx i) c_tot ->
    running_total (nx i) + T (nx i) 221 * lanes012 (nx i) <= running_total (nx (nx i)) /\ three_limbs (nx (nx i)) c_tot.
  Proof.
    intros Hi H1 H2 H3 Nb (R0 & R1 & R2). set (e2 := nx i) in *. set (e3 := nx e2) in *.
    assert (Row2 : row e2) by apply next_row. assert (Row3 : row e3) by apply next_row.
    use i (Some K_e1) (Some K_e2) k_received_lane_0_is_its_bytes as L0.
    use e2 (Some K_e2) (Some K_e3) k_received_lane_1_is_its_bytes as L1. use e2 (Some K_e2) (Some K_e3) k_received_lane_2_is_its_bytes as L2.
    use e2 (Some K_e2) (Some K_e3) k_total_or_coverage_0 as A0. use e2 (Some K_e2) (Some K_e3) k_total_or_coverage_1 as A1.
    use e2 (Some K_e2) (Some K_e3) k_total_or_coverage_2 as A2. use e2 (Some K_e2) (@None Z) k_total_carry_0_is_a_bit as B.
    use e3 (Some K_e3) (@None Z) k_total_is_its_bytes_0 as T0. use e3 (Some K_e3) (@None Z) k_total_is_its_bytes_1 as T1.
    use e3 (Some K_e3) (@None Z) k_total_is_its_bytes_2 as T2.
    cbn [eval row_leaves] in *. fold e2 in L0. fold e3 in A0, A1, A2. apply bit in B; [|apply cell_canonical]. columns.
    byte_at i 12. byte_at i 13. byte_at i 14. byte_at e2 8. byte_at e2 9. byte_at e2 10. byte_at e2 11. byte_at e2 12. byte_at e2 18.
    byte_at e3 8. byte_at e3 9. byte_at e3 10. byte_at e3 11. byte_at e3 12. byte_at e3 13. byte_at e3 14. byte_at e3 15.
    pose proof (cell_canonical e2 0). pose proof (cell_canonical e2 1). pose proof (cell_canonical e2 2).
    pose proof (cell_canonical e3 226). pose proof (cell_canonical e3 227). pose proof (cell_canonical e3 228).
    assert (W0 : limb24 (T e2 0)). { apply eq_if_small in L0; unfold p in *; clear A0 A1 A2 T0 T1 T2 L1 L2; lia. }
    assert (W1 : limb24 (T e2 1)). { apply eq_if_small in L1; unfold p in *; clear A0 A1 A2 T0 T1 T2 L0 L2; lia. }
    assert (W2 : limb24 (T e2 2)). { apply eq_if_small in L2; unfold p in *; clear A0 A1 A2 T0 T1 T2 L1 L0; lia. }
    assert (V0 : limb24 (T e3 226)). { apply eq_if_small in T0; unfold p in *; clear A0 A1 A2 L0 T1 T2 L1 L2; lia. }
    assert (V1 : limb24 (T e3 227)). { apply eq_if_small in T1; unfold p in *; clear A0 A1 A2 L0 T0 T2 L1 L2; lia. }
    assert (V2 : limb24 (T e3 228)). { apply eq_if_small in T2; unfold p in *; clear A0 A1 A2 L0 T1 T0 L1 L2; lia. }
    clear T0 T1 T2 L0 L1 L2. split; [|unfold three_limbs; columns; auto].
    apply mod_zero_iff in A0 as [q0 A0], A1 as [q1 A1], A2 as [q2 A2].
    unfold running_total, lanes012. columns. unfold p in *.
    assert (C : T e2 221 = 0 \/ T e2 221 = 1) by lia.
    destruct C as [C|C]; rewrite C in *; rewrite ?Z.mul_1_r, ?Z.mul_0_r in *; lia.
  Qed.

  (* At the end the total is under its cap. *)
  Definition total_cap := limbs3 (pub u_total_cap_0) (pub u_total_cap_1) (pub u_total_cap_2).

  Lemma total_is_under_the_cap i : row i -> is i K_er -> three_limbs i c_tot -> public_limbs u_total_cap_0 -> running_total i <= total_cap.
  Proof.
    intros Hi Hk (R0 & R1 & R2) (C0 & C1 & C2). columns. change (2 + 1) with 3 in *. change (2 + 2) with 4 in *.
    use i (Some K_er) (@None Z) k_total_cap_0 as A0. use i (Some K_er) (@None Z) k_total_cap_1 as A1. use i (Some K_er) (@None Z) k_total_cap_2 as A2.
    use i (Some K_er) (@None Z) k_total_cap_carry_0_is_a_bit as B0. use i (Some K_er) (@None Z) k_total_cap_carry_1_is_a_bit as B1.
    cbn [eval row_leaves] in *. apply bit in B0, B1; try apply cell_canonical.
    byte_at i 0. byte_at i 1. byte_at i 2. byte_at i 3. byte_at i 4. byte_at i 5. byte_at i 6. byte_at i 7.
    unfold running_total, total_cap. columns.
    apply eq_if_small in A0; [|clear A1 A2; unfold p; lia]. apply eq_if_small in A1; [|clear A2; unfold p; lia].
    apply eq_if_small in A2; [|unfold p; lia]. lia.
  Qed.

  (* R' after a RESIDUE entry is its cumulative. *)
  Lemma residue_passes_on i k : row i -> is i K_e4 -> is (nx i) k -> In k [K_e0; K_mi; K_er] -> T i c_residue = 1 ->
    (limb24 (T i 0) /\ limb24 (T i 1) /\ limb24 (T i 2)) -> residue_total (nx i) = lanes012 i.
  Proof.
    intros Hi Hk Hn I0 R (B0 & B1 & B2). unfold residue_total, lanes012. columns.
    pose proof (cell_canonical (nx i) 223). pose proof (cell_canonical (nx i) 224). pose proof (cell_canonical (nx i) 225).
    cbn [In] in I0. destruct I0 as [<-|[<-|[<-|[]]]].
    - same i (K_e4) (K_e0) (k_residue_or_peak_0). same i (K_e4) (K_e0) (k_residue_or_peak_1). same i (K_e4) (K_e0) (k_residue_or_peak_2).
      rewrite R in *. rewrite ?Z.mul_1_r, ?Z.mul_1_l in *. unfold p in *. lia.
    - same i (K_e4) (K_mi) (k_residue_or_peak_0). same i (K_e4) (K_mi) (k_residue_or_peak_1). same i (K_e4) (K_mi) (k_residue_or_peak_2).
      rewrite R in *. rewrite ?Z.mul_1_r, ?Z.mul_1_l in *. unfold p in *. lia.
    - same i (K_e4) (K_er) (k_residue_or_peak_0). same i (K_e4) (K_er) (k_residue_or_peak_1). same i (K_e4) (K_er) (k_residue_or_peak_2).
      rewrite R in *. rewrite ?Z.mul_1_r, ?Z.mul_1_l in *. unfold p in *. lia.
  Qed.

  (* Where unattributed work came in and R is charged, R' is at most the freeze at the end. *)
  Theorem residue_is_under_the_freeze i : row i -> is i K_er -> T i c_owes = 1 -> pub u_charge_residue = 1 ->
    three_limbs i c_res -> public_limbs u_freeze_0 -> residue_total i <= freeze.
  Proof.
    intros Hi Hk Ow Ch (R0 & R1 & R2) (C0 & C1 & C2). columns. change (11 + 1) with 12 in *. change (11 + 2) with 13 in *.
    use i (Some K_er) (@None Z) k_residue_limit_0 as A0. use i (Some K_er) (@None Z) k_residue_limit_1 as A1. use i (Some K_er) (@None Z) k_residue_limit_2 as A2.
    use i (Some K_er) (@None Z) k_residue_limit_carry_0_is_a_bit as B0. use i (Some K_er) (@None Z) k_residue_limit_carry_1_is_a_bit as B1.
    cbn [eval row_leaves] in *. apply bit in B0, B1; try apply cell_canonical. rewrite Ow, Ch in *.
    byte_at i 10. byte_at i 11. byte_at i 12. byte_at i 13. byte_at i 14. byte_at i 15. byte_at i 16. byte_at i 17.
    unfold residue_total, freeze, cap3. columns. rewrite ?Z.mul_1_r, ?Z.mul_1_l in *.
    apply mod_zero_iff in A0 as [q0 A0], A1 as [q1 A1], A2 as [q2 A2]. unfold p in *. lia.
  Qed.
End Steps.

Section Chain.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.
  Variable h : Z.                       (* the row of the registry's header *)
  Hypothesis Hrow : row h.
  Hypothesis Hhd : is h K_hd.
  Hypothesis Hfirst : is (nx h) K_e0 \/ is (nx h) K_mi.

  Notation at_ := (at_ h).

  (* Row j lies in the registry, before its end. *)
  Definition inside j := exists k, is (at_ j) k /\ In k [K_mi; K_e0; K_e1; K_e2; K_e3; K_e4].

  Ltac find := first [left; reflexivity | right; find].

  Lemma registry_pair i k k' : row i -> is i k -> is (nx i) k' -> In k [K_mi; K_e0; K_e1; K_e2; K_e3; K_e4] ->
    In (k, k') registry_pairs /\ (k' = K_er \/ In k' [K_mi; K_e0; K_e1; K_e2; K_e3; K_e4]).
  Proof.
    intros Hi Hk Hn I0. pose proof (order_of_rows i k k' Hi Hk Hn) as S. cbn [In] in I0.
    destruct I0 as [<-|[<-|[<-|[<-|[<-|[<-|[]]]]]]]; cbn [successors In] in S; cbn [registry_pairs In];
      repeat (destruct S as [<-|S]; [split; [find|first [left; reflexivity|right; find]]|]); destruct S.
  Qed.

  Lemma inside_or_end j : inside j -> inside (S j) \/ is (at_ (S j)) K_er.
  Proof.
    intros (k & Hk & I0). destruct (one_kind_each_row _ (at_row h (S j))) as [k' Hk']. pose proof Hk' as Hn. rewrite <- at_next in Hn.
    destruct (registry_pair (at_ j) k k' (at_row h j) Hk Hn I0) as [_ [->|I1]]; [right; exact Hk'|left; exists k'; auto].
  Qed.

  Lemma inside_first : inside 1.
  Proof. unfold inside. rewrite at_1. destruct Hfirst as [H|H]; eexists; (split; [exact H|]); cbn [In]; find. Qed.

  Lemma registry_goes_on n : (exists m, (1 <= m <= n)%nat /\ (forall j, (1 <= j <= m)%nat -> inside j) /\ is (at_ (S m)) K_er)
    \/ (forall j, (1 <= j <= S n)%nat -> inside j).
  Proof.
    induction n as [|n [IH|IH]].
    - right. intros j Hj. replace j with 1%nat by lia. apply inside_first.
    - left. destruct IH as (m & A & B). exists m. split; [lia|exact B].
    - destruct (inside_or_end (S n) (IH (S n) ltac:(lia))) as [R|R].
      + right. intros j Hj. destruct (Nat.eq_dec j (S (S n))) as [->|]; [exact R|apply IH; lia].
      + left. exists (S n). split; [lia|]. split; [exact IH|exact R].
  Qed.

  (* A registry ends. *)
  Theorem registry_is_finite : exists n, (1 <= n)%nat /\ (forall j, (1 <= j <= n)%nat -> inside j) /\ is (at_ (S n)) K_er.
  Proof.
    destruct (registry_goes_on (Z.to_nat N)) as [(m & A & B & C)|A]; [exists m; split; [lia|auto]|].
    exfalso. pose proof N_pos. assert (E : at_ (Z.to_nat N) = h).
    { unfold Readings.at_. rewrite Z2Nat.id by lia. replace (h + N) with (h + 1 * N) by ring. rewrite Z.mod_add by lia. apply Z.mod_small, Hrow. }
    destruct (A (Z.to_nat N) ltac:(lia)) as (k & Hk & I0). rewrite E in Hk. pose proof (kind_unique _ _ _ Hhd Hk) as <-.
    cbn [In] in I0. repeat destruct I0 as [I0|I0]; try discriminate; contradiction.
  Qed.

  (* What the HEADER bus grants at the header: no coverage. The third limb is a constraint's. *)
  Hypothesis Hzero : T h 226 = 0 /\ T h 227 = 0.

  Section Length.
    Variable n : nat.
    Hypothesis Hn : (1 <= n)%nat.
    Hypothesis Hinside : forall j, (1 <= j <= n)%nat -> inside j.
    Hypothesis Hend : is (at_ (S n)) K_er.

    Definition is_e2 i := T i (c_iv + K_e2) =? 1.

    (* Work of the entries after the before-head, among the first m rows. *)
    Fixpoint new_work (m : nat) : Z :=
      match m with O => 0 | S k => new_work k + if is_e2 (at_ m) then T (at_ m) c_new * lanes012 (at_ m) else 0 end.

    Lemma is_e2_iff i k : is i k -> is_e2 i = (k =? K_e2).
    Proof.
      intros Hk. unfold is_e2. rewrite (proj2 Hk (c_iv + K_e2) eq_refl).
      destruct (Z.eqb_spec (c_iv + K_e2) (c_iv + k)), (Z.eqb_spec k K_e2); try reflexivity; lia.
    Qed.

    Lemma only_e1_before_e2 i : row i -> is (nx i) K_e2 -> is i K_e1.
    Proof.
      intros Hi H2. destruct (one_kind_each_row i Hi) as [k Hk]. pose proof (order_of_rows i k _ Hi Hk H2) as S.
      pose proof (proj1 Hk) as B. assert (E : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
      repeat destruct E as [E|E]; subst k; cbn [successors In] in S; try exact Hk; exfalso; repeat destruct S as [S|S]; try discriminate; exact S.
    Qed.

    Lemma at_h : at_ 0 = h. Proof. apply at_0; exact Hrow. Qed.

    Lemma header_total : running_total h = 0 /\ three_limbs h c_tot /\ T h 221 = 0.
    Proof.
      use h (Some K_hd) (@None Z) k_total_starts_at_zero as H. cbn [eval row_leaves] in H. rewrite Z.mod_small in H by apply cell_canonical.
      unfold running_total, three_limbs. columns. destruct Hzero as [-> ->]. rewrite H. pose proof (header_is_not_new h Hrow Hhd). repeat split; lia.
    Qed.

    Lemma pair_at j k : (j <= n)%nat -> is (at_ j) k -> forall k', is (at_ (S j)) k' -> In (k, k') registry_pairs.
    Proof.
      intros Hj Hk k' Hk'. destruct j as [|j].
      - rewrite at_h in Hk. pose proof (kind_unique _ _ _ Hhd Hk) as <-. rewrite at_1 in Hk'.
        destruct Hfirst as [F|F]; pose proof (kind_unique _ _ _ F Hk') as <-; cbn [registry_pairs In]; find.
      - destruct (Hinside (S j) ltac:(lia)) as (k2 & Hk2 & I0). pose proof (kind_unique _ _ _ Hk Hk2) as <-. rewrite <- at_next in Hk'.
        apply (registry_pair (at_ (S j)) k k'); auto. apply at_row.
    Qed.

    Lemma total_invariant m : (m <= n)%nat -> new_work m <= running_total (at_ (S m)) /\ three_limbs (at_ (S m)) c_tot
      /\ 0 <= T (at_ (S m)) 221 <= 1 /\ three_limbs (at_ m) c_tot /\ 0 <= T (at_ m) 221 <= 1.
    Proof.
      destruct header_total as (Z0 & Z1 & Z2).
      assert (Step : forall w, (w <= n)%nat -> three_limbs (at_ w) c_tot -> 0 <= T (at_ w) 221 <= 1 ->
        0 <= T (at_ (S w)) 221 <= 1 /\ three_limbs (at_ (S w)) c_tot
        /\ running_total (at_ w) + (if is_e2 (at_ w) then T (at_ w) 221 * lanes012 (at_ w) else 0) <= running_total (at_ (S w))).
      { intros w Hm R B. destruct (one_kind_each_row _ (at_row h w)) as [k Hk]. destruct (one_kind_each_row _ (at_row h (S w))) as [k' Hk'].
        pose proof (pair_at w k Hm Hk k' Hk') as P. pose proof Hk' as Hn'. rewrite <- at_next in Hn'.
        pose proof (new_steps (at_ w) k k' (at_row h w) Hk Hn' P B) as Nw. rewrite at_next in Nw.
        split.
        { destruct (Z.eqb_spec k K_mi) as [->|]; [rewrite (before_head_is_old _ (at_row h w) Hk) in Nw|]; lia. }
        rewrite (is_e2_iff _ k Hk). destruct (Z.eqb_spec k K_e2) as [->|Ne].
        - assert (M : exists v, w = S v).
          { destruct w as [|v]; [|eauto]. rewrite at_h in Hk. discriminate (kind_unique _ _ _ Hhd Hk). }
          destruct M as [v ->]. assert (K1 : is (at_ v) K_e1) by (apply only_e1_before_e2; [apply at_row|rewrite at_next; exact Hk]).
          cbn [registry_pairs In] in P. assert (k' = K_e3) as -> by (repeat destruct P as [P|P]; try discriminate P; [injection P as <-; reflexivity|contradiction]).
          destruct (total_adds (at_ v) (at_row h v) K1) as [G1 G2]; rewrite ?at_next; auto. rewrite !at_next in *. auto.
        - pose proof (total_is_kept (at_ w) k k' (at_row h w) Hk Hn' P Ne) as (S0 & S1 & S2). rewrite at_next in *.
          unfold three_limbs, running_total in *. columns. rewrite S0, S1, S2. split; [exact R|lia]. }
      induction m as [|m IH]; intros Hm.
      - rewrite at_h in *. destruct (Step 0%nat ltac:(lia)) as (A & B & C); rewrite ?at_h; auto; [lia|].
        rewrite at_h in C. rewrite (is_e2_iff h K_hd Hhd) in C. cbn [Z.eqb Pos.eqb] in C. cbn [new_work].
        split; [lia|]. split; [exact B|]. split; [exact A|]. split; [exact Z1|lia].
      - destruct IH as (A & B & C & _ & _); [lia|]. destruct (Step (S m) ltac:(lia) B C) as (D & F & G).
        cbn [new_work]. split; [|auto]. columns. lia.
    Qed.

    (* R6: what the period's entries received is at most the total cap. *)
    Theorem new_work_is_under_the_total_cap : public_limbs u_total_cap_0 -> new_work n <= total_cap.
    Proof.
      intros Cap. destruct (total_invariant n ltac:(lia)) as (A & B & _).
      pose proof (total_is_under_the_cap _ (at_row h (S n)) Hend B Cap). lia.
    Qed.
  End Length.
End Chain.
