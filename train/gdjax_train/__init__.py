"""Training and evaluation of gdjax networks: `gdjax-train`, `gdjax-evaluate`."""

# What a run needs of the extra `train`, by the names in `import`.
PACKAGES = (
    "optax",
    "orbax",
    "grain",
    "rich",
    "tyro",
    "tensorflow_datasets",
    "importlib_resources",
    "array_record",
    "h5py",
    "PIL",
    "skimage",
    "sklearn",
    "matplotlib",
)


def require_packages() -> None:
    """Check that the packages of the extra are installed; imports none of them.

    Raises:
      UserError: if one isn't; the message has the remedy.
    """
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in PACKAGES):
        from gdjax import extras

        from .errors import UserError

        missing = extras.absent(PACKAGES)
        raise UserError(extras.message("gdjax_train", "train", missing))
