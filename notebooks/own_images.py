# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From your own images to a scale-generalisation curve
#
# How well does a network recognise objects at sizes that it was never trained on? This
# notebook answers that for a folder of pictures: it trains a Gaussian derivative
# network on one size, tests it from half to twice that size, and then lets the same
# weights run at several scales at once, without any further training.
#
# It needs `pip install "gdjax[train]"`, no download and no GPU, and takes a few minutes
# on two CPU cores.

# %%
import pathlib
import tempfile

import flax.linen as nn
import numpy as np
import optax
from PIL import Image

import gdjax
import gdjax_train
from gdjax.data import from_folder, load, rescale
from gdjax.models import GaussDerNet, load_network, save_network
from gdjax.plots import generalisation_curve, prediction_overlay


temporary = tempfile.TemporaryDirectory()
out = pathlib.Path(temporary.name)  # for what this notebook writes

# %% [markdown]
# The settings of the whole notebook: the data set that stands in for your pictures,
# output channels of all layers but the last, and sizes of the test objects over those
# of training.

# %% tags=["parameters"]
DIGITS = "rescaled_digits"
WIDTHS = (16, 16, 24, 32)
EPOCHS = 8
FACTORS = tuple(2.0 ** (k / 4) for k in range(-4, 5))

# %% [markdown]
# ## A folder of pictures
#
# `from_folder` reads one folder for each class, `train/CLASS/*.png` and
# `test/CLASS/*.png`. All pictures are of one size, square for the curve, and all
# grey or all colour. Here we
# make such a folder from real handwritten digits that come with scikit-learn: 16 px
# large, in the middle of a black canvas of 40 px. **With a folder of your own, leave
# this cell out and set `folder` to it.**

# %%
folder = out / "digits"
for split, source in {"train": "train", "test": "test_scale_1p000"}.items():
    digits = load(DIGITS, source)
    for number, image in enumerate(digits.image):
        place = folder / split / digits.classes[digits.label[number]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{number:04}.png")

# %%
train = from_folder(folder, split="train")
test = from_folder(folder, split="test")
print(train)
print(test)

# %% [markdown]
# ## A network with one scale channel
#
# A **scale channel** is the whole network with its filters at one size. That size is
# `sigma`, the standard deviation in pixels of the Gaussian whose derivatives are the
# filters: the first layer has `sigma` itself, every further layer 1.25 times that of
# the one before. What is learned are the weights of the derivatives, and they don't
# depend on `sigma`.
#
# We train one channel, with `sigma = 1` px. `SpectralGaussian` with SiLU follows the
# continuous theory most closely; `DiscreteGaussian` with ReLU is the published pair.

# %%
net = GaussDerNet(
    widths=WIDTHS,
    num_classes=len(train.classes),
    sigmas=(1.0,),
    discretisation=gdjax.SpectralGaussian(),
    activation=nn.silu,
)
batch_size = 32
steps = EPOCHS * len(train.image) // batch_size
schedule = optax.cosine_decay_schedule(0.01, steps, alpha=0.005)
options = {"epochs": EPOCHS, "batch_size": batch_size, "progress": False}
fitted = gdjax_train.fit(
    net, train, validation=test, optimizer=optax.adam(schedule), **options
)

# %% [markdown]
# `history` has a row for every note of the log. To keep things short, the test pictures
# double as validation here; nothing is chosen by them.

# %%
for row in fitted.history:
    if "validation_accuracy" in row:
        print(f"epoch {row['epoch']:.0f}: {row['validation_accuracy']:6.1%} right")

# %% [markdown]
# ## The same weights in several scale channels
#
# An object twice as large, seen by filters twice as large, gives the same responses. So
# a channel with `sigma = 2` px does for objects of twice the size what the trained one
# does for the size of training. `net.clone(sigmas=...)` has five such channels, all
# with the weights that we have, and takes the largest score over the channels.
# **Nothing is trained again.**

# %%
wide = net.clone(sigmas=(0.5, 2**-0.5, 1.0, 2**0.5, 2.0))

# %% [markdown]
# `evaluate_scales` resamples every test picture about its centre by each factor and
# counts the right answers. Choose channels that cover the range of sizes you expect, at
# ratios of about the square root of 2, and leave room on the canvas: here a digit of 16
# px still fits into 40 px at factor 2. `background="mirror"` suits photographs.

# %%
images, labels = np.stack([*test.image]), np.asarray(test.label)
rows = []
for name, each in {"one channel": net, "5 channels": wide}.items():
    found = gdjax_train.evaluate_scales(
        each, fitted.variables, images, labels, factors=FACTORS, name=name
    )
    rows += found["rows"]


def table(rows):
    """Accuracies in %, a line for each network and a column for each size factor."""
    print(f"{'size factor':14}", *(f"{factor:6.2f}" for factor in FACTORS))
    for row in rows:
        print(f"{row['name']:14}", *(f"{100 * a:6.1f}" for a in row["accuracy"]))


table(rows)

# %% [markdown]
# ## A plain network of your own
#
# `fit` and `evaluate_scales` take any Flax Linen module. This one has 3 x 3 filters and
# about as many parameters, and is trained on the same pictures for the same number of
# epochs.


# %%
class PlainNet(nn.Module):
    """Three convolutions with pooling between them, and the mean over the image."""

    widths: tuple[int, ...] = (12, 24, 32)
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        """[B, H, W, C] -> logits [B, K]."""
        for width in self.widths:
            x = nn.Conv(width, (3, 3))(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
            x = nn.relu(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


plain = PlainNet(num_classes=len(train.classes))
plain_fitted = gdjax_train.fit(plain, train, optimizer=optax.adam(schedule), **options)
found = gdjax_train.evaluate_scales(
    plain, plain_fitted.variables, images, labels, factors=FACTORS, name="plain CNN"
)
rows += found["rows"]
for row in rows:
    print(f"{row['name']:14} {row['parameters']:6} parameters")
table(rows)

# %% [markdown]
# ## The curve

# %%
generalisation_curve(FACTORS, rows)

# %% [markdown]
# - All three networks do well at the size of training, factor 1.
# - **One channel falls off on both sides.** Its filters still have the size that they
#   were trained at, and a digit of another size is nothing that they have seen. At half
#   and at twice the size, most answers are wrong.
# - **The plain CNN** has filters of one size, too, and this one falls off on both sides
#   as well.
# - **Five channels hold their accuracy** over both octaves, with weights that were
#   trained on one size: for every size there is a channel whose filters fit.
#
# Which channel that is can be read from `selected`, the share of the decisions that
# each channel makes.

# %%
print(f"{'size factor':14}", *(f"{sigma:5.2f} px" for sigma in rows[1]["sigmas"]))
for factor, shares in zip(FACTORS, rows[1]["selected"], strict=True):
    print(f"{factor:14.2f}", *(f"{100 * share:6.0f} %" for share in shares))

# %% [markdown]
# The channels that decide move to larger `sigma` as the digits grow: at factor 1 it is
# mostly the one of 1 px, at factor 1/2 that of 0.5 px, at factor 2 that of 2 px.
#
# ## One picture
#
# A test digit at twice its size: the scores of the best classes, and on the right those
# of the five channels.

# %%
large = rescale(images[0], 2.0, size=images.shape[2])
logits, aux = wide.apply(fitted.variables, large[None].astype(np.float32) / 255)
prediction_overlay(
    large, scores=aux["per_scale"][0], sigmas=wide.sigmas, class_names=train.classes
)

# %% [markdown]
# ## Save and load
#
# One file holds the weights and says what network they are of, here the one in five
# channels. `fitted.save(path)` writes the one that was trained. At the command line,
# `gdjax-predict FILE PICTURE` takes either.

# %%
save_network(
    out / "five_channels.safetensors",
    wide,
    fitted.variables,
    class_names=train.classes,
    image_shape=fitted.image_shape,
    preprocessing=fitted.preprocessing,
)
network = load_network(out / "five_channels.safetensors")
print("classes:", *network.class_names)
print("sigmas:", *(f"{sigma:.2f}" for sigma in network.module.sigmas))
same = np.array_equal(network.predict(large[None]), np.asarray(logits).argmax(-1))
print("the same answer as before:", same)

# %% [markdown]
# A module of your own is saved by its weights; `load_network` must be given the module.

# %%
plain_fitted.save(out / "plain.safetensors")
loaded = load_network(out / "plain.safetensors", model=plain)
print("right:", f"{(loaded.predict(images) == labels).mean():.1%}")

# %%
temporary.cleanup()
