"""What people bring to `authsvc describe`: hexadecimal, files, captures. Read `conversations`, then `frames`, then `shown`.

`sources` tells what it is, `pcap` puts the streams of a capture together, `spoken` finds dialect and framing, `frames` cuts
the messages out and pairs answers with requests, `shown` and `as_json` put them into words.
"""
