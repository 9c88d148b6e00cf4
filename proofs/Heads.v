(* The HEADER and HEAD buses: each of the verifier's terms is one row, and each such row is one of its terms. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings.
Import ListNotations.
Local Open Scope Z_scope.

(* The verifier's terms, as circuits/README.md section 9 lists them: multiplicity -1; a header's peak in bytes, its coverage in limbs. *)
Class Terms (t : Table) : Prop := {
  taken : forall f, In f publics -> nth 0 (fst f) 0 = p - 1;
  few : Z.of_nat (length publics) < 2 ^ 22;
  header_ranges : forall f, In f publics -> nth 0 (snd f) 0 = 5 ->
    0 <= nth 10 (snd f) 0 <= 255 /\ 0 <= nth 11 (snd f) 0 <= 255 /\ 0 <= nth 12 (snd f) 0 <= 255
    /\ limb24 (nth 13 (snd f) 0) /\ limb24 (nth 14 (snd f) 0) }.

Section Heads.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t} {terms : Terms t}.

  (* What row i says on the chain bus. *)
  Definition said (i : Z) : list Z := message_of (row_events the_program N T pub sel i) 12.
  Definition one_if (b : bool) : Z := if b then 1 else 0.

  Definition head_kinds : list Z := [K_hd; K_el; K_mi; K_er; K_es; K_eg].

  (* How many rows of kind k say m; how many of the verifier's terms are m. *)
  Definition rows_saying (k : Z) (m : list Z) : Z := sum (map (fun i => one_if ((T i (c_iv + k) =? 1) && same_message (said i) m)) (rows N)).
  Definition terms_saying (m : list Z) : Z := sum (map (fun f => one_if (same_message (snd f) m)) publics).

  Definition heads_decided : bool :=
    forallb (fun k => match s_numerators (sym (fx (Some k) None)) 12 with [Const 1] => true | _ => false end) head_kinds.
  Lemma heads_are_decided : heads_decided = true.
  Proof. vm_cast_no_check (eq_refl true). Qed.

  Lemma head_numerator i k : is i k -> In k head_kinds -> numerators_of (row_events the_program N T pub sel i) 12 = [1].
  Proof.
    intros Hk I0. pose proof heads_are_decided as D. unfold heads_decided in D. rewrite forallb_forall in D. specialize (D k I0). cbv beta in D.
    rewrite (numerators_are i k 12 _ Hk eq_refl). generalize dependent (s_numerators (sym (fx (Some k) None)) 12). intros l D.
    destruct l as [|e l]; [discriminate D|]. destruct e as [[|[| |]|]| | | |]; try discriminate D. destruct l; [|discriminate D]. reflexivity.
  Qed.

  Lemma bus_of_kind k k' : In k head_kinds -> 0 <= k' <= 17 -> chain_bus k' = chain_bus k -> k' = k.
  Proof.
    intros I0 B E. assert (F : k' = 0 \/ k' = 1 \/ k' = 2 \/ k' = 3 \/ k' = 4 \/ k' = 5 \/ k' = 6 \/ k' = 7 \/ k' = 8 \/ k' = 9 \/ k' = 10 \/ k' = 11 \/ k' = 12
        \/ k' = 13 \/ k' = 14 \/ k' = 15 \/ k' = 16 \/ k' = 17) by lia.
    unfold head_kinds in I0. cbn [In] in I0.
    repeat destruct I0 as [<-|I0]; try contradiction;
      repeat destruct F as [F|F]; subst k'; cbn in E; try discriminate E; reflexivity.
  Qed.

  Lemma head_bus_range k : In k head_kinds -> 5 <= chain_bus k <= 10.
  Proof. unfold head_kinds. cbn [In]. intros I0. repeat destruct I0 as [<-|I0]; try contradiction; cbn; lia. Qed.

  Lemma tag_bus_small k : 0 <= k <= 17 -> tag_bus k <= 3.
  Proof.
    intros B. assert (F : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
    repeat destruct F as [F|F]; subst k; cbn; lia.
  Qed.

  Lemma row_books k m i : In k head_kinds -> nth 0 m 0 = chain_bus k -> row i ->
    booked 0 m (row_fractions the_program N T pub sel i) = one_if ((T i (c_iv + k) =? 1) && same_message (said i) m).
  Proof.
    intros I0 Hm Hi. pose proof (head_bus_range k I0) as Rg. destruct (one_kind_each_row i Hi) as [k' Hk'].
    destruct (bus_of_row i k' Hk') as [B1 B2]. pose proof (tag_bus_small k' (proj1 Hk')) as Ts.
    destruct (row_fractions_are i) as (mu & n11 & m11 & n12 & m12 & -> & _ & E11 & E12n & E12).
    rewrite booked_app, !booked_cons. cbn [fst snd].
    rewrite (booked_none 0 m (byte_fractions i)).
    2: { intros f F. unfold byte_fractions in F. apply in_map_iff in F as (j & <- & _). apply (not_same _ _ 0); [lia|]. cbn [snd nth]. lia. }
    rewrite (not_same [1; T i c_t_lo; T i c_t_hi] m 0) by (try lia; cbn [nth]; lia).
    rewrite (not_same m11 m 0) by (try lia; rewrite E11, B1; lia).
    unfold booked. cbn [map sum fold_right]. rewrite E12, E12n. fold (said i).
    rewrite (proj2 Hk' (c_iv + k)).
    2: { unfold head_kinds in I0. cbn [In] in I0. repeat destruct I0 as [<-|I0]; try contradiction; reflexivity. }
    destruct (Z.eqb_spec (c_iv + k) (c_iv + k')) as [E|E].
    - assert (k' = k) as -> by lia. rewrite (head_numerator i k Hk' I0). cbn [nth Z.eqb Pos.eqb andb].
      destruct (same_message (said i) m); cbn [one_if]; lia.
    - cbn [Z.eqb andb one_if]. rewrite (not_same (said i) m 0); [lia|lia|]. unfold said. rewrite B2, Hm. intros C.
      apply E. f_equal. symmetry. apply (bus_of_kind k k' I0 (proj1 Hk') C).
  Qed.

  (* Each message of a header or head is said by as many rows of its kind as there are terms of the verifier with it. *)
  Theorem heads_are_the_verifiers k m : In k head_kinds -> nth 0 m 0 = chain_bus k -> rows_saying k m = terms_saying m.
  Proof.
    intros I0 Hm. destruct satisfies as (_ & _ & Bal). specialize (Bal 0%nat m). unfold all_fractions in Bal.
    rewrite booked_app, booked_flat_map in Bal.
    assert (A : sum (map (fun i => booked 0 m (row_fractions the_program N T pub sel i)) (rows N)) = rows_saying k m).
    { unfold rows_saying. f_equal. apply map_ext_in. intros i Hi. apply rows_in in Hi. apply row_books; assumption. }
    assert (B : forall l, (forall f, In f l -> nth 0 (fst f) 0 = p - 1) ->
      booked 0 m l = (p - 1) * sum (map (fun f => one_if (same_message (snd f) m)) l)).
    { induction l as [|f l IH]; intros H; [cbn; lia|]. rewrite booked_cons, IH by (intros; apply H; right; assumption).
      cbn [map sum fold_right]. rewrite (H f (or_introl eq_refl)). destruct (same_message (snd f) m); cbn [one_if]; unfold sum; lia. }
    rewrite A, (B publics taken) in Bal. fold (terms_saying m) in Bal.
    assert (C : 0 <= rows_saying k m <= N).
    { pose proof (sum_bounds (fun i => one_if ((T i (c_iv + k) =? 1) && same_message (said i) m)) 1 (rows N)) as S.
      assert (Ln : length (rows N) = Z.to_nat N) by (unfold rows; rewrite map_length, seq_length; reflexivity). rewrite Ln in S.
      pose proof size. unfold rows_saying.
      assert (S' := S ltac:(intros; unfold one_if; destruct (_ && _); lia)). lia. }
    assert (D : 0 <= terms_saying m < 2 ^ 22).
    { pose proof (sum_bounds (fun f : fraction => one_if (same_message (snd f) m)) 1 publics) as S. pose proof few. unfold terms_saying.
      assert (S' := S ltac:(intros; unfold one_if; destruct (same_message _ _); lia)). unfold fraction in *. lia. }
    apply mod_zero_iff in Bal as [q Bal]. pose proof size. unfold p in *. lia.
  Qed.

  Lemma said_by_header i : is i K_hd ->
    said i = [5; T i c_chain; T i 0; T i 1; T i 2; T i 3; T i 4; T i 5; T i 6; T i 7; T i 223; T i 224; T i 225; T i 226; T i 227].
  Proof.
    intros Hk. unfold said. rewrite (message_is i K_hd 12 [Const 5; Var (Col c_chain); Var (Col 0); Var (Col 1); Var (Col 2); Var (Col 3);
      Var (Col 4); Var (Col 5); Var (Col 6); Var (Col 7); Var (Col 223); Var (Col 224); Var (Col 225); Var (Col 226); Var (Col 227)] Hk).
    - cbn [map eval row_leaves]. rewrite !mod_cell. reflexivity.
    - vm_compute. reflexivity.
  Qed.

  (* Every header or head row is one of the verifier's terms. *)
  Theorem head_is_a_term i k : row i -> is i k -> In k head_kinds -> exists f, In f publics /\ same_message (snd f) (said i) = true.
  Proof.
    intros Hi Hk I0. destruct (existsb (fun f => same_message (snd f) (said i)) publics) eqn:E.
    { apply existsb_exists in E as (f & F & S). exists f. auto. }
    exfalso. assert (Hm : nth 0 (said i) 0 = chain_bus k) by (apply (bus_of_row i k Hk)).
    pose proof (heads_are_the_verifiers k (said i) I0 Hm) as H.
    assert (Z0 : terms_saying (said i) = 0).
    { unfold terms_saying. unfold fraction in *. assert (G : forall l, existsb (fun f : list Z * list Z => same_message (snd f) (said i)) l = false ->
        sum (map (fun f => one_if (same_message (snd f) (said i))) l) = 0).
      { induction l as [|f l IH]; intros G; [reflexivity|]. cbn [existsb] in G. apply orb_false_iff in G as [G1 G2].
        cbn [map sum fold_right]. rewrite G1. cbn [one_if]. unfold sum in *. rewrite IH by exact G2. reflexivity. }
      apply G, E. }
    assert (One : 1 <= rows_saying k (said i)).
    { pose proof (sum_at_least (fun r => one_if ((T r (c_iv + k) =? 1) && same_message (said r) (said i))) (rows N) i) as S. cbv beta in S.
      rewrite (proj2 Hk (c_iv + k)) in S.
      2: { unfold head_kinds in I0. cbn [In] in I0. repeat destruct I0 as [<-|I0]; try contradiction; reflexivity. }
      rewrite Z.eqb_refl, same_message_refl in S. cbn [one_if Z.eqb Pos.eqb andb] in S. unfold rows_saying. apply S.
      - intros y _. unfold one_if. destruct (_ && _); lia.
      - apply rows_in, Hi. }
    lia.
  Qed.

  Theorem header_is_a_term i : row i -> is i K_hd -> exists f, In f publics /\ same_message (snd f) (said i) = true.
  Proof. intros Hi Hk. apply (head_is_a_term i K_hd Hi Hk). left. reflexivity. Qed.

  (* So peak and coverage of a header row are in their ranges: what the theorems on ledgers ask. *)
  Theorem header_is_in_range i : row i -> is i K_hd -> coverage_in_range i /\ peak_of_bytes i.
  Proof.
    intros Hi Hk. destruct (header_is_a_term i Hi Hk) as (f & F & S). pose proof (said_by_header i Hk) as E.
    assert (Eq : forall k, (k < 16)%nat -> nth k (snd f) 0 = nth k (said i) 0) by (intros; apply same_message_nth; assumption).
    pose proof (Eq 0%nat ltac:(lia)) as E0. pose proof (Eq 10%nat ltac:(lia)) as E10. pose proof (Eq 11%nat ltac:(lia)) as E11.
    pose proof (Eq 12%nat ltac:(lia)) as E12. pose proof (Eq 13%nat ltac:(lia)) as E13. pose proof (Eq 14%nat ltac:(lia)) as E14.
    rewrite E in *. cbn [nth] in *. destruct (header_ranges f F E0) as (P0 & P1 & P2 & C0 & C1).
    unfold coverage_in_range, peak_of_bytes. columns. rewrite E10 in P0. rewrite E11 in P1. rewrite E12 in P2. rewrite E13 in C0. rewrite E14 in C1. auto.
  Qed.
End Heads.

(* R1 (in part), R2 and R3 together. A header row that is followed by a reading begins a ledger that ends, whose header is one of the verifier's terms, whose
   epochs have exactly that term's coverage, and whose work is chip-seconds times that term's peak. *)
Theorem ledgers_are_as_stated {t : Table} {ok : Satisfied t} {hdrs : Headers t} {terms : Terms t} (h : Z) :
  row h -> is h K_hd -> is_reading (nx h) -> 0 <= pub u_first_epoch < 2 ^ 24 ->
  exists f n, In f publics /\ same_message (snd f) (said h) = true
    /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) /\ is (at_ h (S n)) K_el
    /\ (forall e, pub u_first_epoch <= e <= pub u_last_epoch -> booked_seconds h n e = nth 13 (snd f) 0 + 2 ^ 24 * nth 14 (snd f) 0)
    /\ (forall e, ~ pub u_first_epoch <= e <= pub u_last_epoch -> booked_seconds h n e = 0)
    /\ (pub u_charge_peak = 1 -> forall j, (1 <= j <= n)%nat ->
        work (at_ h j) = if T (at_ h j) (c_iv + K_idle) =? 1 then 0
                         else chip_seconds (at_ h j) * (nth 10 (snd f) 0 + 256 * nth 11 (snd f) 0 + 65536 * nth 12 (snd f) 0)).
Proof.
  intros Hrow Hhd Hfirst Hpub. destruct (header_is_a_term h Hrow Hhd) as (f & F & S). destruct (header_is_in_range h Hrow Hhd) as [Cv Pk].
  destruct (ledger_is_finite h Hrow Hhd Hfirst) as (n & N1 & N2 & Rd & El).
  pose proof (every_epoch_has_its_coverage h Hrow Hhd Hfirst Cv Hpub n (conj N1 N2) Rd El) as (A & B & _).
  assert (W : pub u_charge_peak = 1 -> forall j, (1 <= j <= n)%nat ->
    work (at_ h j) = if T (at_ h j) (c_iv + K_idle) =? 1 then 0 else chip_seconds (at_ h j) * peak h).
  { intros Hc j Hj. eapply ledger_work_is_chip_seconds_times_peak; try eassumption. split; assumption. }
  assert (Eq : forall k, (k < 16)%nat -> nth k (snd f) 0 = nth k (said h) 0) by (intros; apply same_message_nth; assumption).
  rewrite (said_by_header h Hhd) in Eq.
  assert (E1 : coverage h = nth 13 (snd f) 0 + 2 ^ 24 * nth 14 (snd f) 0).
  { rewrite (Eq 13%nat), (Eq 14%nat) by lia. cbn [nth]. unfold coverage. columns. reflexivity. }
  assert (E2 : peak h = nth 10 (snd f) 0 + 256 * nth 11 (snd f) 0 + 65536 * nth 12 (snd f) 0).
  { rewrite (Eq 10%nat), (Eq 11%nat), (Eq 12%nat) by lia. cbn [nth]. unfold peak. columns. reflexivity. }
  exists f, n. rewrite <- E1, <- E2. split; [exact F|]. split; [exact S|]. split; [exact Rd|]. split; [exact El|]. split; [exact A|]. split; [exact B|exact W].
Qed.
