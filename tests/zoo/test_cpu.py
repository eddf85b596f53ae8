"""Denormal numbers as zero, bfloat16 where a CPU has it, and freed memory that stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tests.helpers.runs import ROOT
from zoo.cpu import denormals_flushed, keep_freed_memory, supports_bf16

resource = pytest.importorskip("resource")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told")
@pytest.mark.parametrize("mebibytes", (4, 64))  # by itself, glibc never keeps blocks above 32
def test_a_block_that_was_freed_is_had_again_without_new_pages(mebibytes: int):
    assert keep_freed_memory()

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(mebibytes * 2**18) for _ in range(32 // mebibytes or 1)]  # 8192 pages together, or more
        del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert min(faults() for _ in range(3)) < 8192 / 2


IN_A_THREAD = """
import resource
from concurrent.futures import ThreadPoolExecutor
import torch
from zoo.cpu import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for mebibytes in (30, 15, 30, 7, 31, 3):  # as the maps of a network, of which two are there at a time
        last = torch.ones(mebibytes * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
with ThreadPoolExecutor(1) as threads:
    print(min(threads.submit(faults).result() for _ in range(8)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told")
def test_threads_that_begin_later_have_it_again_as_well():
    done = subprocess.run([sys.executable, "-c", IN_A_THREAD], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4000, "memory of their own costs 15,617 new pages a pass"


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory.__wrapped__()


def half_of_the_smallest() -> float:
    return (torch.tensor(torch.finfo(torch.float32).tiny) / 2).item()


def test_denormal_numbers_are_zero_only_where_asked():
    assert half_of_the_smallest() > 0
    with denormals_flushed():
        assert half_of_the_smallest() == 0
        with denormals_flushed():
            assert half_of_the_smallest() == 0
        assert half_of_the_smallest() == 0
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(half_of_the_smallest).result() == 0
    assert half_of_the_smallest() > 0


def test_denormal_numbers_are_back_after_an_error():
    with pytest.raises(RuntimeError), denormals_flushed():
        raise RuntimeError
    assert half_of_the_smallest() > 0


@pytest.mark.parametrize(
    ("machine", "emulated", "native", "expected"),
    [
        ("x86_64", True, False, False),
        ("x86_64", True, True, True),
        ("x86_64", False, False, False),
        ("aarch64", True, False, True),
    ],
)
def test_bf16_is_used_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, machine: str, emulated: bool, native: bool, expected: bool
):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: emulated)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert supports_bf16.__wrapped__() is expected
