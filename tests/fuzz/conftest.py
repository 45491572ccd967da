"""Hypothesis, the same cases in every run; more of them on request.

`GDJAX_FUZZ_EXAMPLES=2000 pytest tests/fuzz` tries that many of each function, new ones
in every run.
"""

import importlib.util
import os


if importlib.util.find_spec("hypothesis") is None:
    collect_ignore_glob = ["test_*.py"]  # it is in the extra `test`
else:
    import hypothesis

    WANTED = os.environ.get("GDJAX_FUZZ_EXAMPLES", "")
    # Nothing is written, and nothing depends on how fast the machine is.
    phases = [p for p in hypothesis.Phase if p != hypothesis.Phase.explain]
    COMMON = {
        "phases": phases,
        "deadline": None,
        "database": None,
        "suppress_health_check": list(hypothesis.HealthCheck),
    }
    hypothesis.settings.register_profile(
        "small", max_examples=5, derandomize=True, **COMMON
    )
    hypothesis.settings.register_profile(
        "large", max_examples=int(WANTED or 1000), print_blob=True, **COMMON
    )
    hypothesis.settings.load_profile("large" if WANTED else "small")
