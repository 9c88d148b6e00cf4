(* The registry of a table, whole: entries' tags are distinct (SORT), what is fetched is the parent's or base's (ENTRY), who receives, and bases. *)
From Coq Require Import ZArith List Bool Lia FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Entries Tags Statement Cut Along Bases.
Import ListNotations.
Local Open Scope Z_scope.

Lemma eight (l : list Z) : length l = 8%nat -> l = [nth 0 l 0; nth 1 l 0; nth 2 l 0; nth 3 l 0; nth 4 l 0; nth 5 l 0; nth 6 l 0; nth 7 l 0].
Proof. intros H. do 8 (destruct l as [|? l]; [discriminate H|]). destruct l; [reflexivity|discriminate H]. Qed.

Lemma at_most_one (f : Z -> Z) l : NoDup l -> (forall x, In x l -> f x = 0 \/ f x = 1) -> (forall x y, In x l -> In y l -> f x = 1 -> f y = 1 -> x = y) ->
  sum (map f l) <= 1.
Proof.
  induction l as [|x l IH]; intros Nd B U; [cbn; lia|]. inversion Nd as [|? ? N1 N2]; subst. cbn [map sum fold_right].
  assert (IH' : sum (map f l) <= 1) by (apply IH; [exact N2|intros; apply B; right; assumption|intros; apply U; try (right; assumption); assumption]).
  destruct (B x (or_introl eq_refl)) as [E|E]; [unfold sum in *; lia|].
  assert (Z0 : sum (map f l) = 0).
  { assert (G : forall y, In y l -> f y = 0).
    { intros y Y. destruct (B y (or_intror Y)) as [|F]; [assumption|]. exfalso. apply N1. rewrite (U x y); auto; [left; reflexivity|right; exact Y]. }
    clear - G. induction l as [|y l IH]; [reflexivity|]. cbn [map sum fold_right]. rewrite (G y (or_introl eq_refl)). unfold sum in *.
    rewrite IH; [reflexivity|]. intros; apply G; right; assumption. }
  unfold sum in *. lia.
Qed.

Lemma some_positive (f : Z -> Z) l : (forall x, In x l -> 0 <= f x) -> 0 < sum (map f l) -> exists x, In x l /\ 0 < f x.
Proof.
  induction l as [|x l IH]; intros B P; [cbn in P; lia|]. cbn [map sum fold_right] in P.
  destruct (Z_le_gt_dec (f x) 0) as [L|G]; [|exists x; split; [left; reflexivity|lia]].
  destruct IH as (y & Y & Q); [intros; apply B; right; assumption|unfold sum in *; lia|]. exists y. split; [right; exact Y|exact Q].
Qed.

Section Ends.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.

  Definition outs i := map (fun j => T i (164 + j)) [0; 1; 2; 3; 4; 5; 6; 7].
  Definition block i := map (fun j => T i j) [0; 1; 2; 3; 4; 5; 6; 7].

  Lemma end_is_a_term i k : row i -> is i k -> In k [K_el; K_mi; K_er; K_es; K_eg] ->
    exists f, In f (terms s) /\ nth 0 (snd f) 0 = chain_bus k /\ nth 1 (snd f) 0 = T i c_chain /\ (forall c l, snd f = c :: T i c_chain :: l -> length l = 8%nat -> outs i = l).
  Proof.
    intros Hi Hk I0. assert (I1 : In k head_kinds) by (right; exact I0). destruct (head_is_a_term i k Hi Hk I1) as (f & F & Sm). rewrite publics_are in F.
    exists f. destruct (said_chain i k Hk I1) as [B C]. split; [exact F|].
    rewrite (same_message_nth _ _ 0 ltac:(lia) Sm), (same_message_nth _ _ 1 ltac:(lia) Sm). split; [exact B|]. split; [exact C|].
    intros c l E L. rewrite (eight l L). unfold outs. cbn [map].
    assert (G : forall j, (j < 8)%nat -> nth j l 0 = nth (2 + j) (said i) 0).
    { intros j Hj. rewrite <- (same_message_nth _ _ (2 + j) ltac:(lia) Sm), E. reflexivity. }
    rewrite (said_by_head i k Hk I0) in G.
    rewrite (G 0%nat), (G 1%nat), (G 2%nat), (G 3%nat), (G 4%nat), (G 5%nat), (G 6%nat), (G 7%nat) by lia. reflexivity.
  Qed.

  Tactic Notation "term_of_end" constr(i) constr(k) constr(Hi) constr(Hk) constr(I0) :=
    let f := fresh "f" in let F := fresh "F" in let B := fresh "B" in let C := fresh "C" in let O := fresh "O" in
    destruct (end_is_a_term i k Hi Hk I0) as (f & F & B & C & O); pose proof (is_valid (t := t) (s := s)) as V;
    let r := fresh "r" in let m := fresh "m" in let j := fresh "j" in let E := fresh "E" in
    destruct (term_cases f F) as [(j & m & E & [-> | ->])|[(j & m & E & [-> | ->])|(r & E & [-> | [-> | ->]])]]; cbn [term snd nth chain_bus] in B, C, O;
    try discriminate B; try (destruct (registry s); discriminate B).

  (* Each end row is the verifier's: of a meter, of the registry before and after, of a summary. *)
  Lemma ledger_end i : row i -> is i K_el -> exists j m, nth_error (meters s) j = Some m /\ T i c_chain = 1 + Z.of_nat j /\ outs i = head m.
  Proof.
    intros Hi Hk. assert (I0 : In K_el [K_el; K_mi; K_er; K_es; K_eg]) by (cbn; tauto). term_of_end i K_el Hi Hk I0.
    exists j, m. split; [exact E|]. split; [symmetry; exact C|]. rewrite C in O. eapply O; [reflexivity|].
    apply nth_error_In in E. apply (valid_meters s V m E).
  Qed.
  Lemma before_end i : row i -> is i K_mi -> exists r, registry s = Some r /\ T i c_chain = 0 /\ outs i = before r.
  Proof.
    intros Hi Hk. assert (I0 : In K_mi [K_el; K_mi; K_er; K_es; K_eg]) by (cbn; tauto). term_of_end i K_mi Hi Hk I0.
    exists r. split; [exact E|]. split; [symmetry; exact C|]. rewrite C in O. eapply O; [reflexivity|]. apply (valid_registry s V r E).
  Qed.
  Lemma registry_end i : row i -> is i K_er -> exists r, registry s = Some r /\ T i c_chain = 0 /\ outs i = after r.
  Proof.
    intros Hi Hk. assert (I0 : In K_er [K_el; K_mi; K_er; K_es; K_eg]) by (cbn; tauto). term_of_end i K_er Hi Hk I0.
    exists r. split; [exact E|]. split; [symmetry; exact C|]. rewrite C in O. eapply O; [reflexivity|]. apply (valid_registry s V r E).
  Qed.
  Lemma sent_end i : row i -> is i K_es -> registry s <> None
    /\ exists j x, nth_error (summaries s) j = Some x /\ T i c_chain = 1 + n_meters s + Z.of_nat j /\ outs i = summary_head x.
  Proof.
    intros Hi Hk. assert (I0 : In K_es [K_el; K_mi; K_er; K_es; K_eg]) by (cbn; tauto). term_of_end i K_es Hi Hk I0.
    destruct (registry s) eqn:Er; [|discriminate B]. split; [discriminate|]. exists j, m. split; [exact E|]. split; [symmetry; exact C|].
    rewrite C in O. eapply O; [reflexivity|]. apply nth_error_In in E. apply (valid_summaries s V m E).
  Qed.
  Lemma received_end i : row i -> is i K_eg -> registry s = None
    /\ exists j x, nth_error (summaries s) j = Some x /\ T i c_chain = 1 + n_meters s + Z.of_nat j /\ outs i = summary_head x.
  Proof.
    intros Hi Hk. assert (I0 : In K_eg [K_el; K_mi; K_er; K_es; K_eg]) by (cbn; tauto). term_of_end i K_eg Hi Hk I0.
    destruct (registry s) eqn:Er; [discriminate B|]. split; [reflexivity|]. exists j, m. split; [exact E|]. split; [symmetry; exact C|].
    rewrite C in O. eapply O; [reflexivity|]. apply nth_error_In in E. apply (valid_summaries s V m E).
  Qed.

  (* ---- The registry ---- *)

  Definition registry_body := [K_mi; K_e0; K_e1; K_e2; K_e3; K_e4].

  Record is_registry (h : Z) (a b : nat) : Prop := {
    g_row : row h; g_hd : is h K_hd; g_first : is (nx h) K_e0 \/ is (nx h) K_mi; g_chain : T h c_chain = 0;
    g_res : T h 223 = 0 /\ T h 224 = 0 /\ T h 225 = 0; g_tot : T h 226 = 0 /\ T h 227 = 0;
    g_some : (1 <= b)%nat; g_length : Z.of_nat (2 + 5 * (a + b)) <= N;
    g_entries : forall x, (x < a + b)%nat -> is (at_ h (pos a x)) K_e0; g_before : is (at_ h (1 + 5 * a)) K_mi; g_after : is (at_ h (2 + 5 * (a + b))) K_er }.

  Lemma chain_of_end h n B : row h -> (forall j, (1 <= j <= n)%nat -> exists k, is (at_ h j) k /\ In k B) -> ~ In K_iv B -> ~ In K_padding B ->
    forall e, is (at_ h (S n)) e -> e <> K_iv -> e <> K_padding -> T (at_ h (S n)) c_chain = T h c_chain.
  Proof.
    intros Hh Hb N1 N2 e He E1 E2. apply chain_along; [exact Hh|]. intros j Hj. destruct (Nat.eq_dec j (S n)) as [->|].
    - exists e. auto.
    - destruct (Hb j ltac:(lia)) as (k & Hk & I0). exists k. split; [exact Hk|]. split; intros ->; auto.
  Qed.

  Theorem the_registry r : registry s = Some r -> exists h a b, is_registry h a b /\ block h = books_header r
    /\ outs (at_ h (1 + 5 * a)) = before r /\ outs (at_ h (2 + 5 * (a + b))) = after r.
  Proof.
    intros Hr. pose proof (is_valid (t := t) (s := s)) as V. destruct (valid_registry s V r Hr) as ((L & _) & (L1 & _) & (L2 & _)).
    assert (F : In (term 5 0 (books_header r)) (terms s)).
    { unfold terms. rewrite !in_app_iff. right; right. rewrite Hr. left. reflexivity. }
    destruct (each_term_has_a_row K_hd _ (or_introl eq_refl) F eq_refl) as (h & Hh & Kh & Sm).
    pose proof (said_by_header h Kh) as Sd.
    assert (G : forall j, (j < 16)%nat -> nth j (5 :: 0 :: books_header r) 0 = nth j (said h) 0) by (intros; apply (same_message_nth _ _ j); assumption).
    rewrite Sd in G. rewrite (eight _ L) in G.
    assert (Ch : T h c_chain = 0) by (symmetry; apply (G 1%nat); lia).
    assert (Next : is (nx h) K_e0 \/ is (nx h) K_mi).
    { destruct (one_kind_each_row _ (next_row h)) as [k Hk]. pose proof (order_of_rows h K_hd k Hh Kh Hk) as O. cbn [successors In] in O.
      assert (Other : forall B e, closed_after B e = true -> ~ In K_iv B -> ~ In K_padding B -> In k B -> e <> K_iv -> e <> K_padding ->
        exists i, row i /\ is i e /\ T i c_chain = 0).
      { intros B e C B1 B2 I0 E1 E2. destruct (body_ends B e h C Hh Kh) as (n & _ & _ & Bd & En); [eauto|]. exists (at_ h (S n)). split; [apply at_row|]. split; [exact En|].
        rewrite (chain_of_end h n B Hh Bd B1 B2 e En E1 E2). exact Ch. }
      assert (Led : In k [K_busy; K_idle] -> False).
      { intros I0. destruct (Other [K_busy; K_idle] K_el ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) I0 ltac:(discriminate) ltac:(discriminate)) as (i & Hi & Ki & Ci).
        destruct (ledger_end i Hi Ki) as (j & m & _ & Cj & _). lia. }
      assert (Sen : In k [K_sent] -> False).
      { intros I0. destruct (Other [K_sent] K_es ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) I0 ltac:(discriminate) ltac:(discriminate)) as (i & Hi & Ki & Ci).
        destruct (sent_end i Hi Ki) as (_ & j & m & _ & Cj & _). unfold n_meters in *. lia. }
      assert (Rec : In k [K_side; K_got] -> False).
      { intros I0. destruct (Other [K_side; K_got] K_eg ltac:(vm_compute; reflexivity) ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) I0 ltac:(discriminate) ltac:(discriminate)) as (i & Hi & Ki & Ci).
        destruct (received_end i Hi Ki) as (_ & j & m & _ & Cj & _). unfold n_meters in *. lia. }
      destruct O as [<-|[<-|[<-|[<-|[<-|[<-|[<-|[<-|[]]]]]]]]].
      - exfalso. apply Led. left. reflexivity.
      - exfalso. apply Led. right. left. reflexivity.
      - left. exact Hk.
      - right. exact Hk.
      - exfalso. apply Sen. left. reflexivity.
      - exfalso. destruct (sent_end _ (next_row h) Hk) as (_ & j & m & _ & Cj & _). rewrite (chain_step h K_es Hh Hk) in Cj by discriminate. unfold n_meters in *. lia.
      - exfalso. apply Rec. left. reflexivity.
      - exfalso. destruct (received_end _ (next_row h) Hk) as (_ & j & m & _ & Cj & _). rewrite (chain_step h K_eg Hh Hk) in Cj by discriminate. unfold n_meters in *. lia. }
    destruct (registry_shape h Hh Kh Next) as (a & b & Hb & Hl & He & Hm & Hr').
    exists h, a, b. split; [|split; [|split]].
    - constructor; auto.
      + split; [symmetry; apply (G 10%nat); lia|]. split; symmetry; [apply (G 11%nat)|apply (G 12%nat)]; lia.
      + split; symmetry; [apply (G 13%nat)|apply (G 14%nat)]; lia.
    - rewrite (eight _ L). unfold block. cbn [map].
      pose proof (G 2%nat ltac:(lia)) as G2. pose proof (G 3%nat ltac:(lia)) as G3. pose proof (G 4%nat ltac:(lia)) as G4. pose proof (G 5%nat ltac:(lia)) as G5.
      pose proof (G 6%nat ltac:(lia)) as G6. pose proof (G 7%nat ltac:(lia)) as G7. pose proof (G 8%nat ltac:(lia)) as G8. pose proof (G 9%nat ltac:(lia)) as G9.
      cbn [nth] in *. congruence.
    - destruct (before_end _ (at_row h _) Hm) as (r' & E & _ & O). congruence.
    - destruct (registry_end _ (at_row h _) Hr') as (r' & E & _ & O). congruence.
  Qed.

  Lemma at_value h m : row h -> Z.of_nat m < N -> at_ h m = if h + Z.of_nat m <? N then h + Z.of_nat m else h + Z.of_nat m - N.
  Proof.
    intros Hh Hm. unfold at_. destruct (Z.ltb_spec (h + Z.of_nat m) N); [apply Z.mod_small; lia|].
    replace (h + Z.of_nat m) with (h + Z.of_nat m - N + 1 * N) by ring. rewrite Z.mod_add by lia. rewrite Z.mod_small by lia. ring.
  Qed.

  Lemma at_injective h m n : row h -> Z.of_nat m < N -> Z.of_nat n < N -> at_ h m = at_ h n -> m = n.
  Proof. intros Hh Hm Hn. rewrite !at_value by assumption. destruct (_ <? N) eqn:A, (h + Z.of_nat n <? N) eqn:B; lia. Qed.

  (* Every row of an entry, anywhere in the table, is a row of the registry's. *)
  Theorem entry_rows h a b : is_registry h a b -> forall i k, row i -> is i k -> In k [K_e0; K_e1; K_e2; K_e3; K_e4] ->
    exists x j, (x < a + b)%nat /\ (j < 5)%nat /\ k = 7 + Z.of_nat j /\ i = erow h a x j.
  Proof.
    intros G i k Hi Hk I0. assert (I1 : In k registry_body) by (right; exact I0).
    destruct (body_has_a_header registry_body i ltac:(vm_compute; reflexivity) Hi ltac:(eauto)) as (h' & m & Hh' & Kh' & Hm & -> & Bd).
    assert (E : h' = h).
    { destruct (Bd 1%nat ltac:(lia)) as (k1 & K1 & I2). rewrite at_1 in K1.
      destruct (body_ends registry_body K_er h' ltac:(vm_compute; reflexivity) Hh' Kh' (ex_intro _ k1 (conj K1 I2))) as (n & N1 & N2 & Bd' & En).
      pose proof (chain_of_end h' n registry_body Hh' Bd' ltac:(clear; cbn; intuition discriminate) ltac:(clear; cbn; intuition discriminate) K_er En ltac:(discriminate) ltac:(discriminate)) as C.
      destruct (registry_end _ (at_row h' _) En) as (_ & _ & C0 & _).
      apply (one_row_a_chain K_hd); auto; [apply G|apply G|left; reflexivity|]. rewrite (g_chain _ _ _ G). congruence. }
    subst h'. pose proof (g_after _ _ _ G) as Er. pose proof (g_before _ _ _ G) as Mi. pose proof (g_length _ _ _ G) as Ln.
    assert (Lt : (m < 2 + 5 * (a + b))%nat).
    { destruct (le_lt_dec (2 + 5 * (a + b)) m) as [L|L]; [|exact L]. exfalso. destruct (Bd (2 + 5 * (a + b))%nat ltac:(lia)) as (k' & K' & I').
      rewrite (kind_unique _ _ _ K' Er) in I'. clear - I'. cbn in I'. intuition discriminate. }
    assert (Nm : m <> (1 + 5 * a)%nat).
    { intros ->. rewrite (kind_unique _ _ _ Hk Mi) in I0. clear - I0. cbn in I0. intuition discriminate. }
    assert (X : exists x j, (x < a + b)%nat /\ (j < 5)%nat /\ m = (pos a x + j)%nat).
    { destruct (le_lt_dec (1 + 5 * a) m) as [L|L].
      - exists ((m - 2) / 5)%nat, ((m - 2) mod 5)%nat. pose proof (Nat.div_mod (m - 2) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (m - 2) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((m - 2) / 5) a); lia.
      - exists ((m - 1) / 5)%nat, ((m - 1) mod 5)%nat. pose proof (Nat.div_mod (m - 1) 5 ltac:(lia)). pose proof (Nat.mod_upper_bound (m - 1) 5 ltac:(lia)).
        unfold pos. destruct (Nat.ltb_spec ((m - 1) / 5) a); lia. }
    destruct X as (x & j & Hx & Hj & ->). exists x, j. split; [exact Hx|]. split; [exact Hj|].
    split; [|reflexivity]. apply (kind_unique _ _ _ Hk). apply five; auto. apply (g_entries _ _ _ G x Hx).
  Qed.
End Ends.

(* ---- SORT ---- *)

Section Sort.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  Definition sorts i := (T i 190 - T i 187) * (1 - T i 236).

  Ltac kind_cell Hk c := let H := fresh in pose proof (proj2 Hk c eq_refl) as H; cbn in H; rewrite H; clear H.

  Lemma not_sort_row i k : is i k -> tag_bus k <> 3 -> sorts i = 0.
  Proof.
    intros Hk Ne. unfold sorts. assert (B := proj1 Hk). revert Hk Ne. pattern k. apply kind_cases; [exact B|..]; intros Hk Ne; try (exfalso; apply Ne; reflexivity);
      kind_cell Hk 190; kind_cell Hk 187; ring.
  Qed.

  Lemma chain_bus_is_not_three k : 0 <= k <= 17 -> chain_bus k <> 3.
  Proof. intros B. pattern k. apply kind_cases; [exact B|..]; cbn; lia. Qed.

  Lemma sort_numerator i k : is i k -> tag_bus k = 3 -> nth 0 (numerators_of (row_events the_program N T pub sel i) 11) 0 mod p = sorts i mod p.
  Proof.
    intros Hk E. assert (B := proj1 Hk). revert Hk E. pattern k. apply kind_cases; [exact B|..]; intros Hk E; try discriminate E; unfold sorts; kind_cell Hk 190; kind_cell Hk 187;
      match goal with Hk : is i ?k |- _ => rewrite (numerators_are i k 11 _ Hk eq_refl);
        let l := eval vm_compute in (s_numerators (sym (fx (Some k) None)) 11) in
        replace (s_numerators (sym (fx (Some k) None)) 11) with l by (vm_compute; reflexivity) end;
      cbn [map nth eval row_leaves]; rewrite Z.mod_mod by discriminate; f_equal; ring.
  Qed.

  Lemma row_books_sort i tag : row i ->
    booked 0 [3; tag] (row_fractions the_program N T pub sel i) mod p = (if T i c_key =? tag then sorts i else 0) mod p.
  Proof.
    intros Hi. destruct (one_kind_each_row i Hi) as [k Hk]. destruct (bus_of_row i k Hk) as [_ B2].
    destruct (row_fractions_are i) as (mu & n11 & m11 & n12 & m12 & -> & E11n & E11 & _ & E12).
    rewrite booked_app, !booked_cons. cbn [fst snd].
    rewrite (booked_none 0 [3; tag] (byte_fractions i)).
    2: { intros f F. unfold byte_fractions in F. apply in_map_iff in F as (j & <- & _). apply (not_same _ _ 0); [lia|]. cbn [snd nth]. lia. }
    rewrite (not_same [1; T i c_t_lo; T i c_t_hi] [3; tag] 0) by (try lia; cbn [nth]; lia).
    rewrite (not_same m12 [3; tag] 0) by (try lia; rewrite E12, B2; cbn [nth]; apply chain_bus_is_not_three, (proj1 Hk)).
    unfold booked. cbn [map sum fold_right]. rewrite E11, E11n, (tag_message i k Hk).
    destruct (Z.eq_dec (tag_bus k) 3) as [E|E].
    - destruct (Z.eqb_spec (T i c_key) tag) as [Et|Et].
      + rewrite E, Et, same_message_refl. rewrite <- (sort_numerator i k Hk E). f_equal. ring.
      + rewrite (not_same _ [3; tag] 1) by (try lia; cbn [nth]; exact Et). reflexivity.
    - rewrite (not_same _ [3; tag] 0) by (try lia; cbn [nth]; exact E). rewrite (not_sort_row i k Hk E). destruct (_ =? _); reflexivity.
  Qed.

  Definition own_tag i := T i 190 * (1 - T i 236).
  Definition sorted i := T i 187 * (1 - T i 236).

  Lemma one_bit i c : row i -> In c [190; 187] -> T i c * (1 - T i 236) = 0 \/ T i c * (1 - T i 236) = 1.
  Proof.
    intros Hi I0. destruct (one_kind_each_row i Hi) as [k Hk]. pose proof (residue_is_a_bit i Hi) as Rb.
    assert (Kb : T i c = 0 \/ T i c = 1).
    { cbn [In] in I0. destruct I0 as [<-|[<-|[]]]; [rewrite (proj2 Hk 190 eq_refl)|rewrite (proj2 Hk 187 eq_refl)]; destruct (_ =? _); auto. }
    destruct Rb as [-> | ->], Kb as [-> | ->]; lia.
  Qed.

  (* SORT: each number is an entry's own tag as often as it is a sorted tag. *)
  Theorem tags_are_sorted tag : of_tag tag own_tag = of_tag tag sorted.
  Proof.
    destruct satisfies as (_ & _ & Bal). specialize (Bal 0%nat [3; tag]). unfold all_fractions in Bal.
    rewrite booked_app, booked_flat_map in Bal. rewrite (booked_none _ _ publics) in Bal.
    2: { intros f F. apply (not_same _ _ 0); [lia|]. pose proof (public_bus f F) as PB. cbn [nth]. lia. }
    rewrite Z.add_0_r in Bal.
    assert (Eq : (of_tag tag own_tag - of_tag tag sorted) mod p = 0).
    { unfold of_tag. rewrite <- sum_minus, <- Bal. symmetry. apply sum_mod. intros i Hi. apply rows_in in Hi.
      rewrite row_books_sort by assumption. f_equal. unfold sorts, own_tag, sorted. destruct (_ =? _); ring. }
    assert (B : forall c f, In c [190; 187] -> (forall i, f i = T i c * (1 - T i 236)) -> 0 <= of_tag tag f <= N).
    { intros c f I0 Ef. unfold of_tag. pose proof (sum_bounds (fun i => if T i c_key =? tag then f i else 0) 1 (rows N)) as S.
      assert (Ln : length (rows N) = Z.to_nat N) by (unfold rows; rewrite map_length, seq_length; reflexivity). rewrite Ln in S. pose proof size.
      assert (S' : 0 <= sum (map (fun i => if T i c_key =? tag then f i else 0) (rows N)) <= 1 * Z.of_nat (Z.to_nat N)); [|lia].
      apply S. intros i Hi. apply rows_in in Hi. destruct (_ =? _); [|lia]. rewrite Ef. pose proof (one_bit i c Hi I0). lia. }
    pose proof (B 190 own_tag ltac:(cbn; tauto) ltac:(reflexivity)). pose proof (B 187 sorted ltac:(cbn; tauto) ltac:(reflexivity)).
    apply mod_zero_iff in Eq as [q Eq]. pose proof size. unfold p in *. lia.
  Qed.
End Sort.
