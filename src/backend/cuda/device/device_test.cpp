#include <cmath>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>

#include "backend/cuda/device/device_check_kernels.h"
#include "backend/cuda/device/host/sanitizer.h"
#include "test_device.h"

// Kernels of this file run on the host alone: what they do wrong, a GPU would not say.
#define HALFTONE_DEVICE_MODULE "device_test"

namespace halftone::cuda {
namespace {

/// Arrays in a device's memory for the length of a test.
class Arrays {
 public:
  explicit Arrays(Device& device) : device_(device) {}
  template <class T>
  T* put(const std::vector<T>& values) {
    T* at = make<T>(values.size());
    device_.upload(reinterpret_cast<std::byte*>(at), reinterpret_cast<const std::byte*>(values.data()),
                   values.size() * sizeof(T));
    return at;
  }
  template <class T>
  T* make(size_t count) {
    memory_.push_back(device_.allocate(count * sizeof(T), "a test's array"));
    return reinterpret_cast<T*>(memory_.back().get());
  }
  template <class T>
  std::vector<T> get(const T* at, size_t count) {
    std::vector<T> values(count);
    device_.download(reinterpret_cast<std::byte*>(values.data()), reinterpret_cast<const std::byte*>(at),
                     count * sizeof(T));
    return values;
  }

 private:
  Device& device_;
  std::vector<std::shared_ptr<std::byte>> memory_;
};

constexpr host::ThreadOrder kOrders[] = {host::ThreadOrder::forward, host::ThreadOrder::reverse,
                                         host::ThreadOrder::random};

void on_every_order(const std::function<void(Device&)>& check) {
  for (host::ThreadOrder order : kOrders) {
    check(*TestDevice(order, 3));
  }
}

std::vector<float> whole_numbers(size_t count, int least, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> pick(least, most);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(pick(random));
  return values;
}

TEST(CudaDevice, Exchanges) {
  on_every_order([](Device& device) {
    constexpr size_t kThreads = 96;
    Arrays arrays(device);
    const std::vector<float> x = whole_numbers(kThreads, -50, 50, 1);
    ExchangeCheckArgs args{arrays.put(x),
                           arrays.make<float>(kThreads),
                           arrays.make<float>(kThreads),
                           arrays.make<uint32_t>(kThreads),
                           arrays.make<float>(kThreads),
                           arrays.make<float>(kThreads),
                           arrays.make<float>(kThreads),
                           arrays.make<float>(kThreads)};
    device.launch(exchange_check, {{1}, kThreads, kExchangeCheckShared}, args);
    const auto shuffled = arrays.get(args.shuffled, kThreads), across = arrays.get(args.across, kThreads);
    const auto warp_sums = arrays.get(args.warp_sums, kThreads),
               warp_tops = arrays.get(args.warp_tops, kThreads);
    const auto block_sums = arrays.get(args.block_sums, kThreads),
               block_tops = arrays.get(args.block_tops, kThreads);
    const auto votes = arrays.get(args.votes, kThreads);
    float block_sum = 0, block_top = -1000;
    for (float value : x) {
      block_sum += value;
      block_top = std::max(block_top, value);
    }
    for (size_t i = 0; i < kThreads; ++i) {
      const size_t warp = i / 32 * 32, lane = i % 32;
      float sum = 0, top = -1000;
      uint32_t vote = 0;
      for (size_t l = 0; l < 32; ++l) {
        sum += x[warp + l];
        top = std::max(top, x[warp + l]);
        vote |= uint32_t{x[warp + l] > 0} << l;
      }
      EXPECT_EQ(shuffled[i], x[warp + (lane + 5) % 32]);
      EXPECT_EQ(across[i], x[warp + (lane ^ 6)]);
      EXPECT_EQ(votes[i], vote);
      EXPECT_EQ(warp_sums[i], sum);
      EXPECT_EQ(warp_tops[i], top);
      EXPECT_EQ(block_sums[i], block_sum);
      EXPECT_EQ(block_tops[i], block_top);
    }
  });
}

/// Whole numbers, so that every sum is exact in any order.
TEST(CudaDevice, MultipliesMatrices) {
  on_every_order([](Device& device) {
    for (int kind : {0, 1, 2, 3}) {
      const size_t k = kind >= 2 ? 32 : 16;
      const std::vector<float> a = kind == 3 ? whole_numbers(16 * k, 0, 255, 1)
                                             : whole_numbers(16 * k, -100, 100, 1),
                               b = whole_numbers(k * 8, -100, 100, 2),
                               d = whole_numbers(16 * 8, -100, 100, 3);
      std::vector<float> expected = d;
      for (size_t row = 0; row < 16; ++row)
        for (size_t column = 0; column < 8; ++column)
          for (size_t i = 0; i < k; ++i) expected[row * 8 + column] += a[row * k + i] * b[i * 8 + column];
      Arrays arrays(device);
      ProductCheckArgs args{};
      args.kind = kind;
      if (kind >= 2) {
        args.a = kind == 2 ? static_cast<const void*>(arrays.put(std::vector<int8_t>(a.begin(), a.end())))
                           : arrays.put(std::vector<uint8_t>(a.begin(), a.end()));
        args.b = arrays.put(std::vector<int8_t>(b.begin(), b.end()));
        args.d = arrays.put(std::vector<int32_t>(d.begin(), d.end()));
      } else {
        const auto rounded = [&](const std::vector<float>& values) {
          std::vector<uint16_t> bits;
          for (float x : values) bits.push_back(kind == 0 ? to_half(x).bits : to_bfloat16(x).bits);
          return arrays.put(bits);
        };
        args.a = rounded(a);
        args.b = rounded(b);
        args.d = arrays.put(d);
      }
      device.launch(product_check, {{1}, 32, 0}, args);
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(kind >= 2 ? static_cast<float>(arrays.get(static_cast<int32_t*>(args.d), 128)[i])
                            : arrays.get(static_cast<float*>(args.d), 128)[i],
                  expected[i])
            << "kind " << kind << ", element " << i;
    }
  });
}

TEST(CudaDevice, LoadsMatrices) {
  on_every_order([](Device& device) {
    Arrays arrays(device);
    std::vector<uint16_t> rows(32 * 8);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<uint16_t>(i * 7 + 1);
    MatrixCheckArgs args{arrays.put(rows), arrays.make<uint32_t>(128), arrays.make<uint32_t>(128)};
    device.launch(matrix_check, {{1}, 32, kMatrixCheckShared}, args);
    const auto words = arrays.get(args.words, 128), transposed = arrays.get(args.transposed, 128);
    for (size_t lane = 0; lane < 32; ++lane)
      for (size_t m = 0; m < 4; ++m) {
        const size_t g = lane / 4, t = lane % 4;
        const auto element = [&](size_t row, size_t column) {
          return uint32_t{rows[(8 * m + row) * 8 + column]};
        };
        EXPECT_EQ(words[4 * lane + m], element(g, 2 * t) | element(g, 2 * t + 1) << 16);
        EXPECT_EQ(transposed[4 * lane + m], element(2 * t, g) | element(2 * t + 1, g) << 16);
      }
  });
}

TEST(CudaDevice, CopiesInGroups) {
  on_every_order([](Device& device) {
    for (int valid : {16, 7, 0}) {
      Arrays arrays(device);
      constexpr size_t kBytes = 5 * kCopyCheckPiece;
      std::vector<uint8_t> from(kBytes);
      for (size_t i = 0; i < kBytes; ++i) from[i] = static_cast<uint8_t>(i * 31 + i / 256 + 1);
      CopyCheckArgs args{arrays.put(from), arrays.make<uint8_t>(kBytes), 5, valid};
      device.launch(copy_check, {{1}, 64, kCopyCheckShared}, args);
      for (size_t i = 4 * kCopyCheckPiece; i < kBytes; ++i)
        if (static_cast<int>(i % 16) >= valid) from[i] = 0;
      EXPECT_EQ(arrays.get(args.to, kBytes), from);
    }
  });
}

/// A sum of two f16 rounded once, by trying every one near it.
uint16_t nearest_half(double value) {
  if (std::isnan(value)) return 0x7e00;
  uint16_t best = 0;
  double error = INFINITY;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto candidate = static_cast<uint16_t>(bits);
    const double x = double{to_float(Half{candidate})};
    if (!std::isfinite(x)) continue;
    const double off = std::fabs(x - value);
    if (off < error || (off == error && candidate % 2 == 0 && best % 2 == 1)) {
      best = candidate;
      error = off;
    }
  }
  if (std::fabs(value) >= 65520) return value > 0 ? 0x7c00 : 0xfc00;
  return best;
}

TEST(CudaDevice, ComputesNumbers) {
  constexpr size_t kCount = 200;
  std::mt19937 random(5);
  // Finite halves in both parts, which as f32 are finite too.
  const auto numbers = [&] {
    std::vector<uint32_t> made(kCount);
    for (uint32_t& word : made) do
        word = static_cast<uint32_t>(random());
      while ((word & 0x7c00u) == 0x7c00u || (word & 0x7c000000u) == 0x7c000000u);
    return made;
  };
  std::vector<uint32_t> a = numbers(), b = numbers(), c = numbers();
  // Sums whose rounding to f32 on the way would fall on the middle between two halves.
  a[0] = a[1] = to_half(0x1.004p0f).bits;  // 1 + 2^-10
  b[0] = b[1] = to_half(0x1.002p0f).bits;  // rounded: 1
  c[0] = to_half(0x1p-24f).bits;
  c[1] = to_half(-0x1p-24f).bits;
  const TestDevice device;
  Arrays arrays(*device);
  NumberCheckArgs args{arrays.put(a), arrays.put(b), arrays.put(c),
                       arrays.make<uint32_t>(kNumberChecks * kCount), kCount};
  device->launch(number_check, {{4}, 64, 0}, args);
  const auto y = arrays.get(args.y, kNumberChecks * kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const auto found = [&](size_t function) { return y[function * kCount + i]; };
    const auto half = [](uint32_t word, int part) {
      return double{to_float(Half{static_cast<uint16_t>(word >> (16 * part))})};
    };
    const auto part_of = [](uint32_t word, int part) { return static_cast<uint16_t>(word >> (16 * part)); };
    if (i < 20)  // nearest_half() is slow
      for (int part : {0, 1}) {
        const auto same = [&](uint32_t word, double value) {
          return to_float(Half{part_of(word, part)}) == to_float(Half{nearest_half(value)});
        };
        EXPECT_TRUE(same(found(0), half(a[i], part) * half(b[i], part) + half(c[i], part))) << i;
        EXPECT_TRUE(same(found(1), half(a[i], part) - half(b[i], part))) << i;
        EXPECT_TRUE(same(found(2), half(a[i], part) * half(b[i], part))) << i;
      }
    const float x = std::bit_cast<float>(a[i]), z = std::bit_cast<float>(b[i]),
                w = std::bit_cast<float>(c[i]);
    EXPECT_EQ(found(3), to_half(x).bits | uint32_t{to_half(z).bits} << 16);
    EXPECT_EQ(found(4), to_bfloat16(x).bits | uint32_t{to_bfloat16(z).bits} << 16);
    EXPECT_EQ(std::bit_cast<float>(found(5)),
              static_cast<float>(half(a[i], 0)) + static_cast<float>(half(a[i], 1)));
    EXPECT_EQ(std::bit_cast<float>(found(6)),
              to_float(BFloat16{part_of(a[i], 0)}) + to_float(BFloat16{part_of(a[i], 1)}));
    EXPECT_EQ(found(7), (a[i] & b[i]) | c[i]);
    int dot = static_cast<int>(c[i]);
    for (int byte = 0; byte < 4; ++byte) {
      const uint32_t nibble = (c[i] >> (4 * byte)) & 7;
      const uint32_t word = nibble < 4 ? a[i] : b[i];
      EXPECT_EQ((found(8) >> (8 * byte)) & 0xff, (word >> (8 * (nibble % 4))) & 0xff);
      dot = static_cast<int>(static_cast<uint32_t>(dot) +
                             static_cast<uint32_t>(static_cast<int8_t>(a[i] >> (8 * byte)) *
                                                   static_cast<int8_t>(b[i] >> (8 * byte))));
    }
    EXPECT_EQ(found(9), static_cast<uint32_t>(dot));
    const double nearest = std::nearbyint(double{x});
    EXPECT_EQ(static_cast<int32_t>(found(10)), nearest >= 0x1p31    ? INT32_MAX
                                               : nearest <= -0x1p31 ? INT32_MIN
                                                                    : static_cast<int32_t>(nearest));
    const float separate = x * z;
    EXPECT_EQ(found(11), std::bit_cast<uint32_t>(separate + w));
    EXPECT_EQ(found(12), std::bit_cast<uint32_t>(std::fma(x, z, w)));
    EXPECT_EQ(found(13), a[i / 4 * 4 + 3]);
    const double magnitude = std::fabs(double{x});  // beyond these results may be denormal
    if (magnitude < 126) EXPECT_NEAR(std::bit_cast<float>(found(14)) / std::exp2(double{x}), 1, 0x1p-21);
    if (magnitude > 0x1p-120 && magnitude < 0x1p120)
      EXPECT_NEAR(std::bit_cast<float>(found(15)) * double{x}, 1, 0x1p-22);
    const float rounded = std::bit_cast<float>(found(16));
    EXPECT_EQ(std::isnan(rounded), std::isnan(x));
    if (magnitude > 0x1p-120 && magnitude < 0x1p120)
      EXPECT_LE(std::fabs(double{rounded} - x), magnitude * 0x1p-11);
    EXPECT_EQ(found(17), found(5));
  }
}

TEST(CudaDevice, WaitsForOtherBlocks) {
  on_every_order([](Device& device) {
    Arrays arrays(device);
    OrderCheckArgs args{arrays.put(std::vector<int>(5, 0)), arrays.make<int>(5),
                        arrays.put(std::vector<int>{0})};
    device.launch(order_check, {{5}, 32, 0}, args);
    EXPECT_EQ(arrays.get(args.seen, 5), (std::vector<int>{0, 1, 3, 6, 10}));
  });
}

struct FaultArgs {
  int* memory = nullptr;
};

// What a GPU would let pass, one kernel each.

DEVICE_KERNEL(barrier_of_half_a_block, FaultArgs) {
  if (warp() == 0)
    sync_block();
  else
    sync_warp();
  if (warp() == 1) sync_block();
}
DEVICE_KERNEL(two_barriers, FaultArgs) {
  if (warp() == 0)
    sync_block();
  else
    sync_block();
}
DEVICE_KERNEL(shuffle_of_half_a_warp, FaultArgs) {
  if (lane() < 16) shuffle(1, 0);
}
DEVICE_KERNEL(two_shuffles, FaultArgs) {
  if (lane() < 16)
    shuffle(1, 0);
  else
    shuffle(1, 0);
}
DEVICE_KERNEL(warp_without_one_lane, FaultArgs) {
  if (lane() == 3) return;
  sync_warp();
}
DEVICE_KERNEL(write_race, FaultArgs) {
  shared_memory<int>(0)[0] = thread();
}
DEVICE_KERNEL(read_race, FaultArgs) {
  const Shared<int> values = shared_memory<int>(0);
  values[thread()] = 1;
  args.memory[thread()] = values[(thread() + 1) % block_threads()];
}
DEVICE_KERNEL(race_after_a_read, FaultArgs) {
  const Shared<int> values = shared_memory<int>(0);
  values[thread()] = 1;
  sync_block();
  const int next = values[(thread() + 1) % block_threads()];
  values[thread()] = next;
}
DEVICE_KERNEL(race_across_warps, FaultArgs) {
  const Shared<int> values = shared_memory<int>(0);
  values[thread()] = 1;
  sync_warp();
  args.memory[thread()] = values[(thread() + kWarp) % block_threads()];
}
DEVICE_KERNEL(matrix_of_others_rows, FaultArgs) {
  const Shared<int> row = shared_memory<int>(static_cast<size_t>(lane()) * 16);
  for (int i = 0; i < 4; ++i) row[i] = i;
  uint32_t words[4];
  load_matrices(words, row);
}
DEVICE_KERNEL(unwritten_read, FaultArgs) {
  args.memory[thread()] = shared_memory<int>(0)[thread()];
}
DEVICE_KERNEL(shared_overrun, FaultArgs) {
  shared_memory<int>(0)[thread() + 1] = 1;
}
DEVICE_KERNEL(shared_underrun, FaultArgs) {
  shared_memory<int>(0)[thread() - 1] = 1;
}
DEVICE_KERNEL(misaligned_shared, FaultArgs) {
  store_as<Words2>(shared_memory<int>(0) + 3 * thread(), Words2{1, 1});
}
DEVICE_KERNEL(misaligned_global, FaultArgs) {
  args.memory[0] = static_cast<int>(load_cached(reinterpret_cast<const Words4*>(args.memory + 1)).x);
}
DEVICE_KERNEL(misaligned_write, FaultArgs) {
  store_wide(args.memory + 2, Words4{1, 2, 3, 4});
}
DEVICE_KERNEL(misaligned_copy, FaultArgs) {
  copy_async_16(shared_memory<int>(static_cast<size_t>(thread()) * 16), args.memory + 1);
  commit_copies();
  wait_copies<0>();
}
DEVICE_KERNEL(copy_in_flight, FaultArgs) {
  const Shared<int> own = shared_memory<int>(static_cast<size_t>(thread()) * 16);
  copy_async_16(own, args.memory);
  commit_copies();
  wait_copies<1>();
  args.memory[4 + thread()] = own[0];
}
DEVICE_KERNEL(copy_of_another_thread, FaultArgs) {
  const Shared<int> own = shared_memory<int>(static_cast<size_t>(thread()) * 16);
  copy_async_16(own, args.memory);
  commit_copies();
  wait_copies<0>();
  args.memory[4 + thread()] = shared_memory<int>(0)[4 * (thread() ^ 1)];
}
DEVICE_KERNEL(copy_never_waited_for, FaultArgs) {
  copy_async_16(shared_memory<int>(static_cast<size_t>(thread()) * 16), args.memory);
  commit_copies();
}
DEVICE_KERNEL(global_overrun, FaultArgs) {
  if (thread() == 0) args.memory[256] = 1;
}
DEVICE_KERNEL(global_underrun, FaultArgs) {
  if (thread() == 0) args.memory[-1] = 1;
}
DEVICE_KERNEL(blocks_in_a_circle, FaultArgs) {
  wait_until(args.memory + (block_x() + 1) % grid_x(), 1);
  if (thread() == 0) args.memory[block_x()] = 1;
}
DEVICE_KERNEL_AHEAD(never_waits_for_earlier_kernels, FaultArgs, 32, 1) {
  if (thread() > 0) wait_for_earlier_kernels();
}
DEVICE_KERNEL(nothing_wrong, FaultArgs) {
  if (warp() == 1) return;  // threads that have ended are no part of later barriers
  const Shared<int> values = shared_memory<int>(0);
  values[thread()] = thread();
  sync_block();
  const int next = values[(thread() + 1) % kWarp];
  sync_warp();
  values[thread()] = next;
  sync_warp();
  args.memory[thread()] = values[(thread() + 1) % kWarp];
}

/// What is said of a kernel in each order of its threads.
std::vector<std::string> faults_of(const AnyDeviceKernel& kernel, const Launch& launch) {
  std::vector<std::string> texts;
  for (host::ThreadOrder order : kOrders) {
    HostDevice device(order, 3);
    Arrays arrays(device);
    const FaultArgs args{arrays.put(std::vector<int>(256, 0))};
    try {
      device.launch_any(kernel, launch, &args, sizeof(args));
      texts.push_back("");
    } catch (const std::logic_error& error) {
      texts.push_back(error.what());
    }
  }
  return texts;
}

TEST(CudaDevice, FindsWhatAGpuWouldLetPass) {
  SKIP_ON_A_GPU("the host's stand-in finds these faults, a GPU does not");
  const Launch warp{{1}, 32, 512}, two{{1}, 64, 1024};
  struct Fault {
    const AnyDeviceKernel& kernel;
    Launch launch;
    const char* said;
  };
  const Fault faults[] = {
      {barrier_of_half_a_block, two, "divergent barrier"},
      {two_barriers, two, "divergent barrier"},
      {shuffle_of_half_a_warp, warp, "no thread can go on"},
      {two_shuffles, warp, "divergent warp"},
      {warp_without_one_lane, warp, "no thread can go on"},
      {write_race, warp, "without a barrier"},
      {read_race, warp, ""},  // "nobody has written" or "without a barrier", by the order
      {race_after_a_read, warp, "without a barrier"},
      {race_across_warps, two, ""},
      {matrix_of_others_rows, warp, "without a barrier"},
      {unwritten_read, warp, "nobody has written"},
      {shared_overrun, {{1}, 32, 128}, "of shared memory, which has 128"},
      {shared_underrun, {{1}, 32, 128}, "of shared memory, which has 128"},
      {misaligned_shared, warp, "misaligned"},
      {misaligned_global, warp, "misaligned"},
      {misaligned_write, warp, "misaligned"},
      {misaligned_copy, warp, "misaligned"},
      {copy_in_flight, warp, "under way"},
      {copy_of_another_thread, warp, ""},  // "under way" or "without a barrier", by the order
      {copy_never_waited_for, warp, "never waited for"},
      {global_overrun, warp, "wrote behind"},
      {global_underrun, warp, "wrote before"},
      {blocks_in_a_circle, {{2}, 32, 0}, "wait for one another"},
      {never_waits_for_earlier_kernels, warp, "before it waited for earlier kernels"},
      {nothing_wrong, {{0}, 32, 512}, "a grid of"},
      {nothing_wrong, {{1, 70000}, 32, 512}, "a grid of"},
      {nothing_wrong, {{1}, 48, 512}, "a block of 48"},
      {nothing_wrong, {{1}, 2048, 512}, "a block of 2048"},
      {nothing_wrong, {{1}, 32, 200 * 1024}, "shared memory"},
  };
  for (const Fault& fault : faults) {
    // AddressSanitizer ends the program there (host/sanitizer_test.cpp).
    if (host::kAddressSanitizer && std::string_view(fault.said).starts_with("wrote")) continue;
    for (const std::string& text : faults_of(fault.kernel, fault.launch)) {
      EXPECT_NE(text, "") << fault.kernel.name;
      EXPECT_NE(text.find(fault.said), std::string::npos) << fault.kernel.name << ": " << text;
      EXPECT_NE(text.find(fault.kernel.name), std::string::npos) << text;
    }
  }
  for (const std::string& text : faults_of(nothing_wrong, two)) EXPECT_EQ(text, "");
}

TEST(CudaDevice, ReplaysWhatItRecorded) {
  const TestDevice device;
  Arrays arrays(*device);
  OrderCheckArgs args{arrays.put(std::vector<int>(1, 0)), arrays.make<int>(1),
                      arrays.put(std::vector<int>{0})};
  const auto recording = device->record([&] { device->launch(order_check, {{1}, 32, 0}, args); });
  ASSERT_TRUE(recording);
  EXPECT_EQ(arrays.get(args.sum, 1)[0], 0);
  recording->replay();
  recording->replay();
  EXPECT_EQ(arrays.get(args.sum, 1)[0], 2);
}

}  // namespace
}  // namespace halftone::cuda
