(* The registry of a table, with no hypothesis on its header's row. (For ledgers: Heads.ledgers_are_as_stated.) *)
From Coq Require Import ZArith List Bool Lia.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads.
Import ListNotations.
Local Open Scope Z_scope.

Section Chain_numbers.
  Context {t : Table} {ok : Satisfied t} {hdrs : Headers t} {terms : Terms t}.

  Tactic Notation "chain_same" constr(i) constr(k) constr(k') := let H := fresh "C" in use_constraint i (Some k) (Some k') (k_chain_stays) H;
    cbn [eval row_leaves] in H; apply mod_zero_iff in H as [? H]; pose proof (cell_canonical i c_chain); pose proof (cell_canonical (nx i) c_chain);
    unfold p in *; lia.

  Lemma chain_from_header i : row i -> is i K_hd -> is_reading (nx i) -> T (nx i) c_chain = T i c_chain.
  Proof. intros Hi Hk [Hn|Hn]; [chain_same i (K_hd) (K_busy)|chain_same i (K_hd) (K_idle)]. Qed.

  Lemma chain_from_reading i : row i -> is_reading i -> is_reading (nx i) \/ is (nx i) K_el -> T (nx i) c_chain = T i c_chain.
  Proof.
    intros Hi [Hk|Hk] [[Hn|Hn]|Hn];
      [chain_same i (K_busy) (K_busy)|chain_same i (K_busy) (K_idle)|chain_same i (K_busy) (K_el)
      |chain_same i (K_idle) (K_busy)|chain_same i (K_idle) (K_idle)|chain_same i (K_idle) (K_el)].
  Qed.

  Lemma said_by_end i : is i K_el -> nth 0 (said i) 0 = 6 /\ nth 1 (said i) 0 = T i c_chain.
  Proof.
    intros Hk. unfold said. rewrite (message_is i K_el 12 _ Hk eq_refl).
    let l := eval vm_compute in (s_message (sym (fx (Some K_el) None)) 12) in
    replace (s_message (sym (fx (Some K_el) None)) 12) with l by (vm_compute; reflexivity).
    cbn [map nth eval row_leaves]. rewrite mod_cell. split; reflexivity.
  Qed.

  (* A ledger that begins with a header has one chain number, and ends at the verifier's head of that number. *)
  Theorem ledger_ends_at_its_head h n : row h -> is h K_hd -> (1 <= n)%nat -> (forall j, (1 <= j <= n)%nat -> is_reading (at_ h j)) ->
    is (at_ h (S n)) K_el ->
    exists g, In g publics /\ same_message (snd g) (said (at_ h (S n))) = true /\ nth 0 (snd g) 0 = 6 /\ nth 1 (snd g) 0 = T h c_chain.
  Proof.
    intros Hrow Hhd Hn Rd El.
    assert (Ch : forall j, (1 <= j <= n)%nat -> T (at_ h j) c_chain = T h c_chain).
    { induction j as [|j IH]; intros Hj; [lia|]. destruct (Nat.eq_dec j 0) as [->|].
      - rewrite at_1. apply chain_from_header; auto. rewrite <- at_1. apply Rd. lia.
      - rewrite <- (IH ltac:(lia)), <- at_next. apply chain_from_reading; [apply at_row|apply Rd; lia|]. left. rewrite at_next. apply Rd. lia. }
    assert (Ce : T (at_ h (S n)) c_chain = T h c_chain).
    { rewrite <- (Ch n ltac:(lia)), <- at_next. apply chain_from_reading; [apply at_row|apply Rd; lia|]. right. rewrite at_next. exact El. }
    destruct (head_is_a_term (at_ h (S n)) K_el (at_row h (S n)) El) as (g & G & Sm); [right; left; reflexivity|].
    destruct (said_by_end _ El) as [B C]. exists g. split; [exact G|]. split; [exact Sm|].
    rewrite (same_message_nth _ _ 0 ltac:(lia) Sm), (same_message_nth _ _ 1 ltac:(lia) Sm), B, C, Ce. auto.
  Qed.
End Chain_numbers.

(* A header row that is followed by an entry or a before-trailer begins a registry that ends. Its header is one of the verifier's terms; where that
   term has coverage 0, as the registry's has, the work of the period's entries is at most the total cap. *)
Theorem registries_are_as_stated {t : Table} {ok : Satisfied t} {hdrs : Headers t} {terms : Terms t} (h : Z) :
  row h -> is h K_hd -> is (nx h) K_e0 \/ is (nx h) K_mi -> public_limbs u_total_cap_0 ->
  exists f n, In f publics /\ same_message (snd f) (said h) = true
    /\ (forall j, (1 <= j <= n)%nat -> inside h j) /\ is (at_ h (S n)) K_er
    /\ (nth 13 (snd f) 0 = 0 -> nth 14 (snd f) 0 = 0 -> new_work h n <= total_cap).
Proof.
  intros Hrow Hhd Hfirst Cap. destruct (header_is_a_term h Hrow Hhd) as (f & F & S).
  destruct (registry_is_finite h Hrow Hhd Hfirst) as (n & N1 & Inside & End).
  exists f, n. split; [exact F|]. split; [exact S|]. split; [exact Inside|]. split; [exact End|]. intros Z1 Z2.
  assert (Zero : T h 226 = 0 /\ T h 227 = 0).
  { pose proof (same_message_nth _ _ 13 ltac:(lia) S) as E1. pose proof (same_message_nth _ _ 14 ltac:(lia) S) as E2.
    rewrite (said_by_header h Hhd) in E1, E2. cbn [nth] in E1, E2. rewrite <- E1, <- E2. auto. }
  eapply new_work_is_under_the_total_cap; eassumption.
Qed.
