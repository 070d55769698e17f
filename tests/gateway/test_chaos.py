import asyncio

from tests.gateway import chaos


async def test_no_job_is_lost_and_none_has_two_results_when_processes_are_killed(tmp_path):
    async with asyncio.timeout(240):
        report = await chaos.run(kills=10, seed=1, folder=tmp_path)

    assert set(report.statuses) == {"succeeded"}
    assert report.wrong_results == 0
    assert report.results_that_changed == 0
    assert report.kills >= 5  # a process that is just starting cannot be killed twice
