"""Runs the tests of one file of host_tests/pure, inside whichever interpreter this is, and reports line by line.

Lines that begin with `@@` are the protocol, everything else is a test's own output:
`@@ import NAME fail`, or for each test `@@ begin NAME` and then `@@ pass NAME`, `@@ fail NAME` or `@@ skip NAME why`.
`@@ end` comes last: without it the interpreter died.
"""

import sys


def _report(*words):
    print("@@", *words)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


def _trace(error):
    getattr(sys, "print_exception")(error)  # noqa: B009  MicroPython's, or that of the stand-in


def _load(settings):
    import support

    support.VECTORS = settings["vectors"]
    support.SCRATCH = settings["scratch"]
    support.SOAK = settings["soak"]
    support.INTERPRETER = settings["interpreter"]
    try:
        return __import__(settings["module"])
    except BaseException as error:  # a file that cannot be read fails all of its tests, whatever it raised
        _trace(error)
        _report("import", settings["module"], "fail")
    return None


def _judge(name, error):
    if error is None:
        _report("pass", name)
    elif type(error).__name__ == "Skip":
        _report("skip", name, error)
    else:
        _trace(error)
        _report("fail", name)


def main(settings):
    """Runs settings["tests"] one after the other; an `async def` test gets an event loop of its own."""
    module = _load(settings)
    for name in settings["tests"] if module else ():
        _report("begin", name)
        problem = None
        try:
            running = getattr(module, name)()
            if running is not None:
                import asyncio

                try:
                    asyncio.run(running)
                finally:
                    if sys.implementation.name == "micropython":
                        asyncio.new_event_loop()  # tasks outlive asyncio.run there
        except BaseException as error:
            problem = error
        _judge(name, problem)
    _report("end")


async def amain(settings):
    """As `main`, where the event loop is the host's and runs already (the wasm32 interpreter)."""
    import asyncio

    module = _load(settings)
    for name in settings["tests"] if module else ():
        await asyncio.sleep(0)  # back to the host, for only there is garbage collected
        _report("begin", name)
        problem = None
        try:
            running = getattr(module, name)()
            if running is not None:
                await running
        except BaseException as error:
            problem = error
        _judge(name, problem)
    _report("end")
