"""What all tests share: how hypothesis searches, and running the command as a user does."""

import os

from hypothesis import HealthCheck, settings

# No test may depend on how fast the machine is.
usual = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", usual)
settings.register_profile("thorough", usual, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

pytest_plugins = [
    "tests.support.archived_loads",
    "tests.support.commands",
    "tests.support.loaded_archive",
]
