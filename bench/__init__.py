"""Every number that docs claim is measured here: `make bench`.

test_bench_*  one part each; its budget stands in its docstring ("Budget: 40 µs") and beside the result
system        the whole engine under load, between a bare echo server and the plain way, in one run
growth        what a message costs as accounts, open holds, links and messages under way grow
performance   puts what they measured into docs/performance.md
world         the account and the messages that all parts are measured on
echo, plain   the ceiling and the floor that `system` measures beside the engine
cpu           who used the processor
"""
