"""Commands of a lab whose buildings have stores of their own: ``building`` there, ``lab tags`` and ``lab take`` at headquarters."""

from __future__ import annotations

from pathlib import Path

import click

from claims.base.errors import ClaimsError, MalformedFile
from claims.base.text import counted
from claims.cli.carry import carried, carry_option, sealed
from claims.cli.cluster import cluster_options, prover_of
from claims.cli.group import (
    agreement_argument,
    cli,
    load_terms,
    opened_store,
    out,
    period_option,
    read_path,
    store_option,
)
from claims.cli.lab import lab
from claims.cli.opening import claim_option, draw_options, drawn_by_log, lost_by_claim
from claims.cli.screen import doing

__all__ = ["building"]


@cli.group()
def building() -> None:
    """A site with a store of its own: its readings stay there, and headquarters proves the claim."""


@building.command("init")
@click.argument("lab_name", metavar="LAB")
@click.argument("site")
@store_option
def building_init(lab_name: str, site: str, store_path: Path) -> None:
    """Make the store of LAB's site SITE. The lab's registry is at headquarters: standstill lab init."""
    from claims.lab.store import Store

    with Store.create(store_path, lab_name, site):
        out(f"{store_path}: the store of site {site} of lab {lab_name}")


@building.command("key")
@click.argument("target", metavar="FILE", type=read_path)
def building_key(target: Path) -> None:
    """Make a key under which private files travel between a building and headquarters. Both keep FILE, mode 0600: who has it reads them."""
    from claims.base.carry import make_carry_key

    make_carry_key(target)
    out(f"{target}: mode 0600. Bring it to the other end so that nobody else reads it; then: --carry-key {target}")


@building.command("tags")
@click.argument("tags_path", metavar="TAGS", type=read_path)
@store_option
@agreement_argument
@carry_option
def building_tags(tags_path: Path, store_path: Path, agreement_path: Path, carry_key: Path | None) -> None:
    """Take the tags that headquarters allotted to a period (standstill lab tags): before its first epoch is sealed."""
    from claims.claim.handover import TAGS_LIMIT, Tags
    from claims.lab.sites import take_tags

    tags = Tags.decode(carried(tags_path, TAGS_LIMIT, carry_key))
    with opened_store(store_path) as store:
        new = take_tags(store, load_terms(agreement_path), tags)
    out(f"period {tags.period}: {len(tags.rows)} tags, {new} of them new")


@building.command("lost")
@click.argument("entry_path", metavar="ENTRY", type=read_path)
@store_option
@agreement_argument
def building_lost(entry_path: Path, store_path: Path, agreement_path: Path) -> None:
    """Take the log entry of a loss that headquarters made (standstill meter lost): the meter seals nothing from then on."""
    from claims.base.files import SMALL_LIMIT, read_bounded
    from claims.claim.entries import decode_entry
    from claims.claim.entry_kinds import LossEntry
    from claims.lab.sites import take_loss

    entry = decode_entry(read_bounded(entry_path, SMALL_LIMIT))
    if not isinstance(entry, LossEntry):
        raise ClaimsError(f"{entry_path} is {entry.title}, not of a loss", "standstill meter lost makes it, at headquarters")
    with opened_store(store_path) as store:
        take_loss(store, load_terms(agreement_path), entry)
    out(f"noted: {entry.title}")


@building.command("report")
@store_option
@agreement_argument
@period_option
@click.option("--from", "first", type=click.IntRange(0, 2**24 - 1), metavar="EPOCH", help="The first epoch. [default: the period's]")
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file, for standstill lab take.")
def building_report(store_path: Path, agreement_path: Path, period: int, first: int | None, target: Path) -> None:
    """Write what the site's meters signed of a period so far: headquarters publishes the epochs of the whole lab."""
    from claims.base.files import write_new
    from claims.lab.sites import report_of

    with opened_store(store_path) as store:
        report = report_of(store, load_terms(agreement_path), period, first)
    write_new(target, report.encode(), 0o644)
    out(f"{target}: {counted(report.count, 'epoch')} from {report.first} on, of {counted(len(report.meters), 'meter')}")


@building.command("prove")
@store_option
@agreement_argument
@period_option
@click.option("--out", "-o", "target", type=read_path, help="File of mode 0600. [default: LAB-PERIOD.SITE.summary]")
@cluster_options
@carry_option
def building_prove(
    store_path: Path, agreement_path: Path, period: int, target: Path | None, cluster_address: str, cluster_files: Path | None,
    carry_key: Path | None,
) -> None:  # fmt: skip
    """Prove the site's table of a period that all its meters have signed, and write its summary for headquarters.

    PRIVATE: who has the file knows the site's work by tag. It is made once: run again, the same file is written.
    """
    from claims.base.files import write_once
    from claims.lab.prove import prove_site
    from claims.lab.sites import summary_of

    prover, terms = prover_of(cluster_address, cluster_files), load_terms(agreement_path)
    with opened_store(store_path) as store:
        if store.site is None:
            raise ClaimsError("this is no site's own store", "standstill prove makes the claim")
        summary, records, proof = prove_site(store, terms, period, prover=prover, progress=doing)
        handed = summary_of(store, terms, period, summary, records, proof)
        target = target or Path(f"{store.lab}-{period}.{store.site}.summary")
    write_once(target, sealed(handed.encode(), carry_key), 0o600)
    out(f"{target}: {len(proof)} bytes of proof, mode 0600. Take it to headquarters so that nobody else reads it: standstill lab take")


@building.command("open")
@store_option
@draw_options
@claim_option(required=True)
@click.option("--out", "-o", "target", type=read_path, help="New file, mode 0600. [default: LAB-PERIOD.SITE.part]")
@carry_option
def building_open(
    store_path: Path, agreement_path: Path, period: int, round_source: str, log_source: str, log_memory: Path | None, claim_path: Path,
    target: Path | None, carry_key: Path | None,
) -> None:  # fmt: skip
    """Open what a round drew of the site, for headquarters, which opens it to the inspector: standstill inspect open --part.

    The claim says what the lab lost, in any building: where that is drawn, something else is opened in its place.
    """
    from claims.base.files import write_new
    from claims.inspection.open import open_part
    from claims.lab.opening import StoreMaterial

    terms = load_terms(agreement_path)
    with opened_store(store_path) as store:
        if store.site is None:
            raise ClaimsError("this is no site's own store", "standstill inspect open opens all")
        lab = store.lab
        drawn = drawn_by_log(
            terms, lab, period, round_source, log_source, log_memory, lambda view: lost_by_claim(terms, lab, period, view, claim_path)
        ).drawn
        part = open_part(terms, drawn, StoreMaterial(store, terms), store.site)
        target = target or Path(f"{lab}-{period}.{store.site}.part")
    if part is None:
        out(f"nothing of site {store.site} was drawn: there is nothing to open")
        return
    write_new(target, sealed(part.encode(), carry_key), 0o600)
    out(f"{target}: {len(part.readings)} readings, mode 0600. Take it to headquarters so that nobody else reads it.")


@lab.command("tags")
@click.argument("names", metavar="[RUN]...", nargs=-1)
@store_option
@agreement_argument
@period_option
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file, mode 0600: all tags of the period.")
@carry_option
def lab_tags(
    names: tuple[str, ...], store_path: Path, agreement_path: Path, period: int, target: Path, carry_key: Path | None
) -> None:
    """Allot a tag to each RUN that sites work toward in a period, and write all tags of the period for them (building tags).

    Each RUN is the name of the checkpoint that its work goes into. PRIVATE: the file names checkpoints. Write it again when one was saved.
    """
    from claims.base.files import write_new
    from claims.lab.sites import allot_tags

    with opened_store(store_path) as store:
        tags = allot_tags(store, load_terms(agreement_path), period, names)
    write_new(target, sealed(tags.encode(), carry_key), 0o600)
    out(f"{target}: {len(tags.rows)} tags of period {period}, mode 0600: for every site before it seals the period's next epoch")


@lab.command("take")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=read_path)
@store_option
@agreement_argument
@carry_option
def lab_take(paths: tuple[Path, ...], store_path: Path, agreement_path: Path, carry_key: Path | None) -> None:
    """Take what sites hand in: reports (building report) and summaries (building prove). Nothing is kept that does not verify."""
    from claims.claim.handover import SUMMARY_LIMIT, SiteReport, SiteSummary
    from claims.lab.sites import take_report, take_summary

    terms = load_terms(agreement_path)
    with opened_store(store_path) as store:
        for path in paths:
            data = carried(path, SUMMARY_LIMIT, carry_key, b"standstill-site-report")
            try:
                handed = SiteSummary.decode(data) if data.startswith(b"standstill-summary") else SiteReport.decode(data)
            except MalformedFile as error:
                raise MalformedFile(f"{path}: {error}") from None
            if isinstance(handed, SiteSummary):
                new = take_summary(store, terms, handed)
                where, said = handed.report, f"summary and proof {'verified and kept' if new else 'are those taken before'}"
            else:
                where, said = handed, f"{take_report(store, terms, handed)} new epochs"
            out(f"{path}: site {where.site}, period {where.period}: {said}")
