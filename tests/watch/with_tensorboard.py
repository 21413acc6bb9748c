"""What TensorBoard itself reads from the events of a run: with_tensorboard.py PROGRAM

PROGRAM (tests/watch/example.c) writes a run to a folder. 77 when the package tensorboard is not installed.
"""

import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"tensorboard: skipped: {error}")
    sys.exit(77)


def expect(what, condition):
    if not condition:
        sys.exit(f"tensorboard: {what}")


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder], check=True)
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    expect(f"scalars {tags['scalars']}", set(tags["scalars"]) >= {"loss/D", "loss/G", "quality/label accuracy"})
    loss = events.Scalars("loss/D")
    expect("steps", [point.step for point in loss] == list(range(200)))
    expect("values", all(abs(point.value - 1 / (1 + point.step)) < 1e-6 for point in loss))
    expect("times", all(0 <= b.wall_time - a.wall_time < 60 for a, b in zip(loss, loss[1:])))
    images = events.Images("samples")
    expect("steps of images", [image.step for image in images] == list(range(20, 201, 20)))
    expect("a picture", images[0].encoded_image_string.startswith(b"\x89PNG"))
    expect("a picture's size", (images[0].width, images[0].height) == (10 * 29 + 1, 10 * 29 + 1))
    histogram = events.Histograms("pixels")[-1].histogram_value
    expect("a histogram", histogram.num == 78400 and sum(histogram.bucket) == 78400 and histogram.min >= -1)
    expect("its buckets", len(histogram.bucket) == len(histogram.bucket_limit) == 32)
    text = events.Tensors("notes")[-1].tensor_proto.string_val[0].decode()
    expect(f"a text {text!r}", text.startswith("A text"))
    print("tensorboard: scalars, images, histograms and texts are there")
