(* Records of summaries: their tags ascend strictly, in both directions; what is received is the record's work. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry.
Import ListNotations.
Local Open Scope Z_scope.

Section Records.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Notation key i := (T i c_key).

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Lemma sent_tag i : row i -> is i K_sent -> limb24 (key i) /\ T i 1 = key i.
  Proof.
    intros Hi Hk. use i (Some K_sent) (@None Z) k_record_tag_is_its_bytes as A. use i (Some K_sent) (@None Z) k_record_key_is_the_tag as B.
    cbn [eval row_leaves] in *. pose proof (cell_canonical i 230). pose proof (cell_canonical i 1). byte_at i 17. byte_at i 18. byte_at i 19.
    apply eq_if_small in A; [|unfold p in *; lia]. apply eq_if_small in B; [|unfold p in *; lia]. lia.
  Qed.

  Lemma side_tag i : row i -> is i K_side -> limb24 (key i) /\ key (nx i) = key i /\ T (nx i) 1 = key i.
  Proof.
    intros Hi Hk. assert (Hn : is (nx i) K_got) by (apply (follows i K_side); auto). pose proof (next_row i) as Hj.
    use i (Some K_side) (Some K_got) k_record_tag_is_its_bytes as A. use i (Some K_side) (Some K_got) k_side_has_the_record_s_tag as B.
    use (nx i) (Some K_got) (@None Z) k_record_key_is_the_tag as C.
    cbn [eval row_leaves] in *. pose proof (cell_canonical i 230). pose proof (cell_canonical (nx i) 230). pose proof (cell_canonical (nx i) 1).
    byte_at i 17. byte_at i 18. byte_at i 19.
    apply eq_if_small in A; [|unfold p in *; lia]. apply eq_if_small in B; [|unfold p in *; lia]. apply eq_if_small in C; [|unfold p in *; lia]. lia.
  Qed.

  Lemma sent_ascends i : row i -> is i K_sent -> is (nx i) K_sent -> key i < key (nx i).
  Proof.
    intros Hi Hk Hn. pose proof (next_row i) as Hj. destruct (sent_tag i Hi Hk) as [A _]. destruct (sent_tag _ Hj Hn) as [B _].
    use i (Some K_sent) (Some K_sent) k_records_ascend as H. cbn [eval row_leaves] in H. byte_at i 14. byte_at i 15. byte_at i 16.
    apply eq_if_small in H; [|unfold p; lia]. lia.
  Qed.

  Lemma received_ascends i : row i -> is i K_side -> is (nx (nx i)) K_side -> key i < key (nx (nx i)).
  Proof.
    intros Hi Hk Hn. pose proof (next_row i) as Hj. pose proof (next_row (nx i)) as Hl. destruct (side_tag i Hi Hk) as (A & E & _).
    destruct (side_tag _ Hl Hn) as (B & _). assert (Hg : is (nx i) K_got) by (apply (follows i K_side); auto).
    use (nx i) (Some K_got) (Some K_side) k_records_ascend as H. cbn [eval row_leaves] in H. byte_at (nx i) 14. byte_at (nx i) 15. byte_at (nx i) 16.
    rewrite E in H. apply eq_if_small in H; [|unfold p; lia]. lia.
  Qed.

  (* Any number of records that are sent one after another: their tags ascend strictly, so a tag is sent once. *)
  Theorem sent_tags_ascend h n : (forall j, (1 <= j <= n)%nat -> is (at_ h j) K_sent) ->
    forall j k, (1 <= j)%nat -> (j < k <= n)%nat -> key (at_ h j) < key (at_ h k).
  Proof.
    intros Hs j k Hj. induction k as [|k IH]; intros Hk; [lia|].
    assert (S : key (at_ h k) < key (at_ h (S k))).
    { rewrite <- at_next. apply sent_ascends; [apply at_row|apply Hs; lia|rewrite at_next; apply Hs; lia]. }
    destruct (Nat.eq_dec j k) as [->|]; [exact S|]. specialize (IH ltac:(lia)). lia.
  Qed.

  (* Any number of records that are received one after another, two rows each: their tags ascend strictly, so a tag has one receiver. *)
  Theorem received_tags_ascend h n : (forall j, (j < n)%nat -> is (at_ h (1 + 2 * j)) K_side) ->
    forall j k, (j < k < n)%nat -> key (at_ h (1 + 2 * j)) < key (at_ h (1 + 2 * k)).
  Proof.
    intros Hs j k. induction k as [|k IH]; intros Hk; [lia|].
    assert (S : key (at_ h (1 + 2 * k)) < key (at_ h (1 + 2 * S k))).
    { assert (E : at_ h (1 + 2 * S k) = nx (nx (at_ h (1 + 2 * k)))) by (rewrite (at_next h (1 + 2 * k)), at_next; f_equal; lia).
      rewrite E. apply received_ascends; [apply at_row|apply Hs; lia|]. rewrite <- E. apply Hs; lia. }
    destruct (Nat.eq_dec j k) as [->|]; [exact S|]. specialize (IH ltac:(lia)). lia.
  Qed.

  Definition record_work i := limbs3 (T i 4) (T i 5) (T i 6).

  (* R4 of a record of a site's table: its work is what its six sums of digits come to, and has seven bytes. *)
  Theorem record_is_what_is_received i : row i -> is i K_side ->
    digit_sum (T i c_sum) /\ digit_sum (T i (c_sum + 1)) /\ digit_sum (T i (c_sum + 2))
      /\ digit_sum (T (nx i) c_sum) /\ digit_sum (T (nx i) (c_sum + 1)) /\ digit_sum (T (nx i) (c_sum + 2)) ->
    record_work (nx i) = T i c_sum + 2 ^ 8 * T i (c_sum + 1) + 2 ^ 16 * T i (c_sum + 2)
                         + 2 ^ 24 * T (nx i) c_sum + 2 ^ 32 * T (nx i) (c_sum + 1) + 2 ^ 40 * T (nx i) (c_sum + 2)
    /\ 0 <= record_work (nx i) < 2 ^ 56.
  Proof.
    intros Hi Hk (S0 & S1 & S2 & S3 & S4 & S5). unfold digit_sum in *. pose proof (next_row i) as Hj.
    assert (Hg : is (nx i) K_got) by (apply (follows i K_side); auto). set (g := nx i) in *.
    use i (Some K_side) (Some K_got) k_received_0 as A0. use i (Some K_side) (Some K_got) k_received_1 as A1. use i (Some K_side) (Some K_got) k_received_2 as A2.
    use i (Some K_side) (Some K_got) k_received_3 as A3. use g (Some K_got) (@None Z) k_received_4 as A4. use g (Some K_got) (@None Z) k_received_5 as A5.
    use i (Some K_side) (@None Z) k_received_carry_0_is_below_2_22 as C0. use i (Some K_side) (@None Z) k_received_carry_1_is_below_2_22 as C1.
    use i (Some K_side) (@None Z) k_received_carry_2_is_below_2_22 as C2. use g (Some K_got) (@None Z) k_received_carry_3_is_below_2_22 as C3.
    use g (Some K_got) (@None Z) k_received_carry_4_is_below_2_22 as C4.
    use i (Some K_side) (Some K_got) k_received_lane_0_is_its_bytes as W0. use g (Some K_got) (@None Z) k_received_lane_1_is_its_bytes as W1.
    use g (Some K_got) (@None Z) k_received_lane_2_is_its_bytes as W2. use g (Some K_got) (@None Z) k_received_work_has_seven_bytes as Top.
    cbn [eval row_leaves] in *. fold g in A3, W0. columns.
    pose proof (cell_canonical g 4) as G4. pose proof (cell_canonical g 5) as G5. pose proof (cell_canonical g 6) as G6.
    byte_at i 0. byte_at i 1. byte_at i 2. byte_at i 3. byte_at i 4. byte_at i 5. byte_at i 6. byte_at i 7. byte_at i 8. byte_at i 9.
    byte_at i 10. byte_at i 11. byte_at i 12. byte_at i 13. byte_at i 14.
    byte_at g 0. byte_at g 1. byte_at g 2. byte_at g 3. byte_at g 4. byte_at g 5. byte_at g 6. byte_at g 7. byte_at g 8. byte_at g 9.
    byte_at g 10. byte_at g 11. byte_at g 12.
    clear Hi Hk Hj Hg. rewrite Z.mod_small in Top by (unfold p; lia).
    apply eq_if_small in C0; [|unfold p; lia]. apply eq_if_small in C1; [|unfold p; lia]. apply eq_if_small in C2; [|unfold p; lia].
    apply eq_if_small in C3; [|unfold p; lia]. apply eq_if_small in C4; [|unfold p; lia].
    apply eq_if_small in W0; [|unfold p in *; lia]. apply eq_if_small in W1; [|unfold p in *; lia]. apply eq_if_small in W2; [|unfold p in *; lia].
    apply eq_if_small in A0; [|unfold p; lia]. apply eq_if_small in A1; [|unfold p; lia]. apply eq_if_small in A2; [|unfold p; lia].
    apply eq_if_small in A3; [|unfold p; lia]. apply eq_if_small in A4; [|unfold p; lia]. apply eq_if_small in A5; [|unfold p; lia].
    unfold record_work. split; lia.
  Qed.
End Records.
