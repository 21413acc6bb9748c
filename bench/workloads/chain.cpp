// The price of one operation: a long chain of tiny ones.
#include "workload.hpp"

namespace bench
{
namespace
{

constexpr int operations = 1000;
constexpr int64_t elements = 16;

class Reel : public ReelWorkload
{
  public:
    explicit Reel(int threads) : ReelWorkload(threads)
    {
        params = reel_params_new(session.context);
        x = reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, shape({elements}));
        session.expect_ok();
        reel_param_set(x, uniform(elements, -1, 1, 1).data());
    }

    ~Reel() override
    {
        reel_params_free(params);
    }

    Losses step(const Enter &enter) override
    {
        reel_tape *t = session.tape;
        if (enter)
            enter(Phase::forward);
        reel_var y = reel_param_var(t, x);
        for (int i = 0; i < operations; i++)
            y = reel_mul_scalar(t, y, 1.0001);
        reel_var loss = reel_sum_all(t, y);
        return train(enter, loss, params, nullptr);
    }

    std::vector<reel_params *> param_sets() const override
    {
        return {params};
    }

  private:
    reel_params *params;
    reel_param *x;
};

} // namespace

void add_chain(Suite &suite)
{
    suite.reel.push_back({"chain", [](int threads) { return std::make_unique<Reel>(threads); }, 0, 0, operations});
}

} // namespace bench
