"""Ctrl-C that waits for a block to end."""

import os
import shutil
import signal
import threading

import numpy as np
import pytest

import gempy_gan as gg
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.interrupts import ctrl_c_waits


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_it_comes_after_the_block_once():
    done = []
    with pytest.raises(KeyboardInterrupt), ctrl_c_waits():
        press()
        press()
        done.append("block")
    done.append("after")
    assert done == ["block", "after"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_comes_after_the_outer_block_of_two():
    done = []
    with pytest.raises(KeyboardInterrupt), ctrl_c_waits():
        with ctrl_c_waits():
            press()
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_it_is_given_to_the_handler_that_was_there():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("here"))
    try:
        with ctrl_c_waits():
            press()
            assert not seen
        assert seen == ["here"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_wins_over_an_error_of_the_block():
    with pytest.raises(KeyboardInterrupt), ctrl_c_waits():
        press()
        raise OSError("closed twice")


def test_nothing_changes_on_another_thread():
    seen = []

    def work():
        with ctrl_c_waits():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_store_is_extended_in_whole_under_ctrl_c_at_any_close_of_a_file(tmp_path, monkeypatch):
    """`shutil.rmtree` closes a folder a second time when Ctrl-C comes just after the first: "Bad file descriptor"."""
    grid = gg.Grid((0, 4, 0, 3, 0, 2), (4, 3, 2))
    store = EnsembleStore.create(tmp_path / "x.zarr", grid, ["sand"], {})
    genuine = os.close

    def close(descriptor):
        genuine(descriptor)
        press()

    def extend(value):
        with monkeypatch.context() as patch:
            patch.setattr(shutil.os, "close", close)
            store.append(np.full((2, 1, 4, 3, 2), value, np.float32))

    for k in range(3):
        with pytest.raises(KeyboardInterrupt):
            extend(k)
    assert len(store) == 6
    np.testing.assert_array_equal(gg.read(tmp_path / "x.zarr").values[:, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2])
    assert not list(tmp_path.glob("x.zarr/*/.appending"))
