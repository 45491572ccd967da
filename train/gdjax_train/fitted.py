"""What `fit` returns: a trained module, and what it says of images."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gdjax.models import Preprocessing, save_network
from gdjax.models.any_module import AnyModule
from gdjax.models.preprocessing import as_floats, check_images

from .batch import IGNORED
from .own_data import OwnData, check_classes, check_pair
from .predict import in_batches
from .step import compiler_options


# Images per call.
BATCH = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A trained module (gdjax).

    Attributes:
      model: Linen module.
      variables: {"params": ...}, with "batch_stats" where it has some.
      history: rows of the log, each a dict with "step" and "epoch"; of training "loss",
        "accuracy" (0..1), "gradient_norm" and "images_per_second", means since the row
        before; at the end of an epoch "validation_accuracy" and "validation_loss".
      image_shape: (H, W, C) of the images that it was trained on.
      preprocessing: of its images.
      class_names: K names, or ().
      loss: (logits, labels) -> [B].
    """

    model: Any
    variables: dict[str, Any] = dataclasses.field(repr=False)
    history: list[dict[str, Any]] = dataclasses.field(repr=False)
    image_shape: tuple[int, ...]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    loss: Callable[..., Any] = dataclasses.field(repr=False)

    def scores(self, images: Any) -> np.ndarray:
        """Logits [B, K], of segmentations [B, H, W, K]; float32.

        Args:
          images: [B, H, W, C], uint8, uint16, or floats in 0..1.

        Raises:
          TypeError, ValueError: for other images.
        """
        images = check_images(images, channels=self.image_shape[-1])
        return np.concatenate([scores for scores, _ in self._batches(images)])

    def predict(self, images: Any) -> np.ndarray:
        """Class indices [B], of segmentations [B, H, W]; arguments as of `scores`."""
        return self.scores(images).argmax(-1)

    def evaluate(self, images: Any, labels: Any) -> dict[str, float]:
        """Accuracy (0..1) and mean loss: {"accuracy": ..., "loss": ...}.

        Args:
          images: as of `scores`.
          labels: whole numbers [B], or masks [B, H, W] with 255 where nothing counts.

        Raises:
          TypeError, ValueError: for other images and labels.
        """
        data = check_pair(images, labels)
        found, own = data.image.shape[-1], self.image_shape[-1]
        if found != own:
            raise ValueError(f"`images` have {found} channels, the network has {own}.")
        return self.evaluate_data(data)

    def evaluate_data(self, data: OwnData) -> dict[str, float]:
        """Accuracy and mean loss of images that are read when they are needed."""
        right = counted = loss = start = 0
        for scores, rows in self._batches(data.image):
            labels = data.label[start : start + rows]
            if start == 0:
                _check_axes(data, scores)
                check_classes(data, scores.shape[-1], "labels")
            known = labels != IGNORED if data.segmented else np.ones(rows, bool)
            right += ((scores.argmax(-1) == labels) & known).sum()
            counted += known.sum()
            loss += float(self.loss(scores, labels).sum())
            start += rows
        return {"accuracy": float(right / max(counted, 1)), "loss": loss / start}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file that `gdjax.models.load_network` reads.

        Of a module that is not of `gdjax.models`, `load_network` must be given it.

        Args:
          path: of the file, "net.safetensors".

        Raises:
          OSError: if it can't be written; one of that name stays as it was.
        """
        save_network(
            path, self.model, self.variables, class_names=self.class_names,
            image_shape=self.image_shape, preprocessing=self.preprocessing,
        )  # fmt: skip

    def _batches(self, images: Any) -> Any:
        """Scores of the batches and their numbers of images."""
        variables, left = jax.device_put(self.variables), len(images)
        apply = compiled_scores(AnyModule.of(self.model), self.preprocessing)
        for scores in in_batches(apply, variables, images, None, BATCH):
            found = np.asarray(scores, np.float32)[:left]
            left -= len(found)
            yield found, len(found)


def _check_axes(data: OwnData, scores: np.ndarray) -> None:
    wanted = (len(data.label), *scores.shape[1:-1])
    if data.label.shape != wanted:
        raise ValueError(
            f"`labels` have shape {data.label.shape}, but the network gives classes of"
            f" shape {wanted}: give as many labels."
        )


# One for each module, however many `Fitted` it has: one is made for every validation.
@functools.lru_cache(maxsize=16)
def compiled_scores(model: AnyModule, preprocessing: Preprocessing) -> Any:
    """(variables, images as stored, None) -> logits."""

    def apply(variables: Any, images: Any, _: None) -> jax.Array:
        return model.apply(variables, preprocessing(as_floats(images)))[0]

    return jax.jit(apply, compiler_options=compiler_options())
