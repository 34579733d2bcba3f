"""Names of the suite's checks in the file of --junitxml."""

from collections.abc import Mapping
from typing import Any


def name_class(config: Any, report: Any, row: Mapping[str, Any]) -> None:
    """Make the adapter's name the first part of the class name of a check.

    So one dashboard can hold several implementations. pytest offers this as a fixture only, which
    each check would have to request.
    """
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "LogXML" and (report.when == "call" or not report.passed):
            module = row["check"].partition("::")[0].removesuffix(".py")
            name = f"{row['implementation']}.{row['suite']}.{module}"
            plugin.node_reporter(report).add_attribute("classname", name)
