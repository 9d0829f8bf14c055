"""The real TensorRT-RTX, which builds plans for GPUs that needn't be there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backends.plans import new_logger

GPUS = ("SM86", "SM89", "SM120")  # GeForce RTX 30, 40 and 50


def rtx_without_a_gpu() -> SimpleNamespace:
    """Its module, whose builder makes plans for GPUS, and a logger."""
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX isn't installed", exc_type=ImportError)

    def builder(logger: Any) -> SimpleNamespace:
        real = trt.Builder(logger)

        def create_builder_config() -> Any:
            config = real.create_builder_config()
            config.num_compute_capabilities = len(GPUS)
            for index, gpu in enumerate(GPUS):
                config.set_compute_capability(getattr(trt.ComputeCapability, gpu), index)
            return config

        return SimpleNamespace(
            create_network=real.create_network,
            create_builder_config=create_builder_config,
            create_optimization_profile=real.create_optimization_profile,
            build_serialized_network=real.build_serialized_network,
        )

    return SimpleNamespace(trt=SimpleNamespace(**vars(trt) | {"Builder": builder}), logger=new_logger(trt))
