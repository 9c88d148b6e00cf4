"""Loaded by Dask before a scheduler, nanny or worker of a run listens (``preload`` in its settings)."""

from claims.cluster.pickles import install

install()
