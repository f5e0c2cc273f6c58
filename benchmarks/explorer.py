"""The explorer's page: its size, the time of an image in a headless browser, and the largest difference from PyTorch.

    python benchmarks/explorer.py --data mnist --data cryptopunks

Trains every model with its default network for two updates (times and sizes do not depend on more), writes the page and
decodes 20 samples in Chromium or Chrome. With `--run RUN` it takes trained models instead.
"""

import argparse
import html
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import gentool

MODELS = ("cae", "vae", "cvae", "lstm-ae", "gan", "cgan")
PROBE = """
<script>
{
  const found = {milliseconds: [], images: []};
  for (let number = 0; number < 20; number++) {  // before the page is loaded, so that the browser waits for it
    const labels = new Float32Array(K), z = Float32Array.from(content.samples[number]);
    if (K) labels[number % K] = 1;
    const began = performance.now(), pixels = toPixels(K ? computed(z, labels) : computed(z));
    found.milliseconds.push(performance.now() - began);
    found.images.push(Array.from(pixels));
  }
  document.body.setAttribute("data-found", JSON.stringify(found));
}
</script>
"""


def browser() -> str:
    """The path of a browser; ends the program without one."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        sys.exit("needs Chromium or Chrome")
    return found


def measured(run: Path, scratch: Path) -> str:
    """A row of the table for one run."""
    page = gentool.explore(run, scratch / "page.html")
    megabytes = page.stat().st_size / 1e6
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    match = re.search(r'data-found="([^"]*)"', dumped)
    if match is None:
        sys.exit(f"{run}: the page computed nothing")
    found = json.loads(html.unescape(match[1]))
    model = gentool.load(run)
    expected = model.sample(20, seed=0)
    pixels = np.array([gentool.to_picture(image) for image in expected]).reshape(20, -1).astype(int)
    worst = np.abs(pixels - np.array(found["images"])).max()
    times = sorted(found["milliseconds"])
    images = f"{model.header.data}, {'x'.join(map(str, model.shape[1:]))}"
    speed = f"{statistics.median(times):.1f} | {times[-1]:.1f}"
    return f"| {model.name} | {images} | {model.parameters:,} | {megabytes:.1f} | {speed} | {worst} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], help="data sets to build default models for")
    parser.add_argument("--run", action="append", type=Path, default=[], help="trained models")
    arguments = parser.parse_args()
    print("| Model | Images | Weights | MB | ms, median | ms, most | largest difference of 255 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        runs = list(arguments.run)
        for data in arguments.data:
            for model in MODELS:
                images = gentool.load_data(data)
                if model in ("cvae", "cgan") and not images.classes:
                    continue
                runs.append(Path(folder) / f"{model}-{Path(data).name}")
                gentool.train(model, images, steps=2, out=runs[-1])
        for run in runs:
            print(measured(run, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
