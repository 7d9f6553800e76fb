"""One image file: its header and its pixels, against Pillow's own."""

from __future__ import annotations

import io
import os
import pathlib
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from dlrun.data.decode import Form, decode
from dlrun.data.image_header import MOST_PIXELS, header
from dlrun.errors import DataError

BICUBIC = Image.Resampling.BICUBIC


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Blots of colour, smooth enough for JPEG."""
    blots = np.random.default_rng(seed).integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize((width, height), BICUBIC)


def decoded(file: pathlib.Path, height: int, width: int, channels: int = 3, resize: str | None = None) -> np.ndarray:
    form = Form.parse({"height": height, "width": width, "channels": channels, "resize": resize})
    pixels = np.full(form.shape, 7, np.uint8)
    decode(file, form, pixels)
    return pixels


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp"])
def test_each_format_is_what_pillow_sees(tmp_path: pathlib.Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    photo(40, 30).save(file)
    found = header(file)
    assert (found.height, found.width, found.channels, found.deep) == (30, 40, 3, False)
    with Image.open(file) as image:
        expected = image.convert("RGB")
    np.testing.assert_array_equal(decoded(file, 30, 40), np.asarray(expected))
    grey = np.asarray(expected.convert("L"))
    np.testing.assert_array_equal(decoded(file, 30, 40, 1)[..., 0], grey)
    assert (decoded(file, 30, 40, 4)[..., 3] == 255).all()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_decoder_of_jpegs_gives_pillows_pixels(
    tmp_path: pathlib.Path, subsampling: str, progressive: bool, mode: str
) -> None:
    for width, height in ((1, 1), (7, 5), (17, 33), (101, 64)):
        file = tmp_path / f"{width}.jpg"
        photo(width, height).convert(mode).save(file, subsampling=subsampling, progressive=progressive, quality=85)
        channels = 3 if mode == "RGB" else 1
        expected = np.asarray(Image.open(file)).reshape(height, width, channels)
        np.testing.assert_array_equal(decoded(file, height, width, channels), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("before", [0, 2_000, 70_000])
def test_the_header_of_a_jpeg_is_what_pillow_sees(tmp_path: pathlib.Path, mode: str, before: int) -> None:
    file = tmp_path / "a.jpg"
    photo(40, 30).convert(mode).save(file, icc_profile=b"x" * before if before else None, progressive=True)
    found = header(file)
    assert (found.height, found.width, found.channels, found.deep) == (30, 40, 1 if mode == "L" else 3, False)


def test_jpegs_for_printing_are_colour_too(tmp_path: pathlib.Path) -> None:
    photo(20, 10).convert("CMYK").save(tmp_path / "a.jpg")
    assert header(tmp_path / "a.jpg").channels == 3
    expected = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB"))
    np.testing.assert_array_equal(decoded(tmp_path / "a.jpg", 10, 20), expected)


def test_a_picture_on_its_side_is_not_taken_for_one_upright(tmp_path: pathlib.Path) -> None:
    Image.fromarray(np.full((8, 16, 3), 9, np.uint8)).save(tmp_path / "wide.jpg")
    form = Form(height=16, width=8, channels=3)
    with pytest.raises(DataError, match=r"is 8x16 \(height x width\), where 16x8 is needed"):
        decode(tmp_path / "wide.jpg", form, np.zeros(form.shape, np.uint8))


def test_sizes(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.png"
    image = photo(60, 30)
    image.save(file)
    np.testing.assert_array_equal(decoded(file, 20, 20, resize="fill"), np.asarray(image.resize((20, 20), BICUBIC)))
    np.testing.assert_array_equal(
        decoded(file, 20, 20, resize="crop"), np.asarray(image.resize((20, 20), BICUBIC, box=(15, 0, 45, 30)))
    )
    letterbox = np.zeros((20, 20, 3), np.uint8)
    letterbox[5:15] = np.asarray(image.resize((20, 10), BICUBIC))
    np.testing.assert_array_equal(decoded(file, 20, 20, resize="fit"), letterbox)
    with pytest.raises(DataError, match=r"is 30x60 \(height x width\), where 20x20 is needed"):
        decoded(file, 20, 20)


def test_large_jpegs_are_decoded_to_twice_the_size_and_then_brought_to_it(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.jpg"
    photo(800, 600).save(file, quality=95)
    with Image.open(file) as image:
        image.draft(None, (128, 96))
        assert image.size == (200, 150)
        expected = np.asarray(image.resize((64, 48), BICUBIC))
    received = decoded(file, 48, 64, resize="fill")
    np.testing.assert_array_equal(received, expected)
    whole = np.asarray(Image.open(file).resize((64, 48), BICUBIC)).astype(int)
    assert np.abs(received - whole).mean() < 1


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: pathlib.Path, ending: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"a.{ending}"
    photo(40, 24).save(file, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    found = header(file)
    assert (found.height, found.width) == expected.shape[:2]
    np.testing.assert_array_equal(decoded(file, *expected.shape[:2]), expected)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_exif_behind_the_pixels_of_a_png_counts_too(tmp_path: pathlib.Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    content = io.BytesIO()
    photo(8, 6).save(content, "PNG")
    data = content.getvalue()
    end = chunk(b"IEND", b"")
    assert data.endswith(end)
    (tmp_path / "a.png").write_bytes(data[: -len(end)] + chunk(b"eXIf", exif.tobytes()[6:]) + end)
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", 6, 8), np.asarray(photo(8, 6))[::-1, ::-1])


def test_sixteen_bits_of_grey_keep_their_scale(tmp_path: pathlib.Path) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert header(tmp_path / "a.png").deep
    assert header(tmp_path / "a.png").channels == 1
    assert decoded(tmp_path / "a.png", 1, 6, 1).reshape(-1).tolist() == [0, 0, 1, 1, 128, 255]


def test_transparency(tmp_path: pathlib.Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = (200, 100, 0, 255)
    pixels[1] = (10, 20, 30, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert header(tmp_path / "a.png").channels == 4
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", 2, 2, 4), pixels)
    over_white = decoded(tmp_path / "a.png", 2, 2, 3)
    assert over_white[:, 0].tolist() == [[200, 100, 0], [255, 255, 255]]
    Image.new("LA", (2, 2), (90, 0)).save(tmp_path / "grey.png")
    assert header(tmp_path / "grey.png").channels == 4
    assert decoded(tmp_path / "grey.png", 2, 2, 1).reshape(-1).tolist() == [255] * 4


def test_the_first_frame_of_an_animation(tmp_path: pathlib.Path) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "green", "blue")]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, lossless=True)
        assert decoded(tmp_path / name, 4, 6)[0, 0].tolist() == [255, 0, 0]


def bomb(file: pathlib.Path, width: int, height: int) -> pathlib.Path:
    """A PNG of many pixels, all black, in few bytes."""
    pixels = zlib.compress(bytes(1 + width // 8) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return file


def test_more_pixels_than_are_decoded(tmp_path: pathlib.Path) -> None:
    file = bomb(tmp_path / "bomb.png", 10_000, 10_000)
    assert file.stat().st_size < 20_000
    assert MOST_PIXELS < 10_000 * 10_000
    gif = struct.pack("<6sHHBBB", b"GIF89a", 60_000, 60_000, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    (tmp_path / "bomb.gif").write_bytes(gif)
    tracemalloc.start()
    for name, pixels in (("bomb.png", "100,000,000"), ("bomb.gif", "3,600,000,000")):
        for read in (header, lambda each: decoded(each, 8, 8, resize="fill")):
            with pytest.raises(DataError, match=f"has {pixels} pixels"):
                read(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_what_is_no_image(tmp_path: pathlib.Path) -> None:
    photo(40, 30).save(tmp_path / "whole.png")
    photo(40, 30).save(tmp_path / "whole.jpg")
    for whole in ("whole.png", "whole.jpg"):
        data = (tmp_path / whole).read_bytes()
        (tmp_path / f"cut.{whole[-3:]}").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    answers = {
        "empty.png": "is empty",
        "text.png": "is no image in one of the formats PNG, JPEG, GIF, BMP or WebP",
        "folder.png": "is a folder",
        "pipe.png": "is no plain file",
        "gone.png": "is not there",
        "nul\0.png": "cannot be read: embedded null byte",
        "cut.png": "is damaged: ",
        "cut.jpg": "is damaged: ",
    }
    for name, answer in answers.items():
        with pytest.raises(DataError, match=answer):
            decoded(tmp_path / name, 30, 40)


def test_damage_at_random_is_told_or_does_no_harm(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    for ending in ("png", "jpg", "gif", "bmp", "webp"):
        content = io.BytesIO()
        photo(24, 16).save(content, {"jpg": "jpeg"}.get(ending, ending))
        whole = np.frombuffer(content.getvalue(), np.uint8)
        for _ in range(60):
            data = whole[: rng.integers(1, len(whole) + 1)].copy()
            data[rng.integers(0, len(data), 4)] = rng.integers(0, 256, 4)
            file = tmp_path / f"a.{ending}"
            file.write_bytes(data.tobytes())
            for read in (header, lambda each: decoded(each, 16, 24), lambda each: decoded(each, 8, 8, 1, "fit")):
                try:
                    read(file)
                except DataError as error:
                    assert error.message.startswith(("is ", "has ", "cannot "))  # noqa: PT017 - it need not be raised
