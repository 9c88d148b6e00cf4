(* R5: an entry's cumulative. R4: what an entry receives is its work. R6: caps of an entry, and the total of a registry. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings.
Import ListNotations.
Local Open Scope Z_scope.

Notation limbs3 a b c := (a + 2 ^ 24 * b + 2 ^ 48 * c).

Section Entry.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  (* Amounts of a row: 64 bits as limbs of 24, 24 and 16. *)
  Definition lanes012 i := limbs3 (T i 0) (T i 1) (T i 2).
  Definition fetched i := limbs3 (T i c_val) (T i (c_val + 1)) (T i (c_val + 2)).
  Definition residue_total i := limbs3 (T i c_res) (T i (c_res + 1)) (T i (c_res + 2)).
  Definition three_limbs i c := limb24 (T i c) /\ limb24 (T i (c + 1)) /\ limb24 (T i (c + 2)).

  (* The five rows of an entry. *)
  Record entry (e0 e1 e2 e3 e4 : Z) : Prop := {
    r0 : row e0; n1 : nx e0 = e1; n2 : nx e1 = e2; n3 : nx e2 = e3; n4 : nx e3 = e4;
    k0 : is e0 K_e0; k1 : is e1 K_e1; k2 : is e2 K_e2; k3 : is e3 K_e3; k4 : is e4 K_e4 }.

  Lemma follows i k k' : row i -> is i k -> successors k = [k'] -> is (nx i) k'.
  Proof.
    intros Hi Hk E. destruct (one_kind_each_row _ (next_row i)) as [k2 H2]. pose proof (order_of_rows i k k2 Hi Hk H2) as S.
    rewrite E in S. destruct S as [->|[]]. exact H2.
  Qed.

  (* An E0 row is the first of five. *)
  Theorem entry_has_five_rows i : row i -> is i K_e0 -> entry i (nx i) (nx (nx i)) (nx (nx (nx i))) (nx (nx (nx (nx i)))).
  Proof.
    intros Hi H0. pose proof (next_row i) as R1. pose proof (next_row (nx i)) as R2. pose proof (next_row (nx (nx i))) as R3.
    assert (H1 : is (nx i) K_e1) by (apply (follows i K_e0); auto).
    assert (H2 : is (nx (nx i)) K_e2) by (apply (follows _ K_e1); auto).
    assert (H3 : is (nx (nx (nx i))) K_e3) by (apply (follows _ K_e2); auto).
    assert (H4 : is (nx (nx (nx (nx i)))) K_e4) by (apply (follows _ K_e3); auto).
    constructor; auto.
  Qed.

  Section Rows5.
    Variables e0 e1 e2 e3 e4 : Z.
    Hypothesis E : entry e0 e1 e2 e3 e4.

    Lemma R0 : row e0. Proof. apply E. Qed.
    Lemma R1 : row e1. Proof. rewrite <- (n1 _ _ _ _ _ E). apply next_row. Qed.
    Lemma R2 : row e2. Proof. rewrite <- (n2 _ _ _ _ _ E). apply next_row. Qed.
    Lemma R3 : row e3. Proof. rewrite <- (n3 _ _ _ _ _ E). apply next_row. Qed.
    Lemma R4 : row e4. Proof. rewrite <- (n4 _ _ _ _ _ E). apply next_row. Qed.
    Let K0 : is e0 K_e0 := k0 _ _ _ _ _ E.
    Let K1 : is e1 K_e1 := k1 _ _ _ _ _ E.
    Let K2 : is e2 K_e2 := k2 _ _ _ _ _ E.
    Let K3 : is e3 K_e3 := k3 _ _ _ _ _ E.
    Let K4 : is e4 K_e4 := k4 _ _ _ _ _ E.

    (* A constraint of one of the five rows, as an equation modulo p. *)
    Tactic Notation "use0" constr(c) "as" ident(H) := let A := fresh "Rw" in pose proof R0 as A; let B := fresh "Nx" in assert (B : is (nx e0) K_e1) by (rewrite (n1 _ _ _ _ _ E); exact K1);
      use_constraint e0 (Some K_e0) (Some K_e1) c H; cbn [eval row_leaves] in H; rewrite ?(n1 _ _ _ _ _ E) in H.
    Tactic Notation "use1" constr(c) "as" ident(H) := let A := fresh "Rw" in pose proof R1 as A; let B := fresh "Nx" in assert (B : is (nx e1) K_e2) by (rewrite (n2 _ _ _ _ _ E); exact K2);
      use_constraint e1 (Some K_e1) (Some K_e2) c H; cbn [eval row_leaves] in H; rewrite ?(n2 _ _ _ _ _ E) in H.
    Tactic Notation "use2" constr(c) "as" ident(H) := let A := fresh "Rw" in pose proof R2 as A; let B := fresh "Nx" in assert (B : is (nx e2) K_e3) by (rewrite (n3 _ _ _ _ _ E); exact K3);
      use_constraint e2 (Some K_e2) (Some K_e3) c H; cbn [eval row_leaves] in H; rewrite ?(n3 _ _ _ _ _ E) in H.
    Tactic Notation "use3" constr(c) "as" ident(H) := let A := fresh "Rw" in pose proof R3 as A; let B := fresh "Nx" in assert (B : is (nx e3) K_e4) by (rewrite (n4 _ _ _ _ _ E); exact K4);
      use_constraint e3 (Some K_e3) (Some K_e4) c H; cbn [eval row_leaves] in H; rewrite ?(n4 _ _ _ _ _ E) in H.
    Tactic Notation "use4" constr(c) "as" ident(H) := let A := fresh "Rw" in pose proof R4 as A;
      use_constraint e4 (Some K_e4) (@None Z) c H; cbn [eval row_leaves] in H.

    Tactic Notation "bit4" constr(c) "as" ident(H) := use4 c as H; apply bit in H; [|apply cell_canonical].

    Lemma eq_if_small v : v mod p = 0 -> - p < v < p -> v = 0.
    Proof. intros H B. apply mod_zero_iff in H as [q H]. unfold p in *. lia. Qed.

    Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
      let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

    (* ---- Amounts are bytes ---- *)

    Lemma declared_lanes : limb24 (T e3 0) /\ limb24 (T e3 1) /\ 0 <= T e3 2 < 2 ^ 16.
    Proof.
      use3 k_declared_lane_0_is_its_bytes as H0. use3 k_declared_lane_1_is_its_bytes as H1. use3 k_declared_lane_2_is_its_bytes as H2.
      pose proof (cell_canonical e3 0). pose proof (cell_canonical e3 1). pose proof (cell_canonical e3 2).
      byte_at e3 0. byte_at e3 1. byte_at e3 2. byte_at e3 3. byte_at e3 4. byte_at e3 5. byte_at e3 6. byte_at e3 7.
      apply eq_if_small in H0, H1, H2; try (unfold p in *; lia).
    Qed.

    Lemma cumulative_lanes : limb24 (T e4 0) /\ limb24 (T e4 1) /\ 0 <= T e4 2 < 2 ^ 16.
    Proof.
      use4 k_cumulative_lane_0_is_its_bytes as H0. use4 k_cumulative_lane_1_is_its_bytes as H1. use4 k_cumulative_lane_2_is_its_bytes as H2.
      pose proof (cell_canonical e4 0). pose proof (cell_canonical e4 1). pose proof (cell_canonical e4 2).
      byte_at e4 0. byte_at e4 1. byte_at e4 2. byte_at e4 3. byte_at e4 4. byte_at e4 5. byte_at e4 6. byte_at e4 7.
      apply eq_if_small in H0, H1, H2; try (unfold p in *; lia).
    Qed.

    Lemma work_lanes : T e2 0 = T e1 210 + 256 * T e1 211 + 65536 * T e1 212
      /\ T e2 1 = T e2 206 + 256 * T e2 207 + 65536 * T e2 208 /\ T e2 2 = T e2 209 + 256 * T e2 210.
    Proof.
      use1 k_received_lane_0_is_its_bytes as H0. use2 k_received_lane_1_is_its_bytes as H1. use2 k_received_lane_2_is_its_bytes as H2.
      pose proof (cell_canonical e2 0). pose proof (cell_canonical e2 1). pose proof (cell_canonical e2 2).
      byte_at e1 12. byte_at e1 13. byte_at e1 14. byte_at e2 8. byte_at e2 9. byte_at e2 10. byte_at e2 11. byte_at e2 12.
      apply eq_if_small in H0, H1, H2; try (unfold p in *; lia).
    Qed.

    Lemma work_lanes_small : limb24 (T e2 0) /\ limb24 (T e2 1) /\ 0 <= T e2 2 < 2 ^ 16.
    Proof.
      destruct work_lanes as (A & B & C). pose proof R1. pose proof R2.
      byte_at e1 12. byte_at e1 13. byte_at e1 14. byte_at e2 8. byte_at e2 9. byte_at e2 10. byte_at e2 11. byte_at e2 12. lia.
    Qed.

    (* ---- Flags ---- *)

    Lemma residue_is_a_bit i : row i -> T i c_residue = 0 \/ T i c_residue = 1.
    Proof.
      intros Hi. use i (@None Z) (@None Z) k_residue_is_a_bit as H. cbn [eval row_leaves] in H. apply bit in H; [exact H|apply cell_canonical].
    Qed.

    Lemma residue_stays : T e1 c_residue = T e0 c_residue /\ T e2 c_residue = T e0 c_residue /\ T e3 c_residue = T e0 c_residue
      /\ T e4 c_residue = T e0 c_residue.
    Proof.
      use0 k_residue_stays as H0. use1 k_residue_stays as H1. use2 k_residue_stays as H2. use3 k_residue_stays as H3.
      apply same_if_canonical in H0, H1, H2, H3; try apply cell_canonical. intuition congruence.
    Qed.

    Lemma shared_base_bit : (T e1 c_shared_base = 0 \/ T e1 c_shared_base = 1) /\ T e2 c_shared_base = T e1 c_shared_base.
    Proof.
      use1 k_shared_base_is_a_bit as H0. use1 k_shared_base_stays as H1. apply bit in H0; [|apply cell_canonical].
      apply same_if_canonical in H1; try apply cell_canonical. auto.
    Qed.

    (* ---- R5: cumulative ---- *)

    Lemma carries_are_bits : (T e4 214 = 0 \/ T e4 214 = 1) /\ (T e4 215 = 0 \/ T e4 215 = 1) /\ (T e4 216 = 0 \/ T e4 216 = 1) /\ (T e4 217 = 0 \/ T e4 217 = 1).
    Proof.
      bit4 k_cumulative_carry_0_is_a_bit as H0. bit4 k_cumulative_carry_1_is_a_bit as H1.
      bit4 k_cumulative_carry_2_is_a_bit as H2. bit4 k_cumulative_carry_3_is_a_bit as H3. auto.
    Qed.

    (* One limb through the four steps of acc. *)
    Lemma limb_of_sum a1 a2 a3 a4 v0 r v1 w s v2 d carry out next_carry :
      limb24 v0 -> limb24 r -> limb24 v1 -> limb24 w -> limb24 v2 -> limb24 d -> limb24 out ->
      -1 <= carry <= 1 -> -1 <= next_carry <= 1 -> (s = 0 \/ s = 1) ->
      (a1 - v0 - r) mod p = 0 -> (a2 - a1 - v1) mod p = 0 -> (a3 - a2 - w + s * v2) mod p = 0 -> (a4 - a3 - d) mod p = 0 ->
      (a4 + carry - out - 16777216 * next_carry) mod p = 0 ->
      v0 + r + v1 + w - s * v2 + d + carry = out + 2 ^ 24 * next_carry.
    Proof.
      intros ? ? ? ? ? ? ? ? ? Hs A B C D F.
      apply mod_zero_iff in A as [q1 A], B as [q2 B], C as [q3 C], D as [q4 D], F as [q5 F].
      unfold p in *. destruct Hs as [-> | ->]; lia.
    Qed.

    Hypothesis F0 : three_limbs e0 c_val.     (* what the ENTRY bus gives: cumulative of parent 1, *)
    Hypothesis F1 : three_limbs e1 c_val.     (* of parent 2, *)
    Hypothesis F2 : three_limbs e2 c_val.     (* and of the base *)
    Hypothesis FR : three_limbs e0 c_res.     (* R *)

    (* R5: cumulative = work + declared + cum(parent 1) + cum(parent 2) - shared_base cum(base), and R for a RESIDUE entry, over the integers. *)
    Theorem cumulative_is_the_sum :
      lanes012 e4 = lanes012 e2 + lanes012 e3 + fetched e0 + fetched e1 - T e1 c_shared_base * fetched e2 + T e0 c_residue * residue_total e0.
    Proof.
      destruct F0 as (A0 & A1 & A2), F1 as (B0 & B1 & B2), F2 as (C0 & C1 & C2), FR as (D0 & D1 & D2). columns.
      destruct declared_lanes as (E0 & E1 & E2), cumulative_lanes as (G0 & G1 & G2), work_lanes_small as (W0 & W1 & W2).
      destruct carries_are_bits as (X0 & X1 & X2 & X3). destruct shared_base_bit as [Sb Ss]. pose proof (residue_is_a_bit e0 R0) as Rb. columns.
      use0 k_sum_starts_0 as S0. use0 k_sum_starts_1 as S1. use0 k_sum_starts_2 as S2.
      use1 k_sum_adds_second_parent_0 as P0. use1 k_sum_adds_second_parent_1 as P1. use1 k_sum_adds_second_parent_2 as P2.
      use2 k_sum_adds_work_0 as Q0. use2 k_sum_adds_work_1 as Q1. use2 k_sum_adds_work_2 as Q2.
      use3 k_sum_adds_declared_0 as U0. use3 k_sum_adds_declared_1 as U1. use3 k_sum_adds_declared_2 as U2.
      use4 k_cumulative_limb_0 as V0. use4 k_cumulative_limb_1 as V1. use4 k_cumulative_limb_2 as V2.
      rewrite Ss in Q0, Q1, Q2.
      assert (Ca : -1 <= T e4 214 - T e4 215 <= 1) by (clear - X0 X1; lia). assert (Cb : -1 <= T e4 216 - T e4 217 <= 1) by (clear - X2 X3; lia).
      assert (Cz : -1 <= 0 <= 1) by lia.
      assert (Wz : limb24 (T e2 2)) by (clear - W2; lia). assert (Ez : limb24 (T e3 2)) by (clear - E2; lia). assert (Gz : limb24 (T e4 2)) by (clear - G2; lia).
      assert (RR : forall x y, limb24 x -> y = T e0 236 * x \/ y = x * T e0 236 -> limb24 y) by (intros x y Hx [-> | ->]; destruct Rb as [-> | ->]; lia).
      pose proof (limb_of_sum (T e1 242) (T e2 242) (T e3 242) (T e4 242) (T e0 238) (T e0 223 * T e0 236) (T e1 238) (T e2 0) (T e1 237) (T e2 238)
        (T e3 0) 0 (T e4 0) (T e4 214 - T e4 215) A0 (RR _ _ D0 (or_intror eq_refl)) B0 W0 C0 E0 G0 Cz Ca Sb S0 P0 Q0 U0) as L0.
      pose proof (limb_of_sum (T e1 243) (T e2 243) (T e3 243) (T e4 243) (T e0 239) (T e0 224 * T e0 236) (T e1 239) (T e2 1) (T e1 237) (T e2 239)
        (T e3 1) (T e4 214 - T e4 215) (T e4 1) (T e4 216 - T e4 217) A1 (RR _ _ D1 (or_intror eq_refl)) B1 W1 C1 E1 G1 Ca Cb Sb S1 P1 Q1 U1) as L1.
      pose proof (limb_of_sum (T e1 244) (T e2 244) (T e3 244) (T e4 244) (T e0 240) (T e0 225 * T e0 236) (T e1 240) (T e2 2) (T e1 237) (T e2 240)
        (T e3 2) (T e4 216 - T e4 217) (T e4 2) 0 A2 (RR _ _ D2 (or_intror eq_refl)) B2 Wz C2 Ez Gz Cb Cz Sb S2 P2 Q2 U2) as L2.
      specialize (L0 ltac:(etransitivity; [|exact V0]; f_equal; ring)). specialize (L1 ltac:(etransitivity; [|exact V1]; f_equal; ring)).
      specialize (L2 ltac:(etransitivity; [|exact V2]; f_equal; ring)).
      clear - L0 L1 L2. unfold lanes012, fetched, residue_total. columns.
      match type of L0 with ?a = ?a' => match type of L1 with ?b = ?b' => match type of L2 with ?c = ?c' =>
        match goal with |- ?l = ?r => assert (X : r - l = (a - a') + 2 ^ 24 * (b - b') + 2 ^ 48 * (c - c')) by ring end end end end.
      rewrite L0, L1, L2 in X. lia.
    Qed.

    (* ---- R4: what is received is the work ---- *)

    (* Sums of digits, as the TAG bus can give at most: 2^22 readings of a byte, 256 records of two. *)
    Definition digit_sum v := 0 <= v <= 255 * 2 ^ 22 + 65535 * 256.
    Hypothesis Sums : digit_sum (T e1 c_sum) /\ digit_sum (T e1 (c_sum + 1)) /\ digit_sum (T e1 (c_sum + 2))
      /\ digit_sum (T e2 c_sum) /\ digit_sum (T e2 (c_sum + 1)) /\ digit_sum (T e2 (c_sum + 2)).

    Lemma one_times v : (1 * v) mod p = 0 -> v mod p = 0.
    Proof. rewrite Z.mul_1_l. auto. Qed.

    (* R4 of an entry after the before-head: its work is what its six sums of digits come to. *)
    Theorem work_is_what_is_received : T e1 c_new = 1 -> T e2 c_new = 1 ->
      lanes012 e2 = T e1 c_sum + 2 ^ 8 * T e1 (c_sum + 1) + 2 ^ 16 * T e1 (c_sum + 2)
                    + 2 ^ 24 * T e2 c_sum + 2 ^ 32 * T e2 (c_sum + 1) + 2 ^ 40 * T e2 (c_sum + 2).
    Proof.
      intros N1 N2. destruct Sums as (S0 & S1 & S2 & S3 & S4 & S5). unfold digit_sum in *. destruct work_lanes as (W0 & W1 & W2). columns.
      use1 k_received_0 as A0. use1 k_received_1 as A1. use1 k_received_2 as A2. use1 k_received_3 as A3. use2 k_received_4 as A4. use2 k_received_5 as A5.
      rewrite N1 in A0, A1, A2, A3. rewrite N2 in A4, A5. apply one_times in A0, A1, A2, A3, A4, A5.
      use1 k_received_carry_0_is_below_2_22 as C0. use1 k_received_carry_1_is_below_2_22 as C1. use1 k_received_carry_2_is_below_2_22 as C2.
      use2 k_received_carry_3_is_below_2_22 as C3. use2 k_received_carry_4_is_below_2_22 as C4.
      byte_at e1 0. byte_at e1 1. byte_at e1 2. byte_at e1 3. byte_at e1 4. byte_at e1 5. byte_at e1 6. byte_at e1 7. byte_at e1 8. byte_at e1 9.
      byte_at e1 10. byte_at e1 11. byte_at e1 12. byte_at e1 13. byte_at e1 14.
      byte_at e2 0. byte_at e2 1. byte_at e2 2. byte_at e2 3. byte_at e2 4. byte_at e2 5. byte_at e2 6. byte_at e2 7. byte_at e2 8. byte_at e2 9.
      byte_at e2 10. byte_at e2 11. byte_at e2 12.
      clear - A0 A1 A2 A3 A4 A5 C0 C1 C2 C3 C4 W0 W1 W2 S0 S1 S2 S3 S4 S5 Y Y0 Y1 Y2 Y3 Y4 Y5 Y6 Y7 Y8 Y9 Y10 Y11 Y12 Y13 Y14 Y15 Y16 Y17 Y18 Y19 Y20 Y21 Y22 Y23 Y24 Y25 Y26.
      apply eq_if_small in C0, C1, C2, C3, C4; try (clear A0 A1 A2 A3 A4 A5; unfold p; lia).
      apply eq_if_small in A0; [|clear A1 A2 A3 A4 A5; unfold p; lia]. apply eq_if_small in A1; [|clear A2 A3 A4 A5; unfold p; lia].
      apply eq_if_small in A2; [|clear A3 A4 A5; unfold p; lia]. apply eq_if_small in A3; [|clear A4 A5; unfold p; lia].
      apply eq_if_small in A4; [|clear A5; unfold p; lia]. apply eq_if_small in A5; [|unfold p; lia].
      unfold lanes012. lia.
    Qed.

    (* ---- R6: the limit of an entry ---- *)

    Definition cap3 (c0 c1 c2 : Z) := limbs3 c0 c1 c2.
    Definition lineage_cap := cap3 (pub u_lineage_cap_0) (pub u_lineage_cap_1) (pub u_lineage_cap_2).
    Definition freeze := cap3 (pub u_freeze_0) (pub u_freeze_1) (pub u_freeze_2).
    Definition unattributed_cap := cap3 (pub u_unattributed_cap_0) (pub u_unattributed_cap_1) (pub u_unattributed_cap_2).
    Definition public_limbs u := limb24 (pub u) /\ limb24 (pub (u + 1)) /\ limb24 (pub (u + 2)).
    Hypothesis Caps : public_limbs u_lineage_cap_0 /\ public_limbs u_freeze_0 /\ public_limbs u_unattributed_cap_0.
    Hypothesis Charge : pub u_charge_residue = 0 \/ pub u_charge_residue = 1.
    Hypothesis FR4 : three_limbs e4 c_res.    (* R at E4 *)

    Lemma works_stay : (T e2 c_works = 0 \/ T e2 c_works = 1) /\ T e3 c_works = T e2 c_works
      /\ (T e0 c_residue = 0 -> T e4 c_works = T e2 c_works) /\ (T e0 c_residue = 1 -> T e4 c_works = 0).
    Proof.
      destruct residue_stays as (_ & _ & Q3 & _).
      use2 k_works_is_a_bit as B. apply bit in B; [|apply cell_canonical].
      use2 k_works_stays as H2. apply same_if_canonical in H2; try apply cell_canonical.
      use3 k_works_stays as H3. columns. rewrite Q3, H2 in H3. split; [exact B|]. split; [exact H2|].
      pose proof (cell_canonical e4 249) as C. split; intros R; rewrite R in H3; apply mod_zero_iff in H3 as [q H3]; unfold p in *; lia.
    Qed.

    Lemma who_works : T e2 c_works = 0 -> lanes012 e2 = 0.
    Proof.
      intros Wk. destruct work_lanes_small as (W0 & W1 & W2). use2 k_who_receives_works as H. columns. rewrite Wk in H.
      rewrite Z.sub_0_r, Z.mul_1_r in H. apply eq_if_small in H; [|unfold p; lia]. unfold lanes012. lia.
    Qed.

    Lemma limit_carries : (T e4 245 = 0 \/ T e4 245 = 1) /\ (T e4 246 = 0 \/ T e4 246 = 1) /\ (T e4 247 = 0 \/ T e4 247 = 1) /\ (T e4 237 = 0 \/ T e4 237 = 1).
    Proof.
      bit4 k_limit_carry_0_is_a_bit as B0. bit4 k_limit_carry_1_is_a_bit as B1. bit4 k_limit_carry_2_is_a_bit as B2.
      bit4 k_shared_base_is_a_bit as B3. auto.
    Qed.

    (* An entry of the period that is no RESIDUE entry: its cumulative, with R where R is charged, is at most the lineage cap, and
       at most the freeze if it received work. *)
    Theorem new_entry_is_under_its_limit : T e4 c_new = 1 -> T e0 c_residue = 0 -> freeze <= lineage_cap ->
      lanes012 e4 + pub u_charge_residue * residue_total e4 <= (if lanes012 e2 =? 0 then lineage_cap else freeze).
    Proof.
      intros Nw Rs Fl. destruct residue_stays as (_ & _ & _ & Q4). rewrite Rs in Q4.
      destruct works_stay as (Wb & _ & Ws & _). specialize (Ws Rs). destruct limit_carries as (X0 & X1 & X2 & X3).
      destruct cumulative_lanes as (G0 & G1 & G2). destruct Caps as (L & F & _), FR4 as (D0 & D1 & D2). destruct L as (L0 & L1 & L2), F as (M0 & M1 & M2).
      use4 k_limit_limb_0 as A0. use4 k_limit_limb_1 as A1. use4 k_limit_limb_2 as A2.
      use4 k_limit_is_the_cap_0 as V0. use4 k_limit_is_the_cap_1 as V1. use4 k_limit_is_the_cap_2 as V2.
      columns. change (8 + 1) with 9 in *. change (8 + 2) with 10 in *. change (11 + 1) with 12 in *. change (11 + 2) with 13 in *.
      rewrite Q4 in *. rewrite Nw in *. rewrite ?Z.mul_1_l, ?Z.mul_0_l, ?Z.add_0_r, ?Z.sub_0_r in *.
      byte_at e4 8. byte_at e4 9. byte_at e4 10. byte_at e4 11. byte_at e4 12. byte_at e4 13. byte_at e4 14. byte_at e4 15.
      assert (Lim : T e4 238 + 2 ^ 24 * T e4 239 + 2 ^ 48 * T e4 240 = if T e4 249 =? 1 then freeze else lineage_cap).
      { rewrite Ws in *. pose proof (cell_canonical e4 238). pose proof (cell_canonical e4 239). pose proof (cell_canonical e4 240).
        clear - Wb V0 V1 V2 L0 L1 L2 M0 M1 M2 H H0 H1. unfold freeze, lineage_cap, cap3. columns.
        destruct Wb as [Wb|Wb]; rewrite Wb in *; cbn [Z.eqb Pos.eqb]; apply eq_if_small in V0, V1, V2; try (unfold p in *; lia). }
      assert (Tot : lanes012 e4 + pub 15 * residue_total e4 <= T e4 238 + 2 ^ 24 * T e4 239 + 2 ^ 48 * T e4 240).
      { pose proof (cell_canonical e4 238). pose proof (cell_canonical e4 239). pose proof (cell_canonical e4 240).
        assert (limb24 (T e4 238) /\ limb24 (T e4 239) /\ limb24 (T e4 240)) as (B0 & B1 & B2).
        { rewrite Ws in *. clear - Wb V0 V1 V2 L0 L1 L2 M0 M1 M2 H H0 H1. 
          destruct Wb as [Wb|Wb]; rewrite Wb in *; apply eq_if_small in V0, V1, V2; try (unfold p in *; lia). }
        clear V0 V1 V2 Lim. unfold lanes012, residue_total. columns.
        destruct Charge as [Ch|Ch]; rewrite Ch in *; apply eq_if_small in A0, A1, A2; try (clear A0 A1 A2; unfold p; lia); try lia. }
      rewrite Lim, Ws in Tot. destruct (Z.eqb_spec (lanes012 e2) 0) as [Z0|Z0].
      - destruct (T e2 249 =? 1); lia.
      - destruct Wb as [Wb|Wb]; [exfalso; apply Z0, who_works, Wb|]. rewrite Wb in Tot. exact Tot.
    Qed.

    (* The RESIDUE entry of the period: what it adds to R is at most the unattributed cap. *)
    Theorem residue_entry_is_under_its_cap : T e4 c_new = 1 -> T e0 c_residue = 1 -> lanes012 e4 - residue_total e4 <= unattributed_cap.
    Proof.
      intros Nw Rs. destruct residue_stays as (_ & _ & _ & Q4). rewrite Rs in Q4.
      destruct works_stay as (_ & _ & _ & Ws). specialize (Ws Rs). destruct limit_carries as (X0 & X1 & X2 & X3).
      destruct cumulative_lanes as (G0 & G1 & G2). destruct Caps as (_ & _ & U), FR4 as (D0 & D1 & D2). destruct U as (U0 & U1 & U2).
      use4 k_limit_limb_0 as A0. use4 k_limit_limb_1 as A1. use4 k_limit_limb_2 as A2.
      use4 k_limit_is_the_cap_0 as V0. use4 k_limit_is_the_cap_1 as V1. use4 k_limit_is_the_cap_2 as V2.
      columns. change (5 + 1) with 6 in *. change (5 + 2) with 7 in *.
      rewrite Q4, ?Ws, ?Nw in *. rewrite ?Z.mul_1_l, ?Z.mul_0_l, ?Z.add_0_r, ?Z.sub_0_r in *.
      byte_at e4 8. byte_at e4 9. byte_at e4 10. byte_at e4 11. byte_at e4 12. byte_at e4 13. byte_at e4 14. byte_at e4 15.
      pose proof (cell_canonical e4 238) as C0. pose proof (cell_canonical e4 239) as C1. pose proof (cell_canonical e4 240) as C2.
      assert (T e4 238 = pub 5 /\ T e4 239 = pub 6 /\ T e4 240 = pub 7) as (E0 & E1 & E2).
      { clear - V0 V1 V2 C0 C1 C2 U0 U1 U2. apply mod_zero_iff in V0 as [q0 V0], V1 as [q1 V1], V2 as [q2 V2]. unfold p in *. repeat split; lia. }
      clear V0 V1 V2. rewrite E0, E1, E2 in *.
      unfold unattributed_cap, cap3, lanes012, residue_total. columns.
      apply mod_zero_iff in A0 as [q0 A0], A1 as [q1 A1], A2 as [q2 A2].
      replace (pub 15 - (1 + pub 15)) with (-1) in * by ring. unfold p in *. lia.
    Qed.
  End Rows5.
End Entry.
