(* R3: work = chip-seconds x peak. R2: every epoch of a ledger has exactly its coverage. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes.
Import ListNotations.
Local Open Scope Z_scope.

Definition byte_bounds : list (leaf * ival) :=
  Eval vm_compute in
    map (fun n => (Col (c_byte + Z.of_nat n), (0, 255))) (seq 0 20) ++ map (fun n => (Next (c_byte + Z.of_nat n), (0, 255))) (seq 0 20).

Section Bounds.
  Context {t : Table} {ok : Satisfied t} {hd : Headers t}.

  Lemma bytes_bounded i : row i -> Forall (fun b => within (env i (fst b)) (snd b)) byte_bounds.
  Proof.
    intros Hi. unfold byte_bounds. pose proof (next_row i) as Hn.
    repeat (apply Forall_cons;
      [cbn [fst snd row_leaves]; unfold within; cbn [fst snd];
       match goal with |- 0 <= T ?r ?c <= 255 => let j := eval vm_compute in (c - c_byte) in apply (every_byte_is_a_byte r j); [assumption|lia] end|]).
    apply Forall_nil.
  Qed.
End Bounds.
Global Opaque byte_bounds.

(* As `integral` of Rows.v, with byte columns of both rows known to be bytes. *)
Ltac exact_over_integers H bs :=
  eapply (zero_if_small _ (bound_in (bs ++ byte_bounds))) in H;
  [ cbn [eval row_leaves] in H
  | apply in_bounds; cbn [app];
    repeat (apply Forall_cons; [cbn [fst snd row_leaves]; unfold within; cbn [fst snd]; (assumption || lia)|]); apply bytes_bounded; assumption
  | vm_compute; reflexivity ].

(* Columns that are written as sums of numbers. *)
Ltac columns := repeat match goal with
  | |- context [T ?i (?a + ?b)] => let v := eval vm_compute in (a + b) in change (T i (a + b)) with (T i v)
  | H : context [T ?i (?a + ?b)] |- _ => let v := eval vm_compute in (a + b) in change (T i (a + b)) with (T i v) in H
  end.

Notation limbs2 lo hi := (lo + 2 ^ 24 * hi).
Notation limb24 v := (0 <= v < 2 ^ 24).

Section Readings.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Definition epoch i := T i 0.
  Definition tag i := T i 1.
  Definition chip_seconds i := limbs2 (T i 2) (T i 3).
  Definition work i := limbs2 (T i 4) (T i 5).
  Definition peak i := T i c_res + 256 * T i (c_res + 1) + 65536 * T i (c_res + 2).
  Definition peak_of_bytes i := 0 <= T i c_res <= 255 /\ 0 <= T i (c_res + 1) <= 255 /\ 0 <= T i (c_res + 2) <= 255.
  Definition coverage i := limbs2 (T i c_tot) (T i (c_tot + 1)).
  Definition is_reading i := is i K_busy \/ is i K_idle.

  Definition three_bytes i j := T i (c_byte + j) + 256 * T i (c_byte + j + 1) + 65536 * T i (c_byte + j + 2).
  Definition remaining i := limbs2 (three_bytes i 12) (three_bytes i 15).

  Lemma three_bytes_small i j : row i -> 0 <= j <= 17 -> limb24 (three_bytes i j).
  Proof.
    intros Hi Hj. unfold three_bytes. pose proof (every_byte_is_a_byte i j Hi). pose proof (every_byte_is_a_byte i (j + 1) Hi).
    pose proof (every_byte_is_a_byte i (j + 2) Hi). rewrite Z.add_assoc in *. lia.
  Qed.

  Tactic Notation "lane" constr(i) constr(k) constr(c) := let H := fresh in use_constraint i (Some k) (@None Z) c H; exact_over_integers H (@nil (leaf * ival)).
  Tactic Notation "lanes" constr(i) constr(k) := lane i k (k_reading_lane_2_is_its_bytes); lane i k (k_reading_lane_3_is_its_bytes);
    lane i k (k_reading_lane_4_is_its_bytes); lane i k (k_reading_lane_5_is_its_bytes).

  Lemma reading_lanes i : row i -> is_reading i ->
    T i 2 = three_bytes i 0 /\ T i 3 = three_bytes i 3 /\ T i 4 = three_bytes i 6 /\ T i 5 = three_bytes i 9.
  Proof.
    intros Hi [Hk|Hk]; [lanes i (K_busy)|lanes i (K_idle)]; unfold three_bytes; columns; lia.
  Qed.

  (* R3. *)
  Theorem work_is_chip_seconds_times_peak i :
    row i -> is i K_busy -> pub u_charge_peak = 1 -> peak_of_bytes i -> work i = chip_seconds i * peak i.
  Proof.
    intros Hi Hk Hc (P0 & P1 & P2). destruct (reading_lanes i Hi (or_introl Hk)) as (L2 & L3 & L4 & L5).
    use i (Some K_busy) (@None Z) k_carry_hi_0_is_a_bit as B0. use i (Some K_busy) (@None Z) k_carry_hi_1_is_a_bit as B1.
    use i (Some K_busy) (@None Z) k_carry_hi_2_is_a_bit as B2. use i (Some K_busy) (@None Z) k_carry_hi_3_is_a_bit as B3.
    cbn [eval row_leaves] in B0, B1, B2, B3. apply bit in B0, B1, B2, B3; try apply cell_canonical.
    use i (Some K_busy) (@None Z) k_work_is_the_product_0 as E0. use i (Some K_busy) (@None Z) k_work_is_the_product_1 as E1.
    use i (Some K_busy) (@None Z) k_work_is_the_product_2 as E2. use i (Some K_busy) (@None Z) k_work_is_the_product_top as E3.
    pose (bs := [(Pub u_charge_peak, (1, 1)); (Col c_res, (0, 255)); (Col (c_res + 1), (0, 255)); (Col (c_res + 2), (0, 255));
                 (Col c_val, (0, 1)); (Col (c_val + 1), (0, 1)); (Col (c_val + 2), (0, 1)); (Col c_fbase, (0, 1))]).
    let b := eval vm_compute in bs in
    exact_over_integers E0 b; exact_over_integers E1 b; exact_over_integers E2 b; exact_over_integers E3 b.
    clear bs. rewrite Hc in *. unfold work, chip_seconds, peak. rewrite L2, L3, L4, L5. unfold three_bytes. columns.
    match type of E0 with ?a = 0 => match type of E1 with ?b = 0 => match type of E2 with ?c = 0 => match type of E3 with ?d = 0 =>
      match goal with |- ?l = ?r => assert (X : r - l = a + 65536 * b + 65536 * 65536 * c + 65536 * 65536 * 65536 * d) by ring end end end end end.
    rewrite E0, E1, E2, E3 in X. lia.
  Qed.

  Theorem idle_has_no_work i : row i -> is i K_idle -> tag i = 1 /\ work i = 0.
  Proof.
    intros Hi Hk. destruct (reading_lanes i Hi (or_intror Hk)) as (L2 & L3 & L4 & L5).
    pose proof (three_bytes_small i 6 Hi ltac:(lia)). pose proof (three_bytes_small i 9 Hi ltac:(lia)).
    assert (0 <= T i 4 <= 2 ^ 24) by lia. assert (0 <= T i 5 <= 2 ^ 24) by lia.
    use i (Some K_idle) (@None Z) k_idle_has_the_idle_tag as G1. use i (Some K_idle) (@None Z) k_idle_has_no_work as G2.
    exact_over_integers G1 (@nil (leaf * ival)). exact_over_integers G2 [(Col 4, (0, 2 ^ 24)); (Col 5, (0, 2 ^ 24))].
    unfold tag, work. lia.
  Qed.

  (* ---- Along a ledger ---- *)

  Definition last_of_epoch i := T i c_new.

  Lemma same_if_canonical a b : canonical a -> canonical b -> (a - b) mod p = 0 -> a = b.
  Proof. unfold canonical. intros A B H. apply mod_zero_iff in H as [q H]. unfold p in *. lia. Qed.

  Definition kept i j := T j c_res = T i c_res /\ T j (c_res + 1) = T i (c_res + 1) /\ T j (c_res + 2) = T i (c_res + 2)
    /\ T j c_tot = T i c_tot /\ T j (c_tot + 1) = T i (c_tot + 1).

  Tactic Notation "keep" constr(i) constr(k) constr(k') constr(c) :=
    let H := fresh "K" in use_constraint i (Some k) (Some k') c H; cbn [eval row_leaves] in H;
    apply same_if_canonical in H; [|apply cell_canonical|apply cell_canonical].
  Tactic Notation "keeps" constr(i) constr(k) constr(k') :=
    keep i k k' (k_residue_or_peak_0); keep i k k' (k_residue_or_peak_1); keep i k k' (k_residue_or_peak_2);
    keep i k k' (k_total_or_coverage_0); keep i k k' (k_total_or_coverage_1); unfold kept; columns; repeat split; assumption.

  Lemma kept_from_header i : row i -> is i K_hd -> is_reading (nx i) -> kept i (nx i).
  Proof. intros Hi Hk [Hn|Hn]; [keeps i (K_hd) (K_busy)|keeps i (K_hd) (K_idle)]. Qed.

  Lemma kept_from_reading i : row i -> is_reading i -> is_reading (nx i) -> kept i (nx i).
  Proof.
    intros Hi [Hk|Hk] [Hn|Hn];
      [keeps i (K_busy) (K_busy)|keeps i (K_busy) (K_idle)|keeps i (K_idle) (K_busy)|keeps i (K_idle) (K_idle)].
  Qed.

  Lemma reading_limbs i : row i -> is_reading i -> limb24 (T i 2) /\ limb24 (T i 3) /\ 0 <= chip_seconds i.
  Proof.
    intros Hi Hr. destruct (reading_lanes i Hi Hr) as (L2 & L3 & _). pose proof (three_bytes_small i 0 Hi ltac:(lia)).
    pose proof (three_bytes_small i 3 Hi ltac:(lia)). unfold chip_seconds. rewrite L2, L3. lia.
  Qed.

  Lemma remaining_range i : row i -> 0 <= remaining i.
  Proof.
    intros Hi. pose proof (three_bytes_small i 12 Hi ltac:(lia)). pose proof (three_bytes_small i 15 Hi ltac:(lia)). unfold remaining. lia.
  Qed.

  Tactic Notation "reading_bit" constr(i) constr(k) constr(c) := let H := fresh "B" in use_constraint i (Some k) (@None Z) c H;
    cbn [eval row_leaves] in H; apply bit in H; [|apply cell_canonical].
  Lemma borrow_is_a_bit i : row i -> is_reading i -> 0 <= T i c_shared_base <= 1.
  Proof. intros Hi [Hk|Hk]; [reading_bit i (K_busy) (k_borrow_is_a_bit)|reading_bit i (K_idle) (k_borrow_is_a_bit)]; lia. Qed.
  Lemma last_is_a_bit i : row i -> is_reading i -> last_of_epoch i = 0 \/ last_of_epoch i = 1.
  Proof.
    intros Hi [Hk|Hk]; [reading_bit i (K_busy) (k_last_is_a_bit)|reading_bit i (K_idle) (k_last_is_a_bit)]; unfold last_of_epoch; lia.
  Qed.

  Lemma header_is_not_new i : row i -> is i K_hd -> T i c_new = 0.
  Proof.
    intros Hi Hk. use i (Some K_hd) (@None Z) k_new_starts_at_zero as H. cbn [eval row_leaves] in H.
    rewrite Z.mod_small in H by apply cell_canonical. exact H.
  Qed.

  Definition coverage_in_range i := limb24 (T i c_tot) /\ limb24 (T i (c_tot + 1)).

  (* Limb by limb: remaining' = before - chip_seconds', with a borrow. `fresh` is 1 where the next reading opens an epoch. *)
  Definition subtracts i (fresh : Z) : Prop :=
    three_bytes i 12 + fresh * (T i c_tot - three_bytes i 12) - T (nx i) 2 - three_bytes (nx i) 12 + T (nx i) c_shared_base * 2 ^ 24 = 0
    /\ three_bytes i 15 + fresh * (T i (c_tot + 1) - three_bytes i 15) - T (nx i) 3 - three_bytes (nx i) 15 - T (nx i) c_shared_base = 0.

  Tactic Notation "step_limbs" constr(i) constr(k) constr(k') :=
    let b := constr:([(Col 221, (0, 1)); (Col 226, (0, 2 ^ 24)); (Col 227, (0, 2 ^ 24)); (Next 2, (0, 2 ^ 24)); (Next 3, (0, 2 ^ 24)); (Next 237, (0, 1))]) in
    let L := fresh "L" in let H := fresh "H" in
    use_constraint i (Some k) (Some k') (k_remaining_low_limb) L; use_constraint i (Some k) (Some k') (k_remaining_high_limb) H;
    exact_over_integers L b; exact_over_integers H b; unfold subtracts, three_bytes; columns; lia.

  Lemma subtracts_after_reading i : row i -> is_reading i -> is_reading (nx i) -> coverage_in_range i -> subtracts i (last_of_epoch i).
  Proof.
    intros Hi Hk Hn [R0 R1]. pose proof (next_row i) as Hj. destruct (reading_limbs _ Hj Hn) as (L2 & L3 & _).
    pose proof (borrow_is_a_bit _ Hj Hn) as B. pose proof (last_is_a_bit i Hi Hk) as Nw. unfold last_of_epoch in *. columns.
    assert (0 <= T i 221 <= 1) by lia. assert (0 <= T i 226 <= 2 ^ 24) by lia. assert (0 <= T i 227 <= 2 ^ 24) by lia.
    assert (0 <= T (nx i) 2 <= 2 ^ 24) by lia. assert (0 <= T (nx i) 3 <= 2 ^ 24) by lia.
    destruct Hk as [Hk|Hk], Hn as [Hn|Hn];
      [step_limbs i (K_busy) (K_busy)|step_limbs i (K_busy) (K_idle)|step_limbs i (K_idle) (K_busy)|step_limbs i (K_idle) (K_idle)].
  Qed.

  Lemma subtracts_after_header i : row i -> is i K_hd -> is_reading (nx i) -> coverage_in_range i -> subtracts i 1.
  Proof.
    intros Hi Hk Hn [R0 R1]. pose proof (next_row i) as Hj. destruct (reading_limbs _ Hj Hn) as (L2 & L3 & _).
    pose proof (borrow_is_a_bit _ Hj Hn) as B. pose proof (header_is_not_new i Hi Hk) as Nw. columns.
    assert (0 <= T i 221 <= 1) by lia. assert (0 <= T i 226 <= 2 ^ 24) by lia. assert (0 <= T i 227 <= 2 ^ 24) by lia.
    assert (0 <= T (nx i) 2 <= 2 ^ 24) by lia. assert (0 <= T (nx i) 3 <= 2 ^ 24) by lia.
    destruct Hn as [Hn|Hn]; [step_limbs i (K_hd) (K_busy)|step_limbs i (K_hd) (K_idle)].
  Qed.

  (* The first reading of a ledger opens an epoch; any other goes on with its epoch, or opens the next one. *)
  Lemma remaining_after_header i : row i -> is i K_hd -> is_reading (nx i) -> coverage_in_range i ->
    remaining (nx i) = coverage i - chip_seconds (nx i).
  Proof.
    intros Hi Hk Hn R. destruct (subtracts_after_header i Hi Hk Hn R) as [L H]. unfold remaining, coverage, chip_seconds. columns. lia.
  Qed.

  Lemma remaining_after_reading i : row i -> is_reading i -> is_reading (nx i) -> coverage_in_range i ->
    remaining (nx i) = (if last_of_epoch i =? 1 then coverage i else remaining i) - chip_seconds (nx i).
  Proof.
    intros Hi Hk Hn R. destruct (subtracts_after_reading i Hi Hk Hn R) as [L H]. unfold remaining, coverage, chip_seconds. columns.
    destruct (last_is_a_bit i Hi Hk) as [E|E]; rewrite E in *; cbn [Z.eqb Pos.eqb]; lia.
  Qed.

  Tactic Notation "nothing_left" constr(i) constr(k) :=
    let H := fresh "H" in use_constraint i (Some k) (@None Z) (k_epoch_ends_with_nothing_remaining) H;
    exact_over_integers H ([(Col 221, (1, 1))]); unfold remaining, three_bytes; columns;
    pose proof (every_byte_is_a_byte i 12); pose proof (every_byte_is_a_byte i 13); pose proof (every_byte_is_a_byte i 14);
    pose proof (every_byte_is_a_byte i 15); pose proof (every_byte_is_a_byte i 16); pose proof (every_byte_is_a_byte i 17); columns; nia.

  Lemma epoch_ends_empty i : row i -> is_reading i -> last_of_epoch i = 1 -> remaining i = 0.
  Proof.
    unfold last_of_epoch. intros Hi [Hk|Hk] E; assert (1 <= T i 221 <= 1) by lia; [nothing_left i (K_busy)|nothing_left i (K_idle)].
  Qed.

  Tactic Notation "zero_difference" constr(i) constr(k) constr(k') constr(c) := let H := fresh "E" in
    use_constraint i (Some k) (Some k') c H; cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H]; unfold p in *; lia.

  Lemma first_epoch_after_header i : row i -> is i K_hd -> is_reading (nx i) -> epoch (nx i) = pub u_first_epoch.
  Proof.
    intros Hi Hk Hn. unfold epoch. pose proof (cell_canonical (nx i) 0). pose proof (env_canonical 0 (Pub u_first_epoch)) as C.
    unfold canonical in C. cbn [row_leaves] in C.
    destruct Hn as [Hn|Hn]; [zero_difference i (K_hd) (K_busy) (k_epochs_are_consecutive)|zero_difference i (K_hd) (K_idle) (k_epochs_are_consecutive)].
  Qed.

  Lemma next_epoch i : row i -> is_reading i -> is_reading (nx i) -> epoch i < p - 1 -> epoch (nx i) = epoch i + last_of_epoch i.
  Proof.
    intros Hi Hk Hn. pose proof (last_is_a_bit i Hi Hk). unfold epoch, last_of_epoch in *. intros S.
    pose proof (cell_canonical (nx i) 0). pose proof (cell_canonical i 0).
    destruct Hk as [Hk|Hk], Hn as [Hn|Hn];
      [zero_difference i (K_busy) (K_busy) (k_epochs_are_consecutive)|zero_difference i (K_busy) (K_idle) (k_epochs_are_consecutive)
      |zero_difference i (K_idle) (K_busy) (k_epochs_are_consecutive)|zero_difference i (K_idle) (K_idle) (k_epochs_are_consecutive)].
  Qed.

  Lemma ledger_ends i : row i -> is_reading i -> is (nx i) K_el -> last_of_epoch i = 1 /\ epoch i = pub u_last_epoch.
  Proof.
    intros Hi Hk Hn. pose proof (last_is_a_bit i Hi Hk). unfold epoch, last_of_epoch in *.
    pose proof (cell_canonical i 0). pose proof (env_canonical 0 (Pub u_last_epoch)) as C. unfold canonical in C. cbn [row_leaves] in C.
    destruct Hk as [Hk|Hk]; split;
      [zero_difference i (K_busy) (K_el) (k_ledger_ends_with_its_epoch)|zero_difference i (K_busy) (K_el) (k_ledger_ends_with_the_last_epoch)
      |zero_difference i (K_idle) (K_el) (k_ledger_ends_with_its_epoch)|zero_difference i (K_idle) (K_el) (k_ledger_ends_with_the_last_epoch)].
  Qed.
End Readings.

(* ---- R2, for a whole ledger ---- *)

Section Ledger.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.
  Variable h : Z.                       (* the row of the ledger's header *)
  Hypothesis Hrow : row h.
  Hypothesis Hhd : is h K_hd.
  Hypothesis Hfirst : is_reading (nx h).

  (* The j-th row after the header. *)
  Definition at_ (j : nat) : Z := (h + Z.of_nat j) mod N.

  Lemma at_row j : row (at_ j).
  Proof. apply Z.mod_pos_bound, N_pos. Qed.
  Lemma at_next j : nx (at_ j) = at_ (S j).
  Proof. unfold at_, next. rewrite Zplus_mod_idemp_l. f_equal. lia. Qed.
  Lemma at_0 : at_ 0 = h.
  Proof. unfold at_. rewrite Z.add_0_r. apply Z.mod_small, Hrow. Qed.
  Lemma at_1 : at_ 1 = nx h.
  Proof. unfold at_, next. f_equal. Qed.

  Lemma reading_or_end i : row i -> is_reading i -> is_reading (nx i) \/ is (nx i) K_el.
  Proof.
    intros Hi Hk. destruct (one_kind_each_row _ (next_row i)) as [k K].
    assert (In k [K_busy; K_idle; K_el]) as S.
    { destruct Hk as [Hk|Hk]; apply (order_of_rows i _ k Hi Hk K). }
    unfold is_reading. cbn [In] in S. destruct S as [<-|[<-|[<-|[]]]]; auto.
  Qed.

  Lemma readings_go_on n : (exists m, (1 <= m <= n)%nat /\ (forall j, (1 <= j <= m)%nat -> is_reading (at_ j)) /\ is (at_ (S m)) K_el)
    \/ (forall j, (1 <= j <= S n)%nat -> is_reading (at_ j)).
  Proof.
    induction n as [|n [IH|IH]].
    - right. intros j Hj. replace j with 1%nat by lia. rewrite at_1. exact Hfirst.
    - left. destruct IH as (m & A & B). exists m. split; [lia|exact B].
    - destruct (reading_or_end (at_ (S n)) (at_row _) (IH (S n) ltac:(lia))) as [R|R]; rewrite at_next in R.
      + right. intros j Hj. destruct (Nat.eq_dec j (S (S n))) as [->|]; [exact R|apply IH; lia].
      + left. exists (S n). split; [lia|]. split; [exact IH|exact R].
  Qed.

  (* A ledger ends: the table is a cycle, and only an EL row leads out of readings. *)
  Theorem ledger_is_finite : exists n, (1 <= n)%nat /\ Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ j)) /\ is (at_ (S n)) K_el.
  Proof.
    destruct (readings_go_on (Z.to_nat N)) as [(m & A & B & C)|A].
    - exists m. split; [lia|]. split; [|split; [exact B|exact C]]. destruct (Z_lt_le_dec (Z.of_nat m) N) as [|G]; [assumption|]. exfalso.
      pose proof N_pos. assert (E : at_ (Z.to_nat N) = h).
      { unfold at_. rewrite Z2Nat.id by lia. replace (h + N) with (h + 1 * N) by ring. rewrite Z.mod_add by lia. apply Z.mod_small, Hrow. }
      specialize (B (Z.to_nat N) ltac:(lia)). rewrite E in B. destruct B as [B|B]; discriminate (kind_unique _ _ _ Hhd B).
    - exfalso. pose proof N_pos. assert (E : at_ (Z.to_nat N) = h).
      { unfold at_. rewrite Z2Nat.id by lia. replace (h + N) with (h + 1 * N) by ring. rewrite Z.mod_add by lia. apply Z.mod_small, Hrow. }
      specialize (A (Z.to_nat N) ltac:(lia)). rewrite E in A. destruct A as [A|A]; discriminate (kind_unique _ _ _ Hhd A).
  Qed.

  (* What the header row says: coverage in limbs, as the HEADER bus grants, and a first epoch of 24 bits. *)
  Hypothesis Hcov : coverage_in_range h.
  Hypothesis Hpub : 0 <= pub u_first_epoch < 2 ^ 24.

  Section Length.
    Variable n : nat.
    Hypothesis Hn : (1 <= n)%nat /\ Z.of_nat n < N.
    Hypothesis Hreadings : forall j, (1 <= j <= n)%nat -> is_reading (at_ j).
    Hypothesis Hend : is (at_ (S n)) K_el.

    Lemma ledger_keeps j : (1 <= j <= n)%nat -> kept h (at_ j).
    Proof.
      induction j as [|j IH]; intros Hj; [lia|]. destruct (Nat.eq_dec j 0) as [->|].
      - rewrite at_1. apply kept_from_header; auto.
      - assert (K : kept h (at_ j)) by (apply IH; lia).
        assert (K' : kept (at_ j) (at_ (S j))).
        { rewrite <- at_next. apply kept_from_reading; [apply at_row|apply Hreadings; lia|rewrite at_next; apply Hreadings; lia]. }
        unfold kept in *. intuition congruence.
    Qed.

    Lemma ledger_coverage j : (1 <= j <= n)%nat -> coverage (at_ j) = coverage h /\ coverage_in_range (at_ j).
    Proof.
      intros Hj. destruct (ledger_keeps j Hj) as (_ & _ & _ & A & B). unfold coverage, coverage_in_range. rewrite A, B. auto.
    Qed.

    (* Chip-seconds booked to epoch e by the first m readings. *)
    Fixpoint booked_seconds (m : nat) (e : Z) : Z :=
      match m with O => 0 | S k => booked_seconds k e + if epoch (at_ m) =? e then chip_seconds (at_ m) else 0 end.

    Lemma ledger_invariant m : (1 <= m <= n)%nat ->
      pub u_first_epoch <= epoch (at_ m) < pub u_first_epoch + Z.of_nat m
      /\ (forall e, pub u_first_epoch <= e < epoch (at_ m) -> booked_seconds m e = coverage h)
      /\ booked_seconds m (epoch (at_ m)) = coverage h - remaining (at_ m)
      /\ (forall e, epoch (at_ m) < e -> booked_seconds m e = 0).
    Proof.
      pose proof size as Sz. induction m as [|m IH]; intros Hm; [lia|]. destruct (Nat.eq_dec m 0) as [->|Hm0].
      - assert (E : epoch (at_ 1) = pub u_first_epoch) by (rewrite at_1; apply first_epoch_after_header; auto).
        assert (R : remaining (at_ 1) = coverage h - chip_seconds (at_ 1)) by (rewrite at_1; apply remaining_after_header; auto).
        cbn [booked_seconds]. rewrite E. repeat split; try lia.
        + rewrite Z.eqb_refl. lia.
        + intros e He. destruct (Z.eqb_spec (pub u_first_epoch) e); lia.
      - destruct IH as (A & B & C & D); [lia|].
        assert (Rm : is_reading (at_ m)) by (apply Hreadings; lia). assert (Rn : is_reading (nx (at_ m))) by (rewrite at_next; apply Hreadings; lia).
        destruct (ledger_coverage m ltac:(lia)) as [Cv Ci].
        pose proof (next_epoch (at_ m) (at_row m) Rm Rn) as E. pose proof (remaining_after_reading (at_ m) (at_row m) Rm Rn Ci) as R.
        pose proof (epoch_ends_empty (at_ m) (at_row m) Rm) as Z0. rewrite at_next in *.
        specialize (E ltac:(unfold p; lia)). rewrite Cv in R.
        change (booked_seconds (S m)) with (fun e => booked_seconds m e + if epoch (at_ (S m)) =? e then chip_seconds (at_ (S m)) else 0). cbv beta.
        destruct (last_is_a_bit (at_ m) (at_row m) Rm) as [L|L]; rewrite L in *; cbn [Z.eqb Pos.eqb] in R.
        + rewrite Z.add_0_r in E. rewrite E in *. repeat split; try lia.
          * intros e He. destruct (Z.eqb_spec (epoch (at_ m)) e); [lia|]. rewrite B; lia.
          * rewrite Z.eqb_refl, C. lia.
          * intros e He. destruct (Z.eqb_spec (epoch (at_ m)) e); [lia|]. rewrite D; lia.
        + specialize (Z0 eq_refl). rewrite E in *. repeat split; try lia.
          * intros e He. destruct (Z.eqb_spec (epoch (at_ m) + 1) e); [lia|].
            destruct (Z.eq_dec e (epoch (at_ m))) as [->|]; [rewrite C; lia|rewrite B; lia].
          * rewrite Z.eqb_refl, D; lia.
          * intros e He. destruct (Z.eqb_spec (epoch (at_ m) + 1) e); [lia|]. rewrite D; lia.
    Qed.

    (* R2: each epoch of the period has exactly its coverage, and readings are of these epochs. *)
    Theorem every_epoch_has_its_coverage :
      (forall e, pub u_first_epoch <= e <= pub u_last_epoch -> booked_seconds n e = coverage h)
      /\ (forall e, ~ pub u_first_epoch <= e <= pub u_last_epoch -> booked_seconds n e = 0)
      /\ (forall j, (1 <= j <= n)%nat -> pub u_first_epoch <= epoch (at_ j) <= pub u_last_epoch)
      /\ (forall j, (1 <= j < n)%nat -> epoch (at_ j) <= epoch (at_ (S j)) <= epoch (at_ j) + 1).
    Proof.
      destruct (ledger_invariant n) as (A & B & C & D); [lia|].
      assert (Rn : is_reading (at_ n)) by (apply Hreadings; lia).
      destruct (ledger_ends (at_ n) (at_row n) Rn) as [L E]; [rewrite at_next; exact Hend|].
      pose proof (epoch_ends_empty (at_ n) (at_row n) Rn L) as Z0. rewrite E in *.
      assert (Steps : forall j, (1 <= j < n)%nat -> epoch (at_ j) <= epoch (at_ (S j)) <= epoch (at_ j) + 1).
      { intros j Hj. assert (Rj : is_reading (at_ j)) by (apply Hreadings; lia).
        assert (Rj' : is_reading (nx (at_ j))) by (rewrite at_next; apply Hreadings; lia).
        destruct (ledger_invariant j) as (A' & _); [lia|]. pose proof size.
        pose proof (next_epoch (at_ j) (at_row j) Rj Rj' ltac:(unfold p; lia)) as E'. rewrite at_next in E'.
        destruct (last_is_a_bit (at_ j) (at_row j) Rj); lia. }
      assert (Up : forall k j, (1 <= j)%nat -> (j + k <= n)%nat -> epoch (at_ j) <= epoch (at_ (j + k))).
      { induction k as [|k IH]; intros j H1 H2; [rewrite Nat.add_0_r; lia|].
        specialize (IH j H1 ltac:(lia)). specialize (Steps (j + k)%nat ltac:(lia)). replace (j + S k)%nat with (S (j + k)) by lia. lia. }
      split; [|split; [|split; [|exact Steps]]].
      - intros e He. destruct (Z.eq_dec e (pub u_last_epoch)) as [->|]; [rewrite C; lia|apply B; lia].
      - intros e He. destruct (Z_lt_le_dec (pub u_last_epoch) e); [apply D; assumption|].
        assert (F : forall m, (m <= n)%nat -> booked_seconds m e = 0).
        { induction m as [|m IH]; intros Hm; [reflexivity|]. cbn [booked_seconds]. rewrite IH by lia.
          destruct (ledger_invariant (S m)) as (A' & _); [lia|]. destruct (Z.eqb_spec (epoch (at_ (S m))) e); lia. }
        apply F. lia.
      - intros j Hj. destruct (ledger_invariant j) as (A' & _); [lia|]. specialize (Up (n - j)%nat j ltac:(lia) ltac:(lia)).
        replace (j + (n - j))%nat with n in Up by lia. lia.
    Qed.

    (* R3 along the ledger: the peak is the header's. *)
    Theorem ledger_work_is_chip_seconds_times_peak : pub u_charge_peak = 1 -> peak_of_bytes h ->
      forall j, (1 <= j <= n)%nat -> work (at_ j) = if T (at_ j) (c_iv + K_idle) =? 1 then 0 else chip_seconds (at_ j) * peak h.
    Proof.
      intros Hc Hp j Hj. destruct (ledger_keeps j Hj) as (P0 & P1 & P2 & _).
      destruct (Hreadings j Hj) as [R|R]; pose proof (proj2 R (c_iv + K_idle) eq_refl) as F; rewrite F; cbn [Z.eqb Z.add Pos.eqb Pos.add Pos.succ].
      - assert (E : peak (at_ j) = peak h) by (unfold peak; rewrite P0, P1, P2; reflexivity). rewrite <- E.
        apply work_is_chip_seconds_times_peak; auto using at_row. unfold peak_of_bytes in *. rewrite P0, P1, P2. exact Hp.
      - apply (idle_has_no_work (at_ j) (at_row j) R).
    Qed.
  End Length.
End Ledger.
