/* reel from C++17: objects that free themselves, data in a std::vector, errors as exceptions, shapes and lists by the
 * macros of C. A network tells two half moons apart. One sees the loss and the accuracy on points that it has not seen.
 */
#include <reel/reel.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace
{

/* Frees what reel made, in the order opposite to that of the declarations, as scopes do: the context last. */
template <auto release> struct releases {
    template <class T> void operator()(T *object) const
    {
        release(object);
    }
};
using context = std::unique_ptr<reel_context, releases<reel_context_free>>;
using tape = std::unique_ptr<reel_tape, releases<reel_tape_free>>;
using params = std::unique_ptr<reel_params, releases<reel_params_free>>;
using optim = std::unique_ptr<reel_optim, releases<reel_optim_free>>;

/* The first error of all calls since the last look. */
void check(const context &c)
{
    if (!c || reel_context_status(c.get()) != REEL_OK)
        throw std::runtime_error(reel_error(c.get()));
}

struct points {
    std::vector<reel_real> x, label;

    points(int n, unsigned seed)
    {
        std::mt19937 random(seed);
        std::uniform_real_distribution<double> angle(0, 3.14159265);
        std::normal_distribution<double> noise(0, 0.15);
        for (int i = 0; i < n; i++) {
            bool upper = i % 2 == 0;
            double a = angle(random), u = upper ? std::cos(a) : 1 - std::cos(a),
                   v = upper ? std::sin(a) : 0.5 - std::sin(a);
            x.push_back(static_cast<reel_real>(u + noise(random)));
            x.push_back(static_cast<reel_real>(v + noise(random)));
            label.push_back(upper);
        }
    }
    int64_t size() const
    {
        return static_cast<int64_t>(label.size());
    }
    /* Borrowed: the vectors live longer than the step. */
    reel_var at(reel_tape *t) const
    {
        return reel_borrow(t, x.data(), REEL_SHAPE(size(), 2));
    }
    reel_var labels(reel_tape *t) const
    {
        return reel_borrow(t, label.data(), REEL_SHAPE(size(), 1));
    }
};

double train()
{
    points seen(500, 1), unseen(500, 2);
    context c(reel_context_new(nullptr));
    tape t(reel_tape_new(c.get()));
    params p(reel_params_new(c.get()));
    reel_module *hidden = reel_linear_new(p.get(), "hidden", 2, 32, nullptr);
    reel_module *relu = reel_relu_new(p.get());
    reel_module *out = reel_linear_new(p.get(), "out", 32, 1, nullptr);
    reel_module *network = reel_sequential_new(p.get(), REEL_MODULES(hidden, relu, out));
    REEL_OPTIONS(adam, o, o.lr = 0.01);
    optim adam(reel_adam_new(p.get(), &o));
    check(c);

    for (int step = 1; step <= 600; step++) {
        reel_var loss =
            reel_bce_with_logits_loss(t.get(), reel_forward(t.get(), network, seen.at(t.get())), seen.labels(t.get()));
        reel_zero_grad(p.get());
        reel_backward(t.get(), loss, p.get());
        reel_optim_step(adam.get());
        check(c);
        if (step % 200 == 0)
            std::printf("step %d  loss %.4f\n", step, reel_item(t.get(), loss));
        reel_tape_reset(t.get());
    }
    reel_var is_upper = reel_gt_scalar(t.get(), reel_forward(t.get(), network, unseen.at(t.get())), 0);
    reel_var right = reel_eq(t.get(), reel_to_real(t.get(), is_upper), unseen.labels(t.get()));
    double accuracy = reel_item(t.get(), reel_mean_all(t.get(), reel_to_real(t.get(), right)));
    check(c);
    return accuracy;
}

} // namespace

int main()
try {
    double accuracy = train();
    std::printf("accuracy on unseen points %.1f %%\n", 100 * accuracy);
    return accuracy > 0.95 ? 0 : 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "moons: %s\n", error.what());
    return 1;
}
