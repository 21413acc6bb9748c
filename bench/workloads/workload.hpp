// What is measured: workloads, in reel and by hand, behind one interface, so that timing and checking are written once.
#ifndef BENCH_WORKLOADS_WORKLOAD_HPP
#define BENCH_WORKLOADS_WORKLOAD_HPP

#include <reel/reel.h>

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace bench
{

// The parts of a step that can be timed alone.
enum class Phase { forward, backward, other };

// Called by a step when it enters a part of itself; empty when the whole step is timed.
using Enter = std::function<void(Phase)>;

// A context with a tape. Ends the program with a message when they cannot be made, or when a call failed.
class Session
{
  public:
    explicit Session(int threads);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    reel_context *context;
    reel_tape *tape;

    void expect_ok() const;
    void reset() const; // ends a step
};

reel_shape shape(std::initializer_list<int64_t> sizes);

using Losses = std::array<float, 2>; // the second is 0 where there is one loss

// What a network by hand trains, and the gradients of the last step: in the order of reel's set, without its buffers.
struct Network {
    float *params;
    const float *grads;
    int first_transposed; // weights with two axes are [in, out] from this param of reel's set on
};

// What the steps of a workload read and never write; the workload owns it.
struct Input {
    const char *name;
    reel_dtype dtype;
    reel_shape sizes;
    const void *data;
    int64_t turns = 1; // a step reads one of so many parts along the first axis
};

class Workload
{
  public:
    virtual ~Workload() = default;
    virtual Losses step(const Enter &enter) = 0;
    virtual const reel_context *context() const // NULL: not reel
    {
        return nullptr;
    }
    virtual std::vector<reel_params *> param_sets() const // in reel: what it trains, owned by the workload
    {
        return {};
    }
    virtual std::vector<reel_optim *> optims() const // in reel: what trains these, one each; none: nothing does
    {
        return {};
    }
    virtual std::vector<Network> networks() const // by hand: one for each of reel's sets; none: cannot be compared
    {
        return {};
    }
    virtual std::vector<Input> inputs() const
    {
        return {};
    }
};

// A workload in reel.
class ReelWorkload : public Workload
{
  public:
    explicit ReelWorkload(int threads) : session(threads)
    {
    }

    const reel_context *context() const override
    {
        return session.context;
    }

  protected:
    Session session;

    // What follows a loss: fresh gradients, a step of the optimizer (NULL: none), and the end of the step.
    Losses train(const Enter &enter, reel_var loss, reel_params *params, reel_optim *optim) const;
};

using Make = std::function<std::unique_ptr<Workload>(int threads)>;

struct Case {
    std::string name; // "notebook", or "embedding/fused/rows:1000/optim:sgd"; "/threads:N" follows where it is shown
    Make make;
    double flops, bytes; // of a step, by its formulas; 0: not counted
    int operations;      // for the counter per_op; 0: none
    bool quick = true;   // cheap enough for the checks

    std::string name_with(int threads) const
    {
        return name + "/threads:" + std::to_string(threads);
    }
};

// A workload by hand, and the case of reel that it must agree with.
struct Floor {
    Case by_hand;
    std::string reel;
    int most_threads = 1;
    int steps = 20; // for which the losses must agree
};

struct Suite {
    std::vector<Case> reel;
    std::vector<Floor> floors;
};

// The workload of reel that is called "notebook/threads:1" or so, with up to 4 threads; empty: there is none.
std::unique_ptr<Workload> make_reel(const Suite &suite, const std::string &name);

// Elements of param i of a set, or of its gradient, as a network by hand has them.
std::vector<float> elements_by_hand(const Network &network, const reel_params *set, int i, const void *elements);

// Gives the networks the params of a workload in reel.
void copy_params(const Workload &reel, const Workload &by_hand);

void add_embedding(Suite &suite);
void add_gans(Suite &suite);
void add_deep_gans(Suite &suite);
void add_mlps(Suite &suite);
void add_chain(Suite &suite);

// Benchmarks that are no workloads register themselves.
void register_operations();
void register_optimizers();
void register_generators();
void register_loader(); // batches of a data set
void register_growth();
void register_long_kernels();

// n numbers uniform on [low, high), the same for the same seed. Cheap enough for tables of 10^9.
void fill(float *out, int64_t n, float low, float high, uint32_t seed);
std::vector<float> uniform(int64_t n, float low, float high, uint32_t seed);
std::vector<int64_t> integers(int64_t n, int64_t below, uint32_t seed);

} // namespace bench

#endif
