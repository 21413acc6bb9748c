"""Prints tests/golden/modules.h: what PyTorch's modules start with and compute, for tests/nn.

    pip install torch numpy; python tests/golden/modules.py > tests/golden/modules.h

Made with torch 2.15.0 on x86-64 with AVX2 or better (the random numbers differ on anything less).
"""

import math

import torch
from torch import nn


def number(value, dtype):
    if math.isinf(value):
        return "INFINITY"
    return float(value).hex() if dtype == torch.float64 else float(value).hex() + "f"


def reals(name, tensors, dtype, width=118):
    print(f"static const reel_real {name}[] = {{")
    line = "   "
    for value in torch.cat([t.detach().reshape(-1) for t in tensors]).tolist():
        item = " " + number(value, dtype) + ","
        if len(line) + len(item) > width:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


def initial(dtype):
    print("\n/* Seed 3; in this order: Linear(5, 4), Linear(3, 2, bias=False), Embedding(4, 3), Embedding(7, 5, padding_idx=-2),")
    print(" * BatchNorm1d(3), LayerNorm((2, 3)), Linear(0, 3), Linear(20, 1), Linear(17, 33), then randn(3). Each state_dict. */")
    torch.manual_seed(3)
    modules = [nn.Linear(5, 4), nn.Linear(3, 2, bias=False), nn.Embedding(4, 3), nn.Embedding(7, 5, padding_idx=-2)]
    modules += [nn.BatchNorm1d(3), nn.LayerNorm((2, 3)), nn.Linear(0, 3), nn.Linear(20, 1), nn.Linear(17, 33)]
    after = torch.randn(3)
    reals("golden_initial", [v.to(dtype) for m in modules for v in m.state_dict().values()] + [after], dtype)

    print("\n/* Seed 4; on weights [3, 4], in this order: uniform_(-2, 3), normal_(1, 0.5), xavier_uniform_(gain=1),")
    print(" * xavier_uniform_(gain=5/3), xavier_normal_(gain=2), kaiming_uniform_(), kaiming_uniform_(a=0.2, fan_out),")
    print(" * kaiming_normal_(relu), kaiming_normal_(fan_out, tanh), kaiming_uniform_(selu); kaiming_normal_(linear) and")
    print(" * xavier_uniform_(1) on [2, 3, 4]. */")
    torch.manual_seed(4)
    i = nn.init
    drawn = [i.uniform_(torch.empty(3, 4), -2, 3), i.normal_(torch.empty(3, 4), 1, 0.5)]
    drawn += [i.xavier_uniform_(torch.empty(3, 4)), i.xavier_uniform_(torch.empty(3, 4), 5 / 3)]
    drawn += [i.xavier_normal_(torch.empty(3, 4), 2), i.kaiming_uniform_(torch.empty(3, 4))]
    drawn += [i.kaiming_uniform_(torch.empty(3, 4), 0.2, "fan_out")]
    drawn += [i.kaiming_normal_(torch.empty(3, 4), nonlinearity="relu")]
    drawn += [i.kaiming_normal_(torch.empty(3, 4), mode="fan_out", nonlinearity="tanh")]
    drawn += [i.kaiming_uniform_(torch.empty(3, 4), nonlinearity="selu")]
    drawn += [i.kaiming_normal_(torch.empty(2, 3, 4), nonlinearity="linear"), i.xavier_uniform_(torch.empty(2, 3, 4))]
    reals("golden_filled", drawn, dtype)


def batch_norm(dtype):
    print("\n/* BatchNorm1d(3) on batches x [5, 3] and [4, 3] of seed 5, weight 0.5, 1, 2 and bias -1, 0, 1: y of the first, y of")
    print(" * the second, running_mean, running_var, then y of the first batch in evaluation. In turn: the defaults;")
    print(" * momentum=None, eps=0.1; affine=False; track_running_stats=False; bias=False, momentum=0.9. */")
    torch.manual_seed(5)
    a, b = torch.randn(5, 3) * 3 + 1, torch.randn(4, 3) * 3 - 1
    reals("golden_batches", [a, b], dtype)
    cases = [{}, {"momentum": None, "eps": 0.1}, {"affine": False}, {"track_running_stats": False}]
    cases += [{"bias": False, "momentum": 0.9}]
    for k, options in enumerate(cases):
        m = nn.BatchNorm1d(3, **options)
        with torch.no_grad():
            if m.affine:
                m.weight.copy_(torch.tensor([0.5, 1, 2]))
                if m.bias is not None:
                    m.bias.copy_(torch.tensor([-1.0, 0, 1]))
        out = [m(a), m(b)]
        if m.running_mean is not None:
            out += [m.running_mean, m.running_var]
            assert m.num_batches_tracked == 2
        m.eval()
        out += [m(a)]
        reals(f"golden_batch_norm_{k}", out, dtype)
    print("/* BatchNorm1d(2) on [3, 2, 4] of seed 6: x, y, running_mean, running_var, y in evaluation. */")
    torch.manual_seed(6)
    x = torch.randn(3, 2, 4)
    m = nn.BatchNorm1d(2)
    out = [x, m(x), m.running_mean, m.running_var]
    out += [m.eval()(x)]
    reals("golden_batch_norm_long", out, dtype)


def layer_norm(dtype):
    print("\n/* LayerNorm((2, 3)) on [4, 2, 3] of seed 7: x, weight, bias, y; y with bias=False, eps=0.1; y without both. */")
    torch.manual_seed(7)
    x, weight, bias = torch.randn(4, 2, 3), torch.randn(2, 3), torch.randn(2, 3)
    out = [x, weight, bias]
    for options in [{}, {"bias": False, "eps": 0.1}, {"elementwise_affine": False}]:
        m = nn.LayerNorm((2, 3), **options)
        with torch.no_grad():
            if m.weight is not None:
                m.weight.copy_(weight)
            if m.bias is not None:
                m.bias.copy_(bias)
        out += [m(x)]
    reals("golden_layer_norm", out, dtype)


def other_norms(dtype):
    print("\n/* x [2, 4, 3] and weight, bias [4] of seed 9; GroupNorm(2, 4) y; RMSNorm(3) y without weight, eps=None. */")
    torch.manual_seed(9)
    x, weight, bias = torch.randn(2, 4, 3) * 2 + 1, torch.randn(4), torch.randn(4)
    m = nn.GroupNorm(2, 4)
    with torch.no_grad():
        m.weight.copy_(weight)
        m.bias.copy_(bias)
    reals("golden_other_norms", [x, weight, bias, m(x), nn.RMSNorm(3, elementwise_affine=False)(x)], dtype)

    print("/* InstanceNorm1d(4, momentum=0.3, affine=True, track_running_stats=True) with these, on x then x * 3: y of both,")
    print(" * running_mean, running_var, y of x in evaluation; InstanceNorm2d(4) on x [4, 3, 2] of it, one sample. */")
    m = nn.InstanceNorm1d(4, momentum=0.3, affine=True, track_running_stats=True)
    with torch.no_grad():
        m.weight.copy_(weight)
        m.bias.copy_(bias)
    out = [m(x), m(x * 3), m.running_mean, m.running_var]
    assert m.num_batches_tracked == 0
    out += [m.eval()(x), nn.InstanceNorm2d(4)(x.reshape(4, 3, 2))]
    reals("golden_instance_norm", out, dtype)

    print("/* Batch norm of classes: x as above, labels 2, 0, tables of gain and bias [3, 4]: y, running_mean, running_var, y in")
    print(" * evaluation. */")
    gain, shift = torch.randn(3, 4), torch.randn(3, 4)
    labels = torch.tensor([2, 0])
    m = nn.BatchNorm1d(4, affine=False)
    out = [gain, shift, m(x) * gain[labels][..., None] + shift[labels][..., None], m.running_mean, m.running_var]
    out += [m.eval()(x) * gain[labels][..., None] + shift[labels][..., None]]
    reals("golden_conditional_norm", out, dtype)


def embedding(dtype):
    print("\n/* Embedding(6, 4) of seed 8 and the table, then the table after looking up 5, 1, 1, 3 with max_norm=1.5 and these")
    print(" * norm_types. */")
    types = [2.0, 1.0, 3.0, 0.5, float("inf"), 0.0]
    print("static const double golden_norm_types[] = {" + ", ".join(number(t, torch.float64) for t in types) + "};")
    torch.manual_seed(8)
    table = torch.randn(6, 4)
    out = [table]
    for norm_type in types:
        m = nn.Embedding.from_pretrained(table.clone(), max_norm=1.5, norm_type=norm_type)
        m(torch.tensor([5, 1, 1, 3]))
        out += [m.weight]
    reals("golden_max_norm", out, dtype)

    print("\n/* Gradients of Embedding.from_pretrained(that table, freeze=False) for sum(y * y), indices 2, 4, 2, 0, 2: plain;")
    print(" * padding_idx=2; scale_grad_by_freq; both. */")
    out = []
    for options in [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"padding_idx": 0, "scale_grad_by_freq": True}]:
        m = nn.Embedding.from_pretrained(table.clone(), freeze=False, **options)
        m(torch.tensor([2, 4, 2, 0, 2])).square().sum().backward()
        out += [m.weight.grad]
    reals("golden_embedding_grads", out, dtype)


def main():
    torch.set_num_threads(1)
    print(f"/* Written by tests/golden/modules.py with torch {torch.__version__.split('+')[0]}: do not edit. */")
    print("#ifndef REEL_GOLDEN_MODULES_H\n#define REEL_GOLDEN_MODULES_H\n")
    print("#include <reel/types.h>\n\n#include <math.h>\n\n/* clang-format off */\n")
    for dtype, guard in ((torch.float64, "#ifdef REEL_F64"), (torch.float32, "#else")):
        print("\n" + guard)
        torch.set_default_dtype(dtype)
        for part in (initial, batch_norm, layer_norm, other_norms, embedding):
            part(dtype)
    print("\n#endif\n\n#endif")


if __name__ == "__main__":
    main()
