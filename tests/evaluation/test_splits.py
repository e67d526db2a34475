import datetime as dt
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import OptionError, RatingsError
from xlcollab.evaluation import ByTime, ByUser, GivenSplits, KFold, LeaveOneOut, ShuffleSplit, compare
from xlcollab.evaluation.splits import as_splits
from xlcollab.ratings import Ratings

ALL = [
    ShuffleSplit(0.2, n_splits=3, seed=1),
    KFold(4, seed=1),
    ByUser(seed=1),
    ByUser(n=2, seed=1),
    ByUser(n=2, k=3, seed=1),
    ByUser(0.5, last=True),
    ByUser(1, k=5, seed=1),
    ByTime(),
    ByTime(since=10**9 + 600),
]


def cells(ratings):
    return set(zip(ratings.user_idx.tolist(), ratings.item_idx.tolist(), ratings.values.tolist(), strict=True))


@pytest.mark.parametrize("splits", ALL, ids=repr)
class TestEverySplit:
    def test_parts_the_ratings_and_keeps_the_labels(self, splits, planted):
        pairs = list(splits.split(planted))
        assert pairs
        for train, valid in pairs:
            assert len(train)
            assert len(valid)
            assert not cells(train) & cells(valid)
            assert cells(train) | cells(valid) == cells(planted)
            for part in (train, valid):
                assert (part.users, part.items) == (planted.users, planted.items)
                assert len(part.timestamps) == len(part)

    def test_is_the_same_every_time(self, splits, planted):
        for (_, one), (_, two) in zip(splits.split(planted), splits.split(planted), strict=True):
            np.testing.assert_array_equal(one.user_idx, two.user_idx)
            np.testing.assert_array_equal(one.item_idx, two.item_idx)

    def test_is_a_value(self, splits):
        assert splits == replace(splits)
        with pytest.raises(AttributeError):
            splits.seed = 2


@pytest.mark.parametrize("kind", [ShuffleSplit, KFold, ByUser])
def test_another_seed_is_another_split(kind, planted):
    (_, one), (_, two) = (next(iter(kind(seed=seed).split(planted))) for seed in (0, 1))
    assert cells(one) != cells(two)


def test_a_shuffle_split_is_the_split_of_the_ratings(planted):
    for at, (train, valid) in enumerate(ShuffleSplit(0.3, n_splits=2, seed=5).split(planted)):
        assert [cells(train), cells(valid)] == [cells(part) for part in planted.split(0.3, seed=5 + at)]


def test_folds_hold_out_each_rating_once_and_are_equal_but_for_one(planted):
    held_out = [valid for _, valid in KFold(9, seed=2).split(planted)]
    assert {len(valid) for valid in held_out} == {77, 78}
    assert sum(len(valid) for valid in held_out) == len(set.union(*map(cells, held_out))) == 700


def test_leaving_one_out_leaves_each_out(lesson_ratings):
    held_out = [valid for _, valid in LeaveOneOut().split(lesson_ratings)]
    assert {len(valid) for valid in held_out} == {1}
    assert set.union(*map(cells, held_out)) == cells(lesson_ratings)


class TestByUser:
    def test_a_number_is_held_out_of_each_user_who_has_more(self, planted):
        few = planted.select((planted.user_idx != 3) | (np.cumsum(planted.user_idx == 3) <= 2))  # user 3 keeps two
        ((_, valid),) = ByUser(n=2).split(few)
        assert [valid.user_counts[3], *np.delete(valid.user_counts, 3)] == [0, *[2] * 39]

    def test_a_part_is_rounded_and_leaves_one(self, planted):
        ((train, valid),) = ByUser(0.3).split(planted)
        np.testing.assert_array_equal(valid.user_counts, np.rint(0.3 * planted.user_counts))
        single = planted.select(np.r_[0, np.flatnonzero(planted.user_idx > 0)])
        ((train, _),) = ByUser(0.9).split(single)
        assert train.user_counts.min() >= 1

    def test_the_last_are_the_latest_of_each_user(self, planted):
        ((train, valid),) = ByUser(n=3, last=True).split(planted)
        for user in range(40):
            early, late = (part.timestamps[part.user_idx == user] for part in (train, valid))
            assert len(late) == 3
            assert early.max() < late.min()

    def test_of_the_same_second_the_last_is_what_stands_last(self, planted):
        same = replace(planted, timestamps=np.zeros(700))
        ((_, valid),) = ByUser(n=1, last=True).split(same)
        last = [int(np.flatnonzero(planted.user_idx == user)[-1]) for user in range(40)]
        np.testing.assert_array_equal(valid.values, planted.values[np.sort(last)])

    def test_users_are_dealt_into_parts(self, planted):
        held_out = [set(valid.user_idx.tolist()) for _, valid in ByUser(n=1, k=4).split(planted)]
        assert [len(users) for users in held_out] == [10] * 4
        assert len(set.union(*held_out)) == 40

    def test_whole_users_are_new_to_the_training_part(self, planted):
        for train, valid in ByUser(1, k=4).split(planted):
            assert not set(train.user_idx.tolist()) & set(valid.user_idx.tolist())

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"n": 1, "valid_pct": 0.2}, "not both"),
            ({"n": 0}, "n is 0"),
            ({"valid_pct": 1.5}, "valid_pct is 1.5"),
            ({"valid_pct": 1}, "pass k=2 or more"),
            ({"k": 0}, "k is 0"),
            ({"k": 41}, "40 users cannot be dealt into 41 parts"),
            ({"n": 100}, "would hold out no rating"),
            ({"seed": -1}, "seed is -1"),
        ],
    )
    def test_what_cannot_be_is_refused(self, options, words, planted):
        with pytest.raises(OptionError, match=words):
            list(ByUser(**options).split(planted))


class TestByTime:
    def test_the_latest_are_held_out(self, planted):
        ((train, valid),) = ByTime(0.1).split(planted)
        assert len(valid) == 70
        assert train.timestamps.max() < valid.timestamps.min()

    def test_of_the_same_second_what_stands_later_is_later(self, planted):
        same = replace(planted, timestamps=np.zeros(700))
        ((train, _),) = ByTime(0.25).split(same)
        np.testing.assert_array_equal(train.values, planted.values[:525])

    def test_a_moment_parts_before_from_since(self, planted):
        moment = dt.datetime.fromtimestamp(10**9 + 650, dt.UTC)
        for since in (10**9 + 650, moment, moment.replace(tzinfo=None)):
            ((train, valid),) = ByTime(since=since).split(planted)
            assert (len(train), len(valid)) == (650, 50)

    def test_a_moment_may_be_a_date_or_a_text(self, planted):
        daily, day = replace(planted, timestamps=np.arange(700) * 86400), dt.date(1971, 10, 13)
        for since in (
            day,
            str(day),
            f"{day}T00:00+00:00",
            np.datetime64(day),
            pd.Timestamp(day),
            np.int64(650 * 86400),
        ):
            ((train, valid),) = ByTime(since=since).split(daily)
            assert (len(train), len(valid)) == (650, 50)

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs time.tzset, which Windows has not")
    def test_a_moment_without_a_zone_is_utc_wherever_it_is_taken(self, planted, monkeypatch):
        moment = dt.datetime.fromtimestamp(10**9 + 650, dt.UTC).replace(tzinfo=None)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            ((_, valid),) = ByTime(since=moment).split(planted)
        finally:
            monkeypatch.undo()
            time.tzset()
        assert len(valid) == 50

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"valid_pct": 0.2, "since": 5}, "not both"),
            ({"valid_pct": 1}, "valid_pct is 1;"),
            ({"valid_pct": "0.2"}, "valid_pct is '0.2';"),
            ({"since": "dawn"}, "since is 'dawn'; it is seconds since 1970, a date, or a text such as"),
            ({"since": np.nan}, "since is nan"),
            ({"since": pd.NaT}, "since is NaT"),
            ({"since": True}, "since is True"),
            ({"since": [5]}, r"since is \[5\]"),
            ({"since": 0}, "leave none to train on"),
            ({"since": 2e9}, "hold out no rating"),
        ],
    )
    def test_what_cannot_be_is_refused(self, options, words, planted):
        with pytest.raises(OptionError, match=words):
            list(ByTime(**options).split(planted))

    def test_ratings_without_timestamps_are_refused(self, lesson_ratings):
        for splits in (ByTime(), ByUser(last=True)):
            with pytest.raises(OptionError, match="no timestamps"):
                list(splits.split(lesson_ratings))


class TestGivenSplits:
    def test_may_be_files_frames_or_ratings(self, planted, tmp_path):
        train, valid = planted.split(0.2, seed=3)
        paths = tmp_path / "u1.base", tmp_path / "u1.test"
        for part, path in zip((train, valid), paths, strict=True):
            part.to_frame().to_csv(path, index=False, header=False, sep="\t")
        for given in ((train, valid), (train.to_frame(), valid.to_frame()), paths):
            ((one, two),) = GivenSplits(given).split()
            assert one.equals(train) or set(one.users) <= set(train.users)
            assert (len(one), len(two)) == (560, 140)
            assert [two.users[at] for at in two.user_idx] == [valid.users[at] for at in valid.user_idx]
            assert [two.items[at] for at in two.item_idx] == [valid.items[at] for at in valid.item_idx]

    def test_unknown_labels_stand_behind_the_known_ones(self):
        train = Ratings.from_arrays([1, 2], ["a", "b"], [3, 4])
        valid = Ratings.from_arrays([3, 2, 0], ["b", "c", "a"], [1, 2, 5])
        ((same, other),) = GivenSplits((train, valid)).split()
        assert same is train
        assert (other.users, other.items) == ((1, 2, 0, 3), ("a", "b", "c"))
        assert cells(other) == {(3, 1, 1.0), (1, 2, 2.0), (2, 0, 5.0)}

    def test_labels_of_another_type_are_refused(self, planted):
        texts = planted.to_frame().astype({planted.to_frame().columns[0]: str})
        with pytest.raises(RatingsError, match="Held-out user '.*' is .* in the training ratings"):
            list(GivenSplits((planted, texts[:50])).split())

    def test_without_pairs_is_refused(self):
        with pytest.raises(OptionError, match="pairs of ratings"):
            GivenSplits()


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (KFold(1), "k is 1"),
        (KFold(701), "700 ratings cannot be dealt into 701 parts"),
        (KFold(seed=True), "seed is True"),
        (ShuffleSplit(n_splits=0), "n_splits is 0"),
        (ShuffleSplit(seed=0.5), "seed is 0.5"),
        (ShuffleSplit(1.0), "valid_pct is 1"),
        (ShuffleSplit("0.2"), "valid_pct is '0.2'; it is a part of the ratings"),
        (ByUser("0.2"), "valid_pct is '0.2'; it is a part of a user's ratings"),
    ],
)
def test_what_cannot_be_is_refused(splits, words, planted):
    with pytest.raises(OptionError, match=words):
        list(splits.split(planted))


def test_one_rating_cannot_be_left_out():
    with pytest.raises(OptionError, match="two at the least"):
        list(LeaveOneOut().split(Ratings.from_arrays([1], [1], [1])))


class TestSplittersOfScikitLearn:
    def test_are_taken_as_they_are(self, planted):
        model_selection = pytest.importorskip("sklearn.model_selection")
        splitter = model_selection.KFold(4, shuffle=True, random_state=1)
        pairs = list(as_splits(splitter, otherwise=ByTime()).split(planted))
        expected = list(splitter.split(np.arange(len(planted))))
        assert len(pairs) == 4
        for (train, valid), (train_idx, valid_idx) in zip(pairs, expected, strict=True):
            assert cells(train) == cells(planted.select(train_idx))
            assert cells(valid) == cells(planted.select(valid_idx))
            assert (valid.users, valid.items) == (planted.users, planted.items)

    def test_groups_are_the_users(self, planted):
        model_selection = pytest.importorskip("sklearn.model_selection")
        for train, valid in as_splits(model_selection.GroupKFold(3), otherwise=ByTime()).split(planted):
            assert not set(train.user_idx) & set(valid.user_idx)

    def test_parts_may_be_masks(self, planted):
        class Half:
            def split(self, X, y, groups):
                yield np.arange(len(X)) % 2 == 0, np.arange(len(X)) % 2 == 1

            def get_n_splits(self):
                return 1

        ((train, valid),) = as_splits(Half(), otherwise=ByTime()).split(planted)
        assert cells(train) == cells(planted.select(np.arange(len(planted)) % 2 == 0))
        assert cells(train) | cells(valid) == cells(planted)

    def test_are_asked_for_one_pair_at_a_time(self, planted):
        model_selection = pytest.importorskip("sklearn.model_selection")
        _, valid = next(iter(as_splits(model_selection.LeavePOut(2), otherwise=ByTime()).split(planted)))
        assert len(valid) == 2

    def test_compare_takes_them(self, planted):
        model_selection = pytest.importorskip("sklearn.model_selection")
        table = compare(planted, ["als"], splits=model_selection.ShuffleSplit(2, test_size=0.3, random_state=1))
        assert table["splits"].tolist() == [2]

    def test_one_that_trains_on_what_it_holds_out_is_refused(self, planted):
        class Overlapping:
            def split(self, X, y, groups):
                yield np.arange(len(X)), np.arange(50)

            def get_n_splits(self):
                return 1

        with pytest.raises(RatingsError, match="50 of 50 held-out ratings are training ratings too"):
            compare(planted, ["als"], splits=Overlapping())

    def test_a_part_without_ratings_is_refused(self, planted):
        class AllForTraining:
            def split(self, X, y, groups):
                yield np.arange(len(X)), np.zeros(0, dtype=int)

            def get_n_splits(self):
                return 1

        with pytest.raises(OptionError, match="leaves a part of the ratings empty"):
            list(as_splits(AllForTraining(), otherwise=ByTime()).split(planted))


def test_a_number_stands_for_so_many_folds():
    assert as_splits(4, otherwise=ByTime(), seed=2) == KFold(4, seed=2)
    assert as_splits(None, otherwise=ByTime()) == ByTime()
    for wrong in ("5", 2.5):
        with pytest.raises(OptionError, match="it is a number of folds, or a way to split such as KFold"):
            as_splits(wrong, otherwise=ByTime())
