(* The table is cut into chains: one header row and one end for each chain of the statement, and every row of a chain's body is behind its header. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Heads Entries Statement.
Import ListNotations.
Local Open Scope Z_scope.

(* The table is of this statement. *)
Class Stated (t : Table) (s : statement) : Prop := {
  is_valid : valid s;
  publics_are : publics = terms s;
  pub_is : forall c, pub c = nth (Z.to_nat c) (public_vector s) 0 }.

(* ---- The verifier's terms ---- *)

Definition key_of (f : fraction) : Z * Z := (nth 0 (snd f) 0, nth 1 (snd f) 0).

Lemma NoDup_app {A} (a b : list A) : NoDup a -> NoDup b -> (forall x, In x a -> ~ In x b) -> NoDup (a ++ b).
Proof.
  induction a as [|x a IH]; intros Ha Hb D; [exact Hb|]. inversion Ha as [|? ? H1 H2]; subst. cbn [app]. constructor.
  - rewrite in_app_iff. intros [H|H]; [exact (H1 H)|]. apply (D x); [left; reflexivity|exact H].
  - apply IH; [exact H2|exact Hb|]. intros y Y. apply D. right. exact Y.
Qed.

Lemma in_counted {A B} (f : Z -> A -> list B) l : forall c y, In y (counted f c l) ->
  exists k x, nth_error l k = Some x /\ In y (f (c + Z.of_nat k) x).
Proof.
  induction l as [|x l IH]; intros c y H; [destruct H|]. cbn [counted] in H. apply in_app_iff in H as [H|H].
  - exists 0%nat, x. split; [reflexivity|]. rewrite Z.add_0_r. exact H.
  - destruct (IH _ _ H) as (k & x' & E & I0). exists (S k), x'. split; [exact E|]. replace (c + Z.of_nat (S k)) with (c + 1 + Z.of_nat k) by lia. exact I0.
Qed.

Lemma counted_in {A B} (f : Z -> A -> list B) l : forall c k x y, nth_error l k = Some x -> In y (f (c + Z.of_nat k) x) -> In y (counted f c l).
Proof.
  induction l as [|x0 l IH]; intros c k x y E H; [destruct k; discriminate|]. cbn [counted]. apply in_app_iff. destruct k as [|k]; cbn in E.
  - injection E as ->. left. rewrite Z.add_0_r in H. exact H.
  - right. apply (IH (c + 1) k x y E). replace (c + 1 + Z.of_nat k) with (c + Z.of_nat (S k)) by lia. exact H.
Qed.

Lemma counted_length {A B} (f : Z -> A -> list B) n l : forall c, (forall c x, length (f c x) = n) -> length (counted f c l) = (n * length l)%nat.
Proof. induction l as [|x l IH]; intros c H; [cbn; lia|]. cbn [counted length]. rewrite app_length, H, IH by exact H. lia. Qed.

Lemma counted_keys {A} (f : Z -> A -> list fraction) l : forall c,
  (forall c x, NoDup (map key_of (f c x)) /\ forall k, In k (map key_of (f c x)) -> snd k = c) ->
  NoDup (map key_of (counted f c l)) /\ forall k, In k (map key_of (counted f c l)) -> c <= snd k < c + Z.of_nat (length l).
Proof.
  induction l as [|x l IH]; intros c H; [split; [constructor|intros ? []]|]. cbn [counted length]. rewrite map_app.
  destruct (H c x) as [A1 A2]. destruct (IH (c + 1) H) as [B1 B2]. split.
  - apply NoDup_app; [exact A1|exact B1|]. intros k K1 K2. apply A2 in K1. apply B2 in K2. lia.
  - intros k K. apply in_app_iff in K as [K|K]; [apply A2 in K|apply B2 in K]; lia.
Qed.

Lemma at_most_once (m : list Z) : forall l : list fraction, NoDup (map key_of l) -> sum (map (fun f => one_if (same_message (snd f) m)) l) <= 1.
Proof.
  induction l as [|f l IH]; intros Nd; [cbn; lia|]. inversion Nd as [|? ? N1 N2]; subst. cbn [map sum fold_right].
  specialize (IH N2). destruct (same_message (snd f) m) eqn:E; cbn [one_if]; [|unfold sum in *; lia].
  assert (Z0 : sum (map (fun g => one_if (same_message (snd g) m)) l) = 0).
  { assert (G : forall g, In g l -> same_message (snd g) m = false).
    { intros g G. destruct (same_message (snd g) m) eqn:E'; [|reflexivity]. exfalso. apply N1. apply in_map_iff. exists g. split; [|exact G].
      unfold key_of. rewrite (same_message_nth _ _ 0 ltac:(lia) E), (same_message_nth _ _ 1 ltac:(lia) E), (same_message_nth _ _ 0 ltac:(lia) E'), (same_message_nth _ _ 1 ltac:(lia) E').
      reflexivity. }
    clear - G. induction l as [|g l IH]; [reflexivity|]. cbn [map sum fold_right]. rewrite (G g (or_introl eq_refl)). cbn [one_if].
    unfold sum in *. rewrite IH; [reflexivity|]. intros; apply G; right; assumption. }
  unfold sum in *. lia.
Qed.

Section Terms_of.
  Context {t : Table} {s : statement} {st : Stated t s}.

  Lemma keys_are_distinct : NoDup (map key_of (terms s)).
  Proof.
    unfold terms. rewrite !map_app.
    destruct (counted_keys meter_terms (meters s) 1) as [M1 M2].
    { intros c x. cbn. split; [|intros k [<-|[<-|[]]]; reflexivity]. constructor; [intros [E|[]]; discriminate E|]. constructor; [intros []|constructor]. }
    destruct (counted_keys (summary_terms s) (summaries s) (1 + n_meters s)) as [S1 S2].
    { intros c x. cbn. split; [|intros k [<-|[<-|[]]]; reflexivity]. constructor; [|constructor; [intros []|constructor]].
      unfold key_of. cbn. intros [E|[]]. destruct (registry s); discriminate E. }
    apply NoDup_app; [exact M1| |].
    - apply NoDup_app; [exact S1| |].
      + destruct (registry s); [|constructor]. cbn. repeat constructor; cbn; intuition discriminate.
      + intros k K. apply S2 in K. destruct (registry s); [|intros []]. cbn. unfold key_of. cbn. unfold n_meters in *.
        intros [<-|[<-|[<-|[]]]]; cbn [snd] in K; lia.
    - intros k K. apply M2 in K. rewrite in_app_iff. intros [H|H].
      + apply S2 in H. unfold n_meters in *. lia.
      + destruct (registry s); [|destruct H]. cbn in H. unfold key_of in H. cbn in H. destruct H as [<-|[<-|[<-|[]]]]; cbn [snd] in K; lia.
  Qed.

  (* A term is a meter's header or head, a summary's, or the registry's. *)
  Lemma term_cases f : In f (terms s) ->
    (exists k m, nth_error (meters s) k = Some m /\ (f = term 5 (1 + Z.of_nat k) (header_of m) \/ f = term 6 (1 + Z.of_nat k) (head m)))
    \/ (exists k x, nth_error (summaries s) k = Some x /\ (f = term 5 (1 + n_meters s + Z.of_nat k) (summary_header x)
        \/ f = term (match registry s with Some _ => 9 | None => 10 end) (1 + n_meters s + Z.of_nat k) (summary_head x)))
    \/ (exists r, registry s = Some r /\ (f = term 5 0 (books_header r) \/ f = term 7 0 (before r) \/ f = term 8 0 (after r))).
  Proof.
    unfold terms. rewrite !in_app_iff. intros [H|[H|H]].
    - left. destruct (in_counted _ _ _ _ H) as (k & m & E & I0). exists k, m. split; [exact E|]. unfold meter_terms in I0. cbn [In] in I0. destruct I0 as [<-|[<-|[]]]; [left|right]; reflexivity.
    - right; left. destruct (in_counted _ _ _ _ H) as (k & m & E & I0). exists k, m. split; [exact E|]. unfold summary_terms in I0. cbn [In] in I0. destruct I0 as [<-|[<-|[]]]; [left|right]; reflexivity.
    - right; right. destruct (registry s) as [r|]; [|destruct H]. exists r. split; [reflexivity|]. unfold books_terms in H. cbn [In] in H. destruct H as [<-|[<-|[<-|[]]]]; [left; reflexivity|right; left; reflexivity|right; right; reflexivity].
  Qed.

  Lemma limb_range v k : limb24 (limb v k).
  Proof. apply Z.mod_pos_bound. reflexivity. Qed.

  Lemma eighth_nth l k d : elements l -> (8 <= k)%nat -> nth k l d = d.
  Proof. intros [E _] H. apply nth_overflow. lia. Qed.

  #[global] Instance stated_headers : Headers t.
  Proof.
    constructor. intros f H. rewrite publics_are in H.
    destruct (term_cases f H) as [(k & m & _ & [-> | ->])|[(k & m & _ & [-> | ->])|(r & _ & [-> | [-> | ->]])]]; cbn; try lia.
    destruct (registry s); lia.
  Qed.

  #[global] Instance stated_terms : Terms t.
  Proof.
    pose proof is_valid as V. constructor.
    - intros f H. rewrite publics_are in H.
      destruct (term_cases f H) as [(k & m & _ & [-> | ->])|[(k & m & _ & [-> | ->])|(r & _ & [-> | [-> | ->]])]]; reflexivity.
    - rewrite publics_are. unfold terms. rewrite !app_length. rewrite (counted_length meter_terms 2) by reflexivity. rewrite (counted_length (summary_terms s) 2) by reflexivity.
      destruct (valid_counts s V) as [A B]. unfold n_meters, n_summaries in *. destruct (registry s); cbn [length books_terms]; lia.
    - intros f H E. rewrite publics_are in H.
      destruct (term_cases f H) as [(k & m & N0 & [-> | ->])|[(k & x & N0 & [-> | ->])|(r & N0 & [-> | [-> | ->]])]]; cbn in E; try discriminate E;
        try (destruct (registry s); discriminate E).
      + apply nth_error_In in N0. destruct (valid_meters s V m N0) as ([L _] & _ & P & _). unfold header_of, term. cbn [snd].
        assert (G : forall j, nth (10 + j) (5 :: (1 + Z.of_nat k) :: header m ++ [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1]) 0
          = nth j [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1] 0).
        { intros j. change (nth (8 + j) (header m ++ [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1]) 0
            = nth j [meter_peak m mod 256; meter_peak m / 256 mod 256; meter_peak m / 65536; limb (meter_coverage m) 0; limb (meter_coverage m) 1] 0).
          rewrite <- L. apply app_nth2_plus. }
        pose proof (G 0%nat) as G0. pose proof (G 1%nat) as G1. pose proof (G 2%nat) as G2. pose proof (G 3%nat) as G3. pose proof (G 4%nat) as G4.
        cbn [Nat.add] in G0, G1, G2, G3, G4. rewrite G0, G1, G2, G3, G4. clear G G0 G1 G2 G3 G4. cbn [nth]. unfold bits in P. change (2 ^ 24) with 16777216 in P.
        pose proof (Z.mod_pos_bound (meter_peak m) 256 ltac:(lia)). pose proof (Z.mod_pos_bound (meter_peak m / 256) 256 ltac:(lia)).
        assert (0 <= meter_peak m / 65536 < 256) by (split; [apply Z.div_pos; lia|apply Z.div_lt_upper_bound; lia]).
        pose proof (limb_range (meter_coverage m) 0). pose proof (limb_range (meter_coverage m) 1). lia.
      + apply nth_error_In in N0. destruct (valid_summaries s V x N0) as (L & _). unfold term. cbn [snd nth]. rewrite !eighth_nth by (auto; lia). lia.
      + destruct (valid_registry s V r N0) as (L & _). unfold term. cbn [snd nth]. rewrite !eighth_nth by (auto; lia). lia.
  Qed.
End Terms_of.

(* ---- Rows of headers and heads ---- *)

Section Cut.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.

  Definition out_lane i (j : Z) := T i (164 + j).

  Lemma said_by_head i k : is i k -> In k [K_el; K_mi; K_er; K_es; K_eg] ->
    said i = [chain_bus k; T i c_chain; T i 164; T i 165; T i 166; T i 167; T i 168; T i 169; T i 170; T i 171; 0; 0; 0; 0; 0].
  Proof.
    intros Hk I0. cbn [In] in I0. unfold said. rewrite (message_is i k 12 _ Hk eq_refl).
    repeat destruct I0 as [<-|I0]; try contradiction;
      match goal with Hk : is i ?k |- _ =>
        let l := eval vm_compute in (s_message (sym (fx (Some k) None)) 12) in
        replace (s_message (sym (fx (Some k) None)) 12) with l by (vm_compute; reflexivity) end;
      cbn [map eval row_leaves]; rewrite !mod_cell; reflexivity.
  Qed.

  Lemma said_chain i k : is i k -> In k head_kinds -> nth 0 (said i) 0 = chain_bus k /\ nth 1 (said i) 0 = T i c_chain.
  Proof.
    intros Hk I0. destruct (Z.eq_dec k K_hd) as [->|Ne].
    - rewrite (said_by_header i Hk). split; reflexivity.
    - rewrite (said_by_head i k Hk); [split; reflexivity|]. destruct I0 as [Q|I0]; [congruence|exact I0].
  Qed.

  Lemma terms_once m : terms_saying m <= 1.
  Proof. unfold terms_saying. rewrite publics_are. apply at_most_once, keys_are_distinct. Qed.

  Lemma two_in_sum (f : Z -> Z) l a b : NoDup l -> (forall x, In x l -> 0 <= f x) -> In a l -> In b l -> a <> b -> f a + f b <= sum (map f l).
  Proof.
    induction l as [|x l IH]; intros Nd P A B Ne; [destruct A|]. inversion Nd; subst. cbn [map sum fold_right].
    assert (P' : forall y, In y l -> 0 <= f y) by (intros; apply P; right; assumption). assert (Px : 0 <= f x) by (apply P; left; reflexivity).
    destruct A as [->|A], B as [->|B].
    - congruence.
    - pose proof (sum_at_least f l b P' B). unfold sum in *. lia.
    - pose proof (sum_at_least f l a P' A). unfold sum in *. lia.
    - specialize (IH ltac:(assumption) P' A B Ne). unfold sum in *. lia.
  Qed.

  Lemma rows_nodup : NoDup (rows N).
  Proof. unfold rows. apply FinFun.Injective_map_NoDup; [intros x y; lia|apply seq_NoDup]. Qed.

  Lemma head_cell i k : is i k -> In k head_kinds -> T i (c_iv + k) = 1.
  Proof.
    intros Hk I0. rewrite (proj2 Hk (c_iv + k)); [rewrite Z.eqb_refl; reflexivity|].
    unfold head_kinds in I0. cbn [In] in I0. repeat destruct I0 as [<-|I0]; try contradiction; reflexivity.
  Qed.

  (* Two headers, or two ends of one kind, with one chain number are one row. *)
  Theorem one_row_a_chain k i j : row i -> row j -> is i k -> is j k -> In k head_kinds -> T i c_chain = T j c_chain -> i = j.
  Proof.
    intros Hi Hj Ki Kj I0 C. destruct (Z.eq_dec i j) as [|Ne]; [assumption|]. exfalso.
    destruct (head_is_a_term i k Hi Ki I0) as (f & F & Sf). destruct (head_is_a_term j k Hj Kj I0) as (g & G & Sg).
    destruct (said_chain i k Ki I0) as [A1 A2]. destruct (said_chain j k Kj I0) as [B1 B2].
    assert (E : f = g).
    { rewrite publics_are in F, G. pose proof (keys_are_distinct (s := s)) as Nd.
      assert (K : key_of f = key_of g).
      { unfold key_of. rewrite (same_message_nth _ _ 0 ltac:(lia) Sf), (same_message_nth _ _ 1 ltac:(lia) Sf), (same_message_nth _ _ 0 ltac:(lia) Sg), (same_message_nth _ _ 1 ltac:(lia) Sg).
        rewrite A1, A2, B1, B2, C. reflexivity. }
      revert F G K Nd. clear. induction (terms s) as [|x l IH]; intros F G K Nd; [destruct F|]. inversion Nd as [|? ? N1 N2]; subst.
      destruct F as [->|F], G as [->|G]; auto.
      - exfalso. apply N1. rewrite K. apply in_map. exact G.
      - exfalso. apply N1. rewrite <- K. apply in_map. exact F. }
    subst g.
    assert (Same : same_message (said i) (snd f) = true /\ same_message (said j) (snd f) = true).
    { unfold same_message in *. rewrite !forallb_forall in *. split; intros x Hx; [specialize (Sf x Hx)|specialize (Sg x Hx)]; apply Z.eqb_eq; symmetry; apply Z.eqb_eq; assumption. }
    pose proof (heads_are_the_verifiers k (snd f) I0) as H. rewrite (same_message_nth _ _ 0 ltac:(lia) Sf) in H. specialize (H A1).
    pose proof (terms_once (snd f)) as One.
    pose proof (two_in_sum (fun r => one_if ((T r (c_iv + k) =? 1) && same_message (said r) (snd f))) (rows N) i j rows_nodup) as Two.
    cbv beta in Two. rewrite (head_cell i k Ki I0), (head_cell j k Kj I0), (proj1 Same), (proj2 Same) in Two. cbn [Z.eqb Pos.eqb andb one_if] in Two.
    assert (Two' := Two ltac:(intros; unfold one_if; destruct (_ && _); lia) (proj1 (rows_in i) Hi) (proj1 (rows_in j) Hj) Ne).
    unfold rows_saying in H. lia.
  Qed.

  (* Each term has a row. *)
  Theorem each_term_has_a_row k f : In k head_kinds -> In f (terms s) -> nth 0 (snd f) 0 = chain_bus k ->
    exists i, row i /\ is i k /\ same_message (snd f) (said i) = true.
  Proof.
    intros I0 F B. pose proof (heads_are_the_verifiers k (snd f) I0 B) as H.
    assert (One : 1 <= terms_saying (snd f)).
    { unfold terms_saying. pose proof (sum_at_least (fun g : fraction => one_if (same_message (snd g) (snd f))) publics f) as S. cbv beta in S.
      rewrite same_message_refl in S. apply S; [intros; unfold one_if; destruct (same_message _ _); lia|]. rewrite publics_are. exact F. }
    destruct (existsb (fun r => (T r (c_iv + k) =? 1) && same_message (said r) (snd f)) (rows N)) eqn:E.
    - apply existsb_exists in E as (r & R & A). apply andb_true_iff in A as [A1 A2]. apply rows_in in R. exists r. split; [exact R|].
      destruct (one_kind_each_row r R) as [k' K']. split.
      + rewrite (proj2 K' (c_iv + k)) in A1.
        2: { unfold head_kinds in I0. cbn [In] in I0. repeat destruct I0 as [<-|I0]; try contradiction; reflexivity. }
        destruct (Z.eqb_spec (c_iv + k) (c_iv + k')) as [Q|Q]; [|discriminate A1]. replace k with k' by lia. exact K'.
      + unfold same_message in *. rewrite !forallb_forall in *. intros x X. specialize (A2 x X). apply Z.eqb_eq. symmetry. apply Z.eqb_eq. exact A2.
    - exfalso. assert (Z0 : rows_saying k (snd f) = 0); [|lia]. unfold rows_saying. revert E. generalize (rows N). induction l as [|x l IH]; intros E; [reflexivity|].
      cbn [existsb] in E. apply orb_false_iff in E as [E1 E2]. cbn [map sum fold_right]. rewrite E1. cbn [one_if]. unfold sum in *. rewrite IH by exact E2. reflexivity.
  Qed.

  (* ---- A body is behind its header ---- *)

  Notation kind_in i B := (exists k, is i k /\ In k B).

  Definition closed_before (B : list Z) : bool :=
    forallb (fun k => forallb (fun k' => negb (existsb (Z.eqb k') B && existsb (Z.eqb k') (successors k)) || (k =? K_hd) || existsb (Z.eqb k) B) kinds) kinds
    && negb (existsb (Z.eqb K_hd) B).
  Definition closed_after (B : list Z) (e : Z) : bool :=
    forallb (fun k => negb (existsb (Z.eqb k) B) || forallb (fun k' => (k' =? e) || existsb (Z.eqb k') B) (successors k)) kinds
    && negb (existsb (Z.eqb K_hd) B).

  Lemma existsb_In k B : existsb (Z.eqb k) B = true <-> In k B.
  Proof. rewrite existsb_exists. split; [intros (x & X & E); apply Z.eqb_eq in E; subst; exact X|intros H; exists k; split; [exact H|apply Z.eqb_refl]]. Qed.

  Lemma before_body B i k k' : closed_before B = true -> row i -> is i k -> is (nx i) k' -> In k' B -> k = K_hd \/ In k B.
  Proof.
    intros C Hi Hk Hn I0. unfold closed_before in C. apply andb_true_iff in C as [C _]. rewrite forallb_forall in C.
    specialize (C k (kinds_all k (proj1 Hk))). cbv beta in C. rewrite forallb_forall in C. specialize (C k' (kinds_all k' (proj1 Hn))). cbv beta in C.
    rewrite (proj2 (existsb_In k' B) I0), (proj2 (existsb_In k' (successors k)) (order_of_rows i k k' Hi Hk Hn)) in C. cbn [andb negb orb] in C.
    apply orb_true_iff in C as [C|C]; [left; apply Z.eqb_eq, C|right; apply existsb_In, C].
  Qed.

  Lemma after_body B e i k k' : closed_after B e = true -> row i -> is i k -> is (nx i) k' -> In k B -> k' = e \/ In k' B.
  Proof.
    intros C Hi Hk Hn I0. unfold closed_after in C. apply andb_true_iff in C as [C _]. rewrite forallb_forall in C.
    specialize (C k (kinds_all k (proj1 Hk))). cbv beta in C. rewrite (proj2 (existsb_In k B) I0) in C. cbn [negb orb] in C.
    rewrite forallb_forall in C. specialize (C k' (order_of_rows i k k' Hi Hk Hn)). cbv beta in C.
    apply orb_true_iff in C as [C|C]; [left; apply Z.eqb_eq, C|right; apply existsb_In, C].
  Qed.

  Lemma at_wraps h : row h -> at_ h (Z.to_nat N) = h.
  Proof.
    intros H. pose proof N_pos. unfold at_. rewrite Z2Nat.id by lia. replace (h + N) with (h + 1 * N) by ring. rewrite Z.mod_add by lia. apply Z.mod_small, H.
  Qed.

  Lemma reach h i : row h -> row i -> exists d, (d < Z.to_nat N)%nat /\ i = at_ h d.
  Proof.
    intros Hh Hi. pose proof N_pos. destruct (Z_lt_le_dec i h) as [L|L].
    - exists (Z.to_nat (i + N - h)). split; [lia|]. unfold at_. rewrite Z2Nat.id by lia. replace (h + (i + N - h)) with (i + 1 * N) by ring.
      rewrite Z.mod_add by lia. symmetry. apply Z.mod_small, Hi.
    - exists (Z.to_nat (i - h)). split; [lia|]. unfold at_. rewrite Z2Nat.id by lia. replace (h + (i - h)) with i by ring. symmetry. apply Z.mod_small, Hi.
  Qed.

  Lemma there_is_a_header : exists h, row h /\ is h K_hd.
  Proof.
    assert (X : exists f, In f (terms s) /\ nth 0 (snd f) 0 = 5).
    { unfold terms. pose proof (valid_kind s is_valid) as K. destruct (registry s) as [r|].
      - exists (term 5 0 (books_header r)). split; [|reflexivity]. rewrite !in_app_iff. right; right. left. reflexivity.
      - destruct (summaries s) as [|x l]; [discriminate K|]. exists (term 5 (1 + n_meters s) (summary_header x)). split; [|reflexivity].
        rewrite !in_app_iff. right; left. left. reflexivity. }
    destruct X as (f & F & B). destruct (each_term_has_a_row K_hd f (or_introl eq_refl) F B) as (i & A & C & _). exists i. auto.
  Qed.

  Theorem body_has_a_header B i : closed_before B = true -> row i -> kind_in i B ->
    exists h m, row h /\ is h K_hd /\ (1 <= m < Z.to_nat N)%nat /\ i = at_ h m /\ forall j, (1 <= j <= m)%nat -> kind_in (at_ h j) B.
  Proof.
    intros C Hi Hb. destruct there_is_a_header as (h0 & H0 & K0). destruct (reach h0 i H0 Hi) as (d & Hd & ->).
    assert (NB : ~ In K_hd B).
    { unfold closed_before in C. apply andb_true_iff in C as [_ C]. apply negb_true_iff in C. intros I0. apply existsb_In in I0. congruence. }
    assert (G : forall d, (d < Z.to_nat N)%nat -> kind_in (at_ h0 d) B -> exists c, (c < d)%nat /\ is (at_ h0 c) K_hd /\ forall j, (c < j <= d)%nat -> kind_in (at_ h0 j) B).
    { clear d Hd Hi Hb. induction d as [|d IH]; intros Hd (k & Hk & I0).
      - rewrite at_0 in Hk by exact H0. rewrite (kind_unique _ _ _ Hk K0) in I0. contradiction.
      - destruct (one_kind_each_row _ (at_row h0 d)) as [k1 K1]. pose proof Hk as Hk'. rewrite <- at_next in Hk'.
        destruct (before_body B _ k1 k C (at_row h0 d) K1 Hk' I0) as [->|I1].
        + exists d. split; [lia|]. split; [exact K1|]. intros j Hj. replace j with (S d) by lia. eauto.
        + destruct (IH ltac:(lia)) as (c & C1 & C2 & C3); [eauto|]. exists c. split; [lia|]. split; [exact C2|]. intros j Hj.
          destruct (Nat.eq_dec j (S d)) as [->|]; [eauto|apply C3; lia]. }
    destruct (G d Hd Hb) as (c & C1 & C2 & C3). exists (at_ h0 c), (d - c)%nat.
    assert (Sh : forall j, at_ (at_ h0 c) j = at_ h0 (c + j)).
    { intros j. unfold at_. rewrite Zplus_mod_idemp_l. f_equal. lia. }
    split; [apply at_row|]. split; [exact C2|]. split; [lia|]. split; [rewrite Sh; f_equal; lia|]. intros j Hj. rewrite Sh. apply C3. lia.
  Qed.

  (* A header whose next row is of a body leads through the body to its end. *)
  Theorem body_ends B e h : closed_after B e = true -> row h -> is h K_hd -> kind_in (nx h) B ->
    exists n, (1 <= n)%nat /\ Z.of_nat n < N /\ (forall j, (1 <= j <= n)%nat -> kind_in (at_ h j) B) /\ is (at_ h (S n)) e.
  Proof.
    intros C Hh Kh Hf.
    assert (NB : ~ In K_hd B).
    { unfold closed_after in C. apply andb_true_iff in C as [_ C]. apply negb_true_iff in C. intros I0. apply existsb_In in I0. congruence. }
    assert (G : forall n, (exists m, (1 <= m <= n)%nat /\ (forall j, (1 <= j <= m)%nat -> kind_in (at_ h j) B) /\ is (at_ h (S m)) e)
      \/ (forall j, (1 <= j <= S n)%nat -> kind_in (at_ h j) B)).
    { induction n as [|n [IH|IH]].
      - right. intros j Hj. replace j with 1%nat by lia. rewrite at_1. exact Hf.
      - left. destruct IH as (m & A & D). exists m. split; [lia|exact D].
      - destruct (IH (S n) ltac:(lia)) as (k & Hk & I0). destruct (one_kind_each_row _ (next_row (at_ h (S n)))) as [k' K'].
        destruct (after_body B e _ k k' C (at_row h (S n)) Hk K' I0) as [->|I1].
        + left. exists (S n). split; [lia|]. split; [exact IH|]. rewrite <- at_next. exact K'.
        + right. intros j Hj. destruct (Nat.eq_dec j (S (S n))) as [->|]; [rewrite <- at_next; eauto|apply IH; lia]. }
    assert (Never : ~ (kind_in h B)). { intros (k & Hk & I0). rewrite (kind_unique _ _ _ Hk Kh) in I0. contradiction. }
    destruct (G (Z.to_nat N)) as [(m & A & D & E)|A].
    - exists m. split; [lia|]. split; [|split; [exact D|exact E]]. destruct (Z_lt_le_dec (Z.of_nat m) N) as [|L]; [assumption|]. exfalso.
      pose proof N_pos. specialize (D (Z.to_nat N) ltac:(lia)). rewrite at_wraps in D by exact Hh. exact (Never D).
    - exfalso. pose proof N_pos. specialize (A (Z.to_nat N) ltac:(lia)). rewrite at_wraps in A by exact Hh. exact (Never A).
  Qed.

  (* ---- Along a chain ---- *)

  Ltac known Hk H := match type of Hk with is ?r _ => repeat match type of H with context [T r ?n] =>
      let E := fresh in pose proof (proj2 Hk n eq_refl) as E; cbn in E; rewrite E in H; clear E end end.

  Lemma chain_step i k' : row i -> is (nx i) k' -> k' <> K_iv -> k' <> K_padding -> T (nx i) c_chain = T i c_chain.
  Proof.
    intros Hi Hn N1 N2. use i (@None Z) (@None Z) k_chain_stays as H. cbn [eval row_leaves] in H.
    pose proof (cell_canonical i c_chain) as Ca. pose proof (cell_canonical (nx i) c_chain) as Cb.
    revert Hn N1 N2. pose proof (fun Hn : is (nx i) k' => proj1 Hn) as Rg. intros Hn. specialize (Rg Hn). revert Hn. pattern k'. apply kind_cases; [exact Rg|..];
      intros Hn N1 N2; try congruence; clear Rg; known Hn H; apply mod_zero_iff in H as [? H]; unfold p in *; lia.
  Qed.

  Lemma chain_along h n : row h -> (forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ k <> K_iv /\ k <> K_padding) ->
    T (at_ h n) c_chain = T h c_chain.
  Proof.
    intros Hh. induction n as [|n IH]; intros H; [rewrite at_0 by exact Hh; reflexivity|]. rewrite <- IH by (intros; apply H; lia).
    destruct (H (S n) ltac:(lia)) as (k & Hk & A & B). rewrite <- at_next in *. apply (chain_step _ k); auto. apply at_row.
  Qed.
End Cut.
