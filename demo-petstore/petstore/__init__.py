"""All that the shop does, with no page in it: the visitor's actions become SDK calls, and what is to be drawn becomes a state.

The page sends one of `store.ACTIONS` with its arguments; each state goes out as plain JSON values. In the browser this
runs in a Web Worker (`open_in_browser`), in the tests on CPython with the SDK's fake transport.
"""

from .store import PetStore, open_in_browser

__all__ = ["PetStore", "open_in_browser"]
