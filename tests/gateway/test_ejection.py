from gateway.ejection import BASE_REST_S, WINDOW_S, OutlierState, available


def failing(times, now=0.0):
    state = OutlierState()
    for _ in range(times):
        state.failed(now)
    return state


def test_a_few_failures_in_a_row_eject():
    assert failing(2).is_available(0)
    assert not failing(3).is_available(0)


def test_a_success_between_failures_starts_the_count_anew():
    state = failing(2)
    state.succeeded(0)
    state.failed(0)

    assert state.is_available(0)


def test_more_than_half_of_many_requests_failing_ejects():
    state = OutlierState()
    for number in range(24):
        state.succeeded(number * 0.1) if number % 3 == 0 else state.failed(number * 0.1)

    assert not state.is_available(2.4)


def test_after_its_rest_only_one_request_at_a_time_tries_it():
    state = failing(3)

    assert state.is_available(BASE_REST_S)
    assert state.begin()
    assert not state.is_available(BASE_REST_S)


def test_successful_trial_brings_it_back():
    state = failing(3)
    state.begin()
    state.succeeded(BASE_REST_S)
    state.end_trial()

    assert state.is_available(BASE_REST_S)
    assert state.ejected_until is None


def test_failed_trial_doubles_the_rest():
    state = failing(3)
    state.begin()

    assert state.failed(BASE_REST_S)
    state.end_trial()
    assert state.ejected_until == BASE_REST_S + 2 * BASE_REST_S


def test_never_more_than_half_are_left_out():
    assert available([failing(3), OutlierState()], 0) == [1]
    assert available([failing(3), failing(3), OutlierState()], 0) == [0, 1, 2]
    assert available([failing(3)], 0) == [0]


def test_failures_older_than_the_window_do_not_count():
    state = OutlierState()
    for number in range(12):
        state.succeeded(number * 0.001)
        state.failed(number * 0.001)
    later = WINDOW_S + 1.0
    for _ in range(11):
        state.succeeded(later)

    assert not state.failed(later)
    assert state._share_failed() == 0.0  # too few to judge by
