"""Settings for every test."""

import gc
import os
from functools import cache

# Tests are small and run side by side: threads of torch and numpy would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# Time limits say more about the machine than about the code; examples are the same in every automatic run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# Most of what the collector looks at is torch, which stays: it need not look so often.
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads or writes the cache of whoever runs it, nor do the processes that it starts."""
    patch = pytest.MonkeyPatch()
    patch.setenv("EQSYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture
def open_sizes():
    """With open sizes torch takes longer to look up how an operation acts on shapes than to find it out."""
    import torch._dynamo

    with torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
        yield


@pytest.fixture
def plain_kernels():
    """Kernels of one number at a time: torch takes minutes to find out how to vectorise loops of open lengths."""
    import torch._inductor.config

    with torch._inductor.config.patch({"cpp.vec_isa_ok": False}):
        yield


@pytest.fixture(scope="session")
def one_exporter():
    """torch.onnx makes its thousand translations of operations anew for each program: here once for all."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    patch = pytest.MonkeyPatch()
    patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
    yield
    patch.undo()
