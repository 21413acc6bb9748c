#include "save.hpp"

#include <cstdio>
#include <fstream>

namespace bench
{
namespace
{

constexpr int steps = 20;

class Folder
{
  public:
    explicit Folder(const std::string &path) : root(path + "/"), index(root + "index")
    {
    }

    void add(const std::string &group, const std::string &name, reel_dtype dtype, const reel_shape &sizes,
             const void *data)
    {
        index << group << ' ' << name << ' ' << reel_dtype_name(dtype);
        for (int i = 0; i < sizes.ndim; i++)
            index << ' ' << sizes.dim[i];
        index << '\n';
        std::ofstream file(root + group + "." + name, std::ios::binary);
        size_t bytes = static_cast<size_t>(reel_shape_numel(&sizes)) * reel_dtype_size(dtype);
        file.write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
        good = good && file.flush();
    }

    bool finish()
    {
        return index.flush() && good;
    }

  private:
    std::string root;
    std::ofstream index;
    bool good = true;
};

} // namespace

int save(const Suite &suite, const std::string &name, const std::string &path)
{
    auto workload = make_reel(suite, name);
    if (!workload) {
        std::fprintf(stderr, "reel_bench: there is no case %s to save\n", name.c_str());
        return 2;
    }
    Folder folder(path);
    for (const Input &input : workload->inputs())
        folder.add("data", input.name, input.dtype, input.sizes, input.data);
    int group = 0;
    for (const reel_params *params : workload->param_sets()) {
        for (int i = 0; i < reel_params_count(params); i++) {
            const reel_param *p = reel_params_at(params, i);
            folder.add(std::to_string(group), reel_param_name(p), reel_param_dtype(p), *reel_param_shape(p),
                       reel_param_data(p));
        }
        group++;
    }
    if (!folder.finish()) {
        std::fprintf(stderr, "reel_bench: cannot write to %s\n", path.c_str());
        return 1;
    }
    for (int i = 0; i < steps; i++) {
        Losses losses = workload->step({});
        std::printf("%.9g %.9g\n", static_cast<double>(losses[0]), static_cast<double>(losses[1]));
    }
    return 0;
}

} // namespace bench
