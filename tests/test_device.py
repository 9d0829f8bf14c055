"""What the driver made is given back with the objects that hold it, on a GPU that isn't there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.cuda.device import Device
from tests.fake_gpu import FakeDriver


@pytest.fixture
def device() -> Device:
    return Device(FakeDriver())


def fail() -> None:
    raise RuntimeError("it doesn't work")


@pytest.mark.parametrize("closed", [False, True], ids=["dropped", "closed"])
def test_all_that_was_made_is_given_back(device: Device, closed: bool) -> None:
    stream = device.stream()
    made = [device.event(), stream.capture(lambda: None), device.load(b"code", stream), device.allocate(3), stream]
    assert [what for what, _ in device.driver.handles.values()] == ["stream", "event", "executable graph", "module"]
    if closed:
        for thing in 2 * made:
            thing.close()
    else:
        del made, stream
    assert (device.driver.handles, device.driver.blocks) == ({}, {})


def test_work_that_fails_while_it_is_recorded_leaves_nothing(device: Device) -> None:
    stream = device.stream()
    with pytest.raises(RuntimeError, match="doesn't work"):
        stream.capture(fail)
    assert list(device.driver.handles) == [stream.handle]


def test_kernels_end_before_their_code_goes(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    called, call = [], device.call
    monkeypatch.setattr(device, "call", lambda name, *arguments: called.append(name) or call(name, *arguments))
    module = device.load(b"code", device.stream())  # whose stream goes with it, and after it
    called.clear()
    del module
    needed = [name for name in called if name != "cuCtxSetCurrent"]
    assert needed == ["cuStreamSynchronize", "cuModuleUnload", "cuStreamDestroy"]


def test_a_gpu_with_a_fault_is_left_alone(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = device.stream()
    monkeypatch.setattr(device.driver, "cuStreamDestroy", lambda handle: (719,), raising=False)
    del stream  # pytest would fail if this said anything


AT_THE_END = """
from engine.cuda.device import Device
from tests.fake_gpu import FakeDriver

driver = FakeDriver()
stream = Device(driver).stream()
kept = stream.device.event(), stream.capture(lambda: None), stream.device.load(b"code", stream)
kept[0].itself = kept  # is collected last
driver.destroyed = lambda *_: print("destroyed")
"""


def test_the_interpreter_ends_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")
