"""Weights of other programs, by the names of torchvision."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nowcast.models import MODELS, VIT_TINY, build_network, load_pretrained
from nowcast.models.pretrained import head_name

# entries of torchvision's state dicts, GoogLeNet without auxiliary heads, and names among them
NAMES = [
    ("alexnet", {}, 16, ["features.0.weight", "features.10.bias", "classifier.6.weight"]),
    ("vgg", {"depth": 16}, 32, ["features.28.weight", "classifier.0.weight", "classifier.6.bias"]),
    ("vgg", {"depth": 19}, 38, ["features.34.bias", "classifier.3.weight"]),
    (
        "vgg",
        {"depth": 16, "norm": "batch"},
        97,
        ["features.1.running_mean", "features.40.weight", "features.41.num_batches_tracked"],
    ),
    (
        "googlenet",
        {},
        344,
        [
            "conv1.conv.weight",
            "conv3.bn.running_var",
            "inception3a.branch1.bn.bias",
            "inception4c.branch3.1.conv.weight",
            "inception5b.branch4.1.bn.weight",
            "fc.bias",
        ],
    ),
    ("resnet", {"depth": 18}, 122, ["bn1.weight", "layer2.0.downsample.0.weight", "fc.weight"]),
    (
        "resnet",
        {"depth": 50},
        320,
        ["layer1.0.downsample.1.running_mean", "layer4.2.conv3.weight", "layer3.5.bn3.bias"],
    ),
    (
        "efficientnet-b0",
        {},
        360,
        [
            "features.0.1.running_mean",
            "features.1.0.block.1.fc1.weight",
            "features.1.0.block.2.1.bias",
            "features.6.3.block.2.fc2.bias",
            "features.8.0.weight",
            "classifier.1.weight",
        ],
    ),
    (
        "vit",
        {},
        152,
        [
            "class_token",
            "conv_proj.bias",
            "encoder.pos_embedding",
            "encoder.layers.encoder_layer_0.ln_1.weight",
            "encoder.layers.encoder_layer_11.self_attention.in_proj_weight",
            "encoder.layers.encoder_layer_11.self_attention.out_proj.bias",
            "encoder.layers.encoder_layer_5.mlp.3.weight",
            "encoder.ln.bias",
            "heads.head.weight",
        ],
    ),
]
SMALL = {
    "fcn": {"widths": (8,) * 5, "hidden": (16, 16), "pool": 3},
    "mlp": {"hidden": (4,)},
    "alexnet": {"widths": (4,) * 5, "pool": 1, "hidden": (4, 4)},
    "vgg": {"widths": (4,) * 5, "pool": 1, "hidden": (4, 4)},
    "vgg-small": {"stages": ((2, 2), (2, 2)), "hidden": (4,)},
    "cnn": {"stages": ((2,),), "hidden": (4,)},
    "googlenet": {"width": 0.05},
    "resnet": {"width": 4},
    "resnet-cifar": {"width": 4, "depth": 8},
    "resnet-wide": {"width": 1, "depth": 10},
    "efficientnet-b0": {"width": 0.25},
    "vit": {**VIT_TINY, "width": 12, "depth": 2},
    "unet": {"widths": (4, 4)},
    "convlstm": {"widths": (4, 4), "frames": 3},
    "convnet": {"widths": (4, 4)},
}
HEADED = [name for name in MODELS if name not in ("autoencoder", "autoencoder-conv", "vae")]


def make(name: str, outputs: int = 5, **options: object) -> torch.nn.Module:
    return build_network(name, 3, outputs, {**SMALL.get(name, {}), **options})


def saved(weights: dict[str, torch.Tensor], path: Path) -> Path:
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return path


@pytest.mark.parametrize(("name", "options", "entries", "some"), NAMES)
def test_weights_are_named_as_in_torchvision(
    name: str, options: dict[str, object], entries: int, some: list[str]
) -> None:
    with torch.device("meta"):
        names = build_network(name, 3, 1000, options).state_dict()
    assert len(names) == entries
    assert [key for key in some if key not in names] == []


@pytest.mark.parametrize("name", HEADED)
def test_the_head_of_every_network_ends_with_its_last_layer(name: str) -> None:
    network = make(name)
    head, last = head_name(network), list(network.state_dict())[-1]
    assert last.startswith(f"{head}.")
    assert last in (f"{head}.bias", f"{head}.last.weight") or head == "classifier"


@pytest.mark.parametrize(
    ("name", "options", "head"),
    [
        ("vgg", {}, "classifier.6"),
        ("vgg", {"pool": 1}, "classifier"),
        ("vgg", {"hidden": (128,)}, "classifier"),
        ("alexnet", {}, "classifier.6"),
        ("alexnet", {"without": (3, 4)}, "classifier.6"),
        ("alexnet", {"without": (7,)}, "classifier"),
        ("alexnet", {"hidden": (64, 64)}, "classifier"),
    ],
)
def test_dense_layers_of_another_shape_belong_to_the_head(
    name: str, options: dict[str, object], head: str
) -> None:
    with torch.device("meta"):
        assert head_name(build_network(name, 3, 10, options)) == head


def test_features_of_a_vgg_serve_under_another_classifier(tmp_path: Path) -> None:
    trained, network = make("vgg", 9), make("vgg", 1, hidden=(6,))
    dense = {key: w.clone() for key, w in network.classifier.state_dict().items()}
    kept = load_pretrained(network, saved(trained.state_dict(), tmp_path / "weights.pth"))
    assert kept == [f"classifier.{key}" for key in dense]
    torch.testing.assert_close(network.classifier.state_dict(), dense)
    torch.testing.assert_close(network.features.state_dict(), trained.features.state_dict())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", HEADED)
def test_a_network_takes_all_but_its_head_from_a_file(
    name: str, suffix: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    trained, fresh = make(name, 9), make(name, 5)
    own = {key: w.clone() for key, w in fresh.get_submodule(head_name(fresh)).state_dict().items()}
    path = saved(trained.state_dict(), tmp_path / f"weights{suffix}")
    kept = load_pretrained(fresh, path)
    assert kept == [f"{head_name(fresh)}.{key}" for key in own]
    for key, weight in fresh.state_dict().items():
        if key not in kept:
            torch.testing.assert_close(weight, trained.state_dict()[key])
    torch.testing.assert_close(dict(fresh.get_submodule(head_name(fresh)).state_dict()), own)


def test_a_kept_head_answers_as_the_file_s_network(tmp_path: Path) -> None:
    trained, fresh = make("resnet").eval(), make("resnet").eval()
    frames = torch.rand(2, 3, 32, 32)
    assert not torch.allclose(fresh(frames), trained(frames))
    path = saved(trained.state_dict(), tmp_path / "weights.pth")
    assert load_pretrained(fresh, path, head="keep") == []
    torch.testing.assert_close(fresh(frames), trained(frames))


def test_auxiliary_heads_and_absent_counters_are_no_fault(tmp_path: Path) -> None:
    trained = make("googlenet").state_dict()
    file = {key: w for key, w in trained.items() if not key.endswith("num_batches_tracked")}
    file |= {"aux1.fc1.weight": torch.zeros(2), "aux2.conv.bn.bias": torch.zeros(3)}
    network = make("googlenet")
    kept = load_pretrained(network, saved(file, tmp_path / "weights.pth"), head="keep")
    assert kept == [key for key in trained if key.endswith("num_batches_tracked")]
    torch.testing.assert_close(network.conv1.conv.weight.detach(), trained["conv1.conv.weight"])


def test_a_transformer_takes_older_names_and_positions_of_another_size(tmp_path: Path) -> None:
    trained = make("vit", size=20).state_dict()
    older = {
        key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): weight
        for key, weight in trained.items()
    }
    assert set(older) != set(trained)
    ramp = torch.arange(5.0).repeat(5, 1)[None].expand(12, 5, 5).flatten(1).T
    older["encoder.pos_embedding"] = torch.cat([torch.full((1, 12), 7.0), ramp])[None]
    path = saved(older, tmp_path / "weights.pth")
    same, larger = make("vit", size=20), make("vit", size=36)
    load_pretrained(same, path, head="keep")
    torch.testing.assert_close(
        same.encoder.layers[1].mlp[3].weight.detach(),
        trained["encoder.layers.encoder_layer_1.mlp.3.weight"],
    )
    torch.testing.assert_close(same.encoder.pos_embedding.detach(), older["encoder.pos_embedding"])
    load_pretrained(larger, path, head="keep")
    positions = larger.encoder.pos_embedding.detach()
    assert (positions[:, 0] == 7).all()
    grid = positions[0, 1:, 0].reshape(9, 9)
    torch.testing.assert_close(grid[:, ::2], torch.arange(5.0).repeat(9, 1))
    torch.testing.assert_close(grid, grid[:1].expand(9, 9))


def test_weights_that_do_not_fit_are_counted_and_the_first_told(tmp_path: Path) -> None:
    network = make("resnet")
    before = {key: weight.clone() for key, weight in network.state_dict().items()}
    file = {**make("resnet", width=8).state_dict(), "layer9.weight": torch.zeros(1)}
    del file["bn1.weight"]
    with pytest.raises(
        ValueError,
        match=r"weights.pth: expected weights of ResNet, found \d+ that do not fit: conv1.weight "
        r"is \(8, 3, 7, 7\), not \(4, 3, 7, 7\); bn1.weight is missing; .* and \d+ more; take",
    ):
        load_pretrained(network, saved(file, tmp_path / "weights.pth"))
    for key, weight in network.state_dict().items():
        torch.testing.assert_close(weight, before[key])
    one = {**network.state_dict(), "layer9.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"found 1 that do not fit: layer9.weight is unknown; "):
        load_pretrained(network, saved(one, tmp_path / "one.pth"))
    other = saved(make("resnet", 9).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"fc.weight is \(9, 32\), not \(5, 32\)"):
        load_pretrained(network, other, head="keep")


def test_other_files_are_refused(tmp_path: Path) -> None:
    network = make("mlp")
    (tmp_path / "words.pth").write_text("no weights")
    (tmp_path / "words.safetensors").write_text("no weights")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    torch.save(network, tmp_path / "network.pth")
    for file in ("words.pth", "words.safetensors", "network.pth", "absent.pth"):
        with pytest.raises(ValueError, match=f"{file}: expected weights by name, found none"):
            load_pretrained(network, tmp_path / file)
    with pytest.raises(
        ValueError, match=r"list.pth: expected weights by name, found other objects"
    ):
        load_pretrained(network, tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"no head 'drop'; there are \['replace', 'keep'\]"):
        load_pretrained(network, tmp_path / "list.pth", head="drop")
