from gateway.retry_budget import RetryBudget


def test_retries_end_at_a_fifth_of_the_requests():
    budget = RetryBudget(ratio=0.2, reserve=10)
    while budget.withdraw():
        pass

    done = 0
    for _ in range(100):
        budget.deposit()
        done += budget.withdraw()

    assert done in (19, 20)  # 0.2 is no binary fraction


def test_reserve_allows_many_retries_at_once():
    budget = RetryBudget(reserve=10)

    assert sum(budget.withdraw() for _ in range(20)) == 10
