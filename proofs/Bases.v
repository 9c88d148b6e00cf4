(* Bases never undercount (R5): arithmetic of entries in their order alone. No word of the circuit; Lineage.v applies it. *)
From Coq Require Import ZArith List Lia.
From Standstill Require Import Machine.
Import ListNotations.
Local Open Scope Z_scope.

(* Entries are 1, 2, ..., n; 0 is NONE. *)
Section Bases.
  Variable n : nat.
  Variables p1 p2 base : nat -> nat.   (* parents and base *)
  Variable own : nat -> Z.             (* what an entry adds: work and what it declares *)
  Variable cum : nat -> Z.
  Variable shared : nat -> bool.       (* the base is taken off once *)

  (* The lineage of x: x, and what its parents' lineages hold. *)
  Inductive lineage : nat -> nat -> Prop :=
  | itself x : (1 <= x)%nat -> lineage x x
  | by_first x a : (1 <= x)%nat -> lineage (p1 x) a -> lineage x a
  | by_second x a : (1 <= x)%nat -> lineage (p2 x) a -> lineage x a.

  Hypothesis none : base 0 = 0%nat /\ cum 0 = 0.
  Hypothesis smaller : forall x, (1 <= x <= n)%nat -> (p1 x < x)%nat /\ (p2 x < x)%nat /\ (base x < x)%nat.
  Hypothesis own_positive : forall x, (1 <= x <= n)%nat -> 0 <= own x.
  Hypothesis sum_of : forall x, (1 <= x <= n)%nat -> cum x = own x + cum (p1 x) + cum (p2 x) - (if shared x then cum (base x) else 0).
  Hypothesis base_of : forall x, (1 <= x <= n)%nat -> base x = p1 x \/ base x = base (p1 x).
  Hypothesis shared_of : forall x, (1 <= x <= n)%nat -> shared x = true -> base x = base (p1 x) /\ base x = base (p2 x).

  Definition total_own (l : list nat) : Z := sum (map own l).

  Lemma split (A B : nat -> Prop) l : NoDup l -> (forall a, In a l -> A a \/ B a) ->
    exists l1 l2, NoDup l1 /\ NoDup l2 /\ (forall a, In a l1 -> A a /\ In a l) /\ (forall a, In a l2 -> B a /\ In a l)
      /\ total_own l = total_own l1 + total_own l2.
  Proof.
    induction l as [|a l IH]; intros Nd H.
    - exists [], []. repeat split; try constructor; try contradiction.
    - inversion Nd as [|? ? N1 N2]; subst. destruct IH as (l1 & l2 & D1 & D2 & A1 & A2 & E); [exact N2|intros; apply H; right; assumption|].
      unfold total_own in *. destruct (H a (or_introl eq_refl)) as [Ha|Ha].
      + exists (a :: l1), l2. split; [constructor; [intros I0; apply A1 in I0; tauto|exact D1]|]. split; [exact D2|].
        split; [|split; [intros b I0; destruct (A2 b I0); split; [assumption|right; assumption]|cbn [map sum fold_right]; unfold sum in *; lia]].
        intros b [<-|I0]; [split; [exact Ha|left; reflexivity]|]. destruct (A1 b I0). split; [assumption|right; assumption].
      + exists l1, (a :: l2). split; [exact D1|]. split; [constructor; [intros I0; apply A2 in I0; tauto|exact D2]|].
        split; [intros b I0; destruct (A1 b I0); split; [assumption|right; assumption]|]. split; [|cbn [map sum fold_right]; unfold sum in *; lia].
        intros b [<-|I0]; [split; [exact Ha|left; reflexivity]|]. destruct (A2 b I0). split; [assumption|right; assumption].
  Qed.

  Lemma nobody l : (forall a, In a l -> False) -> total_own l = 0.
  Proof. destruct l as [|a l]; intros H; [reflexivity|]. destruct (H a (or_introl eq_refl)). Qed.

  Lemma at_most_itself x l : (1 <= x <= n)%nat -> NoDup l -> (forall a, In a l -> a = x) -> total_own l <= own x.
  Proof.
    intros Hx Nd H. pose proof (own_positive x Hx) as P. destruct l as [|a [|b l]]; [cbn; lia| |].
    - rewrite (H a (or_introl eq_refl)). cbn. lia.
    - exfalso. inversion Nd as [|? ? N1 _]; subst. apply N1. rewrite (H a (or_introl eq_refl)), <- (H b (or_intror (or_introl eq_refl))). left. reflexivity.
  Qed.

  Lemma lineage_cases x a : lineage x a -> (1 <= x)%nat /\ (a = x \/ lineage (p1 x) a \/ lineage (p2 x) a).
  Proof. intros H. inversion H; subst; auto. Qed.

  Lemma lineage_is_decided m : forall x a, (x <= m)%nat -> (x <= n)%nat -> lineage x a \/ ~ lineage x a.
  Proof.
    induction m as [|m IH]; intros x a Hm Hn.
    - right. intros H. apply lineage_cases in H. lia.
    - destruct (Nat.eq_dec x 0) as [->|Hx]; [right; intros H; apply lineage_cases in H; lia|].
      destruct (smaller x ltac:(lia)) as (S1 & S2 & _).
      destruct (Nat.eq_dec a x) as [->|Ne]; [left; constructor; lia|].
      destruct (IH (p1 x) a ltac:(lia) ltac:(lia)) as [H1|H1]; [left; apply by_first; [lia|exact H1]|].
      destruct (IH (p2 x) a ltac:(lia) ltac:(lia)) as [H2|H2]; [left; apply by_second; [lia|exact H2]|].
      right. intros H. apply lineage_cases in H. tauto.
  Qed.

  Lemma both m : forall x, (x <= m)%nat -> (x <= n)%nat ->
    (forall l, NoDup l -> (forall a, In a l -> lineage x a) -> total_own l <= cum x)
    /\ (forall l, NoDup l -> (forall a, In a l -> lineage x a /\ ~ lineage (base x) a) -> total_own l <= cum x - cum (base x)).
  Proof.
    destruct none as [B0 C0].
    assert (Zero : (forall l, NoDup l -> (forall a, In a l -> lineage 0 a) -> total_own l <= cum 0)
      /\ (forall l, NoDup l -> (forall a, In a l -> lineage 0 a /\ ~ lineage (base 0) a) -> total_own l <= cum 0 - cum (base 0))).
    { rewrite B0, C0. split; intros l _ H; rewrite nobody; try lia; intros a I0; specialize (H a I0).
      - apply lineage_cases in H. lia.
      - destruct H as [H _]. apply lineage_cases in H. lia. }
    induction m as [|m IH]; intros x Hm Hn.
    - replace x with 0%nat by lia. exact Zero.
    - destruct (Nat.eq_dec x 0) as [->|Hx]; [exact Zero|]. assert (Rx : (1 <= x <= n)%nat) by lia.
      destruct (smaller x Rx) as (S1 & S2 & S3). destruct (IH (p1 x) ltac:(lia) ltac:(lia)) as [P1 Q1]. destruct (IH (p2 x) ltac:(lia) ltac:(lia)) as [P2 Q2].
      destruct (IH (base x) ltac:(lia) ltac:(lia)) as [Pb _]. pose proof (sum_of x Rx) as E. pose proof (base_of x Rx) as Bx. pose proof (shared_of x Rx) as Sx.
      assert (Q : forall l, NoDup l -> (forall a, In a l -> lineage x a /\ ~ lineage (base x) a) -> total_own l <= cum x - cum (base x)).
      { intros l Nd H.
        destruct (split (fun a => a = x) (fun a => lineage (p1 x) a \/ lineage (p2 x) a) l Nd) as (l0 & l' & D0 & D' & A0 & A' & E0).
        { intros a I0. destruct (H a I0) as [L _]. apply lineage_cases in L. tauto. }
        destruct (split (lineage (p1 x)) (lineage (p2 x)) l' D') as (l1 & l2 & D1 & D2 & A1 & A2 & E1).
        { intros a I0. apply (A' a I0). }
        pose proof (at_most_itself x l0 Rx D0 (fun a I0 => proj1 (A0 a I0))) as G0.
        assert (Out : forall a, In a l' -> ~ lineage (base x) a) by (intros a I0; apply H, (A' a I0)).
        assert (G2 : total_own l2 <= cum (p2 x)) by (apply P2; [exact D2|intros a I0; apply (A2 a I0)]).
        destruct (shared x) eqn:Es.
        - destruct (Sx eq_refl) as [F1 F2].
          assert (total_own l1 <= cum (p1 x) - cum (base (p1 x))).
          { apply Q1; [exact D1|]. intros a I0. destruct (A1 a I0). split; [assumption|]. rewrite <- F1. apply Out. assumption. }
          assert (total_own l2 <= cum (p2 x) - cum (base (p2 x))).
          { apply Q2; [exact D2|]. intros a I0. destruct (A2 a I0). split; [assumption|]. rewrite <- F2. apply Out. assumption. }
          rewrite <- F1, <- F2 in *. lia.
        - destruct Bx as [F|F].
          + assert (total_own l1 = 0).
            { apply nobody. intros a I0. destruct (A1 a I0) as [L I1]. apply (Out a I1). rewrite F. exact L. }
            rewrite F in *. lia.
          + assert (total_own l1 <= cum (p1 x) - cum (base (p1 x))).
            { apply Q1; [exact D1|]. intros a I0. destruct (A1 a I0). split; [assumption|]. rewrite <- F. apply Out. assumption. }
            rewrite <- F in *. lia. }
      split; [|exact Q]. intros l Nd H.
      destruct (split (lineage (base x)) (fun a => ~ lineage (base x) a) l Nd) as (l1 & l2 & D1 & D2 & A1 & A2 & E0).
      { intros a _. apply (lineage_is_decided m); lia. }
      assert (total_own l1 <= cum (base x)) by (apply Pb; [exact D1|intros a I0; apply (A1 a I0)]).
      assert (total_own l2 <= cum x - cum (base x)).
      { apply Q; [exact D2|]. intros a I0. destruct (A2 a I0). split; [apply H; assumption|assumption]. }
      lia.
  Qed.

  (* What an entry's lineage added is at most its cumulative. *)
  Theorem bases_never_undercount x l : (1 <= x <= n)%nat -> NoDup l -> (forall a, In a l -> lineage x a) -> total_own l <= cum x.
  Proof. intros Hx. apply (both x); lia. Qed.
End Bases.
