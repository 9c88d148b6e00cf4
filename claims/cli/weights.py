"""``standstill weights digest|check``: digests of checkpoint folders."""

from __future__ import annotations

import re
from pathlib import Path

import click

from claims.base.errors import ClaimRejected
from claims.cli.group import cli, out, read_path
from claims.cli.screen import doing

__all__ = ["weights"]


@cli.group()
def weights() -> None:
    """Digests of checkpoint folders, for the weights column of checkpoint files."""


_folder = click.argument("folder", metavar="DIR", type=read_path)
_threads = click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True, help="Files read at a time.")
_follow = click.option("--follow-links", is_flag=True, help="Read links to files as the files (a hub's cache has such).")


@weights.command("digest")
@_folder
@click.option("--tensors", is_flag=True, help="Also the digest over tensors, which does not depend on sharding.")
@_threads
@_follow
@click.option("--progress", type=read_path, help="File outside DIR: unchanged files that it knows are not read again.")
@click.option("--manifest", "target", type=read_path, help="Write a new file that lists every file's SHA-256.")
def weights_digest(
    folder: Path, tensors: bool, threads: int, follow_links: bool, progress: Path | None, target: Path | None
) -> None:
    """Print the digest of the checkpoint in DIR. Every file counts; nothing is unpickled."""
    from claims.base.files import write_new
    from claims.imports.weights import digest_folder
    from claims.imports.weights_progress import manifest_bytes

    if target is not None and target.resolve().is_relative_to(folder.resolve()):
        raise click.UsageError("--manifest lies in DIR itself: it would change the digest")
    doing("reading weights")
    manifest = digest_folder(folder, tensors=tensors, threads=threads, follow_links=follow_links, progress=progress, report=_bytes)
    if target is not None:
        write_new(target, manifest_bytes(manifest))
    out(f"files   {manifest.digest.hex()}")
    if tensors:
        found = manifest.tensor_digest
        out(f"tensors {found.hex() if found is not None else '- (no safetensors)'}")


@weights.command("check")
@_folder
@click.argument("digest", required=False)
@click.option("--manifest", "source", type=read_path, help="A manifest, instead of DIGEST: says which files differ.")
@_threads
@_follow
def weights_check(folder: Path, digest: str | None, source: Path | None, threads: int, follow_links: bool) -> None:
    """Read DIR and check that its digest, over files or over tensors, is DIGEST. Exit 1 when it is not."""
    from claims.imports.weights import digest_folder
    from claims.imports.weights_progress import read_manifest

    if (digest is None) == (source is None):
        raise click.UsageError("give either DIGEST or --manifest")
    if digest is not None and re.fullmatch(r"[0-9a-f]{64}", digest) is None:
        raise click.UsageError("DIGEST is 64 lower-case hex digits")
    wanted = None if source is None else read_manifest(source)
    doing("reading weights")
    found = digest_folder(folder, tensors=digest is not None, threads=threads, follow_links=follow_links, report=_bytes)
    if wanted is not None:
        before, now = ({file.path: (file.size, file.digest) for file in m.files} for m in (wanted, found))
        odd = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        for path in odd[:20]:
            shown = path if path.isprintable() else ascii(path)
            out(f"{'missing' if path not in now else 'new' if path not in before else 'changed'}  {shown}")
        if odd:
            raise ClaimRejected("weights", f"{len(odd)} files differ")
        out("the files are those of the manifest")
        return
    if digest == found.digest.hex():
        out("the digest over files matches")
    elif (inner := found.tensor_digest) is not None and inner.hex() == digest:
        out("the digest over tensors matches")
    else:
        raise ClaimRejected("weights", "neither the digest over files nor that over tensors matches")


def _bytes(done: int, total: int) -> None:
    doing(f"{done / 2**30:.1f} of {total / 2**30:.1f} GiB read", done / total if total else 1.0)
