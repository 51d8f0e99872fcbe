from tests.store.databases import store_url  # noqa: F401  a fixture
