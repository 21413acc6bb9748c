"""notebook, cgan and mlp (bench/README.md) in JAX: a step is one jit with donated params. serve.py has the commands.

Dense layers are [in, out], as they are in JAX's libraries. The chain is left out: jit folds it into one loop.
Other generators (rbg) and dispatch in the calling thread were tried, and are not faster.
"""

from serve import serve

SLOPE = 0.2


def start():
    import jax
    import jax.numpy as jnp
    from jax import nn

    def network(state):
        """(embedding, [layer: {"w", "b"} and, with batch norm, {"scale", "shift"}], running statistics of the same)."""
        embedding, layers, running = None, [], []
        places = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
        for place in places:
            weight = jnp.asarray(state[place + ".weight"])
            if "label" in place:
                embedding = weight
            elif weight.ndim == 2:
                layers.append({"w": jnp.array(weight.T), "b": jnp.asarray(state[place + ".bias"])})
                running.append({})
            else:
                layers[-1] |= {"scale": weight, "shift": jnp.asarray(state[place + ".bias"])}
                running[-1] = {name: jnp.asarray(state[f"{place}.running_{name}"]) for name in ("mean", "var")}
        return {"embedding": embedding, "layers": layers}, running

    def bce(logits, target):
        return jnp.mean(nn.relu(logits) - logits * target + jnp.log1p(jnp.exp(-jnp.abs(logits))))

    def batch_norm(layer, running, h):
        mean, var = jnp.mean(h, 0), jnp.var(h, 0)
        h = (h - mean) * jax.lax.rsqrt(var + 1e-5) * layer["scale"] + layer["shift"]
        unbiased = var * (len(h) / (len(h) - 1))
        return h, {"mean": 0.9 * running["mean"] + 0.1 * mean, "var": 0.9 * running["var"] + 0.1 * unbiased}

    def generate(params, running, z, wanted, label_first):
        embedded = params["embedding"][wanted]
        h = jnp.concatenate([embedded, z] if label_first else [z, embedded], 1)
        after = []
        for layer, stats in zip(params["layers"], running):
            h = h @ layer["w"] + layer["b"]
            if stats:
                h, stats = batch_norm(layer, stats, h)
            after.append(stats)
            if layer is not params["layers"][-1]:
                h = nn.leaky_relu(h, SLOPE)
        return jnp.tanh(h), after

    def discriminate(params, x, labels, dropout, key):
        h = jnp.concatenate([x, params["embedding"][labels]], 1)
        for i, layer in enumerate(params["layers"][:-1]):
            h = h @ layer["w"] + layer["b"]
            if dropout and i > 0:
                keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - dropout, h.shape)
                h = jnp.where(keep, h / (1 - dropout), 0)
            h = nn.leaky_relu(h, SLOPE)
        return h @ params["layers"][-1]["w"] + params["layers"][-1]["b"]

    def zeros_like(params):
        return jax.tree.map(jnp.zeros_like, params)

    def adam(params, grads, moments, count):
        first, second = moments
        first = jax.tree.map(lambda m, g: 0.5 * m + 0.5 * g, first, grads)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        size, correction = 2e-4 / (1 - 0.5**count), jax.lax.rsqrt(1 - 0.999**count)
        move = lambda p, m, v: p - size * m / (jnp.sqrt(v) * correction + 1e-8)
        return jax.tree.map(move, params, first, second), (first, second)

    def load_gan(groups, label_first, dropout):
        generator, running = network(groups["0"])
        discriminator, _ = network(groups["1"])
        state = {"generator": generator, "running": running, "discriminator": discriminator}
        for name in ("generator", "discriminator"):
            state[name + "_adam"] = zeros_like(state[name]), zeros_like(state[name])
        state |= {"count": jnp.float32(0), "key": jax.random.key(0)}
        data = {name: jnp.asarray(array) for name, array in groups["data"].items()}

        def generator_loss(params, state, z, wanted, key):
            made, running = generate(params, state["running"], z, wanted, label_first)
            scores = discriminate(state["discriminator"], made, wanted, dropout, key)
            return bce(scores, 1.0), (made, running)

        def discriminator_loss(params, x, y, made, wanted, keys):
            real = bce(discriminate(params, x, y, dropout, keys[0]), 1.0)
            return 0.5 * (real + bce(discriminate(params, made, wanted, dropout, keys[1]), 0.0))

        def step(state, x, y, z, wanted):
            key, *keys = jax.random.split(state["key"], 4)
            count = state["count"] + 1
            grad = jax.value_and_grad(generator_loss, has_aux=True)
            (g_loss, (made, running)), grads = grad(state["generator"], state, z, wanted, keys[0])
            generator, generator_adam = adam(state["generator"], grads, state["generator_adam"], count)
            grad = jax.value_and_grad(discriminator_loss)
            d_loss, grads = grad(state["discriminator"], x, y, made, wanted, keys[1:])
            discriminator, discriminator_adam = adam(state["discriminator"], grads, state["discriminator_adam"], count)
            after = {"generator": generator, "generator_adam": generator_adam, "running": running, "count": count,
                     "discriminator": discriminator, "discriminator_adam": discriminator_adam, "key": key}  # fmt: skip
            return after, jnp.stack([g_loss, d_loss])

        return stepper(step, state, [data[name] for name in ("x", "y", "z", "wanted")])

    def load_mlp(groups):
        params, _ = network(groups["0"])
        state = params["layers"], zeros_like(params["layers"])

        def mlp_loss(layers, x, y):
            for layer in layers[:-1]:
                x = nn.relu(x @ layer["w"] + layer["b"])
            return bce(x @ layers[-1]["w"] + layers[-1]["b"], y)

        def step(state, x, y):
            layers, squares = state
            loss, grads = jax.value_and_grad(mlp_loss)(layers, x, y)
            squares = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, squares, grads)
            move = lambda p, g, s: p - 1e-3 * g / (jnp.sqrt(s) + 1e-8)
            return (jax.tree.map(move, layers, grads, squares), squares), loss[None]

        return stepper(step, state, [jnp.asarray(groups["data"][name]) for name in ("x", "y")])

    def stepper(step, state, inputs):
        step = jax.jit(step, donate_argnums=0)

        def take():
            nonlocal state
            state, losses = step(state, *inputs)
            return losses.block_until_ready()  # and with it the rest, which the same program makes

        return take

    loads = {
        "notebook": lambda groups: load_gan(groups, False, 0),
        "cgan": lambda groups: load_gan(groups, True, 0.4),
        "cgan_no_dropout": lambda groups: load_gan(groups, True, 0),
        "mlp_small": load_mlp,
        "mlp_big": load_mlp,
    }
    return f"JAX {jax.__version__}", lambda workload, groups: loads[workload](groups)


if __name__ == "__main__":
    serve(start)
