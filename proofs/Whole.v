(* The registry of a table, with no hypothesis on its header's row. (For ledgers: Heads.ledgers_are_as_stated.) *)
From Coq Require Import ZArith List Bool Lia.
From Standstill Require Import Machine Program Symbolic Names Rows Bytes Readings Registry Total Heads.
Import ListNotations.
Local Open Scope Z_scope.

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
