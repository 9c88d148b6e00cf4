"""A chip exporter over real HTTP on this machine: it can go down, hang, drip, lie, repeat itself, and change jobs."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HELP = {
    "sm_clock": ("gauge", "SM clock frequency (in MHz)."),
    "gpu_temp": ("gauge", "GPU temperature (in C)."),
    "power_usage": ("gauge", "Power draw (in W)."),
    "total_energy_consumption": ("counter", "Total energy consumption since boot (in mJ)."),
    "gpu_util": ("gauge", "GPU utilization (in %)."),
    "gr_engine": ("gauge", "Ratio of time the graphics engine is active."),
    "tensor": ("gauge", "Ratio of cycles the tensor (HMMA) pipe is active."),
}
NEW = {
    "sm_clock": "DCGM_FI_DEV_SM_CLOCK", "gpu_temp": "DCGM_FI_DEV_GPU_TEMP", "power_usage": "DCGM_FI_DEV_POWER_USAGE",
    "total_energy_consumption": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "gpu_util": "DCGM_FI_DEV_GPU_UTIL",
    "gr_engine": "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "tensor": "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
}  # fmt: skip
RATIO = NEW | {"gr_engine": "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", "tensor": "DCGM_FI_PROF_TENSOR_UTIL_RATIO"}
OLD = {
    "sm_clock": "dcgm_sm_clock", "gpu_temp": "dcgm_gpu_temp", "power_usage": "dcgm_power_usage",
    "total_energy_consumption": "dcgm_total_energy_consumption", "gpu_util": "dcgm_gpu_utilization",
    "gr_engine": "dcgm_fi_prof_gr_engine_active", "tensor": "dcgm_fi_prof_pipe_tensor_active",
}  # fmt: skip
STYLES = {"new": NEW, "ratio": RATIO, "old": OLD}


@dataclass
class Gpu:
    """What a GPU shows. ``jobs``: ids of hpc_job; ``pod``: namespace, pod, container; ``energy`` None: no such counter."""

    uuid: str
    tensor: str | None = "0.000000"
    util: int | None = 0
    energy: int | None = 1_000_000
    jobs: tuple[str, ...] = ()
    pod: tuple[str, str, str] | None = None

    def values(self) -> dict[str, str]:
        watts = 650 if self.util else 70
        found = {"sm_clock": "1980", "gpu_temp": "41", "power_usage": f"{watts}.125000"}
        optional = {
            "total_energy_consumption": self.energy,
            "gpu_util": self.util,
            "gr_engine": None if self.util is None else f"{self.util / 100:.6f}",
            "tensor": self.tensor,
        }
        return found | {name: str(value) for name, value in optional.items() if value is not None}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _labels(number: int, gpu: Gpu, style: str, job: str | None) -> str:
    if style == "old":
        labels = {"gpu": str(number), "uuid": gpu.uuid}
        names = ("pod_namespace", "pod_name", "container_name")
    else:
        labels = {
            "gpu": str(number), "UUID": gpu.uuid, "pci_bus_id": f"00000000:{number:02X}:00.0", "device": f"nvidia{number}",
            "modelName": "NVIDIA H100 80GB HBM3", "Hostname": "gpu-node-01", "DCGM_FI_DRIVER_VERSION": "550.90.07",
        }  # fmt: skip
        names = ("namespace", "pod", "container")
    if gpu.pod is not None:
        labels |= dict(zip(names, gpu.pod, strict=True))
    if job is not None:
        labels["hpc_job"] = job
    return "{" + ",".join(f"{name}={_quoted(value)}" for name, value in labels.items()) + "}"


def render(gpus: list[Gpu], style: str = "new") -> bytes:
    """The text that an exporter of this generation would answer."""
    lines = []
    for quantity, name in STYLES[style].items():
        kind, text = HELP[quantity]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for number, gpu in enumerate(gpus):
            value = gpu.values().get(quantity)
            if value is not None:
                lines += [f"{name}{_labels(number, gpu, style, job)} {value}" for job in gpu.jobs or (None,)]
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Exporter:
    """Serves ``gpus`` on ``url``.

    ``mode``: ok, status, redirect, 404, 204, hang, drip, short, gzip (in name only), packed, cut, endless, unending, or bytes to
    answer with.
    """

    gpus: list[Gpu] = field(default_factory=list)
    style: str = "new"
    mode: str | bytes = "ok"
    asked: int = 0
    live: bool = False  # energy counters run by themselves

    def __enter__(self) -> Exporter:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.asked += 1
                exporter._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/metrics"
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def tick(self, seconds: float, watts: int = 70) -> None:
        """Let energy counters run on."""
        for gpu in self.gpus:
            if gpu.energy is not None:
                gpu.energy += int(seconds * 1000 * watts)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        mode = self.mode
        if self.live:
            for gpu in self.gpus:
                gpu.energy = int(time.monotonic() * 70_000)
        body = mode if isinstance(mode, bytes) else render(self.gpus, self.style)
        if mode == "hang":
            self.released.wait(120)
            return
        if mode == "status":
            handler.send_error(503)
            return
        handler.send_response({"redirect": 302, "404": 404, "204": 204}.get(str(mode), 200))
        if mode == "redirect":
            handler.send_header("Location", f"{self.url}?again")
        handler.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        if mode in ("packed", "cut"):
            body = gzip.compress(body)
            body = body[:-9] if mode == "cut" else body
        if mode in ("gzip", "packed", "cut"):
            handler.send_header("Content-Encoding", "gzip")
        length = 2**40 if mode == "endless" else len(body) + (10 if mode == "short" else 0)
        if mode != "unending":
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        try:
            if mode == "drip":
                for at in range(len(body)):
                    handler.wfile.write(body[at : at + 1])
                    if self.released.wait(0.05):
                        return
            elif mode == "endless":
                while not self.released.is_set():
                    handler.wfile.write(b"# " + b"x" * 65000 + b"\n")
            else:
                handler.wfile.write(body)
        except OSError:
            time.sleep(0)
