"""Training and evaluation of gdjax networks: `gdjax-train`, `gdjax-evaluate`."""
