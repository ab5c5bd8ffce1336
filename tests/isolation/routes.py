"""Every route that there is, asked of the resolver."""

from functools import cache

from django.urls import URLPattern, get_resolver

# The sign-in and sign-out forms, which have tests of their own, and what only operators reach.
NOT_HERE = {"login", "logout"}
NOT_HERE_NAMESPACES = {"admin"}


def _walk(patterns, namespace="", prefix=""):
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name or route}", route
        elif pattern.namespace not in NOT_HERE_NAMESPACES:
            yield from _walk(
                pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace, route
            )


@cache
def routes():
    """Every route of the URL resolver: its name, or else its path, and its path."""
    return {name: route for name, route in _walk(get_resolver().url_patterns) if name not in NOT_HERE}
