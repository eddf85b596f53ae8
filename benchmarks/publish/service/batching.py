"""One worker for all requests: pictures that come within a few milliseconds are answered together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from zoo.use.face import Answer

TOGETHER = 16  # pictures, and faces that the model sees at once
WAIT = 0.005  # seconds for which the first picture waits for others

Recognise = Callable[[Sequence[bytes]], Sequence[Answer]]


@dataclass(frozen=True, eq=False)
class Job:
    """The pictures of one request, and the answers that will be."""

    pictures: Sequence[bytes]
    answers: Future[list[Answer]] = field(default_factory=Future)


class Batcher:
    """A thread that alone runs the detector and the model, so that requests do not fight for the cores."""

    def __init__(self, recognise: Recognise, told: Callable[[int], None] = lambda pictures: None) -> None:
        """`recognise` answers pictures in their order; `told` hears how many pictures each batch had."""
        self._recognise, self._told = recognise, told
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="recogniser", daemon=True)
        self._thread.start()

    def submit(self, pictures: Sequence[bytes]) -> Future[list[Answer]]:
        """Return what will be the answers to pictures."""
        job = Job(pictures)
        self._queue.put(job)
        return job.answers

    def close(self) -> None:
        """Answer what was submitted, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        open_ = True
        while open_:
            jobs, open_ = self._gathered()
            # A client that has gone away has cancelled its answers.
            wanted = [job for job in jobs if job.answers.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

    def _gathered(self) -> tuple[list[Job], bool]:
        """The jobs of a batch, and whether there may be more."""
        first = self._queue.get()
        if first is None:
            return [], False
        jobs, count, end = [first], len(first.pictures), time.monotonic() + WAIT
        while count < TOGETHER:
            try:
                job = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
            count += len(job.pictures)
        return jobs, True

    def _answer(self, jobs: list[Job]) -> None:
        pictures = [picture for job in jobs for picture in job.pictures]
        self._told(len(pictures))
        try:
            answers = list(self._recognise(pictures))
        except Exception as error:  # this thread serves all others, whatever one picture made it stumble over
            for job in jobs:
                job.answers.set_exception(error)
            return
        for job in jobs:
            job.answers.set_result(answers[: len(job.pictures)])
            answers = answers[len(job.pictures) :]
