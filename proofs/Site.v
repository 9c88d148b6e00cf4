(* A site's table: its one summary is received, and each record is all that readings gave under its tag. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Along Bases Lineage Books Receive Sponge Extract Claim.
From Standstill Require Relation.
Import ListNotations.
Local Open Scope Z_scope.

Section Site.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Hypothesis Hr : registry s = None.

  Lemma no_entry i k : row i -> is i k -> In k registry_body -> False.
  Proof.
    intros Hi Hk I0. destruct (body_has_a_header registry_body i ltac:(vm_compute; reflexivity) Hi (ex_intro _ k (conj Hk I0))) as (h' & m & Hh & Kh & Hm & _ & Bd).
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends registry_body K_er h' ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (m' & _ & _ & _ & En).
    destruct (registry_end _ (at_row h' _) En) as (r & E & _). congruence.
  Qed.

  Lemma nothing_is_sent i : row i -> is i K_sent -> False.
  Proof.
    intros Hi Hk. destruct (body_has_a_header [K_sent] i ltac:(vm_compute; reflexivity) Hi) as (h' & m & Hh & Kh & Hm & _ & Bd); [exists K_sent; cbn; auto|].
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_sent] K_es h' ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (m' & _ & _ & _ & En).
    destruct (sent_end _ (at_row h' _) En) as (E & _). congruence.
  Qed.

  Lemma one_summary x j y : nth_error (summaries s) 0 = Some x -> nth_error (summaries s) j = Some y -> j = 0%nat /\ y = x.
  Proof.
    intros Ex Ey. pose proof (valid_kind s is_valid) as V. rewrite Hr in V. assert (L : (j < length (summaries s))%nat) by (apply nth_error_Some; congruence).
    assert (j = 0%nat) as -> by lia. split; [reflexivity|congruence].
  Qed.

  (* Header, then side row and record for each of n records, then the end. *)
  Record received (h : Z) (n : nat) : Prop := {
    v_row : row h; v_hd : is h K_hd; v_chain : T h c_chain = 1 + n_meters s; v_length : Z.of_nat (1 + 2 * n) < N;
    v_side : forall j, (j < n)%nat -> is (at_ h (1 + 2 * j)) K_side; v_end : is (at_ h (1 + 2 * n)) K_eg }.

  Lemma got_follows h j : is (at_ h (1 + 2 * j)) K_side -> is (at_ h (2 + 2 * j)) K_got.
  Proof. intros H. replace (2 + 2 * j)%nat with (S (1 + 2 * j)) by lia. rewrite <- at_next. apply (follows _ K_side); auto. apply at_row. Qed.

  Lemma after_got h j : is (at_ h (1 + 2 * j)) K_side -> is (at_ h (1 + 2 * S j)) K_side \/ is (at_ h (1 + 2 * S j)) K_eg.
  Proof.
    intros H. pose proof (got_follows h j H) as Kg. destruct (one_kind_each_row _ (at_row h (1 + 2 * S j))) as [k Hk]. pose proof Hk as Hk'.
    replace (1 + 2 * S j)%nat with (S (2 + 2 * j)) in Hk' by lia. rewrite <- at_next in Hk'.
    pose proof (order_of_rows _ K_got k (at_row h _) Kg Hk') as O. cbn [successors In] in O. destruct O as [<-|[<-|[]]]; auto.
  Qed.

  Lemma records_then_end h m : is (at_ h 1) K_side \/ is (at_ h 1) K_eg -> is (at_ h m) K_eg -> (1 <= m)%nat ->
    exists n, (n <= m)%nat /\ (forall j, (j < n)%nat -> is (at_ h (1 + 2 * j)) K_side) /\ is (at_ h (1 + 2 * n)) K_eg.
  Proof.
    intros H1 Hm Lm.
    assert (X : forall x, (forall j, (j <= x)%nat -> is (at_ h (1 + 2 * j)) K_side) \/ exists n, (n <= x)%nat /\ (forall j, (j < n)%nat -> is (at_ h (1 + 2 * j)) K_side) /\ is (at_ h (1 + 2 * n)) K_eg).
    { induction x as [|x [IH|(n & A & B)]].
      - destruct H1 as [H1|H1]; [left; intros j Hj; replace j with 0%nat by lia; exact H1|right; exists 0%nat; split; [lia|]; split; [intros; lia|exact H1]].
      - destruct (after_got h x (IH x (le_n x))) as [A|A]; [left; intros j Hj; destruct (Nat.eq_dec j (S x)) as [->|]; [exact A|apply IH; lia]|].
        right. exists (S x). split; [lia|]. split; [intros j Hj; apply IH; lia|exact A].
      - right. exists n. split; [lia|exact B]. }
    destruct (X m) as [A|(n & A & B)]; [|exists n; auto]. exfalso.
    pose proof (Nat.div_mod (m - 1) 2 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound (m - 1) 2 ltac:(lia)) as M. set (q := ((m - 1) / 2)%nat) in *.
    pose proof (A q ltac:(lia)) as Ks. destruct (Nat.eq_dec ((m - 1) mod 2) 0) as [E|E].
    - replace (1 + 2 * q)%nat with m in Ks by lia. discriminate (kind_unique _ _ _ Ks Hm).
    - pose proof (got_follows h q Ks) as Kg. replace (2 + 2 * q)%nat with m in Kg by lia. discriminate (kind_unique _ _ _ Kg Hm).
  Qed.

  Theorem the_summary x : nth_error (summaries s) 0 = Some x -> exists h n, received h n /\ block h = summary_header x /\ outs (at_ h (1 + 2 * n)) = summary_head x.
  Proof.
    intros Ex. pose proof (is_valid (t := t) (s := s)) as V. pose proof (nth_error_In _ _ Ex) as Im. destruct (valid_summaries s V x Im) as ([L _] & _).
    assert (F : In (term 5 (1 + n_meters s) (summary_header x)) (terms s)).
    { unfold terms. rewrite !in_app_iff. right; left. apply (counted_in (summary_terms s) (summaries s) (1 + n_meters s) 0 x _ Ex). rewrite Z.add_0_r. left. reflexivity. }
    destruct (each_term_has_a_row K_hd _ (or_introl eq_refl) F eq_refl) as (h & Hh & Kh & Sm). cbn [term snd] in Sm. pose proof (said_by_header h Kh) as Sd.
    assert (Ch : T h c_chain = 1 + n_meters s) by (pose proof (same_message_nth _ _ 1 ltac:(lia) Sm) as E; rewrite Sd in E; symmetry; exact E).
    destruct (one_kind_each_row _ (next_row h)) as [k Hk]. pose proof (order_of_rows h K_hd k Hh Kh Hk) as O.
    assert (Side : k = K_side \/ k = K_eg).
    { destruct (header_leads h Hh Kh) as [(n & _ & _ & Rd & En & Cn)|[(_ & X)|[(n & _ & Rd & En & Cn)|_]]].
      - destruct (ledger_end _ (at_row h _) En) as (j & m' & Em & Cj & _). assert (j < length (meters s))%nat by (apply nth_error_Some; congruence). unfold n_meters in *. lia.
      - unfold n_meters in *. lia.
      - destruct (sent_end _ (at_row h _) En) as (E & _). congruence.
      - cbn [successors In] in O. destruct O as [<-|[<-|[<-|[<-|[<-|[<-|[<-|[<-|[]]]]]]]]]; auto; exfalso.
        + destruct (body_ends [K_busy; K_idle] K_el h ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ _ (conj Hk (or_introl eq_refl)))) as (n & _ & _ & Bd & En).
          pose proof (chain_of_end h n _ Hh Bd ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_el En ltac:(discriminate) ltac:(discriminate)) as Cn.
          destruct (ledger_end _ (at_row h _) En) as (j & m' & Em & Cj & _). assert (j < length (meters s))%nat by (apply nth_error_Some; congruence). unfold n_meters in *. lia.
        + destruct (body_ends [K_busy; K_idle] K_el h ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ _ (conj Hk (or_intror (or_introl eq_refl))))) as (n & _ & _ & Bd & En).
          pose proof (chain_of_end h n _ Hh Bd ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_el En ltac:(discriminate) ltac:(discriminate)) as Cn.
          destruct (ledger_end _ (at_row h _) En) as (j & m' & Em & Cj & _). assert (j < length (meters s))%nat by (apply nth_error_Some; congruence). unfold n_meters in *. lia.
        + apply (no_entry _ _ (next_row h) Hk). right. left. reflexivity.
        + apply (no_entry _ _ (next_row h) Hk). left. reflexivity.
        + apply (nothing_is_sent _ (next_row h) Hk).
        + destruct (sent_end _ (next_row h) Hk) as (E & _). congruence. }
    assert (First : is (at_ h 1) K_side \/ is (at_ h 1) K_eg) by (rewrite at_1; destruct Side as [-> | ->]; auto).
    assert (Fin : exists m, (1 <= m)%nat /\ Z.of_nat m <= N /\ is (at_ h m) K_eg).
    { pose proof size. destruct Side as [-> | ->].
      - destruct (body_ends [K_side; K_got] K_eg h ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ _ (conj Hk (or_introl eq_refl)))) as (n & N1 & N2 & _ & En). exists (S n). split; [lia|]. split; [lia|exact En].
      - exists 1%nat. split; [lia|]. split; [lia|]. rewrite at_1. exact Hk. }
    destruct Fin as (m & M1 & M2 & Em). destruct (records_then_end h m First Em M1) as (n & Ln & Sd' & Eg).
    assert (Len : Z.of_nat (1 + 2 * n) < N).
    { destruct (Z_lt_le_dec (Z.of_nat (1 + 2 * n)) N) as [|Le]; [assumption|]. exfalso. pose proof N_pos as Np. set (w := Z.to_nat N).
      assert (Wrap : is (at_ h w) K_hd) by (unfold w; rewrite at_wraps by exact Hh; exact Kh).
      pose proof (Nat.div_mod (w - 1) 2 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound (w - 1) 2 ltac:(lia)) as Mb. set (q := ((w - 1) / 2)%nat) in *.
      assert (W1 : (1 <= w <= 1 + 2 * n)%nat) by (unfold w; lia).
      destruct (Nat.eq_dec w (1 + 2 * n)) as [E|E]; [rewrite E in Wrap; discriminate (kind_unique _ _ _ Wrap Eg)|].
      pose proof (Sd' q ltac:(lia)) as Ks. destruct (Nat.eq_dec ((w - 1) mod 2) 0) as [E2|E2].
      - replace (1 + 2 * q)%nat with w in Ks by lia. discriminate (kind_unique _ _ _ Ks Wrap).
      - pose proof (got_follows h q Ks) as Kg. replace (2 + 2 * q)%nat with w in Kg by lia. discriminate (kind_unique _ _ _ Kg Wrap). }
    exists h, n. split; [constructor; assumption|]. split.
    - rewrite <- (app_nil_r (summary_header x)) in Sm. symmetry. apply (header_lanes (summary_header x) _ _ (block h) h L Sm Kh eq_refl).
    - destruct (received_end _ (at_row h _) Eg) as (_ & j & y & Ey & _ & O'). destruct (one_summary x j y Ex Ey) as [_ ->]. exact O'.
  Qed.

  (* ---- The one summary ---- *)

  Variable x : summary.
  Hypothesis Ex : nth_error (summaries s) 0 = Some x.
  Variable h : Z.
  Variable n : nat.
  Hypothesis G : received h n.

  Notation side j := (at_ h (1 + 2 * j)).
  Notation got j := (at_ h (2 + 2 * j)).

  Lemma next_of_side j : nx (side j) = got j.
  Proof. rewrite at_next. f_equal. Qed.

  Lemma received_rows i k : row i -> is i k -> In k [K_side; K_got] -> exists j, (j < n)%nat /\ ((k = K_side /\ i = side j) \/ (k = K_got /\ i = got j)).
  Proof.
    intros Hi Hk I0. destruct (body_has_a_header [K_side; K_got] i ltac:(vm_compute; reflexivity) Hi (ex_intro _ k (conj Hk I0))) as (h' & m & Hh & Kh & Hm & Ei & Bd).
    destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I1). rewrite at_1 in K1.
    destruct (body_ends [K_side; K_got] K_eg h' ltac:(vm_compute; reflexivity) Hh Kh (ex_intro _ k1 (conj K1 I1))) as (q & _ & _ & Bd' & En).
    pose proof (chain_of_end h' q [K_side; K_got] Hh Bd' ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_eg En ltac:(discriminate) ltac:(discriminate)) as Ce.
    destruct (received_end _ (at_row h' _) En) as (_ & j & y & Ey & Cj & _). destruct (one_summary x j y Ex Ey) as [-> _].
    assert (h' = h) as -> by (apply (one_row_a_chain K_hd); auto; [apply G|apply G|left; reflexivity|rewrite (v_chain _ _ G); lia]).
    assert (Lt : (m < 1 + 2 * n)%nat).
    { destruct (le_lt_dec (1 + 2 * n) m) as [Le|]; [|assumption]. exfalso. destruct (Bd (1 + 2 * n)%nat ltac:(lia)) as (k2 & K2 & I2).
      rewrite (kind_unique _ _ _ K2 (v_end _ _ G)) in I2. clear - I2. cbn in I2. intuition discriminate. }
    pose proof (Nat.div_mod (m - 1) 2 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound (m - 1) 2 ltac:(lia)) as Mb. set (w := ((m - 1) / 2)%nat) in *.
    exists w. split; [lia|]. subst i. pose proof (v_side _ _ G w ltac:(lia)) as Ks. destruct (Nat.eq_dec ((m - 1) mod 2) 0) as [E|E].
    - left. assert (Em : m = (1 + 2 * w)%nat) by lia. rewrite Em in Hk |- *. split; [apply (kind_unique _ _ _ Hk Ks)|reflexivity].
    - right. assert (Em : m = (2 + 2 * w)%nat) by lia. rewrite Em in Hk |- *. split; [apply (kind_unique _ _ _ Hk (got_follows h w Ks))|reflexivity].
  Qed.

  Lemma tag_of_record j : (j < n)%nat -> T (side j) c_key = T (got j) 1 /\ T (got j) c_key = T (got j) 1.
  Proof. intros Hj. destruct (side_tag (side j) (at_row h _) (v_side _ _ G j Hj)) as (_ & A & B). rewrite next_of_side in *. split; congruence. Qed.

  Lemma same_tag_same_record i j : (i < n)%nat -> (j < n)%nat -> T (got i) 1 = T (got j) 1 -> i = j.
  Proof.
    intros Hi Hj E. destruct (tag_of_record i Hi) as [A _]. destruct (tag_of_record j Hj) as [B _].
    destruct (lt_eq_lt_dec i j) as [[L|Q]|L]; [|exact Q|].
    - pose proof (received_tags_ascend h n (v_side _ _ G) i j ltac:(lia)). cbn [Nat.add] in *. lia.
    - pose proof (received_tags_ascend h n (v_side _ _ G) j i ltac:(lia)). cbn [Nat.add] in *. lia.
  Qed.

  Lemma taker c i : row i -> takes c i <> 0 -> exists j, (j < n)%nat /\ (i = side j \/ i = got j) /\ T i c_key = T (got j) 1.
  Proof.
    intros Hi Ne. destruct (one_kind_each_row i Hi) as [k Hk].
    assert (I0 : In k [K_e1; K_e2; K_side; K_got]).
    { destruct (in_dec Z.eq_dec k [K_e1; K_e2; K_side; K_got]) as [|N0]; [assumption|]. exfalso. apply Ne, (takes_nothing c i k Hk N0). }
    assert (I1 : In k [K_side; K_got]).
    { cbn [In] in *. destruct I0 as [<-|[<-|[<-|[<-|[]]]]]; auto; exfalso; apply (no_entry i _ Hi Hk); unfold registry_body; cbn [In]; auto 6. }
    destruct (received_rows i k Hi Hk I1) as (j & Hj & [[_ ->]|[_ ->]]); exists j; (split; [exact Hj|]); destruct (tag_of_record j Hj); auto.
  Qed.

  Lemma takes_of_record c j : (j < n)%nat ->
    takes c (side j) = nth c [T (side j) 245; T (side j) 246; T (side j) 247; 0; 0; 0; 0] 0
    /\ takes c (got j) = nth c [0; 0; 0; T (got j) 245; T (got j) 246; T (got j) 247; T (got j) 248] 0.
  Proof.
    intros Hj. pose proof (v_side _ _ G j Hj) as Ks. pose proof (got_follows h j Ks) as Kg. unfold takes. split.
    - pose proof (proj2 Ks 188 eq_refl) as A1. pose proof (proj2 Ks 189 eq_refl) as A2. pose proof (proj2 Ks 194 eq_refl) as A3. pose proof (proj2 Ks 195 eq_refl) as A4.
      cbn in A1, A2, A3, A4. cbn [Nat.add Nat.mul] in *. rewrite A1, A2, A3, A4. ring.
    - pose proof (proj2 Kg 188 eq_refl) as A1. pose proof (proj2 Kg 189 eq_refl) as A2. pose proof (proj2 Kg 194 eq_refl) as A3. pose proof (proj2 Kg 195 eq_refl) as A4.
      cbn in A1, A2, A3, A4. cbn [Nat.add Nat.mul] in *. rewrite A1, A2, A3, A4. ring.
  Qed.

  Lemma record_takes c j : (j < n)%nat -> (c < 7)%nat -> (if (c <? 3)%nat then takes c (side j) else takes c (got j)) = of_tag (T (got j) 1) (gives c).
  Proof.
    intros Hj Hc. set (r := if (c <? 3)%nat then side j else got j). replace (if (c <? 3)%nat then takes c (side j) else takes c (got j)) with (takes c r) by (unfold r; destruct (c <? 3)%nat; reflexivity).
    destruct (tag_of_record j Hj) as [A B]. destruct (takes_of_record c j Hj) as [Ts Tg].
    apply (one_receiver_takes_all (T (got j) 1) c r Hc).
    - unfold r. destruct (c <? 3)%nat; apply at_row.
    - unfold r. destruct (c <? 3)%nat; assumption.
    - intros i Hi Ek Ne. destruct (Z.eq_dec (takes c i) 0) as [|Tk]; [assumption|]. exfalso. destruct (taker c i Hi Tk) as (j' & Hj' & Ri & Ki).
      assert (j' = j) as -> by (apply same_tag_same_record; auto; congruence). unfold r in Ne.
      destruct Ri as [-> | ->]; [rewrite Ts in Tk|rewrite Tg in Tk]; destruct (Nat.ltb_spec c 3); try congruence; apply Tk; do 7 (destruct c as [|c]; [try reflexivity; lia|]); lia.
    - pose proof (fun c => cell_canonical (side j) c) as C1. pose proof (fun c => cell_canonical (got j) c) as C2. assert (P0 : 0 <= 0 < p) by (unfold p; lia).
      unfold r. destruct (c <? 3)%nat; [rewrite Ts|rewrite Tg]; do 7 (destruct c as [|c]; [cbn [nth]; auto|]); lia.
    - pose proof (given_is_small (T (got j) 1) c Hc) as Bd. unfold digit_sum in Bd. unfold p. lia.
  Qed.

  (* R4 of a site: a record is all that is given under its tag. *)
  Theorem record_is_all_that_is_given j : (j < n)%nat -> record_work (got j) = of_tag (T (got j) 1) Receive.given /\ bits 56 (record_work (got j)).
  Proof.
    intros Hj. pose proof (fun c => record_takes c j Hj) as R. pose proof (R 0%nat ltac:(lia)) as D0. pose proof (R 1%nat ltac:(lia)) as D1. pose proof (R 2%nat ltac:(lia)) as D2.
    pose proof (R 3%nat ltac:(lia)) as D3. pose proof (R 4%nat ltac:(lia)) as D4. pose proof (R 5%nat ltac:(lia)) as D5. clear R.
    change (0 <? 3)%nat with true in D0. change (1 <? 3)%nat with true in D1. change (2 <? 3)%nat with true in D2. change (3 <? 3)%nat with false in D3. change (4 <? 3)%nat with false in D4. change (5 <? 3)%nat with false in D5.
    cbv iota in D0, D1, D2, D3, D4, D5.
    rewrite (proj1 (takes_of_record 0%nat j Hj)) in D0. rewrite (proj1 (takes_of_record 1%nat j Hj)) in D1. rewrite (proj1 (takes_of_record 2%nat j Hj)) in D2.
    rewrite (proj2 (takes_of_record 3%nat j Hj)) in D3. rewrite (proj2 (takes_of_record 4%nat j Hj)) in D4. rewrite (proj2 (takes_of_record 5%nat j Hj)) in D5. cbn [nth] in D0, D1, D2, D3, D4, D5.
    pose proof (record_is_what_is_received (side j) (at_row h _) (v_side _ _ G j Hj)) as W. rewrite next_of_side in W. columns.
    rewrite D0, D1, D2, D3, D4, D5 in W. destruct W as [W B]; [repeat split; apply given_is_small; lia|]. rewrite of_tag_given. split; [exact W|exact B].
  Qed.

  Theorem busy_has_a_record i : row i -> is i K_busy -> exists j, (j < n)%nat /\ T (got j) 1 = T i c_key.
  Proof.
    intros Hi Ki. set (tg := T i c_key).
    destruct (existsb (fun j => T (got j) 1 =? tg) (seq 0 n)) eqn:E0.
    - apply existsb_exists in E0 as (j & Ij & Q). apply in_seq in Ij. apply Z.eqb_eq in Q. exists j. split; [lia|exact Q].
    - exfalso. pose proof (a_tag_without_receiver_has_no_giver tg) as No.
      assert (Z0 : of_tag tg (gives 6) = 0).
      { apply No. intros j Hj Kj. destruct (Z.eq_dec (takes 6 j) 0) as [|Tk]; [assumption|]. exfalso. destruct (taker 6 j Hj Tk) as (q & Hq & _ & Kq).
        rewrite <- not_true_iff_false in E0. apply E0, existsb_exists. exists q. split; [apply in_seq; lia|]. apply Z.eqb_eq. congruence. }
      pose proof (sum_at_least (fun j => if T j c_key =? tg then gives 6 j else 0) (rows N) i) as L. cbv beta in L. rewrite Z.eqb_refl in L.
      assert (One : gives 6 i = 1).
      { unfold gives. cbn [nth]. pose proof (proj2 Ki 182 eq_refl) as A1; pose proof (proj2 Ki 192 eq_refl) as A2; cbn in A1, A2; rewrite A1, A2; reflexivity. }
      assert (L' := L ltac:(intros j Hj; apply rows_in in Hj; destruct (_ =? _); [apply (gives_bound 6 j ltac:(lia) Hj)|lia]) (proj1 (rows_in i) Hi)). unfold of_tag in Z0. lia.
  Qed.

  (* ---- Blocks ---- *)

  Tactic Notation "lane_zero" constr(i) constr(k) constr(c) := let H := fresh "Lz" in use_constraint i (Some k) (@None Z) c H; cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H].
  Ltac byte_at r j := let H := fresh "Y" in assert (H : 0 <= T r (c_byte + j) <= 255) by (apply every_byte_is_a_byte; [assumption|lia]);
    let v := eval vm_compute in (c_byte + j) in change (c_byte + j) with v in H.

  Lemma record_is_its_block j : (j < n)%nat -> Relation.record_block (record_at (got j)) = block (got j).
  Proof.
    intros Hj. pose proof (v_side _ _ G j Hj) as Ks. pose proof (got_follows h j Ks) as Kg. pose proof (at_row h (2 + 2 * j)) as Rg. pose proof (at_row h (1 + 2 * j)) as Rs. set (g := got j) in *. set (sd := side j) in *.
    assert (Nx : nx sd = g) by apply next_of_side. assert (Kn : is (nx sd) K_got) by (rewrite Nx; exact Kg).
    lane_zero g (K_got) (k_unused_lane_0_is_zero). lane_zero g (K_got) (k_unused_lane_2_is_zero). lane_zero g (K_got) (k_unused_lane_3_is_zero). lane_zero g (K_got) (k_unused_lane_7_is_zero).
    use sd (Some K_side) (Some K_got) k_received_lane_0_is_its_bytes as W4. use g (Some K_got) (@None Z) k_received_lane_1_is_its_bytes as W5. use g (Some K_got) (@None Z) k_received_lane_2_is_its_bytes as W6.
    cbn [eval row_leaves] in W4, W5, W6. rewrite Nx in W4.
    pose proof (cell_canonical g 0). pose proof (cell_canonical g 2). pose proof (cell_canonical g 3). pose proof (cell_canonical g 7). pose proof (cell_canonical g 4). pose proof (cell_canonical g 5). pose proof (cell_canonical g 6).
    byte_at sd 12. byte_at sd 13. byte_at sd 14. byte_at g 8. byte_at g 9. byte_at g 10. byte_at g 11. byte_at g 12.
    apply eq_if_small in W4; [|unfold p in *; lia]. apply eq_if_small in W5; [|unfold p in *; lia]. apply eq_if_small in W6; [|unfold p in *; lia].
    assert (T g 0 = 0 /\ T g 2 = 0 /\ T g 3 = 0 /\ T g 7 = 0) as (E0 & E2 & E3 & E7) by (unfold p in *; lia).
    assert (limb24 (T g 4)) by lia. assert (limb24 (T g 5)) by lia. assert (limb24 (T g 6)) by lia.
    unfold Relation.record_block, record_at, record_work, block. cbn [Relation.record_tag Relation.record_work map app]. rewrite amount_of by assumption. rewrite E0, E2, E3, E7. reflexivity.
  Qed.

  Definition summary_records : Relation.site_records :=
    {| Relation.records_iv := block (before_row h); Relation.records := map (fun j => record_at (got j)) (seq 0 n); Relation.records_trailer := block (at_ h (1 + 2 * n)) |}.

  Lemma blocks_of_records q : (q <= n)%nat -> chain_blocks (before_row h) (2 + 2 * q) = block (before_row h) :: block h :: map (fun j => block (got j)) (seq 0 q).
  Proof.
    destruct (header_row h (v_row _ _ G) (v_hd _ _ G)) as (Hv & Kv & Sh). induction q as [|q IH]; intros Hq.
    - cbn [Nat.mul Nat.add chain_blocks app seq map]. rewrite (at_0 (before_row h)) by exact Hv. rewrite (Sh 0%nat), (at_0 h) by apply G.
      rewrite (not_on_copy _ _ Kv), (not_on_copy h _ (v_hd _ _ G)) by discriminate. reflexivity.
    - replace (2 + 2 * S q)%nat with (S (S (2 + 2 * q))) by lia.
      assert (U : forall m, chain_blocks (before_row h) (S (S m)) = (chain_blocks (before_row h) m ++ if on_copy (at_ (before_row h) m) then [] else [block (at_ (before_row h) m)])
        ++ if on_copy (at_ (before_row h) (S m)) then [] else [block (at_ (before_row h) (S m))]) by reflexivity.
      assert (M1 : at_ (before_row h) (2 + 2 * q) = side q) by (replace (2 + 2 * q)%nat with (S (1 + 2 * q)) by lia; apply Sh).
      assert (M2 : at_ (before_row h) (S (2 + 2 * q)) = got q) by apply Sh.
      rewrite U, IH, M2, M1 by lia.
      pose proof (v_side _ _ G q ltac:(lia)) as Ks. pose proof (got_follows h q Ks) as Kg.
      assert (O1 : on_copy (side q) = true) by (unfold on_copy; rewrite (proj2 Ks 185 eq_refl), (proj2 Ks 194 eq_refl); reflexivity).
      rewrite O1, (not_on_copy _ _ Kg) by discriminate. rewrite app_nil_r, seq_S, map_app. reflexivity.
  Qed.

  Theorem the_summary_holds : block h = summary_header x -> outs (at_ h (1 + 2 * n)) = summary_head x -> Relation.summary_holds x summary_records.
  Proof.
    intros Bh Oh. destruct (header_row h (v_row _ _ G) (v_hd _ _ G)) as (Hv & Kv & Sh). unfold Relation.summary_holds. cbn [summary_records Relation.records_iv Relation.records Relation.records_trailer]. split; [|split].
    - rewrite <- Oh, <- Bh. rewrite map_map, (map_ext_in _ (fun j => block (got j))) by (intros j Hj; apply in_seq in Hj; apply record_is_its_block; lia).
      rewrite <- (blocks_of_records n (le_n n)). symmetry. rewrite <- (Sh (1 + 2 * n)%nat). replace (S (1 + 2 * n)) with (2 + 2 * n)%nat by lia. apply (chain_is_hashed _ _ Hv Kv).
      intros q Hq. destruct q as [|[|q]]; [lia|rewrite Sh, (at_0 h) by apply G; exists K_hd; split; [apply G|split; discriminate]|]. rewrite Sh.
      destruct (Nat.eq_dec (S q) (1 + 2 * n)) as [E|E]; [rewrite E; exists K_eg; split; [apply G|split; discriminate]|].
      pose proof (Nat.div_mod q 2 ltac:(lia)) as D. pose proof (Nat.mod_upper_bound q 2 ltac:(lia)) as Mb. pose proof (v_side _ _ G (q / 2)%nat ltac:(lia)) as Ks.
      destruct (Nat.eq_dec (q mod 2) 0) as [E2|E2].
      + exists K_side. replace (S q) with (1 + 2 * (q / 2))%nat by lia. split; [exact Ks|split; discriminate].
      + exists K_got. replace (S q) with (2 + 2 * (q / 2))%nat by lia. split; [apply got_follows, Ks|split; discriminate].
    - intros r Hq. apply in_map_iff in Hq as (j & <- & Hj). apply in_seq in Hj. apply (record_is_all_that_is_given j ltac:(lia)).
    - intros i j r q Hij Er Eq.
      assert (Nth : forall k w, nth_error (map (fun j => record_at (got j)) (seq 0 n)) k = Some w -> (k < n)%nat /\ w = record_at (got k)).
      { intros k w E. assert (Lk : (k < n)%nat) by (rewrite <- (seq_length n 0), <- (map_length (fun j => record_at (got j))); apply nth_error_Some; congruence). split; [exact Lk|].
        rewrite nth_error_map, (nth_error_nth' (seq 0 n) 0%nat) in E by (rewrite seq_length; exact Lk). rewrite seq_nth in E by exact Lk. injection E as <-. reflexivity. }
      destruct (Nth i r Er) as [Li ->]. destruct (Nth j q Eq) as [Lj ->]. cbn [record_at Relation.record_tag]. destruct (tag_of_record i Li) as [<- _]. destruct (tag_of_record j Lj) as [<- _].
      apply (received_tags_ascend h n (v_side _ _ G) i j). lia.
  Qed.
End Site.
