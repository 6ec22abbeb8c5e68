"""The control API put together. `cli` calls `build_app` and serves the result inside the engine's own event loop."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from authsvc.clock import SimulatedClock
from authsvc.control import (
    accounts,
    audit,
    books,
    cards,
    decisions,
    events,
    issuing,
    links,
    money,
    operations,
    plastic,
    remote,
    virtual_cards,
)
from authsvc.control.bodies import StrictBody
from authsvc.control.desk import Desk
from authsvc.control.errors import EXCEPTION_HANDLERS
from authsvc.control.idempotency import once
from authsvc.control.ports import Engine, MetricsText, Mint, OpenLinks, Readiness
from authsvc.control.refusals import CountRefused, watch
from authsvc.control.roles import FindToken, Token, guard
from authsvc.model import Actor
from authsvc.products import Products

LARGEST_BODY = 64 * 1024
"""Bytes; the largest honest body has a few hundred."""


def build_app(
    engine: Engine,
    products: Products,
    find_token: FindToken,
    metrics_text: MetricsText,
    readiness: Readiness,
    clock: SimulatedClock | None,
    mint: Mint,
    count_refused: CountRefused,
    open_links: OpenLinks,
) -> Litestar:
    """The control API over its parts. `find_token`: whose a token is; `clock`: None when it is not simulated."""

    def desk(request: Request[Any, Token, Any]) -> Desk:
        return Desk(engine, products, mint, Actor(request.auth.name, request.auth.role.value))

    return Litestar(
        route_handlers=[_v1(find_token), *operations.OPEN_HANDLERS],
        dependencies={
            "desk": Provide(desk, sync_to_thread=False),
            "once": Provide(once, sync_to_thread=False),
            "open_links": Provide(lambda: open_links, sync_to_thread=False),
            "clock": Provide(lambda: clock, sync_to_thread=False),
            "readiness": Provide(lambda: readiness, sync_to_thread=False),
            "metrics_text": Provide(lambda: metrics_text, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        after_exception=[watch(count_refused)],
        openapi_config=_openapi(),
        request_max_body_size=LARGEST_BODY,
        # Litestar's own logging prints exceptions with their messages, and a message can quote a body.
        logging_config=None,
        debug=False,
    )


def _v1(find_token: FindToken) -> Router:
    handlers = (
        *accounts.HANDLERS, *money.HANDLERS, *books.HANDLERS, *issuing.HANDLERS, *plastic.HANDLERS,
        *virtual_cards.HANDLERS, *remote.HANDLERS, *cards.HANDLERS, *decisions.HANDLERS, *events.HANDLERS,
        *audit.HANDLERS, *links.HANDLERS,
        *operations.HANDLERS,
    )  # fmt: skip
    assert all("action" in handler.opt for handler in handlers)  # a call without one would be nobody's
    return Router(
        path="/v1",
        route_handlers=handlers,
        guards=[guard(find_token)],
        dto=StrictBody,
        return_dto=None,
        security=[{"bearer": []}],
    )


def _openapi() -> OpenAPIConfig:
    """The document itself at /schema: the viewers that Litestar offers there load their scripts from other hosts."""
    return OpenAPIConfig(
        title="authsvc control API",
        version="1",
        path="/schema",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        use_handler_docstrings=True,
        components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
    )
