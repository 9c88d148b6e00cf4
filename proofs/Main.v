(* The joined theorems: of tables with a registry, and of a site's table. *)
From Coq Require Import ZArith List Bool Lia.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads Records Entries Tags Statement Cut Along Bases Lineage Books Receive Sponge Extract Claim Joined Site.
From Standstill Require Relation.
Import ListNotations.
Local Open Scope Z_scope.

Lemma pairwise {A B} (P : A -> B -> Prop) : forall (l : list A) (l' : list B), length l' = length l ->
  (forall k x y, nth_error l k = Some x -> nth_error l' k = Some y -> P x y) -> Forall2 P l l'.
Proof.
  induction l as [|x l IH]; intros [|y l'] L H; try discriminate L; constructor.
  - apply (H 0%nat); reflexivity.
  - apply IH; [cbn in L; lia|]. intros k u w Eu Ew. apply (H (S k)); assumption.
Qed.

Section Main.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Variable r : books.
  Hypothesis Hr : registry s = Some r.

  Theorem the_claim_holds : exists ls cs hist, Relation.claim_holds s r ls cs hist.
  Proof.
    destruct (the_registry r Hr) as (h & a & b & G & Bh & Bf & Af).
    assert (Rs : registry s <> None) by (rewrite Hr; discriminate).
    destruct (chosen (fun k l => is_ledger k l /\ forall m, nth_error (meters s) k = Some m -> Relation.ledger_holds s m (ledger_at l)) (length (meters s))) as (Ls & L1 & L2).
    { intros k Hk. destruct (nth_error (meters s) k) as [m|] eqn:Em; [|apply nth_error_None in Em; lia]. destruct (each_meter_has_its_ledger k m Em) as (l & A & B).
      exists l. split; [exact A|]. intros m' E. injection E as <-. exact B. }
    destruct (chosen (fun k l => is_sent_chain (s := s) k l /\ forall x, nth_error (summaries s) k = Some x -> Relation.summary_holds x (sent_at l)) (length (summaries s))) as (Cs & C1 & C2).
    { intros k Hk. destruct (nth_error (summaries s) k) as [x|] eqn:Ex; [|apply nth_error_None in Ex; lia]. destruct (each_summary_has_its_records k x Rs Ex) as (l & A & B).
      exists l. split; [exact A|]. intros x' E. injection E as <-. exact B. }
    assert (Ls' : forall k l, nth_error Ls k = Some l -> is_ledger k l) by (intros k l E; apply (L2 k l E)).
    assert (Cs' : forall k l, nth_error Cs k = Some l -> is_sent_chain (s := s) k l) by (intros k l E; apply (C2 k l E)).
    pose (hist := {| Relation.history_iv := block (before_row h); Relation.old := entries h a 0 a; Relation.before_trailer := block (at_ h (1 + 5 * a));
      Relation.new := entries h a a b; Relation.after_trailer := block (at_ h (2 + 5 * (a + b))) |}).
    exists (map ledger_at Ls), (map sent_at Cs), hist. split; [|split].
    - apply pairwise; [rewrite map_length; exact L1|]. intros k m l' Em El. rewrite nth_error_map in El. destruct (nth_error Ls k) as [l|] eqn:E; [|discriminate El]. injection El as <-. apply (L2 k l E), Em.
    - apply pairwise; [rewrite map_length; exact C1|]. intros k x c' Ex Ec. rewrite nth_error_map in Ec. destruct (nth_error Cs k) as [l|] eqn:E; [|discriminate Ec]. injection Ec as <-. apply (C2 k l E), Ex.
    - pose proof (g_some _ _ _ G) as Sb. unfold Relation.registry_holds. cbn [hist Relation.history_iv Relation.old Relation.before_trailer Relation.new Relation.after_trailer].
      rewrite (all_entries h a b). rewrite <- Bh.
      assert (New : forall e, In e (entries h a a b) -> exists x, (a <= x < a + b)%nat /\ e = entry_of h a x).
      { intros e I0. unfold entries in I0. apply in_map_iff in I0 as (x & <- & Hx). apply in_seq in Hx. exists x. split; [lia|reflexivity]. }
      assert (Rcv : forall x, (a <= x)%nat -> receives h a x = Relation.receives (entry_of h a x)).
      { intros x Hx. unfold receives. destruct (Nat.leb_spec a x); [reflexivity|lia]. }
      split; [rewrite <- Bf; symmetry; apply (before_head_is h a b G)|]. split; [rewrite <- Af; symmetry; apply (after_head_is h a b G)|].
      split.
      { intros tg Hg. assert (X : exists i, row i /\ (is i K_busy \/ is i K_sent) /\ T i c_key = tg).
        { destruct Hg as [(l & q & Il & Iq & Bq & Tq)|(c & q & Ic & Iq & Tq)].
          - apply in_map_iff in Il as ([hl nl] & <- & Il). apply In_nth_error in Il as [k Ek]. destruct (Ls' k _ Ek) as (Hh & Kh & _ & _ & Rd & _).
            cbn [ledger_at Relation.readings] in Iq. apply in_map_iff in Iq as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). cbn [reading_at Relation.busy Relation.tag] in Bq, Tq.
            exists (at_ hl j). split; [apply at_row|]. destruct (Rd j Hj) as [K|K]; [|pose proof (proj2 K 182 eq_refl) as Q; cbn in Q; rewrite Q in Bq; discriminate Bq].
            split; [left; exact K|]. destruct (given_by_reading _ (at_row hl j) K) as [_ ->]. exact Tq.
          - apply in_map_iff in Ic as ([hl nl] & <- & Ic). apply In_nth_error in Ic as [k Ek]. destruct (Cs' k _ Ek) as (Hh & Kh & _ & _ & Rd & _).
            cbn [sent_at Relation.records] in Iq. apply in_map_iff in Iq as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). cbn [record_at Relation.record_tag] in Tq.
            exists (at_ hl j). split; [apply at_row|]. split; [right; apply Rd, Hj|]. destruct (sent_is_its_block _ (at_row hl j) (Rd j Hj)) as (_ & _ & Eq). congruence. }
        destruct X as (i & Hi & Ki & <-). destruct (given_has_a_receiver h a b G r Hr i Hi Ki) as (x & Hx & Rx & Tx).
        assert (Ax : (a <= x)%nat) by (unfold receives in Rx; apply andb_true_iff in Rx as [Q _]; apply Nat.leb_le in Q; exact Q).
        exists (entry_of h a x). split; [unfold entries; apply in_map, in_seq; lia|]. split; [rewrite <- Rcv by exact Ax; exact Rx|exact Tx]. }
      split.
      { intros e I0 Re. destruct (New e I0) as (x & Hx & ->). rewrite <- Rcv in Re by lia. cbn [entry_of Relation.entry_work Relation.entry_tag].
        rewrite (work_is_all_that_is_given h a b G r Hr x ltac:(lia) Re). apply given_is_given; auto. }
      split.
      { intros x y e f Ex Ey Rx Ry Et. destruct (nth_entries h a 0 (a + b) x e Ex) as [Hx ->]. destruct (nth_entries h a 0 (a + b) y f Ey) as [Hy ->]. cbn [Nat.add] in *.
        rewrite (residue_of h a b G) in Rx by exact Hx. rewrite (residue_of h a b G) in Ry by exact Hy. apply (tags_are_distinct h a b G); assumption. }
      split.
      { intros x e Ex. destruct (nth_entries h a 0 (a + b) x e Ex) as [Hx ->]. apply (each_entry_holds h a b G); assumption. }
      exists (entry_of h a a), (entries h a (S a) (b - 1)).
      split; [unfold entries; destruct b as [|b']; [lia|]; cbn [seq map]; replace (S b' - 1)%nat with b' by lia; reflexivity|].
      split; [rewrite (residue_of h a b G) by lia; apply (a_is_residue h a b G)|].
      split.
      { intros e I0. destruct (New e I0) as (x & Hx & ->). split; [|apply (epoch_of_new h a b G x Hx)]. cbn [entry_of Relation.kind]. intros Ko.
        destruct (entry_is_of_its_kind h a b G x ltac:(lia)) as (_ & _ & _ & _ & Op). specialize (Op Ko). lia. }
      split; [apply (total_is_capped h a b G)|]. split; [apply (unattributed_is_capped h a b G)|]. split; [apply (residue_is_capped h a b G)|].
      intros e I0. unfold entries in I0. apply in_map_iff in I0 as (x & <- & Hx). apply in_seq in Hx. split.
      + rewrite (residue_of h a b G) by lia. rewrite (new_residue h a b G x) by lia. destruct (Nat.eqb_spec x a); [lia|reflexivity].
      + apply (new_entry_is_capped h a b G x). lia.
  Qed.
End Main.

Section Site_main.
  Context {t : Table} {ok : Satisfied t} {s : statement} {st : Stated t s}.
  Hypothesis Hr : registry s = None.

  Theorem the_site_holds x : nth_error (summaries s) 0 = Some x -> exists ls records, Relation.site_holds s x ls records.
  Proof.
    intros Ex. destruct (the_summary Hr x Ex) as (h & n & G & Bh & Oh).
    destruct (chosen (fun k l => is_ledger k l /\ forall m, nth_error (meters s) k = Some m -> Relation.ledger_holds s m (ledger_at l)) (length (meters s))) as (Ls & L1 & L2).
    { intros k Hk. destruct (nth_error (meters s) k) as [m|] eqn:Em; [|apply nth_error_None in Em; lia]. destruct (each_meter_has_its_ledger k m Em) as (l & A & B).
      exists l. split; [exact A|]. intros m' E. injection E as <-. exact B. }
    assert (Ls' : forall k l, nth_error Ls k = Some l -> is_ledger k l) by (intros k l E; apply (L2 k l E)).
    exists (map ledger_at Ls), (summary_records h n). split; [|split; [|split]].
    - apply pairwise; [rewrite map_length; exact L1|]. intros k m l' Em El. rewrite nth_error_map in El. destruct (nth_error Ls k) as [l|] eqn:E; [|discriminate El]. injection El as <-. apply (L2 k l E), Em.
    - apply (the_summary_holds Hr x Ex h n G Bh Oh).
    - intros l q Il Iq Bq. apply in_map_iff in Il as ([hl nl] & <- & Il). apply In_nth_error in Il as [k Ek]. destruct (Ls' k _ Ek) as (Hh & Kh & _ & _ & Rd & _).
      cbn [ledger_at Relation.readings] in Iq. apply in_map_iff in Iq as (i & <- & Hi). apply in_body in Hi as (j & Hj & ->). cbn [reading_at Relation.busy Relation.tag] in *.
      destruct (Rd j Hj) as [K|K]; [|pose proof (proj2 K 182 eq_refl) as Q; cbn in Q; rewrite Q in Bq; discriminate Bq].
      destruct (busy_has_a_record Hr x Ex h n G _ (at_row hl j) K) as (w & Hw & Tw). destruct (given_by_reading _ (at_row hl j) K) as [_ Tk].
      exists (record_at (at_ h (2 + 2 * w))). split; [apply in_map_iff; exists w; split; [reflexivity|apply in_seq; lia]|]. cbn [record_at Relation.record_tag]. rewrite Tw. exact Tk.
    - intros r Ir. apply in_map_iff in Ir as (j & <- & Hj). apply in_seq in Hj. cbn [record_at Relation.record_work Relation.record_tag].
      rewrite (proj1 (record_is_all_that_is_given Hr x Ex h n G j ltac:(lia))).
      apply (given_is_given Ls [] L1 Ls'); [intros [|k] l E; discriminate E|]. intros Ne. contradiction.
  Qed.
End Site_main.

(* A table on which every constraint of the published program holds, cyclically, and whose buses balance for the public terms of a statement with a registry,
   contains ledgers, records and a registry whose blocks lead to the statement's heads, and of which R1 to R6 hold over the integers. *)
Theorem satisfied_means_true (n : Z) (trace selectors : Z -> Z -> Z) (s : statement) (r : books) :
  valid s -> registry s = Some r -> 2 <= n <= 2 ^ 22 ->
  satisfied the_program n trace (fun c => nth (Z.to_nat c) (public_vector s) 0) selectors (terms s) ->
  exists ledgers records history, Relation.claim_holds s r ledgers records history.
Proof.
  intros V Hr Sz Sat. set (t := {| N := n; T := trace; pub := fun c => nth (Z.to_nat c) (public_vector s) 0; sel := selectors; publics := terms s |}).
  assert (ok : Satisfied t) by (constructor; assumption). assert (st : Stated t s) by (constructor; [exact V|reflexivity|reflexivity]).
  exact (the_claim_holds r Hr).
Qed.

(* The same of a site's table: its one summary has, for each tag, what the site's readings gave. *)
Theorem satisfied_means_true_of_a_site (n : Z) (trace selectors : Z -> Z -> Z) (s : statement) (x : summary) :
  valid s -> registry s = None -> summaries s = [x] -> 2 <= n <= 2 ^ 22 ->
  satisfied the_program n trace (fun c => nth (Z.to_nat c) (public_vector s) 0) selectors (terms s) ->
  exists ledgers records, Relation.site_holds s x ledgers records.
Proof.
  intros V Hr Hx Sz Sat. set (t := {| N := n; T := trace; pub := fun c => nth (Z.to_nat c) (public_vector s) 0; sel := selectors; publics := terms s |}).
  assert (ok : Satisfied t) by (constructor; assumption). assert (st : Stated t s) by (constructor; [exact V|reflexivity|reflexivity]).
  apply (the_site_holds Hr x). rewrite Hx. reflexivity.
Qed.
