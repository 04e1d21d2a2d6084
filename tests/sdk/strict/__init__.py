"""A provider that speaks all four formats and is as strict as the real ones.

    python -m strict [--port PORT]      prints its port, then serves until its stdin closes

`shape` judges a request by the types of the official SDKs, one module for each format adds what the
types do not say and writes answers the way that provider does, `play` says what is answered.
"""
