"""`python -m tools`: the commands, and what becomes of an error."""

import errno
import os
import signal
import sys
from functools import cache
from typing import Annotated

import typer
import typer.main

from tools import problem, wallet_server
from tools.bench import command as bench
from tools.boards import boards_command, build_command, flash
from tools.controller import command as controller_command
from tools.demo import command as demo
from tools.fleet import collect, purge, settle
from tools.problem import Problem
from tools.readers import (
    decommission,
    deploy,
    devices,
    doctor,
    journal,
    log,
    provision,
    repair,
    selftest,
    signed_time,
    update,
)
from tools.site import init, keys_command
from tools.site.keys import reason
from tools.tickets import bundle, inspection, issue, upstream, verify
from tools.virtual import sim

USAGE = 2  # exit code: the command line, or a file that it names, is at fault

_GUIDE = """Make charging tickets, look into them, and judge them as a reader would.

Start here:

  python -m tools init site

  python -m tools issue --site site > ticket.jws

  python -m tools inspect ticket.jws

  python -m tools verify --site site ticket.jws
"""

_DEPLOY = """Examples:

  python -m tools deploy --board VIRTUAL --port virtual

  python -m tools deploy --board ESP32_GENERIC --port /dev/ttyUSB0,/dev/ttyUSB1"""

app = typer.Typer(
    name="python -m tools",
    help=_GUIDE,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=init.EXAMPLES)(init.init)
app.command(epilog=issue.EXAMPLES)(issue.issue)
app.command("import", epilog=upstream.EXAMPLES)(upstream.import_)
app.command(epilog=inspection.EXAMPLES)(inspection.inspect)
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(epilog=sim.TAP_EXAMPLES)(sim.tap)
app.command(epilog=sim.SIM_EXAMPLES)(sim.sim)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=bench.EXAMPLES)(bench.bench)
app.command(epilog=boards_command.EXAMPLES)(boards_command.boards)
app.command(epilog=wallet_server.EXAMPLES)(wallet_server.wallet)
app.command(epilog=controller_command.EXAMPLES)(controller_command.controller)
app.command(epilog=build_command.EXAMPLES)(build_command.build)
app.command(epilog=flash.EXAMPLES)(flash.flash)
app.command("deploy", epilog=_DEPLOY)(deploy.deploy_command)
app.command(epilog=provision.PROVISION_EXAMPLES)(provision.provision)
app.command(epilog=provision.CLOCK_EXAMPLES)(provision.clock)
app.command(epilog=devices.EXAMPLES)(devices.devices)
app.command(epilog=log.EXAMPLES)(log.log)
app.command(epilog=decommission.EXAMPLES)(decommission.decommission)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=selftest.EXAMPLES)(selftest.selftest)
app.command(epilog=repair.EXAMPLES)(repair.repair)
app.command(epilog=settle.EXAMPLES)(settle.settle)
journal.app.command(epilog=collect.EXAMPLES)(collect.collect)
journal.app.command("purge", epilog=purge.EXAMPLES)(purge.purge_command)
for name, group in (
    ("bundle", bundle), ("journal", journal), ("keys", keys_command), ("time", signed_time), ("update", update),
):  # fmt: skip
    for command in group.app.registered_commands:
        command.epilog = command.epilog or group.EXAMPLES
    app.add_typer(group.app, name=name)


@app.callback()
def _settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    problem.debugging = debug


@cache
def _command():
    return typer.main.get_command(app)  # of so many commands it takes as long as a whole verdict


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code: errors become one line on stderr, never a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _command()(arguments or ["--help"], standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Problem as wrong:
        if problem.debugging:
            raise
        return _complain(str(wrong), USAGE)
    except typer.TyperException as error:
        if not error.format_message():
            return USAGE  # a group without a command, whose help has been shown
        context = getattr(error, "ctx", None)
        path = context.command_path if context else app.info.name
        return _complain(
            f"{error.format_message().replace('Value error, ', '').rstrip('.')}; see `{path} --help`", USAGE
        )
    except BrokenPipeError:
        # whoever read our output went away: as a shell says it of a program that SIGPIPE ended, and no answer of ours
        _drop_output()
        return 128 + signal.SIGPIPE
    except (KeyboardInterrupt, typer.Abort):
        return _complain("stopped", 130)
    except Exception as error:
        if problem.debugging:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and not error.filename:
            _drop_output()
            return _complain(f"cannot write: {reason(error)}; make room and run this again", USAGE)
        if isinstance(error, OSError) and error.filename:
            return _complain(f"{error.filename}: {reason(error)}; correct the path, or make room there", USAGE)
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return _complain(f"internal fault ({told}); run `python -m tools --debug …` and report what it shows", USAGE)


def _drop_output() -> None:
    """What is still to be written to stdout goes nowhere: the interpreter, at its end, would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str, code: int) -> int:
    print(f"error: {text}", file=sys.stderr)
    return code
