"""Fixtures of the wallet's tests."""

import pytest

from host_tests.peers.wallet_page import WalletPage, chromium
from tools.wallet_server import Server


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def server():
    with Server() as served:
        yield served


@pytest.fixture
def new_wallet(browser, server):
    """Makes wallets; what goes wrong in any of them unforeseen fails the test."""
    made = []

    def make(language: str = "en-GB", **options) -> WalletPage:
        made.append(WalletPage(browser, server.url, language=language, **options))
        return made[-1]

    yield make
    for wallet in made:
        wallet.context.close()
    assert [fault for wallet in made for fault in wallet.faults] == []


@pytest.fixture
def wallet(new_wallet):
    return new_wallet().open()
