"""Golden proofs: both verifiers accept them, the page's encodings have not moved, and anyone can make them again."""

from __future__ import annotations

import json

import pytest

from tests.tampering.judge import ACCEPTED, judge
from tests.vectors import make

NAMES = list(make.names())


@pytest.mark.parametrize("name", NAMES)
def test_both_verifiers_accept(name: str) -> None:
    assert judge(*make.load(name)) == ACCEPTED


@pytest.mark.parametrize("name", NAMES)
def test_encodings_have_not_moved(name: str) -> None:
    data = json.loads((make.FOLDER / f"{name}.json").read_text())
    item, _ = make.load(name)
    assert item.program.encode().hex() == data["program"]
    assert item.option_words() == data["options_words"]


def test_a_vector_is_made_again_byte_for_byte() -> None:
    item, proof = make.make("counter")
    assert make.document("counter", item, proof) == (make.FOLDER / "counter.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_vectors_are_made_again(name: str) -> None:
    assert make.document(name, *make.make(name)) == (make.FOLDER / f"{name}.json").read_text()
