(* Rows as the records of Relation.v: ledgers and sent summaries, for every chain of the statement. *)
From Coq Require Import ZArith List Bool Lia FinFun Permutation.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Lineage Sponge.
From Standstill Require Relation.
Import ListNotations.
Local Open Scope Z_scope.

(* ---- Limbs ---- *)

Lemma limb_0 x y : limb24 x -> limb (x + 2 ^ 24 * y) 0 = x.
Proof.
  intros Hx. unfold limb. change (24 * 0) with 0. rewrite Z.pow_0_r, Z.div_1_r. replace (x + 2 ^ 24 * y) with (x + y * 2 ^ 24) by ring.
  rewrite Z.mod_add by lia. apply Z.mod_small, Hx.
Qed.
Lemma limb_1 x y z : limb24 x -> limb24 y -> limb (x + 2 ^ 24 * y + 2 ^ 48 * z) 1 = y.
Proof.
  intros Hx Hy. unfold limb. change (24 * 1) with 24. replace (x + 2 ^ 24 * y + 2 ^ 48 * z) with (x + (y + z * 2 ^ 24) * 2 ^ 24) by ring.
  rewrite Z.div_add by lia. rewrite (Z.div_small x) by exact Hx. rewrite Z.add_0_l, Z.mod_add by lia. apply Z.mod_small, Hy.
Qed.
Lemma limb_2 x y z : limb24 x -> limb24 y -> limb24 z -> limb (x + 2 ^ 24 * y + 2 ^ 48 * z) 2 = z.
Proof.
  intros Hx Hy Hz. unfold limb. change (24 * 2) with 48. replace (x + 2 ^ 24 * y + 2 ^ 48 * z) with (x + 2 ^ 24 * y + z * 2 ^ 48) by ring.
  rewrite Z.div_add by lia. rewrite (Z.div_small (x + 2 ^ 24 * y)) by lia. apply Z.mod_small, Hz.
Qed.
Lemma amount_of x y z : limb24 x -> limb24 y -> limb24 z -> Relation.amount (limbs3 x y z) = [x; y; z].
Proof.
  intros Hx Hy Hz. unfold Relation.amount. rewrite limb_1, limb_2 by assumption. replace (x + 2 ^ 24 * y + 2 ^ 48 * z) with (x + 2 ^ 24 * (y + 2 ^ 24 * z)) by ring.
  rewrite limb_0 by assumption. reflexivity.
Qed.

Lemma two_limbs v : bits 48 v -> limb v 0 + 2 ^ 24 * limb v 1 = v.
Proof.
  unfold bits, limb. intros Hv. change (24 * 0) with 0. change (24 * 1) with 24. rewrite Z.pow_0_r, Z.div_1_r.
  rewrite (Z.mod_small (v / 2 ^ 24)) by (split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]).
  pose proof (Z.div_mod v (2 ^ 24) ltac:(lia)). lia.
Qed.

(* ---- Lists and sums ---- *)

Lemma sum_filtered {A} (f : A -> Z) (q : A -> bool) l : sum (map f (filter q l)) = sum (map (fun x => if q x then f x else 0) l).
Proof. induction l as [|x l IH]; [reflexivity|]. cbn [filter map sum fold_right]. unfold sum in *. destruct (q x); cbn [map sum fold_right]; unfold sum in *; lia. Qed.

Lemma sum_permuted (f : Z -> Z) l l' : Permutation l l' -> sum (map f l) = sum (map f l').
Proof. induction 1; cbn [map sum fold_right]; unfold sum in *; lia. Qed.

(* A sum over rows, where only rows of a list count. *)
Lemma sum_supported (f : Z -> Z) l l' : NoDup l -> NoDup l' -> (forall x, In x l -> f x <> 0 -> In x l') -> (forall x, In x l' -> In x l) ->
  sum (map f l) = sum (map f l').
Proof.
  intros N1 N2 A B. set (q := fun x => negb (f x =? 0)).
  assert (E : forall l, sum (map f l) = sum (map f (filter q l))).
  { intros k. rewrite sum_filtered. f_equal. apply map_ext. intros x. unfold q. destruct (Z.eqb_spec (f x) 0); cbn [negb]; auto. }
  rewrite (E l), (E l'). apply sum_permuted, NoDup_Permutation; [apply NoDup_filter, N1|apply NoDup_filter, N2|].
  intros x. rewrite !filter_In. unfold q. rewrite negb_true_iff, Z.eqb_neq. split; intros [I0 Ne]; auto.
Qed.

Lemma sum_app' (f : Z -> Z) a b : sum (map f (a ++ b)) = sum (map f a) + sum (map f b).
Proof. rewrite map_app. apply sum_app. Qed.

(* A choice for each number below n. *)
Lemma chosen {A} (P : nat -> A -> Prop) n : (forall k, (k < n)%nat -> exists x, P k x) -> exists l, length l = n /\ forall k x, nth_error l k = Some x -> P k x.
Proof.
  induction n as [|n IH]; intros H; [exists []; split; [reflexivity|intros [|k] x; discriminate]|].
  destruct IH as (l & L & Q); [intros; apply H; lia|]. destruct (H n ltac:(lia)) as (x & Hx). exists (l ++ [x]). split; [rewrite app_length; cbn; lia|].
  intros k y E. destruct (lt_eq_lt_dec k n) as [[K|K]|K].
  - apply Q. rewrite nth_error_app1 in E by lia. exact E.
  - subst k. rewrite nth_error_app2 in E by lia. rewrite L, Nat.sub_diag in E. cbn in E. injection E as <-. exact Hx.
  - assert (N0 : nth_error (l ++ [x]) k = None) by (apply nth_error_None; rewrite app_length; cbn; lia). congruence.
Qed.

Global Opaque permute sponge.

Section Extract.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.

  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Definition reading_at i : Relation.reading :=
    {| Relation.epoch := T i 0; Relation.tag := T i 1; Relation.seconds := chip_seconds i; Relation.work := work i; Relation.busy := T i 182 =? 1 |}.
  Definition record_at i : Relation.record := {| Relation.record_tag := T i 1; Relation.record_work := record_work i |}.

  Definition body h n := map (at_ h) (seq 1 n).

  Lemma body_S h n : body h (S n) = body h n ++ [at_ h (S n)].
  Proof. unfold body. rewrite seq_S, map_app. reflexivity. Qed.

  Lemma in_body h n i : In i (body h n) <-> exists j, (1 <= j <= n)%nat /\ i = at_ h j.
  Proof. unfold body. rewrite in_map_iff. split; [intros (j & <- & H); apply in_seq in H; exists j; split; [lia|reflexivity]|intros (j & H & ->); exists j; split; [reflexivity|apply in_seq; lia]]. Qed.

  Lemma nth_body h n k i : nth_error (body h n) k = Some i -> (k < n)%nat /\ i = at_ h (S k).
  Proof.
    unfold body. intros E. assert (L : (k < n)%nat) by (rewrite <- (seq_length n 1), <- (map_length (at_ h)); apply nth_error_Some; congruence). split; [exact L|].
    rewrite nth_error_map in E. rewrite (nth_error_nth' (seq 1 n) 0%nat) in E by (rewrite seq_length; exact L). rewrite seq_nth in E by exact L. injection E as <-. reflexivity.
  Qed.

  Tactic Notation "lane_zero" constr(i) constr(k) constr(c) := let H := fresh "Lz" in use_constraint i (Some k) (@None Z) c H; cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H].

  Lemma reading_is_its_block i : row i -> is_reading i -> Relation.reading_block (reading_at i) = block i /\ bits 48 (chip_seconds i) /\ bits 48 (work i).
  Proof.
    intros Hi Hr. destruct (reading_lanes i Hi Hr) as (L2 & L3 & L4 & L5).
    pose proof (three_bytes_small i 0 Hi ltac:(lia)). pose proof (three_bytes_small i 3 Hi ltac:(lia)). pose proof (three_bytes_small i 6 Hi ltac:(lia)). pose proof (three_bytes_small i 9 Hi ltac:(lia)).
    assert (Z67 : T i 6 = 0 /\ T i 7 = 0).
    { pose proof (cell_canonical i 6). pose proof (cell_canonical i 7).
      destruct Hr as [Hk|Hk]; [lane_zero i (K_busy) (k_unused_lane_6_is_zero); lane_zero i (K_busy) (k_unused_lane_7_is_zero)|lane_zero i (K_idle) (k_unused_lane_6_is_zero); lane_zero i (K_idle) (k_unused_lane_7_is_zero)];
        unfold p in *; lia. }
    destruct Z67 as [Z6 Z7]. unfold Relation.reading_block, reading_at, block, bits, chip_seconds, work. cbn [Relation.epoch Relation.tag Relation.seconds Relation.work map].
    rewrite <- L2, <- L3, <- L4, <- L5 in *. change (2 ^ 48) with (2 ^ 24 * 2 ^ 24). rewrite Z6, Z7.
    assert (Q : forall u v, limb24 u -> limb24 v -> limb (u + 2 ^ 24 * v) 1 = v) by (intros u v Hu Hv; replace (u + 2 ^ 24 * v) with (u + 2 ^ 24 * v + 2 ^ 48 * 0) by ring; apply limb_1; assumption).
    rewrite !limb_0, !Q by assumption. split; [reflexivity|]. lia.
  Qed.

  Lemma sent_is_its_block i : row i -> is i K_sent -> Relation.record_block (record_at i) = block i /\ bits 56 (record_work i) /\ T i 1 = T i c_key.
  Proof.
    intros Hi Hk. destruct (sent_tag i Hi Hk) as [_ Et].
    lane_zero i (K_sent) (k_unused_lane_0_is_zero). lane_zero i (K_sent) (k_unused_lane_2_is_zero). lane_zero i (K_sent) (k_unused_lane_3_is_zero). lane_zero i (K_sent) (k_unused_lane_7_is_zero).
    use i (Some K_sent) (@None Z) k_sent_work_top_is_its_byte as W6. cbn [eval row_leaves] in W6. apply mod_zero_iff in W6 as [q6 W6].
    pose proof (cell_canonical i 0). pose proof (cell_canonical i 2). pose proof (cell_canonical i 3). pose proof (cell_canonical i 7). pose proof (cell_canonical i 6).
    use i (Some K_sent) (@None Z) k_reading_lane_4_is_its_bytes as W4. use i (Some K_sent) (@None Z) k_reading_lane_5_is_its_bytes as W5. cbn [eval row_leaves] in W4, W5.
    pose proof (cell_canonical i 4). pose proof (cell_canonical i 5).
    byte_at i 6. byte_at i 7. byte_at i 8. byte_at i 9. byte_at i 10. byte_at i 11. byte_at i 12.
    apply eq_if_small in W4; [|unfold p in *; lia]. apply eq_if_small in W5; [|unfold p in *; lia].
    assert (T i 0 = 0 /\ T i 2 = 0 /\ T i 3 = 0 /\ T i 7 = 0 /\ T i 6 = T i 210) as (E0 & E2 & E3 & E7 & E6) by (unfold p in *; lia).
    assert (limb24 (T i 4)) by lia. assert (limb24 (T i 5)) by lia. assert (limb24 (T i 6)) by lia.
    unfold Relation.record_block, record_at, record_work, block. cbn [Relation.record_tag Relation.record_work map app]. rewrite amount_of by assumption.
    rewrite E0, E2, E3, E7. split; [reflexivity|]. split; [unfold bits; change (2 ^ 56) with (2 ^ 48 * 256); lia|exact Et].
  Qed.

  (* ---- Chains ---- *)

  Definition before_row h := (h - 1) mod N.

  Lemma header_row h : row h -> is h K_hd -> row (before_row h) /\ is (before_row h) K_iv /\ forall j, at_ (before_row h) (S j) = at_ h j.
  Proof.
    intros Hh Kh. pose proof N_pos as Np. assert (Hv : row (before_row h)) by (apply Z.mod_pos_bound; lia).
    destruct (before_header h Hh Kh) as (v & Rv & Kv & E).
    assert (Ev : v = before_row h).
    { unfold before_row, next in *. rewrite <- E. rewrite Zminus_mod_idemp_l. replace (v + 1 - 1) with v by ring. symmetry. apply Z.mod_small, Rv. }
    rewrite <- Ev. split; [exact Rv|]. split; [exact Kv|]. intros j. unfold at_. rewrite <- E. unfold next. rewrite Zplus_mod_idemp_l. f_equal. lia.
  Qed.

  Lemma blocks_in_order v m : (forall j, (j < m)%nat -> on_copy (at_ v j) = false) -> chain_blocks v m = map (fun j => block (at_ v j)) (seq 0 m).
  Proof.
    induction m as [|m IH]; intros H; [reflexivity|]. cbn [chain_blocks]. rewrite seq_S, map_app, IH by (intros; apply H; lia). rewrite H by lia. reflexivity.
  Qed.

  Lemma not_on_copy i k : is i k -> k <> K_mi -> k <> K_side -> on_copy i = false.
  Proof.
    intros Hk N1 N2. unfold on_copy. rewrite (proj2 Hk 185 eq_refl), (proj2 Hk 194 eq_refl).
    destruct (Z.eqb_spec 185 (c_iv + k)), (Z.eqb_spec 194 (c_iv + k)); try lia; reflexivity.
  Qed.

  (* A chain whose body is not hashed on a copy: its end is the sponge of IV, header and body. *)
  Theorem chain_head h n e B : row h -> is h K_hd -> (forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ In k B) -> is (at_ h (S n)) e ->
    ~ In K_iv B -> ~ In K_padding B -> ~ In K_mi B -> ~ In K_side B -> e <> K_iv -> e <> K_padding ->
    outs (at_ h (S n)) = sponge (block (before_row h) :: block h :: map block (body h n)) (block (at_ h (S n))).
  Proof.
    intros Hh Kh Bd En B1 B2 B3 B4 E1 E2. destruct (header_row h Hh Kh) as (Hv & Kv & Sh).
    rewrite <- !Sh. rewrite (chain_is_hashed (before_row h) (S (S n)) Hv Kv).
    - f_equal. rewrite blocks_in_order.
      + rewrite <- cons_seq, <- cons_seq. cbn [map]. rewrite (at_0 (before_row h)) by exact Hv. rewrite (Sh 0%nat), (at_0 h) by exact Hh. do 2 f_equal.
        unfold body. rewrite map_map, <- seq_shift, map_map. apply map_ext. intros j. rewrite Sh. reflexivity.
      + intros j Hj. destruct j as [|[|j]].
        * rewrite at_0 by exact Hv. apply (not_on_copy _ _ Kv); discriminate.
        * rewrite Sh, at_0 by exact Hh. apply (not_on_copy _ _ Kh); discriminate.
        * rewrite Sh. destruct (Bd (S j) ltac:(lia)) as (k & Hk & I0). apply (not_on_copy _ k Hk); intros ->; auto.
    - intros j Hj. destruct j as [|j]; [lia|]. rewrite Sh. destruct j as [|j].
      + rewrite at_0 by exact Hh. exists K_hd. split; [exact Kh|]. split; discriminate.
      + destruct (Nat.eq_dec j n) as [->|Ne]; [exists e; auto|]. destruct (Bd (S j) ltac:(lia)) as (k & Hk & I0). exists k. split; [exact Hk|]. split; intros ->; auto.
  Qed.

  (* ---- Where a header leads ---- *)

  Lemma header_leads h : row h -> is h K_hd ->
    (exists n, Z.of_nat n < N /\ (1 <= n)%nat /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) /\ is (at_ h (S n)) K_el /\ T (at_ h (S n)) c_chain = T h c_chain)
    \/ ((is (nx h) K_e0 \/ is (nx h) K_mi) /\ T h c_chain = 0)
    \/ (exists n, Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> is (at_ h j) K_sent) /\ is (at_ h (S n)) K_es /\ T (at_ h (S n)) c_chain = T h c_chain)
    \/ (exists i, row i /\ is i K_eg /\ T i c_chain = T h c_chain).
  Proof.
    intros Hh Kh. destruct (one_kind_each_row _ (next_row h)) as [k Hk]. pose proof (order_of_rows h K_hd k Hh Kh Hk) as O. cbn [successors In] in O.
    assert (Run : forall B e, closed_after B e = true -> ~ In K_iv B -> ~ In K_padding B -> In k B -> e <> K_iv -> e <> K_padding ->
      exists n, (1 <= n)%nat /\ Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ In k B) /\ is (at_ h (S n)) e /\ T (at_ h (S n)) c_chain = T h c_chain).
    { intros B e C B1 B2 I0 E1 E2. destruct (body_ends B e h C Hh Kh (ex_intro _ k (conj Hk I0))) as (n & N1 & N2 & Bd & En).
      exists n. repeat (split; [assumption|]). apply (chain_of_end h n B Hh Bd B1 B2 e En E1 E2). }
    assert (Led : In k [K_busy; K_idle] -> exists n, Z.of_nat n < N /\ (1 <= n)%nat /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) /\ is (at_ h (S n)) K_el /\ T (at_ h (S n)) c_chain = T h c_chain).
    { intros I0. destruct (Run [K_busy; K_idle] K_el ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) I0 ltac:(discriminate) ltac:(discriminate)) as (n & N1 & N2 & Bd & En & Ch).
      exists n. repeat (split; [assumption|]). split; [|auto]. intros j Hj. destruct (Bd j Hj) as (k' & K' & [<-|[<-|[]]]); [left|right]; exact K'. }
    assert (Reg : In k [K_e0; K_mi] -> T h c_chain = 0).
    { intros I0. destruct (Run registry_body K_er ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate)
        ltac:(cbn [In] in I0; unfold registry_body; cbn [In]; tauto) ltac:(discriminate) ltac:(discriminate)) as (n & _ & _ & _ & En & Ch).
      rewrite <- Ch. destruct (registry_end _ (at_row h _) En) as (_ & _ & C0 & _). exact C0. }
    assert (Rec : In k [K_side; K_got] -> exists i, row i /\ is i K_eg /\ T i c_chain = T h c_chain).
    { intros I0. destruct (Run [K_side; K_got] K_eg ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) I0 ltac:(discriminate) ltac:(discriminate)) as (n & _ & _ & _ & En & Ch).
      exists (at_ h (S n)). split; [apply at_row|]. auto. }
    destruct O as [<-|[<-|[<-|[<-|[<-|[<-|[<-|[<-|[]]]]]]]]].
    - left. apply Led. left. reflexivity.
    - left. apply Led. right. left. reflexivity.
    - right. left. split; [left; exact Hk|]. apply Reg. left. reflexivity.
    - right. left. split; [right; exact Hk|]. apply Reg. right. left. reflexivity.
    - right. right. left. destruct (Run [K_sent] K_es ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(left; reflexivity) ltac:(discriminate) ltac:(discriminate)) as (n & N1 & N2 & Bd & En & Ch).
      exists n. split; [exact N2|]. split; [|auto]. intros j Hj. destruct (Bd j Hj) as (k' & K' & [<-|[]]). exact K'.
    - right. right. left. exists 0%nat. pose proof size. split; [lia|]. split; [lia|]. rewrite at_1. split; [exact Hk|]. apply (chain_step h K_es Hh Hk); discriminate.
    - right. right. right. apply Rec. left. reflexivity.
    - right. right. right. exists (nx h). split; [apply next_row|]. split; [exact Hk|]. apply (chain_step h K_eg Hh Hk); discriminate.
  Qed.

  (* ---- The ledger of each meter ---- *)

  Lemma seconds_in h n e : Readings.booked_seconds h n e = Relation.total_of Relation.seconds (filter (fun r => Relation.epoch r =? e) (map reading_at (body h n))).
  Proof.
    unfold Relation.total_of. induction n as [|n IH]; [reflexivity|]. rewrite body_S, map_app, filter_app, map_app, sum_app. cbn [booked_seconds]. rewrite IH. f_equal.
    unfold Readings.epoch, reading_at. cbn [map filter Relation.epoch]. destruct (T (at_ h (S n)) 0 =? e); cbn [map sum fold_right Relation.seconds]; lia.
  Qed.

  Definition is_ledger (k : nat) (l : Z * nat) : Prop := let (h, n) := l in
    row h /\ is h K_hd /\ T h c_chain = 1 + Z.of_nat k /\ Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) /\ is (at_ h (S n)) K_el.
  Definition ledger_at (l : Z * nat) : Relation.ledger := let (h, n) := l in
    {| Relation.iv := block (before_row h); Relation.readings := map reading_at (body h n); Relation.trailer := block (at_ h (S n)) |}.

  Lemma header_lanes (l rest : list Z) c k i : length l = 8%nat -> same_message (5 :: c :: l ++ rest) (said i) = true -> is i K_hd -> k = block i -> l = k.
  Proof.
    intros L Sm Hk ->. rewrite (eight l L). unfold block. cbn [map].
    assert (G : forall j, (j < 8)%nat -> nth j l 0 = nth (2 + j) (said i) 0).
    { intros j Hj. rewrite <- (same_message_nth _ _ (2 + j) ltac:(lia) Sm). cbn [Nat.add nth]. rewrite app_nth1 by lia. reflexivity. }
    rewrite (said_by_header i Hk) in G.
    rewrite (G 0%nat), (G 1%nat), (G 2%nat), (G 3%nat), (G 4%nat), (G 5%nat), (G 6%nat), (G 7%nat) by lia. reflexivity.
  Qed.

  Theorem each_meter_has_its_ledger k m : nth_error (meters s) k = Some m -> exists l, is_ledger k l /\ Relation.ledger_holds s m (ledger_at l).
  Proof.
    intros Em. pose proof (is_valid (t := t) (s := s)) as V. pose proof (nth_error_In _ _ Em) as Im. destruct (valid_meters s V m Im) as ([L _] & _ & Pk & Cv).
    assert (F : In (term 5 (1 + Z.of_nat k) (header_of m)) (terms s)).
    { unfold terms. rewrite in_app_iff. left. apply (counted_in meter_terms (meters s) 1 k m _ Em). left. reflexivity. }
    destruct (each_term_has_a_row K_hd _ (or_introl eq_refl) F eq_refl) as (h & Hh & Kh & Sm). cbn [term snd] in Sm.
    pose proof (said_by_header h Kh) as Sd.
    assert (Ch : T h c_chain = 1 + Z.of_nat k) by (pose proof (same_message_nth _ _ 1 ltac:(lia) Sm) as E; rewrite Sd in E; symmetry; exact E).
    assert (Lead : exists n, Z.of_nat n < N /\ (1 <= n)%nat /\ (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) /\ is (at_ h (S n)) K_el /\ T (at_ h (S n)) c_chain = T h c_chain).
    { assert (Lk : Z.of_nat k < n_meters s) by (unfold n_meters; assert (k < length (meters s))%nat by (apply nth_error_Some; congruence); lia).
      destruct (header_leads h Hh Kh) as [X|[(_ & X)|[(n & _ & _ & En & Cn)|(i & Hi & Ki & Ci)]]]; [exact X|lia| |].
      - destruct (sent_end _ (at_row h _) En) as (_ & j & _ & _ & Cj & _). lia.
      - destruct (received_end _ Hi Ki) as (_ & j & _ & _ & Cj & _). lia. }
    destruct Lead as (n & N1 & N2 & Rd & El & Ce).
    exists (h, n). split; [cbn; auto 10|]. cbn [ledger_at]. unfold Relation.ledger_holds. cbn [Relation.iv Relation.readings Relation.trailer].
    assert (Hf : is_reading (nx h)) by (rewrite <- at_1; apply Rd; lia).
    destruct (header_is_in_range h Hh Kh) as [Cr Pr].
    assert (Tail : forall j, (j < 5)%nat -> nth j [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1] 0 = nth (10 + j) (said h) 0).
    { intros j Hj. rewrite <- (same_message_nth _ _ (10 + j) ltac:(lia) Sm). unfold header_of.
      match goal with |- nth j ?r 0 = _ => change (nth j r 0 = nth (8 + j) (header m ++ r) 0); rewrite <- L; symmetry; apply app_nth2_plus end. }
    rewrite Sd in Tail. pose proof (Tail 0%nat ltac:(lia)) as T0. pose proof (Tail 1%nat ltac:(lia)) as T1. pose proof (Tail 2%nat ltac:(lia)) as T2.
    pose proof (Tail 3%nat ltac:(lia)) as T3. pose proof (Tail 4%nat ltac:(lia)) as T4. cbn [Nat.add nth] in T0, T1, T2, T3, T4. clear Tail.
    assert (Ec : coverage h = meter_coverage m) by (unfold coverage; columns; rewrite <- T3, <- T4; apply two_limbs, Cv).
    assert (Ep : peak h = meter_peak m).
    { unfold peak. columns. rewrite <- T0, <- T1, <- T2. unfold bits in Pk. pose proof (Z.div_mod (meter_peak m) 256 ltac:(lia)). pose proof (Z.div_mod (meter_peak m / 256) 256 ltac:(lia)) as D.
      rewrite Z.div_div in D by lia. change (256 * 256) with 65536 in D. lia. }
    assert (Pf : pub u_first_epoch = first s) by (rewrite pub_is; reflexivity). assert (Pl : pub u_last_epoch = last s) by (rewrite pub_is; reflexivity).
    assert (Pc : pub u_charge_peak = charges_peak s) by (rewrite pub_is; reflexivity).
    destruct (valid_epochs s V) as [Ve _]. unfold bits in Ve. rewrite <- Pf in Ve.
    destruct (every_epoch_has_its_coverage h Hh Kh Hf Cr Ve n (conj N2 N1) Rd El) as (A & B & In_period & Up).
    split; [|split; [|split; [|split; [|split]]]].
    - destruct (ledger_end _ (at_row h _) El) as (k' & m' & Em' & Ck & O). assert (k' = k) as -> by lia. assert (m' = m) as -> by congruence. rewrite <- O. symmetry.
      assert (Bd : forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ In k [K_busy; K_idle]) by (intros j Hj; destruct (Rd j Hj) as [Q|Q]; [exists K_busy|exists K_idle]; (split; [exact Q|cbn; auto])).
      rewrite (chain_head h n K_el [K_busy; K_idle] Hh Kh Bd El ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(discriminate) ltac:(discriminate)).
      f_equal. rewrite (header_lanes (header m) _ _ (block h) h L Sm Kh eq_refl). do 2 f_equal. rewrite !map_map. apply map_ext_in. intros i Hi. apply in_body in Hi as (j & Hj & ->).
      symmetry. apply reading_is_its_block; [apply at_row|apply Rd, Hj].
    - intros r Hr. apply in_map_iff in Hr as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). apply (reading_is_its_block _ (at_row h j) (Rd j Hj)).
    - intros r Hr. apply in_map_iff in Hr as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). cbn [reading_at Relation.epoch]. rewrite <- Pf, <- Pl. exact (In_period j Hj).
    - intros k' r q Er Eq. rewrite nth_error_map in Er, Eq. destruct (nth_error (body h n) k') as [i|] eqn:Ei; [|discriminate Er]. destruct (nth_error (body h n) (S k')) as [j|] eqn:Ej; [|discriminate Eq].
      cbn in Er, Eq. injection Er as <-. injection Eq as <-. destruct (nth_body _ _ _ _ Ei) as [Li ->]. destruct (nth_body _ _ _ _ Ej) as [Lj ->]. cbn [reading_at Relation.epoch]. exact (Up (S k') ltac:(lia)).
    - intros e. rewrite <- seconds_in, <- Ec, <- Pf, <- Pl. destruct (Z.leb_spec (pub u_first_epoch) e), (Z.leb_spec e (pub u_last_epoch)); cbn [andb]; [apply A; lia|apply B; lia|apply B; lia|apply B; lia].
    - intros r Hr. apply in_map_iff in Hr as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). cbn [reading_at Relation.busy Relation.tag Relation.work Relation.seconds].
      pose proof (at_row h j) as Rj. split.
      + intros Bz. destruct (Rd j Hj) as [Kj|Kj]; [pose proof (proj2 Kj 182 eq_refl) as Q; cbn in Q; rewrite Q in Bz; discriminate Bz|]. apply (idle_has_no_work _ Rj Kj).
      + intros Cp Bz. rewrite <- Pc in Cp. pose proof (ledger_work_is_chip_seconds_times_peak h Hh Kh Hf Ve n (conj N2 N1) Rd Cp Pr j Hj) as W. rewrite Ep in W.
        destruct (Rd j Hj) as [Kj|Kj]; [|pose proof (proj2 Kj 182 eq_refl) as Q; cbn in Q; rewrite Q in Bz; discriminate Bz].
        pose proof (proj2 Kj (c_iv + K_idle) eq_refl) as Q. rewrite Q in W. exact W.
  Qed.

  (* ---- The records of each summary that is sent ---- *)

  Definition is_sent_chain (k : nat) (l : Z * nat) : Prop := let (h, n) := l in
    row h /\ is h K_hd /\ T h c_chain = 1 + n_meters s + Z.of_nat k /\ Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> is (at_ h j) K_sent) /\ is (at_ h (S n)) K_es.
  Definition sent_at (l : Z * nat) : Relation.site_records := let (h, n) := l in
    {| Relation.records_iv := block (before_row h); Relation.records := map record_at (body h n); Relation.records_trailer := block (at_ h (S n)) |}.

  Theorem each_summary_has_its_records k x : registry s <> None -> nth_error (summaries s) k = Some x -> exists l, is_sent_chain k l /\ Relation.summary_holds x (sent_at l).
  Proof.
    intros Rs Ex. pose proof (is_valid (t := t) (s := s)) as V. pose proof (nth_error_In _ _ Ex) as Im. destruct (valid_summaries s V x Im) as ([L _] & _).
    assert (F : In (term 5 (1 + n_meters s + Z.of_nat k) (summary_header x)) (terms s)).
    { unfold terms. rewrite !in_app_iff. right; left. apply (counted_in (summary_terms s) (summaries s) (1 + n_meters s) k x _ Ex). left. reflexivity. }
    destruct (each_term_has_a_row K_hd _ (or_introl eq_refl) F eq_refl) as (h & Hh & Kh & Sm). cbn [term snd] in Sm.
    pose proof (said_by_header h Kh) as Sd.
    assert (Ch : T h c_chain = 1 + n_meters s + Z.of_nat k) by (pose proof (same_message_nth _ _ 1 ltac:(lia) Sm) as E; rewrite Sd in E; symmetry; exact E).
    assert (Lead : exists n, Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> is (at_ h j) K_sent) /\ is (at_ h (S n)) K_es /\ T (at_ h (S n)) c_chain = T h c_chain).
    { destruct (header_leads h Hh Kh) as [(n & _ & _ & _ & En & Cn)|[(_ & X)|[X|(i & Hi & Ki & Ci)]]]; [| |exact X|].
      - destruct (ledger_end _ (at_row h _) En) as (j & m' & Em & Cj & _). assert (j < length (meters s))%nat by (apply nth_error_Some; congruence). unfold n_meters in *. lia.
      - unfold n_meters in *. lia.
      - destruct (received_end _ Hi Ki) as (E & _). congruence. }
    destruct Lead as (n & N1 & Rd & El & Ce).
    exists (h, n). split; [cbn; auto 10|]. cbn [sent_at]. unfold Relation.summary_holds. cbn [Relation.records_iv Relation.records Relation.records_trailer].
    split; [|split].
    - destruct (sent_end _ (at_row h _) El) as (_ & k' & x' & Ex' & Ck & O). assert (k' = k) as -> by lia. assert (x' = x) as -> by congruence. rewrite <- O. symmetry.
      assert (Bd : forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ In k [K_sent]) by (intros j Hj; exists K_sent; split; [apply Rd, Hj|left; reflexivity]).
      rewrite (chain_head h n K_es [K_sent] Hh Kh Bd El ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) ltac:(discriminate) ltac:(discriminate)).
      f_equal. rewrite <- (app_nil_r (summary_header x)) in Sm. rewrite (header_lanes (summary_header x) _ _ (block h) h L Sm Kh eq_refl). do 2 f_equal. rewrite !map_map. apply map_ext_in. intros i Hi. apply in_body in Hi as (j & Hj & ->).
      symmetry. apply sent_is_its_block; [apply at_row|apply Rd, Hj].
    - intros r Hr. apply in_map_iff in Hr as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). apply (sent_is_its_block _ (at_row h j) (Rd j Hj)).
    - intros i j r q Hij Er Eq. rewrite nth_error_map in Er, Eq. destruct (nth_error (body h n) i) as [i'|] eqn:Ei; [|discriminate Er]. destruct (nth_error (body h n) j) as [j'|] eqn:Ej; [|discriminate Eq].
      cbn in Er, Eq. injection Er as <-. injection Eq as <-. destruct (nth_body _ _ _ _ Ei) as [Li ->]. destruct (nth_body _ _ _ _ Ej) as [Lj ->]. cbn [record_at Relation.record_tag].
      destruct (sent_is_its_block _ (at_row h (S i)) (Rd (S i) ltac:(lia))) as (_ & _ & ->). destruct (sent_is_its_block _ (at_row h (S j)) (Rd (S j) ltac:(lia))) as (_ & _ & ->).
      apply (sent_tags_ascend h n Rd); lia.
  Qed.
End Extract.
