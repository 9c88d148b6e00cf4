"""What makes the terms valid by which an inspector looks from outside: open models, power feeds, transfers of caps."""

from __future__ import annotations

from collections.abc import Mapping

from claims.agreement.bounds import MAX_CAP, MAX_DIGESTS, MAX_FEEDS, MAX_LAB_FEEDS, MAX_MODELS, MAX_OPENED, MAX_WATTS
from claims.agreement.model import Agreement
from claims.agreement.terms import FEED_KINDS, Feed, Rules
from claims.agreement.values import Fail, names
from claims.base.text import is_prose
from claims.base.units import format_work

__all__ = ["check_outside"]


def check_outside(agreement: Agreement, fail: Fail) -> None:
    """Check open models and feeds; raises what ``fail(field, what, hint)`` makes."""
    _check_models(agreement, fail)
    every = [agreement.rules, *(later for _, later in agreement.rules_from)]
    for rules in every:
        _check_external(agreement, rules, fail)
    if agreement.open_models and not any(rules.listed for rules in every):
        raise fail("open_model", "no rule names the list", 'write external = "listed" in [rules], or leave the list out')
    _check_feeds(agreement, fail)


def _check_models(agreement: Agreement, fail: Fail) -> None:
    models, field = agreement.open_models, "open_model"
    names(field, [model.name for model in models], 0, MAX_MODELS, fail)
    owners: dict[bytes, str] = {}
    for model in models:
        if not 1 <= model.charge <= MAX_CAP:
            raise fail(field, f"{model.name}: the charge is not 1 to 2^64 - 1 units of 10^12 FLOP", "give the work that made it")
        if not is_prose(model.source):
            raise fail(field, f"{model.name}: the source is not plain text", "use plain printable text")
        if not 1 <= len(model.weights) <= MAX_DIGESTS:
            what = f"{model.name} has {len(model.weights)} weights digests, not 1 to {MAX_DIGESTS}"
            raise fail(field, what, "standstill weights digest makes them")
        for digest in model.weights:
            if digest == bytes(32):
                raise fail(field, f"{model.name}: a digest of zeros stands for weights that nobody kept", "give the digest of weights")
            if digest in owners:
                raise fail(field, f"{model.name} and {owners[digest]} have the same digest", "give each digest once")
            owners[digest] = model.name
        if list(model.weights) != sorted(model.weights):
            raise fail(field, f"{model.name}: the digests do not ascend", "sort them")


def _check_external(agreement: Agreement, rules: Rules, fail: Fail) -> None:
    if rules.unlisted is None:
        return
    most = max(agreement.open_models, key=lambda model: model.charge, default=None)
    if not 0 <= rules.unlisted <= MAX_CAP:
        raise fail("rules", "the amount for unlisted weights does not fit in 64 bits", "lower it")
    if most is not None and rules.unlisted < most.charge:
        what = f"unlisted weights would declare less than {most.name}, {format_work(most.charge)}, whose digest a cast changes"
        raise fail("rules", what, "raise the amount of listed-or to the largest charge of the list")


def _check_feeds(agreement: Agreement, fail: Fail) -> None:
    names("feed", [feed.name for feed in agreement.feeds], 0, MAX_FEEDS, fail)
    if agreement.feeds and (agreement.log is None or agreement.deadlines is None or agreement.inspection is None):
        raise fail("feed", "feeds need [log], [deadlines] and [inspection]", "add them, or leave the feeds out")
    fed: dict[tuple[str, str], str] = {}
    sizes = {chip.name: chip.readings for chip in agreement.chips}
    meters = {lab.name: {meter.name: sizes[meter.chip] for meter in lab.meters} for lab in agreement.labs} if agreement.feeds else {}
    for feed in agreement.feeds:
        _check_feed(agreement, feed, meters.get(feed.lab), fail)
        for meter in feed.meters:
            other = fed.setdefault((feed.lab, meter), feed.name)
            if other != feed.name:
                raise fail("feed", f"meter {feed.lab}/{meter} is under {other} and {feed.name}", "put a meter under one feed")
    for lab in agreement.labs:
        if len(agreement.feeds_of(lab.name)) > MAX_LAB_FEEDS:
            raise fail("feed", f"lab {lab.name} has more than {MAX_LAB_FEEDS} feeds", "join some")


def _check_feed(agreement: Agreement, feed: Feed, meters: Mapping[str, int] | None, fail: Fail) -> None:
    """``meters``: padded readings of each meter of the lab, or None where there is no such lab."""
    if meters is None:
        raise fail("feed", f"{feed.name}: {feed.lab!r} is no lab", "name the lab whose chips it feeds")
    operator = None if agreement.log is None else agreement.log.operator
    if feed.holder not in {party.name for party in agreement.parties} or feed.holder in (feed.lab, operator):
        what = f"{feed.name}: its holder {feed.holder!r} is no party, or is the lab or the log's operator"
        raise fail("feed", what, "let another party read it")
    names("feed", feed.meters, 0, len(meters), fail)
    if not feed.meters or not set(feed.meters) <= meters.keys():
        raise fail("feed", f"{feed.name}: its meters are not one or more meters of lab {feed.lab}", "name what it feeds")
    if feed.kind not in FEED_KINDS:
        raise fail("feed", f"{feed.name}: {feed.kind!r} is no kind of feed", f"choose one of: {', '.join(FEED_KINDS)}")
    watts = (feed.base_watts, feed.idle_watts, feed.busy_watts)
    if any(not 0 <= value <= MAX_WATTS for value in watts) or feed.idle_watts >= feed.busy_watts:
        raise fail("feed", f"{feed.name}: idle_watts is not below busy_watts, or watts are 2^32 or more", "give watts of one chip")
    draws = 0 if agreement.inspection is None else agreement.inspection.draws
    opened = draws * sum(meters[meter] for meter in feed.meters)
    if opened > MAX_OPENED:
        what = f"{feed.name}: an inspection could open {opened} readings, more than {MAX_OPENED}"
        raise fail("feed", what, "lower draws or readings, or make the feed smaller")
