"""Records of previews are read back exactly; malformed ones are refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from ddpm_core.figures.record import DenoisingRecord
from ddpm_core.storage import format_1
from tests.figures.decoded_images import make_record, with_values


@pytest.mark.parametrize("event", [(1, 8, 8), (3, 5, 4)])
def test_record_round_trips_bit_for_bit(tmp_path: Path, event: tuple[int, ...]) -> None:
    record = make_record(event=event)
    record.save(tmp_path / "new" / "a.npz")
    record.save(tmp_path / "b.npz")
    back = DenoisingRecord.load(tmp_path / "new" / "a.npz")
    for name, value in vars(record).items():
        got = vars(back)[name]
        assert type(got) is type(value)
        assert np.array_equal(got, value)
        assert np.asarray(got).dtype == np.asarray(value).dtype
    assert (tmp_path / "new" / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_record_with_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    arrays = vars(make_record()) | {"sampled_x_t": np.array([{}], object)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match="allow_pickle"):
        DenoisingRecord.load(tmp_path / "a.npz")


@pytest.mark.usefixtures("unchecked")
def test_unordered_or_unequal_records_are_refused() -> None:
    for steps in ((0, 50, 300, 700, 1000), (1000, 700, 700, 50, 0), ()):
        with pytest.raises(ValueError, match=re.escape(f"timesteps = {steps} must decrease")):
            with_values(make_record(), timesteps=steps)
    with pytest.raises(ValueError, match="one_step_mse has 4 entries"):
        with_values(make_record(), one_step_mse=np.zeros(4))


def test_record_written_with_earlier_names_loads(tmp_path: Path) -> None:
    record = make_record()
    earlier = {new: old for old, new in format_1.RECORD.items()}
    np.savez(tmp_path / "a.npz", **{earlier.get(k, k): v for k, v in vars(record).items()})
    with np.load(tmp_path / "a.npz") as archive:
        assert {"times", "free_x_t"} <= set(archive.files)
    loaded = DenoisingRecord.load(tmp_path / "a.npz")
    assert loaded.timesteps == record.timesteps
    assert np.array_equal(loaded.sampled_x_t, record.sampled_x_t)
    assert np.array_equal(loaded.one_step_mse, record.one_step_mse)
