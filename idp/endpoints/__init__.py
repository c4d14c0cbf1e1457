"""The endpoints: they load, call, store and answer; decisions are made below them.

Owns HTTP. Protocol endpoints are plain Starlette routes (FastAPI's layer costs about 100 µs a request);
administration and control are FastAPI routers. Start with :mod:`idp.endpoints.authorization` and
:mod:`idp.endpoints.token`.
"""
