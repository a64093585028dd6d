"""A judge behind any endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Annotated, Any

from annotated_types import Ge, Gt, Unit
from openai import AsyncOpenAI, Timeout

from visionthink_pl.rewards.judge.base import Case, Judge, JudgeFailure
from visionthink_pl.rewards.judge.endpoint import Endpoint, Patience
from visionthink_pl.rewards.judge.options import check_address, check_request, read_key
from visionthink_pl.rewards.judge.verdict import JudgePrompt, parse_verdict
from visionthink_pl.rewards.judge.verdict_cache import VerdictCache
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, limited

REQUEST = {"temperature": 0, "max_tokens": 256}
ASKED = 2  # times, before a case counts as failed


class APIJudge(Judge):
    """Asks a model over HTTP: OpenAI, Azure (its ``/openai/v1`` address), vLLM,
    ``transformers serve``, or whatever else speaks the same.

    Cases are judged on a thread of their own while trajectories are still generated. A case that
    was judged before, in this run or, with ``cache``, in another, is not asked again.

    Args:
        model: name of the model, as the endpoint knows it.
        base_url: address of the endpoint, without what the client adds to it
            (``/chat/completions``).
        api_key_env: name of the environment variable that holds the key; ``null`` where none is
            needed. The key itself is never in a config, and never written anywhere.
        prompt: the name of a prompt that ships, or a text file, with the slot ``{case}``.
        max_characters: a longer question, truth or answer is cut there.
        max_concurrency: requests at once.
        timeout: seconds that one attempt may take.
        deadline: seconds that one case may take, all attempts and waiting together, while the
            endpoint is up.
        max_retries: attempts after the first, while the endpoint is up.
        max_outage: seconds to wait for an endpoint that can't be reached.
        cache: file to keep verdicts in; ``null`` keeps them for this run only. Another model,
            prompt or ``request`` asks anew.
        request: further arguments of the request, such as ``temperature``, ``max_tokens`` and
            ``extra_body``.

    Raises:
        ConfigError: an option that can't work.
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
        self._patience = Patience(timeout, deadline, max_retries, max_outage)
        self._max_concurrency, self._cache_path = max_concurrency, cache
        self._request = {"model": model, **(REQUEST if request is None else request)}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[Case, Future[int]] = {}

    def setup(self) -> None:
        """Open the cache and start the thread; the endpoint is not asked yet.

        Raises:
            ConfigError: no key in the environment, or no cache where it is to be.
        """
        if self._loop is not None:
            return
        key = read_key(self._key_variable)
        self._cache = VerdictCache(self._cache_path, self._prompt.version, self._request)
        client = AsyncOpenAI(
            base_url=self._url,
            api_key=key or "none",
            max_retries=0,  # its own retries know no deadline
            # Nobody there shows before an attempt is given up.
            timeout=Timeout(self._patience.timeout, connect=self._patience.timeout / 2),
        )
        self._endpoint = Endpoint(client, self._url, key, self._patience)
        self._slots = asyncio.Semaphore(self._max_concurrency)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="judge", daemon=True).start()

    def submit(self, case: Case) -> Future[int]:
        """Hand in a case; one that is under way already is not asked twice."""
        self.setup()
        assert self._loop is not None
        future = self._under_way.get(case)
        if future is None:
            future = asyncio.run_coroutine_threadsafe(self._judge(case), self._loop)
            self._under_way[case] = future
            future.add_done_callback(lambda _: self._under_way.pop(case, None))
        return future

    async def _judge(self, case: Case) -> int:
        # On another thread: a file that another process writes to must not hold up the loop.
        if (known := await asyncio.to_thread(self._cache.get, case)) is not None:
            return known
        async with self._slots:
            verdict = await self._ask(case)
        await asyncio.to_thread(self._cache.put, case, verdict)
        return verdict

    async def _ask(self, case: Case) -> int:
        messages = self._prompt.messages(case)
        clock = self._endpoint.clock()
        for _ in range(ASKED):
            reply = await self._endpoint.complete({**self._request, "messages": messages}, clock)
            verdict = parse_verdict(reply.text) if reply.finished else None
            if verdict is not None:
                return verdict
            messages = self._prompt.again(messages, reply.text)
        how = "" if reply.finished else ", cut off"
        said = self._endpoint.strike(reply.text)[-80:]
        raise JudgeFailure(f"no verdict in its reply {said!r}{how}")
