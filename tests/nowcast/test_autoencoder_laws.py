"""What autoencoders teach, as laws."""

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from nowcast.models import Autoencoder, VariationalAutoencoder
from nowcast.models.code_penalties import (
    estimated_contraction,
    kl_sparsity,
    layer_contraction,
    normal_kl,
)
from nowcast.models.encoder_decoder import make_response
from nowcast.models.layers import ACTIVATIONS
from nowcast.models.vae import drawn, evidence_bound
from nowcast.scaling import MinMax
from nowcast.tasks import DenoiseTask
from pipeline.batch import Batch


def descend(network: nn.Module, noisy: Tensor, clean: Tensor, steps: int = 300) -> float:
    """The mean squared error after so many steps of L-BFGS on all images at once."""
    optimiser = torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        history_size=50,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        error = F.mse_loss(network(noisy), clean)
        error.backward()
        return error

    optimiser.step(loss)
    return float(loss().detach())


def linear(size: int, width: int) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(1, 1, size=size, widths=(width,), activation="linear").double()


def textures(count: int, seed: int = 0) -> Tensor:
    """Images (count, 1, 4, 4) of like neighbours that span all 16 dimensions."""
    dice = torch.Generator().manual_seed(seed)
    rough = torch.rand(count, 1, 6, 6, generator=dice, dtype=torch.double)
    return (rough[..., 1:-1, 1:-1] + F.avg_pool2d(rough, 3, 1)) / 2


@pytest.mark.parametrize("width", [3, 8])
def test_a_linear_autoencoder_reaches_the_error_of_pca_and_spans_its_subspace(width: int) -> None:
    images = torch.from_numpy(load_digits().images[:300]).double()[:, None] / 16
    network = linear(8, width)
    error = descend(network, images, images)
    flat = images.flatten(1)
    _, sizes, axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    assert error == pytest.approx(float(sizes[width:].square().sum()) / flat.numel(), rel=1e-4)
    spanned, _ = torch.linalg.qr(network.decoder[0].weight.detach())
    cosines = torch.linalg.svdvals(spanned.T @ axes[:width].T)
    assert float(cosines.min()) > 0.9999


def test_tied_weights_are_half_as_many_and_those_of_the_encoder() -> None:
    def weights(network: nn.Module) -> int:
        return sum(w.numel() for w in network.parameters() if w.ndim == 2)

    free, tied = (Autoencoder(1, 1, size=6, widths=(20, 5), tied=tied) for tied in (False, True))
    assert 2 * weights(tied) == weights(free) == 2 * (36 * 20 + 20 * 5)
    biases = [w.numel() for w in tied.parameters() if w.ndim == 1]
    assert sorted(biases) == [5, 20, 20, 36]
    code = torch.randn(2, 5)
    with torch.no_grad():
        hidden = torch.relu(code @ tied.encoder[2].weight)
        expected = (hidden @ tied.encoder[0].weight).reshape(2, 1, 6, 6)
        torch.testing.assert_close(tied.decode(code), expected)


def test_a_tied_linear_autoencoder_reaches_pca_too() -> None:
    images = textures(60)
    torch.manual_seed(0)
    tied = Autoencoder(1, 1, size=4, widths=(4,), tied=True).double()
    flat = images.flatten(1)
    left = torch.linalg.svdvals(flat - flat.mean(0))[4:].square().sum() / flat.numel()
    assert descend(tied, images, images) == pytest.approx(float(left), rel=1e-4)


@pytest.mark.parametrize("width", [16, 24])
def test_without_noise_a_code_of_full_width_learns_the_identity(width: int) -> None:
    images, others = textures(80), torch.rand(50, 1, 4, 4, dtype=torch.double) * 2 - 1
    network = linear(4, width)
    assert descend(network, images, images) < 1e-9
    torch.testing.assert_close(network(others), others, atol=1e-2, rtol=0)


def test_with_noise_an_overcomplete_autoencoder_learns_the_best_linear_filter_instead() -> None:
    clean = textures(300).repeat(4, 1, 1, 1)
    dice = torch.Generator().manual_seed(1)
    noisy = clean + 0.2 * torch.randn(clean.shape, generator=dice, dtype=torch.double)
    network = linear(4, 24)
    error = descend(network, noisy, clean)
    ones = torch.ones(len(noisy), 1, dtype=torch.double)
    columns = torch.cat([noisy.flatten(1), ones], 1)
    best = torch.linalg.lstsq(columns, clean.flatten(1), driver="gelsd").solution
    least = (columns @ best - clean.flatten(1)).square().mean()
    assert error == pytest.approx(float(least), rel=1e-4)
    others = torch.rand(50, 1, 4, 4, dtype=torch.double) * 2 - 1
    assert (network(others) - others).square().mean() > 0.1 * others.square().mean()


@pytest.mark.parametrize("name", [*ACTIVATIONS, "linear"])
def test_the_exact_contraction_is_that_of_the_whole_jacobian(name: str) -> None:
    torch.manual_seed(0)
    layer, response = nn.Linear(7, 5).double(), make_response(name)
    values = torch.randn(6, 7, dtype=torch.double)
    jacobians = [
        torch.autograd.functional.jacobian(nn.Sequential(layer, response), v) for v in values
    ]
    expected = torch.stack(jacobians).square().sum((1, 2)).mean()
    found = layer_contraction(layer, response, values)
    torch.testing.assert_close(found, expected.float())
    with torch.no_grad():
        torch.testing.assert_close(layer_contraction(layer, response, values), found)


def test_hutchinsons_estimate_is_right_in_the_mean_and_has_gradients() -> None:
    torch.manual_seed(0)
    encode = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 5), nn.Sigmoid())
    value = torch.randn(7)
    exact = float(torch.autograd.functional.jacobian(encode, value).square().sum())
    draws = torch.stack([estimated_contraction(encode, value[None]) for _ in range(400)]).detach()
    error = float(draws.std()) / math.sqrt(len(draws))
    assert error < 0.1 * exact
    assert float(draws.mean()) == pytest.approx(exact, abs=3 * error)
    many = estimated_contraction(encode, value.repeat(20_000, 1))
    assert float(many.detach()) == pytest.approx(exact, rel=0.02)
    many.backward()
    assert encode[0].weight.grad.any()
    with torch.no_grad():
        assert estimated_contraction(encode, value[None]) is None


def test_the_gradient_of_kl_sparsity_pulls_each_mean_to_its_target() -> None:
    code = torch.rand(10, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    kl_sparsity(code, 0.1).backward()
    mean = code.detach().mean(0)
    expected = (-0.1 / mean + 0.9 / (1 - mean)) / 10
    torch.testing.assert_close(code.grad, expected.expand(10, 4))
    at_target = torch.full((10, 4), 0.1, requires_grad=True)
    value = kl_sparsity(at_target, 0.1)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(at_target.grad, torch.zeros(10, 4), atol=1e-6, rtol=0)
    off = torch.zeros(5, 1, requires_grad=True)
    assert math.isfinite(float(kl_sparsity(off, 0.1).detach()))


def test_the_kl_of_two_normal_laws_is_its_mean_over_draws() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.tensor([[0.7, -0.3]]), torch.tensor([[-0.5, 0.4]])
    code = drawn(*(part.expand(200_000, 2) for part in (mean, log_variance)))
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    ratio = posterior.log_prob(code) - torch.distributions.Normal(0, 1).log_prob(code)
    assert float(normal_kl(mean, log_variance)) == pytest.approx(
        float(ratio.sum(1).mean()), rel=0.02
    )
    assert float(normal_kl(torch.zeros(1, 3), torch.zeros(1, 3))) == 0


def principal_vae(deviation: float) -> VariationalAutoencoder:
    """A linear one whose code has, given an image, exactly the law that Bayes asks for."""
    torch.manual_seed(0)
    network = VariationalAutoencoder(1, 1, size=3, widths=(), code=2, output="linear").double()
    axes, _ = torch.linalg.qr(torch.randn(9, 2, dtype=torch.double))
    loadings = axes * torch.tensor([2.0, 0.7]).double()
    variance = deviation**2
    precision = loadings.square().sum(0) + variance
    encoder, decoder = network.encoder[1], network.decoder[0][0]
    with torch.no_grad():
        decoder.weight.copy_(loadings)
        decoder.bias.fill_(0.2)
        encoder.weight[:2] = (loadings / precision).T
        encoder.weight[2:] = 0
        encoder.bias[:2] = -encoder.weight[:2] @ decoder.bias
        encoder.bias[2:] = (variance / precision).log()
    return network


def test_the_evidence_bound_is_below_the_likelihood_and_meets_it_at_the_true_posterior() -> None:
    deviation = 0.5
    network = principal_vae(deviation)
    decoder, encoder = network.decoder[0][0], network.encoder[1]
    spread = decoder.weight @ decoder.weight.T + deviation**2 * torch.eye(9)
    law = torch.distributions.MultivariateNormal(decoder.bias, spread)
    images = law.sample((40,))
    with torch.no_grad():
        likelihood = law.log_prob(images)
        frames = images.reshape(40, 1, 3, 3)
        bound = evidence_bound(network, frames, deviation, draws=2000)
        torch.testing.assert_close(bound, likelihood, atol=0.15, rtol=0)
        assert float((bound - likelihood).mean().abs()) < 0.02
        encoder.bias[:2] += 0.5
        encoder.bias[2:] += 0.5
        assert (evidence_bound(network, frames, deviation, draws=2000) < likelihood).all()


def test_loss_and_penalty_are_the_bound_as_documented() -> None:
    beta = 0.3
    torch.manual_seed(0)
    network = VariationalAutoencoder(1, 1, size=4, widths=(8,), code=3, beta=beta).double()
    images, task = textures(10), DenoiseTask(scaling=MinMax())
    torch.manual_seed(1)
    loss = task.loss(network(images), task.pose(Batch(images))) + network.penalty
    torch.manual_seed(1)
    bound = evidence_bound(network, images, math.sqrt(beta / 2)).mean()
    expected = -(beta / 16) * (bound + 8 * math.log(math.pi * beta))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
