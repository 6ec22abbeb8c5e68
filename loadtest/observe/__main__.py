"""`make observe`: a real Prometheus on loopback against the running engine, and load on the engine while it runs."""

from __future__ import annotations

import subprocess
import sys

import click

from loadtest.observe.prometheus import TARGET, Prometheus, PrometheusError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--target", default=TARGET, metavar="HOST:PORT", help="Control API of the engine.")
@click.option("--iso", default="127.0.0.1:8583", metavar="HOST:PORT", help="Where it speaks ISO 8583.")
@click.option("--port", type=click.IntRange(1, 65_535), default=9090, help="Of Prometheus.")
@click.option("--rate", type=click.FloatRange(0), default=50.0, help="Messages a second; 0: no load.")
@click.option("--seconds", type=click.FloatRange(1), default=3600.0, help="How long.")
def main(target: str, iso: str, port: int, rate: float, seconds: float) -> None:
    """Watch a running engine until the time is over or Ctrl-C."""
    load = [
        sys.executable, "-m", "loadtest", "--iso", iso, "--api", f"http://{target}", "--rate", str(rate),
        "--seconds", str(seconds), "--accounts", "100", "--every", "60",
    ]  # fmt: skip
    words = load if rate else ["sleep", str(seconds)]
    try:
        with Prometheus(target, port=port) as watching:
            click.echo(f"Prometheus   {watching.url}   alerts at /alerts, rules at /rules, targets at /targets")
            click.echo("dashboards   import config/grafana/*.json into a Grafana that has this Prometheus")
            sys.exit(subprocess.run(words, check=False).returncode)
    except PrometheusError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped")


if __name__ == "__main__":
    main()
