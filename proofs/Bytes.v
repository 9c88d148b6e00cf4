(* The byte table walks over bytes, the BYTES bus makes every byte column a byte, and what the other two interactions may be. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine Program Symbolic Names Rows.
Import ListNotations.
Local Open Scope Z_scope.

(* The verifier's terms are headers and heads: circuits/README.md section 9. *)
Class Headers (t : Table) : Prop := { public_bus : forall f, In f publics -> 5 <= nth 0 (snd f) 0 <= 10 }.

(* ---- Sums over fractions ---- *)

Lemma sum_app a b : sum (a ++ b) = sum a + sum b.
Proof. induction a as [|x a IH]; cbn; [reflexivity|]. unfold sum in *. lia. Qed.

Lemma booked_app k m a b : booked k m (a ++ b) = booked k m a + booked k m b.
Proof. unfold booked. rewrite map_app. apply sum_app. Qed.

Lemma booked_cons k m f fs : booked k m (f :: fs) = (if same_message (snd f) m then nth k (fst f) 0 else 0) + booked k m fs.
Proof. reflexivity. Qed.

Lemma booked_flat_map {A} k m (g : A -> list fraction) l : booked k m (flat_map g l) = sum (map (fun x => booked k m (g x)) l).
Proof. induction l as [|x l IH]; [reflexivity|]. cbn [flat_map map]. rewrite booked_app, IH. reflexivity. Qed.

Lemma booked_none k m fs : (forall f, In f fs -> same_message (snd f) m = false) -> booked k m fs = 0.
Proof.
  induction fs as [|f fs IH]; intros H; [reflexivity|]. rewrite booked_cons, H by (left; reflexivity).
  rewrite IH; [reflexivity|]. intros g G. apply H. right. exact G.
Qed.

Lemma sum_bounds {A} (f : A -> Z) c l : (forall x, In x l -> 0 <= f x <= c) -> 0 <= sum (map f l) <= c * Z.of_nat (length l).
Proof.
  induction l as [|x l IH]; intros H; [cbn; lia|]. cbn [map sum fold_right length].
  assert (A1 := H x (or_introl eq_refl)). assert (A2 := IH (fun y Y => H y (or_intror Y))). unfold sum in A2. lia.
Qed.

Lemma sum_at_least {A} (f : A -> Z) l x : (forall y, In y l -> 0 <= f y) -> In x l -> f x <= sum (map f l).
Proof.
  induction l as [|y l IH]; intros H I0; [destruct I0|]. cbn [map sum fold_right].
  assert (P : 0 <= sum (map f l)).
  { clear -H. assert (H' : forall z, In z l -> 0 <= f z) by (intros; apply H; right; assumption). clear H.
    induction l as [|z l IH]; [cbn; lia|]. cbn [map sum fold_right]. assert (0 <= f z) by (apply H'; left; reflexivity).
    assert (0 <= sum (map f l)) by (apply IH; intros; apply H'; right; assumption). unfold sum in *. lia. }
  assert (Q : 0 <= f y) by (apply H; left; reflexivity).
  destruct I0 as [->|I0]; [unfold sum in *; lia|]. assert (R := IH (fun z Z0 => H z (or_intror Z0)) I0). unfold sum in *. lia.
Qed.

Lemma same_message_nth a b k : (k < 16)%nat -> same_message a b = true -> nth k a 0 = nth k b 0.
Proof.
  unfold same_message. rewrite forallb_forall. intros H S. apply Z.eqb_eq, S, in_seq. lia.
Qed.

Lemma same_message_refl a : same_message a a = true.
Proof. unfold same_message. apply forallb_forall. intros. apply Z.eqb_refl. Qed.

Lemma not_same a b k : (k < 16)%nat -> nth k a 0 <> nth k b 0 -> same_message a b = false.
Proof. intros Hk H. destruct (same_message a b) eqn:E; [|reflexivity]. exfalso. apply H. apply same_message_nth; assumption. Qed.

(* ---- The table's walk ---- *)

Section Walk.
  Context {t : Table} {ok : Satisfied t}.

  Lemma factor s v : canonical s -> s <> 0 -> (s * v) mod p = 0 -> v mod p = 0.
  Proof. unfold canonical. intros C H E. apply product_zero in E as [E|E]; [|exact E]. rewrite Z.mod_small in E by lia. lia. Qed.

  Lemma mod_zero_iff v : v mod p = 0 -> exists q, v = p * q.
  Proof. intros H. apply Z.mod_divide in H as [q H]; [|discriminate]. exists q. lia. Qed.

  Lemma selectors i : row i -> (sel i 0 <> 0 <-> i = 0) /\ (sel i 1 <> 0 <-> i = N - 1) /\ (sel i 2 = 0 <-> i = N - 1).
  Proof. intros H. destruct satisfies as [(_ & _ & _ & S) _]. apply S, H. Qed.

  Lemma sel_canonical i s : canonical (sel i s).
  Proof. destruct satisfies as [(_ & _ & S & _) _]. apply S. Qed.

  Lemma next_inside i : 0 <= i < N - 1 -> nx i = i + 1.
  Proof. intros H. unfold next. apply Z.mod_small. lia. Qed.

  Notation lo i := (T i c_t_lo).
  Notation hi i := (T i c_t_hi).

  Lemma walk_starts : lo 0 = 0 /\ hi 0 = 0.
  Proof.
    pose proof size. assert (R : row 0) by lia. pose proof (proj2 (proj1 (selectors 0 R)) eq_refl) as S.
    use 0 (@None Z) (@None Z) k_table_starts_at_lo_0 as H1. use 0 (@None Z) (@None Z) k_table_starts_at_hi_0 as H2.
    cbn [eval row_leaves] in *. apply factor in H1, H2; auto using sel_canonical.
    rewrite Z.mod_small in H1, H2 by apply cell_canonical. auto.
  Qed.

  Lemma walk_ends : lo (N - 1) = 255 /\ hi (N - 1) = 255.
  Proof.
    pose proof size. assert (R : row (N - 1)) by lia. pose proof (proj2 (proj1 (proj2 (selectors _ R))) eq_refl) as S.
    use (N - 1) (@None Z) (@None Z) k_table_ends_at_lo_255 as H1. use (N - 1) (@None Z) (@None Z) k_table_ends_at_hi_255 as H2.
    cbn [eval row_leaves] in *. apply factor in H1, H2; auto using sel_canonical.
    apply mod_zero_iff in H1 as [q1 H1], H2 as [q2 H2].
    pose proof (cell_canonical (N - 1) c_t_lo). pose proof (cell_canonical (N - 1) c_t_hi). unfold p in *. lia.
  Qed.

  Lemma zero_or_one_more a b : canonical a -> canonical b -> a < p - 1 -> ((b - a) * (b - a) - (b - a)) mod p = 0 -> b = a \/ b = a + 1.
  Proof.
    unfold canonical. intros A B L H. replace ((b - a) * (b - a) - (b - a)) with ((b - a) * (b - a - 1)) in H by ring.
    apply product_zero in H as [H|H]; apply mod_zero_iff in H as [q H]; unfold p in *; lia.
  Qed.

  Lemma walk_step i : 0 <= i < N - 1 -> lo i <= i -> hi i <= i ->
    (hi (i + 1) = hi i + 1 /\ lo i = 255 /\ lo (i + 1) = 0) \/ (hi (i + 1) = hi i /\ (lo (i + 1) = lo i \/ lo (i + 1) = lo i + 1)).
  Proof.
    intros Hi Ll Lh. pose proof size as Sz. assert (R : row i) by lia.
    assert (S : sel i 2 <> 0). { intros E. apply (selectors i R) in E. lia. }
    use i (@None Z) (@None Z) k_table_hi_steps as H1. use i (@None Z) (@None Z) k_table_hi_steps_from_255 as H2.
    use i (@None Z) (@None Z) k_table_hi_steps_to_0 as H3. use i (@None Z) (@None Z) k_table_lo_steps as H4.
    cbn [eval row_leaves] in *. rewrite next_inside in * by lia.
    pose proof (cell_canonical i c_t_lo). pose proof (cell_canonical i c_t_hi).
    pose proof (cell_canonical (i + 1) c_t_lo). pose proof (cell_canonical (i + 1) c_t_hi).
    apply factor in H1, H4; auto using sel_canonical.
    apply zero_or_one_more in H1; auto; [|unfold p in *; lia]. destruct H1 as [E|E]; rewrite E in *.
    - right. split; [reflexivity|]. replace (hi i - hi i) with 0 in H4 by ring. rewrite Z.sub_0_r, Z.mul_1_l in H4.
      apply zero_or_one_more in H4; auto. unfold p in *; lia.
    - left. replace (hi i + 1 - hi i) with 1 in * by ring. rewrite Z.mul_1_r in *.
      apply product_zero in H2 as [H2|H2]; [|rewrite Z.mod_small in H2 by apply sel_canonical; contradiction].
      apply product_zero in H3 as [H3|H3]; [|rewrite Z.mod_small in H3 by apply sel_canonical; contradiction].
      rewrite Z.mod_small in H3 by apply cell_canonical. apply mod_zero_iff in H2 as [q H2]. unfold p in *. repeat split; lia.
  Qed.

  Lemma walk_slow n : forall i, i = Z.of_nat n -> i < N -> lo i <= i /\ hi i <= i.
  Proof.
    induction n as [|n IH]; intros i E Hi.
    - destruct walk_starts. subst i. cbn. lia.
    - destruct (IH (i - 1)) as [A B]; [lia|lia|].
      destruct (walk_step (i - 1)) as [S|S]; [lia|lia|lia| |]; replace (i - 1 + 1) with i in S by ring; lia.
  Qed.

  Lemma walk_inside n : forall i, i = N - 1 - Z.of_nat n -> 0 <= i -> 0 <= lo i <= 255 /\ 0 <= hi i <= 255.
  Proof.
    pose proof (fun i => cell_canonical i c_t_lo) as C. pose proof (fun i => cell_canonical i c_t_hi) as D.
    induction n as [|n IH]; intros i E Hi; specialize (C i) as Ci; specialize (D i) as Di.
    - replace i with (N - 1) in * by lia. destruct walk_ends. lia.
    - destruct (IH (i + 1)) as [A B]; [lia|lia|].
      destruct (walk_slow (Z.to_nat i) i) as [G H]; [lia|lia|]. destruct (walk_step i) as [S|S]; lia.
  Qed.

  Theorem table_holds_bytes i : row i -> 0 <= lo i <= 255 /\ 0 <= hi i <= 255.
  Proof. intros H. apply (walk_inside (Z.to_nat (N - 1 - i))); lia. Qed.
End Walk.

(* ---- The fractions of a row ---- *)

Definition s_numerators (syms : list (event * expr)) (i : Z) : list expr :=
  flat_map (fun ev => match fst ev with Num j _ => if j =? i then [snd ev] else [] | _ => [] end) syms.
Definition s_message (syms : list (event * expr)) (i : Z) : list expr :=
  flat_map (fun ev => match fst ev with Msg j _ => if j =? i then [snd ev] else [] | _ => [] end) syms.

Lemma values_of_agreeing ev es vs : Forall2 (agrees ev) es vs -> vs = map (fun e => eval ev e mod p) es.
Proof. induction 1 as [|e v es vs V A IH]; [reflexivity|]. cbn [map]. rewrite <- IH. f_equal. exact V. Qed.

Section Fractions.
  Context {t : Table} {ok : Satisfied t} {hd : Headers t}.

  Notation evs i := (row_events the_program N T pub sel i).

  Lemma fractions_agree i k j : is i k ->
    Forall2 (agrees (env i)) (s_numerators (sym (fx (Some k) None)) j) (numerators_of (evs i) j)
    /\ Forall2 (agrees (env i)) (s_message (sym (fx (Some k) None)) j) (message_of (evs i) j).
  Proof.
    intros Hk. pose proof (sym_agrees i (Some k) None Hk I) as A. unfold s_numerators, numerators_of, s_message, message_of.
    induction A as [|[ev e] [ev' v] l l' [E V] A [IH1 IH2]]; [split; constructor|]. cbn in E, V. subst ev'.
    split; cbn [flat_map fst snd]; destruct ev; try assumption; destruct (_ =? _); cbn [app]; try assumption; constructor; assumption.
  Qed.

  Lemma agree_any i j :
    Forall2 (agrees (env i)) (s_numerators (sym (fx None None)) j) (numerators_of (evs i) j)
    /\ Forall2 (agrees (env i)) (s_message (sym (fx None None)) j) (message_of (evs i) j).
  Proof.
    pose proof (sym_agrees i None None I I) as A. unfold s_numerators, numerators_of, s_message, message_of.
    induction A as [|[ev e] [ev' v] l l' [E V] A [IH1 IH2]]; [split; constructor|]. cbn in E, V. subst ev'.
    split; cbn [flat_map fst snd]; destruct ev; try assumption; destruct (_ =? _); cbn [app]; try assumption; constructor; assumption.
  Qed.

  Opaque row_events numerators_of message_of s_numerators s_message.

  (* Interaction j of row i, of a row of kind k: its symbolic form decides it. *)
  Lemma message_is i k j es : is i k -> s_message (sym (fx (Some k) None)) j = es ->
    message_of (evs i) j = map (fun e => eval (env i) e mod p) es.
  Proof. intros Hk <-. apply values_of_agreeing. exact (proj2 (fractions_agree i k j Hk)). Qed.
  Lemma numerators_are i k j es : is i k -> s_numerators (sym (fx (Some k) None)) j = es ->
    numerators_of (evs i) j = map (fun e => eval (env i) e mod p) es.
  Proof. intros Hk <-. apply values_of_agreeing. exact (proj1 (fractions_agree i k j Hk)). Qed.

  (* Bus numbers of the interactions TAG/SORT and HEADER/HEAD/ENTRY for each kind of row; 0 where it takes no part. *)
  Definition tag_bus (k : Z) : Z :=
    match k with K_busy | K_sent | K_e1 | K_e2 | K_side | K_got => 2 | K_e0 | K_e3 => 3 | _ => 0 end.
  Definition chain_bus (k : Z) : Z :=
    match k with
    | K_hd => 5 | K_el => 6 | K_mi => 7 | K_er => 8 | K_es => 9 | K_eg => 10 | K_iv | K_e0 | K_e1 | K_e2 | K_e4 => 4 | _ => 0
    end.

  Definition const_of (o : option expr) : option Z := match o with Some (Const c) => Some c | _ => None end.
  Definition buses_decided : bool :=
    forallb (fun k => match const_of (nth_error (s_message (sym (fx (Some k) None)) 11) 0),
                            const_of (nth_error (s_message (sym (fx (Some k) None)) 12) 0) with
                      | Some a, Some b => (a =? tag_bus k) && (b =? chain_bus k) | _, _ => false end) kinds.
  Lemma buses_are_decided : buses_decided = true.
  Proof. vm_cast_no_check (eq_refl true). Qed.

  Lemma bus_ranges k : 0 <= tag_bus k < p /\ 0 <= chain_bus k < p /\ tag_bus k <> 1 /\ chain_bus k <> 1.
  Proof.
    unfold tag_bus, chain_bus, p. destruct k as [|k|k]; [lia| |lia].
    do 5 (destruct k as [k|k|]; try lia).
  Qed.

  Lemma head_of_message i k j c e : is i k -> const_of (nth_error (s_message (sym (fx (Some k) None)) j) 0) = Some c -> e = c mod p ->
    nth 0 (message_of (evs i) j) 0 = e.
  Proof.
    intros Hk E ->. rewrite (message_is i k j _ Hk eq_refl). destruct (s_message _ _) as [|x xs]; [discriminate|].
    cbn in E. destruct x; try discriminate. injection E as <-. reflexivity.
  Qed.

  Lemma bus_of_row i k : is i k ->
    nth 0 (message_of (evs i) 11) 0 = tag_bus k /\ nth 0 (message_of (evs i) 12) 0 = chain_bus k.
  Proof.
    intros Hk. pose proof buses_are_decided as D. unfold buses_decided in D. rewrite forallb_forall in D.
    specialize (D k (kinds_all k (proj1 Hk))). cbv beta in D.
    destruct (const_of (nth_error (s_message (sym (fx (Some k) None)) 11) 0)) as [a|] eqn:E1; [|discriminate].
    destruct (const_of (nth_error (s_message (sym (fx (Some k) None)) 12) 0)) as [b|] eqn:E2; [|discriminate].
    apply andb_true_iff in D as [Da Db]. apply Z.eqb_eq in Da, Db. subst a b. destruct (bus_ranges k) as (R1 & R2 & _).
    split.
    - apply (head_of_message i k 11 (tag_bus k)); [exact Hk|exact E1|symmetry; apply Z.mod_small; exact R1].
    - apply (head_of_message i k 12 (chain_bus k)); [exact Hk|exact E2|symmetry; apply Z.mod_small; exact R2].
  Qed.

  Lemma mod_cell i c : T i c mod p = T i c.
  Proof. apply Z.mod_small, cell_canonical. Qed.

  Definition byte_fractions (i : Z) : list fraction :=
    map (fun j => ([1], [1; T i (c_byte + 2 * j); T i (c_byte + 2 * j + 1)])) [0; 1; 2; 3; 4; 5; 6; 7; 8; 9].

  Lemma pair_is i j a b : s_numerators (sym (fx None None)) j = [Const 1] ->
    s_message (sym (fx None None)) j = [Const 1; Var (Col a); Var (Col b)] ->
    (numerators_of (evs i) j, message_of (evs i) j) = ([1], [1; T i a; T i b]).
  Proof.
    intros En Em. destruct (agree_any i j) as [A B]. rewrite (values_of_agreeing _ _ _ A), (values_of_agreeing _ _ _ B), En, Em.
    cbn [map eval row_leaves]. rewrite !mod_cell. reflexivity.
  Qed.

  Lemma row_fractions_are i : exists m n11 m11 n12 m12,
    row_fractions the_program N T pub sel i
      = byte_fractions i ++ [([m], [1; T i c_t_lo; T i c_t_hi]); (n11, m11); (n12, m12)]
    /\ n11 = numerators_of (evs i) 11 /\ m11 = message_of (evs i) 11 /\ n12 = numerators_of (evs i) 12 /\ m12 = message_of (evs i) 12.
  Proof.
    assert (Tb : exists m, (numerators_of (evs i) 10, message_of (evs i) 10) = ([m], [1; T i c_t_lo; T i c_t_hi])).
    { destruct (agree_any i 10) as [A B].
      assert (En : s_numerators (sym (fx None None)) 10 = [ESub (Const 0) (Var (Col c_t_mult))]) by (vm_compute; reflexivity).
      assert (Em : s_message (sym (fx None None)) 10 = [Const 1; Var (Col c_t_lo); Var (Col c_t_hi)]) by (vm_compute; reflexivity).
      rewrite (values_of_agreeing _ _ _ A), (values_of_agreeing _ _ _ B), En, Em.
      cbn [map eval row_leaves]. rewrite !mod_cell. eexists. reflexivity. }
    destruct Tb as [m Tb]. exists m, (numerators_of (evs i) 11), (message_of (evs i) 11), (numerators_of (evs i) 12), (message_of (evs i) 12).
    split; [|repeat split]. unfold row_fractions.
    assert (Is : interactions the_program = [0; 1; 2; 3; 4; 5; 6; 7; 8; 9; 10; 11; 12]) by (vm_compute; reflexivity).
    rewrite Is. cbn [map]. unfold byte_fractions. cbn [map app].
    rewrite (pair_is i 0 198 199) by (vm_compute; reflexivity). rewrite (pair_is i 1 200 201) by (vm_compute; reflexivity).
    rewrite (pair_is i 2 202 203) by (vm_compute; reflexivity). rewrite (pair_is i 3 204 205) by (vm_compute; reflexivity).
    rewrite (pair_is i 4 206 207) by (vm_compute; reflexivity). rewrite (pair_is i 5 208 209) by (vm_compute; reflexivity).
    rewrite (pair_is i 6 210 211) by (vm_compute; reflexivity). rewrite (pair_is i 7 212 213) by (vm_compute; reflexivity).
    rewrite (pair_is i 8 214 215) by (vm_compute; reflexivity). rewrite (pair_is i 9 216 217) by (vm_compute; reflexivity).
    rewrite Tb. reflexivity.
  Qed.
End Fractions.

(* ---- Every byte column is a byte ---- *)

Section Bytes.
  Context {t : Table} {ok : Satisfied t} {hd : Headers t}.

  Notation fractions i := (row_fractions the_program N T pub sel i).

  Lemma rows_in i : row i <-> In i (rows N).
  Proof.
    unfold rows. rewrite in_map_iff. split.
    - intros H. exists (Z.to_nat i). split; [lia|]. apply in_seq. lia.
    - intros (n & <- & H). apply in_seq in H. lia.
  Qed.

  Lemma byte_part a b i : 0 <= booked 0 [1; a; b] (byte_fractions i) <= 10.
  Proof.
    unfold byte_fractions, booked. rewrite map_map. cbn [fst snd].
    match goal with |- context [map ?f ?l] => pose proof (sum_bounds f 1 l) as B end.
    cbn [length] in B. apply B. intros x _. cbn [nth]. destruct (same_message _ _); lia.
  Qed.

  Lemma byte_part_has a b i j : 0 <= j < 10 -> a = T i (c_byte + 2 * j) -> b = T i (c_byte + 2 * j + 1) ->
    1 <= booked 0 [1; a; b] (byte_fractions i).
  Proof.
    intros Hj -> ->. unfold byte_fractions, booked. rewrite map_map. cbn [fst snd].
    match goal with |- context [map ?f ?l] => pose proof (sum_at_least f l j) as B end.
    cbv beta in B. rewrite same_message_refl in B. cbn [nth] in B. apply B.
    - intros y _. destruct (same_message _ _); lia.
    - cbn [In]. lia.
  Qed.

  Theorem every_pair_is_in_the_table i j : row i -> 0 <= j < 10 ->
    exists r, row r /\ T r c_t_lo = T i (c_byte + 2 * j) /\ T r c_t_hi = T i (c_byte + 2 * j + 1).
  Proof.
    intros Hi Hj. set (a := T i (c_byte + 2 * j)). set (b := T i (c_byte + 2 * j + 1)).
    set (hit := fun r => (T r c_t_lo =? a) && (T r c_t_hi =? b)).
    destruct (existsb hit (rows N)) eqn:E.
    { apply existsb_exists in E as (r & Hr & H). apply rows_in in Hr. apply andb_true_iff in H as [A B].
      apply Z.eqb_eq in A, B. exists r. auto. }
    exfalso.
    assert (Miss : forall r, row r -> T r c_t_lo <> a \/ T r c_t_hi <> b).
    { intros r Hr. destruct (Z.eq_dec (T r c_t_lo) a) as [A|A]; [|left; exact A]. right. intros B.
      rewrite <- not_true_iff_false in E. apply E, existsb_exists. exists r. split; [apply rows_in, Hr|].
      unfold hit. rewrite A, B, !Z.eqb_refl. reflexivity. }
    assert (Part : forall r, row r -> booked 0 [1; a; b] (fractions r) = booked 0 [1; a; b] (byte_fractions r)).
    { intros r Hr. destruct (row_fractions_are r) as (m & n11 & m11 & n12 & m12 & -> & _ & E11 & _ & E12).
      destruct (one_kind_each_row r Hr) as [k Hk]. destruct (bus_of_row r k Hk) as [B1 B2]. destruct (bus_ranges k) as (_ & _ & R1 & R2).
      rewrite booked_app, !booked_cons. cbn [fst snd].
      rewrite (not_same m11 _ 0) by (try lia; rewrite E11, B1; exact R1). rewrite (not_same m12 _ 0) by (try lia; rewrite E12, B2; exact R2).
      assert (S : same_message [1; T r c_t_lo; T r c_t_hi] [1; a; b] = false).
      { destruct (Miss r Hr) as [A|A]; [apply (not_same _ _ 1)|apply (not_same _ _ 2)]; try lia; exact A. }
      rewrite S. unfold booked at 2. cbn [map sum fold_right]. ring. }
    destruct satisfies as (_ & _ & Bal). specialize (Bal 0%nat [1; a; b]). unfold all_fractions in Bal.
    rewrite booked_app, booked_flat_map in Bal. rewrite (booked_none _ _ publics) in Bal.
    2: { intros f F. apply (not_same _ _ 0); [lia|]. pose proof (public_bus f F) as PB. cbn [nth]. lia. }
    assert (Sum : 1 <= sum (map (fun r => booked 0 [1; a; b] (fractions r)) (rows N)) <= 10 * N).
    { assert (Each : forall r, In r (rows N) -> 0 <= booked 0 [1; a; b] (fractions r) <= 10).
      { intros r Hr. rewrite Part by (apply rows_in, Hr). apply byte_part. }
      split.
      - apply Z.le_trans with (booked 0 [1; a; b] (fractions i)).
        + rewrite Part by exact Hi. apply (byte_part_has _ _ _ j); auto.
        + apply (sum_at_least (fun r => booked 0 [1; a; b] (fractions r))); [intros y Y; apply Each, Y|apply rows_in, Hi].
      - pose proof (sum_bounds (fun r => booked 0 [1; a; b] (fractions r)) 10 (rows N) Each) as B.
        unfold rows in B at 3. rewrite map_length, seq_length in B. pose proof size. lia. }
    pose proof size. rewrite Z.mod_small in Bal by (unfold p; lia). lia.
  Qed.

  Theorem every_byte_is_a_byte i j : row i -> 0 <= j < 20 -> 0 <= T i (c_byte + j) <= 255.
  Proof.
    intros Hi Hj. destruct (every_pair_is_in_the_table i (j / 2) Hi) as (r & Hr & A & B); [split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]|].
    destruct (table_holds_bytes r Hr) as [L H]. rewrite A in L. rewrite B in H.
    assert (E : j = 2 * (j / 2) \/ j = 2 * (j / 2) + 1) by (pose proof (Z.div_mod j 2 ltac:(lia)); pose proof (Z.mod_pos_bound j 2 ltac:(lia)); lia).
    destruct E as [E|E]; rewrite E; [exact L|]. replace (c_byte + (2 * (j / 2) + 1)) with (c_byte + 2 * (j / 2) + 1) by ring. exact H.
  Qed.
End Bytes.
