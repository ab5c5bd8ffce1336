from jobs.loss_curve import Point, read_points, thin_out


def points(count, *, valid_every):
    return [Point(step, 1.0, 2.0 if step % valid_every == 0 else None) for step in range(1, count + 1)]


def test_orders_by_step():
    found = read_points([{"step": 2, "train_loss": 0.5}, {"step": 1, "train_loss": 0.9}])

    assert [point.step for point in found] == [1, 2]


def test_joins_what_was_measured_of_the_same_step():
    found = read_points([{"step": 1, "train_loss": 0.9}, {"step": 1, "valid_loss": 1.1, "train_loss": None}])

    assert found == [Point(1, 0.9, 1.1)]


def test_prefers_the_validation_over_the_whole_file():
    found = read_points([{"step": 1, "valid_loss": 1.1, "full_valid_loss": 1.0}])

    assert found == [Point(1, None, 1.0)]


def test_leaves_out_what_names_no_step():
    assert read_points([{}, {"step": "3"}, {"train_loss": 1.0}]) == []


def test_keeps_a_short_curve_whole():
    assert thin_out(points(5, valid_every=2), limit=5) == points(5, valid_every=2)


def test_keeps_the_ends_of_a_long_curve_in_order():
    kept = [point.step for point in thin_out(points(1000, valid_every=7), limit=10)]

    assert (len(kept), kept[0], kept[-1]) == (10, 1, 1000)
    assert kept == sorted(set(kept))


def test_keeps_rare_validations_before_other_steps():
    kept = thin_out(points(1000, valid_every=250), limit=10)

    assert [point.step for point in kept if point.valid_loss is not None] == [250, 500, 750, 1000]
