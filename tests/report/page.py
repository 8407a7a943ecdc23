#!/usr/bin/python3
"""A report opens from a file in a browser: its charts have drawn, its text is text, and no request leaves the file.

    page.py build/tests/report/make_gallery          the gallery of awkward charts
    page.py --report REPORT.html [--report ...]      any report: the checks that need no knowledge of it

Exit status 77 (skipped) where there is no Chromium."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser, require

HOSTILE = "</script><b>\"x\" & 'y'</b> `touch /tmp/x` @m {/Bold a_b^c}, #1"
# What each chart shows: the cells of its table, or how many pixels of its plot are painted and how many of these have
# about the colour of each series that has a value.
LOOK = """
const channels = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
return [...document.querySelectorAll("figure.chart")].map((figure) => {
  const canvas = figure.querySelector("canvas");
  const chart = JSON.parse(figure.querySelector("script").textContent);
  const series = chart.series.filter((one) => one.y.some((value) => value));
  const found = {
    name: figure.dataset.name, kind: chart.kind, empty: Boolean(figure.querySelector(".empty")),
    title: figure.querySelector("h3")?.textContent, pixels: 0, series: series.map(() => 0),
    cells: [...figure.querySelectorAll("table.matrix td")].map((cell) => cell.textContent), cut: "",
  };
  if (!canvas || !canvas.width || !canvas.height) return found;
  // What of the legend lies beyond the chart.
  const plot = Chart.getChart(canvas);
  found.cut = (plot?.legend.legendItems || []).filter((_, i) => {
    const hit = plot.legend.legendHitBoxes[i];
    return hit && (hit.left < 0 || hit.left + hit.width > plot.width + 1 || hit.top + hit.height > plot.height + 1);
  }).map((item) => item.text).join(", ");
  // Without axes and legend.
  const {left, top, width, height} = Chart.getChart(canvas)?.chartArea ||
    {left: 0, top: 0, width: canvas.width, height: canvas.height}, ratio = window.devicePixelRatio;
  const area = [left, top, width, height].map((side) => Math.round(side * ratio));
  const data = canvas.getContext("2d").getImageData(...area).data;
  const wanted = series.map((one) => channels(one.color));
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 120) continue;
    found.pixels++;
    wanted.forEach((color, k) => {
      if (color.every((value, c) => Math.abs(value - data[i + c]) < 24)) found.series[k]++;
    });
  }
  return found;
});
"""
failures = 0


def check(condition, text):
    global failures
    failures += not condition
    if not condition:
        print("FAILED  " + text, flush=True)
    return condition


def check_page(browser, path):
    """Everything that holds for every report; returns what its charts show."""
    address = path.resolve().as_uri()
    browser.requests(), browser.errors()
    browser.open(address)
    charts = browser.run(LOOK)
    drawn = browser.run("return document.documentElement.dataset.drawn")
    outside = [url for url in browser.requests() if url != address and not url.startswith("data:")]
    check(drawn == str(len(charts)), f"{path.name}: {drawn} of {len(charts)} charts drawn")
    check(not outside, f"{path.name} asks for {outside}")
    errors = browser.errors()
    check(not errors, f"{path.name}: {errors}")
    for chart in charts:
        shown = chart["empty"] or chart["cells"] or chart["pixels"] > 100
        check(shown, f"{path.name}: chart {chart['name']} is blank")
        check(not chart["cut"], f"{path.name}: chart {chart['name']} cuts its legend: {chart['cut']}")
        # Lines and small bars may lie behind others; where there is a series at all, one must be seen.
        missing = [count for count in chart["series"] if count < 5]
        few = chart["kind"] == "bars" and len(chart["series"]) < 4
        seen = len(missing) < len(chart["series"]) and not (few and missing)
        check(chart["empty"] or not chart["series"] or seen, f"{path.name}: chart {chart['name']} lacks its series")
    return {chart["name"]: chart for chart in charts}


def check_gallery(browser, path, count):
    charts = check_page(browser, path)
    check(len(charts) == count, f"{len(charts)} of {count} charts on the page")
    for name, chart in charts.items():
        check(chart["empty"] == name.startswith("empty_"), f"{name}: empty is {chart['empty']}")
    check(charts["bars_hostile"]["title"].startswith(HOSTILE), f"title {charts['bars_hostile']['title']!r}")
    check(charts["matrix_3_classes"]["cells"][:4] == ["200", "–", "6", "5"], str(charts["matrix_3_classes"]["cells"]))
    check(browser.run("return document.querySelectorAll('b').length") == 0, "text became markup")
    check(HOSTILE in browser.run("return document.querySelector('main p').textContent"), "the paragraph's text")
    links = browser.run("return [...document.querySelectorAll('nav a')].map((a) => a.textContent)")
    check(links == ["Text", "Charts"], f"contents {links}")
    numbers = browser.run(
        """const details = document.querySelector('figure[data-name=bars_3_classes] details');
        details.open = true; details.dispatchEvent(new Event('toggle'));
        return [...details.querySelectorAll('td')].map((cell) => cell.textContent);"""
    )
    check(
        numbers == ["without_mask", "3232", "with_mask", "1616", "mask_weared_incorrect", "1077"], f"numbers {numbers}"
    )


def check_controls(browser):
    """The buttons: a dark page, charts drawn anew, a logarithmic axis."""
    theme = "return [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]"
    before = browser.run(theme)
    browser.run("document.querySelector('header button').click()")
    behind = browser.run(theme)
    check({before[0], behind[0]} == {"light", "dark"} and before[1] != behind[1], f"themes {before} {behind}")
    check(
        all(c["empty"] or c["cells"] or c["pixels"] > 100 for c in browser.run(LOOK)),
        "a chart is blank after the theme changed",
    )
    pixels = "return document.querySelector('figure[data-name=lines_1_fold] canvas').toDataURL()"
    linear = browser.run(pixels)
    browser.run("document.querySelector('figure[data-name=lines_1_fold] .tools button').click()")
    check(browser.run(pixels) != linear, "the logarithmic scale changes nothing")
    check(not browser.errors(), "errors after the buttons")


def check_detector(browser, page, folder):
    """That a request would have been seen: the same page with its policy taken out and a picture from elsewhere put in."""
    text = page.read_text(encoding="utf-8").replace("Content-Security-Policy", "x-none")
    leaking = folder / "leaking.html"
    leaking.write_text(text.replace("</header>", '<img src="http://127.0.0.1:9/x.png"></header>'), encoding="utf-8")
    browser.requests()
    browser.open(leaking.as_uri())
    check("http://127.0.0.1:9/x.png" in browser.requests(), "a request out of the page is not seen by this test")
    blocked = folder / "blocked.html"
    text = page.read_text(encoding="utf-8").replace("</header>", '<img src="http://127.0.0.1:9/x.png"></header>')
    blocked.write_text(text, encoding="utf-8")
    browser.open(blocked.as_uri())
    check(any("Content Security Policy" in error for error in browser.errors()), "the policy forbids nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", nargs="?")
    parser.add_argument("--report", action="append", default=[], type=Path)
    options = parser.parse_args()
    require()
    with tempfile.TemporaryDirectory(prefix="facemask-page-") as name, Browser() as browser:
        folder = Path(name)
        for report in options.report:
            check_page(browser, report)
        if options.gallery:
            made = subprocess.run([options.gallery, name, "page"], capture_output=True, text=True, check=True)
            check_gallery(browser, folder / "report.html", int(made.stdout))
            check_controls(browser)
            check_detector(browser, folder / "report.html", folder)
    print(f"{failures} checks failed" if failures else "all checks passed")
    sys.exit(failures != 0)


main()
