from listeners import Watched


def test_listeners_are_told_until_they_leave():
    watched, told = Watched(), []
    leave = watched.listen(told.append)
    watched.listen(lambda value: told.append(-value))
    assert watched.change(3) == 2
    assert told == [3, -3]
    leave()
    assert watched.change(4) == 1
    assert told == [3, -3, -4]


def test_the_same_value_is_no_change():
    watched, told = Watched(), []
    watched.listen(told.append)
    assert watched.change(0) == 0
    assert watched.change(5) == 1
    assert watched.change(5) == 0
    assert told == [5]
