"""Puts asyncio on the world's time.

asyncio's task queue is C and stamps tasks with the host's clock when no time is given. Here every push from
Python gets a time of this board's clock, which never wraps and is always later than any time of the host's clock,
so that the one push that C makes by itself (a cancelled task) is due at once.
"""

import sys
from time import ticks_add, ticks_diff  # the port's own, without the wrap at 2**30

import virtual_link

_BASE_MS = 1 << 41


def _ticks():
    virtual_link.refresh()
    return _BASE_MS + virtual_link.now() // 1000


def install(time, select):
    sys.modules["time"] = time
    sys.modules["select"] = select
    import _asyncio
    import asyncio
    from asyncio import core

    context = {"cur_task": None, "_task_queue": None, "CancelledError": core.CancelledError}
    core.ticks = _ticks
    core.ticks_add = ticks_add
    core.ticks_diff = ticks_diff

    class Queue:
        def __init__(self):
            self.queue = _asyncio.TaskQueue()
            self.peek = self.queue.peek
            self.pop = self.queue.pop
            self.remove = self.queue.remove

        def push(self, task, at=None):
            self.queue.push(task, _ticks() if at is None else at)

    def pop():
        context["cur_task"] = task = context["_task_queue"].pop()
        return task

    make_loop = core.new_event_loop

    def new_event_loop():
        loop = make_loop()
        core._task_queue.pop = pop
        context["_task_queue"] = core._task_queue.queue
        return loop

    # What C reads of the loop it reads from the namespace that `Task(coro, globals())` is given.
    core.globals = lambda: context
    core.TaskQueue = asyncio.TaskQueue = Queue
    core.new_event_loop = asyncio.new_event_loop = new_event_loop
    new_event_loop()
