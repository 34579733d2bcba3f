"""Patches of the two photographs."""

import pytest

from ddpm_core.data.dataset import load_dataset


def test_patches_of_train_validation_and_test_share_no_pixel():
    """Test: the right 20 % of a photograph; validation: the 10 % to its left."""
    from sklearn.datasets import load_sample_images

    data = load_dataset("patches:64")
    assert (data.grey_levels, data.class_names) == (256, ("china", "flower"))
    assert data.labels is not None
    columns = {"train": (0, 448), "validation": (448, 512), "test": (512, 640)}
    for part, (first, end) in columns.items():
        wanted = [
            (label, photograph[top : top + 64, left : left + 64].tobytes())
            for label, photograph in enumerate(load_sample_images().images)
            for top in range(0, 427 - 63, 8)
            for left in range(first, end - 63, 8)
        ]
        found = [
            (int(data.labels[i]), data.images[i].permute(1, 2, 0).contiguous().numpy().tobytes())
            for i in getattr(data, part)
        ]
        assert found == wanted, part


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("patches:", "has no size; write patches:64"),
        ("patches:x", "has no size"),
        ("patches:-64", "has no size"),
        ("patches:7", "pass 8 to 213"),
        ("patches:214", "pass 8 to 213"),
    ],
)
def test_patches_without_a_valid_size_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        load_dataset(spec)
