"""The pet store in a real browser, as visitors and sellers use it; the shop's own Python runs in the page's worker."""

from __future__ import annotations

import importlib.util
import io
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from baaskit_client import Client, eq, table
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.conftest import chromium

from .conftest import ROOT, Server

pytestmark = pytest.mark.journey

ARTEFACTS = ROOT / "tests" / "artefacts"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PASSWORD = "a long and quiet walk"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 380, "height": 780}
CARD = ".card:not(.skeleton)"
_numbers = itertools.count(1)

expect.set_options(timeout=40_000)  # Python starts in the page on a machine that may be busy


@pytest.fixture(scope="module")
def site(make_server: Callable[..., Server]) -> Server:
    """The shop's server, with what the page loads laid out as `make demo` does it."""
    spec = importlib.util.spec_from_file_location("petstore_run", ROOT / "demo-petstore" / "run.py")
    assert spec is not None and spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    server = make_server(start=False)
    run.lay_out(server.folder / "public")
    server.start()
    return server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium(), args=ARGS)
        yield launched
        launched.close()


@pytest.fixture
def visitor(browser: Browser, site: Server) -> Iterator[Callable[..., Page]]:
    """`page = visitor()`: the shop opened by somebody new, in a browser of their own."""
    contexts: list[BrowserContext] = []

    def come(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, **{"viewport": DESKTOP, **options})
        context.set_default_timeout(40_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield come
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def admin(site: Server) -> Iterator[Client]:
    with Client(site.url, site.service_role_key) as client:
        yield client


def picture(page: Page, name: str) -> None:
    """Keep how it looks, for people."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"shop-{name}.png", animations="disabled")


def sign_up(page: Page) -> str:
    """A new account through the form; the address."""
    email = f"visitor{next(_numbers)}@example.com"
    page.get_by_role("button", name="Sign in", exact=True).click()
    form = page.get_by_role("dialog", name="Sign in")
    form.get_by_role("button", name="Create an account").click()
    fill_account(page, "Create an account", email)
    expect(page.get_by_label(f"Account of {email}")).to_be_visible()
    return email


def fill_account(page: Page, dialog: str, email: str, password: str = PASSWORD) -> None:
    form = page.get_by_role("dialog", name=dialog)
    form.get_by_label("Email").fill(email)
    form.get_by_label("Password").fill(password)
    form.locator("form").get_by_role("button").click()


def offered(admin: Client, **values: Any) -> dict[str, Any]:
    """A pet with a name of its own, so that tests do not meet."""
    seller = "5e11e400-0000-4000-8000-000000000001"
    pet = {"seller_id": seller, "name": f"Trial{next(_numbers):03}", "species": "cat", "breed": "Tabby", "price": 20, "stock": 3, **values}
    return admin.run(table("pets").insert(pet))


def find(page: Page, pet: dict[str, Any]) -> Locator:
    """Search for a pet of `offered`; its card."""
    page.get_by_label("Search pets").fill(pet["name"])
    expect(page.locator(CARD)).to_have_count(1)
    return page.locator(CARD)


def test_a_visitor_browses_narrows_and_searches_ten_thousand_pets(visitor):
    page = visitor()
    expect(page.locator(CARD)).to_have_count(24)
    expect(page.locator(".found")).to_contain_text(re.compile(r"10,00\d pets|10,0[1-9]\d pets"))
    expect(page.locator(".timing")).to_contain_text("on your first visit")
    assert page.evaluate("document.documentElement.dataset.jspi") == "false"
    picture(page, "catalogue")

    page.locator(".more button").scroll_into_view_if_needed()
    expect(page.locator(CARD).nth(40)).to_be_attached()

    page.get_by_role("button", name="Cats", exact=True).click()
    expect(page.get_by_role("button", name="Cats", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".found")).to_contain_text(re.compile(r"1,6\d\d pets"))
    page.get_by_label("Sort by").select_option("cheap")
    page.get_by_label("Lowest price").fill("200")
    page.get_by_label("Highest price").fill("210")
    page.get_by_label("Highest price").press("Tab")
    expect(page.locator(".price").first).to_have_text(re.compile(r"€20\d"))
    expect(page.locator(".grid")).to_have_attribute("data-stale", "false")
    prices = [float(text.strip("€")) for text in page.locator(f"{CARD} .price").all_inner_texts()]
    assert prices and prices == sorted(prices) and 200 <= prices[0] <= prices[-1] <= 210

    page.get_by_label("Search pets").fill("persian")
    expect(page.locator(".found")).to_contain_text("persian")
    expect(page.locator(f"{CARD} .kind").first).to_contain_text("Persian")
    assert all(200 <= float(text.strip("€")) <= 210 for text in page.locator(f"{CARD} .price").all_inner_texts())
    page.get_by_label("Search pets").fill("siamese zzzz")
    expect(page.get_by_role("heading", name="Nobody like that is here today")).to_be_visible()
    picture(page, "nothing-found")
    page.get_by_role("button", name="Show all pets").click()
    expect(page.get_by_label("Search pets")).to_have_value("")
    expect(page.locator(".found")).to_contain_text("10,0")

    page.get_by_label("Search pets").fill("corgi luna")
    expect(page.locator(".found")).to_contain_text("corgi luna")
    expect(page.locator(CARD).first).to_contain_text("Luna")
    expect(page.locator(CARD).first).to_contain_text("Corgi")


def test_a_pet_has_a_page_of_its_own_that_escape_closes(visitor):
    page = visitor("/#/pet/2")
    dialog = page.get_by_role("dialog", name="Otis")
    expect(dialog).to_contain_text("Paws & Whiskers")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    picture(page, "pet")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.closest('dialog') !== null || document.activeElement === document.body")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.url.endswith("#/")
    page.go_back()
    expect(dialog).to_be_visible()


def test_what_is_clicked_before_python_is_up_is_done_when_it_is(visitor):
    page = visitor()
    page.get_by_role("button", name="Reptiles").click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert page.locator(CARD).count() == 0, "the shop was up too soon for this test to mean anything"
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Reptiles")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"{CARD} .kind").first).to_contain_text(re.compile("Gecko|Tortoise|Chameleon|Iguana|Skink|Corn snake"))


def test_a_cart_survives_signing_up_and_is_bought_once(visitor, admin):
    one, two = offered(admin, price=12.5), offered(admin, price=30)
    page = visitor()
    for pet in (one, two):
        find(page, pet)
        page.get_by_role("button", name=f"Add {pet['name']} to the cart").click()
    expect(page.get_by_label("Cart, 2 pets")).to_be_visible()
    page.reload()
    page.get_by_label("Cart, 2 pets").click()
    cart = page.get_by_role("dialog", name="Cart")
    cart.get_by_role("button", name=f"One {one['name']} more").click()
    expect(cart.get_by_test_id("total")).to_have_text("€55.00")
    picture(page, "cart")
    cart.get_by_role("button", name="Sign in and buy").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_contain_text("Your cart stays as it is")
    email = f"visitor{next(_numbers)}@example.com"
    fill_account(page, "Sign in", email)
    expect(page.get_by_role("alert")).to_have_text("This email and password do not belong together.")
    picture(page, "sign-in-refused")
    page.get_by_role("button", name="Create an account").click()
    fill_account(page, "Create an account", email)
    expect(cart.get_by_test_id("total")).to_have_text("€55.00")
    cart.get_by_role("button", name="Buy now").dblclick()
    thanks = page.get_by_role("dialog", name="Thank you")
    expect(thanks).to_contain_text("€55.00")
    picture(page, "thanks")
    thanks.get_by_role("link", name="See my orders").click()
    orders = page.get_by_role("article")
    expect(orders).to_have_count(1)
    expect(orders.first).to_contain_text(one["name"])
    assert [row["stock"] for row in admin.run(table("pets").where(eq("id", one["id"])))] == [1]
    assert len(admin.run(table("order_items").where(eq("pet_id", one["id"])))) == 1

    [bought] = admin.run(table("order_items").where(eq("pet_id", one["id"])).select("order_id"))
    admin.run(table("orders").where(eq("id", bought["order_id"])).update({"status": "shipped"}))
    expect(orders.first.get_by_label("Status: shipped")).to_be_visible()
    expect(page.get_by_text("Your order is shipped.")).to_be_visible()
    picture(page, "orders")

    page.reload()
    expect(page.get_by_label(f"Account of {email}")).to_be_visible()
    expect(orders).to_have_count(1)
    page.get_by_label(f"Account of {email}").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("banner").get_by_role("button", name="Sign in")).to_be_visible()
    expect(orders).to_have_count(0)

    other = visitor()
    sign_up(other)
    other.get_by_role("link", name="My orders").click()
    expect(other.get_by_role("heading", name="No orders yet")).to_be_visible()
    assert other.get_by_role("article").count() == 0


def test_stock_moves_in_every_window_and_the_last_one_is_sold_once(visitor, admin):
    pet = offered(admin, stock=1, price=80)
    one, two = visitor(), visitor()
    for page in (one, two):
        sign_up(page)
        find(page, pet)
        expect(page.locator(f"{CARD} .stock")).to_have_text("Last one")
        page.get_by_role("button", name=f"Add {pet['name']} to the cart").click()
    two.get_by_label("Cart, 1 pet").click()
    expect(two.get_by_role("button", name="Buy now")).to_be_enabled()
    one.get_by_label("Cart, 1 pet").click()
    one.get_by_role("button", name="Buy now").click()
    expect(one.get_by_role("dialog", name="Thank you")).to_be_visible()

    expect(two.locator(f"{CARD} .stock")).to_have_text("Sold out")
    expect(two.locator(f"{CARD} .stock")).not_to_have_attribute("data-pulse", "0")
    cart = two.get_by_role("dialog", name="Cart")
    expect(cart).to_contain_text("Sold out")
    expect(cart.get_by_role("button", name="Buy now")).to_be_disabled()
    expect(cart.get_by_test_id("total")).to_have_text("€0.00")
    picture(two, "sold-out")
    admin.run(table("pets").where(eq("id", pet["id"])).update({"stock": 7}))
    expect(two.locator(f"{CARD} .stock")).to_have_text("7 left")
    expect(cart.get_by_role("button", name="Buy now")).to_be_enabled()
    admin.run(table("pets").where(eq("id", pet["id"])).update({"status": "hidden"}))
    expect(two.locator(f"{CARD} .stock")).to_have_text("No longer for sale")


# Keeps each value that the progress bar is drawn with.
PROGRESS = """() => {
  window.moved = [];
  new MutationObserver(() => { const bar = document.querySelector('progress'); if (bar) moved.push(bar.value); })
    .observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def photo(side: int) -> bytes:
    image = Image.effect_noise((side, side), 80).convert("RGB")
    image.save(found := io.BytesIO(), "JPEG", quality=92)
    return found.getvalue()


def test_a_seller_offers_a_pet_with_a_photo_and_its_thumbnail_appears(visitor, admin):
    page = visitor()
    sign_up(page)
    page.get_by_role("link", name="Sell").first.click()
    expect(page.get_by_role("heading", name="Nothing for sale yet")).to_be_visible()
    page.get_by_role("button", name="Sell a pet").click()
    form = page.get_by_role("dialog", name="Sell a pet")
    form.get_by_role("button", name="Put it in the shop").click()
    expect(form.get_by_text("A name of 1 to 60 letters, please.")).to_be_visible()
    expect(form.get_by_text("Give your shop a name")).to_be_visible()
    picture(page, "sell-faults")
    form.get_by_label("Name of your shop").fill("Quiet Corner")
    form.get_by_label("Name", exact=True).fill("Noodle")
    form.get_by_label("Kind").select_option("dog")
    form.get_by_label("Breed").fill("Whippet")
    form.get_by_label("Price in €").fill("145.50")
    form.get_by_label("In stock").fill("2")
    form.get_by_label("About").fill("Sleeps, runs, sleeps.")
    content = photo(1600)
    assert len(content) > 1_000_000
    form.get_by_label("Photo").set_input_files({"name": "noodle.jpg", "mimeType": "image/jpeg", "buffer": content})
    expect(form.locator(".preview")).to_be_visible()
    picture(page, "sell")
    page.evaluate(PROGRESS)
    form.get_by_role("button", name="Put it in the shop").click()
    mine = page.get_by_role("listitem", name="Noodle")
    expect(mine).to_be_visible()
    moved = page.evaluate("moved")
    assert moved and moved == sorted(moved) and moved[-1] == 1
    expect(mine.locator("img")).to_have_attribute("src", re.compile(r"\.thumb\.webp$"))
    picture(page, "my-pets")

    [row] = admin.run(table("pets").where(eq("name", "Noodle")))
    assert re.fullmatch(rf"{row['seller_id']}/[0-9a-f]{{32}}\.jpg", row["photo"])
    assert admin.storage("photos").download(row["photo"]) == content
    assert Image.open(io.BytesIO(admin.storage("photos").download(f"{row['photo']}.thumb.webp"))).size == (480, 480)

    buyer = visitor(f"/#/pet/{row['id']}")
    expect(buyer.get_by_role("dialog", name="Noodle")).to_contain_text("Quiet Corner")
    mine.get_by_role("button", name="Edit Noodle").click()
    edit = page.get_by_role("dialog", name="Edit Noodle")
    edit.get_by_label("In stock").fill("9")
    edit.get_by_role("button", name="Save").click()
    expect(buyer.get_by_role("dialog", name="Noodle").locator(".stock")).to_have_text("9 left")
    mine.get_by_role("button", name="Hide Noodle").click()
    expect(mine).to_contain_text("hidden")
    expect(buyer.get_by_role("dialog", name="Noodle").locator(".stock")).to_have_text("No longer for sale")
    mine.get_by_role("button", name="Withdraw Noodle").click()
    expect(mine).to_have_count(0)
    assert admin.run(table("pets").where(eq("name", "Noodle"))) == []


def test_offline_says_so_and_comes_back_by_itself(visitor, admin):
    pet = offered(admin, stock=5)
    page = visitor()
    find(page, pet)
    expect(page.locator(f"{CARD} .stock")).to_have_text("5 left")
    page.context.set_offline(True)
    banner = page.get_by_text("You are offline.")
    expect(banner).to_be_visible()
    page.get_by_role("button", name=f"Add {pet['name']} to the cart").click()
    expect(page.get_by_label("Cart, 1 pet")).to_be_visible()
    picture(page, "offline")
    page.context.set_offline(False)
    expect(banner).to_have_count(0)
    admin.run(table("pets").where(eq("id", pet["id"])).update({"stock": 2}))
    expect(page.locator(f"{CARD} .stock")).to_have_text("Only 2 left")


def test_a_restart_of_the_server_costs_the_visitor_nothing(visitor, site, admin):
    pet = offered(admin, stock=5)
    page = visitor()
    email = sign_up(page)
    find(page, pet)
    expect(page.locator(f"{CARD} .stock")).to_have_text("5 left")
    site.stop()
    banner = page.get_by_text("You are offline.")
    expect(banner).to_be_visible()
    site.start(port=int(site.url.rpartition(":")[2]))
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_have_count(0)
    admin.run(table("pets").where(eq("id", pet["id"])).update({"stock": 4}))
    expect(page.locator(f"{CARD} .stock")).to_have_text("4 left")
    expect(page.get_by_label(f"Account of {email}")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(visitor, admin, scheme):
    pet = offered(admin, name=f"{next(_numbers):03} Bartholomew the Magnificent of Windermere", stock=4)
    page = visitor(viewport=PHONE, color_scheme=scheme, reduced_motion="reduce", is_mobile=True, has_touch=True)

    def fits(name: str) -> None:
        picture(page, f"phone-{name}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        wide = "[...document.querySelectorAll('dialog[open], dialog[open] *')].some(e => e.getBoundingClientRect().right > innerWidth + 1)"
        assert not page.evaluate(wide), name

    expect(page.locator(CARD)).to_have_count(24)
    fits("catalogue")
    find(page, pet)
    page.get_by_role("button", name=f"Add {pet['name']} to the cart").tap()
    page.get_by_role("link", name=pet["name"]).first.tap()
    expect(page.get_by_role("dialog", name=pet["name"])).to_be_visible()
    fits("pet")
    page.keyboard.press("Escape")
    sign_up(page)
    page.get_by_role("navigation", name="Sections").get_by_role("button", name="Cart").tap()
    expect(page.get_by_role("dialog", name="Cart")).to_contain_text(pet["name"])
    fits("cart")
    page.get_by_role("button", name="Buy now").tap()
    page.get_by_role("link", name="See my orders").tap()
    expect(page.get_by_role("article")).to_have_count(1)
    fits("orders")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Sell").tap()
    page.get_by_role("button", name="Sell a pet").tap()
    expect(page.get_by_role("dialog", name="Sell a pet")).to_be_visible()
    fits("sell")


def test_the_page_keeps_to_its_own_server_and_its_content_policy(browser, site):
    asked, said = [], []
    context = browser.new_context(base_url=site.url, viewport=DESKTOP)
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto("/")
    expect(page.locator(CARD)).to_have_count(24)
    page.get_by_label("Search pets").fill("parrot")
    expect(page.locator(CARD).first).to_contain_text("Parrot")
    page.get_by_role("button", name="Switch between light and dark").click()
    picture(page, "dark")
    context.close()
    assert any(url.endswith("pyodide.asm.wasm") for url in asked)
    assert {url for url in asked if not url.startswith(f"{site.url}/")} == set()
    assert said == []
    text = (site.folder / "public" / "index.html").read_text()
    assert "script-src 'self' 'wasm-unsafe-eval';" in text
    assert Path(site.folder / "public" / "runtime.json").exists()


def test_a_second_visit_is_served_from_the_browsers_cache(visitor):
    page = visitor()
    expect(page.locator(CARD)).to_have_count(24)
    page.reload()
    expect(page.locator(".timing")).to_contain_text("s on your first visit")
    moved = page.evaluate("performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)")
    assert moved < 300_000, "bytes over the network on a second visit"
