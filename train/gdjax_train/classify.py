"""gdjax-predict: what a trained network says of pictures."""

from __future__ import annotations

import dataclasses
import errno
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import require_packages
from .command_line import run_script
from .errors import UserError
from .pictures import Background, Fit
from .run_files import RunFolder


@dataclasses.dataclass(frozen=True)
class Request:
    """Classes of pictures by a trained network, and the scores of its scale channels.

    Of a network that segments: the shares of the classes in each picture.

    Attributes:
      network: the folder of a run, or a file of weights that says which network it is
        of, such as RUN/weights/NAME.safetensors.
      images: files: PNG, JPEG, BMP, TIFF or WebP of any size; grey, colour, palette,
        16 bit, with transparency, turned by EXIF.
      name: of the network, where a run has several; None: its last one.
      fit: to the size that the network was trained on: "crop": the largest central
        part, resampled; "pad": all of it, with black around; "none": pictures stay as
        large as they are.
      background: behind transparent pixels.
      out: folder for an overlay of each picture, and for the masks of segmentations.
    """

    network: str
    images: tuple[str, ...]
    name: str | None = None
    fit: Fit = "crop"
    background: Background = "black"
    out: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-predict; returns the exit code."""
    return run_script("gdjax-predict", _main, argv)


def _main(arguments: list[str]) -> None:
    require_packages()
    import tyro

    request = tyro.cli(
        Request,
        args=arguments,
        prog="gdjax-predict",
        config=(tyro.conf.PositionalRequiredArgs,),
    )
    if not request.images:
        raise UserError("`images` are none: give at least one file")
    from . import alarms, versions
    from .pictures import read_any

    versions.devices()
    if request.out is not None:
        check_folder(request.out)

    # All of them, before anything is compiled; then one at a time: they may be many.
    for path in request.images:
        read_any(pathlib.Path(path), background=request.background)
    network = find_network(request.network, request.name)
    with alarms.quiet():
        for path in request.images:
            picture = read_any(pathlib.Path(path), background=request.background)
            _predict(request, network, path, picture)


def check_folder(out: str) -> None:
    """Refuse a folder that can't be there, before anything is computed.

    Raises:
      UserError: naming it.
    """
    place = pathlib.Path(out).expanduser()
    try:
        if not out:
            raise NotADirectoryError(errno.ENOTDIR, "it is empty")
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"`out={out}` can't be made: {error.strerror}; give another --out"
        ) from error


def find_network(path: str, name: str | None) -> Any:
    """The network in a file or in the folder of a run.

    Raises:
      UserError: if there is none, or not of that name.
    """
    from gdjax.models import load_network

    from .trained_run import load_run

    place = pathlib.Path(path).expanduser()
    if not place.exists():
        raise UserError(
            f"`network={path}` doesn't exist: give the folder of a run, or a file of"
            " weights"
        )
    try:
        if place.is_dir():
            return load_run(place).network(name)
        network = load_network(place)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
    if name is not None:
        raise UserError(f"`name={name}`: {path} has one network: leave --name out")
    return network


def _predict(request: Request, network: Any, path: str, picture: np.ndarray) -> None:
    from gdjax.models.any_module import AnyModule

    from .pictures import fitted
    from .scale_evaluation import scores_of

    shape = network.image_shape or picture.shape
    image = fitted(picture, shape, request.fit)
    given = AnyModule.of(network.module), network.variables, image[None]
    try:
        logits, per_scale = scores_of(*given, network.preprocessing, 1)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{path}: the network can't take {image.shape[0]} x {image.shape[1]} px:"
            f" {' '.join(str(error).split())}; try --fit crop"
        ) from error
    if logits.ndim > 2:
        _say_shares(request, network, path, logits[0])
        return
    sigmas = tuple(getattr(network.config, "sigmas", ()) or ())
    scales = None if per_scale is None or len(sigmas) < 2 else per_scale[0]
    _say_class(network, path, logits[0], scales, sigmas)
    if request.out is not None:
        from gdjax.plots import prediction_overlay

        figure = prediction_overlay(
            image, scores=logits[0] if scales is None else scales, pooled=logits[0],
            class_names=network.class_names or None,
            sigmas=None if scales is None else sigmas,
        )  # fmt: skip
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=160)
        _write(request.out, path, "prediction", content.getvalue())


def class_name(network: Any, number: int) -> str:
    """Its number, with its name where it has one."""
    name = network.class_names[number] if network.class_names else str(number)
    return name if name == str(number) else f"{number} ({name})"


def _say_class(
    network: Any, path: str, logits: np.ndarray, scales: Any, sigmas: tuple[float, ...]
) -> None:
    best = int(logits.argmax())
    # As of training by softmax: probabilities.
    share = np.exp(logits[best] - np.logaddexp.reduce(logits.astype(np.float64)))
    text = f"{path}: class {class_name(network, best)}, score {logits[best]:.3f}"
    if scales is None:
        print(f"{text}, softmax {share:.1%}")
        return
    chosen = int(scales[:, best].argmax())
    print(f"{text}, softmax {share:.1%}, scale channel {sigmas[chosen]:.3g} px")
    for number, (sigma, row) in enumerate(zip(sigmas, scales, strict=True)):
        own = int(row.argmax())
        print(
            f"  {'*' if number == chosen else ' '} {sigma:6.3g} px: score"
            f" {row[best]:8.3f}; its own best: {class_name(network, own)},"
            f" {row[own]:.3f}"
        )


def _say_shares(request: Request, network: Any, path: str, logits: np.ndarray) -> None:
    found = logits.argmax(-1).astype(np.uint8)
    counts = np.bincount(found.ravel(), minlength=logits.shape[-1])
    shares = ", ".join(
        f"{class_name(network, int(k))} {counts[k] / found.size:.1%}"
        for k in np.argsort(-counts)
        if counts[k]
    )
    print(f"{path}: {shares}")
    if request.out is not None:
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(found).save(content, format="PNG")
        _write(request.out, path, "mask", content.getvalue())


def _write(folder: str, path: str, kind: str, content: bytes) -> None:
    """A file beside others of the same name, whole."""
    place = pathlib.Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{pathlib.Path(path).stem}_{kind}.png"
    number = 1
    while target.exists():
        number += 1
        target = place / f"{pathlib.Path(path).stem}_{kind}_{number}.png"
    RunFolder(place).write_bytes(target.name, content)
    print(f"  {target}")


if __name__ == "__main__":
    sys.exit(main())
