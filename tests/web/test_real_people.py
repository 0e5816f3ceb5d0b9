"""People at a real browser: an operator and a viewer, and a link from another site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from shipper.config.oidc import OidcOptions
from shipper.web.access import Access
from shipper.web.people import Role, UsersFile
from shipper.web.provider import OidcProvider
from tests.web.providing import CLIENT, NOW, SECRET, new_key, provided
from tests.web.serving import Served, full_sources, served
from tests.web.test_real_pages import COMPLAINTS, WAIT_MS

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a site with an operator, ada, and a viewer, vi."""
    folder = tmp_path_factory.mktemp("site")
    users = UsersFile(folder / "users.json")
    users.add("ada", Role.OPERATOR, PASSWORD)
    users.add("vi", Role.VIEWER, PASSWORD)
    sources, _ = full_sources(folder)
    with served(sources, Access(users=folder / "users.json")) as found:
        yield found


def log_in(page: Page, address: str, name: str, password: str = PASSWORD) -> None:
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_an_operator_logs_in_acknowledges_and_logs_out(browser: Browser, site: Served) -> None:
    """The log-in leads to the page that was asked for; nothing complains, axe neither."""
    page, said = browser.new_context().new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    address = site.at("/incidents/incident1")

    log_in(page, address, "ada", "wrong password")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    faults = [each["id"] for each in Axe().run(page).response["violations"]]
    log_in(page, address, "ada")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("h1")).to_contain_text("acknowledged")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()

    assert faults == []
    assert COMPLAINTS.findall("\n".join(said)) == []


def test_a_viewer_finds_nothing_to_act_with(browser: Browser, site: Served) -> None:
    """No form but that to log out, on any page; one that is made by hand is refused."""
    page = browser.new_context().new_page()
    log_in(page, site.at("/incidents/incident0"), "vi")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    for address in ("/incidents/incident0", "/deadletters", "/reports", "/logs"):
        page.goto(site.at(address))
        forms = page.evaluate("[...document.forms].filter((f) => f.method === 'post').length")
        assert forms == 1, address

    page.evaluate(
        "() => { const f = [...document.forms]"
        ".find((f) => f.method === 'post'); f.action = '/incidents/incident0/ack'; f.submit(); }"
    )

    expect(page.locator("body")).to_contain_text("Your role is viewer")


def test_a_link_of_another_site_shows_its_page(browser: Browser, site: Served) -> None:
    """The browser keeps the cookie back at first; nobody has to log in again for that."""
    page = browser.new_context().new_page()
    log_in(page, site.at("/incidents"), "ada")
    expect(page.locator("h1")).to_have_text("Incidents")

    page.goto(site.at("/rules").replace("127.0.0.1", "localhost"))  # another site to a browser
    page.evaluate(f"location.href = '{site.at('/incidents')}'")

    expect(page.locator("h1")).to_have_text("Incidents")


def test_a_log_in_by_a_provider(browser: Browser, tmp_path: Path) -> None:
    """The provider is another site: its link brings the cookie that is needed, and no more."""
    sources, _ = full_sources(tmp_path)
    said = list[str]()
    with provided(new_key()) as provider:
        options = OidcOptions(
            issuer=provider.issuer,
            client_id=CLIENT,
            client_secret_file=tmp_path / "secret",
            operators=("ops",),
        )
        (tmp_path / "secret").write_text(SECRET)
        access = Access(provider=OidcProvider(options, monotonic, lambda: NOW))
        with served(sources, access) as site:
            page = browser.new_context().new_page()
            page.set_default_timeout(WAIT_MS)
            page.on("console", lambda message: said.append(message.text))
            page.goto(site.at("/incidents/incident1"))
            faults = [each["id"] for each in Axe().run(page).response["violations"]]
            page.get_by_role("link", name="Log in with").click()
            page.get_by_role("button", name="Acknowledge").click()
            expect(page.locator("h1")).to_contain_text("acknowledged")
            expect(page.locator("header")).to_contain_text("ada@example.org, operator")
            page.get_by_role("button", name="Log out").click()
            expect(page.get_by_role("link", name="Log in with")).to_be_visible()

    assert faults == []
    assert COMPLAINTS.findall("\n".join(said)) == []
