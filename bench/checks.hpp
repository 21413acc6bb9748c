// What must hold before times mean anything. Each prints a line for every case and gives what main should return.
#ifndef BENCH_CHECKS_HPP
#define BENCH_CHECKS_HPP

#include "workloads/workload.hpp"

namespace bench
{

// Each quick floor and reel have the same losses for the floor's number of steps, and the same gradients in the first
// where the floor can show them.
int check_floors(const Suite &suite);

// Each quick case of reel has the same losses and ends with the same params and buffers, bit for bit, with 1, 2, 3 and
// 4 threads. steps must be at least 1.
int check_same_bits(const Suite &suite, int steps);

} // namespace bench

#endif
