"""The page's markup: nothing of a file becomes markup, every state has a word and an icon, nothing is inline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import world

import claims.site
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import Amends
from claims.base.errors import MalformedFile
from claims.site.html import Html, clean, fill, h, join
from claims.site.render import page
from claims.site.words import STATES, day, duration, readable, size, span
from tests.site.sample_view import DAY, NASTY, START, sample, write_sample

ASSETS = Path(claims.site.__file__).parent / "page"
TEMPLATE = (ASSETS / "index.html").read_text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("answer", ["yes", "no", "undecided"])
def test_hostile_text_stays_text(answer):
    hostile, tame = read(page(TEMPLATE, sample(answer))), read(page(TEMPLATE, sample(answer, nasty=False)))
    # borealis' reason is hostile in both; count tags against a view whose every text is tame
    view = sample(answer, nasty=False)
    for row in view["claims"]:
        row["reason"] = "plain"
    plain = read(page(TEMPLATE, view))
    assert [tag for tag, _ in hostile.tags].count("script") == 1
    assert not any(tag == "img" for tag, _ in hostile.tags + tame.tags)
    assert [t for t, _ in tame.tags] == [t for t, _ in plain.tags]
    assert clean(NASTY) in "".join(hostile.text)


def test_every_text_of_a_view_is_escaped():
    """Whatever text of the view is hostile: the elements are the same as with harmless text."""
    base = sample("no", nasty=False)
    for row in base["claims"]:
        row["reason"] = "plain"

    def strings(value, path=()):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from strings(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from strings(item, (*path, index))
        elif isinstance(value, str):
            yield path

    fixed = {"state", "answer", "outcome", "kind", "format"}  # chosen by the program, out of a closed list

    def with_more(paths, more):
        view = json.loads(json.dumps(base))
        for path in paths:
            place = view
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] += more
        reader = read(page(TEMPLATE, view))
        return [(tag, list(attributes)) for tag, attributes in reader.tags]

    tried = [path for path in strings(base) if path[-1] not in fixed]
    assert len(tried) > 100
    for begin in range(16):  # all together, a sixteenth at a time: neighbours are hostile on different pages
        paths = tried[begin::16]
        assert with_more(paths, "<img src=x>\"><script>x</script>' onload=x <!--@main-->") == with_more(paths, "xyz"), paths


def test_nothing_is_inline_and_nothing_is_elsewhere():
    reader = read(page(TEMPLATE, sample("no")))
    for tag, attributes in reader.tags:
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert not re.match(r"(?i)\s*([a-z]+:|//)", attributes.get(name) or ""), (tag, attributes)
    policy = next(
        a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'"
    )
    for path in ASSETS.iterdir():
        text = path.read_text()
        assert (
            "innerHTML" not in text
            and "insertAdjacentHTML" not in text
            and "document.write" not in text
            and "eval(" not in text
        )
        outside = set(re.findall(r"https?://[^\s\"'`<>)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not outside, (path.name, outside)


def test_every_link_inside_the_page_leads_somewhere():
    reader = read(page(TEMPLATE, sample("no")))
    ids = [a["id"] for _, a in reader.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.tags:
        href = attributes.get("href") or ""
        if href.startswith("#") and tag in ("a", "use"):
            assert href[1:] in ids, href
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name, "main") in ids


def test_a_cell_links_only_to_a_claim_that_is_listed():
    reader = read(page(TEMPLATE, sample("no")))
    ids = {a["id"] for _, a in reader.tags if a.get("id")}
    links = [a["href"][1:] for t, a in reader.tags if t == "a" and "state" in (a.get("class") or "")]
    assert links and set(links) <= ids


@pytest.mark.parametrize("state", STATES)
def test_a_state_has_word_icon_and_tone(state):
    view = sample("yes", nasty=False)
    view["claims"] = [row for row in view["claims"] if (row["lab"], row["period"]) == ("aurora", 0)]
    view["claims"][0]["state"] = state
    text = page(TEMPLATE, view)
    cell = text[text.index('data-cell="aurora-0"') :]
    cell = cell[: cell.index("</td>")]
    assert f'href="#icon-{state.replace(" ", "-")}"' in cell and STATES[state][0] in cell
    assert f'id="icon-{state.replace(" ", "-")}"' in TEMPLATE
    style = (ASSETS / "style.css").read_text()
    assert f".state-{state.replace(' ', '-')}" in style


@pytest.mark.parametrize(
    ("answer", "words"),
    [("yes", "The standstill holds."), ("no", "The standstill does not hold."), ("undecided", "Not decided yet.")],
)
def test_headline(answer, words):
    text = page(TEMPLATE, sample(answer))
    assert f'<h1 id="headline">{words}</h1>' in text
    assert "As computed by the publisher" in text


def test_what_is_over_held_and_does_not_hold():
    view = sample("yes")
    view["life"]["expired"] = True
    assert '<h1 id="headline">The standstill held to its end.</h1>' in page(TEMPLATE, view)
    view["holds"]["answer"] = "no"
    assert "The standstill does not hold." in page(TEMPLATE, view)


def test_a_claim_that_only_an_inspection_speaks_against_shows_what_it_shows_on_paper():
    view = sample("no", nasty=False)
    row = next(row for row in view["claims"] if row["state"] == "rejected")
    assert "It would show, if it held" in page(TEMPLATE, view)
    row["check"] = "inspection"
    text = page(TEMPLATE, view)
    assert "On paper it shows" in text and "It would show, if it held" not in text


def test_labs_of_an_amended_agreement_stay_in_the_table():
    view = sample("no", nasty=False)
    view["agreement"]["labs"] = [lab for lab in view["agreement"]["labs"] if lab["name"] != "draco"]
    assert 'data-cell="draco-0"' in page(TEMPLATE, view)


def test_a_page_with_no_period_no_log_no_pause():
    view = sample("undecided")
    view["claims"], view["inspections"], view["log"] = [], [], None
    view["agreement"].update(pause=None, deadlines=None, amends={"digest": "ab" * 32, "from_period": 3})
    text = page(TEMPLATE, view)
    assert "No period has begun." in text and "names no public log" in text and "from period 3 on" in text


def test_pages_are_deterministic():
    assert page(TEMPLATE, sample("no")) == page(TEMPLATE, sample("no"))


def test_builder_refuses_what_the_policy_forbids():
    for tag, attributes in (
        ("script", {}),
        ("style", {}),
        ("p", {"onclick": "x"}),
        ("p", {"style": "x"}),
        ("p", {'x"y': "1"}),
    ):
        with pytest.raises(ValueError):
            h(tag, attributes)
    assert (
        str(h("p", {"title": '"<&>'}, "<b>", None, ["a", 1, h("br")]))
        == '<p title="&quot;&lt;&amp;&gt;">&lt;b&gt;a1<br></p>'
    )
    with pytest.raises(TypeError):
        join([1.5])


def test_slots_are_filled_once_and_exactly():
    assert fill("<!--@a-->", {"a": Html("<!--@b-->")}) == "<!--@b-->"
    for template, slots in (("<!--@a--><!--@a-->", {"a": Html("")}), ("", {"a": Html("")}), ("<!--@a-->", {})):
        with pytest.raises(MalformedFile):
            fill(template, slots)


def test_words():
    assert span(START, START + 14 * DAY) == "1 to 14 Jan 2026"
    assert span(START, START + 40 * DAY) == "1 Jan to 9 Feb 2026"
    assert span(START - DAY, START + DAY) == "31 Dec 2025 to 1 Jan 2026"
    assert span(START, START + 3600) == "1 Jan 2026, 00:00 to 01:00 UTC"
    assert day(10**18) == "second 1000000000000000000"
    assert [duration(s) for s in (0, 1, 90, 3600, 86400 * 14)] == [
        "0 seconds",
        "1 second",
        "90 seconds",
        "1 hour",
        "14 days",
    ]
    assert [size(n) for n in (1, 999, 1000, 391234, 5 * 10**6)] == ["1 byte", "999 bytes", "1.0 kB", "391 kB", "5.0 MB"]
    assert str(readable("at most 4.5e23 FLOP <b>")).endswith(
        '<sup>23</sup></span><span class="unseen">4.5e23</span> FLOP &lt;b&gt;'
    )
    assert str(readable("c0ffee1e5x")) == "c0ffee1e5x"
    for at in range(START, START + 366 * DAY, DAY):  # each day of a year
        stamp = datetime.fromtimestamp(at + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert str(readable(f"dated {stamp}.")) == f'dated <time datetime="{stamp}">{day(at)}, 00:01 UTC</time>.'
    assert "<time" not in str(readable("2026-02-30T00:00:00Z 2026-13-01T00:00:00Z"))


def test_a_lab_that_is_over_is_not_said_to_have_shown_nothing():
    """What "does not hold" means depends on why; and how much a lab may lose is on the page."""
    view = sample("no", nasty=False)
    assert "It need not mean that a limit was broken" in "".join(read(page(TEMPLATE, view)).text)
    for row in view["claims"]:
        row["state"] = "over" if row["state"] in ("missing", "rejected") else row["state"]
    text = "".join(read(page(TEMPLATE, view)).text)
    assert "A lab was over a limit that it signed" in text and "need not mean" not in text
    assert "counted as full use: aurora 1 %" in text
    for lab in view["agreement"]["labs"]:
        lab["lost"] = None
    assert "counted as full use" not in "".join(read(page(TEMPLATE, view)).text)


def test_the_meaning_of_the_state_and_of_a_claim_is_on_the_page():
    from claims.site.meaning import GLOSS
    from claims.verify.report import NOT_SHOWN

    assert set(GLOSS) == set(NOT_SHOWN), "every sentence has plain words, and none has words that nothing says"
    told = set()
    for answer in ("yes", "no", "undecided"):
        view = sample(answer, nasty=False)
        view["not_shown"] = [*NOT_SHOWN, "that something new is so"]
        text = "".join(read(page(TEMPLATE, view)).text)
        for line in (*GLOSS.values(), "that something new is so", "The next claims are due on 15 Feb 2026", "none left out"):
            assert line in text
        assert "freeze level was trained" not in text
        told.add(text.split("What a claim shows, and what it does not")[0].rsplit("\n", 1)[-1])
        view["agreement"]["labs"][0]["caps"][0]["freeze"] = "1e25 FLOP"
        assert "freeze level was trained" in "".join(read(page(TEMPLATE, view)).text)
    assert len(told) == 3


SURVEY = """
import { readFileSync } from "node:fs";
import { survey } from "./survey.js";
const bytes = (name) => name && new Uint8Array(readFileSync(name));
const out = JSON.parse(readFileSync("lists.json", "utf8")).map((names) => {
  const agreements = names.map((name) => ({ agreement: bytes(name), signatures: bytes(`${name}.sigs`) }));
  const { chain, items, gaps } = survey({ agreements, decisions: [], evidence: [], log: null, until: 1e12 });
  return { chain: chain.map(({ place, from }) => [names[place], from]), periods: items.map((item) => item.period), gaps };
});
console.log(JSON.stringify(out));
"""


def surveyed(folder: Path, agreements: dict[str, Agreement], *lists: tuple[str, ...]) -> list[dict[str, Any]]:
    """What the page's survey makes of lists of agreements, by name, all of them signed."""
    write_sample(folder, "yes")
    for name, agreement in agreements.items():
        (folder / name).write_bytes(canonical_bytes(agreement))
        (folder / f"{name}.sigs").write_bytes(world.signed(agreement).encode())
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "survey-run.js").write_text(SURVEY)
    (folder / "worker.js").write_bytes((Path(claims.site.__file__).parent / "page/worker.js").read_bytes())
    (folder / "lists.json").write_text(json.dumps(lists))
    done = subprocess.run(["node", "survey-run.js"], cwd=folder, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_agreement_of_a_period_follows_from_the_amendments(tmp_path):
    """Not from what site.json says of a claim; an agreement that is missing is missed."""
    agreements = {"first": replace(world.agreement(), name="first")}
    for period, name in ((1, "second"), (2, "third")):
        last = list(agreements.values())[-1]
        agreements[name] = replace(last, name=name, amends=Amends(last.digest, period))
    whole, gap, older, oldest = surveyed(
        tmp_path / "site", agreements,
        ("third", "first", "second"), ("third", "first"), ("second", "third", "first"), ("first", "second"),
    )  # fmt: skip
    assert whole["chain"] == [["third", 2], ["second", 1], ["first", 0]] and whole["gaps"] == []
    assert gap["chain"] == [["third", 2]] and "is not here" in gap["gaps"][0]
    assert older["chain"] == [["second", 1], ["first", 0]] and oldest["chain"] == [["first", 0]]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_no_period_is_wanted_twice_under_an_amendment_that_corrects_another(tmp_path):
    """The corrected one has not begun when the correction does, or begins even after it."""
    first = replace(world.agreement(), labs=world.agreement().labs[:1])
    wrong = replace(first, amends=Amends(first.digest, 2))
    right, early = (replace(first, amends=Amends(wrong.digest, begin)) for begin in (2, 1))
    given = {"a": first, "b": wrong, "c": right, "d": early}
    one, two = surveyed(tmp_path / "site", given, ("c", "b", "a"), ("d", "b", "a"))
    assert sorted(one["periods"]) == sorted(two["periods"]) == list(range(first.periods))
    assert one["gaps"] == [] and "begins after the one that amends it" in two["gaps"][0]


def test_hidden_characters_of_a_text_are_shown_as_such():
    assert clean("a\u202eb\u200bc\x1bd\ue000e") == "a\ufffdb\ufffdc\ufffdd\ufffde"
    assert clean("a\nb\tc\u00a0d\u3000e") == "a b c\u00a0d\u3000e"


def test_many_periods_are_folded_unless_something_is_wrong_in_them():
    def view(count, states=()):
        out = sample("yes", nasty=False)
        base = out["claims"][0]
        for row in [{**base, "period": period, "state": dict(states).get(period, "proven")} for period in range(count)]:
            for name in ("begin", "end", "due"):
                row[name] = base[name] + row["period"] * 14 * DAY
            out["claims"].append(row)
        out["claims"] = out["claims"][-count:]
        return page(TEMPLATE, out)

    few, many, wrong = view(4), view(9), view(9, {2: "missing"}.items())
    assert "Earlier" not in few and many.count("Earlier periods: 0 to 4") == 1 and "Earlier periods: 5 claims" in many
    assert many.count('<details class="legend older">') == 2 and wrong.count('<details class="legend older" open>') == 2
    for period in range(9):
        assert many.count(f'data-cell="aurora-{period}"') == 1 and many.count(f'id="claim-aurora-{period}"') == 1
    assert 'class="timeline"' in few and 'class="timeline dense"' in many and 'class="timeline dense denser"' in view(30)
