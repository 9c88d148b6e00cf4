"""A lab's claim, spoilt and signed again, and what the verifier says of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from lab_fixtures import LAB_KEY

from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_agreement
from claims.base.errors import ClaimRejected
from claims.claim.file import Claim, sign_claim
from claims.verify.claim import verify_claim
from claims.verify.report import Verdict


def verdict(claim: Claim, agreement: Agreement, *previous: Claim, **options: Any) -> Verdict:
    signed, before = sign_agreement(LAB_KEY, agreement, None), [item.encode() for item in previous]
    return verify_claim(claim.encode(), agreement, signatures=signed, previous=before, **options)


def forged(claim: Claim, **changes: Any) -> Claim:
    return sign_claim(dataclasses.replace(claim, **changes), LAB_KEY)


def refused(claim: Claim, agreement: Agreement, *previous: Claim, **options: Any) -> str:
    """The check that a claim fails."""
    with pytest.raises(ClaimRejected) as caught:
        verdict(claim, agreement, *previous, **options)
    return caught.value.check
