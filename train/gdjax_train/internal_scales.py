"""Internal scales and drawn sizes in evaluation.json: of a network, and means."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdjax.models import NetworkConfig


# What means are taken of.
RANGED = "count", "sigma_basis", "isr", "px", "spacings"


def facts(model: NetworkConfig, variables: Any) -> dict[str, Any] | None:
    """What a row of evaluation.json says of the internal scales of its network.

    Args:
      model: configuration of the network.
      variables: of it, {"params": ..., "batch_stats": ...}.

    Returns:
      "count", of the scales in use; "px", these, ascending; "sigma_basis", the finest
      of them; "isr", the Internal Scale Range, coarsest over finest; "spacings", each
      scale over the one before; "learned", whether they are; "start", sigma_basis and
      ISR before the training. None where there are no internal scales.

    [scale_learning] Tables 2-4 and 6.
    """
    params, stats = variables["params"], variables.get("batch_stats", {})
    scales = model.internal_scales(params, batch_stats=stats)
    start = model.internal_scales()
    if scales is None or start is None:
        return None
    ends = ranged(start)
    return ranged(scales) | {
        "learned": bool(model.learned_scales(params)),
        "start": {name: ends[name] for name in ("sigma_basis", "isr")},
    }


def ranged(scales: Any) -> dict[str, Any]:
    """Scales [S] in px, ascending, and the numbers of the tables that follow."""
    # Scales that are learned one by one may pass each other.
    px = np.sort(np.asarray(scales, np.float64))
    return {
        "count": len(px),
        "sigma_basis": float(px[0]),
        "isr": float(px[-1] / px[0]),
        "px": px.tolist(),
        "spacings": (px[1:] / px[:-1]).tolist(),
    }


def mean_facts(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Means of `facts`, each with its standard deviation (of the population).

    Args:
      rows: of evaluation.json, that differ in seed or realisation alone.

    Returns:
      As `facts`, with "isr_std" beside "isr" and so on; "px" and "spacings" are left
      out where the numbers of scales differ. None where a row has none.
    """
    each = [row["internal_scales"] for row in rows if row.get("internal_scales")]
    if len(each) < len(rows):
        return None
    found: dict[str, Any] = {name: each[0][name] for name in ("learned", "start")}
    for name in RANGED:
        values = [own[name] for own in each]
        if len({np.size(value) for value in values}) == 1:
            found[name] = np.mean(values, axis=0).tolist()
            found[f"{name}_std"] = np.std(values, axis=0).tolist()
    return found


def mean_of(rows: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """Mean accuracy and its standard deviation; None where not all rows have one.

    Args:
      rows: of evaluation.json.
      key: "drawn": at drawn sizes; "training": on training images.
    """
    each = [row[key] for row in rows if row.get(key)]
    if len(each) < len(rows):
        return None
    accuracies = [own["accuracy"] for own in each]
    spread = {"accuracy": float(np.mean(accuracies)), "std": float(np.std(accuracies))}
    return each[0] | spread


def error_of(row: dict[str, Any]) -> tuple[float, float] | None:
    """Test error in %, and its standard deviation, 0 where the row is no mean.

    At drawn sizes where there are any, else at the only size; None where there are
    several.

    Args:
      row: of evaluation.json, or of its summary.
    """
    drawn = row.get("drawn")
    if drawn:
        accuracy, std = drawn["accuracy"], drawn.get("std", 0.0)
    elif len(row["accuracy"]) == 1:
        (accuracy,), (std,) = row["accuracy"], row.get("std", [0.0])
    else:
        return None
    return 100 * (1 - accuracy), 100 * std
