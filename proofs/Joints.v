(* What the five rows of an entry have in common, and what comes from one entry to the next. *)
From Coq Require Import ZArith List Bool Lia.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Entries.
Import ListNotations.
Local Open Scope Z_scope.

Section Five.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.
  Variables e0 e1 e2 e3 e4 : Z.
  Hypothesis E : entry e0 e1 e2 e3 e4.

  Let A0 : row e0 := R0 _ _ _ _ _ E.
  Let A1 : row e1 := R1 _ _ _ _ _ E.
  Let A2 : row e2 := R2 _ _ _ _ _ E.
  Let A3 : row e3 := R3 _ _ _ _ _ E.
  Let A4 : row e4 := R4 _ _ _ _ _ E.

  Tactic Notation "use0" constr(c) "as" ident(H) := let A := fresh in pose proof A0 as A; let K := fresh in pose proof (k0 _ _ _ _ _ E) as K;
    let B := fresh in assert (B : is (nx e0) K_e1) by (rewrite (n1 _ _ _ _ _ E); exact (k1 _ _ _ _ _ E));
    use_constraint e0 (Some K_e0) (Some K_e1) c H; cbn [eval row_leaves] in H; rewrite ?(n1 _ _ _ _ _ E) in H; clear A K B.
  Tactic Notation "use1" constr(c) "as" ident(H) := let A := fresh in pose proof A1 as A; let K := fresh in pose proof (k1 _ _ _ _ _ E) as K;
    let B := fresh in assert (B : is (nx e1) K_e2) by (rewrite (n2 _ _ _ _ _ E); exact (k2 _ _ _ _ _ E));
    use_constraint e1 (Some K_e1) (Some K_e2) c H; cbn [eval row_leaves] in H; rewrite ?(n2 _ _ _ _ _ E) in H; clear A K B.
  Tactic Notation "use2" constr(c) "as" ident(H) := let A := fresh in pose proof A2 as A; let K := fresh in pose proof (k2 _ _ _ _ _ E) as K;
    let B := fresh in assert (B : is (nx e2) K_e3) by (rewrite (n3 _ _ _ _ _ E); exact (k3 _ _ _ _ _ E));
    use_constraint e2 (Some K_e2) (Some K_e3) c H; cbn [eval row_leaves] in H; rewrite ?(n3 _ _ _ _ _ E) in H; clear A K B.
  Tactic Notation "use3" constr(c) "as" ident(H) := let A := fresh in pose proof A3 as A; let K := fresh in pose proof (k3 _ _ _ _ _ E) as K;
    let B := fresh in assert (B : is (nx e3) K_e4) by (rewrite (n4 _ _ _ _ _ E); exact (k4 _ _ _ _ _ E));
    use_constraint e3 (Some K_e3) (Some K_e4) c H; cbn [eval row_leaves] in H; rewrite ?(n4 _ _ _ _ _ E) in H; clear A K B.

  Tactic Notation "same_four" constr(c) := let S0 := fresh in let S1 := fresh in let S2 := fresh in let S3 := fresh in
    use0 c as S0; use1 c as S1; use2 c as S2; use3 c as S3; apply same_if_canonical in S0, S1, S2, S3; try apply cell_canonical; repeat split; congruence.
  Tactic Notation "same_three" constr(c) := let S1 := fresh in let S2 := fresh in let S3 := fresh in
    use1 c as S1; use2 c as S2; use3 c as S3; apply same_if_canonical in S1, S2, S3; try apply cell_canonical; repeat split; congruence.

  Definition same_all c := T e1 c = T e0 c /\ T e2 c = T e0 c /\ T e3 c = T e0 c /\ T e4 c = T e0 c.

  Lemma new_is_kept : same_all c_new. Proof. unfold same_all. same_four k_new_turns_at_the_before_head. Qed.
  Lemma index_is_kept : same_all c_index. Proof. unfold same_all. same_four k_index_counts_entries. Qed.
  Lemma opening_is_kept : same_all c_opening. Proof. unfold same_all. same_four k_opening_stays. Qed.
  Lemma external_is_kept : same_all c_external. Proof. unfold same_all. same_four k_external_stays. Qed.
  Lemma worker_is_kept : same_all c_worker. Proof. unfold same_all. same_four k_worker_stays. Qed.
  Lemma merge_is_kept : same_all c_merge. Proof. unfold same_all. same_four k_merge_stays. Qed.
  Lemma residue_is_kept : same_all c_residue. Proof. unfold same_all. same_four k_residue_stays. Qed.

  Lemma residue_amount_is_kept : same_all 223 /\ same_all 224 /\ same_all 225.
  Proof. unfold same_all. split; [|split]; [same_four k_residue_or_peak_0|same_four k_residue_or_peak_1|same_four k_residue_or_peak_2]. Qed.

  (* The entry's tag is its first lane, in `key` from E1 on. *)
  Lemma tag_is_kept : T e1 c_key = T e0 0 /\ T e2 c_key = T e0 0 /\ T e3 c_key = T e0 0 /\ T e4 c_key = T e0 0.
  Proof.
    use0 k_tag_enters_key as S0. apply same_if_canonical in S0; try apply cell_canonical. rewrite <- S0. split; [reflexivity|]. same_three k_tag_stays.
  Qed.

  Lemma base_is_kept : T e1 c_base = T e0 3 /\ T e2 c_base = T e0 3 /\ T e3 c_base = T e0 3 /\ T e4 c_base = T e0 3.
  Proof.
    use0 k_base_is_carried as S0. apply same_if_canonical in S0; try apply cell_canonical. rewrite <- S0. split; [reflexivity|]. same_three k_base_stays.
  Qed.

  Lemma flag_bits : (T e0 c_opening = 0 \/ T e0 c_opening = 1) /\ (T e0 c_external = 0 \/ T e0 c_external = 1) /\ (T e0 c_worker = 0 \/ T e0 c_worker = 1)
    /\ (T e0 c_merge = 0 \/ T e0 c_merge = 1) /\ (T e0 c_residue = 0 \/ T e0 c_residue = 1).
  Proof.
    use0 k_opening_is_a_bit as B0. use0 k_external_is_a_bit as B1. use0 k_worker_is_a_bit as B2. use0 k_merge_is_a_bit as B3. use0 k_residue_is_a_bit as B4.
    apply bit in B0, B1, B2, B3, B4; try apply cell_canonical. auto.
  Qed.

  Lemma sorted_tag_moves : T e4 c_sorted_prev = if T e0 c_residue =? 1 then T e0 c_sorted_prev else T e0 c_key.
  Proof.
    destruct flag_bits as (_ & _ & _ & _ & Rb).
    assert (S : T e2 c_sorted_prev = T e1 c_sorted_prev /\ T e3 c_sorted_prev = T e1 c_sorted_prev /\ T e4 c_sorted_prev = T e1 c_sorted_prev) by same_three k_sorted_tag_is_remembered.
    destruct S as (_ & _ & ->). use0 k_sorted_tag_is_remembered as Hs. pose proof (cell_canonical e0 229). pose proof (cell_canonical e0 230). pose proof (cell_canonical e1 229).
    destruct Rb as [Rb|Rb]; rewrite Rb in *; cbn [Z.eqb Pos.eqb]; apply mod_zero_iff in Hs as [q Hs]; unfold p in *; lia.
  Qed.

  (* `owes` is set by E3 of a RESIDUE entry: that it received work. *)
  Lemma owes_moves : T e4 c_owes = if T e0 c_residue =? 1 then T e2 c_works else T e0 c_owes.
  Proof.
    destruct flag_bits as (_ & _ & _ & _ & Rb). destruct residue_is_kept as (_ & _ & R3' & _).
    use0 k_owes_is_carried as S0. use1 k_owes_is_carried as S1. use2 k_owes_is_carried as S2. use3 k_owes_is_carried as S3. use2 k_works_stays as W.
    apply same_if_canonical in S0, S1, S2, W; try apply cell_canonical. rewrite R3' in S3.
    pose proof (cell_canonical e3 249). pose proof (cell_canonical e3 250). pose proof (cell_canonical e4 250).
    destruct Rb as [Rb|Rb]; rewrite Rb in *; cbn [Z.eqb Pos.eqb]; apply mod_zero_iff in S3 as [q S3]; unfold p in *; lia.
  Qed.

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Lemma tag_range : limb24 (T e0 0).
  Proof.
    use0 k_tag_is_its_bytes as Hs. pose proof (cell_canonical e0 0). pose proof A0. byte_at e0 15. byte_at e0 16. byte_at e0 17.
    apply eq_if_small in Hs; unfold p in *; lia.
  Qed.

  (* The sorted tag of an entry that is no RESIDUE entry is above the one before. *)
  Lemma sorted_tag_ascends : T e0 c_residue = 0 -> limb24 (T e0 c_sorted_prev) -> T e0 c_sorted_prev < T e0 c_key < 2 ^ 24.
  Proof.
    intros Rs Rg. use0 k_sorted_tag_is_its_bytes as Hs. use0 k_sorted_tags_increase as I0. rewrite Rs in I0. pose proof A0.
    pose proof (cell_canonical e0 230). byte_at e0 0. byte_at e0 1. byte_at e0 2. byte_at e0 3. byte_at e0 4. byte_at e0 5.
    apply eq_if_small in Hs; [|unfold p in *; lia]. apply eq_if_small in I0; [|unfold p in *; lia]. lia.
  Qed.

  Lemma residue_entry_tag : T e0 c_residue = 1 -> T e0 0 = 2.
  Proof. intros Rs. use0 k_residue_tag as Hs. rewrite Rs in Hs. pose proof (cell_canonical e0 0). apply mod_zero_iff in Hs as [q Hs]. unfold p in *. lia. Qed.
End Five.

(* ---- Between entries ---- *)

Section Between.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Definition joints : list (Z * Z) := [(K_hd, K_e0); (K_hd, K_mi); (K_mi, K_e0); (K_e4, K_e0); (K_e4, K_mi); (K_e4, K_er)].

  Tactic Notation "joint_cases" ident(P) := cbn [joints In] in P; destruct P as [P|[P|[P|[P|[P|[P|[]]]]]]]; injection P as <- <-.
  Tactic Notation "step" constr(i) constr(c) ident(H) := match goal with Hk : is i ?k, Hn : is (nx i) ?k' |- _ => use_constraint i (Some k) (Some k') c H; cbn [eval row_leaves] in H end.

  Lemma index_between i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') joints -> T i c_index < p - 1 ->
    T (nx i) c_index = T i c_index + (if k' =? K_e0 then 1 else 0).
  Proof.
    intros Hi Hk Hn P B. pose proof (cell_canonical i 222). pose proof (cell_canonical (nx i) 222).
    joint_cases P; step i k_index_counts_entries H'; cbn [Z.eqb Pos.eqb]; apply mod_zero_iff in H' as [q H']; unfold p in *; lia.
  Qed.

  Lemma sorted_between i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') joints -> T (nx i) c_sorted_prev = T i c_sorted_prev.
  Proof.
    intros Hi Hk Hn P. joint_cases P; step i k_sorted_tag_is_remembered H'; apply same_if_canonical in H'; auto; apply cell_canonical.
  Qed.

  Lemma owes_between i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') joints -> T (nx i) c_owes = T i c_owes.
  Proof. intros Hi Hk Hn P. joint_cases P; step i k_owes_is_carried H'; apply same_if_canonical in H'; auto; apply cell_canonical. Qed.

  Lemma res_between i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') joints -> k = K_e4 -> T i c_residue = 0 \/ T i c_residue = 1 ->
    if T i c_residue =? 1 then T (nx i) 223 = T i 0 /\ T (nx i) 224 = T i 1 /\ T (nx i) 225 = T i 2
    else T (nx i) 223 = T i 223 /\ T (nx i) 224 = T i 224 /\ T (nx i) 225 = T i 225.
  Proof.
    intros Hi Hk Hn P Ek Rb.
    pose proof (cell_canonical i 223). pose proof (cell_canonical (nx i) 223). pose proof (cell_canonical i 0).
    pose proof (cell_canonical i 224). pose proof (cell_canonical (nx i) 224). pose proof (cell_canonical i 1).
    pose proof (cell_canonical i 225). pose proof (cell_canonical (nx i) 225). pose proof (cell_canonical i 2).
    joint_cases P; try discriminate Ek; step i k_residue_or_peak_0 Q0; step i k_residue_or_peak_1 Q1; step i k_residue_or_peak_2 Q2;
      destruct Rb as [Rb|Rb]; rewrite Rb in *; cbn [Z.eqb Pos.eqb]; apply mod_zero_iff in Q0 as [q0 Q0], Q1 as [q1 Q1], Q2 as [q2 Q2]; unfold p in *; lia.
  Qed.

  Lemma res_into i k k' : row i -> is i k -> is (nx i) k' -> In (k, k') joints -> k <> K_e4 ->
    T (nx i) 223 = T i 223 /\ T (nx i) 224 = T i 224 /\ T (nx i) 225 = T i 225.
  Proof.
    intros Hi Hk Hn P Ek.
    joint_cases P; try congruence; step i k_residue_or_peak_0 Q0; step i k_residue_or_peak_1 Q1; step i k_residue_or_peak_2 Q2;
      apply same_if_canonical in Q0, Q1, Q2; auto; apply cell_canonical.
  Qed.

  Lemma header_starts i : row i -> is i K_hd -> T i c_index = 0 /\ T i c_sorted_prev = 2.
  Proof.
    intros Hi Hk. use i (Some K_hd) (@None Z) k_index_starts_at_zero as A. use i (Some K_hd) (@None Z) k_sorted_tags_start_at_three as B.
    cbn [eval row_leaves] in *. pose proof (cell_canonical i 222). pose proof (cell_canonical i 229).
    apply mod_zero_iff in A as [qa A], B as [qb B]. unfold p in *. lia.
  Qed.

  (* The entry after the before-head is the RESIDUE entry; no other new entry is one. *)
  Lemma residue_follows i : row i -> is i K_mi -> T (nx i) c_residue = 1.
  Proof.
    intros Hi Hk. use i (Some K_mi) (@None Z) k_residue_follows_before_head as A. cbn [eval row_leaves] in A.
    apply same_if_canonical in A; [exact A|apply cell_canonical|unfold canonical, p; lia].
  Qed.
  Lemma residue_only_there i k : row i -> is i k -> is (nx i) K_e0 -> k <> K_mi -> In k [K_hd; K_e4] -> T (nx i) c_new = 1 -> T (nx i) c_residue = 0 \/ T (nx i) c_residue = 1 ->
    T (nx i) c_residue = 0.
  Proof.
    intros Hi Hk Hn Ne I0 Nw Rb. cbn [In] in I0. destruct I0 as [<-|[<-|[]]];
      step i k_residue_only_after_before_head H'; rewrite Nw in H'; destruct Rb as [Rb|Rb]; auto; rewrite Rb in H'; discriminate H'.
  Qed.
End Between.
