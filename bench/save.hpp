// A workload as files, for programs in other languages that take the same steps.
#ifndef BENCH_SAVE_HPP
#define BENCH_SAVE_HPP

#include "workloads/workload.hpp"

namespace bench
{

// Writes the inputs and initial params of a case of reel to a folder that exists, then takes 20 steps and prints the
// losses of each, a line a step. For each array the file "index" has a line "GROUP NAME DTYPE SIZES...", and the file
// GROUP.NAME its numbers as this machine has them in memory. Groups are "data" and, for each set of params, its number
// from 0. Names of params are those of the state_dict, dtypes those of reel_dtype_name. Gives what main should return.
int save(const Suite &suite, const std::string &name, const std::string &folder);

} // namespace bench

#endif
