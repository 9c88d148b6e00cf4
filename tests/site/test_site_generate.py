"""Writing the page: what is copied and what is not, whole or not at all, the same bytes again, and serving it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import posixpath
import re
import subprocess
import threading
from types import SimpleNamespace

import pytest

import claims.site.model as model
from claims.base.errors import UnreadableFile
from claims.site.collect import PrivateFile
from claims.site.generate import FORMAT, MARKER, SUMS, generate
from claims.site.serve import HEADERS, make_server
from tests.site.sample_view import AGREEMENT, fake_claim, sample

NOW = 1770000000
GOOD = {
    "agreement.toml": b"name = 1\n",
    "agreement.sigs": b'{"format": "standstill-agreement-signatures/1"}',
    "agreements/older.toml": b"name = 0\n",
    "decisions/lift.decision": b'{"format": "standstill-decision/1"}',
    "claims/aurora-0.claim": fake_claim("aurora", 0),
    "claims/aurora-0.roots": b"standstill-roots\x00\x01",
    "inspections/a.record": b'{"format": "standstill-inspection-record/1"}',
    "rounds/1000.json": b'{"round": 1000, "signature": "00", "randomness": "00"}',
    "evidence/x.evidence": b'{"format": "standstill-evidence/1"}',
    "log/checkpoint": b"origin\n",
    "log/checkpoints/12": b"origin\n",
    "log/checkpoints/sizes": b"12\n",
    "log/tile/0/000.p/12": bytes(384),
    "log/tile/0/x001/234": bytes(32),
    "log/tile/entries/000.p/12": bytes(20),
}
LEFT = {
    "lab.key": b"secret",
    "lab.store": b"SQLite format 3",
    "claims/aurora-0.entry": b"standstill-log",
    "claims/Aurora.claim": b"standstill-claim",
    "claims/lie-0.claim": b"<html>not a claim</html>",
    "claims/Big-0.claim": b"standstill-claim",
    "claims/deep/aurora-0.claim": b"standstill-claim",
    "inspections/opened.record": b'{"format": "standstill-opening/1", "readings": []}',
    "inspections/b.opening": b'{"format": "standstill-opening/1"}',
    "rounds/x.json": b'{"format": "standstill-opening/1", "round": 1, "signature": ""}',
    "evidence/y.evidence": b'{"format": "standstill-opening/1"}',
    "agreements/binary.toml": b"\x00\x01",
    "log/tile/0/1": b"",
    "log/tile/../../x": b"",
    ".git/config": b"",
    "index.html": b"<script>",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A publication folder, and a view that does not depend on its content."""
    root = tmp_path / "published"
    for path, data in {**GOOD, **LEFT}.items():
        target = root / os.path.normpath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def view_of(source, copied, state):
        view = sample("no")
        view["files"], view["computed_at"] = copied, state.now
        return view, {"agreement.bin": AGREEMENT}

    monkeypatch.setattr(model, "view_of", view_of)
    monkeypatch.setattr("claims.status.compute.compute", lambda folder, *, now: SimpleNamespace(now=now, holds="no"))
    return root


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_exactly_what_is_published_is_copied(folder, tmp_path):
    report = generate(folder, tmp_path / "site", now=NOW)
    files = tree(tmp_path / "site")
    copied = {path.removeprefix("files/"): data for path, data in files.items() if path.startswith("files/")}
    assert copied == GOOD
    left = {path for path, _ in report.left_out}
    assert left == {os.path.normpath(path) for path in LEFT}
    assert report.files == len(files) and report.bytes == sum(map(len, files.values())) and report.state.holds == "no"
    assert files[MARKER] == f"{FORMAT}\n".encode() and files["agreement.bin"] == AGREEMENT
    everything = b"".join(data for path, data in files.items())
    assert b"standstill-opening" not in everything.replace(b"standstill-opening/1 ", b"")


def test_sums_cover_every_file(folder, tmp_path):
    generate(folder, tmp_path / "site", now=NOW)
    files = tree(tmp_path / "site")
    listed = {line[66:]: line[:64] for line in files[SUMS].decode().splitlines()}
    assert listed == {path: hashlib.sha256(data).hexdigest() for path, data in files.items() if path != SUMS}
    subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=tmp_path / "site", check=True)
    for path in (tmp_path / "site").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_every_script_that_is_imported_is_there(folder, tmp_path):
    generate(folder, tmp_path / "site", now=NOW)
    files = tree(tmp_path / "site")
    for path, data in files.items():
        if path.endswith(".js"):
            for name in re.findall(r'(?:from|import)\s+"(\.[^"]+)"', data.decode()):
                assert posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) in files, (path, name)


def test_the_same_input_gives_the_same_bytes(folder, tmp_path):
    generate(folder, tmp_path / "one", now=NOW)
    generate(folder, tmp_path / "two", now=NOW)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_an_earlier_page_is_replaced_whole(folder, tmp_path):
    generate(folder, tmp_path / "site", now=NOW)
    before = tree(tmp_path / "site")
    (folder / "claims/aurora-0.claim").unlink()
    generate(folder, tmp_path / "site", now=NOW)
    after = tree(tmp_path / "site")
    assert before.keys() - after.keys() == {"files/claims/aurora-0.claim"}
    assert sorted(os.listdir(tmp_path)) == ["published", "site"]


def test_an_empty_folder_is_taken(folder, tmp_path):
    (tmp_path / "site").mkdir()
    generate(folder, tmp_path / "site", now=NOW)
    assert (tmp_path / "site" / MARKER).is_file()


@pytest.mark.parametrize("spoil", ["other file", "no marker", "added file", "no sums", "a file", "added link"])
def test_anything_else_is_left_alone(folder, tmp_path, spoil):
    place = tmp_path / "site"
    if spoil == "other file":
        place.mkdir()
        (place / "thesis.tex").write_text("years of work")
    elif spoil == "a file":
        place.write_text("years of work")
    else:
        generate(folder, place, now=NOW)
        if spoil == "added link":
            (place / "link").symlink_to(tmp_path)
        else:
            {
                "no marker": lambda: (place / MARKER).unlink(),
                "no sums": lambda: (place / SUMS).unlink(),
                "added file": lambda: (place / "files" / "thesis.tex").write_text("years of work"),
            }[spoil]()
    before = tree(place) if place.is_dir() else place.read_text()
    with pytest.raises(UnreadableFile):
        generate(folder, place, now=NOW)
    assert (tree(place) if place.is_dir() else place.read_text()) == before
    assert sorted(os.listdir(tmp_path)) == ["published", "site"]


def test_nothing_is_left_behind_when_it_fails(folder, tmp_path, monkeypatch):
    generate(folder, tmp_path / "site", now=NOW)
    before = tree(tmp_path / "site")
    (folder / "inspections/k.record").write_bytes(
        b'{"format": "standstill-inspection-record/1", "x": "-----BEGIN PRIVATE KEY-----"}'
    )
    with pytest.raises(PrivateFile):
        generate(folder, tmp_path / "site", now=NOW)
    (folder / "inspections/k.record").unlink()
    real = os.rename

    def rename(source, target):
        if str(source).endswith("page") or str(target).endswith("page"):
            return real(source, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(UnreadableFile):
        generate(folder, tmp_path / "site", now=NOW)
    monkeypatch.undo()
    assert tree(tmp_path / "site") == before and sorted(os.listdir(tmp_path)) == ["published", "site"]


def test_links_are_not_followed(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"standstill-claim secret")
    (folder / "claims/mallory-0.claim").symlink_to(secret)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/z.decision").write_bytes(GOOD["decisions/lift.decision"])
    (folder / "decisions/lift.decision").unlink()
    (folder / "decisions").rmdir()
    (folder / "decisions").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "claims/pipe-0.claim")
    report = generate(folder, tmp_path / "site", now=NOW)
    left = {path for path, _ in report.left_out}
    assert {"claims/mallory-0.claim", "decisions", "claims/pipe-0.claim"} <= left
    assert not any(b"secret" in data and path.startswith("files/") for path, data in tree(tmp_path / "site").items())


def test_places_inside_each_other_are_refused(folder, tmp_path):
    for place in (folder, folder / "site", tmp_path, folder / "claims" / ".." / "claims"):
        with pytest.raises(UnreadableFile):
            generate(folder, place, now=NOW)
    with pytest.raises(UnreadableFile):
        generate(tmp_path / "none", tmp_path / "site", now=NOW)
    with pytest.raises(UnreadableFile):
        generate(folder, tmp_path / "no" / "where", now=NOW)


def test_large_files_are_left_out(folder, tmp_path):
    with open(folder / "claims/aurora-0.claim", "r+b") as file:
        file.truncate(65 * 2**20)
    report = generate(folder, tmp_path / "site", now=NOW)
    assert [path for path, reason in report.left_out if "larger" in reason] == ["claims/aurora-0.claim"]


@pytest.fixture
def server(folder, tmp_path):
    generate(folder, tmp_path / "site", now=NOW)
    with make_server(tmp_path / "site", 0) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made.server_address
        made.shutdown()
        thread.join()


def ask(address, path, method="GET"):
    connection = http.client.HTTPConnection(*address, timeout=560)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_served_on_this_machine_with_its_policy(server, tmp_path):
    assert server[0] == "127.0.0.1"
    status, headers, body = ask(server, "/")
    assert status == 200 and body.startswith(b"<!doctype html>")
    assert (
        all(headers[name] == value for name, value in HEADERS.items())
        and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    )
    for path, kind in (
        ("/app.js", "text/javascript"),
        ("/site.json", "application/json"),
        ("/icon.svg", "image/svg+xml"),
    ):
        status, headers, _ = ask(server, path)
        assert status == 200 and headers["Content-Type"].startswith(kind)
    made = tmp_path / "site" / "files" / "log"
    (made / "checkpoints").mkdir(parents=True, exist_ok=True)
    text = "text/plain; charset=utf-8"
    for path, kind in (("checkpoint", text), ("checkpoints/7", text), ("000", "application/octet-stream")):
        (made / path).write_bytes(b"x")
        assert ask(server, f"/files/log/{path}")[1]["Content-Type"] == kind


@pytest.mark.parametrize("path", ["/files/", "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/none", "/files/claims"])
def test_the_server_lists_nothing_and_leaves_its_folder_never(server, tmp_path, path):
    (tmp_path / "secret").write_text("secret")
    status, _, body = ask(server, path)
    assert status in (301, 404) and b"secret\n" not in body and b"aurora" not in body


def test_only_pages_are_served(tmp_path):
    with pytest.raises(UnreadableFile):
        make_server(tmp_path, 0)


def test_site_json_is_the_view(folder, tmp_path):
    generate(folder, tmp_path / "site", now=NOW)
    view = json.loads((tmp_path / "site/site.json").read_text())
    assert view["format"] == FORMAT and view["computed_at"] == NOW
    for item in view["files"]:
        assert hashlib.sha256((tmp_path / "site" / item["path"]).read_bytes()).hexdigest() == item["sha256"]
