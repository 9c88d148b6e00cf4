"""A plugin of pytest that shows every proof of tests/tampering to the JavaScript verifier too: `pytest -p tests.site.third_judge`.

What `tests.tampering.judge.judge` is asked is written down, and judged at the end of the session in one go; a verdict that differs
fails the session. Tests that replace the transcript are left out: the third judge has its own.
"""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.tampering import judge as module
from tests.toy import Instance

HERE = Path(__file__).parent
MOST = 6000

_judge = module.judge
_asked: dict[tuple[Any, ...], tuple[dict[str, Any], str]] = {}
_followed = True


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def judge(item: Instance, proof: bytes, *, both: bool = True) -> str:
    """As the one it replaces; remembers what was asked and the answer."""
    answer = _judge(item, proof, both=both)
    if _followed and type(proof) is bytes and len(_asked) < MOST:
        program = item.program.encode()
        statement = json.dumps([item.publics, item.public_interactions, item.log_rows, asdict(item.options)])
        case = {"program": _text(program), "proof": _text(proof), "statement": json.loads(statement)}
        _asked[program, proof, statement] = (case, answer)
    return answer


module.judge = judge


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whether this test leaves the transcript as it is."""
    global _followed
    _followed = "monkeypatch" not in getattr(item, "fixturenames", ())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The third verdict on everything."""
    request = json.dumps({"task": "whole", "cases": [case for case, _ in _asked.values()]})
    done = subprocess.run(["node", str(HERE / "judge.mjs")], input=request, capture_output=True, text=True, timeout=560)
    if done.returncode != 0:
        print(done.stderr[-3000:])
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return
    found = [answer.get("check", module.ACCEPTED) for answer in json.loads(done.stdout)]
    expected = [answer for _, answer in _asked.values()]
    differ = [(number, one, other) for number, (one, other) in enumerate(zip(expected, found, strict=True)) if one != other]
    print(f"\nthird judge: {len(found)} proofs, {len(set(expected))} outcomes, {len(differ)} differ {differ[:8]}")
    if differ:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
