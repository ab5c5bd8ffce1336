"""The OpenAI-compatible gateway: an ASGI application beside Django's, below `/v1`.

A call passes `app` (who asks, for which path), `directory` (what `routes` reads of key and model, known for
less than a second), `limits`, `calls` (asks the provider, relays the answer), and `journal` (counts it before
its end is sent).
"""
