"""The arithmetic: medians over rounds, their spread, ratios round by round.

A ratio is taken within a round, between neighbours in time, and the median of
those is reported: a slow minute of the machine then counts for both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.measures import Sample

Samples = Sequence["Sample | None"]


def medians(samples: Samples) -> Sample:
    """The median of every figure over the rounds that succeeded; empty for none."""
    good = [sample for sample in samples if sample is not None]
    if not good:
        return {}
    return {key: statistics.median(sample[key] for sample in good) for key in good[0]}


def spread_percent(samples: Samples, key: str) -> float:
    """The median distance from the median, in percent of it; 0 for no samples."""
    values = [sample[key] for sample in samples if sample is not None]
    if not values:
        return 0.0
    middle = statistics.median(values)
    return 100 * statistics.median(abs(value - middle) for value in values) / abs(middle or 1)


def ratio(samples: Samples, reference: Samples, key: str) -> float | None:
    """The median of one's figure over the other's in the same round; None without a round."""
    quotients = [
        one[key] / other[key]
        for one, other in zip(samples, reference, strict=False)
        if one is not None and other is not None and other[key] > 0
    ]
    return statistics.median(quotients) if quotients else None
