"""Every number that docs claim is measured here: `make bench`, and `python -m bench.growth` for the long one.

test_bench_*  one part each; its budget stands in its docstring ("Budget: 40 µs") and beside the result
system        the whole engine under load, beside a bare echo server of the same frames and the plain way, in one run
growth        what a message costs as accounts, open holds, links and messages under way grow
plain, echo   the floor and the ceiling
world         the account and the messages that all parts are measured on
loads, cpu    one load on one server; who used the processor (Linux)
profile       py-spy beside a process, summed up
page, plot    into docs/performance.md: tables, and curves as SVG
"""
