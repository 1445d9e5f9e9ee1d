import numpy as np
from scipy import stats

from intrs_edge.smoothing.noise import DiscreteGaussian
from intrs_edge.train.noise import NoiseBank, augment


def test_bank_follows_the_distribution():
    bank = NoiseBank(4.0 / 255, 200_000, seed=3)
    noise = DiscreteGaussian(4)
    values = np.arange(-14, 15)
    observed = np.array([(bank.samples == v).sum() for v in values] + [(np.abs(bank.samples) > 14).sum()])
    expected = np.array([float(noise.pmf(int(v))) for v in values])
    expected = np.append(expected, 1 - expected.sum()) * len(bank.samples)
    assert stats.chisquare(observed, expected).pvalue > 1e-4
    # the control: the same test tells a neighbouring sigma apart
    wider = NoiseBank(4.1 / 255, 200_000, seed=3)
    observed = np.array([(wider.samples == v).sum() for v in values] + [(np.abs(wider.samples) > 14).sum()])
    assert stats.chisquare(observed, expected).pvalue < 1e-4


def test_an_epoch_reshuffles_the_same_samples():
    bank = NoiseBank(0.25, 1000, seed=1)
    bank.start_epoch(0)
    first = bank.take((10, 100))
    bank.start_epoch(1)
    second = bank.take((1000,))
    assert not np.array_equal(first.reshape(-1), second)
    np.testing.assert_array_equal(np.sort(first.reshape(-1)), np.sort(second))
    np.testing.assert_array_equal(np.sort(second), np.sort(bank.samples))
    again = NoiseBank(0.25, 1000, seed=1)
    again.start_epoch(1)
    np.testing.assert_array_equal(again.take((1000,)), second)


def test_a_small_bank_goes_round_out_of_step():
    bank = NoiseBank(0.25, 1000, seed=1)
    bank.start_epoch(0)
    rounds = bank.take((20, 1000))
    assert len({r.tobytes() for r in rounds}) == 20


def test_no_noise():
    bank = NoiseBank(0.0, 1000, seed=1)
    bank.start_epoch(0)
    assert not bank.take((3, 500)).any()


def test_augment_moves_and_mirrors_whole_images():
    rng = np.random.default_rng(0)
    images = np.zeros((400, 7, 7, 1), np.uint8)
    images[:, 3, 2] = 200
    moved = augment(images, flip=True, shift=1, rng=rng)
    assert moved.shape == images.shape
    assert moved.dtype == np.uint8
    assert np.all(moved.sum((1, 2, 3)) == 200)
    places = {tuple(int(v) for v in p) for p in np.argwhere(moved[..., 0])[:, 1:]}
    assert places == {(y, x) for y in (2, 3, 4) for x in (1, 2, 3, 4, 5)}
    np.testing.assert_array_equal(augment(images, False, 0, rng), images)
