"""The folder of a run: its certificate authority, certificates, job key and Dask's settings, in two parts.

    FOLDER/scheduler  for the scheduler: no job key            FOLDER/nodes  for workers, and for who proves: the job key too

``DASK_CONFIG`` names a part wherever Dask runs (`standstill cluster scheduler` and `worker` set it). The authority's key is thrown away
when both certificates are made: nobody can be let in later. A run is one job of days; a new one takes a new folder.
"""

from __future__ import annotations

import datetime
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from claims.base.errors import UnreadableFile
from claims.base.files import trouble, write_new
from claims.cluster.sealed import KEY_BYTES

__all__ = ["CERTIFICATES", "JOB_KEY", "NODES", "make_folder"]

NODES, SCHEDULER, JOB_KEY, CERTIFICATES = "nodes", "scheduler", "job.key", ("ca.pem", "node.pem")
_SETTINGS = """\
# Dask's settings of one run of standstill: DASK_CONFIG names the folder of this file. docs/cluster.md says why each is here.
distributed:
  version: 2
  comm:
    require-encryption: true
    default-scheme: tls
    timeouts: {{connect: 10s}}
    tls:
      min-version: 1.3
      ca-file: {at}/ca.pem
      scheduler: {{cert: {at}/node.pem}}
      worker: {{cert: {at}/node.pem}}
      client: {{cert: {at}/node.pem}}
  scheduler:
    preload: [claims.cluster.preload]
    http: {{routes: []}}
    allowed-imports: [distributed]
    blocked-handlers: [run_function, register_scheduler_plugin, register_worker_plugin, register_nanny_plugin, broadcast, proxy, feed,
      workers_to_close, dump_cluster_state_to_url, set_metadata, log_event]
    active-memory-manager: {{start: false}}
  worker:
    preload: [claims.cluster.preload, claims.cluster.worker]
    http: {{routes: []}}
    blocked-handlers: [run, run_coroutine, upload_file, plugin-add, actor_execute, actor_attribute, update_data]
    profile: {{enabled: false}}
    memory: {{target: false, spill: false, pause: false, terminate: false}}
  nanny:  # its preload has to be an option of the command, `standstill cluster worker` gives it
    blocked-handlers: [run, plugin_add]
  admin:
    log-length: 0
    low-level-log-length: 0
    system-monitor: {{gil: {{enabled: false}}}}
  diagnostics:
    nvml: false
    computations: {{max-history: 0}}
    erred-tasks: {{max-history: 0}}
standstill:
  run: true
"""
_OWN = "  job-key: {at}/job.key\n"


def make_folder(folder: Path, at: Path | None, days: int) -> None:
    """Make the folder of a run.

    Args:
        folder: new; mode 0700.
        at: where the machines of the cluster will find it, absolute; None: at the same place, by a shared file system.
        days: 1 and up, after which the certificates let nobody in.

    Raises:
        UnreadableFile: the folder exists, or cannot be made.
    """
    authority, ends = ec.generate_private_key(ec.SECP256R1()), _now() + datetime.timedelta(days=days)
    ca, where = _certificate("authority", authority, authority, ends, None), at or folder.absolute()
    try:
        folder.mkdir(mode=0o700)
        for part in (SCHEDULER, NODES):
            (folder / part).mkdir(mode=0o700)
    except OSError as error:
        raise UnreadableFile(f"{folder}: {trouble(error)[0]}", "name a folder that is not there yet") from None
    for part in (SCHEDULER, NODES):
        own = ec.generate_private_key(ec.SECP256R1())
        pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem += _certificate(part, own, authority, ends, ca).public_bytes(Encoding.PEM)
        settings = _SETTINGS + (_OWN if part == NODES else "")
        write_new(folder / part / "ca.pem", ca.public_bytes(Encoding.PEM), 0o600)
        write_new(folder / part / "node.pem", pem, 0o600)
        write_new(folder / part / "dask.yaml", settings.format(at=os.fspath(where / part)).encode(), 0o600)
    write_new(folder / NODES / JOB_KEY, secrets.token_bytes(KEY_BYTES), 0o600)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, ends: datetime.datetime, ca: x509.Certificate | None
) -> x509.Certificate:
    """A certificate of ``key`` by ``authority``; ``ca``: the authority's own, None for that one itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"standstill cluster {name}")])
    builder = x509.CertificateBuilder(
        ca.subject if ca else subject, subject, key.public_key(), x509.random_serial_number(), _now() - datetime.timedelta(hours=1), ends
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=ca is None, path_length=None if ca else 0), critical=True)
    if ca is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
        builder = builder.add_extension(identifier, critical=False).add_extension(usage, critical=True)
    else:
        authority_identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(authority_identifier, critical=False)
    return builder.sign(authority, SHA256())
