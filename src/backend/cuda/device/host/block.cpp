#include "backend/cuda/device/host/block.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <cassert>
#include <cstring>
#include <deque>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "backend/cuda/device/host/shared_check.h"

namespace halftone::cuda::host {
namespace {

using boost::context::fiber;
using boost::context::stack_context;

constexpr int kLanes = 32;
constexpr size_t kStackBytes = 64 * 1024;

/// Stacks are used again and again: a launch of many small blocks would otherwise spend its time on page
/// faults.
class StackPool {
 public:
  stack_context allocate() {
    stack_context stack;
    if (free_.empty()) {
      owned_.push_back(std::make_unique<std::byte[]>(kStackBytes));
      free_.push_back(owned_.back().get());
    }
    stack.size = kStackBytes;
    stack.sp = free_.back() + kStackBytes;
    free_.pop_back();
    return stack;
  }
  void deallocate(stack_context& stack) { free_.push_back(static_cast<std::byte*>(stack.sp) - kStackBytes); }

 private:
  std::vector<std::unique_ptr<std::byte[]>> owned_;
  std::vector<std::byte*> free_;
};

struct PooledStack {
  StackPool* pool;
  stack_context allocate() { return pool->allocate(); }
  void deallocate(stack_context& stack) { pool->deallocate(stack); }
};

struct Copy {
  size_t offset;
  const std::byte* from;
  size_t bytes;
  size_t valid;
};

enum class Waits : uint8_t { nothing, block, warp, exchange, others, ended };

struct Thread {
  int index;
  Waits waits = Waits::nothing;
  std::source_location where;
  fiber self;
  fiber scheduler;
  std::vector<std::vector<Copy>> committed;
  std::vector<Copy> copies;
};

struct Warp {
  int arrived = 0;
  bool parity = false;
  std::byte slots[2][kLanes * kExchangeBytes];
};

struct Block {
  Index3 index;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::unique_ptr<std::byte[]> shared;
  SharedCheck check;
  int at_barrier = 0;
  int ended = 0;
  bool done() const { return ended == static_cast<int>(threads.size()); }
};

/// One launch on this host thread.
struct Run {
  const AnyDeviceKernel& kernel;
  const void* args;
  const Launch& launch;
  ThreadOrder order;
  std::mt19937_64 random;
  StackPool& stacks;
  std::exception_ptr failure{};
  Block* block = nullptr;
  Thread* thread = nullptr;

  void run();
  std::unique_ptr<Block> start(int64_t position);
  void advance(Block& b);
  void resume(Block& b, Thread& t);
  void settle(Block& b, Thread& t);
  void release_block(Block& b);
  void release_warp(Block& b, int w);
  [[noreturn]] void stuck(const Block& b);
};

thread_local Run* current = nullptr;

std::string place(const std::source_location& where) {
  const std::string_view file = where.file_name();
  return fmt::format("{}:{}", file.substr(file.rfind('/') + 1), where.line());
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string name_of(const Run& run, const Block& b) {
  return fmt::format("kernel {}, block ({}, {}, {})", run.kernel.name, b.index.x, b.index.y, b.index.z);
}

void yield(Waits waits, const std::source_location& where = {}) {
  Thread& t = *current->thread;
  t.waits = waits;
  t.where = where;
  t.scheduler = std::move(t.scheduler).resume();
}

std::unique_ptr<Block> Run::start(int64_t position) {
  auto b = std::make_unique<Block>();
  const Index3& n = launch.blocks;
  const auto part = [](int64_t index) { return static_cast<int>(index); };
  b->index = {part(position % n.x), part(position / n.x % n.y), part(position / n.x / n.y)};
  b->shared = std::make_unique<std::byte[]>(launch.shared_bytes);
  b->check.reset(launch.shared_bytes);
  b->warps.resize(static_cast<size_t>(launch.threads / kLanes));
  b->threads.resize(static_cast<size_t>(launch.threads));
  for (int i = 0; i < launch.threads; ++i) {
    Thread& t = b->threads[static_cast<size_t>(i)];
    t.index = i;
    t.self = fiber(std::allocator_arg, PooledStack{&stacks}, [this, &t](fiber&& scheduler) {
      t.scheduler = std::move(scheduler);
      try {
        kernel.on_host(args);
        if (!t.copies.empty() || !t.committed.empty())
          fault("the thread ended with asynchronous copies that it never waited for");
      } catch (const std::exception&) {
        if (!failure) failure = std::current_exception();
      }
      t.waits = Waits::ended;
      return std::move(t.scheduler);
    });
  }
  return b;
}

void Run::resume(Block& b, Thread& t) {
  block = &b;
  thread = &t;
  t.waits = Waits::nothing;
  t.self = std::move(t.self).resume();
  if (failure) std::rethrow_exception(failure);
  settle(b, t);
}

/// Accounts for what the thread stopped at, and lets its group go when it was the last.
void Run::settle(Block& b, Thread& t) {
  const int w = t.index / kLanes;
  switch (t.waits) {
    case Waits::block:
      ++b.at_barrier;
      break;
    case Waits::warp:
    case Waits::exchange:
      if (++b.warps[static_cast<size_t>(w)].arrived == kLanes) release_warp(b, w);
      break;
    case Waits::ended:
      ++b.ended;
      break;
    default:
      break;
  }
  if (b.at_barrier > 0 && b.at_barrier + b.ended == launch.threads) release_block(b);
}

void Run::release_block(Block& b) {
  const Thread* first = nullptr;
  for (Thread& t : b.threads) {
    if (t.waits != Waits::block) continue;
    if (!first) first = &t;
    if (!same_place(first->where, t.where))
      throw std::logic_error(fmt::format("{}: a divergent barrier: thread {} waits at {}, thread {} at {}",
                                         name_of(*this, b), first->index, place(first->where), t.index,
                                         place(t.where)));
    t.waits = Waits::nothing;
  }
  b.at_barrier = 0;
  b.check.next_epoch();
}

void Run::release_warp(Block& b, int w) {
  Warp& group = b.warps[static_cast<size_t>(w)];
  Thread* lanes = &b.threads[static_cast<size_t>(w * kLanes)];
  for (int l = 0; l < kLanes; ++l)
    if (lanes[l].waits != lanes[0].waits || !same_place(lanes[l].where, lanes[0].where))
      throw std::logic_error(fmt::format("{}: a divergent warp: thread {} is at {}, thread {} at {}",
                                         name_of(*this, b), lanes[0].index, place(lanes[0].where),
                                         lanes[l].index, place(lanes[l].where)));
  if (lanes[0].waits == Waits::warp) b.check.next_warp_epoch(w);
  for (int l = 0; l < kLanes; ++l) lanes[l].waits = Waits::nothing;
  group.arrived = 0;
  group.parity = !group.parity;
}

/// Runs the block until it is done or its threads wait for other blocks.
void Run::advance(Block& b) {
  std::vector<int> turns(b.threads.size());
  std::iota(turns.begin(), turns.end(), 0);
  if (order == ThreadOrder::reverse) std::reverse(turns.begin(), turns.end());
  for (Thread& t : b.threads)
    if (t.waits == Waits::others) t.waits = Waits::nothing;
  while (!b.done()) {
    if (order == ThreadOrder::random) std::shuffle(turns.begin(), turns.end(), random);
    bool ran = false;
    for (int i : turns) {
      Thread& t = b.threads[static_cast<size_t>(i)];
      if (t.waits != Waits::nothing) continue;
      resume(b, t);
      ran = true;
    }
    if (ran) continue;
    if (std::any_of(b.threads.begin(), b.threads.end(),
                    [](const Thread& t) { return t.waits == Waits::others; }))
      return;
    stuck(b);
  }
}

void Run::stuck(const Block& b) {
  std::string text = name_of(*this, b) + ": no thread can go on";
  int told = 0;
  for (const Thread& t : b.threads)
    if (t.waits != Waits::ended &&
        (told == 0 || !same_place(t.where, b.threads[static_cast<size_t>(told - 1)].where))) {
      text += fmt::format("; thread {} waits for its {} at {}", t.index,
                          t.waits == Waits::block ? "block" : "warp", place(t.where));
      told = t.index + 1;
    }
  const auto ended = std::count_if(b.threads.begin(), b.threads.end(),
                                   [](const Thread& t) { return t.waits == Waits::ended; });
  throw std::logic_error(text + fmt::format("; {} threads have ended", ended));
}

void Run::run() {
  const int64_t total = int64_t{launch.blocks.x} * launch.blocks.y * launch.blocks.z;
  std::deque<std::unique_ptr<Block>> waiting;
  int64_t started = 0;
  // With every block started and all of them waiting, another round changes nothing.
  int idle = 0;
  while (started < total || !waiting.empty()) {
    std::unique_ptr<Block> b;
    const bool fresh = started < total;
    if (fresh) {
      b = start(started++);
    } else {
      b = std::move(waiting.front());
      waiting.pop_front();
    }
    const int ended_before = b->ended;
    advance(*b);
    if (b->done()) {
      idle = 0;
      continue;
    }
    idle = fresh || b->ended != ended_before ? 0 : idle + 1;
    waiting.push_back(std::move(b));
    if (idle > 1000 * static_cast<int>(waiting.size()))
      throw std::logic_error(name_of(*this, *waiting.back()) + ": all blocks wait for one another");
  }
}

}  // namespace

void run_grid(const AnyDeviceKernel& kernel, const void* args, const Launch& launch, ThreadOrder order,
              uint64_t seed) {
  if (launch.threads <= 0 || launch.threads % kLanes != 0 || launch.threads > 1024)
    throw std::logic_error(fmt::format("kernel {}: a block of {} threads", kernel.name, launch.threads));
  if (const Index3& n = launch.blocks; n.x < 1 || n.y < 1 || n.z < 1 || n.y > 65535 || n.z > 65535)
    throw std::logic_error(
        fmt::format("kernel {}: a grid of ({}, {}, {}) blocks", kernel.name, n.x, n.y, n.z));
  static thread_local StackPool stacks;
  Run run{kernel, args, launch, order, std::mt19937_64(seed), stacks};
  assert(!current);
  current = &run;
  try {
    run.run();
  } catch (...) {
    current = nullptr;
    throw;
  }
  current = nullptr;
}

const Launch& grid() {
  return current->launch;
}
Index3 block_index() {
  return current->block->index;
}
int thread_index() {
  return current->thread->index;
}

void fault(const std::string& what) {
  throw std::logic_error(
      fmt::format("{}, thread {}: {}", name_of(*current, *current->block), thread_index(), what));
}

void wait_for_block(const std::source_location& where) {
  yield(Waits::block, where);
}
void wait_for_warp(const std::source_location& where) {
  yield(Waits::warp, where);
}
void spin() {
  yield(Waits::others);
}

const std::byte* exchange(const void* given, size_t bytes, const std::source_location& where) {
  assert(bytes <= kExchangeBytes);
  const Thread& t = *current->thread;
  Warp& group = current->block->warps[static_cast<size_t>(t.index / kLanes)];
  std::byte* slots = group.slots[group.parity];
  std::memcpy(slots + static_cast<size_t>(t.index % kLanes) * kExchangeBytes, given, bytes);
  yield(Waits::exchange, where);
  return slots;
}

std::byte* shared_bytes() {
  return current->block->shared.get();
}

void check_shared(size_t offset, size_t bytes, bool write) {
  const std::string wrong = write ? current->block->check.write(offset, bytes, thread_index())
                                  : current->block->check.read(offset, bytes, thread_index());
  if (!wrong.empty()) fault(wrong);
}

void queue_copy(size_t offset, const void* from, size_t bytes, size_t valid) {
  const std::string wrong = current->block->check.begin_copy(offset, bytes, thread_index());
  if (!wrong.empty()) fault(wrong);
  current->thread->copies.push_back({offset, static_cast<const std::byte*>(from), bytes, valid});
}

void commit_copies() {
  Thread& t = *current->thread;
  t.committed.push_back(std::exchange(t.copies, {}));
}

void wait_copies(int pending) {
  Thread& t = *current->thread;
  const size_t landing = t.committed.size() - std::min(t.committed.size(), static_cast<size_t>(pending));
  for (size_t group = 0; group < landing; ++group)
    for (const Copy& copy : t.committed[group]) {
      std::byte* to = shared_bytes() + copy.offset;
      if (copy.valid > 0) std::memcpy(to, copy.from, copy.valid);
      std::memset(to + copy.valid, 0, copy.bytes - copy.valid);
      current->block->check.end_copy(copy.offset, copy.bytes, t.index);
    }
  t.committed.erase(t.committed.begin(), t.committed.begin() + static_cast<std::ptrdiff_t>(landing));
}

}  // namespace halftone::cuda::host
