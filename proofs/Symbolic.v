(* Symbolic runs of a program, with some leaves fixed, agree with concrete ones; and an interval check for "0 mod p and small, so 0". *)
From Coq Require Import ZArith List Bool Lia Znumtheory FMapPositive.
From Standstill Require Import Machine.
Import ListNotations.
Local Open Scope Z_scope.

Inductive expr := Const (c : Z) | Var (l : leaf) | EAdd (a b : expr) | ESub (a b : expr) | EMul (a b : expr).

Fixpoint eval (env : leaf -> Z) (e : expr) : Z :=
  match e with
  | Const c => c
  | Var l => env l
  | EAdd a b => eval env a + eval env b
  | ESub a b => eval env a - eval env b
  | EMul a b => eval env a * eval env b
  end.

(* Constructors that simplify at the head: each takes constant time, so a run builds a shared graph. *)
Definition s_add (a b : expr) : expr :=
  match a, b with
  | Const x, Const y => Const (x + y)
  | Const 0, _ => b
  | _, Const 0 => a
  | _, _ => EAdd a b
  end.
Definition s_sub (a b : expr) : expr :=
  match a, b with
  | Const x, Const y => Const (x - y)
  | _, Const 0 => a
  | _, _ => ESub a b
  end.
Definition s_mul (a b : expr) : expr :=
  match a, b with
  | Const x, Const y => Const (x * y)
  | Const 0, _ => Const 0
  | _, Const 0 => Const 0
  | Const 1, _ => b
  | _, Const 1 => a
  | _, _ => EMul a b
  end.
(* Constants above p/2 stand for the negative numbers that the circuit means. *)
Definition signed (c : Z) : Z := let r := c mod p in if 2 * r <? p then r else r - p.
Definition Sym : Algebra expr := {| add := s_add; sub := s_sub; mul := s_mul; const := fun c => Const (signed c) |}.

Lemma s_add_eval env a b : eval env (s_add a b) = eval env a + eval env b.
Proof. destruct a as [[]| | | |]; destruct b as [[]| | | |]; cbn; lia. Qed.
Lemma s_sub_eval env a b : eval env (s_sub a b) = eval env a - eval env b.
Proof. destruct a as [[]| | | |]; destruct b as [[]| | | |]; cbn; lia. Qed.
Lemma s_mul_eval env a b : eval env (s_mul a b) = eval env a * eval env b.
Proof.
  destruct a as [[|[]|]| | | |]; destruct b as [[|[]|]| | | |]; cbn [s_mul eval]; try lia; try (rewrite ?Z.mul_0_r; reflexivity).
Qed.

Definition p_positive : 0 < p := eq_refl.

Lemma signed_mod c : signed c mod p = c mod p.
Proof.
  unfold signed. destruct (2 * (c mod p) <? p).
  - apply Z.mod_mod. discriminate.
  - replace (c mod p - p) with (c mod p + (-1) * p) by ring. rewrite Z.mod_add by discriminate. apply Z.mod_mod. discriminate.
Qed.

(* ---- Symbolic and concrete runs agree ---- *)

Section Agree.
  Variable env : leaf -> Z.
  Variable fixed : leaf -> option Z.
  Hypothesis env_canonical : forall l, canonical (env l).
  Hypothesis env_fixed : forall l c, fixed l = Some c -> env l = c.

  Definition sym_leaf (l : leaf) : expr := match fixed l with Some c => Const c | None => Var l end.
  Definition agrees (e : expr) (v : Z) : Prop := v = eval env e mod p.

  Lemma agrees_value r1 r2 x :
    (forall r, match Regs.find r r1, Regs.find r r2 with Some e, Some v => agrees e v | None, None => True | _, _ => False end) ->
    agrees (value Sym sym_leaf r1 x) (value Fp env r2 x).
  Proof.
    intros H. destruct x as [r|c|l]; cbn.
    - specialize (H r). destruct (Regs.find r r1), (Regs.find r r2); try easy.
    - unfold agrees. cbn [eval]. symmetry. apply signed_mod.
    - unfold agrees, sym_leaf. destruct (fixed l) eqn:E; cbn [eval].
      + rewrite <- (env_fixed _ _ E). symmetry. apply Z.mod_small, env_canonical.
      + symmetry. apply Z.mod_small, env_canonical.
  Qed.

  Lemma agrees_apply o a b x y : agrees a x -> agrees b y -> agrees (apply Sym o a b) (apply Fp o x y).
  Proof.
    unfold agrees. intros -> ->. destruct o; cbn [apply add sub mul Sym Fp].
    - rewrite s_add_eval. symmetry. apply Zplus_mod.
    - rewrite s_sub_eval. symmetry. apply Zminus_mod.
    - rewrite s_mul_eval. symmetry. apply Zmult_mod.
  Qed.

  Lemma runs_agree os : forall r1 r2,
    (forall r, match Regs.find r r1, Regs.find r r2 with Some e, Some v => agrees e v | None, None => True | _, _ => False end) ->
    Forall2 (fun a b => fst a = fst b /\ agrees (snd a) (snd b)) (run Sym sym_leaf os r1) (run Fp env os r2).
  Proof.
    induction os as [|[o dst a b|e a] os IH]; intros r1 r2 H; cbn [run].
    - constructor.
    - apply IH. intros r. destruct (Pos.eq_dec r dst) as [->|Hr].
      + rewrite !PositiveMap.gss. apply agrees_apply; apply agrees_value, H.
      + rewrite !PositiveMap.gso by congruence. apply H.
    - constructor; [|apply IH, H]. cbn. split; [reflexivity|apply agrees_value, H].
  Qed.

  Lemma symbolic_agrees os :
    Forall2 (fun a b => fst a = fst b /\ agrees (snd a) (snd b)) (run Sym sym_leaf os (Regs.empty expr)) (run Fp env os (Regs.empty Z)).
  Proof. apply runs_agree. intros r. rewrite !PositiveMap.gempty. exact I. Qed.
End Agree.

(* The expression of constraint k in a symbolic run. *)
Fixpoint constraint (k : Z) (evs : list (event * expr)) : option expr :=
  match evs with
  | [] => None
  | (Assert j, e) :: rest => if j =? k then Some e else constraint k rest
  | _ :: rest => constraint k rest
  end.

Lemma constraint_is_zero (env : leaf -> Z) (k : Z) : forall syms evs,
  Forall2 (fun a b => fst a = fst b /\ agrees env (snd a) (snd b)) syms evs ->
  (forall j v, In (Assert j, v) evs -> v = 0) ->
  forall e, constraint k syms = Some e -> eval env e mod p = 0.
Proof.
  induction 1 as [|[ev e0] [ev' v] syms evs [Hev Ha] H IH]; cbn in *; [discriminate|].
  intros Hz e He. subst ev'. destruct ev as [j|i j|i j].
  - destruct (j =? k); [|apply IH; [intros; eapply Hz; eauto|exact He]].
    injection He as <-. rewrite <- Ha. eapply Hz. left. reflexivity.
  - apply IH; [intros; eapply Hz; eauto|exact He].
  - apply IH; [intros; eapply Hz; eauto|exact He].
Qed.

(* ---- Intervals ---- *)

Definition ival : Type := (Z * Z)%type.
Definition within (v : Z) (i : ival) : Prop := fst i <= v <= snd i.

Fixpoint interval (bound : leaf -> ival) (e : expr) : ival :=
  match e with
  | Const c => (c, c)
  | Var l => bound l
  | EAdd a b => let x := interval bound a in let y := interval bound b in (fst x + fst y, snd x + snd y)
  | ESub a b => let x := interval bound a in let y := interval bound b in (fst x - snd y, snd x - fst y)
  | EMul a b =>
    let x := interval bound a in let y := interval bound b in
    let c := [fst x * fst y; fst x * snd y; snd x * fst y; snd x * snd y] in
    (fold_right Z.min (fst x * fst y) c, fold_right Z.max (fst x * fst y) c)
  end.

Lemma interval_mul a b c d x y : a <= x <= b -> c <= y <= d ->
  Z.min (a * c) (Z.min (a * d) (Z.min (b * c) (b * d))) <= x * y <= Z.max (a * c) (Z.max (a * d) (Z.max (b * c) (b * d))).
Proof.
  intros Hx Hy.
  assert (E : (x * c <= x * y <= x * d) \/ (x * d <= x * y <= x * c)) by (destruct (Z_le_gt_dec 0 x); [left|right]; split; nia).
  assert (F : (a * c <= x * c <= b * c) \/ (b * c <= x * c <= a * c)) by (destruct (Z_le_gt_dec 0 c); [left|right]; split; nia).
  assert (G : (a * d <= x * d <= b * d) \/ (b * d <= x * d <= a * d)) by (destruct (Z_le_gt_dec 0 d); [left|right]; split; nia).
  lia.
Qed.

Lemma interval_sound env bound : (forall l, within (env l) (bound l)) -> forall e, within (eval env e) (interval bound e).
Proof.
  intros H. unfold within. induction e as [c|l|a IHa b IHb|a IHa b IHb|a IHa b IHb]; cbn [eval interval fst snd fold_right].
  - lia.
  - apply H.
  - lia.
  - lia.
  - pose proof (interval_mul _ _ _ _ _ _ IHa IHb). lia.
Qed.

Definition small (bound : leaf -> ival) (e : expr) : bool :=
  let i := interval bound e in (- p <? fst i) && (snd i <? p).

Lemma zero_if_small env bound e :
  (forall l, within (env l) (bound l)) -> small bound e = true -> eval env e mod p = 0 -> eval env e = 0.
Proof.
  intros Hb Hs Hz. pose proof (interval_sound env bound Hb e) as Hi. unfold within in Hi.
  unfold small in Hs. apply andb_true_iff in Hs as [H1 H2]. apply Z.ltb_lt in H1, H2.
  apply Z.mod_divide in Hz; [|discriminate]. destruct Hz as [q Hq]. unfold p in *. lia.
Qed.

(* ---- p is prime ---- *)

Fixpoint no_divisor (fuel : nat) (d : Z) : bool :=
  match fuel with O => true | S f => negb (p mod d =? 0) && no_divisor f (d + 1) end.

Lemma no_divisor_sound fuel : forall d, no_divisor fuel d = true -> forall x, d <= x < d + Z.of_nat fuel -> p mod x <> 0.
Proof.
  induction fuel as [|f IH]; intros d H x Hx; [lia|].
  cbn [no_divisor] in H. apply andb_true_iff in H as [H1 H2]. apply negb_true_iff, Z.eqb_neq in H1.
  destruct (Z.eq_dec x d) as [->|Hne]; [exact H1|]. apply (IH (d + 1) H2). lia.
Qed.

Lemma p_no_small_divisor : no_divisor (Z.to_nat 46200) 2 = true.
Proof. vm_compute. reflexivity. Qed.

Lemma p_prime : prime p.
Proof.
  apply prime_alt. split; [reflexivity|]. intros n Hn [q Hq].
  assert (Hpos : 0 < q) by (unfold p in *; nia).
  destruct (Z_lt_le_dec n 46202) as [H|H].
  - apply (no_divisor_sound _ _ p_no_small_divisor n). { rewrite Z2Nat.id; lia. }
    rewrite Hq. apply Z.mod_mul. lia.
  - destruct (Z_lt_le_dec q 46202) as [H'|H'].
    + apply (no_divisor_sound _ _ p_no_small_divisor q). { rewrite Z2Nat.id; unfold p in *; nia. }
      rewrite Hq, Z.mul_comm. apply Z.mod_mul. lia.
    + unfold p in *. nia.
Qed.

Lemma product_zero a b : (a * b) mod p = 0 -> a mod p = 0 \/ b mod p = 0.
Proof.
  intros H. apply Z.mod_divide in H; [|discriminate].
  apply prime_mult in H as [H|H]; [left|right|exact p_prime]; apply Z.mod_divide in H; auto; discriminate.
Qed.
