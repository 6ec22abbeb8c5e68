"""Watching an engine: the Grafana dashboards as code (`dashboards`), and a real Prometheus on loopback (`prometheus`).

Like `loadtest`, it imports nothing of authsvc and talks to a running engine from outside.
"""
