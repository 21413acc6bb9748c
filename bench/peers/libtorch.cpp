// notebook, cgan, mlp and chain (bench/README.md) in PyTorch C++. compare.py compiles it against PyTorch's own headers;
// it answers the commands of serve.py, and its steps are those of torch_networks.py.
#include <torch/torch.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

using Tensors = std::vector<std::pair<std::string, torch::Tensor>>; // in the order of the state_dict
using Groups = std::map<std::string, Tensors>;
using Step = std::function<std::pair<double, double>()>; // the losses; the second is 0 where there is one
namespace F = torch::nn::functional;

Groups read(const std::string &folder)
{
    Groups groups;
    std::ifstream index(folder + "/index");
    for (std::string line; std::getline(index, line);) {
        std::istringstream words(line);
        std::string group, name, dtype;
        words >> group >> name >> dtype;
        std::vector<int64_t> sizes;
        for (int64_t size; words >> size;)
            sizes.push_back(size);
        auto tensor = torch::empty(sizes, dtype == "int64" ? torch::kInt64 : torch::kFloat32);
        std::ifstream file(folder + "/" + group + "." + name, std::ios::binary);
        if (!file.read(static_cast<char *>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes())))
            throw std::runtime_error("cannot read " + group + "." + name);
        groups[group].emplace_back(name, tensor);
    }
    return groups;
}

torch::Tensor find(const Tensors &tensors, const std::string &name)
{
    for (auto &[other, tensor] : tensors)
        if (other == name)
            return tensor;
    throw std::runtime_error("there is no " + name);
}

void load_state(torch::nn::Module &module, const Tensors &state)
{
    torch::NoGradGuard guard;
    auto params = module.named_parameters();
    auto buffers = module.named_buffers();
    for (auto &[name, tensor] : state) {
        auto *own = params.find(name) ? params.find(name) : buffers.find(name);
        if (!own)
            throw std::runtime_error("the module has no " + name);
        own->copy_(tensor);
    }
}

bool is_weight(const std::pair<std::string, torch::Tensor> &param)
{
    return param.second.dim() == 2 && param.first.find("label") == std::string::npos;
}

// A network whose input is joined with a label's embedding.
struct Conditional : torch::nn::Module {
    torch::nn::Embedding label{nullptr};
    torch::nn::Sequential model;
    bool label_first;

    Conditional(const Tensors &state, bool label_first_, bool norm, double dropout) : label_first(label_first_)
    {
        auto &[name, embedding] = state[0];
        label =
            register_module(name.substr(0, name.find('.')), torch::nn::Embedding(embedding.size(0), embedding.size(1)));
        auto left = std::count_if(state.begin(), state.end(), is_weight);
        for (auto &param : state) {
            if (!is_weight(param))
                continue;
            int64_t out = param.second.size(0);
            bool first = model->is_empty();
            model->push_back(torch::nn::Linear(param.second.size(1), out));
            if (--left == 0)
                break;
            if (norm && !first)
                model->push_back(torch::nn::BatchNorm1d(out));
            if (dropout > 0 && !first)
                model->push_back(torch::nn::Dropout(dropout));
            model->push_back(torch::nn::LeakyReLU(torch::nn::LeakyReLUOptions().negative_slope(0.2)));
        }
        register_module("model", model);
        load_state(*this, state);
    }

    torch::Tensor forward(const torch::Tensor &x, const torch::Tensor &labels)
    {
        auto embedded = label->forward(labels);
        return model->forward(
            torch::cat(label_first ? torch::TensorList{embedded, x} : torch::TensorList{x, embedded}, 1));
    }
};

Step load_gan(const Groups &groups, bool image, double dropout)
{
    auto &data = groups.at("data");
    auto x = find(data, "x"), y = find(data, "y"), z = find(data, "z"), wanted = find(data, "wanted");
    auto generator = std::make_shared<Conditional>(groups.at("0"), image, image, 0);
    auto discriminator = std::make_shared<Conditional>(groups.at("1"), false, false, dropout);
    auto options = torch::optim::AdamOptions(2e-4).betas({0.5, 0.999});
    auto adam_g = std::make_shared<torch::optim::Adam>(generator->parameters(), options);
    auto adam_d = std::make_shared<torch::optim::Adam>(discriminator->parameters(), options);
    auto ones = torch::ones({x.size(0), 1}), zeros = torch::zeros({x.size(0), 1});
    auto judged = discriminator->parameters();
    return [=]() mutable {
        for (auto &p : judged)
            p.requires_grad_(false);
        adam_g->zero_grad();
        auto made = torch::tanh(generator->forward(z, wanted));
        auto g_loss = F::binary_cross_entropy_with_logits(discriminator->forward(made, wanted), ones);
        g_loss.backward();
        adam_g->step();
        for (auto &p : judged)
            p.requires_grad_(true);
        adam_d->zero_grad();
        auto real = F::binary_cross_entropy_with_logits(discriminator->forward(x, y), ones);
        auto invented = F::binary_cross_entropy_with_logits(discriminator->forward(made.detach(), wanted), zeros);
        auto d_loss = 0.5 * (real + invented);
        d_loss.backward();
        adam_d->step();
        return std::pair(g_loss.item<double>(), d_loss.item<double>());
    };
}

Step load_mlp(const Groups &groups)
{
    auto x = find(groups.at("data"), "x"), y = find(groups.at("data"), "y");
    torch::nn::Sequential layers;
    for (auto &param : groups.at("0"))
        if (is_weight(param))
            layers->push_back(torch::nn::Linear(param.second.size(1), param.second.size(0)));
    load_state(*layers, groups.at("0"));
    auto rmsprop = std::make_shared<torch::optim::RMSprop>(layers->parameters(), torch::optim::RMSpropOptions(1e-3));
    return [=]() mutable {
        rmsprop->zero_grad();
        auto h = x;
        for (size_t i = 0; i < layers->size(); i++) {
            h = layers->at<torch::nn::LinearImpl>(i).forward(h);
            if (i + 1 < layers->size())
                h = torch::relu(h);
        }
        auto loss = F::binary_cross_entropy_with_logits(h, y);
        loss.backward();
        rmsprop->step();
        return std::pair(loss.item<double>(), 0.0);
    };
}

Step load_chain(const Groups &groups)
{
    auto x = find(groups.at("0"), "x").requires_grad_();
    return [=]() mutable {
        x.mutable_grad().reset();
        auto y = x;
        for (int i = 0; i < 1000; i++)
            y = y * 1.0001;
        auto loss = y.sum();
        loss.backward();
        return std::pair(loss.item<double>(), 0.0);
    };
}

Step load(const std::string &workload, const std::string &folder)
{
    auto groups = read(folder);
    if (workload == "chain")
        return load_chain(groups);
    if (workload.substr(0, 3) == "mlp")
        return load_mlp(groups);
    return load_gan(groups, workload != "notebook", workload == "cgan" ? 0.4 : 0);
}

double median_step(const Step &step, double seconds)
{
    using Clock = std::chrono::steady_clock;
    auto since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
    auto start = Clock::now();
    for (int i = 0; i < 5 || since(start) < seconds / 4; i++)
        step();
    std::vector<double> times;
    for (start = Clock::now(); times.size() < 5 || since(start) < seconds;) {
        auto before = Clock::now();
        step();
        times.push_back(since(before));
    }
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2] * 1e6;
}

std::string answer(Step &step, const std::string &line)
{
    std::istringstream words(line);
    std::string command, workload, folder;
    std::ostringstream out;
    out.precision(9);
    words >> command;
    if (command == "load") {
        words >> workload >> folder;
        step = nullptr;
        step = load(workload, folder);
        out << "ok";
    } else if (command == "losses") {
        int steps = 0;
        for (words >> steps; steps > 0; steps--) {
            auto [first, second] = step();
            out << first << ' ' << second << ' ';
        }
    } else {
        double seconds = 0;
        words >> seconds;
        out << median_step(step, seconds);
    }
    return out.str();
}

} // namespace

int main(int argc, char **argv)
{
    const char *threads = std::getenv("OMP_NUM_THREADS");
    torch::set_num_threads(threads ? std::atoi(threads) : 1);
    if (argc == 4 && std::string(argv[1]) == "--once") {
        load(argv[2], argv[3])();
        return 0;
    }
    std::cout << "ready PyTorch " << TORCH_VERSION << std::endl;
    Step step;
    for (std::string line; std::getline(std::cin, line);) {
        std::string out;
        try {
            out = answer(step, line);
        } catch (const std::exception &error) {
            out = std::string("error ") + error.what();
            std::replace(out.begin(), out.end(), '\n', ' ');
        }
        std::cout << out << std::endl;
    }
    return 0;
}
