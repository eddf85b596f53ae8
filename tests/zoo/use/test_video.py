"""Frames of videos: which, when, and what is said where there are none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.clips import write_clip
from zoo.use import video
from zoo.use.errors import Unreadable
from zoo.use.sources import Reading, expanded
from zoo.use.video import Pace, frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three seconds of ten frames; frame n has the level 8 n."""
    levels = (np.full((32, 48, 3), 8 * number, dtype=np.uint8) for number in range(30))
    return str(write_clip(tmp_path_factory.mktemp("clips") / "clip.mkv", levels))


def test_every_frame_with_its_time(clip: str):
    found = list(frames(clip, Pace()))
    assert [frame.number for frame in found] == list(range(30))
    assert [frame.seconds for frame in found] == pytest.approx([number / 10 for number in range(30)], abs=2e-3)
    assert [int(frame.rgb.mean().round()) for frame in found] == [8 * number for number in range(30)]
    assert found[0].rgb.shape == (32, 48, 3) and found[0].rgb.dtype == np.uint8


def test_every_so_many_frames(clip: str):
    assert [frame.number for frame in frames(clip, Pace(every=7))] == [0, 7, 14, 21, 28]


@pytest.mark.parametrize(("fps", "expected"), [(2, [0, 5, 10, 15, 20, 25]), (100, list(range(30))), (0.5, [0, 20])])
def test_so_many_frames_a_second(clip: str, fps: float, expected: list[int]):
    assert [frame.number for frame in frames(clip, Pace(fps=fps))] == expected


def test_a_video_is_a_source_of_pictures(clip: str):
    (source,) = expanded([clip], Reading(pace=Pace(every=10)))
    assert source.moves and not source.live
    assert [(one.source, one.frame, one.seconds) for one in source.pictures()] == [
        (clip, 0, 0.0), (clip, 10, pytest.approx(1.0)), (clip, 20, pytest.approx(2.0)),
    ]  # fmt: skip


def test_a_video_that_ends_early_gives_the_frames_before(clip: str, tmp_path: Path):
    content = Path(clip).read_bytes()
    (tmp_path / "half.mkv").write_bytes(content[: len(content) // 2])
    (source,) = expanded([tmp_path / "half.mkv"], Reading())
    found = list(source.pictures())
    assert 5 < sum(one.rgb is not None for one in found) < 30


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_a_file_that_is_no_video(content: bytes, tmp_path: Path):
    pytest.importorskip("av")
    (tmp_path / "clip.mp4").write_bytes(content)
    (source,) = expanded([tmp_path / "clip.mp4"], Reading())
    (found,) = source.pictures()
    assert found.error.startswith("unreadable: cannot be read, or ends early: ")


def test_without_pyav_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name))
    with pytest.raises(Unreadable, match=r'PyAV is missing: pip install -e "\.\[video\]"'):
        list(frames("clip.mp4", Pace()))


def test_a_camera_that_is_not_there():
    pytest.importorskip("av")
    (source,) = expanded(["camera:97"], Reading(command_line=True))
    assert source.live
    (found,) = source.pictures()
    assert found.error.startswith("unreadable: cannot be ")


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile clip.mkv\n", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nclip.mkv\n"]
)
def test_a_play_list_that_is_called_a_video_opens_no_other_file(text: str, clip: str):
    path = Path(clip).with_name("list.mkv")
    path.write_text(text)
    with pytest.raises(Unreadable, match="cannot be read"):
        list(frames(str(path), Pace()))
