"""Records that are false, and what fails in the trace that the witness generator makes of them."""

from __future__ import annotations

from dataclasses import replace

from claim_forge import failing, unchecked_trace
from claim_samples import seal

BUS = {"chain", "public"}


def fails(statement, witness):
    """What fails in the trace of these records, under their own heads."""
    statement = seal(statement, witness)
    trace, layout = unchecked_trace(statement, witness)
    return failing(statement, trace, layout.used)


def readings(witness, changes, meter=0):
    """The witness with changed reading arrays: {field: function of the array}."""
    ledgers = list(witness.ledgers)
    arrays = {name: change(getattr(ledgers[meter], name).copy()) for name, change in changes.items()}
    ledgers[meter] = replace(ledgers[meter], **arrays)
    return replace(witness, ledgers=tuple(ledgers))


def put(at, value):
    def change(array):
        array[at] = value
        return array

    return change
