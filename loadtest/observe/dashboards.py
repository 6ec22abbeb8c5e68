"""The Grafana dashboards, as code: `python -m loadtest.observe.dashboards` writes config/grafana/*.json (`make dashboards`).

Queries read series and recording rules of config/prometheus; none has a variable of Grafana in it, so each can be run in
Prometheus as it stands, and a test does.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER = Path(__file__).parents[2] / "config/grafana"
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
WIDE, HALF, THIRD, QUARTER = 24, 12, 8, 6
HEIGHT, LOW = 8, 4
QUARTER_OF_A_YEAR = "92d"
LIMITS = '{reason=~".*_LIMIT|.*_COUNT|INSUFFICIENT_FUNDS"}'
BY_PRODUCT = "sum by (product) (rate(authsvc_decisions_total[5m]))"


class Panel(NamedTuple):
    """`queries`: legend and PromQL; `now`: one number instead of a graph."""

    title: str
    unit: str
    span: int
    queries: tuple[tuple[str, str], ...]
    now: bool = False


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


def one(title: str, unit: str, query: str) -> Panel:
    """A single number."""
    return Panel(title, unit, QUARTER, (("", query),), now=True)


GOLDEN = Row("Golden signals", (
    one("Decisions a second", "ops", "authsvc:decisions:rate1m"),
    one("Refused", "percentunit", "authsvc:refused:ratio5m"),
    one("Slowest answer in a hundred", "s", 'authsvc:stage_seconds:p99_1m{stage="total"}'),
    one("Messages under way, of the limit", "percentunit", "max(authsvc:in_flight:ratio)"),
    Panel("Decisions a second", "ops", HALF, (
        ("{{outcome}}", "sum by (outcome) (rate(authsvc_decisions_total[1m]))"),
    )),
    Panel("Refusals a second, by reason", "ops", HALF, (("{{reason}}", "authsvc:refusals:rate1m"),)),
    Panel("99 of 100, by stage", "s", HALF, (("{{stage}}", "authsvc:stage_seconds:p99_1m"),)),
    Panel("Half of all, by stage", "s", HALF, (("{{stage}}", "authsvc:stage_seconds:p50_1m"),)),
    Panel("Refused without a decision", "ops", THIRD, (("{{reason}}", "authsvc:undecided:rate5m"),)),
    Panel("Messages under way", "short", THIRD, (
        ("{{instance}}", "authsvc_in_flight"), ("limit {{instance}}", "authsvc_in_flight_limit"),
    )),
    Panel("CPU, and how late the event loop is", "s", THIRD, (
        ("CPU {{instance}}", "authsvc:cpu:rate1m"), ("late {{instance}}", "authsvc_loop_lag_seconds"),
    )),
))  # fmt: skip

LINKS = Row("Links", (
    Panel("Open, and signed on", "short", THIRD, (
        ("open {{listener}}", "authsvc_connections"), ("signed on {{listener}}", "authsvc_links_signed_on"),
    )),
    Panel("Frames refused", "ops", THIRD, (("{{listener}} {{cause}}", "authsvc:frames_refused:rate5m"),)),
    Panel("0800 messages", "ops", THIRD, (("{{kind}}", "sum by (kind) (rate(authsvc_network_messages_total[5m]))"),)),
))  # fmt: skip

LEDGER = Row("Ledger", (
    one("Can remember", "bool_yes_no", "min(authsvc_ledger_up)"),
    one("Disk free", "percentunit", "min(authsvc:disk_free:ratio)"),
    one("Size", "bytes", "max(authsvc_ledger_bytes)"),
    one("Clock moved in 5 minutes", "s", "max(authsvc:clock_step:seconds5m)"),
    Panel("Commit, 99 of 100", "s", THIRD, (("", "authsvc:commit_seconds:p99_5m"),)),
    Panel("Decisions in a commit", "short", THIRD, ((
        "mean",
        "sum(rate(authsvc_journal_batch_decisions_sum[1m])) / sum(rate(authsvc_journal_batch_decisions_count[1m]))",
    ),)),
    Panel("Races lost a second", "ops", THIRD, (("", "authsvc:conflicts:rate5m"),)),
))  # fmt: skip

REDIS = Row("Redis", (
    Panel("Answers", "bool_yes_no", THIRD, (("{{instance}}", "authsvc_state_up"),)),
    Panel("Accounts read from the journal instead", "ops", THIRD, (("{{cause}}", "authsvc:state_misses:rate5m"),)),
    Panel("States not taken", "ops", THIRD, (("{{instance}}", "rate(authsvc_state_store_failures_total[5m])"),)),
))  # fmt: skip

HOLDS = Row("Holds", (
    one("Open", "short", "max(authsvc_holds_open)"),
    one("Set aside, PLN", "currencyPLN", "max(authsvc_holds_open_grosze) / 100"),
    one("Oldest", "s", "max(authsvc_holds_oldest_seconds)"),
    one("End within a day", "short", "max(authsvc_holds_expiring)"),
    Panel("Open and ending", "short", THIRD, (
        ("open", "max(authsvc_holds_open)"), ("end within a day", "max(authsvc_holds_expiring)"),
    )),
    Panel("Overdue, and since the last sweep", "s", THIRD, (
        ("overdue", "max(authsvc_holds_overdue_seconds)"), ("last sweep", "time() - max(authsvc_sweep_done_seconds)"),
    )),
    Panel("Set aside by product, PLN", "currencyPLN", THIRD, (
        ("{{product}}", "max by (product) (authsvc_product_holds_open_grosze) / 100"),
    )),
    Panel("Idle accounts swept a second", "ops", THIRD, (("", "sum(rate(authsvc_swept_accounts_total[5m]))"),)),
))  # fmt: skip

PRODUCTS = Row("Products and limits", (
    Panel("Decisions a second", "ops", THIRD, (
        ("{{product}} {{outcome}}", "sum by (product, outcome) (rate(authsvc_decisions_total[1m]))"),
    )),
    Panel("Refused for a limit, a count or funds", "ops", THIRD, ((
        "{{product}}",
        f"sum by (product) (rate(authsvc_decisions_total{LIMITS}[5m])) or {BY_PRODUCT} * 0",
    ),)),
    Panel("Wrong PINs in ten minutes, by BIN", "short", THIRD, (("{{bin}}", "authsvc:pin_wrong:increase10m"),)),
    Panel("Control calls refused in ten minutes", "short", HALF, (
        ("{{cause}}", "authsvc:control_refused:increase10m"),
    )),
    Panel("Product files in force", "short", HALF, (("{{hash}}", "count by (hash) (authsvc_products_info)"),)),
))  # fmt: skip

EXEMPTIONS = Row("SCA exemptions: the quarter, as RTS Art. 21 asks", (
    Panel("Payments, remote", "short", HALF, ((
        "{{sca}}", f'sum by (sca) (increase(authsvc_sca_payments_total{{channel="remote"}}[{QUARTER_OF_A_YEAR}]))',
    ),)),
    Panel("Value, remote, PLN", "currencyPLN", HALF, ((
        "{{sca}}", f'sum by (sca) (increase(authsvc_sca_grosze_total{{channel="remote"}}[{QUARTER_OF_A_YEAR}])) / 100',
    ),)),
    Panel("Payments, at a terminal", "short", HALF, ((
        "{{sca}}", f'sum by (sca) (increase(authsvc_sca_payments_total{{channel="terminal"}}[{QUARTER_OF_A_YEAR}]))',
    ),)),
    Panel("Value, at a terminal, PLN", "currencyPLN", HALF, ((
        "{{sca}}", f'sum by (sca) (increase(authsvc_sca_grosze_total{{channel="terminal"}}[{QUARTER_OF_A_YEAR}])) / 100',
    ),)),
    Panel("Approvals a second, by what stood behind SCA", "ops", WIDE, (
        ("{{channel}} {{sca}}", "sum by (channel, sca) (rate(authsvc_sca_payments_total[5m]))"),
    )),
))  # fmt: skip

CURRENCY = Row("Currency", (
    Panel("Approved a second, PLN, by the currency asked for", "currencyPLN", HALF, (
        ("{{currency}}", "sum by (currency) (rate(authsvc_approved_grosze_total[5m])) / 100"),
    )),
    Panel("Payments a second, by product and currency", "ops", HALF, (
        ("{{product}} {{currency}}", "sum by (product, currency) (rate(authsvc_approved_payments_total[5m]))"),
    )),
))  # fmt: skip

DASHBOARDS = {
    "authsvc-operations": ("authsvc: operations", (GOLDEN, LINKS, LEDGER, REDIS)),
    "authsvc-business": ("authsvc: holds, products, SCA, currency", (HOLDS, PRODUCTS, EXEMPTIONS, CURRENCY)),
}


def panel_of(panel: Panel, number: int) -> stat.Panel | timeseries.Panel:
    made = stat.Panel() if panel.now else timeseries.Panel().fill_opacity(8)
    made.id(number).title(panel.title).unit(panel.unit).datasource(SOURCE).span(panel.span).height(
        LOW if panel.now else HEIGHT
    )
    for letter, (legend, query) in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(prometheus.Dataquery().expr(query).legend_format(legend or "value").ref_id(letter))
    return made


def text_of(uid: str) -> str:
    """The dashboard's JSON."""
    title, rows = DASHBOARDS[uid]
    made = (
        dashboard.Dashboard(title).uid(uid).tags(["authsvc"]).timezone("browser").refresh("10s").time("now-1h", "now")
    )
    made.with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    numbers = count(1)
    for row in rows:
        made.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made.with_panel(panel_of(panel, next(numbers)))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for uid in DASHBOARDS:
        (FOLDER / f"{uid}.json").write_text(text_of(uid), "utf-8")


if __name__ == "__main__":
    main()
