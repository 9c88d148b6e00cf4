(* The registry's entries by number, 0 .. a + b - 1: tags, kinds, parents, bases, who receives, caps (R4, R5, R6). *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Entries Tags Statement Cut Along Bases Lineage.
Import ListNotations.
Local Open Scope Z_scope.

Section Books.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Variable h : Z.
  Variables a b : nat.
  Hypothesis G : is_registry h a b.

  Notation e x j := (erow h a x j).
  Notation n := (a + b)%nat.

  (* What is hashed of an entry. *)
  Definition e_tag x := T (e x 0) 0.
  Definition e_kind x := T (e x 0) 1.
  Definition e_parent1 x := T (e x 0) 2.
  Definition e_base x := T (e x 0) 3.
  Definition e_epoch x := T (e x 0) 4.
  Definition e_parent2 x := T (e x 1) 0.
  Definition e_work x := lanes012 (e x 2).
  Definition e_declared x := lanes012 (e x 3).
  Definition e_cumulative x := lanes012 (e x 4).
  Notation residue x := (is_residue h a x).
  Notation r_before x := (residue_before h a x).

  Lemma en x : (x < n)%nat -> entry (e x 0) (e x 1) (e x 2) (e x 3) (e x 4).
  Proof. apply (entry_x h a b (g_entries _ _ _ G)). Qed.

  Lemma flag x : (x < n)%nat -> T (e x 0) c_residue = if residue x then 1 else 0.
  Proof. intros Hx. unfold is_residue. destruct (residue_bit h a b (g_entries _ _ _ G) x Hx) as [-> | ->]; reflexivity. Qed.

  Ltac registry_facts := try apply G.
  Lemma number x : (x < n)%nat -> T (e x 0) c_index = Z.of_nat x + 1.
  Proof. intros Hx. apply (index_is h) with (b := b); registry_facts. exact Hx. Qed.
  Lemma r_comes x : (x <= n)%nat -> residue_total (target h a b x) = r_before x /\ three_limbs (target h a b x) c_res.
  Proof. intros Hx. apply (residue_comes_along h); registry_facts. exact Hx. Qed.
  Lemma is_new x : (x < n)%nat -> T (e x 0) c_new = if (x <? a)%nat then 0 else 1.
  Proof. intros Hx. apply (entry_is_new h) with (b := b); registry_facts. exact Hx. Qed.
  Lemma new_residue x : (a <= x < n)%nat -> residue x = (x =? a)%nat.
  Proof. intros Hx. apply (one_new_residue h) with (b := b); registry_facts. exact Hx. Qed.
  Lemma ascend y z : (y < z < n)%nat -> residue y = false -> residue z = false -> sorted_tag h a y < sorted_tag h a z.
  Proof. intros Hx. apply (sorted_tags_ascend h) with (b := b); registry_facts. exact Hx. Qed.
  Lemma start y : (y < n)%nat -> residue y = false -> 2 < sorted_tag h a y < 2 ^ 24.
  Proof. intros Hx. apply (sorted_tags_start h) with (b := b); registry_facts. exact Hx. Qed.

  Lemma erow_row x j : row (e x j).
  Proof. apply at_row. Qed.

  Lemma erow_is x j : (x < n)%nat -> (j < 5)%nat -> is (e x j) (7 + Z.of_nat j).
  Proof. intros Hx Hj. apply five; [apply (g_entries _ _ _ G x Hx)|exact Hj]. Qed.

  Lemma pos_small x j : (x < n)%nat -> (j < 5)%nat -> Z.of_nat (pos a x + j) < N.
  Proof. intros Hx Hj. pose proof (g_length _ _ _ G). unfold pos. destruct (Nat.ltb_spec x a); lia. Qed.

  Lemma erow_injective x j y k : (x < n)%nat -> (j < 5)%nat -> (y < n)%nat -> (k < 5)%nat -> e x j = e y k -> x = y /\ j = k.
  Proof.
    intros Hx Hj Hy Hk E. unfold erow in E. apply at_injective in E; [|apply G|apply pos_small; assumption|apply pos_small; assumption].
    unfold pos in E. destruct (Nat.ltb_spec x a), (Nat.ltb_spec y a); lia.
  Qed.

  (* Rows of the table that are E0, ..., E4 are these. *)
  Lemma which i k : row i -> is i k -> In k [K_e0; K_e1; K_e2; K_e3; K_e4] -> exists x j, (x < n)%nat /\ (j < 5)%nat /\ k = 7 + Z.of_nat j /\ i = e x j.
  Proof. apply (entry_rows h a b G). Qed.

  (* ---- Tags ---- *)

  Lemma cell_of_kind i k c : is i k -> 180 <= c < 197 -> T i c = if c =? 180 + k then 1 else 0.
  Proof. intros Hk Hc. apply (proj2 Hk). unfold kind_column. apply andb_true_iff. split; [apply Z.leb_le|apply Z.ltb_lt]; lia. Qed.

  Lemma kind_of_cell i k : row i -> 180 <= k < 197 -> T i k = 1 -> is i (k - 180).
  Proof.
    intros Hi Hk E. destruct (one_kind_each_row i Hi) as [k' K']. rewrite (cell_of_kind i k' k K' Hk) in E.
    destruct (Z.eqb_spec k (180 + k')); [|discriminate E]. replace (k - 180) with k' by lia. exact K'.
  Qed.

  Lemma tag_of_row x j : (x < n)%nat -> (1 <= j < 5)%nat -> T (e x j) c_key = e_tag x.
  Proof.
    intros Hx Hj. destruct (tag_is_kept _ _ _ _ _ (en x Hx)) as (A & B & C & D). unfold e_tag.
    destruct j as [|[|[|[|[|j]]]]]; try lia; assumption.
  Qed.

  Lemma residue_of_row x j : (x < n)%nat -> (j < 5)%nat -> T (e x j) c_residue = if residue x then 1 else 0.
  Proof.
    intros Hx Hj. destruct (residue_is_kept _ _ _ _ _ (en x Hx)) as (A & B & C & D). rewrite <- (flag x Hx).
    destruct j as [|[|[|[|[|j]]]]]; try lia; auto.
  Qed.

  Lemma sorted_once tag : of_tag tag sorted <= 1.
  Proof.
    unfold of_tag. apply at_most_one; [apply rows_nodup| |].
    - intros i Hi. apply rows_in in Hi. destruct (_ =? _); [|auto]. unfold sorted. apply (one_bit i 187 Hi). cbn; tauto.
    - intros i j Hi Hj. apply rows_in in Hi, Hj.
      assert (X : forall i, row i -> (if T i c_key =? tag then sorted i else 0) = 1 -> exists x, (x < n)%nat /\ i = e x 0 /\ residue x = false /\ sorted_tag h a x = tag).
      { clear i j Hi Hj. intros i Hi E. destruct (Z.eqb_spec (T i c_key) tag) as [Ek|]; [|discriminate E]. unfold sorted in E.
        destruct (residue_is_a_bit i Hi) as [Rb|Rb]; rewrite Rb in E; [|lia]. assert (E1 : T i 187 = 1) by lia.
        pose proof (kind_of_cell i 187 Hi ltac:(lia) E1) as K. destruct (which i _ Hi K ltac:(cbn; tauto)) as (x & j & Hx & Hj & Ej & ->).
        assert (j = 0)%nat as -> by lia. exists x. split; [exact Hx|]. split; [reflexivity|]. rewrite (residue_of_row x 0 Hx Hj) in Rb.
        split; [destruct (residue x); [discriminate Rb|reflexivity]|exact Ek]. }
      intros Ei Ej. destruct (X i Hi Ei) as (x & Hx & -> & Rx & Sx). destruct (X j Hj Ej) as (y & Hy & -> & Ry & Sy).
      destruct (lt_eq_lt_dec x y) as [[L|E]|L]; [|subst; reflexivity|].
      + pose proof (ascend x y ltac:(lia) Rx Ry). lia.
      + pose proof (ascend y x ltac:(lia) Ry Rx). lia.
  Qed.

  Lemma own_tag_at x : (x < n)%nat -> residue x = false -> (if T (e x 3) c_key =? e_tag x then own_tag (e x 3) else 0) = 1.
  Proof.
    intros Hx Rx. rewrite (tag_of_row x 3 Hx ltac:(lia)), Z.eqb_refl. unfold own_tag. rewrite (residue_of_row x 3 Hx ltac:(lia)), Rx.
    rewrite (cell_of_kind _ _ 190 (erow_is x 3 Hx ltac:(lia)) ltac:(lia)). reflexivity.
  Qed.

  Lemma own_positive tag i : row i -> 0 <= (if T i c_key =? tag then own_tag i else 0).
  Proof. intros Hi. destruct (_ =? _); [|lia]. unfold own_tag. pose proof (one_bit i 190 Hi ltac:(cbn; tauto)). lia. Qed.

  (* SORT makes the tags of entries distinct, RESIDUE entries aside: these have tag 2, below all others. *)
  Theorem tags_are_distinct x y : (x < n)%nat -> (y < n)%nat -> residue x = false -> residue y = false -> e_tag x = e_tag y -> x = y.
  Proof.
    intros Hx Hy Rx Ry E. destruct (Nat.eq_dec x y) as [|Ne]; [assumption|]. exfalso.
    pose proof (tags_are_sorted (e_tag x)) as S. pose proof (sorted_once (e_tag x)) as One.
    pose proof (two_in_sum (fun i => if T i c_key =? e_tag x then own_tag i else 0) (rows N) (e x 3) (e y 3) rows_nodup) as Two. cbv beta in Two.
    rewrite (own_tag_at x Hx Rx) in Two. pose proof (own_tag_at y Hy Ry) as Oy. rewrite <- E in Oy. rewrite Oy in Two.
    assert (Two' := Two ltac:(intros i Hi; apply rows_in in Hi; apply own_positive, Hi) (proj1 (rows_in _) (erow_row x 3)) (proj1 (rows_in _) (erow_row y 3))
      ltac:(intros Q; apply erow_injective in Q; lia)).
    unfold of_tag in *. lia.
  Qed.

  Theorem tag_is_above_two x : (x < n)%nat -> residue x = false -> 2 < e_tag x < 2 ^ 24.
  Proof.
    intros Hx Rx. pose proof (tags_are_sorted (e_tag x)) as S.
    pose proof (sum_at_least (fun i => if T i c_key =? e_tag x then own_tag i else 0) (rows N) (e x 3)) as L. cbv beta in L. rewrite (own_tag_at x Hx Rx) in L.
    assert (L' := L ltac:(intros i Hi; apply rows_in in Hi; apply own_positive, Hi) (proj1 (rows_in _) (erow_row x 3))).
    destruct (some_positive (fun i => if T i c_key =? e_tag x then sorted i else 0) (rows N)) as (i & Hi & P).
    - intros i Hi. apply rows_in in Hi. destruct (_ =? _); [|lia]. unfold sorted. pose proof (one_bit i 187 Hi ltac:(cbn; tauto)). lia.
    - unfold of_tag in S. rewrite <- S. lia.
    - apply rows_in in Hi. destruct (Z.eqb_spec (T i c_key) (e_tag x)) as [Ek|]; [|lia]. unfold sorted in P.
      destruct (one_bit i 187 Hi ltac:(cbn; tauto)) as [Z0|Z1]; [lia|].
      destruct (residue_is_a_bit i Hi) as [Rb|Rb]; rewrite Rb in *; [|lia]. assert (E1 : T i 187 = 1) by lia.
      pose proof (kind_of_cell i 187 Hi ltac:(lia) E1) as K. destruct (which i _ Hi K ltac:(cbn; tauto)) as (y & j & Hy & Hj & Ej & ->).
      assert (j = 0)%nat as -> by lia. rewrite (residue_of_row y 0 Hy Hj) in Rb. rewrite <- Ek. apply (start y Hy). destruct (residue y); [discriminate Rb|reflexivity].
  Qed.

  Theorem residue_has_tag_two x : (x < n)%nat -> residue x = true -> e_tag x = 2.
  Proof. intros Hx Rx. apply (residue_entry_tag _ _ _ _ _ (en x Hx)). rewrite (flag x Hx), Rx. reflexivity. Qed.

  (* ---- Fetches ---- *)

  (* The number of the entry with a tag, from 1 on; 0 for NONE. RESIDUE entries are nobody's parent. *)
  Fixpoint seek (m : nat) (tag : Z) : nat := match m with O => O | S y => if negb (residue y) && (e_tag y =? tag) then S y else seek y tag end.
  Definition numbered (tag : Z) : nat := seek n tag.

  Lemma seek_found m y : (y < m <= n)%nat -> residue y = false -> seek m (e_tag y) = S y.
  Proof.
    induction m as [|m IH]; intros Hm Ry; [lia|]. cbn [seek]. destruct (residue m) eqn:Rm; cbn [negb andb].
    - apply IH; [|exact Ry]. destruct (Nat.eq_dec y m) as [->|]; [congruence|lia].
    - destruct (Z.eqb_spec (e_tag m) (e_tag y)) as [E|E]; [f_equal; apply tags_are_distinct; auto; lia|].
      apply IH; [|exact Ry]. destruct (Nat.eq_dec y m) as [->|]; [congruence|lia].
  Qed.
  Lemma seek_none m tag : (m <= n)%nat -> tag <= 2 -> seek m tag = 0%nat.
  Proof.
    induction m as [|m IH]; intros Hm L; [reflexivity|]. cbn [seek]. destruct (residue m) eqn:Rm; cbn [negb andb]; [apply IH; lia|].
    pose proof (tag_is_above_two m ltac:(lia) Rm). destruct (Z.eqb_spec (e_tag m) tag); [lia|apply IH; lia].
  Qed.

  (* Cumulative and base of what has a number. *)
  Definition cum (q : nat) : Z := match q with O => 0 | S y => e_cumulative y end.
  Definition base_tag (q : nat) : Z := match q with O => 0 | S y => e_base y end.
  Definition asked x (j : nat) : Z := match j with 0%nat => e_parent1 x | 1%nat => e_parent2 x | _ => e_base x end.

  Tactic Notation "said_is" constr(i) constr(Hk) constr(k) :=
    unfold said; rewrite (message_is i k 12 _ Hk eq_refl);
    let l := eval vm_compute in (s_message (sym (fx (Some k) None)) 12) in
    replace (s_message (sym (fx (Some k) None)) 12) with l by (vm_compute; reflexivity);
    cbn [map nth eval row_leaves]; rewrite ?mod_cell.

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [apply erow_row|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Lemma asked_said x j : (x < n)%nat -> (j < 3)%nat -> exists gap, 0 <= gap < 2 ^ 24 /\ nth 1 (said (e x j)) 0 = asked x j
    /\ nth 2 (said (e x j)) 0 = (T (e x j) c_index - 1 - gap) mod p /\ nth 3 (said (e x j)) 0 = T (e x j) 238 /\ nth 4 (said (e x j)) 0 = T (e x j) 239
    /\ nth 5 (said (e x j)) 0 = T (e x j) 240 /\ nth 6 (said (e x j)) 0 = T (e x j) c_fbase.
  Proof.
    intros Hx Hj. pose proof (en x Hx) as E. destruct j as [|[|[|j]]]; [| | |lia]; cbn [asked].
    - exists (T (e x 0) 204 + 256 * T (e x 0) 205 + 65536 * T (e x 0) 206). byte_at (e x 0) 6. byte_at (e x 0) 7. byte_at (e x 0) 8. split; [lia|].
      said_is (e x 0) (k0 _ _ _ _ _ E) K_e0. unfold e_parent1. repeat split; f_equal; ring.
    - exists (T (e x 1) 213 + 256 * T (e x 1) 214 + 65536 * T (e x 1) 215). byte_at (e x 1) 15. byte_at (e x 1) 16. byte_at (e x 1) 17. split; [lia|].
      said_is (e x 1) (k1 _ _ _ _ _ E) K_e1. unfold e_parent2. repeat split; f_equal; ring.
    - exists (T (e x 2) 212 + 256 * T (e x 2) 213 + 65536 * T (e x 2) 214). byte_at (e x 2) 14. byte_at (e x 2) 15. byte_at (e x 2) 16. split; [lia|].
      destruct (base_is_kept _ _ _ _ _ E) as (_ & Bk & _). said_is (e x 2) (k2 _ _ _ _ _ E) K_e2. unfold e_base. rewrite <- Bk. repeat split; f_equal; ring.
  Qed.

  (* What is fetched is cumulative and base of the entry with the tag asked for, which stands before; or NONE's. *)
  Theorem fetched_is_of_the_tag x j : (x < n)%nat -> (j < 3)%nat ->
    (numbered (asked x j) <= x)%nat /\ fetched (e x j) = cum (numbered (asked x j)) /\ T (e x j) c_fbase = base_tag (numbered (asked x j))
    /\ (asked x j = 0 <-> numbered (asked x j) = 0%nat).
  Proof.
    intros Hx Hj. pose proof (en x Hx) as E. pose proof (erow_is x j Hx ltac:(lia)) as K.
    assert (Fk : In (7 + Z.of_nat j) fetch_kinds) by (destruct j as [|[|[|j]]]; [left|right; left|right; right; left|lia]; reflexivity).
    destruct (fetch_has_a_source _ _ (erow_row x j) K Fk) as (i & Hi & Ki & Ax & Sm).
    destruct (asked_said x j Hx Hj) as (gap & Gp & S1 & S2 & S3 & S4 & S5 & S6).
    pose proof (same_message_nth _ _ 1 ltac:(lia) Sm) as M1. pose proof (same_message_nth _ _ 2 ltac:(lia) Sm) as M2.
    pose proof (same_message_nth _ _ 3 ltac:(lia) Sm) as M3. pose proof (same_message_nth _ _ 4 ltac:(lia) Sm) as M4.
    pose proof (same_message_nth _ _ 5 ltac:(lia) Sm) as M5. pose proof (same_message_nth _ _ 6 ltac:(lia) Sm) as M6.
    rewrite S1 in M1. rewrite S2 in M2. rewrite S3 in M3. rewrite S4 in M4. rewrite S5 in M5. rewrite S6 in M6.
    assert (Ix : T (e x j) c_index = Z.of_nat x + 1).
    { rewrite <- (number x Hx). destruct (index_is_kept _ _ _ _ _ E) as (I1 & I2 & _). destruct j as [|[|[|j]]]; [reflexivity|exact I1|exact I2|lia]. }
    rewrite Ix in M2. unfold fetched. columns. destruct Ki as [Ki|Ki].
    - destruct (which i _ Hi Ki ltac:(cbn; tauto)) as (y & j' & Hy & Hj' & Ej & ->). assert (j' = 4)%nat as -> by lia.
      pose proof (en y Hy) as Ey.
      assert (V : nth 1 (said (e y 4)) 0 = e_tag y /\ nth 2 (said (e y 4)) 0 = Z.of_nat y + 1 /\ nth 3 (said (e y 4)) 0 = T (e y 4) 0 /\ nth 4 (said (e y 4)) 0 = T (e y 4) 1
        /\ nth 5 (said (e y 4)) 0 = T (e y 4) 2 /\ nth 6 (said (e y 4)) 0 = e_base y).
      { destruct (base_is_kept _ _ _ _ _ Ey) as (_ & _ & _ & Bk). destruct (index_is_kept _ _ _ _ _ Ey) as (_ & _ & _ & I4).
        rewrite <- (tag_of_row y 4 Hy ltac:(lia)), <- (number y Hy), <- I4. unfold e_base. rewrite <- Bk. said_is (e y 4) (k4 _ _ _ _ _ Ey) K_e4. repeat split. }
      destruct V as (V1 & V2 & V3 & V4 & V5 & V6). rewrite V1 in M1. rewrite V2 in M2. rewrite V3 in M3. rewrite V4 in M4. rewrite V5 in M5. rewrite V6 in M6.
      assert (Ry : residue y = false).
      { destruct (residue y) eqn:Ry; [|reflexivity]. exfalso. pose proof (erow_row y 4) as Rw. use (e y 4) (Some K_e4) (@None Z) k_residue_is_no_parent as Q.
        cbn [eval row_leaves] in Q. rewrite (residue_of_row y 4 Hy ltac:(lia)), Ry in Q. cbv beta iota in Q. replace (T (e y 4) 248 * 1) with (T (e y 4) 248) in Q by ring. replace (1 * T (e y 4) 248) with (T (e y 4) 248) in Q by ring. rewrite mod_cell in Q. contradiction. }
      rewrite <- M1. unfold numbered. rewrite (seek_found n y ltac:(lia) Ry). cbn [cum base_tag]. unfold e_cumulative, lanes012.
      pose proof (g_length _ _ _ G) as Ln. pose proof size as Sz. symmetry in M2.
      assert (Lt : Z.of_nat y + 1 = Z.of_nat x + 1 - 1 - gap).
      { pose proof (Z.div_mod (Z.of_nat x + 1 - 1 - gap) p ltac:(unfold p; lia)) as D. rewrite M2 in D. unfold p in *. lia. }
      split; [lia|]. split; [congruence|]. split; [congruence|]. pose proof (tag_is_above_two y Hy Ry). split; intros; lia.
    - assert (V : nth 1 (said i) 0 = 0 /\ nth 3 (said i) 0 = 0 /\ nth 4 (said i) 0 = 0 /\ nth 5 (said i) 0 = 0 /\ nth 6 (said i) 0 = 0) by (said_is i Ki K_iv; repeat split).
      destruct V as (V1 & V3 & V4 & V5 & V6). rewrite V1 in M1. rewrite V3 in M3. rewrite V4 in M4. rewrite V5 in M5. rewrite V6 in M6.
      rewrite <- M1. unfold numbered. rewrite (seek_none n 0) by lia. cbn [cum base_tag]. rewrite <- M3, <- M4, <- M5, <- M6.
      split; [lia|]. split; [lia|]. split; [reflexivity|]. split; reflexivity.
  Qed.

  (* ---- Kinds ---- *)

  Tactic Notation "use0" constr(x) constr(Hx) constr(c) "as" ident(H) := let A := fresh in pose proof (erow_row x 0) as A; let K := fresh in pose proof (k0 _ _ _ _ _ (en x Hx)) as K;
    let B := fresh in assert (B : is (nx (e x 0)) K_e1) by (rewrite (n1 _ _ _ _ _ (en x Hx)); exact (k1 _ _ _ _ _ (en x Hx)));
    use_constraint (e x 0) (Some K_e0) (Some K_e1) c H; cbn [eval row_leaves] in H; rewrite ?(n1 _ _ _ _ _ (en x Hx)) in H; clear A K B.
  Tactic Notation "use1" constr(x) constr(Hx) constr(c) "as" ident(H) := let A := fresh in pose proof (erow_row x 1) as A; let K := fresh in pose proof (k1 _ _ _ _ _ (en x Hx)) as K;
    let B := fresh in assert (B : is (nx (e x 1)) K_e2) by (rewrite (n2 _ _ _ _ _ (en x Hx)); exact (k2 _ _ _ _ _ (en x Hx)));
    use_constraint (e x 1) (Some K_e1) (Some K_e2) c H; cbn [eval row_leaves] in H; rewrite ?(n2 _ _ _ _ _ (en x Hx)) in H; clear A K B.
  Tactic Notation "use2" constr(x) constr(Hx) constr(c) "as" ident(H) := let A := fresh in pose proof (erow_row x 2) as A; let K := fresh in pose proof (k2 _ _ _ _ _ (en x Hx)) as K;
    let B := fresh in assert (B : is (nx (e x 2)) K_e3) by (rewrite (n3 _ _ _ _ _ (en x Hx)); exact (k3 _ _ _ _ _ (en x Hx)));
    use_constraint (e x 2) (Some K_e2) (Some K_e3) c H; cbn [eval row_leaves] in H; rewrite ?(n3 _ _ _ _ _ (en x Hx)) in H; clear A K B.
  Tactic Notation "use3" constr(x) constr(Hx) constr(c) "as" ident(H) := let A := fresh in pose proof (erow_row x 3) as A; let K := fresh in pose proof (k3 _ _ _ _ _ (en x Hx)) as K;
    let B := fresh in assert (B : is (nx (e x 3)) K_e4) by (rewrite (n4 _ _ _ _ _ (en x Hx)); exact (k4 _ _ _ _ _ (en x Hx)));
    use_constraint (e x 3) (Some K_e3) (Some K_e4) c H; cbn [eval row_leaves] in H; rewrite ?(n4 _ _ _ _ _ (en x Hx)) in H; clear A K B.

  Definition OPENING := 1. Definition EXTERNAL := 2. Definition CHECKPOINT := 3. Definition SNAPSHOT := 4. Definition MERGE := 5. Definition RESIDUE := 6.

  (* The kind that is hashed is the kind whose flag is set. *)
  Theorem kind_of_entry x : (x < n)%nat -> 1 <= e_kind x <= 6
    /\ T (e x 0) c_opening = (if e_kind x =? OPENING then 1 else 0) /\ T (e x 0) c_external = (if e_kind x =? EXTERNAL then 1 else 0)
    /\ T (e x 0) c_worker = (if (e_kind x =? CHECKPOINT) || (e_kind x =? SNAPSHOT) then 1 else 0) /\ T (e x 0) c_merge = (if e_kind x =? MERGE then 1 else 0)
    /\ residue x = (e_kind x =? RESIDUE).
  Proof.
    intros Hx. destruct (flag_bits _ _ _ _ _ (en x Hx)) as (B0 & B1 & B2 & B3 & B4).
    use0 x Hx k_one_kind as O. use0 x Hx k_kind_bit_is_a_bit as Ab. apply bit in Ab; [|apply cell_canonical].
    use0 x Hx k_kind_bit_is_a_worker_s as Aw. use0 x Hx k_kind_is_hashed as Kh. pose proof (cell_canonical (e x 0) 1) as C.
    unfold is_residue. unfold e_kind, OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE.
    set (k := T (e x 0) 1) in *. set (v0 := T (e x 0) c_opening) in *. set (v1 := T (e x 0) c_external) in *. set (v2 := T (e x 0) c_worker) in *.
    set (v3 := T (e x 0) c_merge) in *. set (v4 := T (e x 0) c_residue) in *. set (v5 := T (e x 0) 248) in *. clearbody k v0 v1 v2 v3 v4 v5. clear - O Ab Aw Kh C B0 B1 B2 B3 B4.
    apply mod_zero_iff in O as [q O]. apply mod_zero_iff in Kh as [q' Kh]. unfold p in *.
    destruct B0 as [-> | ->], B1 as [-> | ->], B2 as [-> | ->], B3 as [-> | ->], B4 as [-> | ->]; try (exfalso; lia);
      (destruct Ab as [-> | ->]; [|try (exfalso; revert Aw; vm_compute; discriminate)]);
      match goal with |- 1 <= k <= 6 /\ _ => let v := fresh in assert (v : k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6) by lia;
        repeat destruct v as [v|v]; subst k; try (exfalso; lia); repeat split; try lia; reflexivity end.
  Qed.

  Ltac kinds x Hx := destruct (kind_of_entry x Hx) as (Kr & Fo & Fe & Fw & Fm & Fr); unfold OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE in *.

  (* R5: what an entry of a kind may have. *)
  Theorem entry_is_of_its_kind x : (x < n)%nat ->
    (In (e_kind x) [OPENING; EXTERNAL; RESIDUE] -> e_parent1 x = 0) /\ (e_kind x <> MERGE -> e_parent2 x = 0)
    /\ (In (e_kind x) [OPENING; EXTERNAL; MERGE] -> e_work x = 0) /\ (In (e_kind x) [CHECKPOINT; SNAPSHOT; MERGE; RESIDUE] -> e_declared x = 0)
    /\ (e_kind x = OPENING -> (x < a)%nat).
  Proof.
    intros Hx. kinds x Hx. pose proof (flag x Hx) as Fl. rewrite Fr in Fl. pose proof (en x Hx) as E.
    destruct (opening_is_kept _ _ _ _ _ E) as (o1 & o2 & o3 & _), (external_is_kept _ _ _ _ _ E) as (x1 & x2 & x3 & _), (worker_is_kept _ _ _ _ _ E) as (w1 & w2 & w3 & _),
      (merge_is_kept _ _ _ _ _ E) as (m1 & m2 & m3 & _), (residue_is_kept _ _ _ _ _ E) as (r1 & r2 & r3 & _).
    use0 x Hx k_no_parents as P1. use1 x Hx k_no_second_parent as P2. use2 x Hx k_no_work as W. use3 x Hx k_nothing_declared as D. use0 x Hx k_opening_is_old as O.
    rewrite ?o1, ?o2, ?o3, ?x1, ?x2, ?x3, ?w1, ?w2, ?w3, ?m1, ?m2, ?m3, ?r1, ?r2, ?r3 in *. rewrite ?Fo, ?Fe, ?Fw, ?Fm, ?Fl in *. rewrite (is_new x Hx) in O.
    destruct (work_lanes_small _ _ _ _ _ E) as (W0 & W1 & W2), (declared_lanes _ _ _ _ _ E) as (D0 & D1 & D2).
    pose proof (cell_canonical (e x 0) 2). pose proof (cell_canonical (e x 1) 0).
    unfold e_parent1, e_parent2, e_work, e_declared, lanes012.
    assert (Six : e_kind x = 1 \/ e_kind x = 2 \/ e_kind x = 3 \/ e_kind x = 4 \/ e_kind x = 5 \/ e_kind x = 6) by lia.
    apply mod_zero_iff in P1 as [q1 P1], P2 as [q2 P2], W as [q3 W], D as [q4 D].
    repeat match goal with |- _ /\ _ => split end; cbn [In]; intros Hk;
      destruct Six as [Q|[Q|[Q|[Q|[Q|Q]]]]]; rewrite Q in *; cbn [Z.eqb Pos.eqb orb] in *; try (exfalso; lia); try (unfold p in *; lia).
    destruct (Nat.ltb_spec x a) as [L|L]; [exact L|]. exfalso. revert O. vm_compute. discriminate.
  Qed.

  (* ---- Cumulative ---- *)

  (* What an entry adds: work, what it declares, and R for a RESIDUE entry. *)
  Definition added x := e_work x + e_declared x + if residue x then r_before x else 0.

  Lemma target_of x : (x < n)%nat -> target h a b x = e x 0.
  Proof. intros Hx. unfold target. destruct (Nat.ltb_spec x (a + b)); [reflexivity|lia]. Qed.

  Lemma r_at x : (x < n)%nat -> residue_total (e x 0) = r_before x /\ three_limbs (e x 0) c_res.
  Proof. intros Hx. rewrite <- (target_of x Hx). apply r_comes. lia. Qed.

  Definition shares x : bool := T (e x 1) c_shared_base =? 1.

  Theorem cumulative_of x : (x < n)%nat -> e_cumulative x = added x + cum (numbered (e_parent1 x)) + cum (numbered (e_parent2 x))
    - if shares x then cum (numbered (e_base x)) else 0.
  Proof.
    intros Hx. pose proof (en x Hx) as E. destruct (r_at x Hx) as [Rv Rl].
    pose proof (cumulative_is_the_sum_of_what_is_fetched _ _ _ _ _ E Rl) as S. rewrite Rv, (flag x Hx) in S.
    destruct (fetched_is_of_the_tag x 0 Hx ltac:(lia)) as (_ & F0 & _), (fetched_is_of_the_tag x 1 Hx ltac:(lia)) as (_ & F1 & _), (fetched_is_of_the_tag x 2 Hx ltac:(lia)) as (_ & F2 & _).
    cbn [asked] in *. rewrite F0, F1, F2 in S. destruct (shared_base_bit _ _ _ _ _ E) as [Sb _].
    unfold e_cumulative, added, shares, e_work, e_declared. rewrite S. destruct Sb as [-> | ->]; cbn [Z.eqb Pos.eqb]; destruct (residue x); lia.
  Qed.

  Lemma added_positive x : (x < n)%nat -> 0 <= added x.
  Proof.
    intros Hx. pose proof (en x Hx) as E. destruct (work_lanes_small _ _ _ _ _ E) as (W0 & W1 & W2), (declared_lanes _ _ _ _ _ E) as (D0 & D1 & D2).
    destruct (r_at x Hx) as [Rv (L0 & L1 & L2)]. unfold added, e_work, e_declared, lanes012. rewrite <- Rv. unfold residue_total. columns. destruct (residue x); lia.
  Qed.

  (* By number from 1 on. *)
  Definition first_parent (q : nat) : nat := match q with O => O | S x => numbered (e_parent1 x) end.
  Definition second_parent (q : nat) : nat := match q with O => O | S x => numbered (e_parent2 x) end.
  Definition base_of (q : nat) : nat := match q with O => O | S x => numbered (e_base x) end.

  Lemma base_by_tag q : numbered (base_tag q) = base_of q.
  Proof. destruct q; [apply seek_none; cbn [base_tag]; lia|reflexivity]. Qed.

  Lemma base_choice x : (x < n)%nat -> base_of (S x) = first_parent (S x) \/ base_of (S x) = base_of (first_parent (S x)).
  Proof.
    intros Hx. use0 x Hx k_base_is_parent_or_its_base as B. destruct (fetched_is_of_the_tag x 0 Hx ltac:(lia)) as (_ & _ & F & _). cbn [asked] in F.
    apply product_zero in B as [B|B]; apply same_if_canonical in B; try apply cell_canonical; cbn [base_of first_parent]; unfold e_base, e_parent1.
    - left. rewrite B. reflexivity.
    - right. change (numbered (T (e x 0) 3) = base_of (numbered (e_parent1 x))). rewrite <- base_by_tag, <- F, B. reflexivity.
  Qed.

  Lemma base_cell x : (x < n)%nat -> e_base x = e_parent1 x \/ e_base x = T (e x 0) c_fbase.
  Proof.
    intros Hx. use0 x Hx k_base_is_parent_or_its_base as B. apply product_zero in B as [B|B]; apply same_if_canonical in B; try apply cell_canonical; [left|right]; exact B.
  Qed.

  Lemma sharing_is_a_merge x : (x < n)%nat -> shares x = true -> e_kind x = MERGE.
  Proof.
    intros Hx Sh. unfold shares in Sh. apply Z.eqb_eq in Sh. kinds x Hx. use1 x Hx k_only_merges_share_a_base as Om. destruct (merge_is_kept _ _ _ _ _ (en x Hx)) as (M1 & _).
    rewrite Sh, M1, Fm in Om. destruct (Z.eqb_spec (e_kind x) 5) as [Q|Q]; [exact Q|discriminate Om].
  Qed.

  (* Epochs of new entries lie in the period. *)
  Lemma epoch_of_new x : (a <= x < n)%nat -> first s <= e_epoch x <= last s.
  Proof.
    intros Hx. use0 x (proj2 Hx) k_epoch_not_before_the_first as A. use0 x (proj2 Hx) k_epoch_not_after_the_last as B. pose proof (is_new x (proj2 Hx)) as Nw. destruct (Nat.ltb_spec x a); [lia|].
    rewrite Nw in A, B. pose proof (valid_epochs s is_valid) as [V1 V2]. unfold bits in *. assert (P0 : pub 0 = first s) by (rewrite pub_is; reflexivity). assert (P1 : pub 1 = last s) by (rewrite pub_is; reflexivity).
    rewrite P0 in A. rewrite P1 in B. pose proof (cell_canonical (e x 0) 4). unfold e_epoch.
    byte_at (e x 0) 9. byte_at (e x 0) 10. byte_at (e x 0) 11. byte_at (e x 0) 12. byte_at (e x 0) 13. byte_at (e x 0) 14.
    apply mod_zero_iff in A as [qa A], B as [qb B]. unfold p in *. lia.
  Qed.

  Lemma shared_bases x : (x < n)%nat -> shares x = true -> base_of (S x) = base_of (first_parent (S x)) /\ base_of (S x) = base_of (second_parent (S x)).
  Proof.
    intros Hx Sh. unfold shares in Sh. apply Z.eqb_eq in Sh. pose proof (en x Hx) as E.
    destruct (merge_is_kept _ _ _ _ _ E) as (M1 & _). destruct (flag_bits _ _ _ _ _ E) as (_ & _ & _ & Mb & _).
    destruct (fetched_is_of_the_tag x 0 Hx ltac:(lia)) as (_ & _ & F0 & _), (fetched_is_of_the_tag x 1 Hx ltac:(lia)) as (_ & _ & F1 & _). cbn [asked] in *.
    use1 x Hx k_only_merges_share_a_base as Om. use1 x Hx k_shared_base_is_one_base as Ob. use0 x Hx k_merge_keeps_first_base as Mk.
    destruct (base_is_kept _ _ _ _ _ E) as (Bk & _). rewrite Sh in Om, Ob. rewrite M1 in Om. rewrite Bk in Ob.
    assert (M : T (e x 0) c_merge = 1) by (destruct Mb as [Mb|Mb]; [rewrite Mb in Om; discriminate Om|exact Mb]). rewrite M in Mk.
    rewrite Z.mul_1_l in Ob. rewrite Z.mul_1_r in Mk. apply same_if_canonical in Ob, Mk; try apply cell_canonical.
    cbn [base_of first_parent second_parent]. unfold e_base. rewrite <- !base_by_tag, <- F0, <- F1. split; congruence.
  Qed.

  (* R5: bases never undercount. What the lineage of an entry added is at most its cumulative. *)
  Theorem lineage_is_not_undercounted x l : (x < n)%nat -> NoDup l -> (forall y, In y l -> lineage first_parent second_parent (S x) y) ->
    sum (map (fun q => added (q - 1)) l) <= e_cumulative x.
  Proof.
    intros Hx Nd Hl.
    pose proof (bases_never_undercount n first_parent second_parent base_of (fun q => added (q - 1)) cum (fun q => shares (q - 1))) as B.
    unfold total_own in B. specialize (B (conj eq_refl eq_refl)).
    apply (B ltac:(clear - G ok st; intros q Hq; destruct q as [|y]; [lia|]; cbn [first_parent second_parent base_of];
      destruct (fetched_is_of_the_tag y 0 ltac:(lia) ltac:(lia)) as (A0 & _), (fetched_is_of_the_tag y 1 ltac:(lia) ltac:(lia)) as (A1 & _), (fetched_is_of_the_tag y 2 ltac:(lia) ltac:(lia)) as (A2 & _);
      cbn [asked] in *; lia)) with (x := S x); auto; try lia.
    - intros q Hq. apply added_positive. lia.
    - intros q Hq. destruct q as [|y]; [lia|]. replace (S y - 1)%nat with y by lia. cbn [cum first_parent second_parent base_of]. apply cumulative_of. lia.
    - intros q Hq. destruct q as [|y]; [lia|]. apply base_choice. lia.
    - intros q Hq Sq. destruct q as [|y]; [lia|]. replace (S y - 1)%nat with y in Sq by lia. apply shared_bases; [lia|exact Sq].
  Qed.

  (* The cumulative of a RESIDUE entry is R before it and its work. *)
  Theorem residue_is_the_sum x : (x < n)%nat -> residue x = true -> e_cumulative x = r_before x + e_work x /\ e_parent1 x = 0 /\ e_parent2 x = 0 /\ e_declared x = 0.
  Proof.
    intros Hx Rx. kinds x Hx. rewrite Fr in Rx. apply Z.eqb_eq in Rx. destruct (entry_is_of_its_kind x Hx) as (P1 & P2 & W & D & _).
    unfold OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE in *.
    rewrite Rx in *. specialize (P1 ltac:(cbn; tauto)). specialize (P2 ltac:(lia)). specialize (D ltac:(cbn; tauto)).
    split; [|auto]. rewrite (cumulative_of x Hx). unfold added. rewrite Fr, P1, P2, D. cbn [Z.eqb Pos.eqb]. unfold numbered. rewrite (seek_none n 0) by lia. cbn [cum].
    assert (Sh : shares x = false).
    { unfold shares. destruct (shared_base_bit _ _ _ _ _ (en x Hx)) as [[Sb|Sb] _]; rewrite Sb; [reflexivity|]. exfalso.
      use1 x Hx k_only_merges_share_a_base as Om. destruct (merge_is_kept _ _ _ _ _ (en x Hx)) as (M1 & _). rewrite Sb, M1, Fm in Om. discriminate Om. }
    rewrite Sh. lia.
  Qed.
End Books.
