(* R1: the permutation's output is a function of its input, and each end of a chain is the sponge of the chain's blocks. *)
From Coq Require Import ZArith List Bool Lia FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Heads Entries Statement Cut Lineage.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- The permutation, as the program has it ---- *)

(* Columns by number, and what a column holds; an unknown one counts as 0. *)
Definition column (cols : Regs.t Z) (n : Z) : Z := match Regs.find (Z.to_pos (n + 1)) cols with Some v => v | None => 0 end.
Definition with_column (n v : Z) (cols : Regs.t Z) : Regs.t Z := Regs.add (Z.to_pos (n + 1)) v cols.
Definition columns_of (cols : Regs.t Z) (l : leaf) : Z := match l with Col n => column cols n | _ => 0 end.

(* Constraint k, for k up to 163, is `column 16 + k less something computed from columns before it`: here the column gets that value. *)
Fixpoint rounds (os : list op) (regs cols : Regs.t Z) : Regs.t Z :=
  match os with
  | [] => cols
  | Out _ _ :: rest => rounds rest regs cols
  | Bin o dst a b :: rest =>
    let go := rounds rest (Regs.add dst (apply Fp o (value Fp (columns_of cols) regs a) (value Fp (columns_of cols) regs b)) regs) cols in
    match o, a, rest with
    | Sub, Leaf (Col c), Out (Assert k) (Reg d) :: rest' =>
      if (c =? 16 + k) && (d =? dst)%positive then
        let cols' := with_column c (value Fp (columns_of cols) regs b mod p) cols in
        if k =? 163 then cols' else rounds rest' (Regs.add dst 0 regs) cols'
      else go
    | _, _, _ => go
    end
  end.

Fixpoint columns_from (n : Z) (l : list Z) : Regs.t Z := match l with [] => Regs.empty Z | v :: rest => with_column n v (columns_from (n + 1) rest) end.

(* The 16 lanes that the permutation makes of 16 lanes. *)
Definition permute (lanes : list Z) : list Z :=
  map (column (rounds (ops the_program) (Regs.empty Z) (columns_from 0 lanes))) (map Z.of_nat (seq 164 16)).

(* ---- The sponge: circuits/README.md section 2 ---- *)

Definition START : list Z := [1673336407; 1671264702; 879262362; 442522334; 1366701560; 1860246148; 1292429780; 941621101].

Fixpoint absorb (capacity : list Z) (blocks : list (list Z)) : list Z :=
  match blocks with [] => capacity | block :: rest => absorb (skipn 8 (permute (block ++ capacity))) rest end.
Definition sponge (blocks : list (list Z)) (trailer : list Z) : list Z := firstn 8 (permute (trailer ++ absorb START blocks)).

(* ---- Proofs ---- *)

Definition reads (known : Z) (x : operand) : bool := match x with Leaf (Col n) => (0 <=? n) && (n <? known) | Leaf _ => false | _ => true end.
(* Each op reads columns that are known, and the ops end with constraint 163. *)
Fixpoint in_turn (known : Z) (os : list op) : bool :=
  match os with
  | [] => false
  | Out _ _ :: rest => false
  | Bin o dst a b :: rest =>
    match o, a, rest with
    | Sub, Leaf (Col c), Out (Assert k) (Reg d) :: rest' =>
      if (c =? 16 + k) && (d =? dst)%positive then (c =? known) && reads known b && ((k =? 163) || in_turn (known + 1) rest')
      else reads known a && reads known b && in_turn known rest
    | _, _, _ => reads known a && reads known b && in_turn known rest
    end
  end.

Transparent the_program.
Lemma the_program_is_in_turn : in_turn 16 (ops the_program) = true.
Proof. vm_compute. reflexivity. Qed.
Opaque the_program.

Lemma column_same cols n v : column (with_column n v cols) n = v.
Proof. unfold column, with_column. rewrite PositiveMap.gss. reflexivity. Qed.
Lemma column_other cols n m v : 0 <= n -> 0 <= m -> n <> m -> column (with_column n v cols) m = column cols m.
Proof. intros Hn Hm Ne. unfold column, with_column. rewrite PositiveMap.gso; [reflexivity|]. intros E. apply Ne. apply Z2Pos.inj in E; lia. Qed.

Lemma columns_from_are l : forall n m, 0 <= n -> n <= m < n + Z.of_nat (length l) -> column (columns_from n l) m = nth (Z.to_nat (m - n)) l 0.
Proof.
  induction l as [|v l IH]; intros n m Hn Hm; cbn [length] in Hm; [lia|]. cbn [columns_from]. destruct (Z.eq_dec n m) as [->|Ne].
  - rewrite column_same, Z.sub_diag. reflexivity.
  - rewrite column_other by lia. rewrite IH by lia. replace (Z.to_nat (m - n)) with (S (Z.to_nat (m - (n + 1)))) by lia. reflexivity.
Qed.

Lemma not_past_the_last len : forall os, (length os <= len)%nat -> forall known, 180 <= known -> in_turn known os = true -> False.
Proof.
  induction len as [|len IH]; intros os Hl kn K T0.
  - destruct os; [discriminate T0|cbn in Hl; lia].
  - destruct os as [|[o dst a b|ev a] rest]; [discriminate T0| |discriminate T0]. cbn [length] in Hl.
    assert (P : in_turn kn rest = true -> False) by (apply (IH rest); [lia|exact K]).
    cbn [in_turn] in T0. destruct o; try (apply andb_true_iff in T0 as [_ T0]; exact (P T0)).
    destruct a as [r|c|[c|c|c|c]]; try (apply andb_true_iff in T0 as [_ T0]; exact (P T0)).
    destruct rest as [|[o' dst' a' b'|[k|k1 k2|k1 k2] [d|c'|l']] rest']; try (apply andb_true_iff in T0 as [_ T0]; exact (P T0)).
    destruct ((c =? 16 + k) && (d =? dst)%positive) eqn:E; [|apply andb_true_iff in T0 as [_ T0]; exact (P T0)].
    apply andb_true_iff in E as [Ec _]. apply Z.eqb_eq in Ec. apply andb_true_iff in T0 as [T0 T1]. apply andb_true_iff in T0 as [T0 _]. apply Z.eqb_eq in T0.
    apply orb_true_iff in T1 as [T1|T1]; [apply Z.eqb_eq in T1; lia|]. cbn [length] in Hl. apply (IH rest' ltac:(lia) (kn + 1)); [lia|exact T1].
Qed.

Section Rounds.
  Variable row_cells : leaf -> Z.
  Hypothesis cells : forall l, canonical (row_cells l).

  Lemma value_agrees known cols regs x : (forall n, 0 <= n < known -> column cols n = row_cells (Col n)) -> reads known x = true ->
    value Fp (columns_of cols) regs x = value Fp row_cells regs x.
  Proof.
    intros H R. destruct x as [r|c|[n|n|n|n]]; cbn in *; try reflexivity; try discriminate R. apply H. apply andb_true_iff in R as [A B].
    apply Z.leb_le in A. apply Z.ltb_lt in B. lia.
  Qed.

  Lemma rounds_are_the_columns m : forall os, (length os <= m)%nat -> forall known regs cols, 16 <= known <= 180 ->
    (forall n, 0 <= n < known -> column cols n = row_cells (Col n)) -> in_turn known os = true ->
    (forall k v, In (Assert k, v) (run Fp row_cells os regs) -> v = 0) ->
    forall n, 0 <= n < 180 -> column (rounds os regs cols) n = row_cells (Col n).
  Proof.
    induction m as [|m IH]; intros os Hm known regs cols Hk Ag Ok Zs; (destruct os as [|[o dst a b|ev a] rest]; [discriminate Ok| |discriminate Ok]); [cbn in Hm; lia|].
    cbn [length] in Hm.
    assert (Plain : reads known a && reads known b && in_turn known rest = true ->
      forall n, 0 <= n < 180 -> column (rounds rest (Regs.add dst (apply Fp o (value Fp (columns_of cols) regs a) (value Fp (columns_of cols) regs b)) regs) cols) n = row_cells (Col n)).
    { intros C. apply andb_true_iff in C as [C C3]. apply andb_true_iff in C as [C1 C2].
      rewrite (value_agrees known cols regs a Ag C1), (value_agrees known cols regs b Ag C2). apply (IH rest ltac:(lia) known); auto. }
    cbn [rounds in_turn] in *. destruct o; try (apply Plain, Ok). destruct a as [r|c|[c|c|c|c]]; try (apply Plain, Ok).
    destruct rest as [|[o' dst' a' b'|[k|k1 k2|k1 k2] [d|c'|l']] rest']; try (apply Plain, Ok).
    destruct ((c =? 16 + k) && (d =? dst)%positive) eqn:E; [|apply Plain, Ok].
    apply andb_true_iff in E as [Ec Ed]. apply Z.eqb_eq in Ec. apply Pos.eqb_eq in Ed. subst d.
    apply andb_true_iff in Ok as [Ok Rest]. apply andb_true_iff in Ok as [Kn Rb]. apply Z.eqb_eq in Kn.
    cbn [run apply value] in Zs. rewrite PositiveMap.gss in Zs.
    assert (Z0 : sub Fp (row_cells (Col c)) (value Fp row_cells regs b) = 0) by (apply (Zs k); left; reflexivity).
    rewrite Z0 in Zs. rewrite (value_agrees known cols regs b Ag Rb).
    assert (V : value Fp row_cells regs b mod p = row_cells (Col c)).
    { pose proof (cells (Col c)) as C. unfold canonical in C. cbn [sub Fp] in Z0. apply mod_zero_iff in Z0 as [q Z0].
      replace (value Fp row_cells regs b) with (row_cells (Col c) + (- q) * p) by lia. rewrite Z.mod_add by discriminate. apply Z.mod_small, C. }
    rewrite V.
    assert (Ag' : forall n, 0 <= n < known + 1 -> column (with_column c (row_cells (Col c)) cols) n = row_cells (Col n)).
    { intros n Hn. destruct (Z.eq_dec c n) as [->|Ne]; [apply column_same|]. rewrite column_other by lia. apply Ag. lia. }
    destruct (Z.eqb_spec k 163) as [E|E].
    - intros n Hn. apply Ag'. lia.
    - cbn [orb] in Rest. cbn [length] in Hm. destruct (Z_le_gt_dec 180 known) as [L|L].
      + intros n Hn. exfalso. revert Rest.
        intros T0. apply (not_past_the_last (length rest') rest' (le_n _) (known + 1)); [lia|exact T0].
      + apply (IH rest' ltac:(lia) (known + 1)); auto; [lia|]. intros k' v' I0. apply (Zs k'). right. exact I0.
  Qed.
End Rounds.

Section Chains.
  Context {t : Table} {ok : Satisfied t}.

  Definition lanes i := map (T i) (map Z.of_nat (seq 0 16)).
  Definition capacity i := map (T i) [8; 9; 10; 11; 12; 13; 14; 15].

  (* The permutation's output on a row is a function of its input. *)
  Theorem output_is_the_permutation i : row i -> map (T i) (map Z.of_nat (seq 164 16)) = permute (lanes i).
  Proof.
    intros Hi. unfold permute. apply map_ext_in. intros c Hc. apply in_map_iff in Hc as (j & <- & Hj). apply in_seq in Hj. symmetry.
    apply (rounds_are_the_columns (env i) (env_canonical i) (length (ops the_program)) (ops the_program) (le_n _) 16); [lia| |apply the_program_is_in_turn| |lia].
    - intros n Hn. unfold lanes. rewrite columns_from_are by (rewrite ?map_length, ?seq_length; lia). rewrite Z.sub_0_r.
      assert (Hn' : (Z.to_nat n < 16)%nat) by lia. rewrite (nth_indep _ 0 (T i (Z.of_nat 0))) by (rewrite !map_length, seq_length; exact Hn').
      rewrite (map_nth (T i)), map_nth, seq_nth by exact Hn'. cbn [row_leaves Nat.add]. rewrite Z2Nat.id by lia. reflexivity.
    - intros k v I0. destruct satisfies as (_ & C & _). apply (C i Hi k v). exact I0.
  Qed.

  Lemma lanes_split i : lanes i = block i ++ capacity i.
  Proof. reflexivity. Qed.

  Lemma outs_are i : row i -> outs i = firstn 8 (permute (block i ++ capacity i)).
  Proof. intros Hi. rewrite <- lanes_split, <- output_is_the_permutation by exact Hi. reflexivity. Qed.

  Lemma capacity_out i : row i -> map (T i) [172; 173; 174; 175; 176; 177; 178; 179] = skipn 8 (permute (block i ++ capacity i)).
  Proof. intros Hi. rewrite <- lanes_split, <- output_is_the_permutation by exact Hi. reflexivity. Qed.

  (* Rows that are hashed on a copy. *)
  Definition on_copy i : bool := T i c_mi + T i c_side =? 1.

  Ltac known Hk H := match type of Hk with is ?r _ => repeat match type of H with context [T ?r ?n] =>
      let E := fresh in pose proof (proj2 Hk n eq_refl) as E; cbn in E; rewrite E in H; clear E end end.

  Definition lane_links i c : Prop := T (nx i) c = if on_copy i then T i c else T i (164 + c).

  Tactic Notation "link" constr(c) constr(k) := intros Hi Hn N1 N2; unfold lane_links, on_copy; let w := eval vm_compute in (164 + c) in change (164 + c) with w;
    match type of Hi with row ?i => match type of Hn with is _ ?k' =>
      let H := fresh "L" in use_constraint i (@None Z) (@None Z) k H; cbn [eval row_leaves] in H;
      let Ca := fresh in let Cb := fresh in let Cc := fresh in
      pose proof (cell_canonical i c) as Ca; pose proof (cell_canonical (nx i) c) as Cb; let w := eval vm_compute in (164 + c) in pose proof (cell_canonical i w) as Cc;
      assert (Cp : T i c_mi + T i c_side = 0 \/ T i c_mi + T i c_side = 1)
        by (destruct (one_kind_each_row i Hi) as [k0 K0]; rewrite (proj2 K0 185 eq_refl), (proj2 K0 194 eq_refl); destruct (Z.eqb_spec 185 (180 + k0)), (Z.eqb_spec 194 (180 + k0)); lia);
      let Rg := fresh in pose proof (proj1 Hn) as Rg; revert Hn N1 N2; pattern k'; apply kind_cases; [exact Rg|..]; intros Hn N1 N2; try congruence; clear Rg; known Hn H;
      destruct Cp as [Cp|Cp]; rewrite Cp in *; cbn [Z.eqb Pos.eqb]; apply mod_zero_iff in H as [? H]; unfold p in *; lia end end.

  Lemma link_8 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 8. Proof. link 8 k_capacity_link_8. Qed.
  Lemma link_9 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 9. Proof. link 9 k_capacity_link_9. Qed.
  Lemma link_10 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 10. Proof. link 10 k_capacity_link_10. Qed.
  Lemma link_11 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 11. Proof. link 11 k_capacity_link_11. Qed.
  Lemma link_12 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 12. Proof. link 12 k_capacity_link_12. Qed.
  Lemma link_13 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 13. Proof. link 13 k_capacity_link_13. Qed.
  Lemma link_14 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 14. Proof. link 14 k_capacity_link_14. Qed.
  Lemma link_15 i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding -> lane_links i 15. Proof. link 15 k_capacity_link_15. Qed.

  Lemma capacity_links i k : row i -> is (nx i) k -> k <> K_iv -> k <> K_padding ->
    capacity (nx i) = if on_copy i then capacity i else skipn 8 (permute (block i ++ capacity i)).
  Proof.
    intros Hi Hn N1 N2. rewrite <- capacity_out by exact Hi. unfold capacity. cbn [map].
    rewrite (link_8 i k), (link_9 i k), (link_10 i k), (link_11 i k), (link_12 i k), (link_13 i k), (link_14 i k), (link_15 i k) by assumption.
    destruct (on_copy i); reflexivity.
  Qed.

  Tactic Notation "starts" constr(i) constr(k) := let H := fresh "S" in use_constraint i (Some K_iv) (@None Z) k H; cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H].
  Lemma capacity_starts i : row i -> is i K_iv -> capacity i = START.
  Proof.
    intros Hi Hk. starts i (k_chain_starts_at_constant_8). starts i (k_chain_starts_at_constant_9). starts i (k_chain_starts_at_constant_10). starts i (k_chain_starts_at_constant_11).
    starts i (k_chain_starts_at_constant_12). starts i (k_chain_starts_at_constant_13). starts i (k_chain_starts_at_constant_14). starts i (k_chain_starts_at_constant_15).
    pose proof (cell_canonical i 8). pose proof (cell_canonical i 9). pose proof (cell_canonical i 10). pose proof (cell_canonical i 11).
    pose proof (cell_canonical i 12). pose proof (cell_canonical i 13). pose proof (cell_canonical i 14). pose proof (cell_canonical i 15).
    unfold capacity, START. cbn [map]. unfold p in *. repeat (f_equal; try lia).
  Qed.

  (* The blocks of a chain before row m, from its first row on. *)
  Fixpoint chain_blocks (v : Z) (m : nat) : list (list Z) :=
    match m with O => [] | S k => chain_blocks v k ++ if on_copy (at_ v k) then [] else [block (at_ v k)] end.

  Lemma absorb_app a : forall c b, absorb c (a ++ b) = absorb (absorb c a) b.
  Proof. induction a as [|x a IH]; intros c b; [reflexivity|]. cbn [app absorb]. apply IH. Qed.

  (* R1: what a row of a chain puts out is the sponge of the blocks before it, with its own block as the trailer. *)
  Theorem chain_is_hashed v m : row v -> is v K_iv -> (forall j, (1 <= j <= m)%nat -> exists k, is (at_ v j) k /\ k <> K_iv /\ k <> K_padding) ->
    outs (at_ v m) = sponge (chain_blocks v m) (block (at_ v m)).
  Proof.
    intros Hv Kv Hk. unfold sponge. rewrite outs_are by apply at_row. do 3 f_equal. revert Hk. induction m as [|m IH]; intros Hk.
    - rewrite at_0 by exact Hv. apply capacity_starts; assumption.
    - destruct (Hk (S m) ltac:(lia)) as (k & K & N1 & N2). rewrite <- at_next in *. rewrite (capacity_links _ k) by (auto; apply at_row).
      cbn [chain_blocks]. rewrite absorb_app, <- IH by (intros; apply Hk; lia). destruct (on_copy (at_ v m)); reflexivity.
  Qed.

  Lemma before_header h : row h -> is h K_hd -> exists v, row v /\ is v K_iv /\ nx v = h.
  Proof.
    intros Hh Kh. pose proof N_pos as Np. set (v := (h - 1) mod N). assert (Hv : row v) by (apply Z.mod_pos_bound; lia).
    assert (E : nx v = h). { unfold next, v. rewrite Zplus_mod_idemp_l. replace (h - 1 + 1) with h by ring. apply Z.mod_small, Hh. }
    exists v. split; [exact Hv|]. split; [|exact E]. destruct (one_kind_each_row v Hv) as [k Hk]. rewrite <- E in Kh. pose proof (order_of_rows v k _ Hv Hk Kh) as O.
    pose proof (proj1 Hk) as Rg. revert Hk O. pattern k. apply kind_cases; [exact Rg|..]; cbn [successors In]; intros Hk O; try exact Hk; exfalso; clear - O; intuition discriminate.
  Qed.
End Chains.
