import datetime as dt
import json
import zipfile
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import CannotWriteError, DamagedFileError, FileError, UnsupportedFormatError
from xlcollab.fitting import fit, is_saved_fit, load
from xlcollab.model import Model
from xlcollab.ratings import Ratings, Source


@pytest.fixture(scope="module")
def made(lesson_ratings):
    return fit(lesson_ratings, Model(2, biased=True), solver="scipy", penalty=2.0)


@pytest.fixture
def saved(made, tmp_path):
    path = tmp_path / "model.xlc"
    made.save(path)
    return path


def arrays_of(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def rewrite(path, arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


class TestSaving:
    def test_gives_the_same_fit_back(self, made, saved):
        again = load(saved)
        np.testing.assert_array_equal(again.predictions(), made.predictions())
        assert list(again.predictions().index) == list(made.predictions().index)
        for name in ("model", "solver", "options", "seed", "status", "message", "rmse", "mae", "valid_rmse", "records"):
            assert getattr(again, name) == getattr(made, name), name
        for name in ("iterations", "seconds", "device", "penalised", "clip", "mean"):
            assert getattr(again, name) == getattr(made, name), name
        assert again.ratings.equals(made.ratings)
        assert again.ratings.source == made.ratings.source
        assert again.recommend(212).equals(made.recommend(212))

    def test_keeps_the_type_of_every_label(self, tmp_path):
        users = (27, "27", 2.5, dt.date(2024, 5, 1), dt.datetime(2024, 5, 1, 12, 30))
        ratings = Ratings(
            users, ("a", "Ünïcode ✓"), [0, 1, 2, 3, 4, 0], [0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 5, 5],
            user_names={27: "Ann"}, item_names={"a": "A film"}, timestamps=np.arange(6),
            source=Source("x.xlsx", "S", "A1:B2", "crosstab"), user_title="reader",
        )  # fmt: skip
        fit(ratings, Model(1), solver="scipy", penalty=1.0).save(tmp_path / "m.xlc")
        again = load(tmp_path / "m.xlc").ratings
        assert again.users == users
        assert [type(label) for label in again.users] == [type(label) for label in users]
        assert (again.user_names, again.item_names) == ({27: "Ann"}, {"a": "A film"})
        assert (again.source, again.user_title) == (ratings.source, "reader")
        np.testing.assert_array_equal(again.timestamps, np.arange(6))

    def test_takes_every_label_that_a_fit_takes(self, tmp_path):
        users = [np.int64(3), np.float64(2.5), Decimal(7), np.str_("u"), pd.Timestamp("2024-01-02"), True]
        made = fit(Ratings.from_arrays(users, list("abcabc"), [1, 2, 3, 4, 5, 4]), solver="als")
        made.save(tmp_path / "m.xlc")
        again = load(tmp_path / "m.xlc")
        assert set(again.ratings.users) == {3, 2.5, 7, "u", dt.datetime(2024, 1, 2), True}
        np.testing.assert_array_equal(again.predict(users, "a"), made.predict(users, "a"))

    def test_keeps_what_is_not_as_usual(self, made, tmp_path):
        changed = {"clip": not made.clip, "penalised": not made.penalised, "device": "cuda", "valid_rmse": 0.5}
        replace(made, **changed).save(tmp_path / "m.xlc")
        again = load(tmp_path / "m.xlc")
        assert {name: getattr(again, name) for name in changed} == changed

    def test_keeps_what_was_held_out(self, lesson_ratings, tmp_path):
        made = fit(lesson_ratings, Model(1), solver="scipy", penalty=1.0, valid_pct=0.2)
        made.save(tmp_path / "m.xlc")
        again = load(tmp_path / "m.xlc")
        assert again.valid_rmse == made.valid_rmse
        assert again.valid.equals(made.valid)

    def test_holds_no_pickle(self, saved):
        with np.load(saved, allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive.files)

    def test_never_replaces_a_file_unless_forced(self, made, saved):
        with pytest.raises(CannotWriteError, match="exists already"):
            made.save(saved)
        made.save(saved, force=True)

    def test_is_recognised(self, saved, tmp_path):
        assert is_saved_fit(saved)
        (tmp_path / "text").write_text("no model")
        np.savez(tmp_path / "other.npz", a=np.zeros(2))
        assert not any(is_saved_fit(tmp_path / name) for name in ("text", "other.npz", "missing", "."))


class TestLoading:
    @pytest.mark.parametrize("keep", [0, 1, 100, -1, -100])
    def test_a_file_cut_short_is_refused_by_name(self, saved, keep):
        saved.write_bytes(saved.read_bytes()[:keep])
        with pytest.raises(DamagedFileError, match=r"model\.xlc cannot be loaded"):
            load(saved)

    def test_a_changed_byte_is_noticed(self, saved):
        data = bytearray(saved.read_bytes())
        at = data.index(b"user_factors.npy") + 400
        data[at] ^= 0xFF
        saved.write_bytes(data)
        with pytest.raises(DamagedFileError):
            load(saved)

    def test_any_byte_may_be_wrong(self, tmp_path):
        ratings = Ratings((1, 2), ("a", "b"), [0, 0, 1], [0, 1, 0], [1.0, 5.0, 2.0])
        made = fit(ratings, Model(1), solver="scipy", penalty=1.0)
        whole, broken = tmp_path / "whole.xlc", tmp_path / "broken.xlc"
        made.save(whole)
        data, refused = whole.read_bytes(), 0
        for at in range(0, len(data), 7):
            broken.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
            try:
                again = load(broken)
            except (DamagedFileError, UnsupportedFormatError) as error:
                refused += "broken.xlc" in str(error)
            else:  # it was one that says nothing, such as the time at which the file was made
                np.testing.assert_array_equal(again.predict_matrix(), made.predict_matrix())
                assert again.ratings.equals(ratings)
        assert refused > 0.5 * len(data) / 7

    def test_no_label_may_stand_there_twice(self, saved):
        arrays = arrays_of(saved)
        header = json.loads(arrays["xlcollab.json"].tobytes())
        header["ratings"]["users"][1] = header["ratings"]["users"][0]
        rewrite(saved, arrays | {"xlcollab.json": np.frombuffer(json.dumps(header).encode(), np.uint8)})
        with pytest.raises(DamagedFileError, match=r"model\.xlc cannot be loaded"):
            load(saved)

    @pytest.mark.parametrize("solver", ["scipy", "bayes"])
    def test_no_array_may_be_missing_misshapen_or_without_a_number(self, lesson_ratings, tmp_path, solver):
        options = {"penalty": 1.0, "n_factors": 2} if solver == "scipy" else {"n_factors": 1}
        fit(lesson_ratings, solver=solver, **options).save(tmp_path / "model.xlc")
        whole = arrays_of(tmp_path / "model.xlc")
        for name, array in whole.items():
            if name == "xlcollab.json":
                continue
            changes = [None, array[:-1], array[None]]
            if array.dtype.kind == "f":
                changes.append(np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array))
            for change in changes:
                rest = {key: value for key, value in whole.items() if key != name}
                rewrite(tmp_path / "model.xlc", rest if change is None else rest | {name: change})
                with pytest.raises(DamagedFileError, match=r"model\.xlc cannot be loaded"):
                    load(tmp_path / "model.xlc")

    @pytest.mark.parametrize("version", [0, -1, "x", None, [1]])
    def test_a_version_that_never_was_is_damage(self, saved, version):
        arrays = arrays_of(saved)
        header = json.loads(arrays["xlcollab.json"].tobytes()) | {"version": version}
        rewrite(saved, arrays | {"xlcollab.json": np.frombuffer(json.dumps(header).encode(), np.uint8)})
        with pytest.raises(DamagedFileError):
            load(saved)

    @pytest.mark.parametrize(
        "change",
        [
            lambda header, arrays: header.pop("model"),
            lambda header, arrays: header.update(status="splendid"),
            lambda header, arrays: header.update(model={"n_factors": "x"}),
            lambda header, arrays: header.update(version="x"),
            lambda header, arrays: header["ratings"]["users"].pop(),
            lambda header, arrays: arrays.pop("user_factors"),
            lambda header, arrays: arrays.update(user_factors=np.zeros((3, 3))),
            lambda header, arrays: arrays.update({"ratings/values": np.zeros(3)}),
            lambda header, arrays: arrays.update({"ratings/user_idx": np.full(206, 99)}),
            lambda header, arrays: arrays.update({"ratings/user_idx": np.full(206, -1)}),
        ],
    )
    def test_a_part_that_does_not_fit_is_noticed(self, saved, change):
        arrays = arrays_of(saved)
        header = json.loads(arrays.pop("xlcollab.json").tobytes())
        change(header, arrays)
        header["arrays"] = {name: [array.dtype.str, *array.shape] for name, array in arrays.items()}  # nothing to see
        rewrite(saved, arrays | {"xlcollab.json": np.frombuffer(json.dumps(header).encode(), np.uint8)})
        with pytest.raises(DamagedFileError, match=r"model\.xlc cannot be loaded"):
            load(saved)

    def test_another_kind_of_file_is_refused(self, tmp_path):
        (tmp_path / "a.xlc").write_text("user,item\n1,2\n")
        with zipfile.ZipFile(tmp_path / "b.xlc", "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
        for name in ("a.xlc", "b.xlc"):
            with pytest.raises(DamagedFileError):
                load(tmp_path / name)

    def test_a_pickle_is_not_opened(self, tmp_path):
        np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
        with pytest.raises(DamagedFileError):
            load(tmp_path / "p.npy")

    def test_a_later_version_asks_for_an_update(self, saved):
        arrays = arrays_of(saved)
        header = json.loads(arrays["xlcollab.json"].tobytes()) | {"version": 99}
        rewrite(saved, arrays | {"xlcollab.json": np.frombuffer(json.dumps(header).encode(), np.uint8)})
        with pytest.raises(UnsupportedFormatError, match="version 99.*Update xlcollab"):
            load(saved)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(FileError, match="There is no file .*nowhere"):
            load(tmp_path / "nowhere.xlc")


class TestNetworks:
    @pytest.fixture
    def network(self, lesson_ratings):
        from xlcollab.solvers.torch_network import Network

        settings = Network(layers=(6, 3), dropout=(0.1, 0.0), user_size=3, item_size=2)
        return fit(lesson_ratings, solver="torch", network=settings, epochs=2, y_range=(0.5, 5.5))

    def test_predict_the_same_after_loading(self, network, tmp_path):
        network.save(tmp_path / "m.xlc")
        again = load(tmp_path / "m.xlc")
        np.testing.assert_array_equal(again.predict_matrix(), network.predict_matrix())
        assert again.predictor.name == network.predictor.name
        assert again.options == network.options
        assert again.recommend(212).equals(network.recommend(212))

    def test_whose_weights_do_not_fit_are_refused_by_name(self, network, tmp_path):
        network.save(tmp_path / "m.xlc")
        arrays = arrays_of(tmp_path / "m.xlc")
        name = next(name for name in arrays if name.startswith("predictor/") and arrays[name].ndim == 2)
        rewrite(tmp_path / "m.xlc", arrays | {name: arrays[name][:-1]})
        with pytest.raises(DamagedFileError, match=r"m\.xlc cannot be loaded"):
            load(tmp_path / "m.xlc")


class TestOptions:
    def test_settings_come_back_and_code_is_left_out(self, lesson_ratings, tmp_path):
        from xlcollab.solvers.torch_callbacks import Callback
        from xlcollab.solvers.torch_schedule import OneCycle

        schedule = OneCycle(1e-2, momentum=(0.9, 0.8, 0.9))
        made = fit(lesson_ratings, solver="torch", schedule=schedule, epochs=np.int64(2), callbacks=(Callback(),))
        made.save(tmp_path / "m.xlc")
        options = load(tmp_path / "m.xlc").options
        assert options == {"schedule": schedule, "epochs": 2}
        assert isinstance(options["schedule"].momentum, tuple)

    @pytest.mark.parametrize(
        "name", ["base:Solver", "os:system", "torch_schedule:Callable", "scipy_minimise:no", "x:y"]
    )
    def test_no_other_class_is_made(self, saved, name):
        arrays = arrays_of(saved)
        header = json.loads(arrays["xlcollab.json"].tobytes())
        header["options"] = {"penalty": {"class": name, "fields": {}}}
        rewrite(saved, arrays | {"xlcollab.json": np.frombuffer(json.dumps(header).encode(), np.uint8)})
        with pytest.raises(DamagedFileError):
            load(saved)
