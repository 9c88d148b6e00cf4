(* The ENTRY bus: what an entry fetches, some entry or NONE provides; so fetched amounts are in range, and R5's sum needs no hypothesis on them. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Heads.
Import ListNotations.
Local Open Scope Z_scope.

Section Entries.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Definition fetch_kinds : list Z := [K_e0; K_e1; K_e2].

  Definition fetches_decided : bool :=
    forallb (fun k => match s_numerators (sym (fx (Some k) None)) 12 with [Const 1] => true | _ => false end) fetch_kinds.
  Lemma fetches_are_decided : fetches_decided = true.
  Proof. vm_cast_no_check (eq_refl true). Qed.

  Lemma fetch_numerator i k : is i k -> In k fetch_kinds -> numerators_of (row_events the_program N T pub sel i) 12 = [1].
  Proof.
    intros Hk I0. pose proof fetches_are_decided as D. unfold fetches_decided in D. rewrite forallb_forall in D. specialize (D k I0). cbv beta in D.
    rewrite (numerators_are i k 12 _ Hk eq_refl). generalize dependent (s_numerators (sym (fx (Some k) None)) 12). intros l D.
    destruct l as [|e l]; [discriminate D|]. destruct e as [[|[| |]|]| | | |]; try discriminate D. destruct l; [|discriminate D]. reflexivity.
  Qed.

  Lemma kind_cases (k : Z) (P : Z -> Prop) : 0 <= k <= 17 ->
    P 0 -> P 1 -> P 2 -> P 3 -> P 4 -> P 5 -> P 6 -> P 7 -> P 8 -> P 9 -> P 10 -> P 11 -> P 12 -> P 13 -> P 14 -> P 15 -> P 16 -> P 17 -> P k.
  Proof.
    intros B. intros. assert (E : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
    repeat destruct E as [E|E]; subst k; assumption.
  Qed.

  Lemma entry_bus k : 0 <= k <= 17 -> chain_bus k = 4 -> In k fetch_kinds \/ k = K_e4 \/ k = K_iv.
  Proof. intros B. revert k B. intros k B. pattern k. apply kind_cases; [exact B|..]; cbn; intros E; try discriminate E; tauto. Qed.

  Lemma fetch_bus k : In k fetch_kinds -> chain_bus k = 4 /\ 0 <= k <= 17.
  Proof. unfold fetch_kinds. cbn [In]. intros I0. repeat destruct I0 as [<-|I0]; try contradiction; cbn; lia. Qed.

  Lemma tag_bus_is_not_four k : 0 <= k <= 17 -> tag_bus k <> 4.
  Proof. intros B. pattern k. apply kind_cases; [exact B|..]; cbn; lia. Qed.

  (* What is provided no times is not provided. *)
  Lemma provided j k : is j k -> In k [K_e4; K_iv] -> T j c_aux = 0 -> numerators_of (row_events the_program N T pub sel j) 12 = [0].
  Proof.
    intros Hk I0 X. rewrite (numerators_are j k 12 _ Hk eq_refl). cbn [In] in I0. destruct I0 as [<-|[<-|[]]].
    - replace (s_numerators (sym (fx (Some K_e4) None)) 12) with [ESub (Const 0) (Var (Col c_aux))] by (vm_compute; reflexivity).
      cbn [map eval row_leaves]. rewrite X. reflexivity.
    - replace (s_numerators (sym (fx (Some K_iv) None)) 12) with [ESub (Const 0) (Var (Col c_aux))] by (vm_compute; reflexivity).
      cbn [map eval row_leaves]. rewrite X. reflexivity.
  Qed.

  (* Every fetch is of what an entry's last row, or an IV row for NONE, provides. *)
  Theorem fetch_has_a_source i k : row i -> is i k -> In k fetch_kinds ->
    exists j, row j /\ (is j K_e4 \/ is j K_iv) /\ T j c_aux <> 0 /\ same_message (said j) (said i) = true.
  Proof.
    intros Hi Hk I0. destruct (fetch_bus k I0) as [Eb Bk]. set (m := said i).
    assert (Hm : nth 0 m 0 = 4). { unfold m, said. destruct (bus_of_row i k Hk) as [_ ->]. exact Eb. }
    set (hit := fun r => ((T r (c_iv + K_e4) =? 1) || (T r (c_iv + K_iv) =? 1)) && negb (T r c_aux =? 0) && same_message (said r) m).
    destruct (existsb hit (rows N)) eqn:E.
    { apply existsb_exists in E as (r & Hr & H). apply rows_in in Hr. apply andb_true_iff in H as [H B]. apply andb_true_iff in H as [A X].
      exists r. split; [exact Hr|]. apply negb_true_iff, Z.eqb_neq in X. split; [|split; [exact X|exact B]].
      destruct (one_kind_each_row r Hr) as [k' Hk']. rewrite (proj2 Hk' (c_iv + K_e4) eq_refl), (proj2 Hk' (c_iv + K_iv) eq_refl) in A.
      apply orb_true_iff in A as [A|A].
      - left. destruct (Z.eqb_spec (c_iv + K_e4) (c_iv + k')) as [Q|Q]; [|discriminate A]. replace K_e4 with k' by lia. exact Hk'.
      - right. destruct (Z.eqb_spec (c_iv + K_iv) (c_iv + k')) as [Q|Q]; [|discriminate A]. replace K_iv with k' by lia. exact Hk'. }
    exfalso.
    assert (Books : forall r, row r -> 0 <= booked 0 m (row_fractions the_program N T pub sel r) <= 1
      /\ (r = i -> booked 0 m (row_fractions the_program N T pub sel r) = 1)).
    { intros r Hr. destruct (one_kind_each_row r Hr) as [k' Hk']. destruct (bus_of_row r k' Hk') as [B1 B2].
      destruct (row_fractions_are r) as (mu & n11 & m11 & n12 & m12 & -> & _ & E11 & E12n & E12).
      rewrite booked_app, !booked_cons. cbn [fst snd]. rewrite (booked_none 0 m (byte_fractions r)).
      2: { intros f F. unfold byte_fractions in F. apply in_map_iff in F as (j & <- & _). apply (not_same _ _ 0); [lia|]. cbn [snd nth]. lia. }
      rewrite (not_same [1; T r c_t_lo; T r c_t_hi] m 0) by (try lia; cbn [nth]; lia).
      rewrite (not_same m11 m 0) by (try lia; rewrite E11, B1, Hm; apply tag_bus_is_not_four, (proj1 Hk')).
      unfold booked. cbn [map sum fold_right]. rewrite E12, E12n. fold (said r).
      destruct (same_message (said r) m) eqn:Sm.
      2: { split; [lia|]. intros ->. unfold m in Sm. rewrite same_message_refl in Sm. discriminate Sm. }
      assert (Bus : chain_bus k' = 4). { rewrite <- B2. fold (said r). rewrite (same_message_nth _ _ 0 ltac:(lia) Sm). exact Hm. }
      destruct (entry_bus k' (proj1 Hk') Bus) as [F|F].
      - rewrite (fetch_numerator r k' Hk' F). cbn [nth]. lia.
      - assert (X : T r c_aux = 0).
        { destruct (Z.eq_dec (T r c_aux) 0) as [|X]; [assumption|]. exfalso. rewrite <- not_true_iff_false in E. apply E, existsb_exists.
          exists r. split; [apply rows_in, Hr|]. unfold hit. apply Z.eqb_neq in X.
          rewrite (proj2 Hk' (c_iv + K_e4) eq_refl), (proj2 Hk' (c_iv + K_iv) eq_refl), Sm, X. destruct F as [-> | ->]; reflexivity. }
        assert (Nu : numerators_of (row_events the_program N T pub sel r) 12 = [0]) by (destruct F as [-> | ->]; apply (provided r _ Hk'); cbn [In]; tauto || exact X).
        rewrite Nu. cbn [nth]. split; [lia|]. intros ->. destruct F as [-> | ->]; pose proof (kind_unique _ _ _ Hk Hk') as ->; cbn [fetch_kinds In] in I0; intuition discriminate. }
    destruct satisfies as (_ & _ & Bal). specialize (Bal 0%nat m). unfold all_fractions in Bal.
    rewrite booked_app, booked_flat_map in Bal. rewrite (booked_none _ _ publics) in Bal.
    2: { intros f F. apply (not_same _ _ 0); [lia|]. pose proof (public_bus f F) as PB. lia. }
    assert (Sum : 1 <= sum (map (fun r => booked 0 m (row_fractions the_program N T pub sel r)) (rows N)) <= N).
    { split.
      - rewrite <- (proj2 (Books i Hi) eq_refl).
        apply (sum_at_least (fun r => booked 0 m (row_fractions the_program N T pub sel r))); [|apply rows_in, Hi].
        intros y Y. apply rows_in in Y. destruct (Books y Y). lia.
      - pose proof (sum_bounds (fun r => booked 0 m (row_fractions the_program N T pub sel r)) 1 (rows N)) as S.
        assert (Ln : length (rows N) = Z.to_nat N) by (unfold rows; rewrite map_length, seq_length; reflexivity). rewrite Ln in S.
        pose proof size. assert (S' := S ltac:(intros x Hx; apply rows_in in Hx; destruct (Books x Hx); lia)). lia. }
    pose proof size. rewrite Z.mod_small in Bal by (unfold p; lia). lia.
  Qed.

  Tactic Notation "said_is" constr(i) constr(Hk) constr(k) :=
    unfold said; rewrite (message_is i k 12 _ Hk eq_refl);
    let l := eval vm_compute in (s_message (sym (fx (Some k) None)) 12) in
    replace (s_message (sym (fx (Some k) None)) 12) with l by (vm_compute; reflexivity);
    cbn [map nth eval row_leaves]; rewrite ?mod_cell; auto.

  Lemma fetched_limbs_said i k : is i k -> In k fetch_kinds ->
    nth 3 (said i) 0 = T i 238 /\ nth 4 (said i) 0 = T i 239 /\ nth 5 (said i) 0 = T i 240.
  Proof.
    unfold fetch_kinds. cbn [In]. intros Hk [<-|[<-|[<-|[]]]].
    - said_is i Hk (K_e0).
    - said_is i Hk (K_e1).
    - said_is i Hk (K_e2).
  Qed.

  Lemma cumulative_said j : is j K_e4 -> nth 3 (said j) 0 = T j 0 /\ nth 4 (said j) 0 = T j 1 /\ nth 5 (said j) 0 = T j 2.
  Proof. intros Hk. said_is j Hk (K_e4). Qed.

  Lemma none_said j : is j K_iv -> nth 3 (said j) 0 = 0 /\ nth 4 (said j) 0 = 0 /\ nth 5 (said j) 0 = 0.
  Proof. intros Hk. said_is j Hk (K_iv). Qed.

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Lemma cumulative_limbs j : row j -> is j K_e4 -> limb24 (T j 0) /\ limb24 (T j 1) /\ limb24 (T j 2).
  Proof.
    intros Hj Hk. use j (Some K_e4) (@None Z) k_cumulative_lane_0_is_its_bytes as A0. use j (Some K_e4) (@None Z) k_cumulative_lane_1_is_its_bytes as A1.
    use j (Some K_e4) (@None Z) k_cumulative_lane_2_is_its_bytes as A2. cbn [eval row_leaves] in *.
    pose proof (cell_canonical j 0). pose proof (cell_canonical j 1). pose proof (cell_canonical j 2).
    byte_at j 0. byte_at j 1. byte_at j 2. byte_at j 3. byte_at j 4. byte_at j 5. byte_at j 6. byte_at j 7.
    apply eq_if_small in A0; [|unfold p in *; lia]. apply eq_if_small in A1; [|unfold p in *; lia]. apply eq_if_small in A2; [|unfold p in *; lia]. lia.
  Qed.

  (* What is fetched is the cumulative of an entry, or 0. *)
  Theorem fetched_is_a_cumulative i k : row i -> is i k -> In k fetch_kinds ->
    three_limbs i c_val /\ (fetched i = 0 \/ exists j, row j /\ is j K_e4 /\ fetched i = lanes012 j).
  Proof.
    intros Hi Hk I0. destruct (fetch_has_a_source i k Hi Hk I0) as (j & Hj & Kj & _ & Sm). destruct (fetched_limbs_said i k Hk I0) as (F3 & F4 & F5).
    pose proof (same_message_nth _ _ 3 ltac:(lia) Sm) as E3. pose proof (same_message_nth _ _ 4 ltac:(lia) Sm) as E4.
    pose proof (same_message_nth _ _ 5 ltac:(lia) Sm) as E5. rewrite F3 in E3. rewrite F4 in E4. rewrite F5 in E5.
    unfold three_limbs, fetched. columns. destruct Kj as [Kj|Kj].
    - destruct (cumulative_said j Kj) as (G3 & G4 & G5). rewrite G3 in E3. rewrite G4 in E4. rewrite G5 in E5.
      destruct (cumulative_limbs j Hj Kj) as (L0 & L1 & L2). rewrite <- E3, <- E4, <- E5. split; [auto|]. right. exists j. auto.
    - destruct (none_said j Kj) as (G3 & G4 & G5). rewrite G3 in E3. rewrite G4 in E4. rewrite G5 in E5. rewrite <- E3, <- E4, <- E5.
      split; [lia|]. left. reflexivity.
  Qed.

  (* R5, with nothing assumed of what is fetched. *)
  Theorem cumulative_is_the_sum_of_what_is_fetched e0 e1 e2 e3 e4 : entry e0 e1 e2 e3 e4 -> three_limbs e0 c_res ->
    lanes012 e4 = lanes012 e2 + lanes012 e3 + fetched e0 + fetched e1 - T e1 c_shared_base * fetched e2 + T e0 c_residue * residue_total e0.
  Proof.
    intros E FR. pose proof (R0 _ _ _ _ _ E) as A0. pose proof (R1 _ _ _ _ _ E) as A1. pose proof (R2 _ _ _ _ _ E) as A2.
    apply (cumulative_is_the_sum e0 e1 e2 e3 e4 E); [| | |exact FR].
    - apply (fetched_is_a_cumulative e0 K_e0 A0 (k0 _ _ _ _ _ E)). cbn [fetch_kinds In]. tauto.
    - apply (fetched_is_a_cumulative e1 K_e1 A1 (k1 _ _ _ _ _ E)). cbn [fetch_kinds In]. tauto.
    - apply (fetched_is_a_cumulative e2 K_e2 A2 (k2 _ _ _ _ _ E)). cbn [fetch_kinds In]. tauto.
  Qed.
End Entries.
