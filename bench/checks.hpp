// What must hold before times mean anything. Each prints a line for every case and gives what main should return.
#ifndef BENCH_CHECKS_HPP
#define BENCH_CHECKS_HPP

#include "workloads/workload.hpp"

namespace bench
{

// Each quick floor and reel have the same losses for the floor's number of steps.
int check_losses(const Suite &suite);

} // namespace bench

#endif
