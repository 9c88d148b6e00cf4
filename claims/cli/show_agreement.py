"""Explain an agreement to a person, and to programs. Also the agreement template."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from claims.agreement.explain import ALLOWANCES, OPEN_WEIGHTS, POWER
from claims.agreement.model import Agreement
from claims.agreement.terms import FEW_METERS, Caps, Lab, Meter, Party, Rules, meters_by_chip
from claims.base.canonical import head_to_hex
from claims.base.hybrid import halves, is_hybrid
from claims.base.units import format_duration, format_share, format_time, format_work

__all__ = ["AGREEMENT_TEMPLATE", "agreement_lines", "agreement_value", "marked"]


def agreement_lines(agreement: Agreement, *, every: bool = False) -> list[str]:
    """An agreement in words. ``every``: each meter of a fleet has a line, not each class of chips."""
    agreement = agreement.as_signed
    period = agreement.epoch_seconds * agreement.epochs_per_period
    out = [
        f"agreement   {agreement.name}",
        f"digest      {agreement.digest.hex()}",
        f"start       {format_time(agreement.start)}",
        f"epoch       {format_duration(agreement.epoch_seconds)}",
        f"periods     {agreement.periods} of {format_duration(period)} ({agreement.epochs_per_period} epochs)",
        *_rules_text(agreement.rules),
        *(f"from {first:<6} {line}" for first, rules in agreement.rules_from for line in _rules_text(rules)),
        *(f"party       {party.name} {_key(party.key)}{_cosigns(party)}" for party in agreement.parties),
        *(f"witness     {item.name} {_key(item.key)}: counts for heads of the log, and dates no entry" for item in agreement.witnesses),
        *_alone_lines(agreement),
        *(
            f"chip        {chip.name}: peak {format_work(chip.peak)}/s, {chip.readings} padded readings of each epoch, {marked(chip.note)}"
            for chip in agreement.chips
        ),
    ]
    for lab in agreement.labs:
        out += [
            f"lab         {lab.name}: {_tables_text(lab)}, claims from period {lab.since_period} on",
            f"  opening head {head_to_hex(lab.opening_head)}",
            f"  caps      {_caps_text(lab.caps)}",
            *(f"  from {period:<5}{_caps_text(caps)}" for period, caps in lab.caps_from),
            *([] if lab.ceiling is None else [f"  ceiling   {format_work(lab.ceiling)}: the most that total may become by transfers"]),
            *(_lost_lines(agreement, lab) if lab.lost else []),
            *(_meter_lines(lab) if every or len(lab.meters) <= FEW_METERS else _fleet_lines(lab)),
        ]
    if agreement.amends is not None:
        out.append(f"amends      {agreement.amends.digest.hex()} from period {agreement.amends.from_period} on")
    if any(lab.ceiling is not None for lab in agreement.labs):
        out += _explained("transfers", ALLOWANCES)
    out += _regime_lines(agreement)
    out += _model_lines(agreement)
    out += _feed_lines(agreement)
    if agreement.keys is not None:
        out.append(f"keys        changed and revoked with {agreement.keys.quorum} of {', '.join(agreement.keys.revoke)}")
    if agreement.pause is not None:
        pause = agreement.pause
        out += [
            f"pause       trigger: {marked(pause.trigger)}",
            f"            lifts: {marked(pause.lifts)}",
            f"            decided by {pause.quorum} of {', '.join(pause.deciders)}",
        ]
    return out


def agreement_value(agreement: Agreement) -> dict[str, object]:
    """An agreement for programs: what scripts ask for. The file itself has everything."""
    return {
        "name": agreement.name, "digest": agreement.digest.hex(), "start": format_time(agreement.start),
        "end": format_time(agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods),
        "epoch_seconds": agreement.epoch_seconds, "epochs_per_period": agreement.epochs_per_period, "periods": agreement.periods,
        "parties": [party.name for party in agreement.parties], "witnesses": [witness.name for witness in agreement.witnesses],
        "labs": {lab.name: [meter.name for meter in lab.meters] for lab in agreement.labs},
        "sites": {lab.name: {site.name: [meter.name for meter in site.meters] for site in lab.sites} for lab in agreement.labs},
        "log": None if agreement.log is None else agreement.log.origin,
        "amends": None if agreement.amends is None else agreement.amends.digest.hex(),
    }  # fmt: skip


def marked(text: str) -> str:
    """A text for people: its own lines are marked, so that none passes for a line of the agreement."""
    return text.replace("\n", "\n            | ")


def _explained(title: str, sentences: Sequence[str]) -> list[str]:
    return [f"{title if at == 0 else '':<11} {line}" for at, line in enumerate(sentences)]


def _tables_text(lab: Lab) -> str:
    if lab.registry_rows is None:
        return f"table of 2^{lab.log_rows} rows"
    return f"{len(lab.sites)} sites, each a table of 2^{lab.log_rows} rows, and a registry of 2^{lab.registry_rows} rows"


def _lost_lines(agreement: Agreement, lab: Lab) -> list[str]:
    share = f"  lost      up to {format_share(lab.lost)} of a period's chip-seconds may be listed as lost"
    if agreement.log is not None:
        return [share]
    return [f"{share};", "            no log is agreed, so nothing shows when the lab said so: it may say it when the period is over"]


def _meter_lines(lab: Lab) -> list[str]:
    return [f"  meter     {m.name}: {m.chips} x {m.chip}{_at(m)} {_key(m.whole_key)}" for m in lab.meters]


def _fleet_lines(lab: Lab) -> list[str]:
    """A line for each class of chips: more meters than anybody reads."""
    out = [f"  meters    {count:,} of {chip}: {chips:,} chips" for chip, (count, chips) in sorted(meters_by_chip(lab).items())]
    groups = [f"            in {len(lab.groups):,} groups"] if lab.groups else []
    return [*out, *groups, "            standstill agreement check --meters lists each, with its key"]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= FEW_METERS else f"{names[0]} to {names[-1]}, {len(names):,} of them"


def _at(meter: Meter) -> str:
    return ("" if meter.site is None else f" at {meter.site}") + ("" if meter.group is None else f" in {meter.group}")


def _cosigns(party: Party) -> str:
    return "" if party.cosign_key is None else f", cosigns with {_key(party.cosign_key)}"


def _key(public: bytes) -> str:
    """A key of either kind, short enough to be read."""
    curve, lattice = halves(public)
    return f"ed25519:{curve.hex()}" + (f" and mldsa44 (SHA-256 {hashlib.sha256(lattice).hexdigest()[:32]})" if lattice else "")


def _alone_lines(agreement: Agreement) -> list[str]:
    """Who signs with Ed25519 alone though it could sign twice."""
    keys = [(party.name, party.key) for party in agreement.parties]
    keys += [(f"{party.name} (cosigning)", party.cosign_key) for party in agreement.parties if party.cosign_key is not None]
    keys += [(witness.name, witness.key) for witness in agreement.witnesses]
    keys += [("the log", agreement.log.key)] if agreement.log is not None else []
    keys += [(f"feed {feed.name}", feed.whole_key) for feed in agreement.feeds]
    alone = [name for name, key in keys if not is_hybrid(key)]
    meters = [text for lab in agreement.labs if (text := _without_period_key(lab))]
    if not alone and not meters:
        return ["signatures  Ed25519 and ML-DSA-44, but for epochs of meters and feeds: Ed25519 alone"]
    all_meters = not any(meter.period_key for lab in agreement.labs for meter in lab.meters)
    who = "everybody" if len(alone) == len(keys) and all_meters else ", ".join([*([_some(alone)] if alone else []), *meters])
    return [f"signatures  Ed25519 alone: {who}. A quantum computer forges these"]


def _without_period_key(lab: Lab) -> str:
    """The lab's meters that sign periods with Ed25519 alone; "" where there is none."""
    names = [meter.name for meter in lab.meters if not meter.period_key]
    if len(names) <= FEW_METERS:
        return ", ".join(f"meter {lab.name}/{name}" for name in names)
    return f"{len(names):,} of {len(lab.meters):,} meters of {lab.name}"


def _caps_text(caps: Caps) -> str:
    freeze = f"; freeze {format_work(caps.freeze)}" if caps.freeze is not None else ""
    return (
        f"total {format_work(caps.total)}, unattributed {format_work(caps.unattributed)} a period; "
        f"lineage {format_work(caps.lineage)}{freeze}"
    )


def _rules_text(rules: Rules) -> list[str]:
    return [
        f"charge      {'every busy chip-second at its chip class peak' if rules.charge_peak else 'as the meters sign it'}",
        f"residue     {'unattributed work charged to every lineage' if rules.charge_residue else 'not charged'}",
        f"external    {_external_text(rules)}",
    ]


def _external_text(rules: Rules) -> str:
    if not rules.listed:
        return "weights from outside are charged as the lab declares"
    if rules.unlisted is None:
        return "weights from outside are those of a listed open model, and charged as the list says"
    return f"weights from outside are charged as the list of open models says, or {format_work(rules.unlisted)} where they are not on it"


def _feed_lines(agreement: Agreement) -> list[str]:
    """The power feeds; how far a utility's, a building's and a rack's meter can be believed."""
    where = {
        "utility": "upstream of batteries and cooling", "building": "of the building's own supply",
        "rack": "in the lab's own hall, in reach of its hands",
    }  # fmt: skip
    return (_explained("power", POWER) if agreement.feeds else []) + [
        f"feed        {feed.name}: lab {feed.lab}, meters {_some(feed.meters)}; read by {feed.holder}; a {feed.kind} meter, "
        f"{where[feed.kind]}; base {feed.base_watts} W, idle {feed.idle_watts} W, busy {feed.busy_watts} W a chip, {_key(feed.whole_key)}"
        for feed in agreement.feeds
    ]


def _model_lines(agreement: Agreement) -> list[str]:
    """The open models, what they are for, and what comparing with them leaves open."""
    lines = [
        f"open model  {model.name}: charged {format_work(model.charge)}, {len(model.weights)} weights digests, {marked(model.source)}"
        for model in agreement.open_models
    ]
    if not any(rules.listed for _, rules in ((0, agreement.rules), *agreement.rules_from)):
        return lines
    return [
        *_explained("weights", OPEN_WEIGHTS),
        *lines,
        "            It does not show that the model named is the one loaded:",
        "            a lab that hides loaded weights writes a checkpoint without parents, and a cast or a merge has another digest",
    ]


def _regime_lines(agreement: Agreement) -> list[str]:
    """Log, commitments, deadlines and inspections."""
    log, deadlines, inspection = agreement.log, agreement.deadlines, agreement.inspection
    out = [f"committed   {agreement.checkpoints} padded checkpoints"]
    if log is not None:
        out.append(f"log         {log.origin}, run by {log.operator}, {log.cosignatures} cosignatures, {_key(log.key)}")
    if deadlines is not None:
        spans = (deadlines.epoch, deadlines.claim, deadlines.grace, deadlines.opening)
        epoch, claim, grace, opening = map(format_duration, spans)
        out.append(f"deadlines   epoch {epoch}, claim {claim} (grace {grace}), opening {opening}")
        if deadlines.sign_by is not None:
            out.append(f"            signed by {format_time(deadlines.sign_by)}")
        if deadlines.late_epochs is not None:
            out.append(f"            a claim with more than {deadlines.late_epochs} late epochs is rejected")
        if deadlines.cosign is not None:
            out.append(f"            a newer head of the log is cosigned within {format_duration(deadlines.cosign)}")
    if inspection is not None:
        margin = format_duration(inspection.margin)
        out.append(f"inspection  {inspection.draws} readings and {inspection.slots} slots drawn, margin {margin}")
    return out


AGREEMENT_TEMPLATE = """\
# A standstill agreement. Every field is described in claims/FORMATS.md; unknown fields are refused.
format = "standstill-agreement/3"
name = "example"
start = 2026-01-01T00:00:00Z     # UTC, whole seconds
epoch = "1 h"                    # every meter makes at least one reading per epoch
period = "30 d"                  # or: epochs_per_period = 720
periods = 12

[rules]
charge = "peak"                  # busy chip-seconds x class peak; or "metered": as the meters sign it
residue = "charge-every-lineage" # unattributed work counts toward every checkpoint; or "none"
# external = "listed-or 5e25 FLOP" # weights from outside are charged as the [[open_model]] list says, others so; or "listed", "declared"

# Optional: what a pause means; text for people, bound by the signatures.
# [pause]
# trigger = "..."
# lifts = "..."
# deciders = ["lab-a"]          # parties; sorted
# quorum = 1                     # how many of them must sign a decision

# Optional: the public log that dates everything, and how many other parties must have cosigned its heads.
# [log]
# origin = "example.org/standstill"
# operator = "lab-a"
# key = "<standstill keygen>"
# cosignatures = 1               # cosigners give cosign_key in their [[party]]

# Optional, with [log]: who cosigns it and is no party, as its own signature lines call it.
# [[witness]]
# name = "witness.example.org/w1"
# key = "<standstill log witness key>"

# Optional, with [log]: keys may change without an amendment (standstill key), and be revoked.
# [keys]
# revoke = ["lab-a", "lab-b"]    # parties; nobody has a say about its own key
# quorum = 1                     # how many of them must sign

# Optional: a size that hides how many checkpoints there are. A power of two.
# [commitment]
# checkpoints = 1024             # padded slots per registry head

# Optional: what is late, and what is missing.
# [deadlines]
# epoch = "1 d"                  # after an epoch's end
# claim = "7 d"                  # after a period's end
# grace = "7 d"                  # after the claim's deadline
# opening = "3 d"                # after the drawn round
# sign_by = 2025-12-31T00:00:00Z # optional
# late_epochs = 24               # optional: with more late epochs than this in a period, its claim is rejected
# cosign = "1 d"                 # optional: until a newer head of the log has its cosignatures

# Optional, with [log]: what an inspection draws.
# [inspection]
# draws = 64                     # chip-seconds
# slots = 16                     # registry slots
# margin = "10 min"              # from when claim and entries are due in the log to the round

# Optional: other rules or caps from a later period on ([[lab.caps_from]] goes below the lab's [lab.caps]).
# [[rules_from]]
# from_period = 6
# charge = "peak"
# residue = "charge-every-lineage"

# Optional, with external = "listed" or "listed-or ...": models whose weights anyone can have (standstill agreement models).
# [[open_model]]
# name = "some-model"
# charge = "3.8e25 FLOP"         # the work that made it; rounded up
# source = "where the estimate is from"
# weights = ["<standstill weights digest>"]

# Optional, with [log], [deadlines] and [inspection]: power meters that are not the lab's (standstill feed key).
# [[feed]]
# name = "north-feed"
# lab = "lab-a"
# holder = "lab-b"               # a party, neither the lab nor the log's operator
# key = "ed25519:<standstill feed key>"
# kind = "utility"               # or "building", "rack"
# meters = ["hall-1"]            # all that they draw goes through it
# base_watts = 2000              # with all chips idle, less their idle_watts, and nothing more
# idle_watts = 300               # of a chip
# busy_watts = 1000              # of a chip that trains

# Optional: this agreement replaces another one from a period on.
# [amends]
# digest = "<standstill agreement digest of the other>"
# from_period = 6

[[party]]
name = "lab-a"
key = "<standstill keygen>"

[[chip]]
name = "h100-sxm"
peak = "1.979e15 FLOP/s"         # at the highest-throughput format the chip has; rounded up
note = "FP8 dense, vendor data sheet"
# readings = 64                  # optional, a power of two: padded leaves of a meter's epoch, more than it ever has readings

[[lab]]
name = "lab-a"                   # a party of the same name
log_rows = 18                    # table height 2^18; fixed, so that growth does not show
# lost = "0.5 %"                 # share of a period's chip-seconds that a claim may list as lost; else 0
# ceiling = "2e24 FLOP"          # most that total may become by transfers; without it the lab receives none
# registry_rows = 16             # of a lab with sites: log_rows is the height of each site's table, this of its registry's
opening_head = "<standstill lab init>"

[lab.caps]                       # rounded down to 10^12 FLOP
total = "1e24 FLOP"              # all compute of a period
unattributed = "1e22 FLOP"       # compute of a period that names no checkpoint
lineage = "1e26 FLOP"            # cumulative compute behind any checkpoint
# freeze = "1e25 FLOP"           # checkpoints above this level may not be trained further

[[meter]]
lab = "lab-a"
name = "hall-1"
chip = "h100-sxm"
chips = 8
key = "ed25519:<standstill meter init>"
# site = "north"                 # optional, for all meters of a lab or none: meters of one site are proven in one table
# group = "rack-1"               # optional, for all meters of a lab or none: meters of a group publish one root an epoch

# Instead of all [[meter]] tables, for a fleet: a file beside this one, and these lines (standstill agreement meters).
# [meter_table]
# file = "fleet.meters.csv"
# sha256 = "<64 hex digits>"
# rows = 12500
"""
