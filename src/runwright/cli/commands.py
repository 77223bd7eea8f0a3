# SPDX-License-Identifier: Apache-2.0
"""The commands as one, and the codes that they exit with."""

import os
import sys
from collections.abc import Sequence

import click

from runwright import __version__
from runwright.cli import INTERRUPTED
from runwright.cli.console import show_error
from runwright.cli.conversation import ReaderLeftError
from runwright.cli.demo import demo
from runwright.cli.mcp import mcp
from runwright.cli.run import run
from runwright.cli.sessions import sessions
from runwright.errors import RunwrightError


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="runwright")
@click.pass_context
def runwright(context: click.Context) -> None:
    """Run AI agents."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


runwright.add_command(run)
runwright.add_command(demo)
runwright.add_command(mcp)
runwright.add_command(sessions)


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code. What goes wrong is told in one clear line."""
    try:
        result = runwright.main(arguments, prog_name="runwright", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except RunwrightError as error:  # before a run: what was named cannot be used
        show_error(str(error))
        return 2
    except (ReaderLeftError, BrokenPipeError):
        # Whoever read the output has enough. Nothing is left to flush when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
