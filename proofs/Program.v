(* The published program, decoded. *)
From Coq Require Import ZArith List.
From Standstill Require Import Machine Words.
Import ListNotations.
Local Open Scope Z_scope.

Definition no_program : program := {| n_columns := 0; n_publics := 0; n_constraints := 0; ops := []; shapes := [] |}.

Definition the_program : program := Eval vm_compute in match decode words with Some q => q | None => no_program end.

Lemma the_program_is_the_published_one : decode words = Some the_program.
Proof. vm_compute. reflexivity. Qed.

Lemma shape_of_the_program :
  n_columns the_program = 251 /\ n_publics the_program = 16 /\ n_constraints the_program = 397
  /\ length (ops the_program) = 4417%nat
  /\ shapes the_program = repeat (1, 3) 11 ++ [(7, 2); (1, 15)].
Proof. vm_compute. repeat split. Qed.
