import pytest

from factories import HOSTILE_CLASSES, HOSTILE_TITLE
from shiftgauge.report.format import clean

pytestmark = pytest.mark.browser

CANVAS = "#surface-canvas"
REACH = """() => Math.max(...[...document.querySelectorAll('main *')]
  .filter(e => !e.closest('.scroll, svg, .hide, table[role] thead, .tiles'))
  .map(e => e.getBoundingClientRect().right))"""
CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255)); return .2126 * r + .7152 * g + .0722 * b; };
  const over = (a, b) => a.slice(0, 3).map((v, k) => v * (a[3] ?? 1) + b[k] * (1 - (a[3] ?? 1)));
  const ground = e => {
    const stack = [];
    for (let n = e; n; n = n.parentElement) stack.push(parse(getComputedStyle(n).backgroundColor));
    return stack.reverse().reduce((b, a) => over(a, b), [255, 255, 255]);
  };
  let worst = 21;
  for (const e of document.querySelectorAll('main *, header *, nav *')) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.getClientRects().length || e.closest('svg')) continue;
    const front = light(parse(getComputedStyle(e).color).slice(0, 3)), back = light(ground(e));
    worst = Math.min(worst, (Math.max(front, back) + .05) / (Math.min(front, back) + .05));
  }
  return worst;
}"""
FRAMES = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"


def pixels(page):
    page.evaluate(FRAMES)
    return page.evaluate(f"document.querySelector('{CANVAS}').toDataURL()")


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


CASES = [(name, 375) for name in ("plain", "hostile", "rough", "gpc", "fixed", "constant")] + [("hostile", 1280)]


@pytest.mark.parametrize(("name", "width"), CASES)
def test_page_is_silent_asks_for_nothing_and_never_scrolls_sideways(open_page, name, width):
    page = open_page(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(FRAMES)
    assert page.said == []
    assert page.asked == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(REACH) <= width + 1


def test_surface_is_drawn_and_turns_by_mouse(open_page):
    page = open_page("plain")
    page.locator(CANVAS).scroll_into_view_if_needed()
    before = pixels(page)
    assert len(before) > 5000
    box = page.locator(CANVAS).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 30, steps=4)
    page.mouse.up()
    assert pixels(page) != before


def test_surface_turns_by_keyboard_and_home_brings_it_back(open_page):
    page = open_page("plain", width=600)
    before = pixels(page)
    page.locator(CANVAS).focus()
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "+", "-"):
        page.keyboard.press(key)
        assert pixels(page) != before, key
        page.keyboard.press("Home")
        assert pixels(page) == before, key


def test_surface_turns_by_touch(chromium, pages, tmp_path):
    file = tmp_path / "touch.html"
    file.write_text(pages["plain"], encoding="utf-8")
    context = chromium.new_context(viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator(CANVAS).scroll_into_view_if_needed()
    before = pixels(page)
    box = page.locator(CANVAS).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 15 * step, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert pixels(page) != before
    context.close()


def test_surface_buttons_turn_it(open_page):
    page = open_page("plain")
    seen = [pixels(page)]
    for name in ("left", "up", "in", "top"):
        page.locator(f"[data-turn={name}]").click()
        seen.append(pixels(page))
    assert len(set(seen)) == len(seen)
    page.locator("[data-turn=home]").click()
    assert pixels(page) == seen[0]


def test_slider_and_pair_change_drawing_and_table(open_page):
    page = open_page("plain")
    table = page.locator("#surface-table")
    first, text = pixels(page), table.text_content()
    page.locator("#surface-slice").fill("6")
    second = pixels(page)
    assert second != first
    assert table.text_content() != text
    page.locator("#surface-pair").select_option("1")
    assert pixels(page) != second
    assert "tilt" in page.locator("#surface-table-caption").text_content()


def test_surface_table_holds_the_values_of_the_result(open_page, results):
    page = open_page("plain")
    data = results["plain"].arrays
    fixed = data["surface_fixed"].values[0]
    k = int(abs(fixed - 0.0).argmin())
    z = data["surface_z"].sel(quantity="probability").values[0, k]
    shown = page.locator("#surface-table tbody tr:first-child td").all_text_contents()
    wanted = [z[0, round(i * (z.shape[1] - 1) / 6)] for i in range(7)]
    assert [float(s) for s in shown] == pytest.approx(wanted, abs=2e-3)


def test_dots_can_be_switched_off(open_page):
    page = open_page("plain")
    before = pixels(page)
    page.locator("#surface-window").select_option("0")
    assert pixels(page) != before
    assert "0 samples" in page.locator(CANVAS).get_attribute("aria-label")


def test_quantity_selector_switches_every_block(open_page):
    page = open_page("plain")
    before = pixels(page)
    keys = page.locator(".toolbar .quantity-select option").evaluate_all("os => os.map(o => o.value)")
    assert len(keys) == 4
    page.locator(".toolbar .quantity-select").select_option(keys[1])
    shown = page.evaluate(
        "[...document.querySelectorAll('[data-quantity]')].filter(e => !e.hidden).map(e => e.dataset.quantity)"
    )
    assert set(shown) == {keys[1]}
    assert page.locator("#surface-quantity").input_value() == keys[1]
    assert pixels(page) != before
    page.locator("#surface-quantity").select_option(keys[0])
    assert page.locator(".toolbar .quantity-select").input_value() == keys[0]
    assert pixels(page) == before


def test_hostile_names_stay_text(open_page):
    page = open_page("hostile")
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert page.evaluate("[...document.images].every(i => i.getAttribute('src').startsWith('data:image/jpeg;base64,'))")
    assert (
        page.evaluate("document.querySelectorAll('main [onerror], main [onload], main u, main i, main b').length") == 0
    )
    body = page.locator("body").text_content()
    for name in HOSTILE_CLASSES:
        assert clean(name) in body
    assert clean(HOSTILE_TITLE) in page.title()
    page.locator(".toolbar .quantity-select").select_option("q3")
    pixels(page)
    assert "<script>alert(1)</script>" in page.locator(CANVAS).get_attribute("aria-label")
    assert page.said == []


def test_own_policy_stops_added_script_and_connection(open_page):
    page = open_page("plain")
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    assert page.evaluate("window.ran === undefined")
    assert page.evaluate("fetch('https://example.org/').then(() => 'went', () => 'stopped')") == "stopped"
    assert page.asked == []


def test_dark_follows_the_system_and_the_button(open_page):
    light, dark = open_page("plain"), open_page("plain", scheme="dark")
    assert background(light) != background(dark)
    light.locator("#theme").click()
    assert background(light) == background(dark)
    assert pixels(light) == pixels(dark)
    light.locator("#theme").click()
    assert background(light) != background(dark)


def test_without_scripts_numbers_and_dark_mode_remain(open_page):
    page = open_page("plain", scheme="dark", javascript=False)
    assert page.locator("#indices table").first.is_visible()
    assert page.locator("#surface noscript").count() == 1
    light = open_page("plain", scheme="light", javascript=False)
    assert page.locator("body").screenshot() != light.locator("body").screenshot()


def test_printing_gives_light_pages_and_opens_tables(open_page, tmp_path):
    page = open_page("plain", scheme="dark")
    data = page.pdf(path=str(tmp_path / "page.pdf"))
    assert data.startswith(b"%PDF")
    assert len(data) > 50_000
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    assert not page.locator(".toolbar").is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details:not(.strip)')].every(d => d.open)")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details:not(.strip)')].every(d => d.open)")
    assert page.said == []


def test_poor_surrogate_alone_raises_an_alarm(open_page):
    page = open_page("gpc")
    assert page.locator(".banner[role=alert]").is_visible()
    assert "not established" in page.locator(".figures").text_content()
    assert "moves the classifier's output most" not in page.locator("#verdict").text_content()
    assert page.locator("#indices .note.alarm").first.is_visible()
    assert page.locator("#indices table.doubtful").first.is_visible()


def test_rough_classifier_marks_drawings_but_not_indices(open_page):
    page = open_page("rough")
    assert page.locator("#surface .note.sketch").first.is_visible()
    assert page.locator("#effects .note.sketch").first.is_visible()
    assert page.locator("#indices .note.alarm").count() == 0
    assert page.locator(".banner").count() == 0


def test_text_has_enough_contrast_in_both_themes(open_page):
    for scheme in ("light", "dark"):
        page = open_page("gpc", scheme=scheme)
        assert 4.5 <= page.evaluate(CONTRAST) < 15
