"""conv_gan and gru_gan (bench/README.md) in JAX: a step is one jit with donated params. serve.py has the commands.

Images are [N, C, H, W] as everywhere here; XLA chooses layouts of its own. The GRU is a scan, as in JAX's libraries.
"""

from serve import serve

SLOPE = 0.2


def start():
    import jax
    import jax.numpy as jnp
    from jax import lax, nn

    def dense(p, name, h):
        return h @ p[name + ".weight"].T + p[name + ".bias"]

    def conv(p, name, x):
        y = lax.conv_general_dilated(x, p[name + ".weight"], (2, 2), [(1, 1)] * 2,
                                     dimension_numbers=("NCHW", "OIHW", "NCHW"))  # fmt: skip
        return y + p[name + ".bias"][None, :, None, None]

    def conv_transpose(p, name, x):
        kernel = p[name + ".weight"][:, :, ::-1, ::-1]
        y = lax.conv_general_dilated(x, kernel, (1, 1), [(2, 2)] * 2, lhs_dilation=(2, 2),
                                     dimension_numbers=("NCHW", "IOHW", "NCHW"))  # fmt: skip
        return y + p[name + ".bias"][None, :, None, None] if name + ".bias" in p else y

    def batch_norm(p, running, name, h):
        mean, var = jnp.mean(h, (0, 2, 3)), jnp.var(h, (0, 2, 3))
        at = lambda v: v[None, :, None, None]
        y = (h - at(mean)) * at(lax.rsqrt(var + 1e-5) * p[name + ".weight"]) + at(p[name + ".bias"])
        n = h.size / len(mean)
        for statistic, value in (("mean", mean), ("var", var * (n / (n - 1)))):
            running = running | {f"{name}.{statistic}": 0.9 * running[f"{name}.{statistic}"] + 0.1 * value}
        return y, running

    def conv_generate(p, running, z, labels):
        h = jnp.concatenate([z, p["label.weight"][labels]], 1) @ p["widen.weight"].T
        h, running = batch_norm(p, running, "norm1", h.reshape(len(z), -1, 7, 7))
        h, running = batch_norm(p, running, "norm2", conv_transpose(p, "up1", nn.leaky_relu(h, SLOPE)))
        return jnp.tanh(conv_transpose(p, "up2", nn.leaky_relu(h, SLOPE))), running

    def conv_score(p, x, labels):
        h = nn.leaky_relu(conv(p, "down2", nn.leaky_relu(conv(p, "down1", x), SLOPE)), SLOPE)
        h = nn.leaky_relu(dense(p, "dense", h.reshape(len(x), -1)), SLOPE)
        of_label = jnp.sum(h * p["head.embedding.weight"][labels], 1) / h.shape[1] ** 0.5
        return dense(p, "head.linear", h)[:, 0] + of_label

    def gru(p, x, labels):
        """The outputs of all steps, and the last."""
        repeated = jnp.repeat(p["label.weight"][labels][:, None], x.shape[1], 1)
        x = jnp.concatenate([x, repeated], 2) @ p["gru.weight_ih_l0"].T + p["gru.bias_ih_l0"]

        def step(h, x):
            s = h @ p["gru.weight_hh_l0"].T + p["gru.bias_hh_l0"]
            (xr, xz, xn), (sr, sz, sn) = jnp.split(x, 3, 1), jnp.split(s, 3, 1)
            r, z = nn.sigmoid(xr + sr), nn.sigmoid(xz + sz)
            h = (1 - z) * jnp.tanh(xn + r * sn) + z * h
            return h, h

        state = jnp.zeros((len(x), p["gru.weight_hh_l0"].shape[1]))
        last, states = lax.scan(step, state, x.swapaxes(0, 1))
        return states.swapaxes(0, 1), last

    def gru_generate(p, running, z, labels):
        return jnp.tanh(dense(p, "last", gru(p, z, labels)[0])), running

    def gru_score(p, x, labels):
        return dense(p, "last", gru(p, x, labels)[1])[:, 0]

    def adam(params, grads, moments, count):
        first, second = moments
        first = jax.tree.map(lambda m, g: 0.5 * m + 0.5 * g, first, grads)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        size, correction = 2e-4 / (1 - 0.5**count), lax.rsqrt(1 - 0.999**count)
        move = lambda p, m, v: p - size * m / (jnp.sqrt(v) * correction + 1e-8)
        return jax.tree.map(move, params, first, second), (first, second)

    def load(workload, groups):
        kind, *parts = workload.split("/")
        generate, score = (conv_generate, conv_score) if kind == "conv_gan" else (gru_generate, gru_score)
        data = {name: jnp.asarray(array) for name, array in groups["data"].items()}
        sets, running = [], {}
        for i in "01":
            sets.append({name: jnp.asarray(a) for name, a in groups[i].items()
                         if "running" not in name and "tracked" not in name})  # fmt: skip
        for name, array in groups["0"].items():
            if "running" in name:
                running[name.replace("running_", "")] = jnp.asarray(array)
        moments = [(jax.tree.map(jnp.zeros_like, s), jax.tree.map(jnp.zeros_like, s)) for s in sets]
        state = {"sets": sets, "moments": moments, "running": running, "count": jnp.float32(0)}

        def penalty(p, x, labels):
            grad = jax.grad(lambda x: jnp.sum(score(p, x, labels)))(x)
            return 0.5 * jnp.mean(jnp.sum(jnp.square(grad).reshape(len(x), -1), 1))

        def generator_loss(p, discriminator, running, z, wanted):
            made, running = generate(p, running, z, wanted)
            return jnp.mean(nn.softplus(-score(discriminator, made, wanted))), (made, running)

        def discriminator_loss(p, x, y, made, wanted):
            loss = jnp.mean(nn.softplus(-score(p, x, y))) + jnp.mean(nn.softplus(score(p, made, wanted)))
            if "penalties" in parts:
                loss += penalty(p, x, y) + penalty(p, made, wanted)
            return loss

        def step(state, x, y, z, wanted, invented):
            (g, d), (of_g, of_d) = state["sets"], state["moments"]
            running, count, g_loss, made = state["running"], state["count"] + 1, jnp.float32(0), invented
            if not parts:
                grad = jax.value_and_grad(generator_loss, has_aux=True)
                (g_loss, (made, running)), grads = grad(g, d, running, z, wanted)
                g, of_g = adam(g, grads, of_g, count)
            d_loss, grads = jax.value_and_grad(discriminator_loss)(d, x, y, made, wanted)
            d, of_d = adam(d, grads, of_d, count)
            after = {"sets": [g, d], "moments": [of_g, of_d], "running": running, "count": count}
            return after, jnp.stack([d_loss, g_loss])

        step = jax.jit(step, donate_argnums=0)
        inputs = [data[name] for name in ("x", "y", "z", "wanted", "invented")]

        def take():
            nonlocal state
            state, losses = step(state, *inputs)
            return losses.block_until_ready()  # and with it the rest, which the same program makes

        return take

    return f"JAX {jax.__version__}", load


if __name__ == "__main__":
    serve(start)
