"""Pods as kube-state-metrics shows them: its /metrics, saved as text.

    series of one pod (its uid) --> chips, node, owner, when it was bound and when it ended

What it shows of Jobs has no chips, so that a Job counts only in its pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from claims.imports.charge import Source
from claims.imports.exposition import Line, NotExposition, parse_exposition
from claims.imports.rows import ImportRefused

__all__ = ["PodSeries", "read_pods"]

_TIMES = {
    "kube_pod_status_scheduled_time": "bound", "kube_pod_start_time": "started", "kube_pod_created": "created",
    "kube_pod_completion_time": "completed", "kube_pod_deletion_timestamp": "deleted",
}  # fmt: skip
_CHIPS = re.compile(r"kube_pod_(init_)?container_resource_(requests|limits)")
_OTHERS = ("kube_pod_info", "kube_pod_owner", "kube_pod_status_phase", "kube_pod_init_container_info")
_BEGINS = tuple(f"{name}{{" for name in (
    *_TIMES, *_OTHERS, *(f"kube_pod_{init}container_resource_{what}" for init in ("", "init_") for what in ("requests", "limits")),
))  # fmt: skip
_NUMBER = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?(?:[eE]\+?([0-9]{1,2}))?")
_NOBODY = ("", "<none>")
MAX_SECONDS = 1 << 34
MAX_TEXT = 300


@dataclass
class PodSeries:
    """What the series of one pod say.

    Attributes:
        source: where its first series stands.
        amounts: (runs before the others, container, resource) to the larger of request and limit.
        sidecars: init containers that run beside the others.
        times: Unix milliseconds of "bound", "started", "created", "completed", "deleted".
    """

    source: Source
    uid: str
    namespace: str
    name: str
    owner: str = ""
    node: str = ""
    phase: str = ""
    amounts: dict[tuple[bool, str, str], int] = field(default_factory=dict)
    sidecars: set[str] = field(default_factory=set)
    times: dict[str, int] = field(default_factory=dict)

    def chips(self, resources: Iterable[str]) -> int:
        """Of its containers and of what runs beside them, or of the largest one that runs before. ``resources``: as labels have them."""
        counted = {*resources}
        together, before = 0, dict[str, int]()
        for (init, container, resource), amount in self.amounts.items():
            if resource not in counted:
                continue
            if init and container not in self.sidecars:
                before[container] = before.get(container, 0) + amount
            else:
                together += amount
        return max(together, *before.values()) if before else together


def read_pods(name: str, data: bytes) -> list[PodSeries]:
    """All pods of a text, in order.

    Raises:
        ImportRefused: not such a text, a series that cannot be read, or nothing that says what pods there are and which chips they hold.
    """
    whole, pods, amounts = Source(name), dict[str, PodSeries](), 0
    try:
        for line in parse_exposition(data, _BEGINS):
            source = Source(name, line.number)
            pod = _pod(pods, line, source)
            amounts += _CHIPS.fullmatch(line.name) is not None
            _note(pod, line, source)
    except NotExposition as error:
        raise ImportRefused(name, error.line, f"not what kube-state-metrics prints: {error.what}", "save its /metrics again") from None
    if not any(pod.phase for pod in pods.values()):
        raise whole.refuse("it shows no pods", "save all of /metrics of kube-state-metrics, which watches pods of all namespaces")
    if not amounts:
        what = "it has no kube_pod_container_resource_requests and no _limits, which say what chips a pod holds"
        raise whole.refuse(what, "allow these series (--metric-allowlist of kube-state-metrics)")
    return list(pods.values())


def _label(line: Line, key: str, source: Source) -> str:
    text = line.labels.get(key, "")
    if len(text) > MAX_TEXT:
        raise source.refuse(f"label {key} is longer than {MAX_TEXT} characters")
    return text


def _pod(pods: dict[str, PodSeries], line: Line, source: Source) -> PodSeries:
    uid = _label(line, "uid", source)
    if not uid:
        raise source.refuse("a series of a pod has no label uid", "use kube-state-metrics 2 or later")
    pod = pods.get(uid)
    if pod is None:
        pod = pods[uid] = PodSeries(source, uid, _label(line, "namespace", source), _label(line, "pod", source))
    return pod


def _note(pod: PodSeries, line: Line, source: Source) -> None:
    name = line.name
    if name in _TIMES:
        seconds = _number(line, source)
        if seconds > MAX_SECONDS:
            raise source.refuse(f"{name} {line.value[:30]!r} is no time")
        pod.times[_TIMES[name]] = int(seconds * 1000)
    elif name == "kube_pod_info":
        pod.node = _label(line, "node", source) or pod.node
    elif name == "kube_pod_owner":
        if _label(line, "owner_is_controller", source) == "true" and (owner := _label(line, "owner_name", source)) not in _NOBODY:
            pod.owner = owner
    elif name == "kube_pod_status_phase":
        if _number(line, source) == 1:
            pod.phase = _label(line, "phase", source)
    elif name == "kube_pod_init_container_info":
        if _label(line, "restart_policy", source) == "Always":
            pod.sidecars.add(_label(line, "container", source))
    else:
        init = _CHIPS.fullmatch(name)
        key = (bool(init and init[1]), _label(line, "container", source), _label(line, "resource", source))
        if _label(line, "unit", source) == "integer":
            pod.amounts[key] = max(pod.amounts.get(key, 0), _whole(line, source))
            pod.node = pod.node or _label(line, "node", source)


def _number(line: Line, source: Source) -> Fraction:
    match = _NUMBER.fullmatch(line.value)
    if match is None:
        raise source.refuse(f"{line.name} {line.value[:30]!r} is not a number that is finite and not negative")
    return Fraction(match[1] + (f".{match[2]}" if match[2] else "")) * Fraction(10) ** int(match[3] or 0)


def _whole(line: Line, source: Source) -> int:
    number = _number(line, source)
    if number.denominator != 1 or number > 1 << 20:
        raise source.refuse(f"{line.name} {line.value[:30]!r} is not a whole number up to {1 << 20}")
    return int(number)
