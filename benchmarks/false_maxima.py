"""Where the maximum over scale channels goes wrong: accuracy channel by channel.

    python benchmarks/false_maxima.py RUN_DIR [--images 1000] [--sigmas 0.5 1 2]
      [--validation 1 2 4]

For a finished run, at every size factor of its test data, or, where a schedule is to be
chosen, on the validation images of these training sizes:

- each scale channel alone, and the best of them ("best alone"): what the network knew;
- max, logsumexp and mean over all channels, and max without the finest and without the
  coarsest channel;
- "false": images that the matched channel (sigma_0 nearest to the size factor times the
  training scale) has right while the maximum over channels has them wrong, in %, and
  which channel took them most often.

Writes false_maxima.json into the run's folder.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from gdjax_train import predict, run_folder
from gdjax_train.data import factors as test_factors, load_split, load_test, source
from gdjax_train.errors import UserError
from gdjax_train.evaluation import trained_network
from gdjax_train.trials import TrainedNetwork, Trial, build, trials


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Of logits [N, K], in %."""
    return 100 * float((logits.argmax(-1) == labels).mean())


def analyse(
    per_scale: np.ndarray, labels: np.ndarray, sigmas: tuple[float, ...], matched: float
) -> dict[str, Any]:
    """One size factor.

    Args:
      per_scale: logits [N, S, K].
      labels: [N].
      sigmas: base scales of the channels, ascending, px.
      matched: base scale that fits the size of the objects, px.

    Returns:
      Accuracies in %, and who takes the images that the matched channel has right.
    """
    own = int(np.abs(np.log(np.array(sigmas) / matched)).argmin())
    everything = predict.pooled(per_scale, "max")
    right = per_scale[:, own].argmax(-1) == labels
    lost = right & (everything.argmax(-1) != labels)
    winners = per_scale.max(-1).argmax(-1)[lost]
    taken = np.bincount(winners, minlength=len(sigmas))
    alone = [accuracy(per_scale[:, s], labels) for s in range(len(sigmas))]
    return {
        "alone": alone,
        "best alone": max(alone),
        "max": accuracy(everything, labels),
        "logsumexp": accuracy(predict.pooled(per_scale, "logsumexp"), labels),
        "mean": accuracy(predict.pooled(per_scale, "mean"), labels),
        "max without finest": accuracy(predict.pooled(per_scale[:, 1:], "max"), labels),
        "max without coarsest": accuracy(
            predict.pooled(per_scale[:, :-1], "max"), labels
        ),
        "matched": sigmas[own],
        "false": 100 * float(lost.mean()),
        "taken by": {f"{s:.3g}": int(n) for s, n in zip(sigmas, taken, strict=True)},
    }


def images_at(trial: Trial, factor: float, options: argparse.Namespace) -> Any:
    """Test images at a size factor, or the validation images of that training size.

    Data that come in one training size have size 1 alone.
    """
    limits: dict[str, Any] = {
        "data_dir": trial.recipe.data_dir, "limit": options.images
    }  # fmt: skip
    if not options.validation:
        return load_test(source(trial, "test"), factor, **limits)
    if trial.train_size is not None:
        trial = dataclasses.replace(trial, train_size=factor)
    elif factor != 1:
        raise UserError(f"`--validation {factor:g}`: all validation images have size 1")
    return load_split(source(trial, "validation"), **limits)


def analysed(
    run: Any, trial: Trial, network: TrainedNetwork, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Rows of a network, one for each size factor."""
    recipe = trial.recipe
    model = build(network.model, recipe.precision)
    variables = trained_network(run, trial, network.phase)[1]
    rows = []
    for factor in options.validation or test_factors(source(trial, "test")):
        data = images_at(trial, factor, options)
        per_scale = predict.scores(
            model, variables, data.image, batch_size=recipe.eval_batch_size,
            preprocessing=recipe.preprocessing,
        )  # fmt: skip
        own = recipe.model.single_sigma * factor
        row = analyse(per_scale, data.label, network.sigmas, own)
        rows.append({"factor": factor, **row})
        print_row(trial.name, rows[-1])
    return rows


def main() -> None:
    """Analyse all multi-scale networks of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--sigmas", type=float, nargs="*", default=())
    parser.add_argument("--validation", type=float, nargs="*", default=())
    options = parser.parse_args()
    run, _, recipe = run_folder.open_run(options.run_dir)
    results = []
    for trial in trials(recipe):
        for network in trial.networks(tuple(options.sigmas)):
            if len(network.sigmas) >= 3:
                rows = analysed(run, trial, network, options)
                results.append({"name": trial.name, "rows": rows})
    run.write_json("false_maxima.json", results)


def print_row(name: str, row: dict[str, Any]) -> None:
    """A line for one size factor."""
    alone = " ".join(f"{value:5.1f}" for value in row["alone"])
    keys = ("max", "logsumexp", "mean", "max without finest", "max without coarsest")
    pooled = "  ".join(f"{key} {row[key]:.1f}" for key in keys)
    most = max(row["taken by"], key=row["taken by"].get)
    print(
        f"{name}, factor {row['factor']:.2f}: alone [{alone}]  {pooled}  "
        f"false {row['false']:.1f} (most to sigma_0 = {most})",
        flush=True,
    )


if __name__ == "__main__":
    main()
