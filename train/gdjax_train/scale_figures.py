"""Figures of networks with internal scales. [scale_learning] Figs. 3, 4 and 6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .internal_scales import error_of, ranged
from .run_files import RunFolder
from .tables import averaged


def draw_all(
    run: RunFolder,
    result: dict[str, Any],
    rows: list[Any],
    colours: Mapping[str, str],
) -> Iterator[tuple[str, Any]]:
    """The figures that the networks of a run have, by their names.

    Args:
      run: folder of the run, whose metrics.jsonl has the learned scales.
      result: what evaluation.json holds.
      rows: `scoring.Row`s of it.
      colours: of the networks, by the names of rows and groups.

    Yields:
      "error_over_isr", where networks of one distribution differ in their ISR (Fig. 3);
      "errors", where there are several size factors and drawn sizes (Fig. 4);
      "scales_over_training", where scales are learned (Fig. 6).
    """
    from gdjax.plots.generalisation import error_panels
    from gdjax.plots.scale_ranges import error_over_range, scales_over_training

    shown = [row for row in averaged(result) if row.get("internal_scales")]
    points = {
        learned: range_points(shown, learned=learned) for learned in (False, True)
    }
    if any(len(curve) > 1 for curve in points[False].values()):
        yield "error_over_isr", error_over_range(points[False], learned=points[True])
    drawn = [row for row in shown if "drawn" in row]
    if drawn and len(result["factors"]) > 1:
        drawn = [row | {"colour": colours[row["name"]]} for row in drawn]
        panels = list(by_sizes(drawn).items())
        yield "errors", error_panels(result["factors"], panels)
    if lines := training_lines(run, rows, colours):
        figure = scales_over_training(lines, best=best_fixed(shown))
        yield "scales_over_training", figure


def sizes_of(row: dict[str, Any]) -> str:
    """The distribution of a row's sizes in words; "" where they are not drawn."""
    return row.get("drawn", {}).get("scales", "")


def by_sizes(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each distribution by their ISR, ascending, with the names they need.

    What all of them are called is left out, such as "sampled_derivatives+relu".
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(sizes_of(row), []).append(row)
    for same in found.values():
        same.sort(key=lambda row: row["internal_scales"]["isr"])
        names = short_names([row.get("group", row["name"]) for row in same])
        pairs = zip(same, names, strict=True)
        # What is called sigmas of learned scales are no channels.
        same[:] = [row | {"name": name, "sigmas": []} for row, name in pairs]
    return found


def short_names(names: list[str]) -> list[str]:
    """Names of nets without the parts of all; whole ones where nothing is left."""
    if not names:  # no network has learned scales
        return []
    common = set.intersection(*(set(name.split("+")) for name in names))
    own = [[part for part in name.split("+") if part not in common] for name in names]
    pairs = zip(own, names, strict=True)
    return ["+".join(parts) or name for parts, name in pairs]


def range_points(rows: list[dict[str, Any]], *, learned: bool) -> dict[str, list[Any]]:
    """ISR and test error of the networks, by the distribution of the sizes.

    Args:
      rows: with internal scales.
      learned: those of learned scales, or those of fixed ones.
    """
    from gdjax.plots.scale_ranges import RangePoint

    found: dict[str, list[Any]] = {}
    for row in rows:
        own, error = row["internal_scales"], error_of(row)
        if own["learned"] == learned and error is not None:
            point = RangePoint(own["isr"], error[0], own.get("isr_std", 0.0), error[1])
            found.setdefault(sizes_of(row), []).append(point)
    return found


def best_fixed(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The ISR of least error of those with fixed scales, by distribution."""
    points = range_points(rows, learned=False)
    return {
        sizes: min(curve, key=lambda point: point.error).isr
        for sizes, curve in points.items()
    }


def training_lines(
    run: RunFolder, rows: list[Any], colours: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Learned scales over the epochs, from their start on, by the distribution.

    Args:
      run: folder of the run.
      rows: `scoring.Row`s.
      colours: of the networks, by the names of rows and groups.
    """
    from gdjax.plots.scale_ranges import ScaleLine

    logged: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in run.metrics():
        if "scales" in line:
            logged.setdefault((line["member"], line["stage"]), []).append(line)
    found: dict[str, list[Any]] = {}
    for row in rows:
        candidate = row.candidate
        network = candidate.network
        lines = logged.get((candidate.trial.slug, network.phase))
        start = network.model.internal_scales()
        if lines and start is not None:
            epochs = [0.0, *(line["epoch"] for line in lines)]
            scales = [start, *(next(iter(line["scales"].values())) for line in lines)]
            each = [ranged(values) for values in scales]
            ends = ([own[name] for own in each] for name in ("isr", "sigma_basis"))
            group = candidate.trial.group
            line = ScaleLine(group, epochs, *ends, colour=colours.get(group))
            found.setdefault(sizes_of(row.values), []).append(line)
    # They share a legend: equal names of other networks would be lost in it.
    labels = [line.label for same in found.values() for line in same]
    names = iter(short_names(labels))
    return {
        sizes: [line._replace(label=next(names)) for line in same]
        for sizes, same in found.items()
    }
