from collections import Counter

from gateway.balancer import SLOW_START_S, choose, cost
from gateway.replica import Replica
from gateway.service_info import QueueState, Readiness


def ready(url, *, in_flight=0, queue_items=0, since=0.0):
    replica = Replica("work", url)
    replica.in_flight = in_flight
    replica.ready_since = since
    replica.readiness = Readiness(
        ready=True, service="work", version="1", queue=QueueState(items=queue_items)
    )
    return replica


def test_the_less_busy_of_two_is_taken():
    busy, idle = ready("a", in_flight=5), ready("b", in_flight=1)

    assert all(choose([busy, idle], 100.0) is idle for _ in range(20))


def test_the_queue_that_a_replica_reports_counts():
    reported, idle = ready("a", queue_items=9), ready("b", in_flight=3)

    assert choose([reported, idle], 100.0) is idle


def test_the_busiest_of_many_is_never_taken():
    replicas = [ready(str(number), in_flight=number) for number in range(5)]

    taken = Counter(choose(replicas, 100.0).url for _ in range(500))

    assert taken["4"] == 0
    assert taken["0"] > taken["2"]


def test_fresh_replica_starts_with_a_smaller_share():
    old, fresh = ready("a"), ready("b", since=100.0)

    assert cost(fresh, 100.0) == 10 * cost(old, 100.0)
    assert cost(fresh, 100.0 + SLOW_START_S) == cost(old, 100.0)
