"""The control store of either kind, as tests of governance have it."""

from tests.governance.conftest import server as server
from tests.governance.conftest import store as store
