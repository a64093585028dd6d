"""A judge behind any endpoint with OpenAI's chat protocol."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Annotated, Any

from annotated_types import Ge, Gt, Unit

from visionthink_pl.rewards.judge.base import Case, Instruction, Judge, JudgeFailure
from visionthink_pl.rewards.judge.client import make_client
from visionthink_pl.rewards.judge.endpoint import Endpoint, TimeLimits
from visionthink_pl.rewards.judge.options import check_address, check_request, read_key
from visionthink_pl.rewards.judge.verdict import JudgePrompt
from visionthink_pl.rewards.judge.verdict_cache import VerdictCache
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, limited

REQUEST = {"temperature": 0, "max_tokens": 256}
MAX_REQUESTS = 2  # for a case, before it counts as failed


class APIJudge(Judge):
    """Asks a model over HTTP: OpenAI, Azure (its ``/openai/v1`` address), vLLM,
    ``transformers serve``, or any other endpoint with this protocol.

    Cases are judged on a separate thread while trajectories are still generated. A case that was
    judged before in this run, or in another run with the same ``cache``, is not asked again.

    Args:
        model: name of the model at the endpoint.
        base_url: address of the endpoint, without the ``/chat/completions`` that the client
            appends.
        api_key_env: name of the environment variable that holds the key; ``null`` if none is
            needed. The key itself is never in a config, and never written to a file or log.
        prompt: the name of a prompt of the package, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut at this length.
        max_concurrency: number of requests at the same time.
        timeout: seconds that one attempt may take.
        deadline: seconds that one case may take with all attempts and pauses, while the endpoint
            is up.
        max_retries: attempts after the first, while the endpoint is up.
        max_outage: seconds to wait for an endpoint that can't be reached.
        cache: file that stores verdicts; ``null`` keeps them for this run only. With another model,
            prompt or ``request``, cases are asked again.
        request: further arguments of the request, such as ``temperature``, ``max_tokens`` and
            ``extra_body``.

    Raises:
        ConfigError: an option is not valid.
    """

    @limited()
    def __init__(
        self,
        model: str,
        base_url: str = "https://api.openai.com/v1",
        api_key_env: str | None = "OPENAI_API_KEY",
        prompt: str = "default",
        max_characters: PositiveInt = 2000,
        max_concurrency: PositiveInt = 64,
        timeout: Annotated[float, Gt(0), Unit("seconds")] = 30.0,
        deadline: Annotated[float, Gt(0), Unit("seconds")] = 120.0,
        max_retries: NonNegativeInt = 6,
        max_outage: Annotated[float, Ge(0), Unit("seconds")] = 600.0,
        cache: str | None = None,
        request: dict[str, Any] | None = None,
    ) -> None:
        check_address(base_url)
        check_request(request or {})
        self._url, self._key_variable = base_url, api_key_env
        self._prompt = JudgePrompt(prompt, max_characters, "APIJudge")
        self.longest_wait_s = max_outage + deadline
        self._limits = TimeLimits(timeout, deadline, max_retries, max_outage)
        self._max_concurrency, self._cache_path = max_concurrency, cache
        self._request = {"model": model, **(REQUEST if request is None else request)}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: dict[Case, Future[Any]] = {}

    def instruct(self, instruction: Instruction) -> None:
        self._prompt = self._prompt.instructed(instruction)

    def setup(self) -> None:
        """Open the cache and start the thread. The endpoint is not contacted yet.

        Raises:
            ConfigError: the environment has no key, or the cache can't be opened.
        """
        if self._loop is not None:
            return
        key = read_key(self._key_variable)
        self._cache = VerdictCache(
            self._cache_path, self._prompt.version, self._request, self._prompt.allows
        )
        client = make_client(self._url, key, self._limits.timeout)
        self._endpoint = Endpoint(client, self._url, key, self._limits)
        self._slots = asyncio.Semaphore(self._max_concurrency)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="judge", daemon=True).start()

    def submit(self, case: Case) -> Future[Any]:
        """Submit a case. A case that is being judged already is not asked twice."""
        self.setup()
        assert self._loop is not None
        future = self._pending.get(case)
        if future is None:
            future = asyncio.run_coroutine_threadsafe(self._judge(case), self._loop)
            self._pending[case] = future
            future.add_done_callback(lambda _: self._pending.pop(case, None))
        return future

    async def _judge(self, case: Case) -> Any:
        # On another thread: waiting for a file that another process writes must not block the loop.
        if (known := await asyncio.to_thread(self._cache.get, case)) is not None:
            return known
        async with self._slots:
            verdict = await self._ask(case)
        await asyncio.to_thread(self._cache.put, case, verdict)
        return verdict

    async def _ask(self, case: Case) -> Any:
        messages = self._prompt.messages(case)
        clock = self._endpoint.clock()
        for _ in range(MAX_REQUESTS):
            reply = await self._endpoint.complete({**self._request, "messages": messages}, clock)
            verdict = self._prompt.read(reply.text) if reply.finished else None
            if verdict is not None:
                return verdict
            messages = self._prompt.repeated(messages, reply.text)
        how = "" if reply.finished else ", cut off"
        end = self._endpoint.without_key(reply.text)[-80:]
        raise JudgeFailure(f"no verdict in its reply {end!r}{how}")
