from cos.services.seldom import Seldom


def test_the_first_is_told_and_then_one_in_a_while_with_how_many_there_were() -> None:
    times = iter([0.0, 1.0, 59.9, 60.0, 60.1, 500.0])
    seldom = Seldom(60, clock=lambda: next(times))

    assert [seldom.again() for _ in range(6)] == [1, None, None, 3, None, 2]
