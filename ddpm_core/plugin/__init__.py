"""Parts of the pytest plugin: options, adapter, budget, and the names in a JUnit file."""
