"""Images as data URLs, within a budget."""

import io
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from visionthink_pl.commands.report import thumbnails as module
from visionthink_pl.commands.report.thumbnails import SIDES, thumbnails


def noisy(file: Path, width: int, height: int) -> str:
    Image.effect_noise((width, height), 90).convert("RGB").save(file)
    return file.name


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(url.partition(",")[2])))


def test_images_are_shrunk_in_their_proportions(tmp_path: Path) -> None:
    names = [noisy(tmp_path / "wide.jpg", 900, 450), noisy(tmp_path / "small.jpg", 40, 90)]
    found = thumbnails(tmp_path, names, 10**6)
    assert found.side == SIDES[0] == 384
    assert [opened(found.urls[name]).size for name in names] == [(384, 192), (40, 90)]
    assert all(url.startswith("data:image/jpeg;base64,") for url in found.urls.values())


def test_a_drawing_of_few_pixels_stays_as_it_is(tmp_path: Path) -> None:
    Image.new("RGB", (56, 56), "red").save(tmp_path / "flat.png")
    noisy(tmp_path / "noise.png", 200, 200)
    found = thumbnails(tmp_path, ["flat.png", "noise.png"], 10**6)
    assert found.urls["flat.png"].startswith("data:image/png;base64,")
    assert (
        b64decode(found.urls["flat.png"].partition(",")[2]) == (tmp_path / "flat.png").read_bytes()
    )
    assert found.urls["noise.png"].startswith("data:image/jpeg;base64,")  # PNG takes far more


@pytest.mark.parametrize("budget", [1_500_000, 400_000, 100_000, 30_000])
def test_all_fit_into_the_budget_as_large_as_they_can(
    budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [noisy(tmp_path / f"{place}.jpg", 600, 400) for place in range(30)]
    found = thumbnails(tmp_path, names, budget)
    assert found.side is not None and len(found.urls) == 30
    assert sum(map(len, found.urls.values())) <= budget
    for larger in (side for side in SIDES if side > found.side):
        monkeypatch.setattr(module, "SIDES", (larger,))
        assert thumbnails(tmp_path, names, budget).side is None


def test_none_where_nothing_fits(tmp_path: Path) -> None:
    names = [noisy(tmp_path / f"{place}.jpg", 600, 400) for place in range(30)]
    assert thumbnails(tmp_path, names, 1000).side is None
    assert thumbnails(tmp_path, [], 0).urls == {}


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    (tmp_path / "text.jpg").write_text("<svg onload=alert(1)>")
    good = noisy(tmp_path / "good.jpg", 40, 40)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / noisy(tmp_path / "whole.jpg", 300, 300)).read_bytes()[:2000])
    names = ["damaged.png", "text.jpg", "nowhere.png", cut.name, good]
    assert set(thumbnails(tmp_path, names, 10**6).urls) == {good}
