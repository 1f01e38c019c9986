"""Sample data in the dashboard: an empty deployment offers them, and they are removed again."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from resolvers.samples import conversations, samples
from server.pages.built import BuiltPages
from tests.browser.conftest import ask, take_screenshots, violations
from tests.conftest import ADMIN_TOKEN, served_in_thread
from tests.databases import emptied

COUNTS = "{ rooms { totalCount } agents { totalCount } departments { id } apps { id } }"


@pytest.fixture(scope="module")
def empty_site(mongodb_uri: str, built: BuiltPages) -> Iterator[str]:
    """The address of a server with an empty database. It stops after the browser, whose event loop is running."""
    with pytest.MonkeyPatch.context() as patch:
        # tests/resolvers/samples has all of them. Here it is about the page.
        patch.setattr(samples, "create", partial(samples.create, closed_each=0))
        patch.setattr(conversations, "OPEN_SERVED", conversations.OPEN_SERVED[:1])
        patch.setattr(conversations, "OPEN_WAITING", {})
        with served_in_thread(mongodb_uri, emptied(mongodb_uri, "test-browser-samples"), built=built) as url:
            yield url.removesuffix("/graphql")


def test_an_empty_deployment_offers_sample_data_and_they_are_removed_again(
    empty_site: str, page: Page, context: BrowserContext
) -> None:
    site = empty_site
    context.unroute("**/*")
    page.goto(f"{site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", ADMIN_TOKEN)
    page.goto(f"{site}/")
    expect(page.get_by_role("heading", name="This deployment is empty")).to_be_visible()
    expect(page.get_by_label("Three commands that start a room")).to_contain_text("startRoom")
    assert violations(page) == []
    take_screenshots(page, "empty")

    page.get_by_role("button", name="Create sample data").click()
    expect(page.get_by_text("Sample data are shown here.")).to_be_visible()
    expect(page.get_by_test_id("served")).to_have_text("3")
    expect(page.get_by_role("heading", name="This deployment is empty")).to_have_count(0)
    assert ask(site, COUNTS)["rooms"]["totalCount"] == 3
    assert violations(page) == []

    page.get_by_role("button", name="Remove them").click()
    page.get_by_role("button", name="Delete the sample data").click()
    expect(page.get_by_role("heading", name="This deployment is empty")).to_be_visible()
    after = ask(site, COUNTS)
    assert (after["rooms"]["totalCount"], after["agents"]["totalCount"], after["departments"]) == (0, 0, [])
    assert len(after["apps"]) == 1


def test_a_deployment_is_not_called_empty_while_sample_data_are_removed(
    empty_site: str, page: Page, context: BrowserContext
) -> None:
    """Agents and rooms are removed first, departments later."""
    state = {"state": "REMOVING", "created": 0, "expected": 0, "busy": True, "empty": True}
    context.unroute("**/*")
    page.goto(f"{empty_site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", ADMIN_TOKEN)
    page.route("**/samples", lambda route: route.fulfill(json=state))

    page.goto(f"{empty_site}/")

    expect(page.get_by_text("The sample data are being removed …")).to_be_visible()
    for _ in range(6):  # two parts of the page read the state every second
        with page.expect_response("**/samples"):
            pass
    expect(page.get_by_role("heading", name="This deployment is empty")).to_have_count(0)
