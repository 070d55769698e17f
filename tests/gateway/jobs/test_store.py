import asyncio

import pytest

from gateway.database import DATABASE_FILE, Database
from gateway.jobs.job import JobStatus, Progress
from gateway.jobs.store import JobStore, NewJob, StoredAnswer

OK = StoredAnswer(200, (("x", "y"),))


@pytest.fixture
async def database(tmp_path):
    database = Database(tmp_path / DATABASE_FILE)
    await database.open()
    yield database
    await database.close()


def new_job(name, service="ocr"):
    return NewJob(name, "me", service, "/v1/ocr", "", (), 0, 60.0)


async def let_leases_run_out(database):
    await database.write(lambda db: db.execute("UPDATE jobs SET lease_until = 0"))


async def test_oldest_job_is_taken_first_and_only_once(database):
    store = JobStore(database, "a")
    for name in ("1", "2"):
        await store.add(new_job(name))

    taken = [await store.claim([]) for _ in range(3)]

    assert [job.id for job in taken[:2]] == ["1", "2"]
    assert taken[2] is None


async def test_service_that_is_full_is_passed_over(database):
    store = JobStore(database, "a")
    await store.add(new_job("1", "ocr"))
    await store.add(new_job("2", "yolo"))

    assert (await store.claim(["ocr"])).id == "2"


async def test_job_whose_lease_ran_out_is_taken_over_and_the_first_result_refused(database):
    dead, alive = JobStore(database, "dead"), JobStore(database, "alive")
    await dead.add(new_job("1"))
    first = await dead.claim([])
    assert await alive.claim([]) is None
    await let_leases_run_out(database)
    second = await alive.claim([])

    assert second.attempt == 2
    assert not await dead.renew(first, None)
    assert not await dead.finish(first, JobStatus.FAILED, None)
    assert await alive.finish(second, JobStatus.SUCCEEDED, OK)
    assert not await alive.finish(second, JobStatus.SUCCEEDED, OK)


async def test_cancelled_job_takes_no_result(database):
    store = JobStore(database, "a")
    await store.add(new_job("1"))
    job = await store.claim([])
    await store.cancel("1")

    assert not await store.finish(job, JobStatus.SUCCEEDED, OK)
    assert (await store.get("1")).status is JobStatus.CANCELLED


async def test_job_that_was_put_back_waits_for_its_time(database):
    store = JobStore(database, "a")
    await store.add(new_job("1"))
    await store.put_back(await store.claim([]), 3600)

    assert await store.claim([]) is None
    assert (await store.get("1")).status is JobStatus.QUEUED


async def test_each_change_is_an_event_with_the_next_number(database):
    store = JobStore(database, "a")
    await store.add(new_job("1"))
    job = await store.claim([])
    await store.renew(job, Progress("pages", 1, 2))
    await store.finish(job, JobStatus.SUCCEEDED, OK)

    events = await store.events_after("1", 0)

    assert [number for number, _ in events] == [1, 2, 3, 4]
    assert '"percent": 50.0' in events[2][1]
    assert await store.events_after("1", 3) == events[3:]


async def test_looking_for_work_in_vain_wakes_nobody(database):
    store = JobStore(database, "a")
    waiting = asyncio.ensure_future(store.changed.wait())
    await asyncio.sleep(0)

    assert await store.claim([]) is None
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()
