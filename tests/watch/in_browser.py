"""The report in a browser: opened, looked at, clicked and dragged, wide and narrow, light, dark and on paper: in_browser.py
PROGRAM [FOLDER]

PROGRAM (tests/watch/example.c) writes the run. FOLDER gets screenshots. 77 when Chromium is not installed.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import chromium

if not chromium.find():
    print("browser: skipped: there is no chromium")
    sys.exit(77)

failed = False


def expect(what, condition):
    global failed
    if not condition:
        print(f"browser: {what}", file=sys.stderr)
        failed = True


def paths(browser, chart=0):
    return browser.run(f"[...document.querySelectorAll('.chart')[{chart}].querySelectorAll('svg path')].map(p => p.getAttribute('d'))")


def ticks(browser):
    return browser.run("[...document.querySelector('.chart svg').querySelectorAll('text')].map(t => t.textContent)")


def set_value(browser, selector, value):
    browser.run(f"""(() => {{ const e = document.querySelector({selector!r}); e.value = {value!r};
                    e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }})()""")


def look(browser, url, shots):
    browser.open(url)
    expect("the title", browser.run("document.querySelector('h1').textContent") == "An <example>")
    headings = browser.run("[...document.querySelectorAll('h2')].map(h => h.textContent)")
    expect(f"sections {headings}", headings == ["samples", "Curves", "Distributions", "Profile", "notes", "Configuration and machine"])
    names = browser.run("[...document.querySelectorAll('.chart h3')].map(h => h.textContent)")
    expect(f"charts {names}", names == ["loss", "quality", "throughput"])
    expect("class names", browser.run("document.querySelectorAll('.picture li')[9].textContent") == "Ankle boot")
    expect("a text", browser.run("document.querySelector('pre').textContent").startswith("A text with <b>, & and ä,\nin two"))
    expect("the configuration", browser.run("document.querySelector('section:last-of-type td').textContent") == "1e-3")
    expect("two runs", len(browser.run("[...document.querySelectorAll('.chart')[0].querySelectorAll('.legend button')].map(b => 1)")) == 4)
    # Class names stand beside their rows.
    rows = browser.run("""(() => { const image = document.querySelector('.picture img').getBoundingClientRect();
        return [...document.querySelectorAll('.picture li')].map((li, i) => { const b = li.getBoundingClientRect();
        return Math.abs((b.top + b.bottom) / 2 - (image.top + image.height * (i + 0.5) / 10)); }); })()""")
    expect(f"names beside rows {rows}", max(rows) < 4)

    # The slider: through the steps, and remembered.
    first = browser.run("document.querySelector('.picture img').src")
    set_value(browser, ".slider input", 0)
    second = browser.run("document.querySelector('.picture img').src")
    expect("the slider shows another grid", first != second and second.startswith("data:image/png;base64,"))
    expect("its step", browser.run("document.querySelector('.slider output').textContent") == "step 20")
    size = browser.run("""(async () => { const image = document.querySelector('.picture img'); await image.decode();
                        return [image.naturalWidth, image.naturalHeight]; })()""")
    expect(f"the picture {size}", size == [291, 291])

    # Curves: a gap where a value is none, smoothing, the logarithm, time.
    whole = paths(browser)
    expect("a gap", any(d.count("M") == 2 for d in whole))
    set_value(browser, "#smoothing", 0.9)
    smooth = paths(browser)
    expect("smoothing", len(smooth) == 2 * len(whole) and smooth[1] != smooth[0])
    set_value(browser, "#smoothing", 0)
    before = ticks(browser)
    browser.run("document.querySelector('#log').click()")
    expect("a logarithmic axis", paths(browser) != whole and ticks(browser) != before and "0.01" in ticks(browser))
    browser.run("document.querySelector('#log').click()")
    set_value(browser, "#axis", "time")
    expect("time", any(":" in t for t in ticks(browser)))
    set_value(browser, "#axis", "step")
    expect("as before", paths(browser) == whole)

    # Zoom by dragging across, and back.
    browser.run("document.querySelector('.chart svg').scrollIntoView({block: 'center'})")
    box = browser.run("(() => { const b = document.querySelector('.chart svg').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()")
    middle = box[1] + box[3] / 2
    browser.drag(box[0] + 0.4 * box[2], middle, box[0] + 0.6 * box[2], middle)
    expect(f"zoom {ticks(browser)}", paths(browser) != whole and "0" not in ticks(browser)[-4:])
    browser.mouse("mouseMoved", box[0] + 0.5 * box[2], middle)
    values = browser.run("document.querySelector('.legend output').textContent")
    expect(f"values where the pointer is {values!r}", "@" in values)
    browser.run("document.querySelector('.chart header button').click()")
    expect("the whole again", paths(browser) == whole)
    browser.run("document.querySelector('.legend button').click()")
    expect("a hidden curve", len(paths(browser)) == len(whole) - 1)

    # The flame graph: into the backward phase, and back.
    bars = browser.run("[...document.querySelectorAll('.flame button')].map(b => b.textContent)")
    expect(f"bars {bars}", {"step", "forward", "backward", "optimizer", "net", "fc1", "linear_bias"} <= set(bars))
    fits = browser.run("""(() => { const box = document.querySelector('.flame').getBoundingClientRect();
        return [...document.querySelectorAll('.flame button')].every(b => { const r = b.getBoundingClientRect();
        return r.left >= box.left - 1 && r.right <= box.right + 1 && r.bottom <= box.bottom + 1; }); })()""")
    expect("bars inside the graph", fits)
    browser.run("[...document.querySelectorAll('.flame button')].find(b => b.textContent === 'backward').click()")
    inner = browser.run("[...document.querySelectorAll('.flame button')].map(b => b.textContent)")
    expect(f"only the backward phase {inner}", "optimizer" not in inner and inner[:2] == ["step", "backward"])
    expect("what it says", "a step" in browser.run("document.querySelector('.flame + .hint').textContent"))
    browser.run("document.querySelector('.flame button').click()")
    table = browser.run("[...document.querySelectorAll('.numbers tbody td:first-child')].map(t => t.textContent)")
    expect(f"the table {table}", {"net.fc1 (linear_bias)", "optimizer"} <= set(table))

    # A reload finds everything as it was left.
    browser.open(url)
    expect("still hidden", len(paths(browser)) == len(whole) - 1)
    expect("still that step", browser.run("document.querySelector('.slider output').textContent") == "step 20")
    browser.run("document.querySelector('.legend button').click()")
    set_value(browser, ".slider input", 9)

    for name, width, dark, printed in (("wide", 1280, False, False), ("dark", 1280, True, False), ("phone", 390, False, False),
                                       ("phone-dark", 390, True, False), ("paper", 800, False, True)):
        browser.media(dark, printed)
        browser.size(width, 900, mobile=width < 500)
        browser.open(url)
        expect(f"{name}: nothing is wider than the page", browser.run("document.documentElement.scrollWidth") <= width)
        color = browser.run("getComputedStyle(document.body).backgroundColor")
        expect(f"{name}: {color}", (sum(map(int, color.strip("rgb()").split(","))) < 150) == dark)
        if shots:
            browser.size(width, min(browser.run("document.documentElement.scrollHeight"), 6000), mobile=width < 500)
            time.sleep(0.2)
            browser.screenshot(f"{shots}/{name}.png")


def reloads(browser, url, path):
    """While a run goes on the page reloads itself, when it is asked to; time is made to pass."""
    text = path.read_text().replace('"ended":true', '"ended":false')
    path.write_text(text)
    browser.open(url)
    browser.requests.clear()
    browser.run("""(() => { const later = window.setTimeout; window.setTimeout = (f, t) => later(f, t / 50);
                   document.querySelector('#reload').click(); })()""")
    browser.wait_for_load()
    expect("a page that reloads itself", browser.run("document.querySelector('#reload').checked"))


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder + "/other"], check=True)
    subprocess.run([sys.argv[1], folder + "/run", folder + "/other"], check=True)
    report = pathlib.Path(folder, "run", "report.html")
    # Alone, elsewhere: what it needs is in it.
    alone = pathlib.Path(folder, "alone.html")
    alone.write_bytes(report.read_bytes())
    with chromium.Chromium() as browser:
        look(browser, alone.as_uri(), sys.argv[2] if len(sys.argv) > 2 else None)
        asked = {url[:100] for url in browser.requests if not url.startswith("data:")}
        expect(f"requests {asked}", asked == {alone.as_uri()[:100]})
        reloads(browser, alone.as_uri(), alone)
        expect(f"complaints {browser.complaints}", not browser.complaints)
print("browser: the report shows what it should" if not failed else "browser: failed")
sys.exit(failed)
