"""The classifier of features: training, standardized features, and its file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation import classifier
from ddpm_core.evaluation.cache import weights_digest


def test_saved_classifier_is_loaded_and_retrained_if_a_byte_differs(tmp_path, monkeypatch):
    """At any position of the byte, and for other data."""
    monkeypatch.setattr(classifier, "STEPS", 5)
    dataset, path, trained = load_dataset("digits"), tmp_path / "classifier.safetensors", []
    real = classifier.trained_classifier
    monkeypatch.setattr(
        classifier, "trained_classifier", lambda data: trained.append(data.name) or real(data)
    )
    first = classifier.saved_classifier(path, dataset)
    content = path.read_bytes()
    assert 0.1 < float(first.accuracy) < 1
    again = classifier.saved_classifier(path, dataset)
    assert len(trained) == 1
    images = dataset.take(dataset.test[:7])
    for at in (3, 200, len(content) // 2, len(content) - 1):
        assert torch.equal(
            again.features_and_classes(images)[0], first.features_and_classes(images)[0]
        )
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        again = classifier.saved_classifier(path, dataset)
        assert path.read_bytes() == content
    path.write_bytes(content[: len(content) // 2])
    classifier.saved_classifier(path, dataset)
    assert len(trained) == 6
    other = tmp_path / "other.npz"
    images, labels = dataset.images.numpy(), (dataset.labels + 1).numpy() % 10
    np.savez(other, images=images, labels=labels, levels=17)
    classifier.saved_classifier(path, load_dataset(f"npz:{other}"))
    assert len(trained) == 7


def test_features_have_mean_0_and_unit_variance_over_training_images(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 5)
    dataset = load_dataset("digits")
    features, _ = classifier.trained_classifier(dataset).features_and_classes(
        dataset.take(dataset.train)
    )
    assert features.mean(0).abs().max() < 1e-12
    assert abs(float(features.var(0).mean()) - 1) < 1e-12


def test_training_is_deterministic_and_classifies_digits(monkeypatch):
    """The global random state is not read: it differs between the two trainings."""
    monkeypatch.setattr(classifier, "STEPS", 60)
    dataset = load_dataset("digits")
    first = classifier.trained_classifier(dataset)
    torch.rand(1)
    second = classifier.trained_classifier(dataset)
    assert weights_digest(first) == weights_digest(second)
    images, labels = dataset.take(dataset.test), dataset.labels[dataset.test]
    features, classes = first.features_and_classes(images)
    assert features.shape == (500, classifier.FEATURES)
    accuracy = float((classes == labels).double().mean())
    assert accuracy == float(first.accuracy) > 0.8
    assert torch.equal(first(images).argmax(1), classes)


def test_dataset_with_fewer_than_two_classes_is_refused():
    digits = load_dataset("digits")
    for dataset in (replace(digits, labels=None), replace(digits, class_names=("0",))):
        with pytest.raises(ValueError, match="digits has fewer than two classes"):
            classifier.trained_classifier(dataset)
