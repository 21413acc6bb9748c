"""What Pillow reads from the animation of a run: with_pillow.py PROGRAM

PROGRAM (tests/watch/example.c) writes pictures and the animation of them to a folder. 77 when Pillow is not installed.
"""

import pathlib
import subprocess
import sys
import tempfile

try:
    from PIL import Image, ImageChops
except ImportError as error:
    print(f"pillow: skipped: {error}")
    sys.exit(77)


def expect(what, condition):
    if not condition:
        sys.exit(f"pillow: {what}")


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder], check=True)
    pictures = [Image.open(path) for path in sorted(pathlib.Path(folder).glob("samples-*.png"))]
    animation = Image.open(pathlib.Path(folder) / "training.png")
    expect("a default image", animation.default_image)
    # Pillow counts the default image, which is no frame, too.
    expect(f"{animation.n_frames} frames of {len(pictures)} pictures", animation.n_frames == len(pictures) + 1 == 11)
    expect("it plays for ever", animation.info["loop"] == 0)
    wanted = pictures[-1:] + pictures
    for i, picture in enumerate(wanted):
        animation.seek(i)
        expect(f"frame {i}", ImageChops.difference(animation.convert("L"), picture.convert("L")).getbbox() is None)
        if i > 0:
            expect(f"time of frame {i}", animation.info["duration"] == (250 if i < len(pictures) else 2000))
    print(f"pillow: {len(pictures)} frames are there")
