(* The TAG bus: for each tag, digit by digit, what is given is what is taken; with one receiver, over the integers. *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive FinFun.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings.
Import ListNotations.
Local Open Scope Z_scope.

Section Tags.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t}.

  (* Column c of the bus: digits 0..5 of work, then the number of givers. Busy readings and sent records give; a record's digit 5 has two bytes. *)
  Definition gives (c : nat) (i : Z) : Z :=
    T i 182 * nth c [T i 204; T i 205; T i 206; T i 207; T i 208; T i 209; 1] 0
    + T i 192 * nth c [T i 204; T i 205; T i 206; T i 207; T i 208; T i 209 + 256 * T i 210; 1] 0.
  (* E1 and SIDE rows take digits 0..2; E2 and GOT rows take digits 3..5 and the count. *)
  Definition takes (c : nat) (i : Z) : Z :=
    (T i 188 + T i 194) * nth c [T i 245; T i 246; T i 247; 0; 0; 0; 0] 0
    + (T i 189 + T i 195) * nth c [0; 0; 0; T i 245; T i 246; T i 247; T i 248] 0.

  Definition of_tag (tag : Z) (f : Z -> Z) : Z := sum (map (fun i => if T i c_key =? tag then f i else 0) (rows N)).

  Ltac kind_cell Hk c := let H := fresh in pose proof (proj2 Hk c eq_refl) as H; cbn in H; rewrite H; clear H.

  Lemma not_tag_row i k c : is i k -> tag_bus k <> 2 -> gives c i - takes c i = 0.
  Proof.
    intros Hk Ne. unfold gives, takes. pose proof (proj1 Hk) as B.
    assert (E : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
    repeat destruct E as [E|E]; subst k; try (exfalso; apply Ne; reflexivity);
      kind_cell Hk 182; kind_cell Hk 192; kind_cell Hk 188; kind_cell Hk 194; kind_cell Hk 189; kind_cell Hk 195; ring.
  Qed.

  Lemma chain_bus_is_not_two k : 0 <= k <= 17 -> chain_bus k <> 2.
  Proof.
    intros B. assert (E : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
    repeat destruct E as [E|E]; subst k; cbn; lia.
  Qed.

  Tactic Notation "tag_kind" constr(i) constr(Hk) constr(k) ident(c) :=
    rewrite (numerators_are i k 11 _ Hk eq_refl);
    let l := eval vm_compute in (s_numerators (sym (fx (Some k) None)) 11) in
    replace (s_numerators (sym (fx (Some k) None)) 11) with l by (vm_compute; reflexivity);
    unfold gives, takes;
    kind_cell Hk 182; kind_cell Hk 192; kind_cell Hk 188; kind_cell Hk 194; kind_cell Hk 189; kind_cell Hk 195;
    do 7 (destruct c as [|c]; [cbn [map nth eval row_leaves]; rewrite Z.mod_mod by discriminate; f_equal; ring|]); lia.

  Lemma tag_numerators i k c : (c < 7)%nat -> is i k -> tag_bus k = 2 ->
    nth c (numerators_of (row_events the_program N T pub sel i) 11) 0 mod p = (gives c i - takes c i) mod p.
  Proof.
    intros Hc Hk E2. pose proof (proj1 Hk) as B.
    assert (E : k = 0 \/ k = 1 \/ k = 2 \/ k = 3 \/ k = 4 \/ k = 5 \/ k = 6 \/ k = 7 \/ k = 8 \/ k = 9 \/ k = 10 \/ k = 11 \/ k = 12
        \/ k = 13 \/ k = 14 \/ k = 15 \/ k = 16 \/ k = 17) by lia.
    repeat destruct E as [E|E]; subst k; try discriminate E2.
    - tag_kind i Hk 2 c.
    - tag_kind i Hk 8 c.
    - tag_kind i Hk 9 c.
    - tag_kind i Hk 12 c.
    - tag_kind i Hk 14 c.
    - tag_kind i Hk 15 c.
  Qed.

  Definition is_key (e : expr) : bool := match e with Var (Col n) => n =? c_key | _ => false end.
  Lemma is_key_sound e : is_key e = true -> e = Var (Col c_key).
  Proof. destruct e as [|[n| | |]| | |]; try discriminate. cbn. intros H. apply Z.eqb_eq in H. subst. reflexivity. Qed.

  Definition messages_decided : bool :=
    forallb (fun k => match s_message (sym (fx (Some k) None)) 11 with [_; e] => is_key e | _ => false end) kinds.
  Lemma messages_are_decided : messages_decided = true.
  Proof. vm_cast_no_check (eq_refl true). Qed.

  Lemma tag_message i k : is i k -> message_of (row_events the_program N T pub sel i) 11 = [tag_bus k; T i c_key].
  Proof.
    intros Hk. destruct (bus_of_row i k Hk) as [B _]. pose proof messages_are_decided as D. unfold messages_decided in D.
    rewrite forallb_forall in D. specialize (D k (kinds_all k (proj1 Hk))). cbv beta in D.
    rewrite (message_is i k 11 _ Hk eq_refl) in *. generalize dependent (s_message (sym (fx (Some k) None)) 11). intros l B D.
    destruct l as [|a [|b [|c l]]]; try discriminate D. apply is_key_sound in D.
    subst b. cbn [map nth eval row_leaves] in *. rewrite mod_cell, B. reflexivity.
  Qed.

  Lemma row_books_tag i tag c : (c < 7)%nat -> row i ->
    booked c [2; tag] (row_fractions the_program N T pub sel i) mod p = (if T i c_key =? tag then gives c i - takes c i else 0) mod p.
  Proof.
    intros Hc Hi. destruct (one_kind_each_row i Hi) as [k Hk]. destruct (bus_of_row i k Hk) as [_ B2].
    destruct (row_fractions_are i) as (mu & n11 & m11 & n12 & m12 & -> & E11n & E11 & _ & E12).
    rewrite booked_app, !booked_cons. cbn [fst snd].
    rewrite (booked_none c [2; tag] (byte_fractions i)).
    2: { intros f F. unfold byte_fractions in F. apply in_map_iff in F as (j & <- & _). apply (not_same _ _ 0); [lia|]. cbn [snd nth]. lia. }
    rewrite (not_same [1; T i c_t_lo; T i c_t_hi] [2; tag] 0) by (try lia; cbn [nth]; lia).
    rewrite (not_same m12 [2; tag] 0) by (try lia; rewrite E12, B2; cbn [nth]; apply chain_bus_is_not_two, (proj1 Hk)).
    unfold booked. cbn [map sum fold_right]. rewrite E11, E11n, (tag_message i k Hk).
    destruct (Z.eq_dec (tag_bus k) 2) as [E|E].
    - destruct (Z.eqb_spec (T i c_key) tag) as [Et|Et].
      + rewrite E, Et, same_message_refl. rewrite <- (tag_numerators i k c Hc Hk E). f_equal. ring.
      + rewrite (not_same _ [2; tag] 1) by (try lia; cbn [nth]; exact Et). reflexivity.
    - rewrite (not_same _ [2; tag] 0) by (try lia; cbn [nth]; exact E). rewrite (not_tag_row i k c Hk E). destruct (_ =? _); reflexivity.
  Qed.

  Lemma sum_mod {A} (f g : A -> Z) l : (forall x, In x l -> f x mod p = g x mod p) -> sum (map f l) mod p = sum (map g l) mod p.
  Proof.
    induction l as [|x l IH]; intros H; [reflexivity|]. cbn [map sum fold_right].
    rewrite Zplus_mod, (Zplus_mod (g x)), (H x) by (left; reflexivity). unfold sum in IH. rewrite IH by (intros; apply H; right; assumption). reflexivity.
  Qed.

  Lemma sum_minus {A} (f g : A -> Z) l : sum (map (fun x => f x - g x) l) = sum (map f l) - sum (map g l).
  Proof. induction l as [|x l IH]; [reflexivity|]. cbn [map sum fold_right]. unfold sum in *. lia. Qed.

  (* For each tag and each column, what is given is what is taken, modulo p. *)
  Theorem tags_balance tag c : (c < 7)%nat -> (of_tag tag (gives c) - of_tag tag (takes c)) mod p = 0.
  Proof.
    intros Hc. destruct satisfies as (_ & _ & Bal). specialize (Bal c [2; tag]). unfold all_fractions in Bal.
    rewrite booked_app, booked_flat_map in Bal. rewrite (booked_none _ _ publics) in Bal.
    2: { intros f F. apply (not_same _ _ 0); [lia|]. pose proof (public_bus f F) as PB. cbn [nth]. lia. }
    rewrite Z.add_0_r in Bal. unfold of_tag. rewrite <- sum_minus, <- Bal. symmetry. apply sum_mod. intros i Hi. apply rows_in in Hi.
    rewrite row_books_tag by assumption. f_equal. destruct (_ =? _); ring.
  Qed.

  Lemma sum_one (f : Z -> Z) l r : NoDup l -> In r l -> (forall x, In x l -> x <> r -> f x = 0) -> sum (map f l) = f r.
  Proof.
    induction l as [|x l IH]; intros Nd I0 H; [destruct I0|]. inversion Nd as [|? ? N1 N2]; subst. cbn [map sum fold_right].
    destruct I0 as [->|I0].
    - assert (Z0 : sum (map f l) = 0).
      { assert (G : forall y, In y l -> f y = 0) by (intros y Y; apply H; [right; exact Y|intros ->; exact (N1 Y)]). clear - G.
        induction l as [|y l IH]; [reflexivity|]. cbn [map sum fold_right]. rewrite (G y (or_introl eq_refl)).
        unfold sum in *. rewrite IH; [reflexivity|]. intros; apply G; right; assumption. }
      unfold sum in *. lia.
    - rewrite (H x (or_introl eq_refl)) by (intros ->; exact (N1 I0)). unfold sum in *. rewrite IH; auto. intros; apply H; [right|]; assumption.
  Qed.

  (* R4: where one row at most takes column c of a tag, it takes exactly the sum of what is given, if that does not wrap. *)
  Theorem one_receiver_takes_all tag c r : (c < 7)%nat -> row r -> T r c_key = tag ->
    (forall i, row i -> T i c_key = tag -> i <> r -> takes c i = 0) -> 0 <= takes c r < p -> 0 <= of_tag tag (gives c) < p ->
    takes c r = of_tag tag (gives c).
  Proof.
    intros Hc Hr Kr One B1 B2. pose proof (tags_balance tag c Hc) as Bal.
    assert (E : of_tag tag (takes c) = takes c r).
    { unfold of_tag. rewrite (sum_one _ _ r).
      - rewrite Kr, Z.eqb_refl. reflexivity.
      - unfold rows. apply FinFun.Injective_map_NoDup; [intros x y; lia|apply seq_NoDup].
      - apply rows_in, Hr.
      - intros x Hx Ne. destruct (Z.eqb_spec (T x c_key) tag) as [Kx|]; [|reflexivity]. apply One; auto. apply rows_in, Hx. }
    rewrite E in Bal. apply mod_zero_iff in Bal as [q Bal]. unfold p in *. lia.
  Qed.

  (* Where nobody takes the count of a tag, nobody gives: every reading's tag has a receiver. *)
  Theorem a_tag_without_receiver_has_no_giver tag : (forall i, row i -> T i c_key = tag -> takes 6 i = 0) -> of_tag tag (gives 6) = 0.
  Proof.
    intros None. pose proof (tags_balance tag 6 ltac:(lia)) as Bal.
    assert (E : of_tag tag (takes 6) = 0).
    { unfold of_tag. assert (G : forall l, (forall i, In i l -> row i) -> sum (map (fun i => if T i c_key =? tag then takes 6 i else 0) l) = 0).
      { induction l as [|x l IH]; intros H; [reflexivity|]. cbn [map sum fold_right]. unfold sum in *. rewrite IH by (intros; apply H; right; assumption).
        destruct (Z.eqb_spec (T x c_key) tag) as [K|]; [rewrite None; [reflexivity|apply H; left; reflexivity|exact K]|reflexivity]. }
      apply G. intros i Hi. apply rows_in, Hi. }
    rewrite E, Z.sub_0_r in Bal.
    assert (B : 0 <= of_tag tag (gives 6) <= N).
    { unfold of_tag. pose proof (sum_bounds (fun i => if T i c_key =? tag then gives 6 i else 0) 1 (rows N)) as S.
      assert (Ln : length (rows N) = Z.to_nat N) by (unfold rows; rewrite map_length, seq_length; reflexivity). rewrite Ln in S.
      pose proof size. assert (S' : 0 <= sum (map (fun i => if T i c_key =? tag then gives 6 i else 0) (rows N)) <= 1 * Z.of_nat (Z.to_nat N)).
      { apply S. intros i Hi. apply rows_in in Hi. destruct (_ =? _); [|lia]. unfold gives. cbn [nth].
        destruct (one_kind_each_row i Hi) as [k Hk]. rewrite (proj2 Hk 182 eq_refl), (proj2 Hk 192 eq_refl).
        destruct (Z.eqb_spec 182 (180 + k)), (Z.eqb_spec 192 (180 + k)); lia. }
      lia. }
    pose proof size. rewrite Z.mod_small in Bal by (unfold p; lia). exact Bal.
  Qed.
End Tags.
