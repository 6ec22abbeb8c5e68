"""Every number that docs claim is measured here: `make bench`.

test_bench_*  one part each; its budget stands in its docstring ("Budget: 40 µs") and beside the result
system        the whole engine under load, beside a bare echo server of the same frames, in one run
world         the account and the messages that all parts are measured on
echo, cpu     what `system` needs: the ceiling, and who used the processor
"""
