"""Fixtures of the browser tests, for every file of this folder."""

from tests.acceptance.browser_support import browser, cookies, page, playwright, site

__all__ = ["browser", "cookies", "page", "playwright", "site"]
