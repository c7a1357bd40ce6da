#include "backend/cuda/device/host/sanitizer.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "backend/cuda/device/device.h"
#include "backend/cuda/device/host/host_device.h"

#define HALFTONE_DEVICE_MODULE "sanitizer_test"

namespace halftone::cuda {
namespace {

constexpr int kCount = 128;

struct WatchedArgs {
  int* memory;  ///< kCount zeros
  int* other;   ///< likewise
};

// Beyond an allocation.

DEVICE_KERNEL(reads_behind, WatchedArgs) {
  args.other[thread()] = args.memory[thread() + kCount - 31];
}
DEVICE_KERNEL(reads_before, WatchedArgs) {
  args.other[thread()] = args.memory[thread() - 1];
}
DEVICE_KERNEL(writes_behind, WatchedArgs) {
  args.memory[thread() + kCount - 31] = 1;
}
DEVICE_KERNEL(reads_wide_behind, WatchedArgs) {
  args.other[thread()] = static_cast<int>(load_wide<Words4>(args.memory + (4 * thread() + kCount - 124)).x);
}
DEVICE_KERNEL(copies_from_behind, WatchedArgs) {
  copy_async_16(shared_memory<int>(static_cast<size_t>(thread()) * 16),
                args.memory + (4 * thread() + kCount - 124));
  commit_copies();
  wait_copies<0>();
}
DEVICE_KERNEL(reads_to_the_end, WatchedArgs) {
  args.other[thread()] = args.memory[4 * thread() + 3];
}

// Races. Those of one block first.

DEVICE_KERNEL(threads_write_one_place, WatchedArgs) {
  args.memory[0] = thread();
}
DEVICE_KERNEL(reads_a_neighbours, WatchedArgs) {
  args.memory[thread()] = 1;
  args.other[thread()] = args.memory[thread() ^ 1];
}
DEVICE_KERNEL(reads_another_warps, WatchedArgs) {
  args.memory[thread()] = 1;
  sync_warp();
  args.other[thread()] = args.memory[thread() ^ 32];
}
DEVICE_KERNEL(takes_a_shuffle_for_a_barrier, WatchedArgs) {
  args.memory[thread()] = 1;
  shuffle(1, 0);
  args.other[thread()] = args.memory[thread() ^ 1];
}
DEVICE_KERNEL(overwrites_what_is_copied, WatchedArgs) {
  if (thread() == 0) {
    copy_async_16(shared_memory<int>(0), args.memory);
    commit_copies();
  }
  sync_block();
  if (thread() == 1) args.memory[0] = 1;
  wait_copies<0>();
}
DEVICE_KERNEL(waits_for_the_block, WatchedArgs) {
  args.memory[thread()] = 1;
  sync_block();
  args.other[thread()] = args.memory[thread() ^ 32];
  sync_block();
  args.memory[thread() ^ 1] = 2;
  sync_warp();
  args.other[thread()] += args.memory[thread()];
}

// Of several blocks.

DEVICE_KERNEL(blocks_write_one_place, WatchedArgs) {
  if (thread() == 0) args.memory[0] = 1;
}
DEVICE_KERNEL(reads_another_blocks, WatchedArgs) {
  if (thread() > 0) return;
  if (block_x() == 0)
    args.memory[0] = 1;
  else
    args.other[block_x()] = args.memory[0];
}
/// The block that comes last reads what all wrote, told by what kind of counting.
template <class Count>
DEVICE void last_reads_all(const WatchedArgs& args, Count count) {
  args.memory[1 + block_x() * block_threads() + thread()] = 1;
  const Shared<int> before = shared_memory<int>(0);
  if (!count(before) || *before + 1 < grid_x()) return;
  int sum = 0;
  for (int i = 0; i < grid_x() * block_threads(); ++i) sum += args.memory[1 + i];
  args.other[thread()] = sum;
}
DEVICE_KERNEL(counts_without_a_fence, WatchedArgs) {
  last_reads_all(args, [&](Shared<int> before) {
    sync_block();
    if (thread() == 0) *before = atomic_add(args.memory, 1);
    sync_block();
    return true;
  });
}
DEVICE_KERNEL(counts_before_the_barrier, WatchedArgs) {
  last_reads_all(args, [&](Shared<int> before) {
    if (thread() == 0) *before = atomic_count(args.memory);
    sync_block();
    return true;
  });
}
DEVICE_KERNEL(counts_and_reads_at_once, WatchedArgs) {
  last_reads_all(args, [&](Shared<int> before) {
    sync_block();
    if (thread() == 0) *before = atomic_add(args.memory, 1);
    fence();
    sync_block();
    return true;
  });
}
DEVICE_KERNEL(counts, WatchedArgs) {
  last_reads_all(args, [&](Shared<int> before) {
    sync_block();
    if (thread() == 0) *before = atomic_count(args.memory);
    sync_block();
    return true;
  });
}
DEVICE_KERNEL(counts_between_fences, WatchedArgs) {
  last_reads_all(args, [&](Shared<int> before) {
    fence();
    sync_block();
    if (thread() == 0) *before = atomic_add(args.memory, 1);
    sync_block();
    fence();
    return true;
  });
}
DEVICE_KERNEL(blocks_in_turn, WatchedArgs) {
  if (block_x() > 0) wait_until(args.memory + block_x() - 1, 1);
  if (thread() > 0) return;
  args.other[0] += 1;
  fence();
  atomic_add(args.memory + block_x(), 1);
}

// Of two kernels, launched twice in a row.

DEVICE_KERNEL_AHEAD(starts_too_early, WatchedArgs, 32, 1) {
  const int before = args.memory[thread()];
  wait_for_earlier_kernels();
  args.memory[thread() ^ 1] = before + 1;
}
DEVICE_KERNEL_AHEAD(starts_early, WatchedArgs, 32, 1) {
  const int constant = args.other[thread()];
  wait_for_earlier_kernels();
  args.memory[thread() ^ 1] += constant;
}

/// Runs the kernel, then ends the process: as the sanitizer has it where that found something.
[[noreturn]] void run_and_exit(const AnyDeviceKernel& kernel, const Launch& launch, int times,
                               host::ThreadOrder order) {
  {
    HostDevice device(order, 3);
    std::shared_ptr<std::byte> arrays[2];
    const std::vector<int> zeros(kCount, 0);
    for (auto& array : arrays) {
      array = device.allocate(sizeof(int) * kCount, "a test's array");
      device.upload(array.get(), reinterpret_cast<const std::byte*>(zeros.data()), sizeof(int) * kCount);
    }
    const WatchedArgs args{reinterpret_cast<int*>(arrays[0].get()), reinterpret_cast<int*>(arrays[1].get())};
    for (int time = 0; time < times; ++time) device.launch_any(kernel, launch, &args, sizeof(args));
    device.wait();
  }
  std::exit(0);
}

struct Case {
  const AnyDeviceKernel& kernel;
  Launch launch;
  const char* said;  ///< null: nothing
  int times = 1;
};

void check(std::initializer_list<Case> cases) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Case& c : cases)
    for (auto order : {host::ThreadOrder::forward, host::ThreadOrder::reverse, host::ThreadOrder::random}) {
      const auto as_told = [&](int status) { return (WEXITSTATUS(status) == 0) == !c.said; };
      EXPECT_EXIT(run_and_exit(c.kernel, c.launch, c.times, order), as_told, c.said ? c.said : "")
          << c.kernel.name;
    }
}

const Launch kWarpAlone{{1}, 32, 512}, kTwoWarps{{1}, 64, 1024}, kBlocks{{3}, 32, 512};

TEST(HostSanitizerDeathTest, AddressesBeyondAnAllocation) {
  if (!host::kAddressSanitizer) GTEST_SKIP() << "in a build with AddressSanitizer (make asan)";
  check({{reads_behind, kWarpAlone, "AddressSanitizer: use-after-poison"},
         {reads_before, kWarpAlone, "AddressSanitizer: use-after-poison"},
         {writes_behind, kWarpAlone, "AddressSanitizer: use-after-poison"},
         {reads_wide_behind, kWarpAlone, "AddressSanitizer: use-after-poison"},
         {copies_from_behind, kWarpAlone, "AddressSanitizer: use-after-poison"},
         {reads_to_the_end, kWarpAlone, nullptr}});
}

TEST(HostSanitizerDeathTest, RacesInGlobalMemory) {
  if (!host::kThreadSanitizer) GTEST_SKIP() << "in a build with ThreadSanitizer (make tsan)";
  check({{threads_write_one_place, kWarpAlone, "data race"},
         {reads_a_neighbours, kWarpAlone, "data race"},
         {reads_another_warps, kTwoWarps, "data race"},
         {takes_a_shuffle_for_a_barrier, kWarpAlone, "data race"},
         {overwrites_what_is_copied, kWarpAlone, "data race"},
         {waits_for_the_block, kTwoWarps, nullptr}});
}

TEST(HostSanitizerDeathTest, RacesBetweenBlocks) {
  if (!host::kThreadSanitizer) GTEST_SKIP() << "in a build with ThreadSanitizer (make tsan)";
  check({{blocks_write_one_place, kBlocks, "data race"},
         {reads_another_blocks, kBlocks, "data race"},
         {counts_without_a_fence, {{1}, 32, 512}, nullptr},
         {counts_without_a_fence, kBlocks, "data race"},
         {counts_before_the_barrier, kBlocks, "data race"},
         {counts_and_reads_at_once, kBlocks, "data race"},
         {counts, kBlocks, nullptr},
         {counts_between_fences, kBlocks, nullptr},
         {blocks_in_turn, kBlocks, nullptr}});
}

TEST(HostSanitizerDeathTest, RacesBetweenKernels) {
  if (!host::kThreadSanitizer) GTEST_SKIP() << "in a build with ThreadSanitizer (make tsan)";
  check({{starts_too_early, kWarpAlone, "data race", 2}, {starts_early, kWarpAlone, nullptr, 2}});
}

}  // namespace
}  // namespace halftone::cuda
