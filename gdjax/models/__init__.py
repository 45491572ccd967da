"""Networks: one family a file, published sizes as functions beside them."""

from gdjax.models.gaussdernet import (
    PUBLISHED_SIGMAS as PUBLISHED_SIGMAS,
    GaussDerNet as GaussDerNet,
    gaussdernet_default as gaussdernet_default,
    gaussdernet_large as gaussdernet_large,
    gaussdernet_small as gaussdernet_small,
)
