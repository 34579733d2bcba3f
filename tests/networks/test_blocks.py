"""The blocks of the U-Net."""

import torch

from ddpm_core.networks.blocks import SelfAttention


def test_attention_equals_the_fused_kernel(monkeypatch):
    """Products of 16 terms of size 1 and a softmax: some 32 roundings of u = 2^-24 each."""
    torch.manual_seed(0)
    attention = SelfAttention(128)
    torch.nn.init.normal_(attention.out.weight, std=0.1)
    x = torch.randn(2, 128, 3, 5)
    ours = attention(x)
    qkv = attention.qkv(attention.norm(x)).reshape(2, 3, 2, 64, 15).permute(1, 0, 2, 4, 3)
    fused = torch.nn.functional.scaled_dot_product_attention(*qkv)
    want = x + attention.out(fused.permute(0, 1, 3, 2).reshape(2, 128, 3, 5))
    assert (ours - want).abs().max() < 128 * 2**-24 * want.abs().max()
