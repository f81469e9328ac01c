"""Answers of persons: each question is answered once, and the run goes on whoever dies in between.

The answer is written in one script on the run's keys: the step's result into the memo, who gave it into the record, and
an interrupted run is pending again. Its entry in the queue, which was set aside, comes back in a second script; where
that is not reached, the next sweep of any worker does it. A run that is still running hears the answer by its memo.
"""

from datetime import UTC, datetime

from redis.asyncio import Redis

from graphs.asking import decided, key_of
from graphs.person import PersonAnswer
from orchestrator.answer_errors import AlreadyAnsweredError, AnswerRefusedError, NotAskedError
from orchestrator.claimed_run import LIVE, question_field
from orchestrator.errors import RunEndedError
from orchestrator.question import GivenAnswer
from orchestrator.redis_connection import redis_errors
from orchestrator.run import Run
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.step_memo import memo_field

# KEYS: of the run. ARGV: live statuses, the question's field, its digest, it with the answer, the memo's field, result.
ANSWER = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(ARGV[1], status, 1, true) then return 'changed' end
local question = redis.call('HGET', KEYS[1], ARGV[2])
if not question or not string.find(question, ARGV[3], 1, true) then return 'changed' end
if redis.call('HSETNX', KEYS[3], ARGV[5], ARGV[6]) == 0 then return 'changed' end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4], 'attempts', '0')
if status == '"interrupted"' then redis.call('HSET', KEYS[1], 'status', '"pending"') end
return 'written'
"""


class AnswerStore:
    """Takes answers. Whoever reaches Redis can answer; no service need run. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis, runs: RunStore, queue: RunQueue) -> None:
        self._runs, self._queue = runs, queue
        self._script = redis.register_script(ANSWER)

    async def answer(self, run_id: str, step: int, answer: PersonAnswer, by: str) -> Run:
        """Answer a step's question, once; the run goes on as soon as a worker has time.

        Raises RunNotFoundError, RunEndedError, NotAskedError, AlreadyAnsweredError, AnswerRefusedError.
        """
        given = GivenAnswer(answer=answer, by=by, at=datetime.now(UTC))
        # what has changed between reading and writing is found by reading again
        if not (await self._write(run_id, step, given) or await self._write(run_id, step, given)):
            raise NotAskedError(run_id, step)
        await self._queue.wake(run_id)
        return await self._runs.get(run_id)

    async def _write(self, run_id: str, step: int, given: GivenAnswer) -> bool:
        run = await self._runs.get(run_id)
        question = run.questions.get(step)
        if question and question.given:
            if question.given == given:
                return True  # written by a call whose reply was lost
            raise AlreadyAnsweredError(run_id, step, question.given)
        if run.status.is_terminal:
            raise RunEndedError(run_id)
        if question is None or run.plan is None:
            raise NotAskedError(run_id, step)
        if fault := question.wanted.question.fault(given.answer):
            raise AnswerRefusedError(fault, f"choose one of them, or reject; ccoe runs show {run_id}")
        wanted, result = question.wanted, decided(run.plan.steps[step - 1], given.answer, given.by)
        answered = question.model_copy(update={"given": given})
        texts = [wanted.digest, answered.model_dump_json(), memo_field(key_of(wanted)), result.model_dump_json()]
        async with redis_errors():
            reply = await self._script(keys=self._runs.keys.of_run(run_id), args=[LIVE, question_field(step), *texts])
        return reply == "written"
