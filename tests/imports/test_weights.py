"""Digests of checkpoint folders: canonical, complete, streaming; hostile folders and files are refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import socket
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims.imports import weights as module
from claims.imports import weights_files, weights_progress
from claims.imports.safetensors import BadSafetensors, Tensor, TensorHasher, parse_header
from claims.imports.weights import digest_folder
from claims.imports.weights_files import FileDigest, Found, Manifest, WeightsError, scan
from claims.imports.weights_progress import manifest_bytes, read_manifest


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], metadata: dict[str, str] | None = None) -> bytes:
    table: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, (dtype, shape, data) in tensors.items():
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + body


def recomputed(files: dict[str, bytes]) -> bytes:
    """The digest over files, written down once more."""
    domain = b"standstill/weights-files/v1"
    text = len(domain).to_bytes(2, "big") + domain + len(files).to_bytes(4, "big")
    for path in sorted(files, key=str.encode):
        name, data = path.encode(), files[path]
        text += len(name).to_bytes(2, "big") + name + len(data).to_bytes(8, "big") + hashlib.sha256(data).digest()
    return hashlib.sha256(text).digest()


A = {"a": ("F32", [2, 2], bytes(range(16))), "b": ("BF16", [3], b"abcdef"), "e": ("U8", [0], b"")}
FILES = {"model.safetensors": safetensors(A), "config.json": b"{}", "sub/.hidden": b"x", "sub/empty": b""}


def test_the_digest_is_what_its_definition_says(tmp_path: Path) -> None:
    manifest = digest_folder(write(tmp_path / "m", FILES))
    assert manifest.digest == recomputed(FILES) and manifest.tensor_digest is None
    assert [file.path for file in manifest.files] == ["config.json", "model.safetensors", "sub/.hidden", "sub/empty"]


def test_a_vector(tmp_path: Path) -> None:
    manifest = digest_folder(write(tmp_path / "m", {"w.bin": b"standstill"}))
    assert manifest.digest.hex() == "e23d2a7401c57570777151127539cc8299074b0a5b8e78eed77447dccbc48f6e"


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("abcé/.", min_size=1, max_size=6), st.binary(max_size=40), min_size=1, max_size=6), st.integers(1, 5))
def test_any_folder_is_digested_as_defined(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], threads: int) -> None:
    clean = {}
    for name, data in files.items():
        parts = [part + "f" for part in name.split("/") if part.strip(".")]
        if parts:
            parts[:-1] = [part + "d" for part in parts[:-1]]
            clean["/".join(parts)] = data
    if not clean:
        return
    folder = write(tmp_path_factory.mktemp("w"), clean)
    assert digest_folder(folder, threads=threads).digest == recomputed(clean)


def test_every_byte_name_and_move_changes_the_digest(tmp_path: Path) -> None:
    digests = {digest_folder(write(tmp_path / "0", FILES)).digest}
    changed = [
        FILES | {"config.json": b"{ }"}, FILES | {"new": b""}, {k: v for k, v in FILES.items() if k != "sub/empty"},
        {("config.jso" if k == "config.json" else k): v for k, v in FILES.items()},
        {k.replace("sub/", ""): v for k, v in FILES.items()},
    ]  # fmt: skip
    for number, files in enumerate(changed, 1):
        digests.add(digest_folder(write(tmp_path / str(number), files)).digest)
    assert len(digests) == len(changed) + 1


def test_big_files_are_streamed_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    assert digest_folder(write(tmp_path / "m", FILES), tensors=True).digest == recomputed(FILES)


def test_names_are_compared_in_nfc(tmp_path: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    one = digest_folder(write(tmp_path / "1", {composed: b"x"})).digest
    two = digest_folder(write(tmp_path / "2", {apart: b"x"})).digest
    assert one == two == recomputed({composed: b"x"})
    with pytest.raises(WeightsError, match="how Unicode writes it"):
        digest_folder(write(tmp_path / "3", {composed: b"x", apart: b"x"}))


# ---- what is refused -------------------------------------------------------------------------------------


def test_links_devices_and_pipes_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", {"a": b"x"})
    (tmp_path / "blob").write_bytes(b"weights")
    (folder / "link").symlink_to(tmp_path / "blob")
    with pytest.raises(WeightsError, match="link: it is a link"):
        digest_folder(folder)
    assert digest_folder(folder, follow_links=True).digest == recomputed({"a": b"x", "link": b"weights"})
    (folder / "link").unlink()
    for target in (tmp_path, tmp_path / "missing", folder / "loop"):
        (folder / "loop").symlink_to(target)
        with pytest.raises(WeightsError, match="loop"):
            digest_folder(folder, follow_links=True)
        (folder / "loop").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(WeightsError, match="pipe: it is not a regular file"):
        digest_folder(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        with pytest.raises(WeightsError, match="not a regular file"):
            digest_folder(folder)


def test_empty_missing_and_strange_folders_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path / "empty", tmp_path / "file"):
        if folder.name == "empty":
            folder.mkdir()
        if folder.name == "file":
            folder.write_bytes(b"")
        with pytest.raises(WeightsError):
            digest_folder(folder)
    strange = tmp_path / "strange"
    strange.mkdir()
    with open(os.fsencode(strange) + b"/\xff", "wb"):
        pass
    with pytest.raises(WeightsError, match="not UTF-8"):
        digest_folder(strange)


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_files, "MAX_DEPTH", 2)
    with pytest.raises(WeightsError, match="nested deeper"):
        digest_folder(write(tmp_path / "m", {"a/b/c/d": b""}))
    monkeypatch.setattr(weights_files, "MAX_FILES", 2)
    with pytest.raises(WeightsError, match="more than 2 files"):
        digest_folder(write(tmp_path / "n", {"a": b"", "b": b"", "c": b""}))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "m", {"a": b"x" * 100})
    found = scan(folder)[0]
    monkeypatch.setattr(module, "CHUNK", 10)
    real, calls = os.readv, []

    def growing(handle: int, buffers: list) -> int:
        calls.append(1)
        if len(calls) == 3:
            with open(folder / "a", "ab") as file:
                file.write(b"y")
        return real(handle, buffers)

    monkeypatch.setattr(module.os, "readv", growing)
    with pytest.raises(WeightsError, match="changed while it was read"):
        module.hash_file(found, tensors=False)
    assert len(calls) < 10


def test_a_folder_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", {"a": b"x", "b": b"y"})

    def add(done: int, total: int) -> None:
        (folder / "c").write_bytes(b"")

    with pytest.raises(WeightsError, match="the folder changed"):
        digest_folder(folder, threads=1, report=add)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    files = {".metadata": pickle.dumps(Bomb()), "__0_0.distcp": pickle.dumps(Bomb()), "pytorch_model.bin": pickle.dumps(Bomb())}
    assert digest_folder(write(tmp_path / "m", files), tensors=True).digest == recomputed(files)
    assert not (tmp_path / "exploded").exists()


def test_parts_of_a_checkpoint_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"without its \.metadata"):
        digest_folder(write(tmp_path / "1", {"step/__0_0.distcp": b"x", ".metadata": b""}))
    index = {"weight_map": {"a": "s1.safetensors", "b": "s2.safetensors"}}
    one, two = safetensors({"a": A["a"]}), safetensors({"b": A["b"]})
    name = "model.safetensors.index.json"
    good = {name: json.dumps(index).encode(), "s1.safetensors": one, "s2.safetensors": two}
    assert digest_folder(write(tmp_path / "2", good)).digest == recomputed(good)
    bad = [
        ({k: v for k, v in good.items() if k != "s2.safetensors"}, "its shard s2.safetensors is missing"),
        (good | {"s2.safetensors": one}, "it has, unlike the index, the tensor 'a'"),
        (good | {name: b'{"weight_map": {"a": "s1.safetensors", "z": "s1.safetensors"}}'}, "it lacks the tensor 'z'"),
        (good | {name: b'{"weight_map": {"a": "../s1.safetensors"}}'}, "not mapped to a file name"),
        (good | {name: b'{"weight_map": {"a": 3}}'}, "not mapped to a file name"),
        (good | {name: b'{"weight_map": {"a": ".."}}'}, "missing"),
        (good | {name: b"[]"}, "no weight_map"),
        (good | {name: b"[" * 100_000}, "not JSON"),
        (good | {name: b"\xff"}, "not JSON"),
        ({"pytorch_model.bin.index.json": b'{"weight_map": {"a": "p.bin"}}'}, "its shard p.bin is missing"),
        ({"pytorch_model.bin.index.json": b'{"weight_map": {"a": "p.bin"}}', "p.bin": b""}, "of weights that is empty"),
        ({"m.safetensors": b""}, "of weights that is empty"),
        ({f"m-0000{n}-of-00003.bin": b"x" for n in (1, 3)}, "2 of the 3 shards m-\\*-of-00003.bin are there"),
        ({f"m-0000{n}-of-00002.bin": b"x" for n in (1, 3)}, "2 of the 2 shards"),
        (
            {"b.bin.index.json": b'{"weight_map": {"a": "m-00001-of-00002.bin"}}'}
            | {f"m-0000{n}-of-00002.bin": b"x" for n in (1, 2)},
            "it names 1 of the 2 shards",
        ),
    ]
    for number, (files, message) in enumerate(bad, 3):
        with pytest.raises(WeightsError, match=message):
            digest_folder(write(tmp_path / str(number), files))


def test_numbered_shards_that_are_all_there_are_read(tmp_path: Path) -> None:
    for start in (0, 1):
        files = {f"m-{start + n:05d}-of-00003.bin": b"x" for n in range(3)}
        assert digest_folder(write(tmp_path / str(start), files)).digest == recomputed(files)


def test_tensors_of_a_folder_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TENSORS", 2)
    folder = write(tmp_path / "m", {"model.safetensors": safetensors(A)})
    assert digest_folder(folder)
    with pytest.raises(WeightsError, match="more than 2 tensors"):
        digest_folder(folder, tensors=True)


def test_a_header_of_too_many_tensors_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("claims.imports.safetensors.from_json", parse)
    one = b'"t%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    for header in (b",".join(one % n for n in range(100_001)), b'"a":[' + b"[]," * 300_000 + b"[]]", b'"a":[' + b"0," * 4_000_000 + b"0]"):
        with pytest.raises(BadSafetensors, match="more than 100000 tensors"):
            parse_header(b"{" + header + b"}", 0)


# ---- safetensors -----------------------------------------------------------------------------------------


def _raw(header: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + body


def _one(**changes: object) -> bytes:
    return json.dumps({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]} | changes}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a file of weights that is empty"),
        (b"1234567", "ends too early"),
        (_raw(b"{}", length=2**63), "is said to have"),
        (_raw(b"{}", length=3), "is said to have"),
        (_raw(b"", length=0), "is said to have"),
        (_raw(b"{]"), "not JSON"),
        (_raw(_one(shape=[2**64 - 1] * 255), b"ab"), "more than 2.64 elements"),
        (_raw(_one(shape=[2**64 - 1] * 254 + [0]), b"ab"), "0 x U8 do not fill 2 bytes"),
        (_raw(b'{"a":' * 100_000), "not JSON"),
        (_raw(b"[]"), "begin with a brace"),
        (_raw(b" {}"), "begin with a brace"),
        (_raw(b"{\xff}"), "not JSON"),
        (_raw(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"), "twice"),
        (_raw(_one(), b"1"), "end at byte 2 of 1"),
        (_raw(_one(), b"123"), "end at byte 2 of 3"),
        (_raw(_one(data_offsets=[1, 3]), b"123"), "begins at byte 1, 0 is due"),
        (_raw(_one(data_offsets=[2, 0]), b"12"), "ascending"),
        (_raw(_one(data_offsets=[0, 2, 3]), b"12"), "data_offsets"),
        (_raw(_one(data_offsets=[-2, 0]), b"12"), "data_offsets"),
        (_raw(_one(data_offsets=[0, 2**70]), b"12"), "data_offsets"),
        (_raw(_one(data_offsets=[False, 2]), b"12"), "data_offsets"),
        (_raw(_one(shape=[3]), b"12"), "3 x U8 do not fill 2 bytes"),
        (_raw(_one(shape=[2**63, 2**63, 2]), b"12"), "more than 2.64 elements"),
        (_raw(_one(shape=2), b"12"), "shape"),
        (_raw(_one(shape=[1] * 256), b"12"), "shape"),
        (_raw(_one(dtype="F4"), b"12"), "2 x F4 do not fill"),
        (_raw(_one(dtype=8), b"12"), "dtype"),
        (_raw(_one(dtype="\u00fc"), b"12"), "dtype"),
        (_raw(_one(extra=1), b"12"), "other fields"),
        (_raw(b'{"a": 3}'), "other fields"),
        (_raw(b'{"\\ud800": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "not Unicode"),
        (_raw(b'{"__metadata__": {"a": 1}}'), "__metadata__"),
    ],
)
def test_malformed_safetensors_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        digest_folder(write(tmp_path / "m", {"x.safetensors": data}))
    assert caught.value.path == "x.safetensors"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_header_is_read_or_refused(data: bytes) -> None:
    try:
        tensors = parse_header(data, 0)
    except BadSafetensors:
        return
    assert all(tensor.begin == tensor.end == 0 for tensor in tensors)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=9), max_size=6), st.lists(st.integers(1, 10), max_size=8))
def test_tensors_are_hashed_across_any_chunks(bodies: list[bytes], cuts: list[int]) -> None:
    tensors, at = [], 0
    for number, body in enumerate(bodies):
        tensors.append(Tensor(str(number), "U8", (len(body),), at, at + len(body)))
        at += len(body)
    hasher, data, position = TensorHasher(tensors), b"".join(bodies), 0
    for cut in [*cuts, len(data)]:
        hasher.update(memoryview(data)[position : position + cut])
        position += cut
    assert hasher.digests == [hashlib.sha256(body).digest() for body in bodies]


def test_headers_padded_with_spaces_are_read(tmp_path: Path) -> None:
    data = _raw(_one() + b" " * 9, b"12")
    assert digest_folder(write(tmp_path / "m", {"x.safetensors": data})).digest == recomputed({"x.safetensors": data})


def test_the_tensor_digest_does_not_depend_on_sharding(tmp_path: Path) -> None:
    whole = digest_folder(write(tmp_path / "1", {"m.safetensors": safetensors(A, {"format": "pt"})}), tensors=True)
    split = digest_folder(
        write(tmp_path / "2", {"x.safetensors": safetensors({"b": A["b"]}), "y.safetensors": safetensors({"e": A["e"], "a": A["a"]})}),
        tensors=True,
    )  # fmt: skip
    assert whole.tensor_digest == split.tensor_digest is not None and whole.digest != split.digest
    others = [
        A | {"a": ("F32", [4], A["a"][2])}, A | {"a": ("I32", [2, 2], A["a"][2])}, A | {"a": ("F32", [2, 2], bytes(16))},
        {("c" if k == "b" else k): v for k, v in A.items()}, {k: v for k, v in A.items() if k != "e"},
    ]  # fmt: skip
    digests = {digest_folder(write(tmp_path / f"o{i}", {"m.safetensors": safetensors(o)}), tensors=True).tensor_digest
               for i, o in enumerate(others)}  # fmt: skip
    assert len(digests | {whole.tensor_digest}) == 6
    with pytest.raises(WeightsError, match="two files have a tensor"):
        twins = {"x.safetensors": safetensors(A), "y.safetensors": safetensors(A)}
        _ = digest_folder(write(tmp_path / "3", twins), tensors=True).tensor_digest


def test_the_tensor_digest_is_what_its_definition_says(tmp_path: Path) -> None:
    manifest = digest_folder(write(tmp_path / "1", {"m.safetensors": safetensors(A)}), tensors=True)
    domain = b"standstill/weights-tensors/v1"
    text = len(domain).to_bytes(2, "big") + domain + (3).to_bytes(4, "big")
    for name, (dtype, shape, data) in sorted(A.items()):
        text += len(name).to_bytes(4, "big") + name.encode() + len(dtype).to_bytes(2, "big") + dtype.encode()
        text += bytes([len(shape)]) + b"".join(n.to_bytes(8, "big") for n in shape)
        text += len(data).to_bytes(8, "big") + hashlib.sha256(data).digest()
    assert manifest.tensor_digest == hashlib.sha256(text).digest()


# ---- resuming, manifests ---------------------------------------------------------------------------------


@pytest.fixture
def not_racy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_progress, "RACY_NS", -(10**18))


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = module.hash_file

    def counting(found: Found, **rest: object) -> FileDigest:
        seen.append(found.path)
        return real(found, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "hash_file", counting)
    return seen


def test_an_interrupted_digest_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, not_racy: None) -> None:
    folder, progress = write(tmp_path / "m", FILES | {"z.safetensors": b"broken"}), tmp_path / "progress"
    with pytest.raises(WeightsError, match=r"z\.safetensors"):
        digest_folder(folder, progress=progress, threads=1)
    (folder / "z.safetensors").write_bytes(safetensors({"q": A["b"]}))
    done = set(json.loads(progress.read_text())["files"])
    seen = _reads(monkeypatch)
    manifest = digest_folder(folder, progress=progress, tensors=False)
    assert done and set(seen) == {*FILES, "z.safetensors"} - done
    assert manifest == digest_folder(folder) and os.stat(progress).st_mode & 0o777 == 0o600
    seen.clear()
    assert digest_folder(folder, progress=progress) == manifest and seen == []
    assert digest_folder(folder, progress=progress, tensors=True).tensor_digest is not None
    assert seen == ["model.safetensors", "z.safetensors"] or sorted(seen) == ["model.safetensors", "z.safetensors"]
    seen.clear()
    again = digest_folder(folder, progress=progress, tensors=True)
    assert seen == [] and again.tensor_digest == digest_folder(folder, tensors=True).tensor_digest


def test_a_changed_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, not_racy: None) -> None:
    folder, progress = write(tmp_path / "m", {"a": b"1" * 50, "b": b"2"}), tmp_path / "progress"
    digest_folder(folder, progress=progress)
    before = os.stat(folder / "a")
    (folder / "a").write_bytes(b"3" * 50)
    os.utime(folder / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    seen = _reads(monkeypatch)
    assert digest_folder(folder, progress=progress).digest == recomputed({"a": b"3" * 50, "b": b"2"})
    assert seen == ["a"]


def test_a_forged_mark_does_not_pass_the_probe(tmp_path: Path, not_racy: None) -> None:
    folder, progress = write(tmp_path / "m", {"a": b"1" * 50}), tmp_path / "progress"
    digest_folder(folder, progress=progress)
    (folder / "a").write_bytes(b"3" * 50)
    table = json.loads(progress.read_text())
    table["files"]["a"]["mark"] = list(scan(folder)[0].mark)
    table["sum"] = hashlib.sha256(weights_progress._dump(table["files"])).hexdigest()
    progress.write_bytes(weights_progress._dump(table))
    assert digest_folder(folder, progress=progress).digest == recomputed({"a": b"3" * 50})


def test_fresh_files_are_not_remembered(tmp_path: Path) -> None:
    folder, progress = write(tmp_path / "m", {"a": b"1"}), tmp_path / "progress"
    digest_folder(folder, progress=progress)
    assert json.loads(progress.read_text())["files"] == {}


def test_damaged_and_misplaced_progress_files_are_refused(tmp_path: Path, not_racy: None) -> None:
    folder, progress = write(tmp_path / "m", {"a": b"1"}), tmp_path / "progress"
    with pytest.raises(WeightsError, match="in the folder itself"):
        digest_folder(folder, progress=folder / "p")
    digest_folder(folder, progress=progress)
    good = progress.read_bytes()
    for text in (b"", b"[]", good.replace(b'"a"', b'"b"'), b"[" * 100_000, b"\xff", good[:-20]):
        progress.write_bytes(text)
        with pytest.raises(WeightsError, match="intact progress file"):
            digest_folder(folder, progress=progress)


def test_manifests_read_back_and_damage_is_seen(tmp_path: Path) -> None:
    manifest, path = digest_folder(write(tmp_path / "m", FILES)), tmp_path / "manifest"
    path.write_bytes(manifest_bytes(manifest))
    assert read_manifest(path).digest == manifest.digest
    good = path.read_bytes()
    for text in (b"", b"{}", good.replace(b"config", b"c0nfig"), good.replace(b'"size": 2', b'"size": true'), b"[" * 100_000):
        path.write_bytes(text)
        with pytest.raises(WeightsError, match="intact manifest"):
            read_manifest(path)


def test_a_manifest_names_each_file_once_and_in_order(tmp_path: Path) -> None:
    """Else a lab records the digest of a list that no folder has, and shows the folder that the list's last lines fit."""
    true = digest_folder(write(tmp_path / "m", FILES))
    for files in ((FileDigest("config.json", 1, bytes(32)), *true.files), true.files[::-1], true.files):
        (tmp_path / "m.json").write_bytes(manifest_bytes(Manifest(tuple(files))))
        if files is true.files:
            assert read_manifest(tmp_path / "m.json").digest == true.digest
            continue
        with pytest.raises(WeightsError, match="not an intact manifest"):
            read_manifest(tmp_path / "m.json")
