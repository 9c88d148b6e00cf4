(* The joined theorem: a table that satisfies the program, with the buses balanced for a statement with a registry, holds ledgers, records and a registry
   of which R1 to R6 hold. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Along Bases Lineage Books Receive Sponge Extract Claim.
From Standstill Require Relation.
Import ListNotations.
Local Open Scope Z_scope.

Section Joined.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Variable h : Z.
  Variables a b : nat.
  Hypothesis G : is_registry h a b.

  Notation e x j := (erow h a x j).
  Notation n := (a + b)%nat.

  Definition entry_of (x : nat) : Relation.entry :=
    {| Relation.entry_tag := e_tag h a x; Relation.kind := e_kind h a x; Relation.parent1 := e_parent1 h a x; Relation.parent2 := e_parent2 h a x;
       Relation.base := e_base h a x; Relation.entry_epoch := e_epoch h a x; Relation.entry_work := e_work h a x; Relation.declared := e_declared h a x;
       Relation.cumulative := e_cumulative h a x;
       Relation.weights := map (T (e x 0)) [5; 6; 7] ++ map (T (e x 1)) [1; 2; 3; 4; 5; 6; 7] ++ [T (e x 2) 3] |}.

  Definition entries (from count : nat) : list Relation.entry := map entry_of (seq from count).
  Definition es : list Relation.entry := entries 0 n.

  Lemma all_entries : entries 0 a ++ entries a b = es.
  Proof. unfold es, entries. rewrite seq_app, map_app. reflexivity. Qed.

  Lemma nth_entries from count k f : nth_error (entries from count) k = Some f -> (k < count)%nat /\ f = entry_of (from + k).
  Proof.
    unfold entries. intros E. assert (L : (k < count)%nat) by (rewrite <- (seq_length count from), <- (map_length entry_of); apply nth_error_Some; congruence). split; [exact L|].
    rewrite nth_error_map in E. rewrite (nth_error_nth' (seq from count) 0%nat) in E by (rewrite seq_length; exact L). rewrite seq_nth in E by exact L. injection E as <-. reflexivity.
  Qed.

  Lemma entry_nth x : (x < n)%nat -> nth_error es x = Some (entry_of x).
  Proof.
    intros Hx. destruct (nth_error es x) as [f|] eqn:E.
    - destruct (nth_entries 0 n x f E) as [_ ->]. reflexivity.
    - exfalso. apply nth_error_None in E. unfold es, entries in E. rewrite map_length, seq_length in E. lia.
  Qed.

  Lemma es_length : length es = n.
  Proof. unfold es, entries. rewrite map_length, seq_length. reflexivity. Qed.

  (* ---- Blocks ---- *)

  Definition entry_rows_blocks (x : nat) : list (list Z) := [block (e x 0); block (e x 1); block (e x 2); block (e x 3); block (e x 4)].

  Tactic Notation "lane_zero" constr(i) constr(k) constr(c) := let H := fresh "Lz" in use_constraint i (Some k) (@None Z) c H; cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H].

  Lemma unused_lanes x : (x < n)%nat -> (T (e x 2) 4 = 0 /\ T (e x 2) 5 = 0 /\ T (e x 2) 6 = 0 /\ T (e x 2) 7 = 0)
    /\ (T (e x 3) 3 = 0 /\ T (e x 3) 4 = 0 /\ T (e x 3) 5 = 0 /\ T (e x 3) 6 = 0 /\ T (e x 3) 7 = 0)
    /\ (T (e x 4) 3 = 0 /\ T (e x 4) 4 = 0 /\ T (e x 4) 5 = 0 /\ T (e x 4) 6 = 0 /\ T (e x 4) 7 = 0).
  Proof.
    intros Hx. pose proof (en h a b G x Hx) as E. pose proof (k2 _ _ _ _ _ E) as K2. pose proof (k3 _ _ _ _ _ E) as K3. pose proof (k4 _ _ _ _ _ E) as K4.
    pose proof (erow_row h a x 2) as W2. pose proof (erow_row h a x 3) as W3. pose proof (erow_row h a x 4) as W4.
    pose proof (fun c => cell_canonical (e x 2) c) as C2. pose proof (fun c => cell_canonical (e x 3) c) as C3. pose proof (fun c => cell_canonical (e x 4) c) as C4.
    assert (Zero : forall v q, 0 <= v < p -> v = p * q -> v = 0) by (intros v q Hv Eq; unfold p in *; lia).
    repeat split.
    - lane_zero (e x 2) (K_e2) (k_unused_lane_4_is_zero). eapply Zero; eauto.
    - lane_zero (e x 2) (K_e2) (k_unused_lane_5_is_zero). eapply Zero; eauto.
    - lane_zero (e x 2) (K_e2) (k_unused_lane_6_is_zero). eapply Zero; eauto.
    - lane_zero (e x 2) (K_e2) (k_unused_lane_7_is_zero). eapply Zero; eauto.
    - lane_zero (e x 3) (K_e3) (k_unused_lane_3_is_zero). eapply Zero; eauto.
    - lane_zero (e x 3) (K_e3) (k_unused_lane_4_is_zero). eapply Zero; eauto.
    - lane_zero (e x 3) (K_e3) (k_unused_lane_5_is_zero). eapply Zero; eauto.
    - lane_zero (e x 3) (K_e3) (k_unused_lane_6_is_zero). eapply Zero; eauto.
    - lane_zero (e x 3) (K_e3) (k_unused_lane_7_is_zero). eapply Zero; eauto.
    - lane_zero (e x 4) (K_e4) (k_unused_lane_3_is_zero). eapply Zero; eauto.
    - lane_zero (e x 4) (K_e4) (k_unused_lane_4_is_zero). eapply Zero; eauto.
    - lane_zero (e x 4) (K_e4) (k_unused_lane_5_is_zero). eapply Zero; eauto.
    - lane_zero (e x 4) (K_e4) (k_unused_lane_6_is_zero). eapply Zero; eauto.
    - lane_zero (e x 4) (K_e4) (k_unused_lane_7_is_zero). eapply Zero; eauto.
  Qed.

  Lemma entry_is_its_blocks x : (x < n)%nat -> Relation.entry_blocks (entry_of x) = entry_rows_blocks x.
  Proof.
    intros Hx. pose proof (en h a b G x Hx) as E. destruct (work_lanes_small _ _ _ _ _ E) as (W0 & W1 & W2), (declared_lanes _ _ _ _ _ E) as (D0 & D1 & D2), (cumulative_lanes _ _ _ _ _ E) as (C0 & C1 & C2).
    destruct (unused_lanes x Hx) as ((a4 & a5 & a6 & a7) & (b3 & b4 & b5 & b6 & b7) & (c3 & c4 & c5 & c6 & c7)).
    unfold Relation.entry_blocks, entry_of, entry_rows_blocks, block. cbn [Relation.weights Relation.entry_tag Relation.kind Relation.parent1 Relation.parent2 Relation.base Relation.entry_epoch
      Relation.entry_work Relation.declared Relation.cumulative map app firstn skipn].
    unfold e_work, e_declared, e_cumulative, lanes012. rewrite !amount_of by lia. cbn [app].
    rewrite a4, a5, a6, a7, b3, b4, b5, b6, b7, c3, c4, c5, c6, c7. reflexivity.
  Qed.

  Lemma chain_blocks_add v m : forall k, chain_blocks v (m + k) = chain_blocks v m ++ chain_blocks (at_ v m) k.
  Proof.
    assert (Sh : forall j, at_ (at_ v m) j = at_ v (m + j)) by (intros j; unfold at_; rewrite Zplus_mod_idemp_l; f_equal; lia).
    induction k as [|k IH]; [rewrite Nat.add_0_r, app_nil_r; reflexivity|]. rewrite Nat.add_succ_r. cbn [chain_blocks]. rewrite IH, Sh, app_assoc. reflexivity.
  Qed.

  Lemma five_blocks q : is (at_ h q) K_e0 -> chain_blocks (at_ h q) 5 = [block (at_ h q); block (at_ h (q + 1)); block (at_ h (q + 2)); block (at_ h (q + 3)); block (at_ h (q + 4))].
  Proof.
    intros H. assert (Sh : forall j, at_ (at_ h q) j = at_ h (q + j)) by (intros j; unfold at_; rewrite Zplus_mod_idemp_l; f_equal; lia).
    cbn [chain_blocks]. rewrite !Sh.
    assert (C : forall j, (j < 5)%nat -> on_copy (at_ h (q + j)) = false) by (intros j Hj; apply (not_on_copy _ _ (five h q j H Hj)); lia).
    rewrite (C 0%nat), (C 1%nat), (C 2%nat), (C 3%nat), (C 4%nat) by lia. rewrite Nat.add_0_r. reflexivity.
  Qed.

  Lemma one_block w : row w -> chain_blocks w 1 = if on_copy w then [] else [block w].
  Proof. intros Hw. cbn [chain_blocks]. rewrite at_0 by exact Hw. reflexivity. Qed.

  Let v := before_row h.

  Lemma v_facts : row v /\ is v K_iv /\ forall j, at_ v (S j) = at_ h j.
  Proof. apply header_row; apply G. Qed.

  (* Blocks before entry x, and before the end. *)
  Lemma registry_blocks x : (x <= n)%nat -> chain_blocks v (2 + 5 * x + if (x <=? a)%nat then 0 else 1) = block v :: block h :: flat_map entry_rows_blocks (seq 0 x).
  Proof.
    destruct v_facts as (Hv & Kv & Sh). induction x as [|x IH]; intros Hx.
    - destruct (Nat.leb_spec 0 a); [|lia]. cbn [Nat.mul Nat.add chain_blocks app flat_map seq]. rewrite (at_0 v) by exact Hv. rewrite (Sh 0%nat), (at_0 h) by apply G.
      rewrite (not_on_copy v _ Kv), (not_on_copy h _ (g_hd _ _ _ G)) by discriminate. reflexivity.
    - rewrite seq_S, flat_map_app. change (0 + x)%nat with x. cbn [flat_map]. rewrite app_nil_r. rewrite !app_comm_cons, <- IH by lia.
      pose proof (g_entries _ _ _ G x ltac:(lia)) as K0.
      assert (Five : chain_blocks (at_ h (pos a x)) 5 = entry_rows_blocks x).
      { rewrite five_blocks by exact K0. unfold entry_rows_blocks, erow. rewrite Nat.add_0_r. reflexivity. }
      rewrite <- Five. destruct (lt_eq_lt_dec x a) as [[L|Eq]|L].
      + destruct (Nat.leb_spec (S x) a), (Nat.leb_spec x a); try lia. replace (2 + 5 * S x + 0)%nat with (2 + 5 * x + 0 + 5)%nat by lia. rewrite chain_blocks_add. f_equal.
        replace (2 + 5 * x + 0)%nat with (S (pos a x)) by (unfold pos; destruct (Nat.ltb_spec x a); lia). rewrite Sh. reflexivity.
      + subst x. destruct (Nat.leb_spec (S a) a), (Nat.leb_spec a a); try lia. replace (2 + 5 * S a + 1)%nat with (2 + 5 * a + 0 + 1 + 5)%nat by lia. rewrite !chain_blocks_add.
        assert (M1 : at_ v (2 + 5 * a + 0) = at_ h (1 + 5 * a)) by (replace (2 + 5 * a + 0)%nat with (S (1 + 5 * a)) by lia; apply Sh).
        assert (M2 : at_ v (2 + 5 * a + 0 + 1) = at_ h (pos a a)) by (replace (2 + 5 * a + 0 + 1)%nat with (S (pos a a)) by (unfold pos; destruct (Nat.ltb_spec a a); lia); apply Sh).
        assert (Oc : on_copy (at_ h (1 + 5 * a)) = true).
        { unfold on_copy. rewrite (proj2 (g_before _ _ _ G) 185 eq_refl), (proj2 (g_before _ _ _ G) 194 eq_refl). reflexivity. }
        rewrite M1, M2, (one_block _ (at_row h _)), Oc, app_nil_r. reflexivity.
      + destruct (Nat.leb_spec (S x) a), (Nat.leb_spec x a); try lia. replace (2 + 5 * S x + 1)%nat with (2 + 5 * x + 1 + 5)%nat by lia. rewrite chain_blocks_add. f_equal.
        replace (2 + 5 * x + 1)%nat with (S (pos a x)) by (unfold pos; destruct (Nat.ltb_spec x a); lia). rewrite Sh. reflexivity.
  Qed.

  Lemma entry_blocks_listed from count : (from + count <= n)%nat -> flat_map Relation.entry_blocks (entries from count) = flat_map entry_rows_blocks (seq from count).
  Proof.
    unfold entries. intros L. assert (X : forall l, (forall x, In x l -> (x < n)%nat) -> flat_map Relation.entry_blocks (map entry_of l) = flat_map entry_rows_blocks l).
    { induction l as [|x l IH]; intros H; [reflexivity|]. cbn [map flat_map]. rewrite IH by (intros; apply H; right; assumption). rewrite entry_is_its_blocks by (apply H; left; reflexivity). reflexivity. }
    apply X. intros x Hx. apply in_seq in Hx. lia.
  Qed.

  Lemma row_kinds j : (1 <= j <= 2 + 5 * n)%nat -> exists k, is (at_ h j) k /\ k <> K_iv /\ k <> K_padding.
  Proof.
    intros Hj. destruct (Nat.eq_dec j (2 + 5 * n)) as [->|N1]; [exists K_er; split; [apply G|split; discriminate]|].
    destruct (Nat.eq_dec j (1 + 5 * a)) as [->|N2]; [exists K_mi; split; [apply G|split; discriminate]|].
    assert (X : exists x q, (x < n)%nat /\ (q < 5)%nat /\ j = (pos a x + q)%nat).
    { destruct (le_lt_dec (1 + 5 * a) j) as [L|L].
      - exists ((j - 2) / 5)%nat, ((j - 2) mod 5)%nat. pose proof (Nat.div_mod (j - 2) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (j - 2) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((j - 2) / 5) a); lia.
      - exists ((j - 1) / 5)%nat, ((j - 1) mod 5)%nat. pose proof (Nat.div_mod (j - 1) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (j - 1) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((j - 1) / 5) a); lia. }
    destruct X as (x & q & Hx & Hq & ->). exists (7 + Z.of_nat q). split; [apply (erow_is h a b G x q Hx Hq)|]. split; lia.
  Qed.

  Lemma hashed_to j : (1 <= j <= 2 + 5 * n)%nat -> outs (at_ h j) = sponge (chain_blocks v (S j)) (block (at_ h j)).
  Proof.
    intros Hj. destruct v_facts as (Hv & Kv & Sh). rewrite <- Sh. apply (chain_is_hashed v (S j) Hv Kv). intros q Hq. destruct q as [|q]; [lia|]. rewrite Sh.
    destruct q as [|q]; [rewrite (at_0 h) by apply G; exists K_hd; split; [apply G|split; discriminate]|apply row_kinds; lia].
  Qed.

  Lemma before_head_is : outs (at_ h (1 + 5 * a)) = sponge (block v :: block h :: flat_map Relation.entry_blocks (entries 0 a)) (block (at_ h (1 + 5 * a))).
  Proof.
    rewrite hashed_to by lia. rewrite entry_blocks_listed by lia. rewrite <- (registry_blocks a) by lia. destruct (Nat.leb_spec a a); [|lia]. do 2 f_equal. lia.
  Qed.
  Lemma after_head_is : outs (at_ h (2 + 5 * n)) = sponge (block v :: block h :: flat_map Relation.entry_blocks es) (block (at_ h (2 + 5 * n))).
  Proof.
    pose proof (g_some _ _ _ G). rewrite hashed_to by lia. unfold es. rewrite entry_blocks_listed by lia. rewrite <- (registry_blocks n) by lia. destruct (Nat.leb_spec n a); [lia|]. do 2 f_equal. lia.
  Qed.

  (* ---- Tags ---- *)

  Lemma residue_of x : (x < n)%nat -> Relation.is_residue (entry_of x) = is_residue h a x.
  Proof. intros Hx. destruct (kind_of_entry h a b G x Hx) as (_ & _ & _ & _ & _ & ->). reflexivity. Qed.

  Lemma has_tag_of x tg : (x < n)%nat -> Relation.has_tag tg (entry_of x) = negb (is_residue h a x) && (e_tag h a x =? tg).
  Proof. intros Hx. unfold Relation.has_tag. rewrite residue_of by exact Hx. reflexivity. Qed.

  Lemma seek_sound m tg y : (m <= n)%nat -> seek h a m tg = S y -> (y < m)%nat /\ is_residue h a y = false /\ e_tag h a y = tg.
  Proof.
    induction m as [|m IH]; intros Hm E; [discriminate E|]. cbn [seek] in E. destruct (is_residue h a m) eqn:Rm; cbn [negb andb] in E; [destruct (IH ltac:(lia) E) as (A & B); split; [lia|exact B]|].
    destruct (Z.eqb_spec (e_tag h a m) tg); [injection E as <-; auto|destruct (IH ltac:(lia) E) as (A & B); split; [lia|exact B]].
  Qed.
  Lemma seek_complete m tg : (m <= n)%nat -> seek h a m tg = 0%nat -> forall y, (y < m)%nat -> is_residue h a y = false -> e_tag h a y <> tg.
  Proof.
    intros Hm E y Hy Ry Et. rewrite <- Et in E. rewrite (seek_found h a b G m y) in E by (auto; lia). discriminate E.
  Qed.

  Lemma find_is tg : find (Relation.has_tag tg) es = match numbered h a b tg with O => None | S y => Some (entry_of y) end.
  Proof.
    unfold numbered. destruct (seek h a n tg) as [|y] eqn:Sk.
    - destruct (find (Relation.has_tag tg) es) as [f|] eqn:Ef; [|reflexivity]. exfalso. apply find_some in Ef as [I0 Ht]. unfold es, entries in I0. apply in_map_iff in I0 as (x & <- & Hx). apply in_seq in Hx.
      rewrite has_tag_of in Ht by lia. apply andb_true_iff in Ht as [H1 H2]. apply negb_true_iff in H1. apply Z.eqb_eq in H2. exact (seek_complete n tg (le_n _) Sk x ltac:(lia) H1 H2).
    - destruct (seek_sound n tg y (le_n _) Sk) as (Ly & Ry & Ty). destruct (find (Relation.has_tag tg) es) as [f|] eqn:Ef.
      + apply find_some in Ef as [I0 Ht]. unfold es, entries in I0. apply in_map_iff in I0 as (x & <- & Hx). apply in_seq in Hx.
        rewrite has_tag_of in Ht by lia. apply andb_true_iff in Ht as [H1 H2]. apply negb_true_iff in H1. apply Z.eqb_eq in H2. do 2 f_equal. apply (tags_are_distinct h a b G); auto; [lia|congruence].
      + exfalso. pose proof (find_none _ _ Ef (entry_of y)) as Nn. rewrite has_tag_of in Nn by exact Ly. rewrite Ry, Ty, Z.eqb_refl in Nn. discriminate Nn.
        unfold es, entries. apply in_map, in_seq. lia.
  Qed.

  Lemma cumulative_of_is tg : Relation.cumulative_of es tg = cum h a (numbered h a b tg).
  Proof. unfold Relation.cumulative_of. rewrite find_is. destruct (numbered h a b tg); reflexivity. Qed.
  Lemma base_of_is tg : Relation.base_of es tg = base_tag h a (numbered h a b tg).
  Proof. unfold Relation.base_of. rewrite find_is. destruct (numbered h a b tg); reflexivity. Qed.

  Lemma residue_after_is x : (x <= n)%nat -> Relation.residue_after (firstn x es) = residue_before h a x.
  Proof.
    intros Hx. assert (F : firstn x es = entries 0 x).
    { unfold es, entries. replace (a + b)%nat with (x + (a + b - x))%nat by lia. rewrite seq_app, map_app.
      rewrite firstn_app, map_length, seq_length, Nat.sub_diag. cbn [firstn]. rewrite app_nil_r, firstn_all2; [reflexivity|rewrite map_length, seq_length; lia]. }
    rewrite F. clear F. induction x as [|x IH]; [reflexivity|]. unfold Relation.residue_after, entries in *. rewrite seq_S, map_app, fold_left_app. cbn [map fold_left Nat.add residue_before].
    rewrite residue_of by lia. rewrite IH by lia. reflexivity.
  Qed.

  (* ---- Lineage ---- *)

  Lemma lineage_is x z : Relation.lineage es x z -> (x < n)%nat /\ (z < n)%nat /\ Bases.lineage (first_parent h a b) (second_parent h a b) (S x) (S z).
  Proof.
    induction 1 as [x Hx|x y z f Ef Fd Hy Ln (_ & Hz & IH)]; rewrite es_length in *.
    - split; [exact Hx|]. split; [exact Hx|]. apply itself. lia.
    - assert (Hx : (x < n)%nat) by (rewrite <- es_length; apply nth_error_Some; congruence). split; [exact Hx|]. split; [exact Hz|].
      rewrite entry_nth in Ef by exact Hx. injection Ef as <-. rewrite (entry_nth y Hy), !find_is in Fd.
      assert (X : forall tg, match numbered h a b tg with O => None | S w => Some (entry_of w) end = Some (entry_of y) -> numbered h a b tg = S y).
      { intros tg E. destruct (numbered h a b tg) as [|w] eqn:Nw; [discriminate E|]. f_equal. injection E as E1 E2 _ _ _ _ _ _ _ _.
        destruct (seek_sound n tg w (le_n _) Nw) as (Lw & Rw & Tw).
        assert (Ry : is_residue h a y = false).
        { destruct (kind_of_entry h a b G w Lw) as (_ & _ & _ & _ & _ & Qw). destruct (kind_of_entry h a b G y Hy) as (_ & _ & _ & _ & _ & Qy). rewrite Qy, <- E2, <- Qw. exact Rw. }
        apply (tags_are_distinct h a b G); auto. }
      destruct Fd as [Fd|Fd]; [apply by_first; [lia|]|apply by_second; [lia|]]; cbn [first_parent second_parent].
      + cbn [entry_of Relation.parent1] in Fd. rewrite (X _ Fd). exact IH.
      + cbn [entry_of Relation.parent2] in Fd. rewrite (X _ Fd). exact IH.
  Qed.

  Lemma lineage_bound x l : (x < n)%nat -> NoDup l -> (forall y, In y l -> Relation.lineage es x y) -> Relation.total_of (Relation.added es) l <= e_cumulative h a x.
  Proof.
    intros Hx Nd Hl. pose proof (lineage_is_not_undercounted h a b G x (map S l) Hx) as B.
    assert (Nd' : NoDup (map S l)) by (apply Injective_map_NoDup; [intros u w; lia|exact Nd]).
    specialize (B Nd'). apply Z.le_trans with (sum (map (fun q => added h a (q - 1)) (map S l))).
    - unfold Relation.total_of. rewrite map_map. apply sum_le. intros y Hy. destruct (lineage_is x y (Hl y Hy)) as (_ & Ly & _). unfold Relation.added. rewrite entry_nth by exact Ly.
      replace (S y - 1)%nat with y by lia. cbn [entry_of Relation.entry_work Relation.declared]. unfold added. destruct (r_at h a b G y Ly) as [Rv (L0 & L1 & L2)]. rewrite <- Rv.
      unfold residue_total. columns. destruct (is_residue h a y); lia.
    - apply B. intros q Hq. apply in_map_iff in Hq as (y & <- & Hy). apply (lineage_is x y (Hl y Hy)).
  Qed.

  (* ---- Each entry ---- *)

  Lemma amount_range i c : limb24 (T i c) -> limb24 (T i (c + 1)) -> 0 <= T i (c + 2) < 2 ^ 16 -> bits 64 (limbs3 (T i c) (T i (c + 1)) (T i (c + 2))).
  Proof. unfold bits. change (2 ^ 64) with (2 ^ 48 * 2 ^ 16). change (2 ^ 48) with (2 ^ 24 * 2 ^ 24). lia. Qed.

  Lemma asked_before x j : (x < n)%nat -> (j < 3)%nat -> asked h a x j = 0 \/ exists y f, (y < x)%nat /\ nth_error es y = Some f /\ Relation.has_tag (asked h a x j) f = true.
  Proof.
    intros Hx Hj. destruct (fetched_is_of_the_tag h a b G x j Hx Hj) as (Le & _ & _ & Zr). destruct (numbered h a b (asked h a x j)) as [|y] eqn:Nm; [left; apply Zr; reflexivity|].
    right. destruct (seek_sound n _ y (le_n _) Nm) as (Ly & Ry & Ty). exists y, (entry_of y). split; [lia|]. split; [apply entry_nth, Ly|]. rewrite has_tag_of by exact Ly. rewrite Ry, Ty, Z.eqb_refl. reflexivity.
  Qed.

  Theorem each_entry_holds x : (x < n)%nat -> Relation.entry_holds es x (entry_of x).
  Proof.
    intros Hx. pose proof (en h a b G x Hx) as E. destruct (work_lanes_small _ _ _ _ _ E) as (W0 & W1 & W2), (declared_lanes _ _ _ _ _ E) as (D0 & D1 & D2), (cumulative_lanes _ _ _ _ _ E) as (C0 & C1 & C2).
    destruct (kind_of_entry h a b G x Hx) as (Kr & _ & _ & _ & _ & Fr). destruct (entry_is_of_its_kind h a b G x Hx) as (P1 & P2 & Wk & Dc & Op).
    unfold Relation.entry_holds. rewrite residue_of by exact Hx. cbn [entry_of Relation.entry_tag Relation.kind Relation.parent1 Relation.parent2 Relation.base Relation.entry_work Relation.declared Relation.cumulative].
    split; [apply (amount_range (e x 2) 0); assumption|]. split; [apply (amount_range (e x 3) 0); assumption|]. split; [apply (amount_range (e x 4) 0); assumption|].
    split; [exact Kr|]. split; [destruct (is_residue h a x) eqn:Rx; [apply (residue_has_tag_two h a b G x Hx Rx)|apply (tag_is_above_two h a b G x Hx Rx)]|].
    split.
    { intros tg I0. cbn [In] in I0. destruct I0 as [<-|[<-|[<-|[]]]]; [exact (asked_before x 0 Hx ltac:(lia))|exact (asked_before x 1 Hx ltac:(lia))|exact (asked_before x 2 Hx ltac:(lia))]. }
    split.
    { rewrite base_of_is. destruct (fetched_is_of_the_tag h a b G x 0 Hx ltac:(lia)) as (_ & _ & Fb & _). cbn [asked] in Fb. rewrite <- Fb. apply (base_cell h a b G x Hx). }
    split; [exact P1|]. split; [exact P2|]. split; [exact Wk|]. split; [exact Dc|]. split.
    - exists (shares h a x). split; [apply (sharing_is_a_merge h a b G x Hx)|]. rewrite residue_after_is by lia. rewrite !cumulative_of_is. rewrite (cumulative_of h a b G x Hx). unfold added. destruct (is_residue h a x); lia.
    - intros l Nd Hl. apply lineage_bound; assumption.
  Qed.

  (* ---- Totals ---- *)

  Lemma five_of_work q : (1 <= q)%nat -> is (at_ h q) K_e0 -> new_work h (q + 4) = new_work h (q - 1) + T (at_ h (q + 2)) c_new * lanes012 (at_ h (q + 2)).
  Proof.
    intros Hq H. destruct q as [|q]; [lia|]. replace (S q - 1)%nat with q by lia. replace (S q + 4)%nat with (S (S (S (S (S q))))) by lia. cbn [new_work].
    assert (K : forall j, (j < 5)%nat -> is_e2 (at_ h (S q + j)) = (7 + Z.of_nat j =? K_e2)) by (intros j Hj; apply (is_e2_iff 1 (le_n 1)), five; assumption).
    pose proof (K 0%nat ltac:(lia)) as Q0. pose proof (K 1%nat ltac:(lia)) as Q1. pose proof (K 2%nat ltac:(lia)) as Q2. pose proof (K 3%nat ltac:(lia)) as Q3. pose proof (K 4%nat ltac:(lia)) as Q4.
    replace (S q + 0)%nat with (S q) in Q0 by lia. replace (S q + 1)%nat with (S (S q)) in Q1 by lia. replace (S q + 2)%nat with (S (S (S q))) in * by lia.
    replace (S q + 3)%nat with (S (S (S (S q)))) in Q3 by lia. replace (S q + 4)%nat with (S (S (S (S (S q))))) in Q4 by lia.
    rewrite Q0, Q1, Q2, Q3, Q4. change (7 + Z.of_nat 0 =? K_e2) with false. change (7 + Z.of_nat 1 =? K_e2) with false. change (7 + Z.of_nat 2 =? K_e2) with true.
    change (7 + Z.of_nat 3 =? K_e2) with false. change (7 + Z.of_nat 4 =? K_e2) with false. cbv iota. ring.
  Qed.

  Lemma work_so_far x : (x <= n)%nat -> new_work h (5 * x + if (x <=? a)%nat then 0 else 1) = sum (map (fun y => if (y <? a)%nat then 0 else e_work h a y) (seq 0 x)).
  Proof.
    induction x as [|x IH]; intros Hx; [destruct (Nat.leb_spec 0 a); [reflexivity|lia]|]. rewrite seq_S, map_app, sum_app. rewrite <- IH by lia. cbn [map sum fold_right Nat.add].
    pose proof (five_of_work (pos a x) ltac:(unfold pos; lia) (g_entries _ _ _ G x ltac:(lia))) as F.
    fold (erow h a x 2) in F. destruct (new_is_kept _ _ _ _ _ (en h a b G x ltac:(lia))) as (_ & N2 & _). rewrite N2, (is_new h a b G x ltac:(lia)) in F.
    fold (e_work h a x) in F. unfold pos in F. destruct (Nat.ltb_spec x a) as [L|L].
    - replace (1 + 5 * x + 0 + 4)%nat with (5 * S x + 0)%nat in F by lia. replace (1 + 5 * x + 0 - 1)%nat with (5 * x + 0)%nat in F by lia.
      destruct (Nat.leb_spec (S x) a), (Nat.leb_spec x a); try lia.
    - replace (1 + 5 * x + 1 + 4)%nat with (5 * S x + 1)%nat in F by lia. replace (1 + 5 * x + 1 - 1)%nat with (5 * x + 1)%nat in F by lia.
      destruct (Nat.leb_spec (S x) a); try lia. rewrite F. destruct (Nat.leb_spec x a); [|lia]. assert (x = a) as -> by lia.
      assert (Mi : new_work h (5 * a + 1) = new_work h (5 * a + 0)).
      { replace (5 * a + 1)%nat with (S (5 * a)) by lia. cbn [new_work]. pose proof (g_before _ _ _ G) as Mi. replace (1 + 5 * a)%nat with (S (5 * a)) in Mi by lia. rewrite (is_e2_iff 1 (le_n 1) _ _ Mi). cbn [Z.eqb Pos.eqb].
        replace (5 * a + 0)%nat with (5 * a)%nat by lia. lia. }
      rewrite Mi. lia.
  Qed.

  Theorem total_is_capped : Relation.total_of Relation.entry_work (entries a b) <= total_limit s.
  Proof.
    pose proof (g_some _ _ _ G) as Sb. destruct (caps_are (s := s)) as (<- & Ct & _).
    destruct (registry_is_finite h (g_row _ _ _ G) (g_hd _ _ _ G) (g_first _ _ _ G)) as (m & M1 & In_m & Em).
    pose proof (new_work_is_under_the_total_cap h (g_row _ _ _ G) (g_hd _ _ _ G) (g_first _ _ _ G) (g_tot _ _ _ G) m M1 In_m Em Ct) as B.
    assert (Eq : m = (1 + 5 * n)%nat).
    { pose proof (g_after _ _ _ G) as Er. destruct (lt_eq_lt_dec (S m) (2 + 5 * n)) as [[L|L]|L]; [|lia|].
      - exfalso. destruct (Nat.eq_dec (S m) (1 + 5 * a)) as [Q|Q]; [pose proof (g_before _ _ _ G) as Mi; rewrite <- Q in Mi; discriminate (kind_unique _ _ _ Mi Em)|].
        assert (X : exists x q, (x < n)%nat /\ (q < 5)%nat /\ S m = (pos a x + q)%nat).
        { destruct (le_lt_dec (1 + 5 * a) (S m)) as [L2|L2].
          - exists ((S m - 2) / 5)%nat, ((S m - 2) mod 5)%nat. pose proof (Nat.div_mod (S m - 2) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (S m - 2) 5 ltac:(lia)).
            unfold pos. destruct (Nat.ltb_spec ((S m - 2) / 5) a); lia.
          - exists ((S m - 1) / 5)%nat, ((S m - 1) mod 5)%nat. pose proof (Nat.div_mod (S m - 1) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (S m - 1) 5 ltac:(lia)).
            unfold pos. destruct (Nat.ltb_spec ((S m - 1) / 5) a); lia. }
        destruct X as (x & q & Hx & Hq & Ex). pose proof (erow_is h a b G x q Hx Hq) as K. unfold erow in K. rewrite <- Ex in K. pose proof (kind_unique _ _ _ K Em). lia.
      - exfalso. destruct (In_m (2 + 5 * n)%nat ltac:(lia)) as (k & Hk & I0). rewrite (kind_unique _ _ _ Hk Er) in I0. clear - I0. cbn in I0. intuition discriminate. }
    subst m. pose proof (work_so_far n (le_n _)) as W. destruct (Nat.leb_spec n a); [lia|]. replace (5 * n + 1)%nat with (1 + 5 * n)%nat in W by lia. rewrite W in B.
    rewrite seq_app, map_app, sum_app in B. unfold Relation.total_of, entries. rewrite map_map. cbn [entry_of Relation.entry_work Nat.add] in *.
    assert (Z0 : sum (map (fun y => if (y <? a)%nat then 0 else e_work h a y) (seq 0 a)) = 0).
    { assert (X : forall l, (forall y, In y l -> (y < a)%nat) -> sum (map (fun y => if (y <? a)%nat then 0 else e_work h a y) l) = 0).
      { induction l as [|y l IH]; intros H'; [reflexivity|]. cbn [map sum fold_right]. pose proof (H' y (or_introl eq_refl)). destruct (Nat.ltb_spec y a); [|lia]. unfold sum in *. rewrite IH by (intros; apply H'; right; assumption). reflexivity. }
      apply X. intros y Hy. apply in_seq in Hy. lia. }
    rewrite Z0 in B. rewrite (map_ext_in _ (fun y => if (y <? a)%nat then 0 else e_work h a y)); [lia|]. intros y Hy. apply in_seq in Hy. destruct (Nat.ltb_spec y a); [lia|reflexivity].
  Qed.
End Joined.
