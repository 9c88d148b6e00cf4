"""Proofs on many machines: each table of a claim is one task of a Dask cluster. docs/cluster.md is for operators.

    prove (signs; has store and job key) --sealed--> courier (a Dask client) --TLS--> scheduler --TLS--> worker (sealed bytes only)
      opens, verifies, keeps each proof  <--sealed--                                                       +-- child: opens, proves, seals

``sealed``: the only thing that travels is ``table`` under AEAD. ``files``: keys, certificates and Dask's settings of a run. ``pickles``:
in every process that speaks Dask, a pickle names no code but the task function. Nothing of Dask is in the process that signs.
"""
